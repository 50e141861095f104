#include "frontends/onnx/Loops.h"

using namespace mlir;

namespace mapsto::onnx {

LoopBody::LoopBody(Node &n, TypeRange states, TypeRange steps)
    : n(n), states(states.size()) {
  SmallVector<Type> types{RankedTensorType::get({}, n.b.getI64Type())};
  llvm::append_range(types, states);
  llvm::append_range(types, steps);
  // In the function for now, so that it may look outside.
  OpBuilder::InsertionGuard guard(n.b);
  Region *region = n.b.getInsertionBlock()->getParent();
  block = n.b.createBlock(region, region->end(), types,
                          SmallVector<Location>(types.size(), n.loc));
}

LoopBody::~LoopBody() {
  if (!block)
    return;
  block->dropAllReferences();
  block->erase();
}

void LoopBody::build(function_ref<void()> what) {
  OpBuilder::InsertionGuard guard(n.b);
  n.b.setInsertionPointToEnd(block);
  what();
}

FailureOr<std::vector<Value>> LoopBody::import(const GraphProto &graph,
                                               ArrayRef<Value> inputs) {
  FailureOr<std::vector<Value>> outputs;
  build([&] { outputs = n.importer.inlineGraph(graph, inputs); });
  return outputs;
}

/// Ops whose results are computed element by element, or by rows: what the
/// kernel of a scan is made of.
bool LoopBody::fitsOneKernel() {
  return llvm::all_of(*block, [](Operation &op) {
    return op.hasTrait<OpTrait::Elementwise>() ||
           isa<ConstantOp, WeightOp, SizeOp, IotaOp, BroadcastOp, ReshapeOp,
               TransposeOp, SliceOp, FlipOp, ConcatOp, PadOp, ReduceOp,
               ArgReduceOp, SoftmaxOp, TakeOp, TakeAlongOp, MatmulOp, YieldOp>(
               op);
  });
}

SmallVector<Type> LoopBody::resultTypes(const Frame &frame) {
  SmallVector<Type> types;
  for (auto [i, value] : llvm::enumerate(frame.yields)) {
    Dims dims = dimsOf(value);
    if (i >= states)
      dims.insert(dims.begin() + frame.axis, frame.count);
    types.push_back(tensorOf(dims, elementTypeOf(value)));
  }
  return types;
}

SmallVector<mlir::Value> LoopBody::finish(const Frame &frame) {
  return !frame.stop && fitsOneKernel() ? scan(frame) : repeat(frame);
}

static void moveTo(Region &region, Block *block) {
  block->getParent()->getBlocks().remove(block);
  region.push_back(block);
}

SmallVector<mlir::Value> LoopBody::scan(const Frame &frame) {
  build([&] { YieldOp::create(n.b, n.loc, frame.yields); });
  // The step's number is a step of a sequence that counts.
  SmallVector<mlir::Value> sequences(frame.sequences);
  if (!number().use_empty()) {
    Dims counts(size_t(frame.axis) + 1, Dim(1));
    counts.back() = frame.count;
    sequences.push_back(IotaOp::create(
        n.b, n.loc, tensorOf(counts, n.b.getI64Type()), frame.axis));
    Dims one(size_t(frame.axis), Dim(1));
    mlir::Value step =
        block->addArgument(tensorOf(one, n.b.getI64Type()), n.loc);
    OpBuilder::InsertionGuard guard(n.b);
    n.b.setInsertionPointToStart(block);
    number().replaceAllUsesWith(reshape(n.b, n.loc, step, {}));
  }
  block->eraseArgument(0);
  auto scan = ScanOp::create(n.b, n.loc, resultTypes(frame), frame.inits,
                             sequences, mlir::Value(), frame.axis,
                             frame.count.str(), frame.reverse);
  moveTo(scan.getBody(), block);
  block = nullptr;
  return SmallVector<mlir::Value>(scan.getResults());
}

SmallVector<mlir::Value> LoopBody::repeat(const Frame &frame) {
  {
    OpBuilder::InsertionGuard guard(n.b);
    n.b.setInsertionPointToStart(block);
    mlir::Value at = number();
    if (frame.reverse && !frame.sequences.empty()) {
      mlir::Value last = SizeOp::create(n.b, n.loc, at.getType(),
                                        (frame.count - Dim(1)).str());
      at = SubOp::create(n.b, n.loc, last, at);
    }
    for (auto [i, sequence] : llvm::enumerate(frame.sequences))
      step(i).replaceAllUsesWith(
          TakeOp::create(n.b, n.loc, sequence, at, frame.axis).getResult());
  }
  build([&] {
    SmallVector<mlir::Value> yields{
        frame.stop ? frame.stop : scalar(n.b, n.loc, 0, n.b.getI1Type())};
    llvm::append_range(yields, frame.yields);
    YieldOp::create(n.b, n.loc, yields);
  });
  SmallVector<Type> types = resultTypes(frame);
  block->eraseArguments(unsigned(1 + states), unsigned(frame.sequences.size()));
  auto repeat = RepeatOp::create(n.b, n.loc, types, frame.inits, frame.axis,
                                 frame.count.str());
  moveTo(repeat.getBody(), block);
  block = nullptr;
  SmallVector<mlir::Value> results(repeat.getResults());
  if (frame.reverse)
    for (mlir::Value &output : MutableArrayRef(results).drop_front(states))
      output =
          FlipOp::create(n.b, n.loc, output, ArrayRef<int64_t>{frame.axis});
  return results;
}

} // namespace mapsto::onnx
