//===- Triangle.cpp - Tables that are a triangle of one value -------------===//

#include "frontends/onnx/Triangle.h"

#include "dialect/Builders.h"

using namespace mlir;

namespace mapsto::onnx {

namespace {
/// Rows of elements of so many bytes.
struct Table {
  StringRef bytes;
  size_t element;
  int64_t rows, columns;

  StringRef at(int64_t row, int64_t column) const {
    return bytes.substr(size_t(row * columns + column) * element, element);
  }
};
} // namespace

/// The number `ahead` such that the elements with column <= row + ahead are
/// those like the lower left one, and all others like the upper right one.
static std::optional<int64_t> findDiagonal(const Table &t) {
  StringRef lower = t.at(t.rows - 1, 0), upper = t.at(0, t.columns - 1);
  if (lower == upper)
    return std::nullopt;
  int64_t row = 0, column = 0;
  while (column < t.columns && t.at(0, column) == lower)
    ++column;
  if (column == 0)
    while (row < t.rows && t.at(row, 0) == upper)
      ++row;
  int64_t ahead = column > 0 ? column - 1 : -row;
  for (int64_t i = 0; i < t.rows; ++i)
    for (int64_t j = 0; j < t.columns; ++j)
      if (t.at(i, j) != (j <= i + ahead ? lower : upper))
        return std::nullopt;
  return ahead;
}

mlir::Value buildTriangle(OpBuilder &b, const TensorData &data,
                          RankedTensorType type) {
  ArrayRef<int64_t> shape(data.shape);
  int64_t count = data.numElements();
  if (shape.size() < 2 || count == 0 ||
      llvm::any_of(shape.drop_back(2), [](int64_t s) { return s != 1; }))
    return nullptr;
  Type element = type.getElementType();
  if (!isa<FloatType>(element) && !element.isInteger(1))
    return nullptr;
  Table table{StringRef(reinterpret_cast<const char *>(data.bytes.data()),
                        data.bytes.size()),
              data.bytes.size() / size_t(count), shape[shape.size() - 2],
              shape.back()};
  if (table.rows < 2 || table.columns < 2)
    return nullptr;
  std::optional<int64_t> ahead = findDiagonal(table);
  if (!ahead)
    return nullptr;

  Location loc = b.getUnknownLoc();
  auto indices =
      RankedTensorType::get({table.rows, table.columns}, b.getI64Type());
  mlir::Value row = IotaOp::create(b, loc, indices, 0);
  mlir::Value column = IotaOp::create(b, loc, indices, 1);
  if (*ahead != 0)
    row = AddOp::create(b, loc, row, splat(b, loc, double(*ahead), indices));
  mlir::Value lower =
      CompareOp::create(b, loc, ComparePredicate::le, column, row);
  mlir::Value result = lower;
  if (element.isInteger(1)) {
    if (table.at(table.rows - 1, 0).front() == 0)
      result = NotOp::create(b, loc, lower);
  } else {
    auto whole = RankedTensorType::get({table.rows, table.columns}, element);
    auto fill = [&](StringRef bytes) -> mlir::Value {
      auto literal = DenseElementsAttr::getFromRawBuffer(
          RankedTensorType::get({}, element),
          ArrayRef(bytes.data(), bytes.size()));
      return BroadcastOp::create(b, loc, whole,
                                 ConstantOp::create(b, loc, literal));
    };
    result = SelectOp::create(b, loc, lower, fill(table.at(table.rows - 1, 0)),
                              fill(table.at(0, table.columns - 1)));
  }
  return reshape(b, loc, result, dimsOf(type));
}

} // namespace mapsto::onnx
