//===- LowerKernels.cpp - Kernels to loops --------------------------------===//
//
// Each kernel becomes a function on one-dimensional buffers that does the items
// [begin, end) of its grid:
//
//   mapsto.kernel @fc matmul : (x, w) -> y { ... }
//   ==>
//   func.func @fc(%x: memref<?xf32>, %w: memref<?xf32>, %y: memref<?xf32>,
//                 %B: index, %T: index, %scratch: memref<?xi8>,
//                 %begin: index, %end: index, %context: memref<8xi64>,
//                 %shared: memref<?xi8>)
//       attributes {mapsto.grid = "ceildiv(B*T, 12)", mapsto.scratch = "0",
//       ...}
//
// The symbols are all of the module's (`mapsto.symbols`), in its order.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/Passes.h"
#include "compiler/kernel/KernelFunction.h"
#include "compiler/kernel/ScanTeam.h"

using namespace mlir;

namespace mapsto {

Dim gridOf(const Group &group, const Machine &machine) {
  Operation *anchor = group.anchor;
  switch (group.kind) {
  case KernelKind::map:
  case KernelKind::row:
  case KernelKind::conv:
    if (TransposeOp transpose = transposedRead(group))
      return gridOfTransposed(transpose);
    if (std::optional<ColumnReductions> columns = columnsOf(group))
      return gridOfColumns(*columns);
    return gridOfLoops(group);
  case KernelKind::matmul:
    return gridOfMatmul(group, machine);
  case KernelKind::attention:
    return gridOfAttention(cast<AttentionOp>(anchor), machine);
  case KernelKind::cumulative:
    return gridOfCumulative(cast<CumulativeOp>(anchor));
  case KernelKind::topk:
    return gridOfTopK(cast<TopKOp>(anchor));
  case KernelKind::scan:
    return gridOfScan(cast<ScanOp>(anchor));
  case KernelKind::scatter:
  case KernelKind::update:
    return 1;
  }
  llvm_unreachable("every kind is listed");
}

void emitGroup(KernelEmitter &e, const Group &group, ArrayRef<Buffer> results,
               Value begin, Value end) {
  Operation *anchor = group.anchor;
  switch (group.kind) {
  case KernelKind::map:
  case KernelKind::row:
  case KernelKind::conv:
    if (TransposeOp transpose = transposedRead(group))
      return emitTransposed(e, group, transpose, results[0], begin, end);
    if (std::optional<ColumnReductions> columns = columnsOf(group))
      return emitColumns(e, group, *columns, results[0], begin, end);
    return emitLoops(e, group, results, begin, end);
  case KernelKind::matmul:
    return emitMatmul(e, group, results, begin, end);
  case KernelKind::attention:
    return emitAttention(e, cast<AttentionOp>(anchor), results, begin, end);
  case KernelKind::scan:
    return emitScan(e, cast<ScanOp>(anchor), results, begin, end);
  case KernelKind::cumulative:
    return emitCumulative(e, cast<CumulativeOp>(anchor), results[0], begin,
                          end);
  case KernelKind::topk:
    return emitTopK(e, cast<TopKOp>(anchor), results, begin, end);
  case KernelKind::scatter:
    return emitScatter(e, cast<ScatterOp>(anchor), results[0]);
  case KernelKind::update:
    return emitUpdate(e, cast<UpdateOp>(anchor), results[0]);
  }
}

#define GEN_PASS_DEF_LOWERKERNELS
#include "compiler/Passes.h.inc"

namespace {

struct LowerKernels : impl::LowerKernelsBase<LowerKernels> {
  using LowerKernelsBase::LowerKernelsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto kernel : llvm::make_early_inc_range(module.getOps<KernelOp>())) {
      lower(kernel);
      kernel.erase();
    }
  }

  void lower(KernelOp kernel) {
    MLIRContext *context = &getContext();
    OpBuilder b(kernel);
    Type index = b.getIndexType();
    SmallVector<Type> arguments = operandTypes(kernel);
    Type bytes = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
    arguments.append(
        {bytes, index, index,
         MemRefType::get({ScanTeam::kContextFields}, b.getI64Type()), bytes});
    auto function =
        func::FuncOp::create(b, kernel.getLoc(), kernel.getSymName(),
                             FunctionType::get(context, arguments, {}));
    // Only its entry point (AddKernelEntries) is seen from outside.
    function->setAttr("llvm.linkage",
                      LLVM::LinkageAttr::get(context, LLVM::Linkage::Internal));
    Block *entry = function.addEntryBlock();

    Machine machine{vectorBits / 32, registers, l1Bytes, l2Bytes,
                    streamedBytes};
    KernelEmitter e(kernel.getLoc(), entry, machine);
    Block::args_iterator argument = entry->args_begin();
    SmallVector<Buffer> results = bindOperands(e, kernel, argument);
    e.scratch = *argument++;
    Value begin = *argument++, end = *argument++;
    e.context = *argument++;
    e.shared = *argument++;

    Group group = groupOfKernel(kernel);
    // A strip's rows would each need a place in the write-combining buffers.
    if ((group.kind == KernelKind::map || group.kind == KernelKind::row) &&
        !transposedRead(group))
      e.streamTo(results[0]);
    emitGroup(e, group, results, begin, end);
    e.endStream();
    func::ReturnOp::create(e.b);

    describe(function, kernel, group, e);
    function->setAttr(kGridAttr, b.getStringAttr(gridOf(group, machine).str()));
    if (e.teamWaits)
      function->setAttr(kTeamAttr, b.getStringAttr(e.teamWaits->str()));
    if (e.sharedBytes != Dim(0))
      function->setAttr(kSharedAttr, b.getStringAttr(e.sharedBytes.str()));
  }
};

} // namespace

} // namespace mapsto
