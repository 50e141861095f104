//===- AttentionForm.cpp - What ONNX's attention ops have in common -------===//

#include "frontends/onnx/AttentionForm.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {

mlir::Value splitHeads(Node &n, mlir::Value x, int64_t heads) {
  Dims dims = dimsOf(x);
  Dim depth = heads ? Dim::floorDiv(dims[2], heads) : Dim(0);
  return transpose(n.b, n.loc,
                   reshape(n.b, n.loc, x, {dims[0], dims[1], heads, depth}),
                   {0, 2, 1, 3});
}

mlir::Value mergeHeads(Node &n, mlir::Value x) {
  Dims dims = dimsOf(x);
  return reshape(n.b, n.loc, transpose(n.b, n.loc, x, {0, 2, 1, 3}),
                 {dims[0], dims[2], dims[1] * dims[3]});
}

FailureOr<double> defaultScale(Node &n, mlir::Value query) {
  auto depth = dimsOf(query).back().constant();
  if (!depth)
    return n.fail("the size of a head, " + dimsOf(query).back().str() +
                      ", must be a number",
                  "fix the symbols with --dim NAME=SIZE");
  return *depth ? 1 / std::sqrt(double(*depth)) : 1;
}

static Dims scoreDims(const AttentionForm &form) {
  Dims query = dimsOf(form.query), key = dimsOf(form.key);
  return {query[0], query[1], query[2], key[2]};
}

LogicalResult checkAttention(Node &n, const AttentionForm &form) {
  Dims query = dimsOf(form.query), key = dimsOf(form.key),
       value = dimsOf(form.value);
  auto shapes = [&] {
    return str(query) + ", " + str(key) + " and " + str(value);
  };
  if (query[0] != key[0] || key[0] != value[0] || key[1] != value[1] ||
      key[2] != value[2] || query[3] != key[3])
    return n.fail("queries, keys and values of " + shapes() + " do not fit",
                  "sizes of other names that are always equal: fix one with "
                  "--dim NAME=SIZE");
  auto heads = query[1].constant(), shared = key[1].constant();
  if (query[1] != key[1] &&
      (!heads || !shared || *shared == 0 || *heads % *shared != 0))
    return n.fail(query[1].str() + " heads of queries cannot share " +
                  key[1].str() + " heads of keys");
  Dims scores = scoreDims(form);
  for (auto *tables : {&form.biases, &form.keeps})
    for (mlir::Value table : *tables) {
      auto common = broadcastDims(dimsOf(table), scores);
      if (failed(common) || *common != scores)
        return n.fail("a mask of " + str(dimsOf(table)) +
                      " does not fit scores of " + str(scores));
    }
  if (form.lengths && dimsOf(form.lengths) != Dims{query[0]})
    return n.fail("lengths of " + str(dimsOf(form.lengths)) +
                  " are not one for each of " + query[0].str());
  return success();
}

//===----------------------------------------------------------------------===//
// The op's regions
//===----------------------------------------------------------------------===//

namespace {
/// Writes what is said of one pair, given its indices [b, h, i, j].
struct PairWriter {
  Node &n;
  const AttentionForm &form;
  ValueRange place;

  mlir::Value number(const Dim &dim) {
    if (auto constant = dim.constant())
      return scalar(n.b, n.loc, *constant, n.b.getI64Type());
    return SizeOp::create(
        n.b, n.loc, RankedTensorType::get({}, n.b.getI64Type()), dim.str());
  }
  template <typename Op> mlir::Value make(mlir::Value x, mlir::Value y) {
    return Op::create(n.b, n.loc, x, y);
  }
  mlir::Value compare(ComparePredicate predicate, mlir::Value x,
                      mlir::Value y) {
    return CompareOp::create(n.b, n.loc, predicate, x, y);
  }

  /// The element of a table that broadcasts to the scores.
  mlir::Value read(mlir::Value table) {
    Dims dims = dimsOf(table), kept;
    SmallVector<mlir::Value> indices;
    for (auto [size, index] :
         llvm::zip_equal(dims, place.take_back(dims.size())))
      if (size != Dim(1)) {
        kept.push_back(size);
        indices.push_back(index);
      }
    mlir::Value element = reshape(n.b, n.loc, table, kept);
    for (mlir::Value index : indices)
      element = TakeOp::create(n.b, n.loc, element, index, 0);
    return element;
  }

  mlir::Value score(mlir::Value s) {
    Type type = elementTypeOf(s);
    if (form.softcap != 0) {
      mlir::Value cap = scalar(n.b, n.loc, form.softcap, type);
      s = make<MulOp>(cap, TanhOp::create(n.b, n.loc, make<DivOp>(s, cap)));
    }
    for (mlir::Value bias : form.biases)
      s = make<AddOp>(s, cast(n.b, n.loc, read(bias), type));
    return s;
  }

  /// Null where every pair is kept.
  mlir::Value kept() {
    mlir::Value all;
    auto require = [&](mlir::Value condition) {
      all = all ? make<AndOp>(all, condition) : condition;
    };
    mlir::Value i = place[2], j = place[3];
    mlir::Value length;
    if (form.lengths) {
      length = TakeOp::create(n.b, n.loc, form.lengths, place[0], 0);
      require(compare(ComparePredicate::lt, j, length));
    }
    if (form.isCausal) {
      mlir::Value last = i;
      if (form.lengths)
        last = make<AddOp>(last,
                           make<SubOp>(length, number(dimsOf(form.query)[2])));
      else if (form.ahead != Dim(0))
        last = make<AddOp>(last, number(form.ahead));
      require(compare(ComparePredicate::le, j, last));
      if (form.window)
        require(compare(ComparePredicate::gt,
                        make<AddOp>(j, number(form.window)), last));
    }
    for (mlir::Value keep : form.keeps)
      require(read(keep));
    return all;
  }
};
} // namespace

mlir::Value attend(Node &n, const AttentionForm &form, mlir::Value *weights) {
  Type element = elementTypeOf(form.query);
  Dims query = dimsOf(form.query);
  Dims output{query[0], query[1], query[2], dimsOf(form.value)[3]};
  auto op = AttentionOp::create(
      n.b, n.loc, tensorOf(output, element),
      weights ? tensorOf(scoreDims(form), element) : Type(), Type(),
      ValueRange{form.query}, ValueRange{form.key}, form.value,
      llvm::APFloat(form.scale), Normalizer::softmax);
  if (weights)
    *weights = op.getWeights();
  OpBuilder::InsertionGuard guard(n.b);
  Type index = RankedTensorType::get({}, n.b.getI64Type());
  Type real = RankedTensorType::get(
      {}, element.isF64() ? element : Type(n.b.getF32Type()));
  auto write = [&](Region &region, bool isScore) {
    SmallVector<Type> types(4, index);
    if (isScore)
      types.insert(types.begin(), real);
    Block *block = n.b.createBlock(&region, {}, types,
                                   SmallVector<Location>(types.size(), n.loc));
    PairWriter pair{n, form, block->getArguments().take_back(4)};
    mlir::Value result =
        isScore ? pair.score(block->getArgument(0)) : pair.kept();
    YieldOp::create(n.b, n.loc, result);
  };
  if (form.softcap != 0 || !form.biases.empty())
    write(op.getModify(), true);
  if (form.lengths || form.isCausal || !form.keeps.empty())
    write(op.getMask(), false);
  return op.getOutput();
}

//===----------------------------------------------------------------------===//
// Scores as a tensor
//===----------------------------------------------------------------------===//

mlir::Value scoresOf(Node &n, const AttentionForm &form, ScoreStage stage) {
  OpBuilder &b = n.b;
  Dims dims = scoreDims(form), key = dimsOf(form.key);
  mlir::Value keys = form.key;
  if (key[1] != dims[1]) {
    Dim group = Dim::floorDiv(dims[1], key[1]);
    keys = reshape(b, n.loc, keys, {key[0], key[1], 1, key[2], key[3]});
    keys = broadcastTo(b, n.loc, keys, {key[0], key[1], group, key[2], key[3]});
    keys = reshape(b, n.loc, keys, {key[0], dims[1], key[2], key[3]});
  }
  mlir::Value scores =
      MatmulOp::create(b, n.loc, form.query, keys, /*transposed=*/true);
  Type type = scores.getType();
  auto fill = [&](double value) { return splat(b, n.loc, value, type); };
  scores = MulOp::create(b, n.loc, scores, fill(form.scale));
  if (stage != ScoreStage::Product && form.softcap != 0) {
    mlir::Value cap = fill(form.softcap);
    mlir::Value part = DivOp::create(b, n.loc, scores, cap);
    scores = MulOp::create(b, n.loc, cap, TanhOp::create(b, n.loc, part));
  }
  if (stage != ScoreStage::Biased)
    return scores;
  auto spread = [&](mlir::Value table) {
    return broadcastTo(b, n.loc, table, dims);
  };
  for (mlir::Value bias : form.biases)
    scores = AddOp::create(b, n.loc, scores,
                           spread(cast(b, n.loc, bias, elementTypeOf(scores))));
  auto require = [&](mlir::Value kept) {
    scores = SelectOp::create(b, n.loc, kept, scores, fill(-INFINITY));
  };
  for (mlir::Value keep : form.keeps)
    require(spread(keep));
  Type i64 = b.getI64Type();
  auto count = [&](int64_t axis) -> mlir::Value {
    return IotaOp::create(b, n.loc, tensorOf(dims, i64), axis);
  };
  auto whole = [&](const Dim &dim) -> mlir::Value {
    mlir::Value one =
        dim.isConstant()
            ? scalar(b, n.loc, *dim.constant(), i64)
            : SizeOp::create(b, n.loc, RankedTensorType::get({}, i64),
                             dim.str())
                  .getResult();
    return spread(one);
  };
  mlir::Value length;
  if (form.lengths) {
    length = spread(reshape(b, n.loc, form.lengths, {dims[0], 1, 1, 1}));
    require(
        CompareOp::create(b, n.loc, ComparePredicate::lt, count(3), length));
  }
  if (form.isCausal) {
    mlir::Value ahead =
        form.lengths
            ? mlir::Value(SubOp::create(b, n.loc, length, whole(dims[2])))
            : whole(form.ahead);
    mlir::Value last = AddOp::create(b, n.loc, count(2), ahead);
    require(CompareOp::create(b, n.loc, ComparePredicate::le, count(3), last));
  }
  return scores;
}

} // namespace mapsto::onnx
