//===- worker.h - what every native participant of a comparison shares ----===//
//
// A participant is a process that answers lines on standard input:
//
//   prepare NAME CASE   reads CASE.case with its tensors, makes CASE ready
//   measure NAME MS     runs it for about MS ms: `ok MEDIAN MIN RUNS`, in ns
//   results NAME DIR    writes each output to DIR/OUTPUT.bin
//   drop NAME
//
// with `ok ...` or `error TEXT`. A case file has a line for each tensor,
// `input|output NAME f32|i64 RANK DIM... FILE`, in the order of the model.
//
//===----------------------------------------------------------------------===//
#ifndef MAPSTO_TESTS_BENCHMARKS_PEERS_WORKER_H
#define MAPSTO_TESTS_BENCHMARKS_PEERS_WORKER_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace peers {

constexpr size_t alignment = 64;

struct Free {
  void operator()(void *memory) const { std::free(memory); }
};

struct Tensor {
  std::string name;
  bool whole = false; // i64, else f32
  std::vector<int64_t> dims;
  size_t bytes = 0;
  std::unique_ptr<void, Free> data;

  float *floats() const { return static_cast<float *>(data.get()); }
};

struct Case {
  std::string path; // without extension
  std::vector<Tensor> inputs, outputs;
};

// A case made ready; one call of `run` is what is timed.
struct Prepared {
  explicit Prepared(Case given) : tensors(std::move(given)) {}
  virtual ~Prepared() = default;
  virtual void run() = 0;

  Case tensors;
};

using Prepare = std::function<std::unique_ptr<Prepared>(Case)>;

inline Tensor readTensor(std::istringstream &line, bool isInput,
                         const std::string &folder) {
  Tensor tensor;
  std::string type, file;
  size_t rank = 0;
  line >> tensor.name >> type >> rank;
  tensor.whole = type == "i64";
  tensor.dims.resize(rank);
  tensor.bytes = tensor.whole ? 8 : 4;
  for (int64_t &dim : tensor.dims) {
    line >> dim;
    tensor.bytes *= static_cast<size_t>(dim);
  }
  size_t rounded = (tensor.bytes + alignment - 1) / alignment * alignment;
  tensor.data.reset(std::aligned_alloc(alignment, rounded));
  std::fill_n(static_cast<char *>(tensor.data.get()), rounded, 0);
  if (!isInput)
    return tensor;
  line >> file;
  std::ifstream bytes(folder + file, std::ios::binary);
  if (!bytes.read(static_cast<char *>(tensor.data.get()),
                  static_cast<std::streamsize>(tensor.bytes)))
    throw std::runtime_error("cannot read " + folder + file);
  return tensor;
}

inline Case readCase(const std::string &path) {
  Case result;
  result.path = path;
  std::string folder = path.substr(0, path.rfind('/') + 1);
  std::ifstream file(path + ".case");
  if (!file)
    throw std::runtime_error("cannot read " + path + ".case");
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string role;
    line >> role;
    bool isInput = role == "input";
    (isInput ? result.inputs : result.outputs)
        .push_back(readTensor(line, isInput, folder));
  }
  return result;
}

// A median of fewer runs is any of them.
constexpr size_t fewestRuns = 3;

inline std::string measure(Prepared &prepared, double milliseconds) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  Clock::time_point start = Clock::now(), before = start;
  double limit = milliseconds * 1e6, elapsed = 0;
  do {
    prepared.run();
    Clock::time_point after = Clock::now();
    times.push_back(
        std::chrono::duration<double, std::nano>(after - before).count());
    elapsed = std::chrono::duration<double, std::nano>(after - start).count();
    before = after;
  } while (elapsed < limit || times.size() < fewestRuns);
  auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  std::ostringstream text;
  text << *middle << ' ' << *std::min_element(times.begin(), times.end()) << ' '
       << times.size();
  return text.str();
}

inline void writeResults(const Prepared &prepared, const std::string &folder) {
  for (const Tensor &tensor : prepared.tensors.outputs) {
    std::ofstream file(folder + "/" + tensor.name + ".bin", std::ios::binary);
    file.write(static_cast<const char *>(tensor.data.get()),
               static_cast<std::streamsize>(tensor.bytes));
  }
}

// Answers until standard input ends.
inline int serve(const Prepare &prepare) {
  std::map<std::string, std::unique_ptr<Prepared>> ready;
  for (std::string text; std::getline(std::cin, text);) {
    std::istringstream line(text);
    std::string command, name, argument, answer;
    line >> command >> name >> argument;
    try {
      if (command == "prepare") {
        ready[name] = prepare(readCase(argument));
        ready[name]->run();
      } else if (command == "measure") {
        answer = measure(*ready.at(name), std::stod(argument));
      } else if (command == "results") {
        writeResults(*ready.at(name), argument);
      } else {
        ready.erase(name);
      }
      std::cout << "ok " << answer << std::endl;
    } catch (const std::exception &error) {
      ready.erase(name);
      std::string what = error.what();
      std::replace(what.begin(), what.end(), '\n', ' ');
      std::cout << "error " << what << std::endl;
    }
  }
  return 0;
}

} // namespace peers

#endif // MAPSTO_TESTS_BENCHMARKS_PEERS_WORKER_H
