//===- Transposing.cpp - Squares of vectors, rows to columns --------------===//

#include "compiler/kernel/KernelEmitter.h"

using namespace mlir;

namespace mapsto {

SmallVector<Value> KernelEmitter::transpose(ArrayRef<Value> rows) {
  // First squares of four within four lanes, then those squares among each
  // other: every step is one instruction where registers consist of pieces of
  // 128 bits.
  constexpr int64_t kPiece = 4;
  auto shuffle = [&](Value x, Value y, function_ref<int64_t(int64_t)> from) {
    SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < lanes; ++lane)
      mask.push_back(from(lane));
    return vector::ShuffleOp::create(b, x, y, mask).getResult();
  };
  // Within each piece, runs of `run` lanes of the `half`: x0 y0 x1 y1 ...
  auto interleave = [&](Value x, Value y, int64_t run, int64_t half) {
    return shuffle(x, y, [&](int64_t lane) {
      int64_t piece = lane / kPiece * kPiece, in = lane % kPiece;
      int64_t at = in / (2 * run) * run + in % run + half * (kPiece / 2);
      return piece + at + (in / run % 2 ? lanes : 0);
    });
  };
  int64_t pieces = lanes / kPiece;
  SmallVector<SmallVector<Value>> squares(kPiece);
  for (int64_t r = 0; r < lanes; r += kPiece) {
    Value x[2], y[2];
    for (int64_t half : {0, 1}) {
      x[half] = interleave(rows[r], rows[r + 1], 1, half);
      y[half] = interleave(rows[r + 2], rows[r + 3], 1, half);
    }
    for (int64_t n = 0; n < kPiece; ++n)
      squares[n].push_back(interleave(x[n / 2], y[n / 2], 2, n % 2));
  }
  SmallVector<Value> columns(lanes);
  for (int64_t n = 0; n < kPiece; ++n) {
    // Even pieces and odd ones apart, until one vector is left of each.
    SmallVector<std::pair<int64_t, SmallVector<Value>>> parts{{0, squares[n]}};
    for (int64_t step = 1; step < pieces; step *= 2) {
      SmallVector<std::pair<int64_t, SmallVector<Value>>> next;
      for (auto &[first, part] : parts)
        for (int64_t odd : {0, 1}) {
          SmallVector<Value> half;
          for (size_t k = 0; k < part.size(); k += 2)
            half.push_back(shuffle(part[k], part[k + 1], [&](int64_t lane) {
              return (lane / kPiece * 2 + odd) * kPiece + lane % kPiece;
            }));
          next.push_back({first + odd * step, half});
        }
      parts = next;
    }
    for (auto &[first, part] : parts)
      columns[first * kPiece + n] = part.front();
  }
  return columns;
}

void KernelEmitter::eachTransposed(
    Value count, const Dim &length,
    function_ref<Value(Value row, Index along)> read,
    function_ref<void(Value firstRow, Value along, Value column)> put) {
  loop(idx(0), count, lanes, [&](Value first) {
    laneLoop(length, [&](Index along) {
      SmallVector<Value> square;
      for (int64_t n = 0; n < lanes; ++n)
        square.push_back(read(add(first, idx(n)), along));
      unmasked([&] {
        for (auto [n, column] : llvm::enumerate(transpose(square)))
          put(first, add(along.value, idx(n)), column);
      });
    });
  });
}

} // namespace mapsto
