//===- Tensor.h - A value of the interpreter --------------------*- C++ -*-===//
//
// A dense row-major tensor whose elements are held wide: floats of any type as
// double, integers and booleans as int64. Conversions to and from the bytes of
// an element type are here too.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_DIALECT_INTERPRETER_TENSOR_H
#define MAPSTO_DIALECT_INTERPRETER_TENSOR_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mapsto {

using Shape = llvm::SmallVector<int64_t, 4>;

struct Tensor {
  mlir::Type elementType;
  Shape shape;
  std::vector<double> f;  // the elements where elementType is a float
  std::vector<int64_t> i; // the elements otherwise

  Tensor() = default;
  /// All zeros.
  Tensor(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);

  bool isFloat() const { return llvm::isa<mlir::FloatType>(elementType); }
  int64_t rank() const { return shape.size(); }
  int64_t size() const;
  /// Element `at` in row-major order, whatever its type.
  double number(int64_t at) const { return isFloat() ? f[at] : i[at]; }
};

/// Calls `fn` with the vector that holds the elements.
template <typename T, typename Fn> auto withElements(T &tensor, Fn &&fn) {
  return tensor.isFloat() ? fn(tensor.f) : fn(tensor.i);
}

/// Product of the sizes.
int64_t countOf(llvm::ArrayRef<int64_t> shape);
/// Elements from one index to the next, along each axis.
Shape stridesOf(llvm::ArrayRef<int64_t> shape);
/// "[2, 3]".
std::string str(llvm::ArrayRef<int64_t> shape);

/// The nearest value of a float type (ties to even).
double roundTo(mlir::Type type, double value);
/// The value modulo 2^width, signed; a boolean is 0 or 1.
int64_t wrapTo(mlir::Type type, int64_t value);
/// Rounds (f16, bf16) or wraps (integers) every element to the tensor's type.
/// f32 and f64 are left as they are: between ops the interpreter is exact.
void normalize(Tensor &tensor);
/// Rounds every element to the tensor's type, f32 too: what a caller sees.
void roundElements(Tensor &tensor);

/// Bytes of one element: 1 for booleans and i8, 2, 4 or 8.
int64_t bytesPerElement(mlir::Type elementType);
/// Little-endian bytes in row-major order; `data` must have the exact size.
mlir::FailureOr<Tensor> tensorFromBytes(mlir::Type elementType,
                                        llvm::ArrayRef<int64_t> shape,
                                        llvm::ArrayRef<char> data);
std::vector<char> bytesOf(const Tensor &tensor);
/// The elements of a literal.
Tensor tensorFrom(mlir::ElementsAttr literal);
/// A literal with the tensor's elements, rounded to its type.
mlir::DenseElementsAttr literalFrom(const Tensor &tensor);

/// The same values in another element type; floats go to integers towards
/// zero (saturating, NaN to 0), to booleans as "is not 0".
Tensor castTo(mlir::Type elementType, const Tensor &tensor);

} // namespace mapsto

#endif // MAPSTO_DIALECT_INTERPRETER_TENSOR_H
