//===- PackedWeights.h - Parameters as the kernels read them ----*- C++ -*-===//
//
// The weights of an artifact: one run of bytes, in which each parameter that a
// kernel reads lies in the layout that the kernel wants (whole, some of its
// rows, or in panels; see `mapsto.weight`), and each literal table. A
// WeightTable is the plan, made from the module alone. The bytes are produced
// from a source (a weights file) panel by panel: neither the file nor the
// result is ever held in memory as a whole.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PACKAGE_PACKEDWEIGHTS_H
#define MAPSTO_COMPILER_PACKAGE_PACKEDWEIGHTS_H

#include "compiler/package/StoredWeights.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace mapsto {

/// Where parameters come from.
struct WeightSource {
  /// The tensor of that name, or nothing.
  std::function<std::optional<WeightView>(llvm::StringRef name)> find;
  /// All it has.
  std::vector<std::string> names;
};

/// How a source does not fit a model, one line each, in the model's order.
struct WeightProblems {
  std::vector<std::string> missing;
  std::vector<std::string> mismatched; ///< wrong shape or element type
  std::vector<std::string> extra;      ///< in the source, not in the model
};

/// Compares the parameters of a module (of any phase up to `loops`) with a
/// source.
WeightProblems checkWeights(mlir::ModuleOp module, const WeightSource &source);

class WeightTable {
public:
  struct Entry {
    std::string name;            ///< of the parameter; "" for a literal
    int64_t rowStart = 0;        ///< first row read
    int64_t panel = 0;           ///< columns of a panel; 0: not packed
    bool transposed = false;     ///< packed: the matrix is [N, K]
    std::vector<int64_t> matrix; ///< packed: its sizes before
    StorageAttr stored;          ///< of a matrix in fewer bits
    bool scales = false;         ///< the scales of its channels, not itself
    mapsto_dtype dtype;
    std::vector<int64_t> shape;    ///< as stored
    mlir::DenseElementsAttr value; ///< literals
    uint64_t offset = 0, size = 0; ///< bytes
  };

  /// Every entry starts at a multiple of this.
  static constexpr uint64_t kAlignment = 64;

  /// Lays out all parameters and literals of the entry function.
  explicit WeightTable(mlir::ModuleOp module);

  /// Where the bytes come from when they are written. The views must stay
  /// valid as long as this.
  void setSource(WeightSource from) { source = std::move(from); }

  const std::vector<Entry> &entries() const { return list; }
  /// The entry of a `mapsto.weight` or `mapsto.constant` of the module.
  const Entry &find(mlir::Operation *op) const;
  uint64_t size() const { return bytes; }

  /// Writes all `size()` bytes, in order. False if the source lacks something
  /// (then with the reason) or `out` fails.
  bool write(llvm::raw_ostream &out, std::string &error) const;
  /// The same into memory of `size()` bytes.
  bool writeTo(void *memory, std::string &error) const;

private:
  using Sink = llvm::function_ref<void(const void *bytes, size_t size)>;
  bool writeAll(Sink sink, std::string &error) const;
  void add(std::string key, Entry entry);

  std::vector<Entry> list;
  llvm::StringMap<size_t> index; // by key
  uint64_t bytes = 0;
  WeightSource source;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_PACKEDWEIGHTS_H
