// Attention: lengths, masks, widths of a head, decoding with a long cache, and
// scores other than the product.
#include "tests/benchmarks/harness.h"

using namespace mapsto::benchmarks;

static std::string text(int64_t number) { return std::to_string(number); }

static Workload heads(int64_t h, int64_t length, int64_t width, bool causal) {
  return {std::string(causal ? "causal/" : "dot/") + text(h) + "x" +
              text(length) + "x" + text(width),
          "attention",
          {{"B", 1}, {"H", h}, {"L", length}},
          {{"width", text(width)}, {"is_causal", causal ? "true" : "false"}}};
}

/// `queries` of every head against `keys` that `group` heads share.
static Workload grouped(int64_t h, int64_t group, int64_t queries,
                        int64_t keys) {
  return {"grouped/" + text(h) + "by" + text(group) + "x" + text(queries) +
              "of" + text(keys),
          "grouped_attention",
          {{"B", 1}, {"L", queries}, {"S", keys}},
          {{"heads", text(h)}, {"shared", text(h / group)}}};
}

std::vector<Workload> mapsto::benchmarks::workloads() {
  return {heads(8, 128, 64, false),
          heads(8, 128, 64, true),
          heads(8, 512, 64, false),
          heads(8, 512, 64, true),
          heads(8, 512, 16, false),
          heads(8, 512, 128, false),
          heads(8, 512, 33, false),
          grouped(1, 1, 1, 4096),
          grouped(8, 1, 1, 4096),
          grouped(8, 8, 1, 4096),
          grouped(8, 4, 1, 4096),
          grouped(8, 4, 256, 256),
          {"additive/10x512",
           "additive_attention",
           {{"B", 10}, {"L", 1}, {"S", 512}}}};
}
