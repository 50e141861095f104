//===- MatmulTilings.cpp - Choices of a product's tiles -------------------===//

#include "compiler/vulkan/MatmulTilings.h"

#include "compiler/vulkan/Matrices.h"
#include "runtime/manifest.h"

using namespace mlir;

namespace mapsto {

namespace {

/// The order of the constants.
enum { kAcross, kRowsEach, kColumnsEach, kDepth, kSlices };

/// Rows up to which the right side is read straight into registers, by every
/// row's sums at once.
constexpr int64_t kFewRows = 8;

/// Most to fewest: of a large tile each element that is loaded serves more
/// sums; small ones leave no core idle where there are few of them. Vulkan
/// grants 128 invocations and 16 KiB of shared memory to all.
struct Shape {
  int64_t down, across, rowsEach, columnsEach;
};
constexpr Shape kTiles[] = {
    {16, 16, 8, 8}, // 128 x 128
    {16, 16, 4, 4}, // 64 x 64
    {8, 16, 8, 4},  // 64 x 64 by fewer invocations
    {8, 8, 4, 4},   // 32 x 32
};
/// Rows for which the tiles above would be half empty.
constexpr Shape kFlatTile = {4, 16, 4, 4}; // 16 x 64

/// Steps along K: the longer, the fewer barriers.
constexpr int64_t kStep = 16;

/// Elements of the right side that an invocation reads at once for few rows:
/// its memory is what takes the time.
constexpr int64_t kInFlight = 4;

/// Invocations that neighbouring elements in memory are read by at once.
constexpr int64_t kCoalesced = 32;

int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

Tiling tiled(const Product &p, Type accumulator, const Shape &s) {
  int64_t rows = s.down * s.rowsEach, columns = s.across * s.columnsEach;
  int64_t staged = kStep * (rows + 4 + columns + 4);
  // What the other form, which is not entered, has in shared memory.
  int64_t unused = s.rowsEach * s.across;
  Tiling t;
  t.workgroupSize = s.down * s.across;
  assert(kStep * rows % t.workgroupSize == 0 &&
         kStep * columns % t.workgroupSize == 0 && "shares come out even");
  t.sharedBytes = (staged + unused) * bytesOf(accumulator);
  t.items = p.batch * Dim::ceilDiv(p.rows, Dim(rows)) *
            Dim::ceilDiv(p.n, Dim(columns));
  t.constants = {s.across, s.rowsEach, s.columnsEach, kStep, 1};
  return t;
}

Tiling forFewRows(const Product &p, Type accumulator, int64_t rows,
                  int64_t invocations) {
  // Of a transposed matrix neighbours are along K.
  bool alongK = !p.packed && p.transposed;
  int64_t across = alongK ? invocations / kCoalesced : kCoalesced;
  Tiling t;
  t.workgroupSize = invocations;
  // Tiles of one step, which are not entered, are beside the sums.
  int64_t unused = kInFlight * (invocations / across * rows + 4 + across + 4);
  t.sharedBytes = (rows * invocations + unused) * bytesOf(accumulator);
  t.items = Dim::min(p.rows, Dim(1)) * p.batch * Dim::ceilDiv(p.n, Dim(across));
  t.when = Dim(rows + 1) - p.rows;
  t.constants = {across, rows, 1, kInFlight, invocations / across};
  return t;
}

/// Of subgroups in a tile's workgroup, along each side; of a step along K.
constexpr int64_t kSubgroups = 2, kMatrixStep = 32;

/// Sizes of tiles, largest first.
constexpr int64_t kMatrixTiles[] = {128, 64, 32};

Tiling withMatrices(const Product &p, const MatrixSizes &m, int64_t tile) {
  int64_t side = tile / kSubgroups; // of a subgroup
  // Either side with its rows or its columns apart, whichever takes more; then
  // a matrix of sums of each subgroup.
  int64_t sides = 2 * std::max(kMatrixStep * (tile + kMatrixAlignment),
                               tile * (kMatrixStep + kMatrixAlignment));
  int64_t sums = kSubgroups * kSubgroups * m.rows * (m.columns + 4);
  Tiling t;
  t.workgroupSize = kSubgroups * kSubgroups;
  t.sharedBytes = sides * 2 + sums * 4;
  t.items =
      p.batch * Dim::ceilDiv(p.rows, Dim(tile)) * Dim::ceilDiv(p.n, Dim(tile));
  t.constants = {kSubgroups, side / m.rows, side / m.columns, kMatrixStep, 1,
                 kSubgroups, m.rows,        m.columns,        m.depth};
  t.matrix = runtime::matrixSizes(m.rows, m.columns, m.depth);
  return t;
}

} // namespace

bool isOfFewRows(const Tiling &tiling) { return tiling.constants[kSlices] > 1; }

SmallVector<Tiling> matmulTilings(const Product &p, Type accumulator) {
  SmallVector<Tiling> tilings;
  std::optional<int64_t> known = p.rows.constant();
  if (known == 0)
    known = 1; // there are no items
  for (int64_t rows = 1; rows <= kFewRows; rows *= 2) {
    if (known && rows != int64_t(llvm::bit_ceil<uint64_t>(*known)))
      continue;
    for (int64_t invocations : {256, 64})
      tilings.push_back(forFewRows(p, accumulator, rows, invocations));
  }
  if (known && *known <= kFewRows)
    return tilings;
  if (!known || *known <= 16) {
    Tiling flat = tiled(p, accumulator, kFlatTile);
    flat.when = Dim(17) - p.rows;
    tilings.push_back(flat);
  }
  for (const Shape &shape : kTiles)
    tilings.push_back(tiled(p, accumulator, shape));
  return tilings;
}

Dim beyondFewRows(const Product &p) { return p.rows - Dim(kFewRows); }

SmallVector<Tiling> matrixTilings(const Product &p) {
  SmallVector<Tiling> tilings;
  if (!elementTypeOf(p.lhs).isF16() || !elementTypeOf(p.rhs).isF16())
    return tilings;
  for (const MatrixSizes &m : kMatrices)
    for (int64_t tile : kMatrixTiles)
      tilings.push_back(withMatrices(p, m, tile));
  return tilings;
}

} // namespace mapsto
