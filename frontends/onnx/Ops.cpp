#include "frontends/onnx/Ops.h"

#include "llvm/ADT/StringExtras.h"

namespace mapsto::onnx {

const OpTable &opTable() {
  static const OpTable table = [] {
    OpTable all;
    addActivationOps(all);
    addAlongAxisOps(all);
    addArithmeticOps(all);
    addAttentionOps(all);
    addColumnOps(all);
    addContractionOps(all);
    addCausalConvolutionOps(all);
    addControlOps(all);
    addConvolutionOps(all);
    addDeterminantOps(all);
    addFunctionOps(all);
    addGeneratorOps(all);
    addGridSampleOps(all);
    addIndexingOps(all);
    addLinearAttentionOps(all);
    addLoopOps(all);
    addLossOps(all);
    addMicrosoftAttentionOps(all);
    addMicrosoftOps(all);
    addMovementOps(all);
    addNormalizationOps(all);
    addPadOps(all);
    addPointwiseOps(all);
    addPoolingOps(all);
    addQuantizeOps(all);
    addRecurrentOps(all);
    addReduceOps(all);
    addRegionOps(all);
    addResizeOps(all);
    addRotaryOps(all);
    addScanOps(all);
    addSequenceOps(all);
    addShapeOps(all);
    addSpectralOps(all);
    addTextOps(all);
    addTrainingOps(all);
    addUniqueOps(all);
    return all;
  }();
  return table;
}

static std::string keyOf(llvm::StringRef domain, llvm::StringRef op) {
  return domain.empty() ? op.str() : (domain + "." + op).str();
}

size_t requiredInputs(llvm::StringRef domain, llvm::StringRef op) {
  static const std::pair<size_t, llvm::StringRef> counts[] = {
      {0, "Constant Loop Optional OptionalHasElement Scan SequenceEmpty"},
      {2,
       "Add AffineGrid And BitShift BitwiseAnd BitwiseOr BitwiseXor CastLike "
       "CausalConvWithState CenterCropPad Compress Conv ConvInteger "
       "ConvTranspose CumProd CumSum DequantizeLinear Div Equal Expand "
       "Gather GatherElements GatherND Gemm GridSample Greater GreaterOrEqual "
       "LayerNormalization Less LessOrEqual MatMul MatMulInteger MaxUnpool "
       "Mod Mul NegativeLogLikelihoodLoss NonMaxSuppression Or PRelu Pow "
       "QuantizeLinear "
       "RMSNormalization Reshape ReverseSequence STFT SequenceAt "
       "SequenceInsert SimplifiedLayerNormalization "
       "SoftmaxCrossEntropyLoss Sub SwiGLU TensorScatter Tile Upsample Xor "
       "com.microsoft.Attention com.microsoft.BiasGelu "
       "com.microsoft.DequantizeLinear com.microsoft.FusedMatMul "
       "com.microsoft.QuantizeLinear "
       "com.microsoft.SimplifiedLayerNormalization"},
      {3, "Attention Col2Im DeformConv GRU GroupNormalization "
          "InstanceNormalization LSTM "
          "LinearAttention OneHot RNN Range RoiAlign RotaryEmbedding Scatter "
          "ScatterElements ScatterND Where ai.onnx.preview.FlexAttention "
          "com.microsoft.DynamicQuantizeMatMul "
          "com.microsoft.SkipLayerNormalization "
          "com.microsoft.SkipSimplifiedLayerNormalization"},
      {4, "com.microsoft.MatMulIntegerToFloat com.microsoft.RotaryEmbedding"},
      {5, "BatchNormalization MelWeightMatrix"},
      {8, "QLinearConv QLinearMatMul"}};
  static const auto required = [] {
    llvm::StringMap<size_t> all;
    for (const auto &[count, ops] : counts)
      for (llvm::StringRef name : llvm::split(ops, ' '))
        all[name] = count;
    return all;
  }();
  auto found = required.find(keyOf(domain, op));
  return found == required.end() ? 1 : found->second;
}

Build findBuilder(llvm::StringRef domain, llvm::StringRef op) {
  return opTable().lookup(keyOf(domain, op));
}

} // namespace mapsto::onnx

std::vector<std::string> mapsto::onnxOps() {
  std::vector<std::string> names;
  for (const auto &entry : onnx::opTable())
    names.push_back(entry.getKey().str());
  llvm::sort(names);
  return names;
}
