//===- GlslReductions.cpp - What a workgroup's invocations have, combined -===//
//
// Two ways: subgroups combine what their invocations have, then every
// invocation what the subgroups have; or a tree in shared memory, for devices
// without arithmetic over subgroups.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/GlslPrinter.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

namespace {

struct Reduction {
  StringRef name;     ///< workgroupSum, ...
  StringRef combine;  ///< of a and b
  StringRef subgroup; ///< the function of GLSL
  /// A NaN is the result, which GLSL's own maximum does not promise.
  bool keepsNan = false;
};

Reduction reductionOf(gpu::AllReduceOperation operation) {
  using Kind = gpu::AllReduceOperation;
  switch (operation) {
  case Kind::ADD:
    return {"Sum", "a + b", "subgroupAdd"};
  case Kind::MUL:
    return {"Product", "a * b", "subgroupMul"};
  case Kind::MAXIMUMF:
    return {"Max", "a > b || a != a ? a : b", "subgroupMax", true};
  case Kind::MINIMUMF:
    return {"Min", "a < b || a != a ? a : b", "subgroupMin", true};
  case Kind::MAXSI:
    return {"Max", "max(a, b)", "subgroupMax"};
  case Kind::MINSI:
    return {"Min", "min(a, b)", "subgroupMin"};
  case Kind::OR:
    return {"Any", "a || b", "subgroupOr"};
  case Kind::AND:
    return {"All", "a && b", "subgroupAnd"};
  default:
    llvm_unreachable("a reduction that no kernel has");
  }
}

/// `T` is the type, `PARTIAL` the shared array, `COMBINE` of a and b.
constexpr StringLiteral kTree = R"(
// What all invocations of the workgroup have, combined.
T FUNCTION(T x) {
  const uint i = gl_LocalInvocationID.x;
  barrier();
  PARTIAL[i] = x;
  barrier();
  for (uint n = gl_WorkGroupSize.x; n > 1;) {
    const uint rest = (n + 1) / 2;
    if (i + rest < n) {
      const T a = PARTIAL[i], b = PARTIAL[i + rest];
      PARTIAL[i] = COMBINE;
    }
    n = rest;
    barrier();
  }
  return PARTIAL[0];
}
)";

constexpr StringLiteral kBySubgroups = R"(
// What all invocations of the workgroup have, combined.
T FUNCTION(T x) {
  T a = SUBGROUP(x);
NAN  barrier();
  if (subgroupElect())
    PARTIAL[gl_SubgroupID] = a;
  barrier();
  a = PARTIAL[0];
  for (uint i = 1; i < gl_NumSubgroups; ++i) {
    const T b = PARTIAL[i];
    a = COMBINE;
  }
  return a;
}
)";

constexpr StringLiteral kKeepNan =
    "  if (subgroupOr(x != x))\n"
    "    a = uintBitsToFloat(0x7FC00000u); // NaN\n";

void replaceAll(std::string &text, StringRef what, StringRef with) {
  for (size_t at = 0; (at = text.find(what, at)) != text.npos;
       at += with.size())
    text.replace(at, what.size(), with);
}

} // namespace

// Other types need extensions of their own, which few devices lack and few
// models need.
bool combinesBySubgroups(Type type) {
  return type.isF32() || type.isInteger(32) || type.isIndex() ||
         type.isInteger(1);
}

GlslExpression GlslPrinter::allReduce(Operation *op) {
  auto reduce = cast<gpu::AllReduceOp>(op);
  Type type = reduce.getType();
  Reduction reduction = reductionOf(*reduce.getOp());
  std::string t = typeName(type);
  std::string function = ("workgroup" + reduction.name).str();
  std::string memory = "partial_" + t;
  sharedByInvocations.insert(type);
  need(memory, "\nshared " + t + " " + memory + "[gl_WorkGroupSize.x];\n");

  bool bySubgroups = subgroups && combinesBySubgroups(type);
  if (bySubgroups) {
    extensions.insert("GL_KHR_shader_subgroup_basic");
    extensions.insert("GL_KHR_shader_subgroup_arithmetic");
  }
  std::string text = (bySubgroups ? kBySubgroups : kTree).str();
  replaceAll(text, "NAN", reduction.keepsNan ? kKeepNan : "");
  replaceAll(text, "T(", t + "(");
  replaceAll(text, "T ", t + " ");
  replaceAll(text, "PARTIAL", memory);
  replaceAll(text, "SUBGROUP", reduction.subgroup);
  replaceAll(text, "COMBINE", reduction.combine);
  replaceAll(text, "FUNCTION", function);
  need(function + t, text);
  return call(function, op);
}

} // namespace mapsto
