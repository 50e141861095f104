// What memory bounds: softmax, norms and element-wise functions, of tensors
// that stay in the second cache and of those that do not.
#include "tests/benchmarks/harness.h"

using namespace mapsto::benchmarks;

std::vector<Workload> mapsto::benchmarks::workloads() {
  std::vector<Workload> all;
  for (int64_t rows : {64, 4096}) {
    std::string m = std::to_string(rows);
    all.push_back(
        {"softmax/" + m + "x1000", "softmax", {{"M", rows}, {"N", 1000}}});
    all.push_back({"layer_norm/" + m + "x768", "layer_norm", {{"M", rows}}});
    all.push_back({"gelu/" + m + "x768", "gelu", {{"M", rows}, {"N", 768}}});
  }
  return all;
}
