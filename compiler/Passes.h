//===- Passes.h - Every pass, by phase --------------------------*- C++ -*-===//
//
// Declarations generated from Passes.td. Each pass lives in a file of its own
// name; pipeline.h says in which order a phase runs them.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PASSES_H
#define MAPSTO_COMPILER_PASSES_H

#include "dialect/MapstoDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace mapsto {

#define GEN_PASS_DECL
#include "compiler/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compiler/Passes.h.inc"

} // namespace mapsto

#endif // MAPSTO_COMPILER_PASSES_H
