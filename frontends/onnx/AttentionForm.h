//===- AttentionForm.h - What ONNX's attention ops have in common -*- C++ -*-=//

#ifndef MAPSTO_FRONTENDS_ONNX_ATTENTIONFORM_H
#define MAPSTO_FRONTENDS_ONNX_ATTENTIONFORM_H

#include "frontends/onnx/Node.h"

#include <optional>

namespace mapsto::onnx {

/// Scores are softcap(q . k * scale) + bias, of the pairs that are kept.
struct AttentionForm {
  mlir::Value query;      ///< [B, H, L, D]
  mlir::Value key, value; ///< [B, Hk, S, D], [B, Hk, S, E]
  double scale = 1;
  double softcap = 0; ///< 0: none
  /// Tables that broadcast to [B, H, L, S]: added, and true where a pair stays.
  llvm::SmallVector<mlir::Value, 2> biases, keeps;
  /// Key j is seen by query i where j <= i + `ahead`.
  bool isCausal = false;
  Dim ahead;
  /// i64 [B]: the first so many keys are there; a causal mask then ends at
  /// the last of them for the last query.
  mlir::Value lengths;
  /// Further, of causal pairs those less than this apart; 0: all.
  int64_t window = 0;
};

/// Checks that the shapes fit; reports where they do not.
LogicalResult checkAttention(Node &n, const AttentionForm &form);

/// [B, H, L, E]. `weights`, if given, becomes [B, H, L, S].
mlir::Value attend(Node &n, const AttentionForm &form,
                   mlir::Value *weights = nullptr);

/// The scores as a tensor, of the query's type: products times `scale`, with
/// the cap or with bias and masks (-inf) too.
enum class ScoreStage { Product, Capped, Biased };
mlir::Value scoresOf(Node &n, const AttentionForm &form, ScoreStage stage);

/// [B, L, H * D] as [B, H, L, D], and back.
mlir::Value splitHeads(Node &n, mlir::Value x, int64_t heads);
mlir::Value mergeHeads(Node &n, mlir::Value x);

/// 1 / sqrt(size of the last axis); reported where that has no number.
FailureOr<double> defaultScale(Node &n, mlir::Value query);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_ATTENTIONFORM_H
