//===- ElaborateAttend.cpp - attend(q, k, v) { ... } ----------------------===//
//
// Every attention becomes one `mapsto.attention`: options and clauses become
// the op's three regions.
//
//===----------------------------------------------------------------------===//

#include "frontends/language/Elaborator.h"

#include <cmath>

using namespace mapsto;
using namespace mapsto::ast;
using mapsto::Dim;

namespace mapsto {

struct AttendElaborator {
  AttendElaborator(Elaborator &e, const AttendExpr &expr, Scope &scope,
                   unsigned wanted)
      : e(e), expr(expr), scope(scope), wanted(wanted) {}

  Elaborator &e;
  const AttendExpr &expr;
  Scope &scope;
  unsigned wanted;
  TensorBuilder &t = e.t;

  struct Operand {
    mlir::Value value;
    Span span;
  };
  Operand query{}, key{}, value{}, keep{}, bias{}, lengths{};
  std::optional<double> scale;
  /// The feature size where it is no number: the scale follows when it runs.
  std::optional<Dim> symbolicDepth;
  bool causal = false;
  std::optional<Object> window, offset;
  Normalizer normalizer = Normalizer::softmax;
  const AttendClause *score = nullptr, *modify = nullptr, *mask = nullptr;
  bool squeezed = false;
  Dims batch;
  Dim L, S;
  bool ok = true;

  Object run();
  bool readArguments();
  bool readNormalizer(const Argument &arg);
  bool checkShapes();
  mlir::Block *block(AttentionOp op, unsigned region,
                     llvm::ArrayRef<mlir::Type> types);
  void end(mlir::Value result) { YieldOp::create(t.builder, t.loc, result); }
  mlir::Value runClause(const AttendClause &clause,
                        llvm::ArrayRef<Object> values, bool isTruth);
  mlir::Value readAt(mlir::Value table, mlir::ValueRange indices);
  bool buildScore(AttentionOp op);
  bool buildModify(AttentionOp op);
  bool buildMask(AttentionOp op);
  bool checkTable(const Operand &table, const char *name);
};

} // namespace mapsto

Object Elaborator::evalAttend(const AttendExpr &expr, Scope &scope,
                              unsigned wanted) {
  return AttendElaborator(*this, expr, scope, wanted).run();
}

bool AttendElaborator::readNormalizer(const Argument &arg) {
  std::string name;
  if (auto *n = as<NameExpr>(arg.value))
    name = n->name;
  else if (auto *s = as<StringExpr>(arg.value))
    name = s->value;
  auto found = symbolizeNormalizer(name);
  if (!found) {
    Object value = name.empty() ? e.eval(*arg.value, scope) : Object(name);
    if (value.is<std::string>())
      found = symbolizeNormalizer(value.get<std::string>());
    else if (value.isPoison())
      return false;
  }
  if (!found) {
    std::string near =
        didYouMean(name, {"softmax", "hard", "sparsemax", "sigmoid"});
    e.fail(arg.value->span,
           "there is no normalizer `" + std::string(arg.value->span.text()) +
               "`",
           near.empty() ? "it is softmax, hard, sparsemax or sigmoid" : near);
    return false;
  }
  normalizer = *found;
  return true;
}

bool AttendElaborator::readArguments() {
  static const char *const kNames[] = {
      "q",       "k",      "v",      "scale",  "mask",      "bias",
      "lengths", "causal", "window", "offset", "normalizer"};
  std::vector<Formal> formals;
  for (unsigned i = 0; i < 11; ++i)
    formals.push_back({kNames[i], i < 3});
  std::vector<Arg> args;
  for (const Argument &arg : expr.args) {
    bool isNormalizer = arg.name.text == "normalizer";
    args.push_back(
        {arg.name.text,
         isNormalizer ? Object(NoneValue()) : e.eval(*arg.value, scope),
         arg.value->span});
  }
  auto match =
      e.matchArguments(formals, args, "`attend`", expr.argsSpan, Span());
  if (!match)
    return false;
  auto read = [&](unsigned i, Operand &operand) {
    int at = (*match)[i];
    if (at < 0 || args[at].value.isNone())
      return;
    operand.span = args[at].span;
    operand.value = e.toTensor(args[at].value, args[at].span);
    ok &= bool(operand.value);
  };
  read(0, query);
  read(1, key);
  read(2, value);
  read(4, keep);
  read(5, bias);
  read(6, lengths);
  auto given = [&](unsigned i) -> const Arg * {
    int at = (*match)[i];
    return at >= 0 && !args[at].value.isNone() ? &args[at] : nullptr;
  };
  if (auto *arg = given(3)) {
    scale = e.toReal(arg->value, arg->span);
    ok &= scale.has_value();
  }
  if (auto *arg = given(7)) {
    auto flag = e.toBool(arg->value, arg->span);
    ok &= flag.has_value();
    causal = flag.value_or(false);
  }
  if (auto *arg = given(8))
    window = arg->value;
  if (auto *arg = given(9))
    offset = arg->value;
  if (int at = (*match)[10]; at >= 0)
    ok &= readNormalizer(expr.args[at]);
  if (!ok)
    return false;
  for (const AttendClause &clause : expr.clauses) {
    (clause.kind == AttendClause::Kind::Score    ? score
     : clause.kind == AttendClause::Kind::Modify ? modify
                                                 : mask) = &clause;
  }
  if (!key.value || !value.value) {
    e.fail(expr.argsSpan, "`attend` needs keys and values");
    return false;
  }
  if (!query.value && !score) {
    e.fail(expr.argsSpan,
           "without a query there is nothing to compare the keys with",
           "give a score of the key alone: `score(_, k) = fc(k)`");
    return false;
  }
  if (score && scale) {
    e.fail(score->span, "a score of its own has no `scale`",
           "multiply in the score, or leave the clause out");
    return false;
  }
  return true;
}

bool AttendElaborator::checkShapes() {
  auto shapeOf = [&](const Operand &o) { return e.describe(Object(o.value)); };
  Dims k = dimsOf(key.value), v = dimsOf(value.value);
  if (k.size() < 2 || v.size() != k.size()) {
    e.fail(expr.argsSpan,
           "keys are [.., S, D] and values [.., S, E], and these are " +
               shapeOf(key) + " and " + shapeOf(value));
    return false;
  }
  size_t rank = v.size();
  if (!query.value) {
    // Nothing asks: one query of no features a row.
    Dims dims(k.begin(), k.end() - 2);
    dims.append({Dim(1), Dim(1)});
    query.value = t.full(dims, t.constant(0.0, elementTypeOf(key.value)));
    query.span = key.span;
    squeezed = true;
  } else if (dimsOf(query.value).size() + 1 == rank) {
    query.value = t.unsqueeze(query.value, rank - 2);
    squeezed = true;
  }
  Dims q = dimsOf(query.value);
  if (q.size() != rank) {
    e.fail(query.span, "the query is " + shapeOf(query) +
                           ", and the keys are " + shapeOf(key) +
                           ": they should have the same number of axes, "
                           "or the query one less");
    return false;
  }
  L = q[rank - 2];
  S = k[rank - 2];
  if (v[rank - 2] != S) {
    e.error(value.span, "there are " + S.str() + " keys and " +
                            v[rank - 2].str() + " values")
        .note(key.span, "the keys, " + shapeOf(key))
        .note(value.span, "the values, " + shapeOf(value));
    return false;
  }
  batch = Dims(q.begin(), q.end() - 2);
  // Keys and values for all of a batch axis may be given once.
  for (Operand *operand : {&key, &value}) {
    Dims dims = dimsOf(operand->value), wide = dims;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (dims[i] == batch[i])
        continue;
      bool isLast = i + 1 == batch.size();
      auto heads = batch[i].constant(), groups = dims[i].constant();
      if (dims[i] == Dim(1) && !isLast) {
        wide[i] = batch[i];
      } else if (!(isLast && Dim::exactDiv(batch[i], dims[i]) &&
                   (!heads || !groups || *groups > 0))) {
        e.error(operand->span, "the batch sizes " + batch[i].str() + " and " +
                                   dims[i].str() + " differ")
            .note(query.span, "the query is " + e.describe(Object(query.value)))
            .note(operand->span, "this is " + shapeOf(*operand))
            .hint(
                isLast
                    ? "the last of them may be a whole number of times smaller "
                      "(grouped queries)"
                    : "");
        return false;
      }
    }
    operand->value = t.broadcast(operand->value, wide);
  }
  Dims kb(dimsOf(key.value)), vb(dimsOf(value.value));
  if (!batch.empty() && kb[batch.size() - 1] != vb[batch.size() - 1]) {
    e.fail(value.span, "keys and values have " + kb[batch.size() - 1].str() +
                           " and " + vb[batch.size() - 1].str() + " heads");
    return false;
  }
  if (!score && q.back() != k.back()) {
    e.error(query.span, "a dot product of queries of " + q.back().str() +
                            " and keys of " + k.back().str() + " features")
        .note(query.span, "the query, " + e.describe(Object(query.value)))
        .note(key.span, "the keys, " + shapeOf(key))
        .hint(
            "a score of its own may compare what differs: `score(q, k) = ...`");
    return false;
  }
  if (!score && !scale) {
    auto depth = q.back().constant();
    if (!depth)
      symbolicDepth = q.back();
    else
      scale = *depth > 0 ? 1 / std::sqrt(double(*depth)) : 1;
  }
  mlir::Type type = elementTypeOf(value.value);
  for (Operand *operand : {&query, &key, &value})
    type = promote(type, elementTypeOf(operand->value));
  if (!isFloat(type))
    type = t.f32();
  for (Operand *operand : {&query, &key, &value})
    operand->value = t.cast(operand->value, type);
  return true;
}

bool AttendElaborator::checkTable(const Operand &table, const char *name) {
  Dims whole = batch;
  whole.append({L, S});
  Dims dims = dimsOf(table.value);
  auto fit = broadcastShapes(dims, whole);
  if (fit && *fit == whole)
    return true;
  e.fail(table.span, std::string("`") + name + "` is " +
                         e.describe(Object(table.value)) +
                         ", and the scores are " + mapsto::str(whole));
  return false;
}

mlir::Block *AttendElaborator::block(AttentionOp op, unsigned region,
                                     llvm::ArrayRef<mlir::Type> types) {
  mlir::Region &r = op->getRegion(region);
  llvm::SmallVector<mlir::Location> locs(types.size(), t.loc);
  return t.builder.createBlock(&r, r.end(), types, locs);
}

mlir::Value AttendElaborator::runClause(const AttendClause &clause,
                                        llvm::ArrayRef<Object> values,
                                        bool isTruth) {
  Scope inner(&scope);
  // A score takes all its values; the others may leave out leading indices.
  size_t n = clause.params.size();
  bool isModify = clause.kind == AttendClause::Kind::Modify;
  bool fits = clause.kind == AttendClause::Kind::Score ? n == values.size()
                                                       : n <= values.size();
  if (isModify)
    fits &= n >= 1;
  if (!fits) {
    std::string takes =
        clause.kind == AttendClause::Kind::Score
            ? "a score takes a query and a key: `score(q, k)`"
            : std::string(isModify ? "it takes the score, then indices: "
                                   : "it takes indices: ") +
                  "of every batch axis (" + std::to_string(batch.size()) +
                  " here), of the query, of the key; the first may be left out";
    e.fail(clause.span,
           "`" + clause.name.text + "` has " + std::to_string(n) +
               (n == 1 ? " parameter" : " parameters") + ", and " +
               std::to_string(values.size()) + " are given",
           takes);
    return {};
  }
  for (size_t i = 0; i < n; ++i) {
    size_t at = isModify && i == 0 ? 0 : values.size() - n + i;
    inner.names[clause.params[i].text] = {values[at], clause.params[i].span,
                                          ""};
  }
  ++e.loopDepth;
  Object result;
  Span where = clause.value ? clause.value->span : clause.span;
  if (clause.value) {
    result = e.eval(*clause.value, inner);
  } else {
    BodyResult body;
    e.exec(*clause.body, inner, body);
    if (body.value) {
      result = *body.value;
      where = body.valueSpan;
    } else if (!e.diagnostics.hasErrors()) {
      e.fail(clause.span, "`" + clause.name.text + "` has no value",
             "end it with an expression");
    }
  }
  --e.loopDepth;
  mlir::Value value =
      e.toTensor(result, where, isTruth ? mlir::Type() : t.f32());
  if (!value)
    return {};
  Dims dims = dimsOf(value);
  if (dims.size() == 1 && dims[0] == Dim(1))
    value = t.reshape(value, {});
  else if (!dims.empty()) {
    e.fail(where,
           "`" + clause.name.text + "` gives one number a pair, and this is " +
               e.describe(Object(value)),
           "reduce it: `sum(...)`, `dot(a, b)`");
    return {};
  }
  if (isTruth != isBool(elementTypeOf(value))) {
    e.fail(where, isTruth
                      ? "a mask is true where the pair stays, and this is " +
                            e.describe(Object(value))
                      : "a score is a number, and this is true or false");
    return {};
  }
  return isTruth ? value : t.cast(value, t.f32());
}

/// The element of a table that broadcasts to the scores.
mlir::Value AttendElaborator::readAt(mlir::Value table,
                                     mlir::ValueRange indices) {
  Dims dims = dimsOf(table);
  size_t skip = indices.size() - dims.size();
  llvm::SmallVector<mlir::Value> used;
  Dims kept;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == Dim(1) &&
        !(i + skip < batch.size() && batch[i + skip] == Dim(1)))
      continue;
    kept.push_back(dims[i]);
    used.push_back(indices[i + skip]);
  }
  table = t.reshape(table, kept);
  for (mlir::Value index : used)
    table = TakeOp::create(t.builder, t.loc, table, index, 0);
  return table;
}

bool AttendElaborator::buildScore(AttentionOp op) {
  if (!score)
    return true;
  mlir::OpBuilder::InsertionGuard guard(t.builder);
  mlir::Type type = elementTypeOf(query.value);
  mlir::Type row[] = {tensorOf({dimsOf(query.value).back()}, type),
                      tensorOf({dimsOf(key.value).back()}, type)};
  mlir::Block *b = block(op, 0, row);
  std::vector<Object> values = {mlir::Value(b->getArgument(0)),
                                mlir::Value(b->getArgument(1))};
  mlir::Value result = runClause(*score, values, false);
  if (result)
    end(result);
  return bool(result);
}

bool AttendElaborator::buildModify(AttentionOp op) {
  if (!modify && !bias.value && !symbolicDepth)
    return true;
  mlir::OpBuilder::InsertionGuard guard(t.builder);
  llvm::SmallVector<mlir::Type> types(batch.size() + 3,
                                      mlir::RankedTensorType::get({}, t.i64()));
  types[0] = mlir::RankedTensorType::get({}, t.f32());
  mlir::Block *b = block(op, 1, types);
  mlir::Value s = b->getArgument(0);
  if (symbolicDepth) {
    mlir::Value depth = t.cast(t.size(*symbolicDepth), t.f32());
    s = t.binary<MulOp>(s,
                        RsqrtOp::create(t.builder, t.loc, depth).getResult());
  }
  if (bias.value)
    s = t.binary<AddOp>(
        s, t.cast(readAt(bias.value, b->getArguments().drop_front()), t.f32()));
  if (modify) {
    std::vector<Object> values = {s};
    for (mlir::Value index : b->getArguments().drop_front())
      values.push_back(index);
    s = runClause(*modify, values, false);
  }
  if (s)
    end(s);
  return bool(s);
}

bool AttendElaborator::buildMask(AttentionOp op) {
  if (!mask && !keep.value && !lengths.value && !causal && !window)
    return true;
  mlir::OpBuilder::InsertionGuard guard(t.builder);
  llvm::SmallVector<mlir::Type> types(batch.size() + 2,
                                      mlir::RankedTensorType::get({}, t.i64()));
  mlir::Block *b = block(op, 2, types);
  mlir::Value i = b->getArgument(batch.size()),
              j = b->getArgument(batch.size() + 1);
  mlir::Value all;
  auto also = [&](mlir::Value condition) {
    all = all ? t.binary<AndOp>(all, condition) : condition;
  };
  if (offset) {
    mlir::Value by = e.toTensor(*offset, expr.argsSpan);
    if (!by)
      return false;
    if (!dimsOf(by).empty() ||
        !mlir::isa<mlir::IntegerType>(elementTypeOf(by))) {
      e.fail(expr.argsSpan, "`offset` is a whole number, and this is " +
                                e.describe(Object(by)));
      return false;
    }
    i = t.binary<AddOp>(i, by);
  }
  if (causal)
    also(t.compare(ComparePredicate::le, j, i));
  if (window) {
    mlir::Value reach = e.toTensor(*window, expr.argsSpan);
    if (!reach)
      return false;
    if (!dimsOf(reach).empty() ||
        !mlir::isa<mlir::IntegerType>(elementTypeOf(reach))) {
      e.fail(expr.argsSpan, "`window` is a whole number, and this is " +
                                e.describe(Object(reach)));
      return false;
    }
    mlir::Value distance = t.binary<SubOp>(i, j);
    if (!causal)
      distance = AbsOp::create(t.builder, t.loc, distance);
    also(t.compare(ComparePredicate::lt, distance, reach));
  }
  if (lengths.value)
    also(t.compare(ComparePredicate::lt, j,
                   readAt(lengths.value, mlir::ValueRange(b->getArgument(0)))));
  if (keep.value)
    also(readAt(keep.value, b->getArguments()));
  if (mask) {
    std::vector<Object> values;
    for (mlir::Value index : b->getArguments())
      values.push_back(index);
    mlir::Value condition = runClause(*mask, values, true);
    if (!condition)
      return false;
    also(condition);
  }
  end(all);
  return true;
}

Object AttendElaborator::run() {
  if (!readArguments() || !checkShapes())
    return {};
  if (keep.value) {
    if (!isBool(elementTypeOf(keep.value)))
      return e.fail(keep.span,
                    "`mask` is true where a pair stays, and this is " +
                        e.describe(Object(keep.value)),
                    "numbers to add to the scores go to `bias`");
    if (!checkTable(keep, "mask"))
      return {};
  }
  if (bias.value && !checkTable(bias, "bias"))
    return {};
  if (lengths.value &&
      (batch.empty() || dimsOf(lengths.value) != Dims{batch[0]} ||
       isFloat(elementTypeOf(lengths.value))))
    return e.fail(lengths.span, "`lengths` should be i64[" +
                                    (batch.empty() ? "B" : batch[0].str()) +
                                    "], and is " +
                                    e.describe(Object(lengths.value)));

  mlir::Type type = elementTypeOf(value.value);
  Dims context = batch, pairs = batch, rows = batch;
  context.append({L, dimsOf(value.value).back()});
  pairs.append({L, S});
  rows.push_back(L);
  auto op = AttentionOp::create(
      t.builder, t.loc, tensorOf(context, type),
      wanted > 1 ? tensorOf(pairs, type) : mlir::Type(),
      wanted > 2 ? tensorOf(rows, t.f32()) : mlir::Type(),
      mlir::ValueRange(query.value), mlir::ValueRange(key.value), value.value,
      t.builder.getF64FloatAttr(score ? 1.0 : scale.value_or(1.0)),
      NormalizerAttr::get(t.builder.getContext(), normalizer));
  // Each clause is looked at, so that all their errors are reported.
  bool built = buildScore(op);
  built &= buildModify(op);
  built &= buildMask(op);
  if (!built) {
    // Poison: the module is thrown away, but must not hold half a region.
    for (mlir::Region &region : op->getRegions())
      region.dropAllReferences(), region.getBlocks().clear();
    return {};
  }
  t.builder.setInsertionPointAfter(op);
  auto out = [&](mlir::Value v) -> Object {
    return squeezed ? t.squeeze(v, batch.size()) : v;
  };
  std::vector<Object> results = {out(op.getOutput())};
  if (wanted > 1)
    results.push_back(out(op.getWeights()));
  if (wanted > 2)
    results.push_back(out(op.getLogSumExp()));
  return results.size() == 1 ? results[0] : Object::tuple(std::move(results));
}
