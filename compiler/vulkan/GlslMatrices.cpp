//===- GlslMatrices.cpp - Matrices of a subgroup in GLSL ------------------===//
//
// By GL_NV_cooperative_matrix, since glslang 12 knows no other. The artifact
// has it as SPV_KHR_cooperative_matrix (SpirvWords.h).
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/GlslPrinter.h"
#include "compiler/vulkan/Matrices.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

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

std::string GlslPrinter::matrixArray(memref::AllocaOp array, StringRef name) {
  if (emulatesMatrices)
    return emulatedArray(array, name);
  return matrixType(array) + " " + name.str() + "[" + arraySize(array) + "]";
}

std::string GlslPrinter::matrixStatement(func::CallOp call) {
  if (emulatesMatrices)
    return emulatedStatement(call);
  Operation::operand_range operands = call.getOperands();
  auto matrix = [&](unsigned i) {
    return element(operands[i], operands[i + 1]).text;
  };
  /// An array, a position in it, the distance of rows or columns, and whether
  /// it is of columns.
  auto inArray = [&] {
    std::string text;
    for (Value operand : operands.drop_front(2))
      text += ", " + expression(operand).text;
    return text;
  };
  StringRef name = call.getCallee().split('.').first;
  if (name == kClearMatrix)
    return matrix(0) + " = " + matrixType(operands[0]) + "(0.0)";
  if (name == kLoadMatrix)
    return "coopMatLoadNV(" + matrix(0) + inArray() + ")";
  if (name == kStoreMatrix)
    return "coopMatStoreNV(" + matrix(0) + inArray() + ")";
  if (name == kMultiplyMatrices)
    return matrix(4) + " = coopMatMulAddNV(" + matrix(0) + ", " + matrix(2) +
           ", " + matrix(4) + ")";
  if (name == kDivideMatrix)
    return matrix(0) + " = " + matrix(0) + " / " + matrix(2);
  assert(name == kBarrierOfSubgroup);
  extensions.insert("GL_KHR_shader_subgroup_basic");
  return "subgroupBarrier()";
}

/// Of another view of the buffer, which has a kernel's argument's number.
GlslExpression GlslPrinter::eight(func::CallOp load) {
  auto buffer = cast<BlockArgument>(load.getOperand(0));
  std::string name = names.lookup(buffer) + "_eights",
              binding = std::to_string(buffer.getArgNumber());
  need(name, "\nlayout(std430, set = 0, binding = " + binding +
                 ") readonly buffer Buffer" + binding + "Eights { uvec4 " +
                 name + "[]; };\n");
  return {name + "[" + expression(load.getOperand(1)).text + "]"};
}

GlslExpression GlslPrinter::ofSubgroup(Operation *op) {
  if (emulatesMatrices) {
    std::string lanes = std::to_string(kEmulatedLanes);
    if (isa<gpu::SubgroupIdOp>(op))
      return {"int(gl_LocalInvocationID.x) / " + lanes,
              GlslExpression::Multiplicative};
    if (isa<gpu::LaneIdOp>(op))
      return {"int(gl_LocalInvocationID.x) % " + lanes,
              GlslExpression::Multiplicative};
    return {"true"}; // it may hold
  }
  extensions.insert("GL_KHR_shader_subgroup_basic");
  if (isa<gpu::SubgroupIdOp>(op))
    return {"int(gl_SubgroupID)"};
  if (isa<gpu::LaneIdOp>(op))
    return {"int(gl_SubgroupInvocationID)"};
  extensions.insert("GL_KHR_shader_subgroup_vote");
  return call("subgroupAny", op);
}

} // namespace mapsto
