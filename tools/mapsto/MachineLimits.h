//===- MachineLimits.h - What this machine can do at most -------*- C++ -*-===//
//
// Measured, not looked up: multiply-adds in registers, and reading from every
// level of memory. `mapsto bench` and `tools/bench-peers` compare with it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TOOLS_MACHINELIMITS_H
#define MAPSTO_TOOLS_MACHINELIMITS_H

#include <string>
#include <vector>

namespace mapsto {

/// The vectors that code may use.
enum class Vectors { Baseline, Fma256, Fma512 };

/// The widest that this machine has.
Vectors widestVectors();
/// Those of code that needs these CPU features, by LLVM's names.
Vectors vectorsOf(const std::vector<std::string> &features);

struct MachineLimits {
  /// A cache, or memory: what it holds of all threads together (memory:
  /// infinity), and bytes a second of all threads.
  struct Level {
    double bytes, bandwidth;
  };

  double flops; ///< f32 operations a second, of all threads
  std::vector<Level> levels;

  /// As --limits of compiled models takes them.
  std::string option() const;
  /// "118 GFLOP/s; read L1 179, L2 117, L3 99, memory 21 GB/s"
  std::string text() const;
};

/// How long to measure: the shortest of `attempts` of `milliseconds` counts,
/// for every figure.
struct Effort {
  int attempts;
  double milliseconds;
};
/// About 0.2 s in all, and 1 s.
inline constexpr Effort kBrief{6, 2}, kThorough{25, 5};

MachineLimits measureLimits(int threads, Vectors vectors, Effort effort);

} // namespace mapsto

#endif // MAPSTO_TOOLS_MACHINELIMITS_H
