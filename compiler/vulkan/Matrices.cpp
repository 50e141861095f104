//===- Matrices.cpp - Matrices that a subgroup has together ---------------===//

#include "compiler/vulkan/Matrices.h"

#include "compiler/KernelAttributes.h"
#include "runtime/manifest.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/FormatVariadic.h"

#include <cstdlib>

using namespace mlir;

namespace mapsto {

Value matrixArray(KernelEmitter &e, StringRef name, Value count, Value rows,
                  Value columns, Type element) {
  auto space =
      gpu::AddressSpaceAttr::get(e.b.getContext(), gpu::AddressSpace::Private);
  constexpr int64_t kAny = ShapedType::kDynamic;
  auto type = MemRefType::get({kAny, kAny, kAny}, element,
                              MemRefLayoutAttrInterface(), space);
  auto array =
      memref::AllocaOp::create(e.b, type, ValueRange{count, rows, columns});
  array->setAttr(kHintAttr, e.b.getStringAttr(name));
  return array;
}

/// Calls one of the functions, declared where it is first called.
static func::CallOp call(KernelEmitter &e, StringRef function,
                         ValueRange operands, TypeRange results = {}) {
  std::string name = function.str();
  for (Type type : operands.getTypes())
    if (auto array = dyn_cast<MemRefType>(type))
      llvm::raw_string_ostream(name) << "." << array.getElementType();
  auto module =
      e.b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(module.getBody());
    func::FuncOp::create(e.b, name,
                         e.b.getFunctionType(operands.getTypes(), results))
        .setPrivate();
  }
  return func::CallOp::create(e.b, name, results, operands);
}

static void callAt(KernelEmitter &e, StringRef function, Matrix m,
                   const MatrixPlace &place) {
  Value major = arith::ConstantIntOp::create(e.b, place.isColumnMajor, 1);
  call(e, function,
       {m.matrices, m.i, place.array, place.at, place.stride, major});
}

void clearMatrix(KernelEmitter &e, Matrix m) {
  call(e, kClearMatrix, {m.matrices, m.i});
}

void loadMatrix(KernelEmitter &e, Matrix m, const MatrixPlace &from) {
  callAt(e, kLoadMatrix, m, from);
}

void storeMatrix(KernelEmitter &e, Matrix m, const MatrixPlace &to) {
  callAt(e, kStoreMatrix, m, to);
}

void multiplyMatrices(KernelEmitter &e, Matrix lhs, Matrix rhs, Matrix sum) {
  call(e, kMultiplyMatrices,
       {lhs.matrices, lhs.i, rhs.matrices, rhs.i, sum.matrices, sum.i});
}

void divideMatrix(KernelEmitter &e, Matrix m, Matrix by) {
  call(e, kDivideMatrix, {m.matrices, m.i, by.matrices, by.i});
}

Type eightType(KernelEmitter &e) {
  return VectorType::get({4}, e.b.getI32Type());
}

Value loadEight(KernelEmitter &e, Value buffer, Value eight) {
  return call(e, kLoadEight, {buffer, eight}, eightType(e)).getResult(0);
}

bool liesInEights(KernelEmitter &e, Value tensor) {
  // Through views that leave the last axis's neighbours where they are.
  while (auto transpose = tensor.getDefiningOp<TransposeOp>()) {
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    if (e.buffers.count(tensor) ||
        permutation.back() != int64_t(permutation.size()) - 1)
      break;
    tensor = transpose.getX();
  }
  if (auto reshape = tensor.getDefiningOp<ReshapeOp>())
    if (!e.buffers.count(tensor))
      tensor = reshape.getX();
  auto buffer = e.buffers.find(tensor);
  return buffer != e.buffers.end() && !buffer->second.offset;
}

Value subgroupOf(KernelEmitter &e) {
  return gpu::SubgroupIdOp::create(e.b, e.b.getIndexType(), IntegerAttr());
}

Value laneOf(KernelEmitter &e) {
  return gpu::LaneIdOp::create(e.b, e.b.getIndexType(), IntegerAttr());
}

void barrierOfSubgroup(KernelEmitter &e) { call(e, kBarrierOfSubgroup, {}); }

Value maySubgroupHold(KernelEmitter &e, Value condition) {
  return gpu::SubgroupReduceOp::create(e.b, condition,
                                       gpu::AllReduceOperation::OR,
                                       /*uniform=*/true);
}

static const char *emulatedSize() {
  return std::getenv("MAPSTO_EMULATE_MATRICES");
}

bool emulatesMatrices() { return emulatedSize(); }

SmallVector<Tiling> emulated(ArrayRef<Tiling> tilings) {
  uint32_t wanted = 0;
  for (const MatrixSizes &m : kMatrices)
    if (emulatedSize() ==
        llvm::formatv("{0}x{1}x{2}", m.rows, m.columns, m.depth).str())
      wanted = runtime::matrixSizes(m.rows, m.columns, m.depth);
  SmallVector<Tiling> all;
  for (Tiling t : tilings) {
    if (t.matrix != wanted)
      continue;
    t.matrix = 0;
    t.workgroupSize *= kEmulatedLanes;
    all.push_back(std::move(t));
  }
  return all;
}

} // namespace mapsto
