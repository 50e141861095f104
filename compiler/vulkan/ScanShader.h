//===- ScanShader.h - One recurrence being written --------------*- C++ -*-===//
//
// EmitScan.cpp says how the shader goes; stages of gates are written by
// ScanGates.cpp beside it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_SCANSHADER_H
#define MAPSTO_COMPILER_VULKAN_SCANSHADER_H

#include "compiler/vulkan/ScanPlan.h"

namespace mapsto {

/// What is written of one recurrence, by the workgroup at hand.
class ScanShader {
public:
  ScanShader(KernelEmitter &e, ScanOp op, llvm::ArrayRef<Buffer> results)
      : e(e), op(op), body(op.getBody().front()),
        yielded(body.getTerminator()->getOperands()),
        states(results.take_front(op.getInits().size())),
        outputs(results.drop_front(op.getInits().size())), plan(op, e.machine),
        count(*Dim::parse(op.getCount())) {}

  void emit(mlir::Value item);

private:
  KernelEmitter &e;
  ScanOp op;
  mlir::Block &body;
  mlir::ValueRange yielded;
  llvm::ArrayRef<Buffer> states, outputs;
  ScanPlan plan;
  Dim count;
  /// Where rows, or items of the batch, are apart.
  Index firstRow;
  mlir::Value rowCount;
  /// The states, those that are not in place twice.
  llvm::SmallVector<Buffer> kept;
  /// Of what a stage leaves to others.
  llvm::DenseMap<mlir::Value, Buffer> memory;
  llvm::SmallSetVector<mlir::Value, 8> given;
  /// Rows whose place in memory has been worked out.
  std::map<Index, Index> known;
  mlir::Value time, next;

  /// The shape of a value in the workgroup's memory.
  Dims shapeHere(mlir::Value value);

  /// Memory of one item of the batch, which begins as far before it as the
  /// whole would: elements are where their indices say.
  Buffer ofWhole(mlir::Value value, Buffer buffer);

  void allocate();
  /// A state as a step finds it.
  Buffer stateAt(size_t k, mlir::Value step);

  Index rowHere(Index row);
  Indices here(llvm::ArrayRef<Index> at);

  /// From here on the value is read from that memory.
  void give(mlir::Value value, Buffer buffer);

  void giveSequences();

  static void name(mlir::Value variable, llvm::StringRef name);
  /// The invocations share the elements, of our rows where rows are apart.
  void eachElement(llvm::ArrayRef<Dim> dims,
                   llvm::function_ref<void(llvm::ArrayRef<Index>)> body);

  /// All invocations walk our rows together.
  void eachRow(llvm::function_ref<void(Index)> body);

  void emitStep(mlir::Value step);
  void emitStage(const ScanStage &stage);

  /// An element that a stage has computed.
  struct Left {
    mlir::Value tensor, element;
    Indices at;
  };

  /// Writes what a stage has computed to wherever it goes.
  void leave(const ScanStage &stage, llvm::ArrayRef<Left> all);

  /// Writes an element of the n-th yielded value: of a state or an output.
  void write(size_t n, mlir::Value v, llvm::ArrayRef<Index> at);

  // Gates (ScanGates.cpp).
  void emitGates(const ScanStage &stage);
  /// The rows side by side; where there are fewer, the last one fills up.
  void emitRowsOfGates(const ScanStage &stage);

  void eachUnit(const ScanStage &stage, llvm::function_ref<void(Index)> body);
  Index columnFrom(int64_t column, Index unit);

  /// For each row, the sums of a unit's gates.
  llvm::SmallVector<mlir::Value> sums(const ScanStage &stage,
                                      llvm::ArrayRef<Index> rows, Index unit);

  /// The rest of the stage for a unit of one row.
  void combine(const ScanStage &stage, Index row, Index unit,
               llvm::ArrayRef<mlir::Value> sums);
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_SCANSHADER_H
