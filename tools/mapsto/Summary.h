//===- Summary.h - A compiled model as a person reads it --------*- C++ -*-===//
//
// The default view of `mapsto inspect`: signature, parameters, kernels with
// what was fused into each and what it costs, and the memory plan. It is made
// from a manifest, so a model file and an artifact look the same, but for
// remarks, which an artifact does not keep.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TOOLS_SUMMARY_H
#define MAPSTO_TOOLS_SUMMARY_H

#include "runtime/manifest.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mapsto {

/// Values of symbolic sizes, by name.
using Sizes = std::map<std::string, int64_t>;

class Summary {
public:
  /// `remarks` are what the compiler has to say of the model, a line each.
  Summary(const runtime::Manifest &manifest, const Sizes &sizes,
          std::vector<std::string> remarks = {});

  struct Row {
    std::vector<std::string> cells;
    std::string detail; ///< a line below it
  };
  struct Table {
    std::string title;
    std::vector<std::string> columns;
    std::vector<Row> rows;
    std::string note; ///< lines below the table
  };

  std::string title() const;
  std::string doc() const;
  std::string target() const;
  std::vector<Table> tables() const;
  /// All of it as text.
  std::string text() const;

private:
  Table tensors() const;
  Table parameters() const;
  Table kernels() const;
  Table shaders() const;
  Table schedule() const;
  Table memory() const;

  std::string type(const runtime::TensorRecord &tensor) const;
  /// The expression's value where its sizes are known.
  std::optional<int64_t> value(uint32_t expr) const;
  /// "1.23 MFLOP" where the sizes are known, else the expression.
  std::string amount(uint32_t expr, const char *unit) const;
  bool allKnown() const;

  const runtime::Manifest &m;
  std::vector<std::string> remarks;
  std::vector<int64_t> symbols; ///< by index, or kNoValue
};

/// "1.23 MB"; whole numbers below 1000 are exact.
std::string amountText(double amount, const char *unit);

} // namespace mapsto

#endif // MAPSTO_TOOLS_SUMMARY_H
