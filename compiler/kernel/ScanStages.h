//===- ScanStages.h - Stages of a recurrence, row by row --------*- C++ -*-===//
//
// Most recurrences treat the rows of their batch alike and apart: then threads
// share the rows, each with a time loop of its own, and a stage is written for
// a range of rows. Matmuls of one operand with what reads their columns unit by
// unit (the gates of an LSTM) are one stage: the gates of some units are summed
// in registers and combined while they are near.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_SCANSTAGES_H
#define MAPSTO_COMPILER_KERNEL_SCANSTAGES_H

#include "compiler/kernel/GroupEmitter.h"

namespace mapsto {

/// The number of rows of a scan whose body computes each row from that row
/// alone, all of them matrices; nothing for other scans.
std::optional<Dim> independentRows(ScanOp op);

/// Consecutive groups of a body that are written as one.
struct ScanStage {
  /// As many columns of a matmul's result as there are units, from `column` on.
  struct Gate {
    PackedMatmulOp matmul;
    int64_t column;
  };
  /// A group's result that others read, whole or, if it is wider than the
  /// units, as many columns of it.
  struct Output {
    mlir::Value value;
    int64_t column;
  };
  llvm::SmallVector<Group> groups;
  /// Of a stage with matmuls.
  llvm::SmallVector<Gate> gates;
  llvm::SmallVector<Output> outputs;
  Dim units;
  Buffer sums;

  /// What it leaves for others to read.
  llvm::SmallVector<mlir::Value> results() const;
};

/// The stages of a body of independent rows.
std::vector<ScanStage> formStages(llvm::ArrayRef<Group> groups, int64_t lanes);

/// `v` where the row at `at` has a step `time`, `otherwise` past the end of its
/// sequence.
mlir::Value whileRunning(KernelEmitter &e, ScanOp op, mlir::Value time,
                         mlir::Value v, mlir::Value otherwise,
                         llvm::ArrayRef<Index> at);

/// A unit's columns of matmuls' results: for each matmul, the first column and
/// the value of each part.
using UnitColumns =
    llvm::MapVector<mlir::Value,
                    llvm::SmallVector<std::pair<mlir::Value, mlir::Value>>>;
/// Reads those columns from here on as these values; `columns` has to stay.
void giveColumns(KernelEmitter &e, const UnitColumns &columns);

/// Columns [first, last).
struct Columns {
  mlir::Value first, last;
};

/// For a stage with matmuls: the sums that it keeps in memory at `stage.sums`,
/// and the number of units that its loops take at once.
int64_t sumsOf(KernelEmitter &e, const ScanStage &stage);
int64_t unitsAtOnce(KernelEmitter &e, const ScanStage &stage);
mlir::Type sumType(const ScanStage &stage);
/// Writes rows [first, last) of such a stage for some of its units; `memory`
/// has a place for each of the outputs' values.
void emitMatmulStage(KernelEmitter &e, const ScanStage &stage,
                     const llvm::DenseMap<mlir::Value, Buffer> &memory,
                     mlir::Value first, mlir::Value last, Columns units);

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_SCANSTAGES_H
