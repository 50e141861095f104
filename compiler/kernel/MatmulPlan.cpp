//===- MatmulPlan.cpp - How a matrix product is cut -----------------------===//

#include "compiler/kernel/MatmulPlan.h"

#include "compiler/kernel/GroupEmitter.h"

using namespace mlir;

namespace mapsto {

Product::Product(Operation *op) {
  if (auto matmul = dyn_cast<MatmulOp>(op)) {
    lhs = matmul.getLhs();
    rhs = matmul.getRhs();
    transposed = matmul.getTransposed();
    batchedRhs = dimsOf(rhs).size() > 2;
  } else {
    auto packedOp = cast<PackedMatmulOp>(op);
    lhs = packedOp.getLhs();
    rhs = packedOp.getRhs();
    packed = true;
  }
  result = op->getResult(0);
  resultDims = dimsOf(result);
  k = dimsOf(lhs).back();
  n = resultDims.back();
  // One matrix on the right serves all batches: they are rows then.
  ArrayRef<Dim> leading = ArrayRef(resultDims).drop_back();
  if (batchedRhs) {
    rows = leading.back();
    batch = numElements(leading.drop_back());
  } else {
    rows = numElements(leading);
    batch = 1;
  }
}

namespace {

/// Two units whose multiply-add takes four cycles have work with so many sums
/// that do not wait for each other: so it is on most cores of either kind.
constexpr int64_t kChains = 8;
/// Items wanted at least: even shares for a few threads, with four chunks each.
constexpr int64_t kItems = 64;
/// Columns of an item at most. A row's left side is packed for each, which is
/// a load and a store beside as many multiply-adds as it has columns.
constexpr int64_t kMostColumns = 256;
/// Tiles that a panel read from further away serves at least, and at most:
/// beyond, there is nothing to gain.
constexpr int64_t kLeastTiles = 8, kMostTiles = 32;

Dim clamp(const Dim &x, int64_t least, int64_t most) {
  return Dim::max(Dim::min(x, Dim(most)), Dim(least));
}

} // namespace

MatmulPlan::MatmulPlan(Operation *anchor, const Machine &machine)
    : p(anchor), panel(2 * machine.lanes), chains(kChains) {
  if (p.packed)
    panel = *dimsOf(p.rhs)[2].constant();
  vectors = panel / machine.lanes;
  // A narrow matrix leaves the panel's last vectors empty.
  if (std::optional<int64_t> n = p.n.constant())
    vectors =
        std::clamp<int64_t>(llvm::divideCeil(*n, machine.lanes), 1, vectors);

  tile = machine.tileRows();
  // Each size of a tile is code of its own: more than a few are cut in two.
  smallTile = tile > kChains ? tile / 2 : tile;
  std::optional<int64_t> rows = p.rows.constant();
  hasWholeTiles = !rows || *rows >= tile;
  group = panelsBeside(1, machine.registers);

  // A row's sum over lanes takes about as long as ten multiply-adds, and a
  // vector of the right side five and a half to pack.
  dotsPerRow = 2 * machine.lanes;
  std::optional<int64_t> k = p.k.constant();
  if (p.packed || !p.transposed)
    takesDots = false;
  else if (rows && k)
    takesDots = *rows * dotsPerRow < *k;

  rowTiles = Dim::ceilDiv(p.rows, Dim(tile));
  Dim panels = Dim::ceilDiv(p.n, Dim(panel));
  Dim groups = Dim::floorDiv(panels * rowTiles, Dim(kItems * group));
  strip = clamp(groups, 1, std::max<int64_t>(kMostColumns / panel / group, 1)) *
          Dim(group * panel);
  strips = Dim::ceilDiv(p.n, strip);

  // A block's left side stays in half of the second-level cache from panel to
  // panel.
  int64_t bytes = KernelEmitter::accumulatorType(elementTypeOf(p.result))
                      .getIntOrFloatBitWidth() /
                  8;
  blockTiles = clamp(Dim::floorDiv(Dim(machine.l2Bytes / 2 / bytes / tile),
                                   Dim::max(p.k, Dim(1))),
                     kLeastTiles, kMostTiles);
  blockTiles = Dim::min(blockTiles, Dim::max(rowTiles, Dim(1)));
}

int64_t MatmulPlan::panelsBeside(int64_t rows, int64_t registers) const {
  int64_t wanted = llvm::divideCeil(chains, rows * vectors);
  // Beside the sums there is one element of the left side and, unless a single
  // row reads it as an operand, the right side's vectors.
  int64_t perVector = rows == 1 ? 1 : rows + 1;
  int64_t fit = (registers - 1) / (perVector * vectors);
  int64_t panels =
      llvm::bit_floor<uint64_t>(std::clamp<int64_t>(fit, 1, wanted));
  if (std::optional<int64_t> n = p.n.constant())
    panels = std::min<int64_t>(
        panels, llvm::bit_floor<uint64_t>(std::max<int64_t>(*n / panel, 1)));
  return panels;
}

Dim gridOfMatmul(const Group &group, const Machine &machine) {
  return MatmulPlan(group.anchor, machine).grid();
}

} // namespace mapsto
