//===- ScanTeam.cpp - Threads that share the steps of a recurrence --------===//

#include "compiler/kernel/ScanTeam.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "runtime/mapsto.h"

using namespace mlir;

namespace mapsto {

/// Multiply-adds of a step and row that may be worth sharing: the runtime,
/// which knows the rows, decides.
static constexpr int64_t kWorthSharing = 4096;

bool canShareColumns(ScanOp op, ArrayRef<ScanStage> stages) {
  Block &body = op.getBody().front();
  // Nested in another kernel, it runs on one thread.
  if (!isa<KernelOp>(op->getParentOp()))
    return false;
  llvm::SmallPtrSet<Operation *, 8> inMemory;
  int64_t work = 0;
  for (const ScanStage &stage : stages) {
    for (const Group &group : stage.groups) {
      if (!dimsOf(group.root->getResult(0)).back().constant())
        return false;
      if (stage.gates.empty() && group.kind != KernelKind::map)
        return false;
      inMemory.insert(group.root);
    }
    for (const ScanStage::Gate &gate : stage.gates)
      work += *dimsOf(PackedMatmulOp(gate.matmul).getLhs()).back().constant() *
              *stage.units.constant();
  }
  // What is yielded must be there column by column.
  for (Value v : body.getTerminator()->getOperands()) {
    Operation *definition = v.getDefiningOp();
    if (!dimsOf(v).back().constant() ||
        (definition && definition->getBlock() == &body &&
         !inMemory.contains(definition)))
      return false;
  }
  return work >= kWorthSharing;
}

ScanTeam::ScanTeam(KernelEmitter &e, ArrayRef<ScanStage> stages)
    : e(e), grain(e.lanes) {
  for (const ScanStage &stage : stages)
    if (!stage.gates.empty())
      grain = std::max(grain, unitsAtOnce(e, stage));
  member = field(kMember);
  first = field(kStep);
}

Value ScanTeam::field(Field which) {
  Value word = memref::LoadOp::create(e.b, e.context, ValueRange(e.idx(which)));
  return arith::IndexCastOp::create(e.b, e.b.getIndexType(), word);
}

Value ScanTeam::isCaptain() {
  return arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, member, e.idx(0));
}

Buffer ScanTeam::allocateOwn(int64_t elements, Type elementType) {
  Buffer all = e.allocate({Dim(MAPSTO_MAX_TEAM), Dim(elements)}, elementType);
  return {
      all.memref, e.mul(member, e.idx(elements)), {Dim(elements)}, elementType};
}

void ScanTeam::eachPart(function_ref<void()> body) {
  Value here = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                     field(kLeft), e.idx(0));
  e.when(here, [&] {
    members = e.add(field(kOthers), e.idx(1));
    body();
  });
}

void ScanTeam::wait() { arrive(e.idx(-1)); }
void ScanTeam::finishStep(Value next) { arrive(next); }

void ScanTeam::arrive(Value next) {
  OpBuilder &b = e.b;
  Location loc = e.b.getLoc();
  Type i64 = b.getI64Type();
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value function =
      memref::LoadOp::create(e.b, e.context, ValueRange(e.idx(kArrive)));
  Value known = arith::CmpIOp::create(
      e.b, arith::CmpIPredicate::ne, function,
      arith::ConstantOp::create(e.b, b.getI64IntegerAttr(0)));
  e.when(known, [&] {
    Value context =
        memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.context);
    context = arith::IndexCastOp::create(e.b, i64, context);
    Value arguments[] = {LLVM::IntToPtrOp::create(b, loc, pointer, function),
                         LLVM::IntToPtrOp::create(b, loc, pointer, context),
                         arith::IndexCastOp::create(e.b, i64, next)};
    auto type = LLVM::LLVMFunctionType::get(
        LLVM::LLVMVoidType::get(b.getContext()), {pointer, i64});
    LLVM::CallOp::create(b, loc, type, ValueRange(arguments));
  });
  e.forget();
}

Columns ScanTeam::columnsOf(const Dim &width) {
  Value blocks = e.idx(llvm::divideCeil(*width.constant(), grain));
  auto bound = [&](Value which) {
    Value share = arith::DivUIOp::create(e.b, e.mul(blocks, which), members);
    return e.minIndex(e.mul(share, e.idx(grain)), e.dim(width));
  };
  return {bound(member), bound(e.add(member, e.idx(1)))};
}

} // namespace mapsto
