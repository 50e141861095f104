//===- Timings.h - Where compile time goes ----------------------*- C++ -*-===//
//
// `mapsto compile --time`: each stage measures itself into one list.
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

private:
  std::vector<std::pair<std::string, double>> stages;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_TIMINGS_H
