//===- ElaborateLoop.cpp - scan and repeat --------------------------------===//

#include "frontends/language/Elaborator.h"

using namespace mapsto;
using namespace mapsto::ast;
using mapsto::Dim;

//===----------------------------------------------------------------------===//
// Carried values
//===----------------------------------------------------------------------===//

static bool flattenNames(const Expr &target,
                         std::vector<std::pair<std::string, Span>> &names) {
  if (auto *name = as<NameExpr>(&target)) {
    names.push_back({name->name, name->span});
    return true;
  }
  auto *tuple = as<TupleExpr>(&target);
  if (!tuple)
    return false;
  for (const ExprPtr &element : tuple->elements)
    if (!flattenNames(*element, names))
      return false;
  return true;
}

static void flattenValues(const Object &value, std::vector<Object> &out) {
  if (auto *elements = value.elements();
      elements && value.is<std::shared_ptr<Tuple>>())
    for (const Object &element : *elements)
      flattenValues(element, out);
  else
    out.push_back(value);
}

bool Elaborator::evalCarries(llvm::ArrayRef<Carry> carries, Scope &scope,
                             std::vector<std::pair<std::string, Span>> &names,
                             llvm::SmallVectorImpl<mlir::Value> &inits) {
  bool ok = true;
  for (const Carry &carry : carries) {
    size_t before = names.size();
    Object init = eval(*carry.init, scope);
    ok &= flattenNames(*carry.target, names);
    std::vector<Object> values;
    flattenValues(init, values);
    size_t wanted = names.size() - before;
    if (init.isPoison()) {
      ok = false;
      continue;
    }
    if (values.size() != wanted) {
      fail(carry.span, std::to_string(wanted) + " names for " +
                           std::to_string(values.size()) + " values");
      ok = false;
      continue;
    }
    currentScope = &scope;
    for (const Object &value : values) {
      mlir::Value tensor = toTensor(value, carry.init->span);
      ok &= bool(tensor);
      inits.push_back(tensor);
    }
  }
  return ok;
}

bool Elaborator::bindCarries(llvm::ArrayRef<std::pair<std::string, Span>> names,
                             mlir::ValueRange values, Scope &scope) {
  for (auto [name, value] : llvm::zip(names, values))
    if (name.first != "_")
      scope.names[name.first] = {mlir::Value(value), name.second, ""};
  return true;
}

bool Elaborator::collectCarries(
    llvm::ArrayRef<std::pair<std::string, Span>> names, mlir::ValueRange inits,
    Scope &scope, llvm::SmallVectorImpl<mlir::Value> &out) {
  bool ok = true;
  for (auto [name, init] : llvm::zip(names, inits)) {
    auto it = scope.names.find(name.first);
    if (it == scope.names.end()) {
      out.push_back(init);
      continue;
    }
    Binding &binding = it->second;
    mlir::Type element = elementTypeOf(init);
    mlir::Value next = toTensor(binding.value, binding.span, element);
    if (!next) {
      ok = false;
      continue;
    }
    bool converts = elementTypeOf(next) == element ||
                    promote(elementTypeOf(next), element) == element;
    if (converts && dimsOf(next) != dimsOf(init)) {
      auto fit = broadcastShapes(dimsOf(next), dimsOf(init));
      if (fit && *fit == dimsOf(init))
        next = t.broadcast(next, dimsOf(init));
    }
    if (!converts || dimsOf(next) != dimsOf(init)) {
      error(binding.span, "`" + name.first + "` starts as " +
                              describe(Object(init)) + ", and becomes " +
                              describe(Object(next)))
          .note(name.second, "it starts here");
      ok = false;
      continue;
    }
    out.push_back(t.cast(next, element));
  }
  return ok;
}

//===----------------------------------------------------------------------===//
// scan
//===----------------------------------------------------------------------===//

Object Elaborator::evalScan(const ScanExpr &expr, Scope &scope) {
  std::vector<Formal> formals = {
      {"axis", false}, {"reverse", false}, {"lengths", false}};
  std::vector<Arg> options = evalArgs(expr.options, scope);
  auto match =
      matchArguments(formals, options, "`scan`", expr.headSpan, Span());
  bool ok = match.has_value();
  auto option = [&](unsigned i) -> const Arg * {
    int at = match ? (*match)[i] : -1;
    return at >= 0 && !options[at].value.isNone() ? &options[at] : nullptr;
  };

  // Sequences; a range counts.
  struct Sequence {
    mlir::Value value;
    bool isRange = false;
    Dim begin, size;
  };
  std::vector<Sequence> sequences;
  size_t lowestRank = SIZE_MAX;
  for (const SequenceInput &input : expr.inputs) {
    Sequence sequence;
    if (auto *range = as<RangeExpr>(input.sequence)) {
      auto begin = toDim(eval(*range->begin, scope), range->begin->span);
      auto end = toDim(eval(*range->end, scope), range->end->span);
      ok &= begin && end;
      sequence.isRange = true;
      if (begin && end) {
        sequence.begin = *begin;
        sequence.size = *end - *begin;
      }
    } else {
      sequence.value =
          toTensor(eval(*input.sequence, scope), input.sequence->span);
      ok &= bool(sequence.value);
      if (sequence.value) {
        lowestRank = std::min(lowestRank, dimsOf(sequence.value).size());
        if (dimsOf(sequence.value).empty()) {
          fail(input.sequence->span,
               "`scan` runs over an axis, and this has none");
          ok = false;
        }
      }
    }
    sequences.push_back(sequence);
  }
  std::vector<std::pair<std::string, Span>> names;
  llvm::SmallVector<mlir::Value> inits;
  ok &= evalCarries(expr.carries, scope, names, inits);
  if (expr.inputs.empty() && ok) {
    fail(expr.headSpan, "`scan` needs a sequence to run over: `x_t in x`");
    ok = false;
  }
  int64_t axis = lowestRank == 1 ? 0 : 1;
  if (auto *arg = option(0)) {
    size_t rank = lowestRank == SIZE_MAX ? 2 : lowestRank;
    auto given = toAxis(arg->value, rank, arg->span);
    ok &= given.has_value();
    axis = given.value_or(0);
  }
  bool reverse = false;
  if (auto *arg = option(1)) {
    auto flag = toBool(arg->value, arg->span);
    ok &= flag.has_value();
    reverse = flag.value_or(false);
  }
  mlir::Value lengths;
  if (auto *arg = option(2)) {
    lengths = toTensor(arg->value, arg->span);
    ok &= bool(lengths);
    if (lengths &&
        (dimsOf(lengths).size() != 1 || isFloat(elementTypeOf(lengths)))) {
      fail(arg->span,
           "`lengths` should be i64[B], and is " + describe(Object(lengths)));
      ok = false;
    }
  }
  if (!ok)
    return {};

  // All sequences are as long as the first.
  std::optional<Dim> count;
  for (auto [sequence, input] : llvm::zip(sequences, expr.inputs)) {
    Dim size = sequence.isRange ? sequence.size : dimOf(sequence.value, axis);
    if (!count)
      count = size;
    if (*count != size) {
      error(input.span, "sequences of " + count->str() + " and " + size.str() +
                            " steps cannot run together")
          .note(expr.inputs[0].span,
                "the first has " + count->str() + " steps");
      return {};
    }
  }
  llvm::SmallVector<mlir::Value> operands;
  for (Sequence &sequence : sequences) {
    if (sequence.isRange) {
      // Along axis 1 the numbers lie in a row of their own.
      Dims dims(axis + 1, Dim(1));
      dims[axis] = *count;
      sequence.value = t.iota(dims, axis);
    }
    operands.push_back(sequence.value);
  }

  llvm::SmallVector<mlir::Type> types(
      llvm::map_range(inits, [](mlir::Value v) { return v.getType(); }));
  for (mlir::Value value : operands) {
    Dims step = dimsOf(value);
    step.erase(step.begin() + axis);
    types.push_back(tensorOf(step, elementTypeOf(value)));
  }
  auto region = std::make_unique<mlir::Region>();
  llvm::SmallVector<mlir::Value> yields;
  {
    mlir::OpBuilder::InsertionGuard guard(t.builder);
    llvm::SmallVector<mlir::Location> locs(types.size(), t.loc);
    // The body is built inside the function, so that it may look outside.
    mlir::Block *block = t.builder.createBlock(
        &main.getBody(), main.getBody().end(), types, locs);
    Scope inner(&scope);
    bindCarries(names, block->getArguments().take_front(inits.size()), inner);
    for (size_t i = 0; i < sequences.size(); ++i) {
      mlir::Value step = block->getArgument(inits.size() + i);
      if (sequences[i].isRange)
        step = t.binary<AddOp>(t.reshape(step, {}), t.size(sequences[i].begin));
      assign(*expr.inputs[i].target, step, expr.inputs[i].span, inner);
    }
    ++loopDepth;
    BodyResult body;
    exec(expr.body, inner, body);
    --loopDepth;
    currentScope = &scope;
    ok &= collectCarries(names, block->getArguments().take_front(inits.size()),
                         inner, yields);
    if (body.value && !body.value->isPoison() && !body.value->isNone()) {
      fail(body.valueSpan, "this value goes nowhere",
           "`yield` it to stack it over time");
      ok = false;
    }
    for (auto [value, span] : llvm::zip(body.yields, body.yieldSpans)) {
      mlir::Value tensor = toTensor(value, span, t.f32());
      ok &= bool(tensor);
      if (tensor && int64_t(dimsOf(tensor).size()) < axis) {
        fail(span, "a scalar cannot be stacked along axis 1", "use `axis = 0`");
        ok = false;
      }
      yields.push_back(tensor);
    }
    if (lengths)
      for (mlir::Value value : yields)
        if (value &&
            (dimsOf(value).empty() || dimOf(value, 0) != dimOf(lengths, 0))) {
          fail(expr.headSpan,
               "with `lengths` of " + dimOf(lengths, 0).str() +
                   " rows, every carried or yielded value has as many "
                   "rows, and one is " +
                   describe(Object(value)));
          ok = false;
          break;
        }
    if (ok)
      YieldOp::create(t.builder, t.loc, yields);
    main.getBody().getBlocks().remove(block);
    region->push_back(block);
  }
  if (!ok) {
    for (mlir::Block &block : *region)
      block.dropAllReferences();
    return {};
  }
  llvm::SmallVector<mlir::Type> results;
  for (size_t i = 0; i < yields.size(); ++i) {
    Dims dims = dimsOf(yields[i]);
    if (i >= inits.size())
      dims.insert(dims.begin() + axis, *count);
    results.push_back(tensorOf(dims, elementTypeOf(yields[i])));
  }
  auto op = ScanOp::create(t.builder, t.loc, results, inits, operands, lengths,
                           axis, count->str(), reverse);
  op.getBody().takeBody(*region);
  std::vector<Object> values;
  for (mlir::Value result : op.getResults())
    values.push_back(result);
  return values.size() == 1 ? values[0] : Object::tuple(std::move(values));
}

//===----------------------------------------------------------------------===//
// repeat
//===----------------------------------------------------------------------===//

Object Elaborator::evalRepeat(const RepeatExpr &expr, Scope &scope) {
  std::vector<Formal> formals = {{"axis", false}};
  std::vector<Arg> options = evalArgs(expr.options, scope);
  auto match =
      matchArguments(formals, options, "`repeat`", expr.headSpan, Span());
  bool ok = match.has_value();
  std::optional<int64_t> axis;
  if (match && (*match)[0] >= 0) {
    auto &arg = options[(*match)[0]];
    axis = toInt(arg.value, arg.span, "an axis");
    ok &= axis.has_value();
  }
  Dim begin(0);
  std::optional<Dim> count;
  if (auto *range = as<RangeExpr>(expr.count)) {
    auto first = toDim(eval(*range->begin, scope), range->begin->span);
    auto last = toDim(eval(*range->end, scope), range->end->span);
    if (first && last) {
      begin = *first;
      count = *last - *first;
    }
  } else {
    count = toDim(eval(*expr.count, scope), expr.count->span);
  }
  ok &= count.has_value();
  std::vector<std::pair<std::string, Span>> names;
  llvm::SmallVector<mlir::Value> inits;
  ok &= evalCarries(expr.carries, scope, names, inits);
  if (!ok)
    return {};

  // States that the body writes are carried too. Which they are shows when the
  // body has been walked: it is walked again then.
  std::vector<std::string> written;
  auto region = std::make_unique<mlir::Region>();
  llvm::SmallVector<mlir::Value> yields;
  size_t carried = inits.size();
  BodyResult body;
  for (bool again = true; again;) {
    again = false;
    yields.clear();
    body = BodyResult();
    auto before = states;
    llvm::SmallVector<mlir::Type> types = {
        mlir::RankedTensorType::get({}, t.i64())};
    for (mlir::Value init : inits)
      types.push_back(init.getType());
    mlir::OpBuilder::InsertionGuard guard(t.builder);
    llvm::SmallVector<mlir::Location> locs(types.size(), t.loc);
    mlir::Block *block = t.builder.createBlock(
        &main.getBody(), main.getBody().end(), types, locs);
    Scope inner(&scope);
    auto arguments = block->getArguments().drop_front();
    bindCarries(names, arguments.take_front(carried), inner);
    for (size_t i = 0; i < written.size(); ++i)
      states[written[i]].current = arguments[carried + i];
    auto entered = states;
    if (expr.index) {
      mlir::Value step = block->getArgument(0);
      if (begin != Dim(0))
        step = t.binary<AddOp>(step, t.size(begin));
      inner.names[expr.index.text] = {step, expr.index.span, ""};
    }
    exec(expr.body, inner, body);
    currentScope = &scope;
    mlir::Value stop;
    if (body.until) {
      stop = toTensor(*body.until, body.untilSpan);
      ok &= bool(stop);
      if (stop && (!isBool(elementTypeOf(stop)) || !dimsOf(stop).empty())) {
        fail(body.untilSpan,
             "`until` needs one truth value, and this is " +
                 describe(Object(stop)),
             isBool(elementTypeOf(stop))
                 ? "`until all(...)` waits for every row"
                 : "");
        ok = false;
      }
    } else {
      stop = t.constantInt(0, t.i1());
    }
    yields.push_back(stop);
    ok &= collectCarries(names, arguments.take_front(carried), inner, yields);
    if (body.value && !body.value->isPoison() && !body.value->isNone()) {
      fail(body.valueSpan, "this value goes nowhere", "`yield` it to stack it");
      ok = false;
    }
    // Anything the body wrote that was not carried asks for another walk.
    std::vector<std::string> changed;
    for (auto &[name, slot] : states) {
      auto it = entered.find(name);
      mlir::Value was =
          it == entered.end() ? mlir::Value(slot.argument) : it->second.current;
      if (slot.current != was && !llvm::is_contained(written, name))
        changed.push_back(name);
    }
    for (const std::string &name : written)
      yields.push_back(states[name].current);
    for (auto [value, span] : llvm::zip(body.yields, body.yieldSpans)) {
      mlir::Value tensor = toTensor(value, span, t.f32());
      ok &= bool(tensor);
      yields.push_back(tensor);
    }
    ok &= !diagnostics.hasErrors();
    if (ok && changed.empty())
      YieldOp::create(t.builder, t.loc, yields);
    main.getBody().getBlocks().remove(block);
    // Slots made inside keep their arguments, with the value from before.
    for (auto &[name, slot] : states) {
      auto it = before.find(name);
      slot.current =
          it == before.end() ? mlir::Value(slot.argument) : it->second.current;
    }
    if (!ok || !changed.empty()) {
      block->dropAllReferences();
      for (mlir::Operation &op :
           llvm::make_early_inc_range(llvm::reverse(*block)))
        op.erase();
      delete block;
      if (!ok)
        return {};
      for (const std::string &name : changed) {
        written.push_back(name);
        inits.push_back(states[name].current);
      }
      again = true;
    } else {
      region->push_back(block);
    }
  }

  size_t outputs = carried + written.size();
  if (!axis) {
    axis = 1;
    for (size_t i = 1 + outputs; i < yields.size(); ++i)
      if (dimsOf(yields[i]).empty())
        axis = 0;
  }
  llvm::SmallVector<mlir::Type> results;
  for (size_t i = 1; i < yields.size(); ++i) {
    Dims dims = dimsOf(yields[i]);
    if (i > outputs) {
      if (*axis < 0 || *axis > int64_t(dims.size()))
        return fail(expr.headSpan, "there is no axis " + std::to_string(*axis) +
                                       " to stack " +
                                       describe(Object(yields[i])) + " along");
      dims.insert(dims.begin() + *axis, *count);
    }
    results.push_back(tensorOf(dims, elementTypeOf(yields[i])));
  }
  auto op =
      RepeatOp::create(t.builder, t.loc, results, inits, *axis, count->str());
  op.getBody().takeBody(*region);
  for (size_t i = 0; i < written.size(); ++i)
    states[written[i]].current = op.getResult(carried + i);
  std::vector<Object> values;
  for (size_t i = 0; i < op.getNumResults(); ++i)
    if (i < carried || i >= outputs)
      values.push_back(mlir::Value(op.getResult(i)));
  if (values.empty())
    return NoneValue();
  return values.size() == 1 ? values[0] : Object::tuple(std::move(values));
}
