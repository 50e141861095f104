//===- AttentionTilings.cpp - Choices of an attention's tiles -------------===//

#include "compiler/vulkan/AttentionTilings.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

/// So many parts of `whole`, of at most `most` each, that they are alike.
static int64_t evenPart(int64_t whole, int64_t most) {
  return llvm::divideCeil(whole, llvm::divideCeil(whole, most));
}

AttentionTiles::AttentionTiles(AttentionOp op)
    : AttentionRows(op, /*leastHeads=*/1) {
  constexpr int64_t kMostColumns = 256, kUsualColumns = 64;
  Type element = elementTypeOf(op.getQueries().front());
  bytes = KernelEmitter::accumulatorType(element).getIntOrFloatBitWidth() / 8;
  isHard = op.getNormalizer() == Normalizer::hard;
  depth = dimsOf(op.getQueries().front()).back().constant();
  Dims value = dimsOf(op.getValue());
  int64_t width = value.back().constant().value_or(kUsualColumns);
  columns = evenPart(std::max<int64_t>(width, 1), kMostColumns);
  runs = Dim::max(Dim::ceilDiv(value.back(), Dim(columns)), Dim(1));
  keys = value[value.size() - 2];
  mayBeSplit = op.getNormalizer() == Normalizer::softmax && !op.getWeights() &&
               bytes == sizeof(float) &&
               keys.constant().value_or(kSplitKeys + 1) > kSplitKeys;

  // 16 KiB and 128 invocations are what Vulkan grants everywhere. Few rows:
  // more invocations share a row.
  constexpr int64_t kLeast = 16 << 10, kLeastInvocations = 128;
  std::optional<int64_t> known = rows.constant();
  for (int64_t few = 1; few <= kFewRows; few *= 2)
    if (!known || std::max<int64_t>(llvm::PowerOf2Ceil(*known), 1) == few) {
      int64_t across = kLeastInvocations / few;
      add(few, across, 1, std::max<int64_t>(32 / across, 1), kLeast, few);
    }
  if (known && *known <= kFewRows)
    return;
  // Of a large tile each number that is loaded serves more.
  add(16, 16, 8, 4, 48 << 10); // 128 rows, 64 keys
  add(16, 16, 4, 4, 32 << 10); // 64 rows, 64 keys
  add(16, 8, 4, 4, kLeast);    // 64 rows, 32 keys
}

int64_t AttentionTiles::scoreBytes(const AttentionTile &tile) const {
  return tile.rowBlock() * (tile.keyBlock() + 1) * bytes;
}

/// What is combined over the whole workgroup has memory of its own, as have
/// the keys of `hard` and what the last of several workgroups is told by.
int64_t AttentionTiles::reservedBytes(const AttentionTile &tile) const {
  int64_t reserved = tile.down * tile.across * (bytes + 4) + 4;
  if (isHard)
    reserved +=
        (tile.rowBlock() * (tile.across + 1) + tile.down * tile.across) * 4;
  return reserved;
}

void AttentionTiles::add(int64_t down, int64_t across, int64_t rowsEach,
                         int64_t keysEach, int64_t sharedLimit,
                         std::optional<int64_t> mostRows) {
  // Of an invocation's registers so many hold its part of the output.
  constexpr int64_t kOutputs = 64, kMostDepth = 16, kMostValues = 32;
  AttentionTile tile{down,
                     across,
                     rowsEach,
                     keysEach,
                     int64_t(llvm::divideCeil(columns, across)),
                     0,
                     0,
                     0,
                     mostRows};
  while (tile.rowsEach > 1 && (tile.rowsEach * tile.columnsEach > kOutputs ||
                               scoreBytes(tile) > sharedLimit * 3 / 4))
    --tile.rowsEach;
  int64_t room = (sharedLimit - reservedBytes(tile) - scoreBytes(tile)) / bytes;
  int64_t lines = tile.rowBlock() + tile.keyBlock();
  tile.depth = std::min(kMostDepth, room / lines - 1);
  if (depth)
    tile.depth = evenPart(std::max<int64_t>(*depth, 1), tile.depth);
  tile.values = evenPart(tile.keyBlock(),
                         std::min(kMostValues, room / tile.paddedColumns()));
  tile.staged =
      std::max({lines * (tile.depth + 1), tile.values * tile.paddedColumns(),
                tile.rowBlock() * (across + 1)});
  choices.push_back(tile);
}

Dim AttentionTiles::whole(const AttentionTile &tile) const {
  return numElements(heads) * Dim::ceilDiv(rows, Dim(tile.rowBlock())) * runs;
}

Dim AttentionTiles::splits(const AttentionTile &tile) const {
  if (!mayBeSplit)
    return 1;
  Dim idle = Dim::floorDiv(Dim(kWorkgroups), Dim::max(whole(tile), Dim(1)));
  return Dim::max(Dim::min(Dim::ceilDiv(keys, Dim(kSplitKeys)), idle), Dim(1));
}

Dim AttentionTiles::scratch() const {
  Dim most = 0;
  for (const AttentionTile &tile : choices)
    most = Dim::max(most, Dim::min(splits(tile) - Dim(1), Dim(1)) *
                              Dim((kCounts + tile.partSize()) * sizeof(float)));
  return most;
}

SmallVector<Tiling> AttentionTiles::tilings() const {
  SmallVector<Tiling> all;
  for (const AttentionTile &tile : choices) {
    Tiling t;
    t.workgroupSize = tile.down * tile.across;
    t.sharedBytes =
        tile.staged * bytes + scoreBytes(tile) + reservedBytes(tile);
    t.items = whole(tile) * splits(tile);
    if (tile.mostRows)
      t.when = Dim(*tile.mostRows + 1) - rows;
    t.constants = {tile.down,        tile.across, tile.rowsEach, tile.keysEach,
                   tile.columnsEach, tile.depth,  tile.values,   tile.staged};
    assert(t.constants.size() == kConstants);
    all.push_back(t);
  }
  return all;
}

} // namespace mapsto
