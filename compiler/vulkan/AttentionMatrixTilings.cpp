//===- AttentionMatrixTilings.cpp - Tiles of an attention by matrices -----===//

#include "compiler/vulkan/AttentionMatrices.h"
#include "compiler/vulkan/AttentionTilings.h"
#include "runtime/manifest.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Most to fewest, of a workgroup. With more rows a key that is loaded serves
/// more; longer blocks of keys have fewer barriers.
struct Shape {
  int64_t subgroups, rows, keys; ///< rows of a subgroup
};
constexpr Shape kShapes[] = {{4, 32, 32}, {4, 16, 32}, {2, 16, 32}};

/// Features are whole matrices of every size.
constexpr int64_t kFeatures = 16;
/// An invocation's registers that hold queries and output, in a subgroup of 32.
/// Drivers have up to 255, and scores and addresses need theirs.
constexpr int64_t kRegisters = 128;
/// Those with which fewer rows are no help any more.
constexpr int64_t kMostFeatures = 256;
/// Invocations of the largest subgroups that there are.
constexpr int64_t kMostLanes = 128;

int64_t registersOf(const Shape &s, int64_t width, int64_t columns) {
  return s.rows * (columns + width / 2) / 32;
}

Tiling tiled(const AttentionRows &all, const MatrixSizes &m, const Shape &s,
             int64_t width, int64_t columns) {
  int64_t rows = s.subgroups * s.rows;
  int64_t lines = width + kMatrixAlignment + columns + kMatrixAlignment;
  int64_t halves = s.keys * (lines + rows + kMatrixAlignment);
  int64_t floats = s.keys * (rows + kMatrixAlignment / 2) +
                   s.subgroups * std::max(s.rows, kMostLanes);
  Tiling t;
  t.workgroupSize = s.subgroups;
  t.sharedBytes = halves * 2 + floats * 4;
  t.items = numElements(all.heads) * Dim::ceilDiv(all.rows, Dim(rows));
  t.constants.assign(AttentionTiles::kConstants, 0);
  t.constants.append(
      {s.subgroups, s.rows / m.rows, s.keys, m.rows, m.columns, m.depth});
  t.matrix = runtime::matrixSizes(m.rows, m.columns, m.depth);
  return t;
}

} // namespace

Dim beyondFewRows(AttentionOp op) {
  return AttentionRows(op, /*leastHeads=*/1).rows -
         Dim(AttentionTiles::kFewRows);
}

SmallVector<Tiling> attentionMatrixTilings(AttentionOp op) {
  SmallVector<Tiling> tilings;
  if (op.getNormalizer() != Normalizer::softmax || !op.getScore().empty() ||
      op.getWeights())
    return tilings;
  Value query = op.getQueries().front(), key = op.getKeys().front();
  for (Value operand : {query, key, Value(op.getValue())})
    if (!elementTypeOf(operand).isF16())
      return tilings;
  std::optional<int64_t> width = dimsOf(query).back().constant(),
                         columns = dimsOf(op.getValue()).back().constant();
  for (std::optional<int64_t> features : {width, columns})
    if (!features || *features < 1 || *features % kFeatures ||
        *features > kMostFeatures)
      return tilings;
  AttentionRows all(op, /*leastHeads=*/1);
  if (beyondFewRows(op).constant().value_or(1) <= 0)
    return tilings;
  for (const MatrixSizes &m : kMatrices)
    for (const Shape &shape : kShapes)
      if (shape.rows == 16 ||
          registersOf(shape, *width, *columns) <= kRegisters)
        tilings.push_back(tiled(all, m, shape, *width, *columns));
  return tilings;
}

} // namespace mapsto
