//===- QuantizeWeights.cpp - Matrices stored in fewer bits ----------------===//
//
//   %w = mapsto.weight "fc.weight" : tensor<64x16xf32>
//   %y = mapsto.matmul %x, %w {transposed}
// becomes
//   %w = mapsto.weight "fc.weight" {stored = #mapsto.storage<i8, channels = 0>}
//          : tensor<64x16xf32>
//
// whose values are what remains of the parameter's. So the graph itself says
// what is computed, to the interpreter as to the compiler. What makes up most
// of a model is narrowed: matrices that products, recurrences and lookups read.
// Biases, norms and what is used element by element stay as they are, and so do
// matrices that would not be smaller.
//
//===----------------------------------------------------------------------===//

#include "compiler/graph/QuantizeWeights.h"
#include "compiler/Passes.h"

#include "llvm/ADT/StringSwitch.h"

#include <set>

namespace mapsto {

#define GEN_PASS_DEF_QUANTIZEWEIGHTS
#include "compiler/Passes.h.inc"

using namespace mlir;

std::optional<WeightFormat> parseWeightFormat(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<WeightFormat>>(name)
      .Case("f16", WeightFormat::F16)
      .Case("bf16", WeightFormat::BF16)
      .Case("int8", WeightFormat::Int8)
      .Default(std::nullopt);
}

namespace {

/// The axis of a matrix along which the results of a product lie, or the rows
/// that a lookup takes: a scale of its own there can be taken out of the sums.
/// Nothing if no use reads it so. Parts and transposes are looked through.
std::optional<int64_t> channelsOf(Value matrix) {
  for (OpOperand &use : matrix.getUses()) {
    Operation *user = use.getOwner();
    std::optional<int64_t> channels;
    if (auto matmul = dyn_cast<MatmulOp>(user)) {
      if (use.getOperandNumber() == 1)
        channels = matmul.getTransposed() ? 0 : 1;
    } else if (isa<RnnOp, LstmOp, GruOp>(user)) {
      channels = 0;
    } else if (auto take = dyn_cast<TakeOp>(user)) {
      if (use.getOperandNumber() == 0 && take.getAxis() == 0)
        channels = 0;
    } else if (auto slice = dyn_cast<SliceOp>(user)) {
      channels = channelsOf(slice.getResult());
    } else if (auto transposed = dyn_cast<TransposeOp>(user)) {
      channels = channelsOf(transposed.getResult());
      if (channels)
        channels = transposed.getPermutation()[*channels];
    }
    if (channels)
      return channels;
  }
  return std::nullopt;
}

StorageAttr storageOf(WeightFormat format, int64_t channels,
                      MLIRContext *context) {
  switch (format) {
  case WeightFormat::F16:
    return StorageAttr::get(context, Float16Type::get(context), std::nullopt);
  case WeightFormat::BF16:
    return StorageAttr::get(context, BFloat16Type::get(context), std::nullopt);
  case WeightFormat::Int8:
    return StorageAttr::get(context, IntegerType::get(context, 8), channels);
  }
  llvm_unreachable("every format has a storage");
}

/// Scales as many as elements take more than 8 bits save.
bool isSmaller(RankedTensorType type, StorageAttr storage) {
  int64_t elements = type.getNumElements();
  int64_t bytes = elements * storage.getType().getIntOrFloatBitWidth() / 8;
  if (std::optional<int64_t> channels = storage.getChannels())
    bytes += type.getDimSize(*channels) * sizeof(float);
  return bytes < elements * static_cast<int64_t>(sizeof(float));
}

struct QuantizeWeights : public impl::QuantizeWeightsBase<QuantizeWeights> {
  using QuantizeWeightsBase::QuantizeWeightsBase;

  void runOnOperation() override {
    std::optional<WeightFormat> known = parseWeightFormat(format);
    if (!known) {
      getOperation().emitError("no format for weights: ") << format;
      return signalPassFailure();
    }
    storeNarrow(getOperation(), [&](StringRef) { return known; });
  }
};

} // namespace

NarrowedWeights storeNarrow(
    ModuleOp module,
    function_ref<std::optional<WeightFormat>(StringRef name)> formatOf) {
  // All reads of a parameter agree: it is stored once.
  llvm::StringMap<int64_t> channels;
  std::set<std::string> stored, kept;
  SmallVector<WeightOp> matrices;
  module.walk([&](WeightOp weight) {
    RankedTensorType type = weight.getType();
    if (type.getRank() != 2 || !type.getElementType().isF32() ||
        weight.getStored() || weight.getPanel())
      return;
    matrices.push_back(weight);
    if (std::optional<int64_t> axis = channelsOf(weight.getResult()))
      channels.try_emplace(weight.getName(), *axis);
  });
  for (WeightOp weight : matrices) {
    auto axis = channels.find(weight.getName());
    if (axis == channels.end())
      continue;
    std::optional<WeightFormat> format = formatOf(weight.getName());
    if (!format)
      continue;
    StorageAttr storage = storageOf(*format, axis->second, module.getContext());
    if (!isSmaller(weight.getType(), storage)) {
      kept.insert(weight.getName().str());
      continue;
    }
    stored.insert(weight.getName().str());
    weight.setStoredAttr(storage);
  }
  return {static_cast<int64_t>(stored.size()), {kept.begin(), kept.end()}};
}

} // namespace mapsto
