//===- MapstoDialect.h - The mapsto graph dialect ---------------*- C++ -*-===//
//
// The dialect's classes: attributes, enums, ops. See MapstoOps.td for what
// each op means and interpreter/ for the same as running code.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_DIALECT_MAPSTODIALECT_H
#define MAPSTO_DIALECT_MAPSTODIALECT_H

#include "dialect/Dims.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/MapstoDialect.h.inc"
#include "dialect/MapstoEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/MapstoAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialect/MapstoOps.h.inc"

namespace mapsto {

/// Attribute names on the entry function `main` of a graph module.
/// Arguments: its user-visible name; or, for a state, the state's name (the
/// result with the same `mapsto.state` is its value after the run).
inline constexpr llvm::StringLiteral kNameAttr = "mapsto.name";
inline constexpr llvm::StringLiteral kStateAttr = "mapsto.state";
/// On the module: the model's name and its doc comment (strings).
inline constexpr llvm::StringLiteral kModelAttr = "mapsto.model";
inline constexpr llvm::StringLiteral kDocAttr = "mapsto.doc";
inline constexpr llvm::StringLiteral kEntryName = "main";

} // namespace mapsto

#endif // MAPSTO_DIALECT_MAPSTODIALECT_H
