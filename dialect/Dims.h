//===- Dims.h - Symbolic sizes ----------------------------------*- C++ -*-===//
//
// A `Dim` is the size of one axis: an integer polynomial over named symbols
// (B, T, ...), with floordiv, ceildiv, mod, min and max of such polynomials as
// atoms. Dims are kept in a normal form, so two sizes that are equal as
// polynomials compare equal: `T + T` is `2*T`, `(T + 1) - 1` is `T`.
//
// On tensors a Dim is carried by the encoding attribute `#mapsto.dims<...>`,
// one text per axis; a type whose sizes are all constants has no encoding.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_DIALECT_DIMS_H
#define MAPSTO_DIALECT_DIMS_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mapsto {

class Dim {
public:
  enum class Op { Symbol, FloorDiv, CeilDiv, Mod, Min, Max };

  /// A factor that is not a plain integer: a symbol or one of the
  /// non-polynomial operations on two sizes. Ordered and compared by its text.
  struct Atom {
    Op op;
    std::string text;
    std::shared_ptr<const Dim> lhs, rhs;
    bool operator<(const Atom &o) const { return text < o.text; }
    bool operator==(const Atom &o) const { return text == o.text; }
  };
  /// A product of atoms, sorted; the empty product is 1.
  using Monomial = std::vector<Atom>;
  using Terms = std::map<Monomial, int64_t>;

  Dim() = default; // zero
  Dim(int64_t constant);
  static Dim symbol(llvm::StringRef name);
  /// Parses the text that `str` prints; failure on anything else.
  static mlir::FailureOr<Dim> parse(llvm::StringRef text);

  Dim operator+(const Dim &o) const;
  Dim operator-(const Dim &o) const;
  Dim operator*(const Dim &o) const;
  Dim &operator+=(const Dim &o) { return *this = *this + o; }
  Dim &operator*=(const Dim &o) { return *this = *this * o; }
  static Dim floorDiv(const Dim &a, const Dim &b);
  static Dim ceilDiv(const Dim &a, const Dim &b);
  static Dim mod(const Dim &a, const Dim &b);
  static Dim min(const Dim &a, const Dim &b);
  static Dim max(const Dim &a, const Dim &b);
  /// a / b where the quotient is a polynomial; nothing otherwise.
  static std::optional<Dim> exactDiv(const Dim &a, const Dim &b);

  bool operator==(const Dim &o) const { return terms == o.terms; }
  bool operator!=(const Dim &o) const { return !(*this == o); }
  bool isConstant() const;
  std::optional<int64_t> constant() const;
  /// The symbol's name if this is exactly one symbol.
  std::optional<std::string> symbolName() const;
  /// Names of all symbols, sorted, without repeats.
  std::vector<std::string> symbols() const;

  /// Replaces every symbol by what `value` gives for it (the symbol itself
  /// where that is nothing).
  Dim substitute(
      llvm::function_ref<std::optional<Dim>(llvm::StringRef)> value) const;
  /// The size, given every symbol's value; nothing if a symbol has none, on
  /// division by zero, or on overflow of 64 bits.
  std::optional<int64_t> evaluate(
      llvm::function_ref<std::optional<int64_t>(llvm::StringRef)> value) const;

  const Terms &getTerms() const { return terms; }
  /// Canonical text, e.g. "2*B*T + 1", "floordiv(T + 1, 2)".
  std::string str() const;

private:
  static Dim atom(Op op, const Dim &a, const Dim &b);
  static std::pair<Dim, Dim> splitByConstant(const Dim &a, int64_t b);
  static std::pair<Dim, int64_t> reduceFraction(const Dim &rest,
                                                int64_t divisor);
  Terms terms; // no zero coefficients
};

using Dims = llvm::SmallVector<Dim, 4>;

/// Whether a type is a ranked tensor whose every size is known as a Dim.
bool hasSizes(mlir::Type type);
/// The sizes of a tensor type (from its encoding where it is dynamic).
Dims dimsOf(mlir::Type type);
inline Dims dimsOf(mlir::Value value) { return dimsOf(value.getType()); }
Dim dimOf(mlir::Value value, int64_t axis);
/// The tensor type with these sizes, encoded where one is not constant.
mlir::RankedTensorType tensorOf(llvm::ArrayRef<Dim> dims,
                                mlir::Type elementType);
/// Product of the sizes.
Dim numElements(llvm::ArrayRef<Dim> dims);
/// "[B, T, 16]", as a person writes a shape.
std::string str(llvm::ArrayRef<Dim> dims);
mlir::Type elementTypeOf(mlir::Value value);
/// Whether an element's bits widen by zeros: of a boolean, an unsigned integer.
inline bool isZeroExtended(mlir::Type elementType) {
  return elementType.isInteger(1) || elementType.isUnsignedInteger();
}

} // namespace mapsto

#endif // MAPSTO_DIALECT_DIMS_H
