#include "frontends/onnx/Ops.h"

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

Build findBuilder(llvm::StringRef domain, llvm::StringRef op) {
  std::string key = domain.empty() ? op.str() : (domain + "." + op).str();
  return opTable().lookup(key);
}

} // namespace mapsto::onnx

std::vector<std::string> mapsto::onnxOps() {
  std::vector<std::string> names;
  for (const auto &entry : onnx::opTable())
    names.push_back(entry.getKey().str());
  llvm::sort(names);
  return names;
}
