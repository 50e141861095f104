//===- ElaborateExpr.cpp - Expressions ------------------------------------===//

#include "frontends/language/Builtins.h"
#include "frontends/language/Elaborator.h"

#include "llvm/ADT/ScopeExit.h"

using namespace mapsto;
using namespace mapsto::ast;

/// The source line an op stands for: in the user's file, under the name of the
/// layer it belongs to.
mlir::Location Elaborator::locate(Span span) {
  auto inLibrary = [&](Span where) {
    auto it = loaded.find(where.file);
    return where.file && it != loaded.end() && it->second->isLibrary;
  };
  std::string layer;
  for (const Frame &frame : llvm::reverse(frames)) {
    if (layer.empty())
      layer = frame.layerPath;
    if (inLibrary(span) && frame.call)
      span = frame.call;
  }
  if (!span.file)
    return mlir::UnknownLoc::get(&context);
  LineColumn at = span.start();
  mlir::Location loc = mlir::FileLineColLoc::get(&context, span.file->name(),
                                                 at.line, at.column);
  if (!layer.empty())
    loc = mlir::NameLoc::get(mlir::StringAttr::get(&context, layer), loc);
  return loc;
}

Object Elaborator::eval(const Expr &expr, Scope &scope, unsigned wanted) {
  mlir::Location outer = t.loc;
  Scope *outerScope = currentScope;
  Span outerSpan = std::exchange(here, expr.span);
  t.loc = locate(expr.span);
  currentScope = &scope;
  llvm::scope_exit restore([&] {
    t.loc = outer;
    currentScope = outerScope;
    here = outerSpan;
  });
  return evalExpr(expr, scope, wanted);
}

Object Elaborator::evalExpr(const Expr &expr, Scope &scope, unsigned wanted) {
  switch (expr.kind) {
  case Expr::Kind::Int:
    return Dim(as<IntExpr>(&expr)->value);
  case Expr::Kind::Float:
    return as<FloatExpr>(&expr)->value;
  case Expr::Kind::String:
    return as<StringExpr>(&expr)->value;
  case Expr::Kind::Bool:
    return as<BoolExpr>(&expr)->value;
  case Expr::Kind::None:
    return NoneValue();
  case Expr::Kind::Name:
    return lookUp(as<NameExpr>(&expr)->name, expr.span, scope);
  case Expr::Kind::Unary: {
    auto *e = as<UnaryExpr>(&expr);
    return unary(e->op, eval(*e->operand, scope), e->span);
  }
  case Expr::Kind::Binary:
    return evalBinary(*as<BinaryExpr>(&expr), scope);
  case Expr::Kind::Conditional: {
    auto *e = as<ConditionalExpr>(&expr);
    auto condition = toBool(eval(*e->condition, scope), e->condition->span);
    if (!condition)
      return {};
    return eval(*condition ? *e->thenValue : *e->elseValue, scope, wanted);
  }
  case Expr::Kind::Call:
    return evalCall(*as<CallExpr>(&expr), scope, wanted);
  case Expr::Kind::Index:
    return evalIndex(*as<IndexExpr>(&expr), scope);
  case Expr::Kind::Member:
    return evalMember(*as<MemberExpr>(&expr), scope);
  case Expr::Kind::Tuple: {
    std::vector<Object> elements;
    for (const ExprPtr &e : as<TupleExpr>(&expr)->elements)
      elements.push_back(eval(*e, scope));
    return Object::tuple(std::move(elements));
  }
  case Expr::Kind::List: {
    auto &exprs = as<ListExpr>(&expr)->elements;
    std::vector<Object> elements;
    for (const ExprPtr &e : exprs)
      elements.push_back(eval(*e, scope));
    return Object::list(std::move(elements));
  }
  case Expr::Kind::Comprehension:
    return evalComprehension(*as<ComprehensionExpr>(&expr), scope);
  case Expr::Kind::Range:
    return fail(expr.span, "a range is only for running over: `for i in 0..n`, "
                           "`t in 0..n`");
  case Expr::Kind::Fill:
    return evalFill(*as<FillExpr>(&expr), scope);
  case Expr::Kind::Attend:
    return evalAttend(*as<AttendExpr>(&expr), scope, wanted);
  case Expr::Kind::Scan:
    return evalScan(*as<ScanExpr>(&expr), scope);
  case Expr::Kind::Repeat:
    return evalRepeat(*as<RepeatExpr>(&expr), scope);
  case Expr::Kind::Error:
    return {};
  }
  return {};
}

Object Elaborator::lookUp(llvm::StringRef name, Span span, Scope &scope) {
  if (Binding *binding = scope.find(name))
    return binding->value;
  if (const Builtin *builtin = findBuiltin(name))
    return builtin;
  if (auto type = parseTypeName(name))
    return *type;
  if (name == "_")
    return fail(span,
                "`_` is not a value; it stands for one that is not wanted");
  if (isIncomplete)
    return {};
  std::vector<std::string> near;
  for (Scope *s = &scope; s; s = s->parent)
    for (auto &entry : s->names)
      near.push_back(entry.getKey().str());
  for (const BuiltinGroup &group : builtinGroups())
    for (const Builtin &builtin : group.functions)
      near.push_back(builtin.name);
  llvm::sort(near);
  return fail(span, "there is no `" + name.str() + "` here",
              didYouMean(name.str(), near));
}

Object Elaborator::evalBinary(const BinaryExpr &expr, Scope &scope) {
  Object lhs = eval(*expr.lhs, scope);
  // A static left side decides alone, so that `given(m) and m.ok` works.
  if (lhs.is<bool>() && ((expr.op == BinaryOp::And && !lhs.get<bool>()) ||
                         (expr.op == BinaryOp::Or && lhs.get<bool>())))
    return lhs;
  if (lhs.is<bool>() && (expr.op == BinaryOp::And || expr.op == BinaryOp::Or))
    return eval(*expr.rhs, scope);
  Object rhs = eval(*expr.rhs, scope);
  return binary(expr.op, lhs, rhs, expr.span);
}

std::vector<Arg> Elaborator::evalArgs(llvm::ArrayRef<Argument> args,
                                      Scope &scope) {
  std::vector<Arg> result;
  for (const Argument &arg : args)
    result.push_back({arg.name.text, eval(*arg.value, scope), arg.value->span});
  return result;
}

Object Elaborator::evalCall(const CallExpr &expr, Scope &scope,
                            unsigned wanted) {
  if (auto *name = as<NameExpr>(expr.callee); name && name->name == "given") {
    // May ask about a name that is bound to nothing.
    if (expr.args.size() != 1)
      return fail(expr.span, "`given` takes one name");
    Object value = eval(*expr.args[0].value, scope);
    return value.isPoison() ? value : Object(!value.isNone());
  }
  Object callee = eval(*expr.callee, scope);
  std::vector<Arg> args = evalArgs(expr.args, scope);
  if (callee.isPoison())
    return {};
  return call(callee, std::move(args), expr.span, wanted);
}

Object Elaborator::call(const Object &callee, std::vector<Arg> args, Span span,
                        unsigned wanted) {
  if (callee.is<const Builtin *>())
    return callBuiltin(*callee.get<const Builtin *>(), args, span);
  if (callee.is<FnRef>()) {
    const FnRef &fn = callee.get<FnRef>();
    return callBody({fn.decl, "`" + fn.decl->name.text + "`", fn.decl->params,
                     fn.decl->results, fn.decl->body, fn.decl->name.span,
                     nullptr},
                    *fn.scope, args, span);
  }
  if (callee.is<ModelRef>())
    return instantiate(callee.get<ModelRef>(), args, span);
  if (callee.is<std::shared_ptr<Layer>>())
    return callLayer(callee.get<std::shared_ptr<Layer>>(), nullptr, args, span);
  if (callee.is<MappingRef>())
    return callLayer(callee.get<MappingRef>().layer,
                     callee.get<MappingRef>().mapping, args, span);
  if (callee.is<TypeName>()) {
    if (args.size() != 1 || !args[0].name.empty())
      return fail(span, "a conversion takes one value: `f32(x)`");
    if (args[0].value.isPoison())
      return {};
    auto name = callee.get<TypeName>();
    const Object &value = args[0].value;
    if (name == TypeName::Int) {
      if (value.is<double>())
        return Dim(int64_t(value.get<double>()));
      if (value.is<Dim>())
        return value;
      return fail(span, "`int` takes a number known while compiling",
                  "`i64(x)` converts a tensor");
    }
    if (name == TypeName::Float) {
      auto number = toReal(value, args[0].span);
      return number ? Object(*number) : Object();
    }
    mlir::Type type = elementType(&context, name);
    if (!type)
      return fail(span, "there are no tensors of text");
    mlir::Value x = toTensor(value, args[0].span, type);
    return x ? Object(t.cast(x, type)) : Object();
  }
  return fail(span, describe(callee) + " cannot be called");
}

Object Elaborator::evalMember(const MemberExpr &expr, Scope &scope) {
  Object base = eval(*expr.base, scope);
  if (base.isPoison())
    return {};
  if (!base.is<std::shared_ptr<Layer>>()) {
    std::string hint;
    if (base.isTensorLike())
      hint = "functions are written `" + expr.member.text + "(x)`";
    return fail(expr.member.span,
                describe(base) + " has no `" + expr.member.text + "`", hint);
  }
  auto layer = base.get<std::shared_ptr<Layer>>();
  if (auto it = layer->scope.names.find(expr.member.text);
      it != layer->scope.names.end())
    return it->second.value;
  std::vector<std::string> near;
  for (const Mapping &mapping : layer->decl->mappings) {
    if (mapping.name.text == expr.member.text)
      return MappingRef{layer, &mapping};
    near.push_back(mapping.name.text);
  }
  for (auto &entry : layer->scope.names)
    near.push_back(entry.getKey().str());
  llvm::sort(near);
  return fail(expr.member.span,
              "`" + layer->decl->name.text + "` has no `" + expr.member.text +
                  "`",
              didYouMean(expr.member.text, near));
}

Object Elaborator::evalFill(const FillExpr &expr, Scope &scope) {
  Dims dims;
  bool ok = true;
  for (const ExprPtr &size : expr.shape) {
    Object value = eval(*size, scope);
    auto dim = toDim(value, size->span);
    ok &= dim.has_value();
    if (dim)
      dims.push_back(*dim);
  }
  std::vector<Arg> args = evalArgs(expr.args, scope);
  bool isFull = expr.what == FillExpr::What::Full;
  std::vector<Formal> formals;
  if (isFull)
    formals.push_back({"value"});
  formals.push_back({"dtype", false});
  const char *name = isFull                              ? "`full`"
                     : expr.what == FillExpr::What::Ones ? "`ones`"
                                                         : "`zeros`";
  auto match = matchArguments(formals, args, name, expr.span, Span());
  if (!match || !ok)
    return {};
  mlir::Type type;
  if (int at = match->back(); at >= 0) {
    if (!args[at].value.is<TypeName>())
      return args[at].value.isPoison()
                 ? Object()
                 : fail(args[at].span, "`dtype` is a type such as f32 or i64");
    type = elementType(&context, args[at].value.get<TypeName>());
  }
  mlir::Value scalar;
  if (isFull) {
    const Arg &value = args[(*match)[0]];
    scalar = toTensor(value.value, value.span, type);
    if (!scalar)
      return {};
    if (!dimsOf(scalar).empty())
      return fail(value.span, "`full` repeats a scalar, and this is " +
                                  describe(Object(scalar)));
    if (type)
      scalar = t.cast(scalar, type);
  } else {
    scalar =
        t.constant(expr.what == FillExpr::What::Ones, type ? type : t.f32());
  }
  return t.full(dims, scalar);
}

std::optional<std::vector<Object>> Elaborator::iterate(const Expr &expr,
                                                       Scope &scope) {
  if (auto *range = as<RangeExpr>(&expr)) {
    auto begin = toInt(eval(*range->begin, scope), range->begin->span,
                       "where a range begins");
    auto end =
        toInt(eval(*range->end, scope), range->end->span, "where a range ends");
    if (!begin || !end)
      return std::nullopt;
    constexpr int64_t kMostSteps = 100000;
    if (*end - *begin > kMostSteps) {
      fail(expr.span,
           "a static loop of " + std::to_string(*end - *begin) +
               " steps writes the model out that often",
           "`scan` and `repeat` run over time when the model runs");
      return std::nullopt;
    }
    std::vector<Object> values;
    for (int64_t i = *begin; i < *end; ++i)
      values.push_back(Dim(i));
    return values;
  }
  Object value = eval(expr, scope);
  if (auto *elements = value.elements())
    return *elements;
  if (!value.isPoison())
    fail(expr.span,
         "a static loop runs over a range or a list, and this is " +
             describe(value),
         value.isTensorLike() ? "`scan` runs over a tensor's axis" : "");
  return std::nullopt;
}

Object Elaborator::evalComprehension(const ComprehensionExpr &expr,
                                     Scope &outer) {
  auto values = iterate(*expr.iterable, outer);
  if (!values)
    return {};
  Scope scope(&outer);
  scope.layer = outer.layer;
  std::vector<Object> elements;
  for (const Object &value : *values) {
    if (++statements > maxStatements)
      return fail(expr.span,
                  "this list takes too long to make while compiling");
    assign(*expr.target, value, expr.iterable->span, scope);
    if (expr.condition) {
      auto keep = toBool(eval(*expr.condition, scope), expr.condition->span);
      if (!keep)
        return {};
      if (!*keep)
        continue;
    }
    elements.push_back(eval(*expr.element, scope));
  }
  return Object::list(std::move(elements));
}
