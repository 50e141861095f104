//===- GlslEmulatedMatrices.cpp - Matrices on devices without them --------===//
//
// For tests (Matrices.h). An invocation has the whole of each factor, and of
// sums its own elements, so that products need no others. As on devices that
// have matrices, nothing is in step but by barriers. The loops' variables end
// in what no other name does.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/GlslPrinter.h"
#include "compiler/vulkan/Matrices.h"

using namespace mlir;

namespace mapsto {

namespace {

/// A matrix of an array: its element type says whether it is of sums.
struct Emulated {
  std::string name, rows, columns;
  bool isOfSums;

  std::string size() const { return rows + " * " + columns; }
  /// Elements that an invocation has of it.
  std::string own() const {
    return isOfSums ? "(" + size() + ") / " + std::to_string(kEmulatedLanes)
                    : size();
  }
  /// Which one the i-th of them is.
  std::string element() const {
    return isOfSums ? "i_ * " + std::to_string(kEmulatedLanes) +
                          " + int(gl_LocalInvocationID.x) % " +
                          std::to_string(kEmulatedLanes)
                    : "i_";
  }
  std::string row() const { return "(" + element() + ") / " + columns; }
  std::string column() const { return "(" + element() + ") % " + columns; }
};

} // namespace

static bool isOfSums(memref::AllocaOp array) {
  return array.getType().getElementType().isF32();
}

/// With a count that the driver does not know, though it is this one: unrolled,
/// these loops take it minutes to compile.
static std::string loop(StringRef variable, StringRef count) {
  return ("for (int " + variable + " = 0; " + variable +
          " < int(gl_NumWorkGroups.y) * (" + count + "); ++" + variable + ") ")
      .str();
}

std::string GlslPrinter::emulatedArray(memref::AllocaOp array, StringRef name) {
  Operation::operand_range sizes = array.getDynamicSizes();
  Emulated m{name.str(), operand(sizes[1], GlslExpression::Primary),
             operand(sizes[2], GlslExpression::Primary), isOfSums(array)};
  return typeName(array.getType().getElementType()) + " " + m.name + "[" +
         arraySize(array) + "][" + m.own() + "]";
}

std::string GlslPrinter::emulatedStatement(func::CallOp call) {
  StringRef name = call.getCallee().split('.').first;
  if (name == kBarrierOfSubgroup)
    return "barrier()";
  Operation::operand_range operands = call.getOperands();
  auto matrix = [&](unsigned i) {
    auto array = operands[i].getDefiningOp<memref::AllocaOp>();
    Operation::operand_range sizes = array.getDynamicSizes();
    return Emulated{element(operands[i], operands[i + 1]).text,
                    operand(sizes[1], GlslExpression::Primary),
                    operand(sizes[2], GlslExpression::Primary),
                    isOfSums(array)};
  };
  Emulated m = matrix(name == kMultiplyMatrices ? 4 : 0);
  std::string each = loop("i_", m.own());
  std::string own = m.name + "[i_]";
  if (name == kClearMatrix)
    return each + own + " = 0.0";
  if (name == kDivideMatrix)
    return each + own + " /= " + matrix(2).name + "[i_]";
  if (name == kMultiplyMatrices) {
    Emulated lhs = matrix(0), rhs = matrix(2);
    return each + loop("k_", lhs.columns) + own + " += float(" + lhs.name +
           "[(" + m.row() + ") * " + lhs.columns + " + k_]) * float(" +
           rhs.name + "[k_ * " + rhs.columns + " + " + m.column() + "])";
  }
  std::string array = expression(operands[2]).text,
              at = operand(operands[3], GlslExpression::Primary),
              stride = operand(operands[4], GlslExpression::Primary);
  auto memory = cast<MemRefType>(operands[2].getType());
  bool isOfEights = isa<VectorType>(memory.getElementType());
  if (isOfEights) {
    at += " * 8";
    stride += " * 8";
  }
  std::string row = "(" + m.row() + ")", column = "(" + m.column() + ")";
  std::string place = "(" + at + " + (" + expression(operands[5]).text + " ? " +
                      column + " * " + stride + " + " + row + " : " + row +
                      " * " + stride + " + " + column + "))";
  std::string there = array + "[" + place + "]";
  if (isOfEights)
    there = "float16_t(unpackFloat2x16(" + array + "[" + place + " / 8][" +
            place + " % 8 / 2])[" + place + " % 2])";
  if (name == kLoadMatrix)
    return each + own + " = " + there;
  assert(name == kStoreMatrix);
  return each + there + " = " + own;
}

} // namespace mapsto
