//===- ElaborateEntry.cpp - The model that is compiled --------------------===//

#include "frontends/language/Elaborator.h"
#include "frontends/language/Parser.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mapsto;
using ast::as;
using mapsto::Dim;

Elaborator::Elaborator(mlir::MLIRContext &context,
                       const LanguageOptions &options,
                       DiagnosticEngine &diagnostics)
    : t(&context), context(context), options(options),
      diagnostics(diagnostics) {
  t.builder.setListener(this);
}

mlir::OwningOpRef<mlir::ModuleOp>
mapsto::importLanguage(mlir::MLIRContext &context, const SourceFile &source,
                       const LanguageOptions &options,
                       DiagnosticEngine &diagnostics) {
  context.loadDialect<MapstoDialect, mlir::func::FuncDialect>();
  // What MLIR has to say is for us, never for whoever wrote the model.
  std::string internal;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    if (d.getSeverity() == mlir::DiagnosticSeverity::Error && internal.empty())
      internal = d.str();
    return mlir::success();
  });
  Elaborator elaborator(context, options, diagnostics);
  auto module = elaborator.run(source);
  if (!module || diagnostics.hasErrors())
    return {};
  if (mlir::failed(mlir::verify(*module))) {
    std::string op = internal.substr(0, internal.find('\n'));
    diagnostics.error(
        Span{&source, 0, 0},
        "mapsto failed to compile this model, which is a mistake of "
        "mapsto's: " +
            op);
    return {};
  }
  return module;
}

mlir::OwningOpRef<mlir::ModuleOp> Elaborator::run(const SourceFile &source) {
  Scope *scope = loadFile(source, false);
  const ast::File &file = *trees.back();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(
      mlir::FileLineColLoc::get(&context, source.name(), 1, 1));
  t.builder.setInsertionPointToEnd(module->getBody());
  if (!diagnostics.full())
    elaborateEntry(file, *scope);
  // Layers hold themselves through their scopes.
  for (auto &layer : layers)
    layer->scope.names.clear(), layer->scope.layer.reset();
  if (diagnostics.hasErrors())
    return {};
  return module;
}

std::optional<Object> Elaborator::givenArgument(const std::string &name) {
  auto it = options.args.find(name);
  if (it == options.args.end())
    return std::nullopt;
  usedArgs[name] = true;
  static SourceManager sources;
  const SourceFile &text = sources.add("--arg " + name, it->second);
  ast::ExprPtr expr = parseExpression(text, diagnostics);
  if (!expr)
    return Object();
  Scope scope;
  return eval(*expr, scope);
}

bool Elaborator::elaborateEntry(const ast::File &file, Scope &scope) {
  // `Model`, `Model.mapping` or `fn`; else the last model, else the last fn.
  auto [wanted, mappingName] = llvm::StringRef(options.model).split('.');
  const ast::ModelDecl *model = nullptr;
  const ast::FnDecl *fn = nullptr;
  std::vector<std::string> names;
  for (const ast::DeclPtr &decl : file.decls) {
    if (auto *m = as<ast::ModelDecl>(decl)) {
      names.push_back(m->name.text);
      if (wanted.empty() || wanted == m->name.text)
        model = m;
    }
    if (auto *f = as<ast::FnDecl>(decl)) {
      names.push_back(f->name.text);
      if (wanted.empty() || wanted == f->name.text)
        fn = f;
    }
  }
  if (model)
    fn = nullptr;
  Span start{file.source, 0, 0};
  if (!model && !fn) {
    if (diagnostics.hasErrors())
      return false;
    if (wanted.empty())
      error(start, "there is no model in this file")
          .hint("a model is `model Name { (x: f32[B]) -> (y: f32[B]) { y = 2 * "
                "x } }`");
    else
      error(start, "there is no model `" + wanted.str() + "` in this file")
          .hint(didYouMean(wanted.str(), names));
    return false;
  }
  t.loc = mlir::UnknownLoc::get(&context);
  std::string name = model ? model->name.text : fn->name.text;
  mlir::Operation *module = t.builder.getInsertionBlock()->getParentOp();
  module->setAttr(kModelAttr, t.builder.getStringAttr(name));
  std::string doc = model ? model->doc : fn->doc;
  if (!doc.empty())
    module->setAttr(kDocAttr, t.builder.getStringAttr(doc));
  main = mlir::func::FuncOp::create(
      t.builder, locate(model ? model->name.span : fn->name.span), kEntryName,
      t.builder.getFunctionType({}, {}));
  t.builder.setInsertionPointToEnd(main.addEntryBlock());

  bool ok;
  if (fn) {
    ok = runEntry({fn, "`" + name + "`", fn->params, fn->results, fn->body,
                   fn->name.span, nullptr},
                  scope);
  } else {
    std::vector<Arg> args;
    std::vector<std::string> missing;
    for (const ast::Parameter &param : model->params) {
      if (auto value = givenArgument(param.name.text))
        args.push_back({param.name.text, *value, param.name.span});
      else if (!param.value)
        missing.push_back(param.name.text);
    }
    if (!missing.empty()) {
      error(model->name.span, "`" + name +
                                  "` needs a value for its parameter `" +
                                  missing[0] + "`")
          .hint("give it with `--arg " + missing[0] +
                "=...`, or a default: `model " + name + "(" + missing[0] +
                " = 16)`");
      return false;
    }
    Object object = instantiate({model, &scope}, args, model->name.span);
    if (object.isPoison())
      return false;
    auto layer = object.get<std::shared_ptr<Layer>>();
    layer->isNamed = true;
    const ast::Mapping *mapping = nullptr;
    std::vector<std::string> mappings;
    for (const ast::Mapping &m : model->mappings) {
      if (m.name.text == mappingName)
        mapping = &m;
      mappings.push_back(m.name.text);
    }
    if (!mapping && mappingName.empty() && model->mappings.size() == 1)
      mapping = &model->mappings[0];
    if (!mapping) {
      std::string hint;
      if (!mappingName.empty())
        hint = didYouMean(mappingName.str(), mappings);
      else if (!mappings.empty())
        hint = "choose one: `--model " + name + "." + mappings[0] + "`";
      else
        hint = "what a model computes is written `(x: f32[B]) -> (y: f32[B]) { "
               "... }`";
      error(model->name.span,
            "`" + name + "` has no mapping " +
                (mappingName.empty() ? "without a name"
                                     : "`" + mappingName.str() + "`"))
          .hint(hint);
      return false;
    }
    ok = runEntry({mapping, "`" + name + "`", mapping->params, mapping->results,
                   mapping->body, mapping->headSpan, layer},
                  layer->scope);
    std::vector<std::string> params;
    for (const ast::Parameter &param : model->params)
      params.push_back(param.name.text);
    for (auto &given : options.args)
      if (!usedArgs.count(given.first))
        error(model->name.span, "`" + name + "` has no parameter `" +
                                    given.first + "` for `--arg`")
            .hint(didYouMean(given.first, params));
  }
  return ok;
}

/// Gives every size named in the inputs' types its symbol, or its number.
bool Elaborator::bindEntrySizes(const Callee &callee, Scope &scope) {
  std::vector<std::string> all;
  std::vector<std::pair<std::string, Span>> plain;
  for (bool first : {true, false}) {
    for (const ast::Parameter &param : callee.params) {
      if (!param.type)
        continue;
      for (const ast::Dim &dim : param.type->dims) {
        if (dim.isEllipsis()) {
          if (first)
            error(dim.span,
                  "an input of the compiled model needs all its sizes, and "
                  "`...` leaves some open")
                .hint("name them: `f32[B, T, 16]`");
          continue;
        }
        auto *name = as<ast::NameExpr>(dim.size);
        if (first && name) {
          Binding *binding = scope.find(name->name);
          if (binding &&
              (binding->value.is<Dim>() || binding->value.isPoison()))
            continue;
          auto fixed = options.dims.find(name->name);
          if (fixed != options.dims.end() && fixed->second < 0) {
            error(dim.span, "`--dim " + name->name + "=" +
                                std::to_string(fixed->second) +
                                "`: a size is not negative");
            return false;
          }
          Dim value = fixed != options.dims.end() ? Dim(fixed->second)
                                                  : Dim::symbol(name->name);
          scope.names[name->name] = {value, dim.span,
                                     "`" + param.name.text + "`"};
          all.push_back(name->name);
        } else if (!first && !name) {
          std::vector<std::string> unbound;
          if (evalSize(*dim.size, scope, &unbound) && !unbound.empty())
            error(dim.span, "nothing tells the size `" + unbound[0] + "`")
                .hint("some input must have it alone as a size, or fix it with "
                      "`--dim " +
                      unbound[0] + "=...`");
        }
      }
    }
    if (first)
      for (auto &given : options.dims)
        if (!scope.find(given.first))
          scope.names[given.first] = {Dim(given.second), callee.span,
                                      "`--dim`"};
  }
  return !diagnostics.hasErrors();
}

bool Elaborator::runEntry(const Callee &callee, Scope &parent) {
  Scope scope(&parent);
  scope.layer = callee.layer;
  scope.isEntry = true;
  if (!bindEntrySizes(callee, scope))
    return false;
  frames.push_back({callee.decl, callee.layer.get(), Span(), callee.what, ""});
  mlir::Block &block = main.getBody().front();
  unsigned inputs = 0;
  for (const ast::Parameter &param : callee.params) {
    const ast::TypeExpr *type = param.type ? &*param.type : nullptr;
    Object value;
    bool isTensor = type && type->element != ast::TypeName::Int &&
                    type->element != ast::TypeName::Float &&
                    type->element != ast::TypeName::String &&
                    (type->element != ast::TypeName::Bool || type->hasDims);
    bool leftOut = isTensor && (type->isOptional || param.value);
    if (leftOut && options.args.count(param.name.text)) {
      usedArgs[param.name.text] = true;
      leftOut = false;
    }
    if (!isTensor) {
      if (auto given = givenArgument(param.name.text))
        value = *given;
      else if (param.value)
        value = eval(*param.value, scope);
      else
        error(param.span, "`" + param.name.text +
                              "` of the compiled model needs a type, "
                              "or a value")
            .hint("an input is written `" + param.name.text + ": f32[B, 16]`");
      if (type && !value.isPoison())
        value = unify(*type, value, scope, "`" + param.name.text + "`",
                      callee.what, param.span);
    } else if (leftOut) {
      value = param.value ? eval(*param.value, scope) : Object(NoneValue());
    } else if (!type->hasDims) {
      error(type->span, "an input needs its sizes: `" +
                            std::string(ast::spelling(type->element)) +
                            "[]` is a scalar");
    } else if (auto dims = evalDims(*type, scope)) {
      auto tensor = tensorOf(*dims, elementType(&context, type->element));
      mlir::BlockArgument argument =
          block.addArgument(tensor, locate(param.name.span));
      main.setType(t.builder.getFunctionType(block.getArgumentTypes(), {}));
      main.setArgAttr(inputs, kNameAttr,
                      t.builder.getStringAttr(param.name.text));
      if (!param.doc.empty())
        main.setArgAttr(inputs, kDocAttr, t.builder.getStringAttr(param.doc));
      ++inputs;
      value = mlir::Value(argument);
    }
    scope.names[param.name.text] = {value, param.name.span, ""};
  }
  // Every statement is looked at even where an input was wrong.
  BodyResult body;
  exec(callee.body, scope, body);
  Object results = collectResults(callee, scope, body);
  if (results.isPoison() || diagnostics.hasErrors())
    return false;

  std::vector<Object> values;
  if (auto *elements = results.elements();
      elements && results.is<std::shared_ptr<Tuple>>())
    values = *elements;
  else if (!results.isNone())
    values = {results};
  if (values.empty() && states.empty()) {
    error(callee.span, callee.what + " has no value");
    return false;
  }
  llvm::SmallVector<mlir::Value> outputs;
  llvm::SmallVector<mlir::DictionaryAttr> attrs;
  auto named = [&](llvm::StringRef key, llvm::StringRef name) {
    attrs.push_back(t.builder.getDictionaryAttr(
        t.builder.getNamedAttr(key, t.builder.getStringAttr(name))));
  };
  t.loc = locate(callee.span);
  for (size_t i = 0; i < values.size(); ++i) {
    mlir::Value output = toTensor(values[i], callee.span);
    if (!output)
      return false;
    std::string name =
        i < callee.results.size() ? callee.results[i].name.text : "";
    if (name.empty())
      name = values.size() == 1 ? "y" : "y" + std::to_string(i);
    outputs.push_back(output);
    named(kNameAttr, name);
  }
  for (auto &[name, slot] : states) {
    outputs.push_back(slot.current);
    named(kStateAttr, name);
  }
  mlir::func::ReturnOp::create(t.builder, t.loc, outputs);
  main.setType(t.builder.getFunctionType(block.getArgumentTypes(),
                                         mlir::ValueRange(outputs).getTypes()));
  main.setAllResultAttrs(attrs);
  unsigned at = inputs;
  for (auto &entry : states)
    main.setArgAttr(at++, kStateAttr, t.builder.getStringAttr(entry.first));
  finish();
  return true;
}

mlir::Value Elaborator::readParam(const Param &param) {
  std::string path = param.layer->path();
  std::string name = path.empty() ? param.name : path + "." + param.name;
  if (param.layer->parent == nullptr && !param.layer->isNamed) {
    error(param.layer->span,
          "this layer needs a name, so that its parameters have one")
        .hint("give it one in the model's body: `fc = Linear(...)`");
    return {};
  }
  auto [it, isNew] = weights.try_emplace(name);
  if (!isNew) {
    if (it->second.first && it->second.first.getType() != param.type) {
      error(param.span,
            "the parameter \"" + name + "\" is " +
                describe(Object(it->second.first)) + " elsewhere, and " +
                describe(Object(std::make_shared<Param>(param))) + " here")
          .note(it->second.second, "the other one");
      return {};
    }
    return it->second.first;
  }
  mlir::OpBuilder::InsertionGuard guard(t.builder);
  if (lastWeight)
    t.builder.setInsertionPointAfter(lastWeight);
  else
    t.builder.setInsertionPointToStart(&main.getBody().front());
  auto loc =
      mlir::NameLoc::get(t.builder.getStringAttr(name), locate(param.span));
  auto op = WeightOp::create(t.builder, loc, param.type, name);
  lastWeight = op;
  it->second = {op.getResult(), param.span};
  return op.getResult();
}

Elaborator::StateSlot *Elaborator::stateSlot(const State &state, Scope &scope,
                                             Span span) {
  std::string path = state.layer->path();
  std::string name = (path.empty() ? "" : path + ".") + state.decl->name.text;
  std::vector<std::string> unbound;
  auto dims = evalDims(state.decl->type, scope, &unbound);
  if (!dims)
    return nullptr;
  // A size that no input tells is the model's own: `--dim` settles it.
  for (Dim &dim : *dims)
    dim = dim.substitute([&](llvm::StringRef name) -> std::optional<Dim> {
      auto fixed = options.dims.find(name.str());
      if (llvm::is_contained(unbound, name.str()) &&
          fixed != options.dims.end())
        return Dim(fixed->second);
      return std::nullopt;
    });
  auto type = tensorOf(*dims, elementType(&context, state.decl->type.element));
  auto it = states.find(name);
  if (it != states.end()) {
    if (it->second.current.getType() == type)
      return &it->second;
    error(span, "the state `" + name + "` is " +
                    describe(Object(it->second.current)) + " elsewhere, and " +
                    mapsto::str(*dims) + " here")
        .note(it->second.span, "the other use");
    return nullptr;
  }
  mlir::BlockArgument argument =
      main.getBody().front().addArgument(type, locate(state.decl->name.span));
  return &states.insert({name, {name, argument, argument, span}}).first->second;
}

/// Drops what nothing reads, so that no one pays for a result not taken.
void Elaborator::finish() {
  llvm::SmallVector<mlir::Operation *> dead;
  bool changed = true;
  while (changed) {
    changed = false;
    dead.clear();
    main.walk<mlir::WalkOrder::PostOrder>([&](mlir::Operation *op) {
      if (op->use_empty() && op->getNumResults() && mlir::isOpTriviallyDead(op))
        dead.push_back(op);
    });
    for (mlir::Operation *op : dead) {
      op->erase();
      changed = true;
    }
  }
  llvm::SmallVector<AttentionOp> attentions;
  main.walk([&](AttentionOp op) {
    if ((op.getWeights() && op.getWeights().use_empty()) ||
        (op.getLogSumExp() && op.getLogSumExp().use_empty()))
      attentions.push_back(op);
  });
  for (AttentionOp op : attentions) {
    mlir::OpBuilder::InsertionGuard guard(t.builder);
    t.builder.setInsertionPoint(op);
    mlir::Value weights = op.getWeights(), lse = op.getLogSumExp();
    bool keepWeights = weights && !weights.use_empty();
    bool keepLse = lse && !lse.use_empty();
    auto lean = AttentionOp::create(
        t.builder, op.getLoc(), op.getOutput().getType(),
        keepWeights ? weights.getType() : mlir::Type(),
        keepLse ? lse.getType() : mlir::Type(), op.getQueries(), op.getKeys(),
        op.getValue(), op.getScaleAttr(), op.getNormalizerAttr());
    for (unsigned i = 0; i < 3; ++i)
      lean->getRegion(i).takeBody(op->getRegion(i));
    op.getOutput().replaceAllUsesWith(lean.getOutput());
    if (keepWeights)
      weights.replaceAllUsesWith(lean.getWeights());
    if (keepLse)
      lse.replaceAllUsesWith(lean.getLogSumExp());
    op.erase();
  }
}
