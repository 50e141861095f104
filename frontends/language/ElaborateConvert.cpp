//===- ElaborateConvert.cpp - Errors, and objects as what is wanted -------===//

#include "frontends/language/Builtins.h"
#include "frontends/language/Elaborator.h"

#include "mlir/IR/BuiltinAttributes.h"

#include <cmath>

using namespace mapsto;
using mlir::Type;

Diagnostic &Elaborator::error(Span span, std::string message) {
  // What is walked twice (a loop, a state used in two places) is said once.
  if (!reported.insert({span.file, span.begin, message}).second)
    return repeated = Diagnostic();
  auto inLibrary = [&](Span where) {
    if (!where.file)
      return false;
    auto it = loaded.find(where.file);
    return it != loaded.end() && it->second->isLibrary;
  };
  if (!inLibrary(span))
    return diagnostics.error(span, std::move(message));
  for (const Frame &frame : llvm::reverse(frames))
    if (frame.call && !inLibrary(frame.call))
      return diagnostics.error(frame.call, std::move(message))
          .note(span, "found in " + frame.what);
  return diagnostics.error(span, std::move(message));
}

Object Elaborator::fail(Span span, std::string message, std::string hint) {
  Diagnostic &diagnostic = error(span, std::move(message));
  if (!hint.empty())
    diagnostic.hint(std::move(hint));
  return {};
}

std::string Elaborator::describe(Type type) {
  if (type.isInteger(1))
    return "bool";
  if (type.isUnsignedInteger())
    return "u" + std::to_string(type.getIntOrFloatBitWidth());
  std::string text;
  llvm::raw_string_ostream os(text);
  type.print(os);
  return text;
}

static std::string shortNumber(double value) {
  char buffer[32];
  snprintf(buffer, sizeof buffer, "%g", value);
  return buffer;
}

std::string Elaborator::describe(const Object &object) {
  struct Visitor {
    std::string tensor(Type type) {
      return describe(
                 llvm::cast<mlir::RankedTensorType>(type).getElementType()) +
             mapsto::str(dimsOf(type));
    }
    std::string operator()(Poison) { return "nothing"; }
    std::string operator()(NoneValue) { return "`None`"; }
    std::string operator()(const Dim &d) {
      return (d.isConstant() ? "the number " : "the size ") + d.str();
    }
    std::string operator()(double d) { return "the number " + shortNumber(d); }
    std::string operator()(bool b) { return b ? "`true`" : "`false`"; }
    std::string operator()(const std::string &s) {
      return "the text \"" + s + "\"";
    }
    std::string operator()(mlir::Value v) { return tensor(v.getType()); }
    std::string operator()(const std::shared_ptr<Tuple> &x) {
      return std::to_string(x->elements.size()) + " values";
    }
    std::string operator()(const std::shared_ptr<List> &x) {
      return "a list of " + std::to_string(x->elements.size());
    }
    std::string operator()(const std::shared_ptr<Layer> &x) {
      return "a layer `" + x->decl->name.text + "`";
    }
    std::string operator()(const FnRef &x) {
      return "the fn `" + x.decl->name.text + "`";
    }
    std::string operator()(const ModelRef &x) {
      return "the model `" + x.decl->name.text + "`";
    }
    std::string operator()(const MappingRef &x) {
      return "the mapping `" + x.mapping->name.text + "`";
    }
    std::string operator()(const Builtin *x) {
      return std::string("the function `") + x->name + "`";
    }
    std::string operator()(ast::TypeName x) {
      return "the type `" + std::string(ast::spelling(x)) + "`";
    }
    std::string operator()(const std::shared_ptr<Param> &x) {
      return tensor(x->type);
    }
    std::string operator()(const std::shared_ptr<State> &x) {
      return "the state `" + x->decl->name.text + "`";
    }
  };
  return object.visit(Visitor());
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

Type Elaborator::elementType(mlir::MLIRContext *context, ast::TypeName name) {
  mlir::Builder b(context);
  switch (name) {
  case ast::TypeName::F32:
  case ast::TypeName::Float:
    return b.getF32Type();
  case ast::TypeName::F16:
    return b.getF16Type();
  case ast::TypeName::BF16:
    return b.getBF16Type();
  case ast::TypeName::F64:
    return b.getF64Type();
  case ast::TypeName::I32:
    return b.getI32Type();
  case ast::TypeName::I64:
  case ast::TypeName::Int:
    return b.getI64Type();
  case ast::TypeName::I8:
    return b.getI8Type();
  case ast::TypeName::I16:
    return b.getI16Type();
  case ast::TypeName::U8:
    return b.getIntegerType(8, /*isSigned=*/false);
  case ast::TypeName::U16:
    return b.getIntegerType(16, /*isSigned=*/false);
  case ast::TypeName::U32:
    return b.getIntegerType(32, /*isSigned=*/false);
  case ast::TypeName::U64:
    return b.getIntegerType(64, /*isSigned=*/false);
  case ast::TypeName::Bool:
    return b.getI1Type();
  case ast::TypeName::String:
    break;
  }
  return {};
}

namespace {
/// A nested list of static numbers, laid out.
struct Table {
  std::vector<int64_t> shape;
  std::vector<double> numbers;
  bool hasReal = false, onlyBools = true, valid = true;

  void add(const Object &object, size_t depth) {
    if (auto *elements = object.elements()) {
      if (shape.size() == depth)
        shape.push_back(elements->size());
      valid &=
          shape.size() > depth && shape[depth] == int64_t(elements->size());
      for (const Object &element : *elements)
        if (valid)
          add(element, depth + 1);
      return;
    }
    valid &= depth == shape.size();
    if (object.is<bool>()) {
      numbers.push_back(object.get<bool>());
    } else if (auto value = object.real()) {
      hasReal |= object.is<double>();
      onlyBools = false;
      numbers.push_back(*value);
    } else {
      valid = false;
    }
  }
};
} // namespace

static bool fits(double value, Type type) {
  auto integer = llvm::dyn_cast<mlir::IntegerType>(type);
  if (!integer || integer.getWidth() == 64)
    return !integer || integer.isSignless() || value >= 0;
  double span = std::exp2(integer.getWidth()),
         least = integer.isSignless() ? -span / 2 : 0;
  return value >= least && value < least + span;
}

mlir::Value Elaborator::toTensor(const Object &object, Span span, Type like) {
  if (object.isPoison())
    return {};
  if (object.isTensor())
    return object.tensor();
  if (object.is<std::shared_ptr<Param>>())
    return readParam(*object.get<std::shared_ptr<Param>>());
  if (object.is<std::shared_ptr<State>>()) {
    StateSlot *slot =
        stateSlot(*object.get<std::shared_ptr<State>>(), *currentScope, span);
    return slot ? slot->current : mlir::Value();
  }
  if (object.is<bool>())
    return t.constantInt(object.get<bool>(), t.i1());
  if (object.is<double>())
    return t.constant(object.get<double>(),
                      like && isFloat(like) ? like : t.f32());
  if (object.is<Dim>()) {
    const Dim &dim = object.get<Dim>();
    Type type = like && !isBool(like) ? like : t.i64();
    if (auto value = dim.constant()) {
      if (!fits(*value, type)) {
        fail(span,
             std::to_string(*value) + " does not fit in " + describe(type));
        return {};
      }
      return t.constantInt(*value, type);
    }
    return t.cast(t.size(dim), type);
  }
  if (object.is<std::shared_ptr<List>>()) {
    // Lists of tensors stack; lists of numbers are tables.
    auto &elements = *object.elements();
    bool hasTensor = llvm::any_of(elements, [](const Object &o) {
      return o.isTensorLike() || o.isPoison();
    });
    if (!hasTensor) {
      Table table;
      table.add(object, 0);
      if (table.valid) {
        Type type = table.onlyBools && !table.numbers.empty() ? t.i1()
                    : table.hasReal || (like && isFloat(like))
                        ? (like && isFloat(like) ? like : t.f32())
                        : (like && !isBool(like) ? like : t.i64());
        std::vector<mlir::Attribute> attrs;
        for (double number : table.numbers) {
          if (!isBool(type) && !fits(number, type)) {
            fail(span,
                 shortNumber(number) + " does not fit in " + describe(type));
            return {};
          }
          if (isFloat(type))
            attrs.push_back(t.builder.getFloatAttr(type, number));
          else if (isBool(type))
            attrs.push_back(t.builder.getBoolAttr(number != 0));
          else
            attrs.push_back(t.builder.getIntegerAttr(type, int64_t(number)));
        }
        auto tensor = mlir::RankedTensorType::get(table.shape, type);
        return ConstantOp::create(t.builder, t.loc,
                                  mlir::DenseElementsAttr::get(tensor, attrs));
      }
    }
  }
  std::string hint;
  if (object.is<std::shared_ptr<Tuple>>())
    hint = "take them apart: `(a, b) = ...`";
  else if (object.is<std::shared_ptr<Layer>>())
    hint = "a layer is applied to its input: `layer(x)`";
  fail(span, "this should be a tensor, and is " + describe(object), hint);
  return {};
}

std::optional<Dim> Elaborator::toDim(const Object &object, Span span) {
  if (object.is<Dim>())
    return object.get<Dim>();
  if (!object.isPoison())
    fail(
        span, "this should be a size, and is " + describe(object),
        !object.isTensorLike() ? ""
        : object.isTensor() && isFloat(elementTypeOf(object.tensor()))
            ? "`floordiv(a, b)` and `ceildiv(a, b)` divide sizes"
            : "a size is known before the model runs; a tensor's value is not");
  return std::nullopt;
}

std::optional<int64_t> Elaborator::toInt(const Object &object, Span span,
                                         const char *what) {
  if (auto value = object.integer())
    return value;
  if (object.is<Dim>())
    fail(span,
         std::string(what) + " must be a number while compiling, and " +
             object.get<Dim>().str() + " is only known when the model runs",
         "fix it with `--dim`");
  else if (!object.isPoison())
    fail(span, std::string(what) + " should be a whole number, and is " +
                   describe(object));
  return std::nullopt;
}

std::optional<double> Elaborator::toReal(const Object &object, Span span) {
  if (auto value = object.real())
    return value;
  if (!object.isPoison())
    fail(span, "this should be a number known while compiling, and is " +
                   describe(object));
  return std::nullopt;
}

std::optional<bool> Elaborator::toBool(const Object &object, Span span) {
  if (object.is<bool>())
    return object.get<bool>();
  if (object.isTensorLike())
    fail(span,
         "a condition must be known while compiling, and this is a tensor, " +
             describe(object),
         "choose between tensors with `where(condition, a, b)`");
  else if (!object.isPoison())
    fail(span, "this should be `true` or `false`, and is " + describe(object));
  return std::nullopt;
}

std::optional<Dims> Elaborator::toDims(const Object &object, Span span) {
  Dims dims;
  if (object.is<Dim>())
    return Dims{object.get<Dim>()};
  auto *elements = object.elements();
  if (!elements) {
    if (!object.isPoison())
      fail(span, "this should be a shape such as [B, 16], and is " +
                     describe(object));
    return std::nullopt;
  }
  for (const Object &element : *elements) {
    auto dim = toDim(element, span);
    if (!dim)
      return std::nullopt;
    dims.push_back(*dim);
  }
  return dims;
}

std::optional<int64_t> Elaborator::toAxis(const Object &object, size_t rank,
                                          Span span) {
  auto axis = toInt(object, span, "an axis");
  if (!axis)
    return std::nullopt;
  int64_t n = rank;
  if (*axis < -n || *axis >= n) {
    fail(span,
         "there is no axis " + std::to_string(*axis) + " in a tensor of " +
             std::to_string(n) + (n == 1 ? " axis" : " axes"),
         n ? "axes are 0 to " + std::to_string(n - 1) + ", or -" +
                 std::to_string(n) + " to -1 from the end"
           : "");
    return std::nullopt;
  }
  return *axis < 0 ? *axis + n : *axis;
}
