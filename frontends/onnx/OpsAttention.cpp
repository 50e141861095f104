//===- OpsAttention.cpp - Attention of ONNX's own operators ---------------===//

#include "frontends/onnx/AttentionForm.h"
#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// Queries, keys or values as [B, H, L, D]. 3-D ones have their heads side by
/// side.
FailureOr<mlir::Value> withHeads(Node &n, size_t input, StringRef attribute) {
  mlir::Value x = n.in(input);
  int64_t heads = n.attr(attribute, 0);
  Dims dims = dimsOf(x);
  if (!isa<FloatType>(elementTypeOf(x)))
    return n.fail("its input " + Twine(input) + " is not of floats");
  if (dims.size() == 4)
    return x;
  if (dims.size() != 3)
    return n.fail("its input " + Twine(input) + " is " + str(dims) +
                  ", which has neither 3 nor 4 axes");
  auto width = dims[2].constant();
  if (heads <= 0 || (width && *width % heads != 0))
    return n.fail("`" + attribute + "` " + Twine(heads) + " does not divide " +
                  dims[2].str());
  return splitHeads(n, x, heads);
}

/// Keys or values with those of earlier calls before them.
FailureOr<mlir::Value> withPast(Node &n, mlir::Value now, size_t input) {
  if (!n.has(input))
    return now;
  mlir::Value past = n.in(input);
  Dims a = dimsOf(past), b = dimsOf(now);
  if (a.size() != 4 || a[0] != b[0] || a[1] != b[1] || a[3] != b[3])
    return n.fail("its input " + Twine(input) + " is " + str(a) +
                  " and does not go before " + str(b));
  return mlir::Value(ConcatOp::create(n.b, n.loc, ValueRange{past, now}, 2));
}

/// A mask may be of the first keys only: the others are not seen.
mlir::Value toAllKeys(Node &n, mlir::Value mask, const Dim &keys) {
  Dims dims = dimsOf(mask);
  if (dims.empty() || dims.back() == keys ||
      (dims.back() == Dim(1) && n.opset() < 24))
    return mask;
  Dims low(dims.size()), high(dims.size());
  high.back() = keys - dims.back();
  Type type = elementTypeOf(mask);
  mlir::Value unseen = isa<FloatType>(type)
                           ? scalar(n.b, n.loc, -INFINITY, type)
                           : scalar(n.b, n.loc, 0, type);
  return PadOp::create(n.b, n.loc, mask, unseen,
                       DimsAttr::get(n.b.getContext(), low),
                       DimsAttr::get(n.b.getContext(), high));
}

/// Attention, opset 23 on: https://onnx.ai/onnx/operators/onnx__Attention.html
LogicalResult attention(Node &n) {
  bool packed = n.rank(0) == 3;
  FailureOr<mlir::Value> q = withHeads(n, 0, "q_num_heads");
  FailureOr<mlir::Value> k = withHeads(n, 1, "kv_num_heads");
  FailureOr<mlir::Value> v = withHeads(n, 2, "kv_num_heads");
  if (failed(q) || failed(k) || failed(v))
    return failure();
  Dim past = n.has(4) && n.rank(4) == 4 ? n.dims(4)[2] : Dim(0);
  if (n.has(4) != n.has(5))
    return n.fail("past keys and values come together");
  k = withPast(n, *k, 4);
  v = failed(k) ? k : withPast(n, *v, 5);
  if (failed(v))
    return failure();

  AttentionForm form;
  form.query = *q;
  form.key = *k;
  form.value = *v;
  FailureOr<double> scale =
      n.hasAttribute("scale") ? n.attrFloat("scale", 1) : defaultScale(n, *q);
  if (failed(scale))
    return failure();
  form.scale = *scale;
  form.softcap = n.attrFloat("softcap", 0);
  form.isCausal = n.attr("is_causal", 0);
  form.ahead = past;
  n.ignore("softmax_precision"); // it is f32 at least
  if (n.has(3)) {
    mlir::Value mask = toAllKeys(n, n.in(3), dimsOf(*k)[2]);
    (n.type(3).isInteger(1) ? form.keeps : form.biases).push_back(mask);
  }
  if (n.has(6))
    form.lengths = cast(n.b, n.loc, n.in(6), n.b.getI64Type());
  if (failed(checkAttention(n, form)))
    return failure();

  int64_t mode = n.attr("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3)
    return n.fail("`qk_matmul_output_mode` is 0 to 3, not " + Twine(mode));
  mlir::Value weights;
  bool wantsWeights = n.wants(3) && mode == 3;
  mlir::Value y = attend(n, form, wantsWeights ? &weights : nullptr);
  n.give(0, packed ? mergeHeads(n, y) : y, n.type(0));
  if (n.wants(1))
    n.give(1, *k, n.type(1));
  if (n.wants(2))
    n.give(2, *v, n.type(2));
  if (n.wants(3))
    n.give(3, wantsWeights ? weights : scoresOf(n, form, ScoreStage(mode)),
           n.type(0));
  return success();
}

/// The one tensor that a subgraph makes of another of the same shape.
FailureOr<mlir::Value> changed(Node &n, StringRef name, mlir::Value x) {
  const GraphProto *graph = n.attrGraph(name);
  if (!graph)
    return x;
  Value input;
  input.type = elementTypeOf(x);
  input.tensor = x;
  FailureOr<std::vector<Value>> outputs = n.importer.inlineGraph(*graph, input);
  if (failed(outputs))
    return failure();
  mlir::Value result =
      outputs->size() == 1 ? n.importer.materialise(outputs->front()) : nullptr;
  if (!result || result.getType() != x.getType())
    return n.fail("`" + name + "` does not make one tensor like its input");
  return result;
}

/// FlexAttention (ai.onnx.preview). What the subgraphs do is written on whole
/// tensors here; the compiler makes one kernel of it where they are pointwise.
LogicalResult flexAttention(Node &n) {
  for (size_t i = 0; i < 3; ++i)
    if (n.rank(i) != 4)
      return n.fail("its input " + Twine(i) + " is " + str(n.dims(i)) +
                    " and not of rank 4");
  AttentionForm form;
  form.query = n.in(0);
  form.key = n.in(1);
  form.value = n.in(2);
  FailureOr<double> scale = n.hasAttribute("scale")
                                ? n.attrFloat("scale", 1)
                                : defaultScale(n, form.query);
  if (failed(scale) || failed(checkAttention(n, form)))
    return failure();
  form.scale = *scale;
  n.ignore("softmax_precision"); // it is f32 at least
  FailureOr<mlir::Value> scores =
      changed(n, "score_mod", scoresOf(n, form, ScoreStage::Product));
  if (failed(scores))
    return failure();
  Dims dims = dimsOf(*scores), value = dimsOf(form.value);
  mlir::Value weights =
      SoftmaxOp::create(n.b, n.loc, *scores, int64_t(dims.size()) - 1);
  FailureOr<mlir::Value> probabilities = changed(n, "prob_mod", weights);
  if (failed(probabilities))
    return failure();
  mlir::Value values = form.value;
  if (value[1] != dims[1]) {
    Dim group = Dim::floorDiv(dims[1], value[1]);
    Dims spread{value[0], value[1], group, value[2], value[3]}, one = spread;
    one[2] = 1;
    values = broadcastTo(n.b, n.loc, reshape(n.b, n.loc, values, one), spread);
    values =
        reshape(n.b, n.loc, values, {value[0], dims[1], value[2], value[3]});
  }
  return n.result(MatmulOp::create(n.b, n.loc, *probabilities, values,
                                   /*transposed=*/false),
                  n.type(0));
}

/// TensorScatter (opset 24): a cache with new rows written into it, each batch
/// row's from its own index on.
LogicalResult tensorScatter(Node &n) {
  mlir::Value cache = n.in(0), update = n.in(1);
  Dims dims = dimsOf(cache), rows = dimsOf(update);
  FailureOr<int64_t> axis = n.axis(n.attr("axis", -2), int64_t(dims.size()));
  if (failed(axis))
    return failure();
  std::string mode = n.attrString("mode", "linear");
  if (mode != "linear" && mode != "circular")
    return n.fail("`mode` is " + Twine(mode) +
                  ", and must be linear or "
                  "circular");
  bool fits = rows.size() == dims.size() && *axis > 0;
  for (size_t i = 0; fits && i < dims.size(); ++i)
    fits = int64_t(i) == *axis || rows[i] == dims[i];
  if (!fits)
    return n.fail(str(rows) + " cannot be written into " + str(dims) +
                  " along axis " + Twine(*axis));
  Type i64 = n.b.getI64Type();
  mlir::Value at = IotaOp::create(n.b, n.loc, tensorOf(rows, i64), *axis);
  if (n.has(2)) {
    Dims first(rows.size(), Dim(1));
    first[0] = rows[0];
    if (n.dims(2) != Dims{rows[0]})
      return n.fail("indices of " + str(n.dims(2)) +
                    " are not one for each "
                    "of " +
                    rows[0].str());
    mlir::Value start =
        reshape(n.b, n.loc, cast(n.b, n.loc, n.in(2), i64), first);
    at = AddOp::create(n.b, n.loc, at, broadcastTo(n.b, n.loc, start, rows));
  }
  if (mode == "circular") {
    Term place(n, at);
    at = (place % sizeAs(place, dims[size_t(*axis)])).v;
  }
  return n.result(
      ScatterOp::create(n.b, n.loc, ScatterKind::set, cache, at, update, *axis),
      n.type(0));
}

} // namespace

void addAttentionOps(OpTable &table) {
  table["Attention"] = attention;
  table["TensorScatter"] = tensorScatter;
  table["ai.onnx.preview.FlexAttention"] = flexAttention;
}

} // namespace mapsto::onnx
