// Functions of 4096 numbers in the first cache: elements a second are B/s / 8.
#include "tests/benchmarks/harness.h"

using namespace mapsto::benchmarks;

std::vector<Workload> mapsto::benchmarks::workloads() {
  std::vector<Workload> all;
  for (const char *name : {"Exp", "Log", "Tanh", "Sigmoid", "Erf", "Gelu",
                           "Sin", "Cos", "Pow", "Rsqrt"})
    all.push_back({name, "math", {{"N", 4096}}, {}, name});
  return all;
}
