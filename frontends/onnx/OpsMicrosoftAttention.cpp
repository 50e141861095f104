//===- OpsMicrosoftAttention.cpp - ONNX Runtime's attention ops -----------===//
//
// Attention, MultiHeadAttention and GroupQueryAttention of com.microsoft, as
// onnxruntime's docs/ContribOperators.md describes them. Their padding masks
// add a large negative number to a score (`mask_filter_value`).
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/AttentionForm.h"
#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Rotary.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

constexpr double kMaskFilter = -10000;

mlir::Value iota(Node &n, ArrayRef<Dim> dims, int64_t axis) {
  return IotaOp::create(n.b, n.loc, tensorOf(dims, n.b.getI64Type()), axis);
}

/// Axis `axis`, which has `count` elements, taken apart.
SmallVector<mlir::Value> unstack(Node &n, mlir::Value x, int64_t axis,
                                 int64_t count) {
  SmallVector<mlir::Value> parts;
  Dims dims = dimsOf(x);
  dims.erase(dims.begin() + axis);
  for (int64_t i = 0; i < count; ++i)
    parts.push_back(
        reshape(n.b, n.loc, slice(n.b, n.loc, x, axis, i, 1), dims));
  return parts;
}

mlir::Value stack(Node &n, ArrayRef<mlir::Value> parts) {
  SmallVector<mlir::Value> rows;
  for (mlir::Value part : parts) {
    Dims dims = dimsOf(part);
    dims.insert(dims.begin(), Dim(1));
    rows.push_back(reshape(n.b, n.loc, part, dims));
  }
  return ConcatOp::create(n.b, n.loc, rows, 0);
}

/// Keys or values [B, H, S, D] after those of earlier calls.
FailureOr<mlir::Value> after(Node &n, mlir::Value past, mlir::Value now) {
  Dims a = dimsOf(past), b = dimsOf(now);
  if (a.size() != 4 || a[0] != b[0] || a[1] != b[1] || a[3] != b[3])
    return n.fail("past keys or values of " + str(a) + " do not go before " +
                  str(b));
  return mlir::Value(ConcatOp::create(n.b, n.loc, ValueRange{past, now}, 2));
}

/// A mask of integers, 0 where a pair goes, as what is added to its score; of
/// one number a row: the number of keys that stay.
FailureOr<mlir::Value> paddingBias(Node &n, size_t input, const Dim &keys,
                                   double filter) {
  mlir::Value mask = n.in(input);
  Dims dims = dimsOf(mask);
  mlir::Value keep;
  if (dims.size() == 1) {
    Dims whole{dims[0], 1, 1, keys};
    mlir::Value lengths = cast(n.b, n.loc, mask, n.b.getI64Type());
    lengths = broadcastTo(
        n.b, n.loc, reshape(n.b, n.loc, lengths, {dims[0], 1, 1, 1}), whole);
    keep = CompareOp::create(n.b, n.loc, ComparePredicate::lt,
                             iota(n, whole, 3), lengths);
  } else {
    if (dims.size() == 2)
      mask = reshape(n.b, n.loc, mask, {dims[0], 1, 1, dims[1]});
    else if (dims.size() == 3)
      mask = reshape(n.b, n.loc, mask, {dims[0], 1, dims[1], dims[2]});
    else if (dims.size() != 4)
      return n.fail("a mask of " + str(dims) + " is not supported");
    keep = CompareOp::create(n.b, n.loc, ComparePredicate::ne, mask,
                             splat(n.b, n.loc, 0, mask.getType()));
  }
  Type type = tensorOf(dimsOf(keep), n.b.getF32Type());
  return mlir::Value(SelectOp::create(n.b, n.loc, keep,
                                      splat(n.b, n.loc, 0, type),
                                      splat(n.b, n.loc, filter, type)));
}

LogicalResult setScale(Node &n, AttentionForm &form) {
  form.scale = n.attrFloat("scale", 0);
  if (form.scale != 0)
    return success();
  FailureOr<double> scale = defaultScale(n, form.query);
  if (failed(scale))
    return failure();
  form.scale = *scale;
  return success();
}

LogicalResult noInput(Node &n, size_t i, StringRef what) {
  return n.has(i) ? n.fail("its input " + Twine(i) + " (" + what +
                           ") is not supported")
                  : success();
}

/// One projection for queries, keys and values of all heads.
LogicalResult attention(Node &n) {
  int64_t heads = n.attr("num_heads", 0);
  Dims x = n.dims(0), w = n.dims(1);
  auto width = w.size() == 2 ? w[1].constant() : std::nullopt;
  if (x.size() != 3 || !width || heads <= 0 || x[2] != w[0])
    return n.fail("x " + str(x) + " by weights " + str(w) +
                  " is no projection "
                  "to queries, keys and values");
  SmallVector<int64_t> sizes =
      n.attrInts("qkv_hidden_sizes", {*width / 3, *width / 3, *width / 3});
  if (sizes.size() != 3 || sizes[0] + sizes[1] + sizes[2] != *width ||
      llvm::any_of(sizes, [&](int64_t s) { return s % heads != 0; }))
    return n.fail(Twine(*width) +
                  " features are not queries, keys and values "
                  "of " +
                  Twine(heads) + " heads");
  if (n.attr("do_rotary", 0) || n.attr("past_present_share_buffer", 0))
    return n.fail("`do_rotary` and `past_present_share_buffer` are not "
                  "supported");
  n.ignore("rotary_embedding_dim");
  if (failed(noInput(n, 6, "past_sequence_length")))
    return failure();
  mlir::Value all =
      MatmulOp::create(n.b, n.loc, n.in(0), n.in(1), /*transposed=*/false);
  if (n.has(2))
    all = AddOp::create(n.b, n.loc, all,
                        broadcastTo(n.b, n.loc, n.in(2), dimsOf(all)));
  AttentionForm form;
  int64_t start = 0;
  std::array parts = {&form.query, &form.key, &form.value};
  for (auto [part, size] : llvm::zip_equal(parts, sizes)) {
    *part = splitHeads(n, slice(n.b, n.loc, all, 2, start, size), heads);
    start += size;
  }
  if (n.has(4)) {
    if (n.rank(4) != 5)
      return n.fail("the past is " + str(n.dims(4)) +
                    ", expected [2, B, H, P, D]");
    SmallVector<mlir::Value> past = unstack(n, n.in(4), 0, 2);
    FailureOr<mlir::Value> k = after(n, past[0], form.key);
    FailureOr<mlir::Value> v = after(n, past[1], form.value);
    if (failed(k) || failed(v))
      return failure();
    form.key = *k;
    form.value = *v;
    form.ahead = n.dims(4)[3];
  }
  form.isCausal = n.attr("unidirectional", 0);
  double filter = n.attrFloat("mask_filter_value", kMaskFilter);
  if (n.has(3)) {
    if (n.rank(3) == 1 && n.dims(3)[0] != x[0])
      return n.fail("a mask of " + str(n.dims(3)) + " is not supported",
                    "give one length for each of " + x[0].str());
    auto bias = paddingBias(n, 3, dimsOf(form.key)[2], filter);
    if (failed(bias))
      return failure();
    form.biases.push_back(*bias);
  }
  if (n.has(5))
    form.biases.push_back(n.in(5));
  if (failed(setScale(n, form)) || failed(checkAttention(n, form)))
    return failure();
  n.give(0, mergeHeads(n, attend(n, form)), n.type(0));
  if (n.wants(1))
    n.give(1, stack(n, {form.key, form.value}), n.type(0));
  return success();
}

/// Keys or values of MultiHeadAttention: [B, S, H * D] or [B, H, S, D].
FailureOr<mlir::Value> headsOf(Node &n, size_t input, int64_t heads) {
  if (n.rank(input) == 4)
    return n.in(input);
  auto width = n.rank(input) == 3 ? n.dims(input)[2].constant() : std::nullopt;
  if (!width || *width % heads != 0)
    return n.fail("its input " + Twine(input) + " is " + str(n.dims(input)) +
                  " for " + Twine(heads) + " heads");
  return splitHeads(n, n.in(input), heads);
}

LogicalResult multiHeadAttention(Node &n) {
  int64_t heads = n.attr("num_heads", 0);
  if (heads <= 0)
    return n.fail("`num_heads` is " + Twine(heads));
  AttentionForm form;
  auto packed = [&](size_t input, int64_t count) {
    SmallVector<mlir::Value> parts;
    for (mlir::Value part : unstack(n, n.in(input), 3, count))
      parts.push_back(transpose(n.b, n.loc, part, {0, 2, 1, 3}));
    return parts;
  };
  if (n.rank(0) == 5) { // [B, L, H, 3, D]
    auto parts = packed(0, 3);
    form.query = parts[0];
    form.key = parts[1];
    form.value = parts[2];
  } else {
    auto q = headsOf(n, 0, heads);
    if (failed(q))
      return failure();
    form.query = *q;
    if (!n.has(1))
      return n.fail("queries alone are not supported");
    if (n.rank(1) == 5) { // [B, S, H, 2, D]
      auto parts = packed(1, 2);
      form.key = parts[0];
      form.value = parts[1];
    } else {
      if (!n.has(2))
        return n.fail("keys without values are not supported");
      auto k = headsOf(n, 1, heads), v = headsOf(n, 2, heads);
      if (failed(k) || failed(v))
        return failure();
      form.key = *k;
      form.value = *v;
    }
  }
  if (n.has(3)) { // of queries, keys and values, one after the other
    Dim start = 0;
    for (mlir::Value *part : {&form.query, &form.key, &form.value}) {
      Dims dims = dimsOf(*part);
      Dim size = dims[1] * dims[3];
      mlir::Value bias =
          reshape(n.b, n.loc, slice(n.b, n.loc, n.in(3), 0, start, size),
                  {dims[1], Dim(1), dims[3]});
      *part =
          AddOp::create(n.b, n.loc, *part, broadcastTo(n.b, n.loc, bias, dims));
      start += size;
    }
  }
  if (n.has(6) != n.has(7))
    return n.fail("past keys and values come together");
  if (n.has(6)) {
    auto k = after(n, n.in(6), form.key), v = after(n, n.in(7), form.value);
    if (failed(k) || failed(v))
      return failure();
    form.ahead = n.dims(6)[2];
    form.key = *k;
    form.value = *v;
  }
  if (failed(noInput(n, 8, "past_sequence_length")) ||
      failed(noInput(n, 9, "cache_indirection")))
    return failure();
  form.isCausal = n.attr("unidirectional", 0);
  double filter = n.attrFloat("mask_filter_value", kMaskFilter);
  if (n.has(4)) {
    if (n.rank(4) == 1 && n.dims(4)[0] != n.dims(0)[0])
      return n.fail("a mask of " + str(n.dims(4)) + " is not supported",
                    "give one length for each of " + n.dims(0)[0].str());
    auto bias = paddingBias(n, 4, dimsOf(form.key)[2], filter);
    if (failed(bias))
      return failure();
    form.biases.push_back(*bias);
  }
  if (n.has(5))
    form.biases.push_back(n.in(5));
  if (failed(setScale(n, form)) || failed(checkAttention(n, form)))
    return failure();
  n.give(0, mergeHeads(n, attend(n, form)), n.type(0));
  if (n.wants(1))
    n.give(1, form.key, n.type(0));
  if (n.wants(2))
    n.give(2, form.value, n.type(0));
  if (n.wants(3))
    n.give(3, scoresOf(n, form, ScoreStage::Product), n.type(0));
  return success();
}

/// New keys or values [B, H, L, D] written into the past from each row's
/// `first` [B] on; [B, H, P + L, D].
mlir::Value written(Node &n, mlir::Value past, mlir::Value now,
                    mlir::Value first) {
  Dims a = dimsOf(past), b = dimsOf(now);
  Dims none(4), room{0, 0, b[2], 0};
  MLIRContext *context = n.b.getContext();
  mlir::Value cache = PadOp::create(
      n.b, n.loc, past, scalar(n.b, n.loc, 0, elementTypeOf(past)),
      DimsAttr::get(context, none), DimsAttr::get(context, room));
  mlir::Value at =
      broadcastTo(n.b, n.loc, reshape(n.b, n.loc, first, {b[0], 1, 1, 1}), b);
  at = AddOp::create(n.b, n.loc, at, iota(n, b, 2));
  return ScatterOp::create(n.b, n.loc, ScatterKind::set, cache, at, now, 2);
}

LogicalResult groupQueryAttention(Node &n) {
  int64_t heads = n.attr("num_heads", 0), shared = n.attr("kv_num_heads", 0);
  Dims x = n.dims(0);
  auto width = x.size() == 3 ? x[2].constant() : std::nullopt;
  if (heads <= 0 || shared <= 0 || heads % shared != 0 || !width)
    return n.fail("queries of " + str(x) + " with " + Twine(heads) +
                  " heads for " + Twine(shared) + " of keys");
  for (auto [input, what] :
       {std::pair(size_t(11), "head_sink"), std::pair(size_t(12), "k_scale"),
        std::pair(size_t(13), "v_scale")})
    if (failed(noInput(n, input, what)))
      return failure();
  if (n.attr("smooth_softmax", 0) > 0 || n.attr("qk_output", 0) != 0)
    return n.fail("`smooth_softmax` and `qk_output` are not supported");
  for (StringRef name : {"k_quant_type", "v_quant_type"})
    if (n.attrString(name, "NONE") != "NONE")
      return n.fail("`" + name + "` is not supported");
  n.ignore("kv_cache_bit_width");
  AttentionForm form;
  if (n.has(1)) {
    auto q = headsOf(n, 0, heads), k = headsOf(n, 1, shared),
         v = headsOf(n, 2, shared);
    if (failed(q) || failed(k) || failed(v))
      return failure();
    form.query = *q;
    form.key = *k;
    form.value = *v;
  } else { // side by side
    int64_t all = heads + 2 * shared;
    if (*width % all != 0)
      return n.fail(str(x) + " is not " + Twine(all) + " heads");
    mlir::Value parts = splitHeads(n, n.in(0), all);
    form.query = slice(n.b, n.loc, parts, 1, 0, heads);
    form.key = slice(n.b, n.loc, parts, 1, heads, shared);
    form.value = slice(n.b, n.loc, parts, 1, heads + shared, shared);
  }
  // seqlens_k is the last key's number, of each row.
  Type i64 = n.b.getI64Type();
  mlir::Value last =
      reshape(n.b, n.loc, cast(n.b, n.loc, n.in(5), i64), {x[0]});
  form.lengths = (Term(n, last) + 1).v;
  mlir::Value first = // of the new ones
      (Term(n, form.lengths) - sizeAs(Term(n, last), x[1])).v;
  if (n.attr("do_rotary", 0)) {
    if (!n.has(7) || !n.has(8))
      return n.fail("`do_rotary` needs the angles' cosines and sines");
    mlir::Value positions;
    if (n.has(9)) {
      positions = n.in(9);
    } else {
      Dims dims{x[0], x[1]};
      positions =
          broadcastTo(n.b, n.loc, reshape(n.b, n.loc, first, {x[0], 1}), dims);
      positions = AddOp::create(n.b, n.loc, positions, iota(n, dims, 1));
      // Padding in front of a short row has no position.
      positions = max(Term(n, positions), 0).v;
    }
    mlir::Value cosines = rowsAt(n, n.in(7), positions);
    mlir::Value sines = rowsAt(n, n.in(8), positions);
    bool interleaved = n.attr("rotary_interleaved", 0);
    auto q = rotate(n, form.query, cosines, sines, interleaved);
    auto k = rotate(n, form.key, cosines, sines, interleaved);
    if (failed(q) || failed(k))
      return failure();
    form.query = *q;
    form.key = *k;
  } else {
    n.ignore("rotary_interleaved");
  }
  if (n.has(3) != n.has(4))
    return n.fail("past keys and values come together");
  if (n.has(3)) {
    form.key = written(n, n.in(3), form.key, first);
    form.value = written(n, n.in(4), form.value, first);
  }
  form.isCausal = true;
  form.window = std::max<int64_t>(n.attr("local_window_size", -1), 0);
  form.softcap = n.attrFloat("softcap", 0);
  if (n.has(10))
    form.biases.push_back(n.in(10));
  if (failed(setScale(n, form)) || failed(checkAttention(n, form)))
    return failure();
  n.give(0, mergeHeads(n, attend(n, form)), n.type(0));
  if (n.wants(1))
    n.give(1, form.key, n.type(0));
  if (n.wants(2))
    n.give(2, form.value, n.type(0));
  return success();
}

} // namespace

void addMicrosoftAttentionOps(OpTable &table) {
  table["com.microsoft.Attention"] = attention;
  table["com.microsoft.GroupQueryAttention"] = groupQueryAttention;
  table["com.microsoft.MultiHeadAttention"] = multiHeadAttention;
}

} // namespace mapsto::onnx
