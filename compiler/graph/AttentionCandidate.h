//===- AttentionCandidate.h - What may be attention -------------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_GRAPH_ATTENTIONCANDIDATE_H
#define MAPSTO_COMPILER_GRAPH_ATTENTIONCANDIDATE_H

#include "compiler/graph/PairElements.h"

#include "llvm/ADT/SetVector.h"

#include <optional>
#include <string>

namespace mapsto {

/// The softmax by whose weights `output` sums values, or null. Weights of
/// queries with no key left may be set to 0 on the way.
SoftmaxOp softmaxOf(MatmulOp output);

/// The batch axes.
inline Dims leadOf(mlir::Value v) {
  return Dims(llvm::ArrayRef(dimsOf(v)).drop_back(2));
}

/// A part of the graph that may be attention, from its last op up.
class AttentionCandidate {
public:
  AttentionCandidate(MatmulOp output, SoftmaxOp softmax)
      : output(output), softmax(softmax) {}

  /// Nothing if it is attention, else why not.
  std::optional<std::string> match();
  void raise();

private:
  std::optional<std::string> followWeights();
  std::optional<std::string> findProduct();
  std::optional<std::string> checkOperands();
  void collectPath(mlir::Value v, llvm::SetVector<mlir::Operation *> &ops,
                   llvm::SmallVectorImpl<MatmulOp> &products);
  void takeScale();
  bool isOnPath(mlir::Value v) const {
    return v == base || (v.getDefiningOp() && path.contains(v.getDefiningOp()));
  }

  AttentionOp create(GraphBuilder &b);
  mlir::Block *addBlock(AttentionOp op, mlir::Region &region, bool takesScore);
  bool writeMask(AttentionOp op, bool onlyCertain);
  void writeModify(AttentionOp op);
  Place placeIn(PairElements &elements, mlir::Block &block, mlir::Value tensor);

  /// Pairs that are removed from the scores.
  struct Removal {
    mlir::Value condition; ///< where it is that a pair stays, or goes
    bool stays;
    Place place;
    bool isCertain;     ///< by -inf, whatever else there is
    mlir::Value marked; ///< by this tensor: the scores, or a table added
  };
  std::optional<Removal> removalOf(SelectOp select, const Place &place,
                                   bool isTable);
  void collectRemovals(mlir::Value added, Place place, PairElements &elements,
                       llvm::SmallVectorImpl<Removal> &removals, int &others);

  MatmulOp output;
  SoftmaxOp softmax;
  MatmulOp product;
  llvm::SetVector<mlir::Operation *> path; ///< between product and softmax
  llvm::SmallPtrSet<mlir::Operation *, 4> weightsPath;
  llvm::SmallVector<mlir::Value, 1> guards; ///< see `tableOfNoKeys`
  bool weightsWanted = false;
  mlir::Value base; ///< the product times `scale`
  double scale = 1;
  Dims batch;
  /// What the mask says: scores with pairs removed and those before, and
  /// tables that stand for 0.
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>> unmasked;
  llvm::SmallVector<mlir::Value> spent;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_ATTENTIONCANDIDATE_H
