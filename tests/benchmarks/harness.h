//===- harness.h - kernels as benchmarks ----------------------------------===//
//
// A program is a family of kernels: a source that lists workloads, and
// harness.cpp, which compiles each as `mapsto` would, in this process, and runs
// it through the C API, on one thread and on every core. FLOP/s and bytes/s are
// the kernels' own counts.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TESTS_BENCHMARKS_HARNESS_H
#define MAPSTO_TESTS_BENCHMARKS_HARNESS_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mapsto::benchmarks {

struct Workload {
  std::string name;
  std::string file;                     ///< of models/, without its ending
  std::map<std::string, int64_t> sizes; ///< of the symbolic dimensions
  std::map<std::string, std::string> arguments = {}; ///< of the model
  std::string model = {}; ///< which of the file; empty: the last
};

/// What the program measures.
std::vector<Workload> workloads();

} // namespace mapsto::benchmarks

#endif // MAPSTO_TESTS_BENCHMARKS_HARNESS_H
