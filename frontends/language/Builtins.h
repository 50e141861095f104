//===- Builtins.h - The table of built-in functions -------------*- C++ -*-===//
//
// One line per function: its name, parameters, shapes, what it does, an
// example, and the function that builds it. The reference is printed from
// this table and every example in it is run by a test. Functions that can be
// written in the language are in stdlib/prelude.mto instead.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_BUILTINS_H
#define MAPSTO_FRONTENDS_LANGUAGE_BUILTINS_H

#include "frontends/language/Elaborator.h"

namespace mapsto {

struct BuiltinCall;

struct Builtin {
  const char *name;
  /// As the language writes it: "x, axis = -1, keepdims = false"; `*parts`
  /// takes any number.
  const char *params;
  /// Shapes: "[.., N] -> [..]".
  const char *shapes;
  const char *doc;
  /// "EXPRESSION == VALUE", both tensors or numbers.
  const char *example;
  Object (*build)(BuiltinCall &);
};

/// One call of a built-in: arguments in the order of the parameters. The
/// accessors report what does not fit and set `failed`; builders return poison
/// (`{}`) then.
struct BuiltinCall {
  Elaborator &e;
  TensorBuilder &t;
  const Builtin &builtin;
  Span span;
  std::vector<Object> values;
  std::vector<Span> spans;
  /// What a variadic parameter got.
  std::vector<Object> rest;
  std::vector<Span> restSpans;
  bool failed = false;

  const Object &operator[](unsigned i) const { return values[i]; }
  bool given(unsigned i) const { return !values[i].isNone(); }
  mlir::Value tensor(unsigned i, mlir::Type like = {});
  /// A tensor of floats; integers become f32.
  mlir::Value floats(unsigned i);
  /// A tensor of i32 or i64 (i8 and bool become i64).
  mlir::Value indices(unsigned i);
  int64_t integer(unsigned i);
  double real(unsigned i);
  bool flag(unsigned i);
  std::string text(unsigned i);
  Dim size(unsigned i);
  Dims dims(unsigned i);
  int64_t axis(unsigned i, mlir::Value x);
  /// One axis, several, or None for all; sorted.
  llvm::SmallVector<int64_t> axes(unsigned i, mlir::Value x);
  mlir::Type type(unsigned i);
  Object fail(std::string message, std::string hint = "") {
    failed = true;
    return e.fail(span, std::move(message), std::move(hint));
  }
};

llvm::ArrayRef<Builtin> mathBuiltins();
llvm::ArrayRef<Builtin> reduceBuiltins();
llvm::ArrayRef<Builtin> shapeBuiltins();
llvm::ArrayRef<Builtin> indexBuiltins();
llvm::ArrayRef<Builtin> networkBuiltins();

/// A titled part of the table, in the reference's order.
struct BuiltinGroup {
  const char *title;
  llvm::ArrayRef<Builtin> functions;
};
std::vector<BuiltinGroup> builtinGroups();
/// Null where there is none of that name.
const Builtin *findBuiltin(llvm::StringRef name);
/// The formals of a built-in and the text of their default values.
std::vector<std::pair<Formal, std::string>> formalsOf(const Builtin &builtin);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_BUILTINS_H
