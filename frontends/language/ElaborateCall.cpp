//===- ElaborateCall.cpp - Calls of fns, layers and models ----------------===//

#include "frontends/language/Elaborator.h"

#include "llvm/ADT/ScopeExit.h"

using namespace mapsto;
using ast::as;

static std::string list(llvm::ArrayRef<std::string> names) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "`" : ", `") + name + "`";
  return text;
}

std::optional<std::vector<int>>
Elaborator::matchArguments(llvm::ArrayRef<Formal> formals,
                           llvm::ArrayRef<Arg> args, llvm::StringRef what,
                           Span span, Span declared) {
  std::vector<int> match(formals.size(), -1);
  bool ok = true;
  auto report = [&](Span where, std::string message) -> Diagnostic & {
    ok = false;
    Diagnostic &d = error(where, std::move(message));
    if (declared)
      d.note(declared, "declared here");
    return d;
  };
  size_t next = 0;
  bool tooMany = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const Arg &arg = args[i];
    if (arg.name.empty()) {
      if (next < formals.size() && formals[next].isVariadic) {
        if (match[next] < 0)
          match[next] = i;
        continue;
      }
      if (next >= formals.size()) {
        if (!tooMany)
          report(arg.span,
                 what.str() + " takes " + std::to_string(formals.size()) +
                     (formals.size() == 1 ? " argument" : " arguments"));
        tooMany = true;
        continue;
      }
      match[next++] = i;
      continue;
    }
    auto it = llvm::find_if(
        formals, [&](const Formal &f) { return f.name == arg.name; });
    if (it == formals.end()) {
      std::vector<std::string> names;
      for (const Formal &formal : formals)
        names.push_back(formal.name);
      std::string near = didYouMean(arg.name, names);
      report(arg.span, what.str() + " has no parameter `" + arg.name + "`")
          .hint(!near.empty() || names.empty() ? near
                                               : "it has " + list(names));
      continue;
    }
    int &slot = match[it - formals.begin()];
    if (slot >= 0)
      report(arg.span,
             "`" + arg.name + "` of " + what.str() + " is given twice");
    slot = i;
  }
  std::vector<std::string> missing;
  for (size_t i = 0; i < formals.size(); ++i)
    if (match[i] < 0 && formals[i].isRequired)
      missing.push_back(formals[i].name);
  if (!missing.empty() && ok)
    report(span, what.str() + " needs " + list(missing));
  if (!ok)
    return std::nullopt;
  return match;
}

bool Elaborator::enter(const Callee &callee, Span call) {
  for (const Frame &frame : frames) {
    if (frame.decl != callee.decl || frame.layer != callee.layer.get())
      continue;
    error(call, callee.what + " calls itself")
        .note(callee.span, "declared here")
        .hint(
            "`scan` and `repeat` repeat when the model runs; `for` does while "
            "compiling");
    return false;
  }
  frames.push_back({callee.decl, callee.layer.get(), call, callee.what,
                    callee.layer ? callee.layer->path() : ""});
  return true;
}

Object Elaborator::callBody(const Callee &callee, Scope &parent,
                            std::vector<Arg> &args, Span span) {
  std::vector<Formal> formals;
  for (const ast::Parameter &param : callee.params)
    formals.push_back(
        {param.name.text,
         !param.value && !(param.type && param.type->isOptional)});
  auto match = matchArguments(formals, args, callee.what, span, callee.span);
  if (!match)
    return {};
  if (!enter(callee, span))
    return {};
  llvm::scope_exit leave([&] { frames.pop_back(); });

  Scope scope(&parent);
  bool ok = true;
  std::vector<Object> values(formals.size());
  std::vector<Span> spans(formals.size(), span);
  for (size_t i = 0; i < formals.size(); ++i) {
    const ast::Parameter &param = callee.params[i];
    int at = (*match)[i];
    if (at >= 0) {
      values[i] = args[at].value;
      spans[i] = args[at].span;
    } else if (param.value) {
      values[i] = eval(*param.value, scope);
      spans[i] = param.value->span;
    } else {
      values[i] = NoneValue();
    }
    ok &= !values[i].isPoison();
  }
  if (!ok)
    return {};
  Scope *outer = currentScope;
  for (size_t i = 0; i < formals.size(); ++i) {
    const ast::Parameter &param = callee.params[i];
    if (param.type &&
        !(values[i].isNone() && (param.type->isOptional || param.value))) {
      currentScope = outer;
      if (values[i].is<std::shared_ptr<State>>())
        values[i] = Object(toTensor(values[i], spans[i]));
      if (values[i].isTensor() && !values[i].tensor())
        values[i] = Object();
      values[i] = unify(*param.type, values[i], scope,
                        "`" + param.name.text + "`", callee.what, spans[i]);
    }
    ok &= !values[i].isPoison();
    scope.names[param.name.text] = {values[i], param.name.span, ""};
  }
  currentScope = outer;
  if (!ok)
    return {};
  scope.layer = callee.layer;
  BodyResult body;
  exec(callee.body, scope, body);
  return collectResults(callee, scope, body);
}

Object Elaborator::collectResults(const Callee &callee, Scope &scope,
                                  const BodyResult &body) {
  auto value = [&]() -> Object {
    if (body.value)
      return *body.value;
    if (!diagnostics.hasErrors())
      error(callee.span, callee.what + " has no value")
          .hint("end its body with an expression, or `return` one");
    return {};
  };
  size_t count = callee.results.size();
  if (!count)
    return body.value ? *body.value : Object(NoneValue());

  bool named = llvm::all_of(callee.results, [&](const ast::Result &r) {
    return r.name && scope.names.find(r.name.text) != scope.names.end();
  });
  std::vector<Object> values(count);
  std::vector<Span> spans(count);
  bool returnsValue =
      body.value && (body.returned || !named) && !body.value->isNone();
  if (returnsValue) {
    Object all = value();
    auto *elements = all.elements();
    if (count == 1 && !(elements && all.is<std::shared_ptr<Tuple>>())) {
      values[0] = all;
    } else if (elements && elements->size() == count) {
      values = *elements;
    } else if (!all.isPoison()) {
      error(body.valueSpan, callee.what + " gives " + std::to_string(count) +
                                (count == 1 ? " value" : " values") +
                                ", and its body ends with " + describe(all))
          .note(callee.span, "declared here");
      return {};
    } else {
      return {};
    }
    spans.assign(count, body.valueSpan);
  } else {
    for (size_t i = 0; i < count; ++i) {
      const ast::Result &result = callee.results[i];
      auto it =
          result.name ? scope.names.find(result.name.text) : scope.names.end();
      if (it == scope.names.end()) {
        if (body.value && body.value->isPoison())
          return {};
        if (!diagnostics.hasErrors()) {
          if (result.name)
            error(result.name.span, "`" + result.name.text + "` of " +
                                        callee.what + " never gets a value")
                .hint("assign it: `" + result.name.text + " = ...`");
          else
            value();
        }
        return {};
      }
      values[i] = it->second.value;
      spans[i] = it->second.span;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const ast::Result &result = callee.results[i];
    if (values[i].isNone() && result.type.isOptional)
      continue;
    std::string who = result.name ? "`" + result.name.text + "`" : "the result";
    if (!result.name && count > 1)
      who = "result " + std::to_string(i + 1);
    values[i] =
        unify(result.type, values[i], scope, who, callee.what, spans[i]);
  }
  return count == 1 ? values[0] : Object::tuple(std::move(values));
}

Object Elaborator::callLayer(std::shared_ptr<Layer> layer,
                             const ast::Mapping *mapping,
                             std::vector<Arg> &args, Span span) {
  const ast::ModelDecl &decl = *layer->decl;
  if (!mapping) {
    for (const ast::Mapping &m : decl.mappings)
      if (!m.name)
        mapping = &m;
    if (!mapping) {
      std::vector<std::string> names;
      for (const ast::Mapping &m : decl.mappings)
        names.push_back(m.name.text);
      error(span, "`" + decl.name.text + "` has no mapping without a name")
          .note(decl.name.span, "declared here")
          .hint(names.empty() ? "" : "it has " + list(names));
      return {};
    }
  }
  std::string name = layer->name.empty() ? decl.name.text : layer->path();
  std::string what =
      "`" + name + (mapping->name ? "." + mapping->name.text : "") + "`";
  return callBody({mapping, what, mapping->params, mapping->results,
                   mapping->body, mapping->headSpan, layer},
                  layer->scope, args, span);
}

Object Elaborator::instantiate(const ModelRef &model, std::vector<Arg> &args,
                               Span span) {
  const ast::ModelDecl &decl = *model.decl;
  std::string what = "`" + decl.name.text + "`";
  if (llvm::is_contained(instantiating, static_cast<const void *>(&decl))) {
    error(span, "the model " + what + " contains itself")
        .note(decl.name.span, "declared here");
    return {};
  }
  std::vector<Formal> formals;
  for (const ast::Parameter &param : decl.params)
    formals.push_back({param.name.text, !param.value});
  auto match = matchArguments(formals, args, what, span, decl.name.span);
  if (!match)
    return {};

  auto layer = std::make_shared<Layer>();
  layers.push_back(layer);
  layer->decl = &decl;
  layer->span = span;
  layer->scope.parent = model.scope;
  instantiating.push_back(&decl);
  frames.push_back({&decl, nullptr, span, what, ""});
  llvm::scope_exit leave([&] {
    instantiating.pop_back();
    frames.pop_back();
  });
  bool ok = true;
  for (size_t i = 0; i < formals.size(); ++i) {
    const ast::Parameter &param = decl.params[i];
    int at = (*match)[i];
    Object value = at >= 0 ? args[at].value : eval(*param.value, layer->scope);
    Span where = at >= 0 ? args[at].span : param.value->span;
    if (param.type && !(value.isNone() && param.type->isOptional))
      value = unify(*param.type, value, layer->scope,
                    "`" + param.name.text + "`", what, where);
    else if (value.isTensorLike()) {
      error(where, "`" + param.name.text + "` of " + what +
                       " should be known while compiling, and is a tensor, " +
                       describe(value))
          .hint("tensors go to the layer's mapping: `layer(x)`");
      value = Object();
    }
    ok &= !value.isPoison();
    layer->scope.names[param.name.text] = {value, param.name.span, ""};
    nameLayers(value, param.name.text, layer.get());
  }
  if (!ok)
    return {};
  layer->scope.layer = layer;
  for (const ast::Mapping &mapping : decl.mappings)
    if (mapping.name)
      layer->scope.names[mapping.name.text] = {MappingRef{layer, &mapping},
                                               mapping.name.span, ""};
  unsigned errors = diagnostics.errorCount();
  BodyResult body;
  exec(decl.body, layer->scope, body);
  return diagnostics.errorCount() == errors ? Object(layer) : Object();
}
