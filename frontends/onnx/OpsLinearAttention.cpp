//===- OpsLinearAttention.cpp - Attention as a recurrence -----------------===//
//
// LinearAttention (opset 27): a head's state is a matrix from keys to values,
// which every step changes by its key and value and reads by its query. See
// https://onnx.ai/onnx/operators/onnx__LinearAttention.html.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

struct Sizes {
  Dim batch, steps;
  int64_t heads, group;         ///< of keys and values; queries of each
  int64_t keyDepth, valueDepth; ///< of a head
};

struct LinearAttention {
  Node &n;
  Sizes d;
  bool decays, corrects;
  double scale;

  mlir::Value shaped(mlir::Value x, ArrayRef<Dim> dims) {
    return reshape(n.b, n.loc, x, dims);
  }
  Dims stateDims() const {
    return {d.batch, d.heads, d.keyDepth, d.valueDepth};
  }
  /// One number or vector a head, along the state's keys.
  Term overKeys(mlir::Value x) {
    Dims dims{d.batch, d.heads, 1, 1};
    if (numElements(dimsOf(x)) == d.batch)
      dims[1] = 1;
    else if (numElements(dimsOf(x)) != d.batch * Dim(d.heads))
      dims[2] = d.keyDepth;
    return {n, broadcastTo(n.b, n.loc, shaped(x, dims), stateDims())};
  }
  Term product(mlir::Value a, mlir::Value b) {
    return {n, MatmulOp::create(n.b, n.loc, a, b, /*transposed=*/false)};
  }
  /// Its one row for every key.
  Term spread(Term row) {
    return {n, broadcastTo(n.b, n.loc, row.v, stateDims())};
  }

  /// The step's output and the state after it.
  std::pair<mlir::Value, mlir::Value> step(mlir::Value before, mlir::Value q,
                                           mlir::Value k, mlir::Value v,
                                           mlir::Value decay,
                                           mlir::Value beta) {
    Term state(n, before);
    if (decays)
      state = exp(overKeys(decay)) * state;
    mlir::Value key = shaped(k, {d.batch, d.heads, 1, d.keyDepth});
    Term value(n, shaped(v, {d.batch, d.heads, 1, d.valueDepth}));
    if (corrects)
      value = value - product(key, state.v);
    Term change = overKeys(k) * spread(value);
    if (corrects)
      change = overKeys(beta) * change;
    state = state + change;
    mlir::Value query = shaped(q, {d.batch, d.heads, d.group, d.keyDepth});
    Term out = product(query, state.v) * scale;
    return {shaped(out.v, {d.batch, d.heads * d.group * d.valueDepth}),
            state.v};
  }
};

FailureOr<Sizes> sizesOf(Node &n) {
  Dims q = n.dims(0), k = n.dims(1), v = n.dims(2);
  int64_t queries = n.attr("q_num_heads", 0), heads = n.attr("kv_num_heads", 0);
  if (q.size() != 3 || k.size() != 3 || v.size() != 3)
    return n.fail("queries, keys and values are [B, T, heads x size]");
  for (const Dims &other : {k, v})
    if (other[0] != q[0] || other[1] != q[1])
      return n.fail(str(q) + " and " + str(other) +
                    " are not of one batch and length");
  if (heads <= 0 || queries <= 0 || queries % heads != 0)
    return n.fail(Twine(queries) + " heads of queries cannot share " +
                  Twine(heads) + " of keys");
  auto keys = k[2].constant(), values = v[2].constant();
  if (!keys || !values || *keys % heads != 0 || *values % heads != 0 ||
      q[2] != Dim(*keys / heads * queries))
    return n.fail("features of " + str(q) + ", " + str(k) + " and " + str(v) +
                  " are not " + Twine(queries) + " and " + Twine(heads) +
                  " heads of one size");
  return Sizes{q[0],          q[1],           heads, queries / heads,
               *keys / heads, *values / heads};
}

LogicalResult linearAttention(Node &n) {
  FailureOr<Sizes> sizes = sizesOf(n);
  if (failed(sizes))
    return failure();
  std::string rule = n.attrString("update_rule", "gated_delta");
  bool decays = rule == "gated" || rule == "gated_delta";
  bool corrects = rule == "delta" || rule == "gated_delta";
  if (!decays && !corrects && rule != "linear")
    return n.fail("there is no `update_rule` " + Twine(rule));
  n.ignore("chunk_size"); // how to compute it, not what
  double scale = n.attrFloat("scale", 0);
  if (scale == 0)
    scale = 1 / std::sqrt(double(sizes->keyDepth));
  LinearAttention form{n, *sizes, decays, corrects, scale};

  Type type = widened(n.type(0));
  SmallVector<mlir::Value> sequences;
  SmallVector<size_t> inputs{0, 1, 2};
  if (decays)
    inputs.push_back(4);
  if (corrects)
    inputs.push_back(5);
  for (size_t i : inputs) {
    if (!n.has(i))
      return n.fail("`" + Twine(rule) + "` needs input " + Twine(i));
    Dims dims = n.dims(i);
    if (dims.size() != 3 || dims[0] != sizes->batch || dims[1] != sizes->steps)
      return n.fail("its input " + Twine(i) + " is " + str(dims) +
                    ", and not [B, T, ..] as the queries");
    auto width = dims[2].constant();
    bool fits =
        i < 4 ||
        (width && (*width == sizes->heads || (i == 5 && *width == 1) ||
                   (i == 4 && *width == sizes->heads * sizes->keyDepth)));
    if (!fits)
      return n.fail("its input " + Twine(i) + " is " + str(dims) + " for " +
                    Twine(sizes->heads) + " heads");
    sequences.push_back(cast(n.b, n.loc, n.in(i), type));
  }
  Type state = tensorOf(form.stateDims(), type);
  mlir::Value init;
  if (n.has(3)) {
    if (n.dims(3) != form.stateDims())
      return n.fail("the state is " + str(n.dims(3)) + ", expected " +
                    str(form.stateDims()));
    init = cast(n.b, n.loc, n.in(3), type);
  } else {
    init = splat(n.b, n.loc, 0, state);
  }
  Dim width(sizes->heads * sizes->group * sizes->valueDepth);
  auto scan = ScanOp::create(
      n.b, n.loc,
      TypeRange{state, tensorOf({sizes->batch, sizes->steps, width}, type)},
      ValueRange{init}, sequences, mlir::Value(), 1, sizes->steps.str(),
      /*reverse=*/false);
  {
    OpBuilder::InsertionGuard guard(n.b);
    SmallVector<Type> arguments{state};
    for (mlir::Value sequence : sequences)
      arguments.push_back(tensorOf({sizes->batch, dimsOf(sequence)[2]}, type));
    Block *body =
        n.b.createBlock(&scan.getBody(), {}, arguments,
                        SmallVector<Location>(arguments.size(), n.loc));
    auto argument = [&](size_t i) -> mlir::Value {
      auto found = llvm::find(inputs, i);
      return found == inputs.end()
                 ? mlir::Value()
                 : body->getArgument(unsigned(found - inputs.begin()) + 1);
    };
    auto [output, after] =
        form.step(body->getArgument(0), argument(0), argument(1), argument(2),
                  argument(4), argument(5));
    YieldOp::create(n.b, n.loc, ValueRange{after, output});
  }
  n.give(0, cast(n.b, n.loc, scan.getResults()[1], n.type(0)), n.type(0));
  if (n.wants(1)) {
    Type kept = n.has(3) ? n.type(3) : n.type(0);
    n.give(1, cast(n.b, n.loc, scan.getResults()[0], kept), kept);
  }
  return success();
}

} // namespace

void addLinearAttentionOps(OpTable &table) {
  table["LinearAttention"] = linearAttention;
}

} // namespace mapsto::onnx
