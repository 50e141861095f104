//===- ScanPlan.h - How a workgroup shares out a recurrence -----*- C++ -*-===//
//
// The time loop runs inside the shader: a workgroup takes some rows of the
// batch, or one item of it where they are no rows of matrices, or the whole
// where the body mixes them, through all steps. A step is
// stages; in each the invocations share the elements, and where a stage reads
// what other invocations have written they wait for each other first.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_SCANPLAN_H
#define MAPSTO_COMPILER_VULKAN_SCANPLAN_H

#include "compiler/kernel/ScanStages.h"

namespace mapsto {

/// The grid of a stage that is walked as a kernel of its kind walks it.
Dim gridInBody(const Group &group, const Machine &machine);

struct ScanPlan {
  ScanPlan(ScanOp op, const Machine &machine);

  /// How the elements of a stage are walked.
  enum class Form {
    Gates,    ///< unit by unit, the sums of its gates in registers
    Elements, ///< element by element
    Rows,     ///< row by row, the workgroup on each: it reduces along the row
    Whole     ///< as a kernel of its kind walks its grid, into memory
  };
  static Form formOf(const ScanStage &stage);

  /// Does an element of the state pass only from an invocation to itself? Then
  /// it is replaced where it lies. Others are kept twice: a step reads the one
  /// and writes the other.
  bool isReplacedInPlace(unsigned state) const { return inPlace[state]; }
  /// Is the value read after its stage, other than as what is yielded?
  bool isInMemory(mlir::Value value) const { return inMemory.contains(value); }
  /// The stage that writes what is yielded there as it computes it; null where
  /// that is copied at the step's end.
  const ScanStage *writerOf(unsigned yielded) const { return writers[yielded]; }
  /// Does an invocation read what another has written?
  bool sharesMemory() const {
    return !inMemory.empty() || llvm::is_contained(inPlace, false);
  }
  /// Is it there for one item of the batch alone?
  bool isOfItems(mlir::Value value) const {
    Dims dims = dimsOf(value);
    return batch && !dims.empty() && dims[0] == *batch;
  }
  bool copiesAtEnd() const { return llvm::is_contained(writers, nullptr); }

  /// The batch, where its rows do not meet.
  std::optional<Dim> rows;
  /// The same of what is not all matrices: a workgroup takes one item of it.
  std::optional<Dim> batch;
  std::vector<ScanStage> stages;
  /// Rows that a workgroup has memory for, and those that it takes.
  int64_t mostRows = 1;
  Dim rowsPerItem = 1;
  Dim items = 1;
  /// Invocations of a workgroup.
  int64_t workgroupSize;

private:
  void findBatch(ScanOp op, const Machine &machine);
  void findMemory(ScanOp op);
  void findInPlace(ScanOp op);
  void shareRows(ScanOp op, const Machine &machine);
  int64_t chooseWorkgroup() const;

  llvm::DenseSet<mlir::Value> inMemory;
  llvm::SmallVector<const ScanStage *> writers;
  llvm::SmallVector<bool> inPlace;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_SCANPLAN_H
