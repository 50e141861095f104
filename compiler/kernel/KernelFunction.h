//===- KernelFunction.h - A kernel as a function of buffers -----*- C++ -*-===//
//
// What the functions of both targets have alike: arguments for a kernel's
// operands, its results and the module's symbols come first, and attributes
// tell the runtime's manifest of it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_KERNELFUNCTION_H
#define MAPSTO_COMPILER_KERNEL_KERNELFUNCTION_H

#include "compiler/kernel/GroupEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mapsto {

/// The types of those arguments.
llvm::SmallVector<mlir::Type> operandTypes(KernelOp kernel);

/// Tells the emitter what they stand for; returns the results' buffers.
/// `argument` moves past them.
llvm::SmallVector<Buffer> bindOperands(KernelEmitter &e, KernelOp kernel,
                                       mlir::Block::args_iterator &argument);

/// Notes on the function what it computes and which memory it takes.
void describe(mlir::func::FuncOp function, KernelOp kernel, const Group &group,
              const KernelEmitter &e);

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_KERNELFUNCTION_H
