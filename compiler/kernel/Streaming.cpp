//===- Streaming.cpp - Rows that come from memory and go to it ------------===//
//
// Kernels that do little arithmetic are as fast as memory, if it never waits:
//
// Results larger than the caches are stored past them. A plain store first
// reads the line that it overwrites, and pushes out another that may be wanted.
// Such stores exist for whole aligned vectors only, so each is in the code
// twice, and one condition chooses, which holds for the whole launch.
//
// A kernel that passes over a row several times reads it from memory in the
// first pass; in the others memory is idle. So the second pass asks for the
// next row.
//
// A softmax of 4096 x 4096 written so in C, one thread of a Zen 4 EPYC: 10.3 ms
// with neither, 9.3 with the stores, 8.1 with the prefetches, 5.6 with both
// (2026-11-21).
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/GroupEmitter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace mapsto {

static constexpr int64_t kLineBytes = 64;

static int64_t bytesOf(Type elementType) {
  return storedType(elementType).getIntOrFloatBitWidth() / 8;
}

void KernelEmitter::streamTo(const Buffer &result) {
  constexpr int64_t kLeastVector = 16; // that x86 can stream
  int64_t elementBytes = bytesOf(result.elementType);
  int64_t vectorBytes = lanes * elementBytes;
  Dim total = numElements(result.dims) * Dim(elementBytes);
  if (!machine.streamedBytes || result.dims.empty() ||
      vectorBytes < kLeastVector ||
      total.constant().value_or(machine.streamedBytes) < machine.streamedBytes)
    return;
  Dim partial = Dim::mod(result.dims.back(), Dim(lanes));
  if (partial.constant().value_or(0) != 0)
    return;

  int64_t registerBytes = lanes * bytesOf(b.getF32Type());
  stream.memref = result.memref;
  stream.alignment = std::min(vectorBytes, registerBytes);
  Value address =
      memref::ExtractAlignedPointerAsIndexOp::create(b, result.memref);
  auto isZero = [&](Value v) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, v, idx(0));
  };
  Value large = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, dim(total),
                                      idx(machine.streamedBytes));
  Value aligned =
      isZero(arith::RemUIOp::create(b, address, idx(stream.alignment)));
  stream.condition = arith::AndIOp::create(
      b, arith::AndIOp::create(b, large, aligned), isZero(dim(partial)));
}

void KernelEmitter::storeToStream(Value vector, Value position) {
  auto op = scf::IfOp::create(b, stream.condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  vector::StoreOp::create(b, vector, stream.memref, ValueRange(position),
                          /*nontemporal=*/true, llvm::Align(stream.alignment));
  b.setInsertionPointToStart(op.elseBlock());
  vector::StoreOp::create(b, vector, stream.memref, ValueRange(position));
}

void KernelEmitter::endStream() {
  // Streamed stores are ordered by no other store.
  if (stream.memref)
    when(stream.condition, [&] {
      LLVM::CallIntrinsicOp::create(b, b.getStringAttr("llvm.x86.sse.sfence"),
                                    ValueRange());
    });
}

void prefetchNextRows(KernelEmitter &e, Block *item, ArrayRef<Dim> items) {
  // The loads of each pass over each input; what starts later than a row is the
  // rest of a pass.
  llvm::MapVector<Value, SmallVector<SmallVector<vector::LoadOp>>> passesOver;
  for (auto loop : item->getOps<scf::ForOp>())
    if (loop.getLowerBound() == e.idx(0))
      for (auto load : loop.getBody()->getOps<vector::LoadOp>()) {
        auto &passes = passesOver[load.getBase()];
        if (passes.empty() ||
            passes.back().front()->getBlock() != load->getBlock())
          passes.emplace_back();
        passes.back().push_back(load);
      }
  for (const auto &[memref, passes] : passesOver) {
    auto found = llvm::find_if(
        e.buffers, [&](auto &known) { return known.second.memref == memref; });
    if (found == e.buffers.end() || passes.size() < 2)
      continue;
    const Buffer &buffer = found->second;
    ArrayRef<Dim> dims = buffer.dims;
    if (dims.empty() || withoutOnes(dims.drop_back()) != withoutOnes(items))
      continue;
    // Not so far ahead that it is gone again when its turn comes.
    OpBuilder::InsertionGuard guard(e.b);
    int64_t elementBytes = bytesOf(buffer.elementType);
    int64_t vectorBytes = e.lanes * elementBytes;
    e.b.setInsertionPoint(passes[1].front()->getParentOp());
    Value ahead = e.minIndex(e.dim(dims.back()),
                             e.idx(e.machine.l2Bytes / 4 / elementBytes));
    int64_t fetched = 0, loaded = 0; // bytes in the loop's step
    for (vector::LoadOp load : passes[1]) {
      e.b.setInsertionPointAfter(load);
      Value next = e.add(load.getIndices().front(), ahead);
      for (int64_t end = loaded + vectorBytes; fetched < end;
           fetched += kLineBytes)
        memref::PrefetchOp::create(
            e.b, memref, e.add(next, e.idx((fetched - loaded) / elementBytes)),
            /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
      loaded += vectorBytes;
    }
  }
}

} // namespace mapsto
