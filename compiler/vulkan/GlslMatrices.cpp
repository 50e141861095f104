//===- GlslMatrices.cpp - Matrices of a subgroup in GLSL ------------------===//
//
// By GL_NV_cooperative_matrix, since glslang 12 knows no other. The artifact
// has it as SPV_KHR_cooperative_matrix (SpirvWords.h).
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/GlslPrinter.h"
#include "compiler/vulkan/Matrices.h"

using namespace mlir;

namespace mapsto {

std::string GlslPrinter::matrixType(Value matrices) {
  extensions.insert("GL_NV_cooperative_matrix");
  extensions.insert("GL_KHR_memory_scope_semantics");
  auto array = matrices.getDefiningOp<memref::AllocaOp>();
  Type element = array.getType().getElementType();
  typeName(element);
  return "fcoopmatNV<" + std::to_string(element.getIntOrFloatBitWidth()) +
         ", gl_ScopeSubgroup, " + expression(array.getDynamicSizes()[1]).text +
         ", " + expression(array.getDynamicSizes()[2]).text + ">";
}

std::string GlslPrinter::matrixStatement(func::CallOp call) {
  Operation::operand_range operands = call.getOperands();
  auto matrix = [&](unsigned i) {
    return element(operands[i], operands[i + 1]).text;
  };
  /// An array, a position in it and the distance of rows or columns.
  auto inArray = [&] {
    return expression(operands[2]).text + ", " + expression(operands[3]).text +
           ", " + expression(operands[4]).text;
  };
  StringRef name = call.getCallee();
  if (name == kClearMatrix)
    return matrix(0) + " = " + matrixType(operands[0]) + "(0.0)";
  if (name == kLoadMatrix)
    return "coopMatLoadNV(" + matrix(0) + ", " + inArray() + ", " +
           expression(operands[5]).text + ")";
  if (name == kMultiplyMatrices)
    return matrix(4) + " = coopMatMulAddNV(" + matrix(0) + ", " + matrix(2) +
           ", " + matrix(4) + ")";
  assert(name == kStoreMatrix);
  return "coopMatStoreNV(" + matrix(0) + ", " + inArray() + ", false)";
}

} // namespace mapsto
