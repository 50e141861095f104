//===- ElaborateStmt.cpp - Statements and bindings ------------------------===//

#include "frontends/language/Elaborator.h"

using namespace mapsto;
using namespace mapsto::ast;

void Elaborator::exec(const Block &block, Scope &scope, BodyResult &result) {
  for (const StmtPtr &stmt : block.statements) {
    if (diagnostics.full() || result.returned || statements > maxStatements)
      return;
    if (++statements > maxStatements) {
      fail(stmt->span,
           "this model runs more than " + std::to_string(maxStatements) +
               " statements while compiling",
           "`scan` and `repeat` run when the model runs");
      return;
    }
    execStmt(*stmt, scope, result, &stmt == &block.statements.back());
  }
}

unsigned Elaborator::countTargets(const Expr &target) {
  auto *tuple = as<TupleExpr>(&target);
  return tuple ? tuple->elements.size() : 1;
}

void Elaborator::execStmt(const Stmt &stmt, Scope &scope, BodyResult &result,
                          bool isLast) {
  switch (stmt.kind) {
  case Stmt::Kind::Expr: {
    auto *s = as<ExprStmt>(&stmt);
    Object value = eval(*s->value, scope);
    if (isLast) {
      result.value = value;
      result.valueSpan = s->value->span;
    } else if (!value.isPoison() && !value.isNone()) {
      fail(s->span, "this value goes nowhere", "give it a name: `y = ...`");
    }
    return;
  }
  case Stmt::Kind::Assign: {
    auto *s = as<AssignStmt>(&stmt);
    Object value = eval(*s->value, scope, countTargets(*s->target));
    if (s->type)
      value = unify(*s->type, value, scope, "", "", s->value->span);
    assign(*s->target, value, s->value->span, scope);
    return;
  }
  case Stmt::Kind::Let: {
    auto *s = as<LetStmt>(&stmt);
    Object value = eval(*s->value, scope, countTargets(*s->target));
    if (s->type && s->type->hasDims)
      value = unify(*s->type, value, scope, "", "", s->value->span);
    assign(*s->target, value, s->value->span, scope);
    return;
  }
  case Stmt::Kind::Param:
    if (!scope.layer || loopDepth)
      fail(stmt.span, "a `param` belongs in the body of a model");
    else
      declareParam(*as<ParamStmt>(&stmt), scope);
    return;
  case Stmt::Kind::State: {
    auto *s = as<StateStmt>(&stmt);
    if (!scope.layer)
      fail(stmt.span, "a `state` belongs in the body of a model");
    else if (s->init)
      fail(s->init->span, "a state starts as zeros in this version",
           "leave the value out");
    else
      scope.names[s->name.text] = {
          std::make_shared<State>(State{scope.layer.get(), s}), s->name.span,
          ""};
    return;
  }
  case Stmt::Kind::If: {
    auto *s = as<IfStmt>(&stmt);
    for (const IfStmt::Branch &branch : s->branches) {
      bool taken = true;
      if (branch.condition) {
        auto condition =
            toBool(eval(*branch.condition, scope), branch.condition->span);
        if (!condition)
          return;
        taken = *condition;
      }
      if (!taken)
        continue;
      BodyResult inner;
      exec(branch.body, scope, inner);
      if (inner.value && (isLast || inner.returned)) {
        result.value = inner.value;
        result.valueSpan = inner.valueSpan;
      } else if (inner.value && !inner.value->isPoison() &&
                 !inner.value->isNone()) {
        fail(inner.valueSpan, "this value goes nowhere",
             "give it a name: `y = ...`");
      }
      result.returned = inner.returned;
      return;
    }
    return;
  }
  case Stmt::Kind::For: {
    auto *s = as<ForStmt>(&stmt);
    auto values = iterate(*s->iterable, scope);
    if (!values)
      return;
    for (const Object &value : *values) {
      assign(*s->target, value, s->iterable->span, scope);
      BodyResult inner;
      unsigned errors = diagnostics.errorCount();
      exec(s->body, scope, inner);
      if (inner.returned) {
        result = inner;
        return;
      }
      if (inner.value && !inner.value->isPoison() && !inner.value->isNone())
        fail(inner.valueSpan, "this value goes nowhere",
             "give it a name: `y = ...`");
      // The next round would only say the same again.
      if (diagnostics.errorCount() != errors)
        return;
    }
    return;
  }
  case Stmt::Kind::Return: {
    auto *s = as<ReturnStmt>(&stmt);
    result.returned = true;
    if (s->value) {
      result.value = eval(*s->value, scope);
      result.valueSpan = s->value->span;
    }
    return;
  }
  case Stmt::Kind::Yield:
    for (const ExprPtr &value : as<YieldStmt>(&stmt)->values) {
      result.yields.push_back(eval(*value, scope));
      result.yieldSpans.push_back(value->span);
    }
    return;
  case Stmt::Kind::Until: {
    auto *s = as<UntilStmt>(&stmt);
    result.until = eval(*s->condition, scope);
    result.untilSpan = s->condition->span;
    return;
  }
  }
}

void Elaborator::assign(const Expr &target, const Object &value, Span span,
                        Scope &scope) {
  if (auto *name = as<NameExpr>(&target))
    return assignName(name->name, name->span, value, span, scope);
  if (auto *tuple = as<TupleExpr>(&target))
    return assignTuple(tuple->elements, value, target.span, span, scope);
  auto *index = as<IndexExpr>(&target);
  auto *base = index ? as<NameExpr>(index->base) : nullptr;
  if (!base) {
    if (target.kind != Expr::Kind::Error)
      fail(target.span,
           "only a name, or part of what it holds, can be assigned to");
    return;
  }
  // `norms[0] = ...` begins a list.
  if (!scope.find(base->name) && scope.layer)
    scope.names[base->name] = {Object::list(std::vector<Object>()), base->span,
                               ""};
  Object current = lookUp(base->name, base->span, scope);
  if (current.isPoison() || value.isPoison()) {
    if (!current.isTensorLike() && !current.is<std::shared_ptr<List>>())
      return;
  }
  if (current.is<std::shared_ptr<List>>()) {
    if (index->subscripts.size() != 1 ||
        index->subscripts[0].kind != Subscript::Kind::Index) {
      fail(target.span, "an element of a list is assigned by one index");
      return;
    }
    const Expr &at = *index->subscripts[0].index;
    auto i = toInt(eval(at, scope), at.span, "a list's index");
    auto &elements = *current.elements();
    if (!i)
      return;
    int64_t n = elements.size();
    if (*i < -n || *i > n) {
      fail(at.span, "the list has " + std::to_string(n) + " elements, and no " +
                        std::to_string(*i));
      return;
    }
    size_t position = *i < 0 ? *i + n : *i;
    if (position == elements.size())
      elements.push_back(value);
    else
      elements[position] = value;
    if (scope.layer)
      nameLayers(value, base->name + "." + std::to_string(position),
                 scope.layer.get());
    return;
  }
  currentScope = &scope;
  mlir::Value x = toTensor(current, base->span);
  if (!x || value.isPoison())
    return;
  mlir::Value update = toTensor(value, span, elementTypeOf(x));
  if (!update)
    return;
  t.loc = locate(target.span);
  if (mlir::Value result = writeTensor(x, *index, update, span, scope))
    assignName(base->name, base->span, result, span, scope);
}

void Elaborator::assignName(llvm::StringRef name, Span where, Object value,
                            Span span, Scope &scope) {
  if (name == "_")
    return;
  Binding *old = scope.find(name);
  if (old && old->value.is<std::shared_ptr<State>>() &&
      !old->value.get<std::shared_ptr<State>>()->decl->name.text.empty() &&
      scope.names.find(name) == scope.names.end()) {
    currentScope = &scope;
    StateSlot *slot =
        stateSlot(*old->value.get<std::shared_ptr<State>>(), scope, where);
    if (!slot || value.isPoison())
      return;
    if (loopDepth) {
      fail(where, "a state cannot be assigned inside `scan` or `attend`",
           "carry it: `scan(..., s = " + name.str() + ")`, and assign after");
      return;
    }
    mlir::Type element = elementTypeOf(slot->current);
    mlir::Value next = toTensor(value, span, element);
    if (!next)
      return;
    if (dimsOf(next) != dimsOf(slot->current) ||
        (elementTypeOf(next) != element &&
         promote(elementTypeOf(next), element) != element)) {
      error(span, "the state `" + name.str() + "` is " +
                      describe(Object(slot->current)) + ", and this is " +
                      describe(Object(next)))
          .note(old->span, "declared here");
      return;
    }
    slot->current = t.cast(next, element);
    return;
  }
  if (scope.layer)
    nameLayers(value, name, scope.layer.get());
  if (old && old->value.is<FnRef>() && scope.parent == nullptr)
    return;
  scope.names[name] = {std::move(value), where, ""};
}

void Elaborator::assignTuple(const std::vector<ExprPtr> &targets,
                             const Object &value, Span where, Span span,
                             Scope &scope) {
  auto *elements = value.elements();
  if (!elements) {
    if (!value.isPoison())
      fail(span, std::to_string(targets.size()) +
                     " names on the left, and one value, " + describe(value) +
                     ", on the right");
    for (const ExprPtr &target : targets)
      assign(*target, Object(), span, scope);
    return;
  }
  // The last name may take all that is left: `(out, _) = lstm(x)`,
  // `(out, (h, c)) = lstm(x)`.
  size_t n = targets.size(), m = elements->size();
  if (n < m && n > 0) {
    auto *last = as<NameExpr>(targets.back());
    auto *tuple = as<TupleExpr>(targets.back());
    bool takesRest = (last && last->name == "_") ||
                     (tuple && tuple->elements.size() == m - n + 1);
    if (takesRest) {
      for (size_t i = 0; i + 1 < n; ++i)
        assign(*targets[i], (*elements)[i], span, scope);
      if (tuple)
        for (size_t i = 0; i < tuple->elements.size(); ++i)
          assign(*tuple->elements[i], (*elements)[n - 1 + i], span, scope);
      return;
    }
  }
  if (n != m) {
    fail(where,
         std::to_string(n) + " names for " + std::to_string(m) + " values",
         n < m ? "`_` as the last name takes all that is left" : "");
    for (const ExprPtr &target : targets)
      assign(*target, Object(), span, scope);
    return;
  }
  for (size_t i = 0; i < n; ++i)
    assign(*targets[i], (*elements)[i], span, scope);
}

void Elaborator::declareParam(const ParamStmt &stmt, Scope &scope) {
  std::string name = stmt.name.text;
  Object value;
  if (stmt.alias) {
    Object alias = eval(*stmt.alias, scope);
    if (alias.is<std::string>())
      name = alias.get<std::string>();
    else if (!alias.isPoison())
      fail(stmt.alias->span,
           "a parameter's name in the weights file is a text, and "
           "this is " +
               describe(alias));
  }
  std::vector<std::string> unbound;
  if (auto dims = evalDims(stmt.type, scope, &unbound)) {
    if (!unbound.empty()) {
      std::vector<std::string> near;
      for (Scope *s = &scope; s; s = s->parent)
        for (auto &entry : s->names)
          if (entry.second.value.is<Dim>())
            near.push_back(entry.getKey().str());
      llvm::sort(near);
      fail(stmt.type.span,
           "the size `" + unbound[0] + "` of the parameter `" + stmt.name.text +
               "` is not known here",
           didYouMean(unbound[0], near));
    } else if (llvm::all_of(*dims, [](const mapsto::Dim &d) {
                 return d.isConstant();
               })) {
      mlir::Type element = elementType(&context, stmt.type.element);
      bool negative = llvm::any_of(
          *dims, [](const mapsto::Dim &d) { return *d.constant() < 0; });
      if (negative)
        fail(stmt.type.span, "the parameter `" + stmt.name.text +
                                 "` would be " + describe(element) +
                                 mapsto::str(*dims));
      else
        value = std::make_shared<Param>(Param{
            scope.layer.get(), name, tensorOf(*dims, element), stmt.span});
    } else {
      fail(stmt.type.span,
           "a parameter's sizes must be numbers, and these are " +
               mapsto::str(*dims));
    }
  }
  scope.names[stmt.name.text] = {value, stmt.name.span, ""};
}

void Elaborator::nameLayers(const Object &value, llvm::StringRef name,
                            Layer *parent) {
  if (value.is<std::shared_ptr<Layer>>()) {
    auto layer = value.get<std::shared_ptr<Layer>>();
    if (!layer->isNamed && layer.get() != parent) {
      layer->name = name.str();
      layer->parent = parent;
      layer->isNamed = true;
    }
  } else if (auto *elements = value.elements()) {
    for (size_t i = 0; i < elements->size(); ++i)
      nameLayers((*elements)[i], (name + "." + llvm::Twine(i)).str(), parent);
  }
}
