//===- ElaborateType.cpp - Types, sizes, and binding symbols --------------===//

#include "frontends/language/Elaborator.h"

using namespace mapsto;
using ast::as;
using mapsto::Dim;

std::optional<Dim> Elaborator::evalSize(const ast::Expr &expr, Scope &scope,
                                        std::vector<std::string> *unbound) {
  if (auto *name = as<ast::NameExpr>(&expr)) {
    Binding *binding = scope.find(name->name);
    if (binding && binding->value.is<Dim>())
      return binding->value.get<Dim>();
    if (binding && (binding->value.isPoison() || !unbound)) {
      if (!binding->value.isPoison())
        toDim(binding->value, expr.span);
      return std::nullopt;
    }
    if (!unbound) {
      lookUp(name->name, expr.span, scope);
      return std::nullopt;
    }
    unbound->push_back(name->name);
    return Dim::symbol(name->name);
  }
  if (auto *op = as<ast::BinaryExpr>(&expr)) {
    auto a = evalSize(*op->lhs, scope, unbound);
    auto b = evalSize(*op->rhs, scope, unbound);
    if (!a || !b)
      return std::nullopt;
    Object result = binary(op->op, *a, *b, op->span);
    if (result.isTensor()) {
      fail(op->span,
           "the size " + a->str() + " " + std::string(ast::spelling(op->op)) +
               " " + b->str() + " is not whole for every value of its symbols",
           "`floordiv(a, b)` and `ceildiv(a, b)` round");
      return std::nullopt;
    }
    return toDim(result, op->span);
  }
  return toDim(eval(expr, scope), expr.span);
}

std::optional<Dims> Elaborator::evalDims(const ast::TypeExpr &type,
                                         Scope &scope,
                                         std::vector<std::string> *unbound) {
  Dims dims;
  bool ok = true;
  for (const ast::Dim &dim : type.dims) {
    if (dim.isEllipsis()) {
      Scope *s = &scope;
      while (s && !s->ellipsis)
        s = s->parent;
      if (!s) {
        fail(dim.span, "`...` stands for the leading sizes of an argument, and "
                       "there are none here");
        return std::nullopt;
      }
      dims.append(s->ellipsis->begin(), s->ellipsis->end());
      continue;
    }
    auto size = evalSize(*dim.size, scope, unbound);
    ok &= size.has_value();
    if (size)
      dims.push_back(*size);
  }
  return ok ? std::optional<Dims>(dims) : std::nullopt;
}

/// A type as written, with the sizes that are known put in: "f32[..., 64]".
std::string Elaborator::expected(const ast::TypeExpr &type, Scope &scope) {
  std::string text(ast::spelling(type.element));
  if (!type.hasDims)
    return text;
  text += "[";
  for (const ast::Dim &dim : type.dims) {
    if (&dim != &type.dims.front())
      text += ", ";
    if (dim.isEllipsis()) {
      text += "...";
      continue;
    }
    auto *name = as<ast::NameExpr>(dim.size);
    Binding *binding = name ? scope.find(name->name) : nullptr;
    if (binding && binding->value.is<Dim>())
      text += binding->value.get<Dim>().str();
    else
      text += std::string(dim.span.text());
  }
  return text + "]";
}

/// If `size` is c * symbol + rest for the one unbound symbol, what the symbol
/// must be for the size to be `actual`.
static std::optional<Dim> solve(const Dim &size, const std::string &symbol,
                                const Dim &actual) {
  auto at = [&](int64_t value) {
    return size.substitute([&](llvm::StringRef name) -> std::optional<Dim> {
      if (name == symbol)
        return Dim(value);
      return std::nullopt;
    });
  };
  Dim rest = at(0), slope = at(1) - rest;
  if (at(2) - at(1) != slope || at(7) - rest != slope * Dim(7))
    return std::nullopt;
  return Dim::exactDiv(actual - rest, slope);
}

Object Elaborator::unify(const ast::TypeExpr &type, const Object &object,
                         Scope &scope, const std::string &who,
                         const std::string &of, Span span) {
  if (object.isPoison())
    return {};
  // Static parameters.
  bool isStatic = type.element == ast::TypeName::Int ||
                  type.element == ast::TypeName::Float ||
                  type.element == ast::TypeName::String ||
                  (type.element == ast::TypeName::Bool && !type.hasDims);
  std::string subject =
      who.empty() ? "this" : who + (of.empty() ? "" : " of " + of);
  if (isStatic) {
    if (type.isOptional && object.isNone())
      return object;
    switch (type.element) {
    case ast::TypeName::Int:
      if (object.is<Dim>())
        return object;
      break;
    case ast::TypeName::Float:
      if (object.isNumber())
        return object.real() ? Object(*object.real()) : object;
      break;
    case ast::TypeName::String:
      if (object.is<std::string>())
        return object;
      break;
    default:
      if (object.is<bool>())
        return object;
    }
    static const char *const kNames[] = {"a whole number", "a number", "a text",
                                         "`true` or `false`"};
    int kind = type.element == ast::TypeName::Int      ? 0
               : type.element == ast::TypeName::Float  ? 1
               : type.element == ast::TypeName::String ? 2
                                                       : 3;
    error(span, subject + " should be " + kNames[kind] + ", and is " +
                    describe(object))
        .note(type.span, "declared here");
    return {};
  }

  mlir::Type element = elementType(&context, type.element);
  currentScope = &scope;
  mlir::Value value = toTensor(object, span, element);
  if (!value)
    return {};
  mlir::Type actual = elementTypeOf(value);
  auto mismatch = [&](std::string why) -> Object {
    Diagnostic &d = error(
        span, subject + " should be " + expected(type, scope) + ", and is " +
                  describe(Object(value)) + (why.empty() ? "" : ": " + why));
    d.note(type.span, "declared here");
    return {};
  };
  if (actual != element) {
    // Short floats are storage: they are computed with in f32. Everything else
    // is said in the source.
    bool widens = isFloat(actual) && isFloat(element) &&
                  promote(actual, element) == element;
    widens |= actual.isSignlessInteger(32) && element.isSignlessInteger(64);
    if (!widens) {
      mismatch("");
      return {};
    }
    t.loc = locate(span);
    value = t.cast(value, element);
  }
  if (!type.hasDims)
    return value;

  Dims dims = dimsOf(value);
  size_t named = 0, before = 0;
  bool wild = false;
  for (const ast::Dim &dim : type.dims) {
    if (dim.isEllipsis())
      wild = true;
    else {
      ++named;
      before += !wild;
    }
  }
  if (wild ? dims.size() < named : dims.size() != named)
    return mismatch(std::to_string(dims.size()) +
                    (dims.size() == 1 ? " axis" : " axes") + " where " +
                    (wild ? "at least " : "") + std::to_string(named) +
                    (named == 1 ? " is" : " are") + " expected");
  if (wild) {
    Dims lead(dims.begin() + before, dims.end() - (named - before));
    if (scope.ellipsis && *scope.ellipsis != lead)
      return mismatch("`...` is already " + mapsto::str(*scope.ellipsis));
    scope.ellipsis = lead;
  }

  // Plain symbols first, so that `2*T` beside `T` can be checked.
  struct Pair {
    const ast::Dim *dim;
    Dim actual;
  };
  std::vector<Pair> pairs;
  size_t i = 0;
  for (const ast::Dim &dim : type.dims) {
    if (dim.isEllipsis()) {
      i = dims.size() - (named - before);
      continue;
    }
    pairs.push_back({&dim, dims[i++]});
  }
  bool ok = true;
  for (bool plain : {true, false}) {
    for (const Pair &pair : pairs) {
      auto *name = as<ast::NameExpr>(pair.dim->size);
      if (bool(name) != plain)
        continue;
      std::vector<std::string> unbound;
      auto size = evalSize(*pair.dim->size, scope, &unbound);
      if (!size)
        return {};
      if (!unbound.empty()) {
        std::optional<Dim> solution = solve(*size, unbound[0], pair.actual);
        if (!solution) {
          ok = false;
          mismatch("the size " + pair.actual.str() + " does not tell `" +
                   unbound[0] + "`");
          continue;
        }
        scope.names[unbound[0]] = {*solution, span, subject};
        continue;
      }
      if (*size == pair.actual)
        continue;
      ok = false;
      Binding *binding = name ? scope.find(name->name) : nullptr;
      if (binding && !binding->who.empty()) {
        error(span, "`" + name->name + "` cannot be both " + size->str() +
                        " and " + pair.actual.str())
            .note(binding->span,
                  "it is " + size->str() + " from " + binding->who)
            .note(type.span, "and " + pair.actual.str() + " from " + subject +
                                 ", " + describe(Object(value)));
        return {};
      }
      return mismatch("the size " + pair.actual.str() + " should be " +
                      size->str());
    }
  }
  return ok ? Object(value) : Object();
}
