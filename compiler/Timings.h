//===- Timings.h - Where compile time goes ----------------------*- C++ -*-===//
//
// `mapsto compile --time`: each stage measures itself into one list, LLVM's
// also by function.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_TIMINGS_H
#define MAPSTO_COMPILER_TIMINGS_H

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace mapsto {

class Timings {
public:
  /// Runs `work` and adds the time it took to `stage`.
  template <typename Work> auto measure(const char *stage, Work &&work) {
    struct Stop {
      Timings &timings;
      const char *stage;
      std::chrono::steady_clock::time_point start;
      ~Stop() {
        timings.add(stage, std::chrono::duration<double, std::milli>(
                               std::chrono::steady_clock::now() - start)
                               .count());
      }
    } stop{*this, stage, std::chrono::steady_clock::now()};
    return work();
  }

  void add(const char *stage, double milliseconds) {
    for (auto &[name, total] : stages)
      if (name == stage) {
        total += milliseconds;
        return;
      }
    stages.emplace_back(stage, milliseconds);
  }

  /// Stages in the order they first ran, each with its milliseconds.
  const std::vector<std::pair<std::string, double>> &all() const {
    return stages;
  }

  /// What LLVM takes for a function, in milliseconds, and how large it came.
  struct Kernel {
    std::string function;
    double passes = 0, codegen = 0, instructions = 0;
  };
  /// Whether kernels are measured, which itself costs a little.
  bool byKernel = false;
  std::vector<Kernel> kernels;
  Kernel &kernel(const std::string &function) {
    for (Kernel &known : kernels)
      if (known.function == function)
        return known;
    return kernels.emplace_back(Kernel{function});
  }

private:
  std::vector<std::pair<std::string, double>> stages;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_TIMINGS_H
