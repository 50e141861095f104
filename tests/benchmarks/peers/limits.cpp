//===- limits.cpp - what this machine can do at most ----------------------===//
//
// usage: limits THREADS. Prints the f32 operations a second of all threads
// together, then of every level of memory what it holds and the bytes a second
// that are read from it, a line each; memory holds `inf`.
//
//===----------------------------------------------------------------------===//
#include "tools/mapsto/MachineLimits.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  mapsto::MachineLimits limits = mapsto::measureLimits(
      threads < 1 ? 1 : threads, mapsto::widestVectors(), mapsto::kThorough);
  std::printf("%g\n", limits.flops);
  for (const mapsto::MachineLimits::Level &level : limits.levels)
    std::printf("%g %g\n", level.bytes, level.bandwidth);
}
