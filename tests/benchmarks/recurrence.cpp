// Recurrences: one layer over a sequence, for one row and for a batch, and the
// step of a decoder.
#include "tests/benchmarks/harness.h"

using namespace mapsto::benchmarks;

static Workload layer(const char *file, int64_t steps, int64_t batch,
                      int64_t input, int64_t hidden) {
  std::string in = std::to_string(input), out = std::to_string(hidden);
  return {std::string(file) + "/" + in + "to" + out + "/T" +
              std::to_string(steps) + "/B" + std::to_string(batch),
          file,
          {{"T", steps}, {"B", batch}},
          {{"input_size", in}, {"hidden_size", out}}};
}

std::vector<Workload> mapsto::benchmarks::workloads() {
  std::vector<Workload> all;
  for (const char *file : {"lstm", "gru", "rnn"}) {
    all.push_back(layer(file, 100, 1, 256, 256));
    all.push_back(layer(file, 100, 5, 256, 256));
    all.push_back(layer(file, 100, 32, 256, 256));
    all.push_back(layer(file, 128, 1, 1, 16));
  }
  all.push_back({"lstm_step/256", "lstm_step", {{"B", 1}}});
  return all;
}
