//===- AttentionTilings.h - Choices of an attention's tiles -----*- C++ -*-===//
//
// How an attention is cut into workgroups, and a workgroup's work into
// invocations. An item is a block of rows against all keys, or a part of them,
// for a run of the values' columns: all of them, unless they are too many for
// registers.
//
// Invocations are a grid, `down` x `across`. Each has its own rows (y, y +
// down,
// ...), of a block of keys its own (x, x + across, ...), and likewise of the
// columns. A tiling's specialisation constants, in their order:
//
//   down, across  the grid
//   rowsEach      rows of an invocation
//   keysEach      keys of an invocation, of a block
//   columnsEach   columns of an invocation
//   depth         features of queries and keys that are staged at a time
//   values        staged at a time
//   staged        numbers that the memory for staging holds
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_ATTENTIONTILINGS_H
#define MAPSTO_COMPILER_VULKAN_ATTENTIONTILINGS_H

#include "compiler/kernel/AttentionPairs.h"
#include "compiler/vulkan/Tiling.h"

namespace mapsto {

/// Sizes of one tiling.
struct AttentionTile {
  int64_t down, across, rowsEach, keysEach, columnsEach, depth, values, staged;
  std::optional<int64_t> mostRows; ///< that it is for

  int64_t rowBlock() const { return down * rowsEach; }
  int64_t keyBlock() const { return across * keysEach; }
  /// Of a run, up to a multiple of `across`.
  int64_t paddedColumns() const { return across * columnsEach; }
  /// What one of several workgroups leaves for the merge: of each invocation
  /// its rows' maxima and sums, and its part of the output.
  int64_t partSize() const {
    return down * across * rowsEach * (2 + columnsEach);
  }
};

struct AttentionTiles : AttentionRows {
  int64_t columns; ///< of a run
  Dim runs;        ///< of columns
  Dim keys;
  /// Few rows leave a device idle: several workgroups then share the keys, and
  /// the last to come merges what they have.
  bool mayBeSplit;
  llvm::SmallVector<AttentionTile> choices;

  explicit AttentionTiles(AttentionOp op);

  /// Workgroups that share the keys fill a device with so many, and no more;
  /// each has so many keys at least.
  static constexpr int64_t kWorkgroups = 256, kSplitKeys = 256;
  /// Scratch begins with the numbers of workgroups that have come, one for each
  /// of those that share keys.
  static constexpr int64_t kCounts = kWorkgroups;
  /// Up to so many rows there are tilings that share a row among invocations.
  static constexpr int64_t kFewRows = 16;
  /// Of a tiling.
  static constexpr int64_t kConstants = 8;

  /// Workgroups, if the keys are not split, and how many share the keys.
  Dim whole(const AttentionTile &tile) const;
  Dim splits(const AttentionTile &tile) const;
  /// Bytes of scratch for each workgroup.
  Dim scratch() const;
  llvm::SmallVector<Tiling> tilings() const;

private:
  int64_t bytes; ///< of a number
  bool isHard;
  std::optional<int64_t> depth; ///< of queries and keys

  void add(int64_t down, int64_t across, int64_t rowsEach, int64_t keysEach,
           int64_t sharedLimit, std::optional<int64_t> mostRows = {});
  int64_t scoreBytes(const AttentionTile &tile) const;
  int64_t reservedBytes(const AttentionTile &tile) const;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_ATTENTIONTILINGS_H
