//===- PairElements.h - A tensor of pairs, element by element ---*- C++ -*-===//
//
// Attention's regions compute with scalars what a graph computes with tensors
// of all pairs of a query and a key: this writes one as the other.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_GRAPH_PAIRELEMENTS_H
#define MAPSTO_COMPILER_GRAPH_PAIRELEMENTS_H

#include "compiler/graph/Build.h"

namespace mapsto {

/// The place of an element: an i64 scalar per axis.
using Place = llvm::SmallVector<mlir::Value, 6>;

/// Whether an element of `from` has a place in `to` that can be computed axis
/// by axis: `to` splits or merges neighbouring axes.
bool canMovePlace(llvm::ArrayRef<Dim> from, llvm::ArrayRef<Dim> to);

class PairElements {
  mlir::OpBuilder builder;

public:
  /// Writes at the end of `block`, whose last arguments are an index per batch
  /// axis, the query's and the key's.
  explicit PairElements(mlir::Block &block);

  /// From here on the element of `tensor` is `element`, wherever it is.
  void give(mlir::Value tensor, mlir::Value element);
  /// From here on every element of `tensor` is 0.
  void giveNothing(mlir::Value tensor);
  /// From here on `tensor` is taken for `other`, of the same shape.
  void replace(mlir::Value tensor, mlir::Value other) {
    replaced[tensor] = other;
  }
  /// Computed here, and not read, whatever it costs: these ops lie between the
  /// product and the softmax.
  void compute(llvm::ArrayRef<mlir::Operation *> ops) {
    path.insert(ops.begin(), ops.end());
  }

  /// The element of `tensor` at `place`. What is cheap is computed on the spot;
  /// what is not is read from the tensor.
  mlir::Value element(mlir::Value tensor, llvm::ArrayRef<mlir::Value> place);

  /// Where a view's element is in the view's operand; nothing if `view` is none
  /// that says so.
  std::optional<Place> behind(mlir::Operation *view,
                              llvm::ArrayRef<mlir::Value> place);
  mlir::Value negated(mlir::Value condition);

  /// The place in `to` of the element that is at `place` of `from`.
  Place move(llvm::ArrayRef<mlir::Value> place, llvm::ArrayRef<Dim> from,
             llvm::ArrayRef<Dim> to);

  GraphBuilder b;

private:
  mlir::Value number(const Dim &dim);
  mlir::Value read(mlir::Value tensor, llvm::ArrayRef<mlir::Value> place);
  /// Whether the place has both indices of the pair.
  bool isOfPair(llvm::ArrayRef<mlir::Value> place);

  mlir::Value query, key;
  llvm::DenseMap<mlir::Value, mlir::Value> given, replaced;
  llvm::SmallPtrSet<mlir::Operation *, 8> path;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_PAIRELEMENTS_H
