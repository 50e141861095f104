//===- GlslPrinter.h - A kernel as the text of a shader ---------*- C++ -*-===//
//
// Prints a kernel in structured IR (scf, arith, math, memref, gpu) as GLSL that
// reads as a person would have written it: a value that is used once is part of
// its reader's expression, others are variables with the name of what they are,
// and every run of statements says which line of the model it computes.
//
// One value a variable: the IR is scalar, an invocation of the shader is one
// lane.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_GLSLPRINTER_H
#define MAPSTO_COMPILER_VULKAN_GLSLPRINTER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

#include <string>

namespace mapsto {

/// A piece of GLSL and how tightly its outermost operator binds.
struct GlslExpression {
  /// GLSL's operators, from the loosest on.
  enum Binding {
    Conditional,
    LogicalOr,
    LogicalXor,
    LogicalAnd,
    Or,
    Xor,
    And,
    Equality,
    Relational,
    Shift,
    Additive,
    Multiplicative,
    Unary,
    Primary
  };
  std::string text;
  Binding binding = Primary;
};

/// Can a subgroup combine values of this type?
bool combinesBySubgroups(mlir::Type type);

/// Writes the body of one function. What it needs at the head of the shader
/// (extensions, helper functions) it collects.
class GlslPrinter {
public:
  explicit GlslPrinter(llvm::raw_ostream &os) : os(os) {}

  /// Names a value that is declared outside of the body: a buffer, a size.
  void name(mlir::Value value, llvm::StringRef name);
  /// A name like `hint` that nothing else has in this scope.
  std::string freshName(llvm::StringRef hint);
  void printBody(mlir::Block &body, unsigned indent);
  /// A function of its own, in which every float rounds as written.
  void printFunction(mlir::func::FuncOp function);
  /// Stores to this memory, a mapsto_kernel_context, become calls of report().
  void reportTo(mlir::Value memref) { errors = memref; }

  /// "float", "int64_t", ...; notes the extension that it needs.
  std::string typeName(mlir::Type type);

  std::string nameOf(mlir::Value value) const { return names.lookup(value); }
  /// May the shader use arithmetic over subgroups?
  bool subgroups = false;
  /// Are matrices arrays of the invocations? (Matrices.h)
  bool emulatesMatrices = false;
  /// Do invocations of a workgroup read what others of it write to buffers?
  bool sharesBuffers = false;

  /// Types that helpers have a shared array of, an element an invocation.
  llvm::SetVector<mlir::Type> sharedByInvocations;
  /// Helper functions, in the order of their first use.
  std::vector<std::string> helpers;
  llvm::StringSet<> extensions;
  /// Had every op a form in GLSL? Those that have none are reported.
  bool complete = true;
  /// Of the arrays that a workgroup shares.
  uint32_t sharedBytes = 0;

private:
  // GlslExpressions.cpp
  GlslExpression expression(mlir::Operation *op);
  GlslExpression expression(mlir::Value value);
  std::string operand(mlir::Value value, GlslExpression::Binding atLeast);
  GlslExpression binary(llvm::StringRef symbol, GlslExpression::Binding binding,
                        mlir::Operation *op);
  GlslExpression call(llvm::StringRef function, mlir::Operation *op);
  GlslExpression helper(llvm::StringRef name, mlir::Operation *op);
  void bring(llvm::StringRef function, mlir::Type type);
  GlslExpression callFunction(mlir::func::CallOp op);
  void need(const llvm::Twine &helper, std::string text);
  GlslExpression allReduce(mlir::Operation *op); // GlslReductions.cpp
  GlslExpression compare(mlir::Operation *op);
  GlslExpression constant(mlir::Attribute value);
  GlslExpression element(mlir::Value memref, mlir::Value position);
  std::string arraySize(mlir::memref::AllocaOp array);

  // GlslMatrices.cpp
  std::string matrixArray(mlir::memref::AllocaOp array, llvm::StringRef name);
  std::string matrixType(mlir::Value matrices);
  std::string matrixStatement(mlir::func::CallOp call);
  GlslExpression ofSubgroup(mlir::Operation *op);
  GlslExpression eight(mlir::func::CallOp load);
  // GlslEmulatedMatrices.cpp
  std::string emulatedArray(mlir::memref::AllocaOp array, llvm::StringRef name);
  std::string emulatedStatement(mlir::func::CallOp call);

  // GlslPrinter.cpp
  bool isInline(mlir::Operation *op);
  void statement(mlir::Operation &op);
  bool isChoice(mlir::scf::IfOp branch);
  void assignResult(mlir::Operation &op);
  void assign(mlir::ValueRange targets, mlir::ValueRange values);
  bool readsOneOf(mlir::Value value, mlir::ValueRange variables);
  std::string declare(mlir::Value value, llvm::StringRef hint);
  void declareArray(mlir::memref::AllocaOp array);
  std::string nameHint(mlir::Value value);
  void block(mlir::Block &body);
  void place(mlir::Location loc);
  llvm::raw_ostream &line();

  llvm::raw_ostream &os;
  unsigned depth = 0;
  bool precise = false;
  llvm::DenseMap<mlir::Value, std::string> names;
  /// Those of values that are declared outside of the body.
  llvm::DenseMap<mlir::Value, std::string> globals;
  llvm::StringSet<> taken;
  llvm::DenseMap<mlir::Operation *, bool> inlined;
  llvm::StringSet<> known;
  std::string lastPlace;
  mlir::Value errors;
  /// Of the report that is being written: its place and value.
  llvm::SmallVector<std::string, 3> reported;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_GLSLPRINTER_H
