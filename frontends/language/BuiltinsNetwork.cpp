//===- BuiltinsNetwork.cpp - Products, convolutions, recurrences ----------===//

#include "frontends/language/Builtins.h"

using namespace mapsto;

static Object matmul(BuiltinCall &c) { return c.e.matmul(c[0], c[1], c.span); }

static Object dot(BuiltinCall &c) {
  mlir::Value x, y;
  if (!c.e.toOperands(c[0], c[1], x, y, c.span, "`dot`"))
    return {};
  if (dimsOf(x).empty() || dimsOf(y).empty())
    return c.fail(
        "`dot` multiplies along the last axis, and a scalar has none");
  mlir::Value product = c.t.binary<MulOp>(x, y);
  return c.t.reduce(ReduceKind::sum, product,
                    {int64_t(dimsOf(product).size()) - 1});
}

static Object linear(BuiltinCall &c) {
  mlir::Value x = c.tensor(0), weight = c.tensor(1);
  if (!x || !weight)
    return {};
  Dims w = dimsOf(weight);
  if (w.size() != 2 || dimsOf(x).empty() || dimsOf(x).back() != w[1])
    return c.fail("`linear` of " + c.e.describe(Object(x)) + " with a weight " +
                  c.e.describe(Object(weight)) +
                  ": the last sizes of both should agree");
  mlir::Value y = c.t.linear(x, weight);
  if (!c.given(2))
    return y;
  mlir::Value bias = c.tensor(2);
  if (!bias)
    return {};
  if (dimsOf(bias) != Dims{w[0]})
    return c.fail("`linear` to " + w[0].str() + " features with a bias " +
                  c.e.describe(Object(bias)));
  return c.t.binary<AddOp>(y, bias);
}

//===----------------------------------------------------------------------===//
// einsum
//===----------------------------------------------------------------------===//

namespace {
struct Einsum {
  BuiltinCall &c;
  using Letters = llvm::SmallVector<std::string>;

  /// "b q d" or "bqd".
  static Letters read(llvm::StringRef text) {
    Letters letters;
    text = text.trim();
    if (text.contains(' ')) {
      llvm::SmallVector<llvm::StringRef> parts;
      text.split(parts, ' ', -1, false);
      for (llvm::StringRef part : parts)
        letters.push_back(part.str());
    } else {
      for (char letter : text)
        letters.push_back(std::string(1, letter));
    }
    return letters;
  }
  static int64_t find(const Letters &letters, const std::string &letter) {
    auto it = llvm::find(letters, letter);
    return it == letters.end() ? -1 : it - letters.begin();
  }

  struct Operand {
    mlir::Value value;
    Letters letters;

    void permute(TensorBuilder &t, const Letters &order) {
      llvm::SmallVector<int64_t> axes;
      for (const std::string &letter : order)
        axes.push_back(find(letters, letter));
      value = t.transpose(value, axes);
      letters = order;
    }
  };

  /// Sums away what neither the other operand nor the result has.
  void reduce(Operand &x, const Letters &needed) {
    llvm::SmallVector<int64_t> axes;
    Letters kept;
    for (size_t i = 0; i < x.letters.size(); ++i)
      if (find(needed, x.letters[i]) < 0)
        axes.push_back(i);
      else
        kept.push_back(x.letters[i]);
    x.value = c.t.reduce(ReduceKind::sum, x.value, axes);
    x.letters = kept;
  }

  /// One matrix product: shared letters that are needed later are its batch.
  Operand product(Operand a, Operand b, const Letters &later) {
    Letters batch, inner, left, right;
    for (const std::string &letter : a.letters) {
      bool shared = find(b.letters, letter) >= 0,
           needed = find(later, letter) >= 0;
      (shared ? (needed ? batch : inner) : left).push_back(letter);
    }
    for (const std::string &letter : b.letters)
      if (find(a.letters, letter) < 0)
        right.push_back(letter);
    auto flat = [&](Operand &x, const Letters &outer) {
      Letters order = batch;
      order.append(outer.begin(), outer.end());
      order.append(inner.begin(), inner.end());
      x.permute(c.t, order);
      Dims dims = dimsOf(x.value),
           shape(dims.begin(), dims.begin() + batch.size());
      llvm::ArrayRef<Dim> rest = llvm::ArrayRef(dims).drop_front(batch.size());
      shape.push_back(numElements(rest.take_front(outer.size())));
      shape.push_back(numElements(rest.drop_front(outer.size())));
      Dims outerDims(rest.begin(), rest.begin() + outer.size());
      x.value = c.t.reshape(x.value, shape);
      return outerDims;
    };
    Dims shape;
    for (const std::string &letter : batch)
      shape.push_back(dimOf(a.value, find(a.letters, letter)));
    Dims l = flat(a, left), r = flat(b, right);
    shape.append(l.begin(), l.end());
    shape.append(r.begin(), r.end());
    mlir::Value value = c.t.matmul(a.value, b.value, /*transposed=*/true);
    Letters letters = batch;
    letters.append(left.begin(), left.end());
    letters.append(right.begin(), right.end());
    return {c.t.reshape(value, shape), letters};
  }

  Object run() {
    std::string text = c.text(0);
    if (c.failed)
      return {};
    auto [inputs, output] = llvm::StringRef(text).split("->");
    if (!llvm::StringRef(text).contains("->"))
      return c.fail("`einsum` needs a result", "\"b q d, b k d -> b q k\"");
    llvm::SmallVector<llvm::StringRef> parts;
    inputs.split(parts, ',');
    if (parts.size() != c.rest.size())
      return c.fail("`einsum` names " + std::to_string(parts.size()) +
                    " inputs, and " + std::to_string(c.rest.size()) +
                    " are given");
    Letters wanted = read(output);
    std::vector<Operand> operands;
    std::map<std::string, Dim> sizes;
    mlir::Type type;
    for (auto [part, object, span] : llvm::zip(parts, c.rest, c.restSpans)) {
      Operand operand{c.e.toTensor(object, span), read(part)};
      if (!operand.value)
        return {};
      Dims dims = dimsOf(operand.value);
      if (dims.size() != operand.letters.size())
        return c.fail("`einsum`: \"" + part.trim().str() + "\" names " +
                      std::to_string(operand.letters.size()) + " axes of " +
                      c.e.describe(Object(operand.value)));
      for (auto [letter, dim] : llvm::zip(operand.letters, dims)) {
        if (llvm::count(operand.letters, letter) > 1)
          return c.fail("`einsum`: `" + letter + "` appears twice in \"" +
                        part.trim().str() + "\"");
        auto [it, isNew] = sizes.try_emplace(letter, dim);
        if (!isNew && it->second != dim)
          return c.fail("`einsum`: `" + letter + "` cannot be both " +
                        it->second.str() + " and " + dim.str());
      }
      type = type ? promote(type, elementTypeOf(operand.value))
                  : elementTypeOf(operand.value);
      operands.push_back(operand);
    }
    for (const std::string &letter : wanted)
      if (!sizes.count(letter) || llvm::count(wanted, letter) > 1)
        return c.fail(
            "`einsum`: `" + letter + "` of the result " +
            (sizes.count(letter) ? "appears twice" : "is in no input"));
    for (Operand &operand : operands)
      operand.value = c.t.cast(operand.value, type);
    while (operands.size() > 1) {
      Letters later = wanted;
      for (size_t i = 2; i < operands.size(); ++i)
        later.append(operands[i].letters.begin(), operands[i].letters.end());
      for (int i : {0, 1}) {
        Letters needed = later;
        needed.append(operands[1 - i].letters.begin(),
                      operands[1 - i].letters.end());
        reduce(operands[i], needed);
      }
      Operand result = product(operands[0], operands[1], later);
      operands.erase(operands.begin());
      operands[0] = result;
    }
    reduce(operands[0], wanted);
    operands[0].permute(c.t, wanted);
    return operands[0].value;
  }
};
} // namespace

static Object einsum(BuiltinCall &c) { return Einsum{c}.run(); }

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

static Object addChannels(BuiltinCall &c, mlir::Value y, unsigned bias) {
  if (!c.given(bias))
    return y;
  mlir::Value b = c.tensor(bias);
  if (!b)
    return {};
  if (dimsOf(b) != Dims{dimOf(y, 1)})
    return c.fail("a bias " + c.e.describe(Object(b)) + " for " +
                  dimOf(y, 1).str() + " channels");
  return c.t.binary<AddOp>(y, c.t.unsqueeze(b, 1));
}

static Object conv1d(BuiltinCall &c) {
  mlir::Value x = c.floats(0), weight = c.floats(1);
  int64_t stride = c.integer(3), dilation = c.integer(5), groups = c.integer(6);
  if (c.failed)
    return {};
  // padding: a number for both sides, or [before, after].
  int64_t low, high;
  if (auto *pair = c[4].elements(); pair && pair->size() == 2 &&
                                    (*pair)[0].integer() &&
                                    (*pair)[1].integer()) {
    low = *(*pair)[0].integer();
    high = *(*pair)[1].integer();
  } else {
    low = high = c.integer(4);
  }
  if (c.failed)
    return {};
  Dims d = dimsOf(x), w = dimsOf(weight);
  bool fits = d.size() == 3 && w.size() == 3 && groups > 0 &&
              d[1] == w[1] * Dim(groups) && Dim::exactDiv(w[0], Dim(groups));
  if (!fits)
    return c.fail("`conv1d` of " + c.e.describe(Object(x)) + " with a weight " +
                      c.e.describe(Object(weight)) + " in " +
                      std::to_string(groups) +
                      (groups == 1 ? " group" : " groups"),
                  "x is [B, C, T], the weight [O, C / groups, k]");
  if (stride < 1 || dilation < 1 || low < 0 || high < 0)
    return c.fail("`conv1d` with stride " + std::to_string(stride) +
                  ", padding " + std::to_string(low) + ", dilation " +
                  std::to_string(dilation));
  mlir::Value y = Conv1dOp::create(c.t.builder, c.t.loc, x,
                                   c.t.cast(weight, elementTypeOf(x)), stride,
                                   low, high, dilation, groups);
  return addChannels(c, y, 2);
}

static Object convTranspose1d(BuiltinCall &c) {
  mlir::Value x = c.floats(0), weight = c.floats(1);
  int64_t stride = c.integer(3), padding = c.integer(4), extra = c.integer(5);
  int64_t dilation = c.integer(6), groups = c.integer(7);
  if (c.failed)
    return {};
  Dims d = dimsOf(x), w = dimsOf(weight);
  if (d.size() != 3 || w.size() != 3 || d[1] != w[0] || groups < 1 ||
      !Dim::exactDiv(d[1], Dim(groups)))
    return c.fail("`conv_transpose1d` of " + c.e.describe(Object(x)) +
                      " with a weight " + c.e.describe(Object(weight)),
                  "x is [B, C, T], the weight [C, O / groups, k]");
  if (stride < 1 || dilation < 1 || padding < 0 || extra < 0)
    return c.fail("`conv_transpose1d` with stride " + std::to_string(stride) +
                  ", padding " + std::to_string(padding) + ", dilation " +
                  std::to_string(dilation));
  mlir::Value y = ConvTranspose1dOp::create(
      c.t.builder, c.t.loc, x, c.t.cast(weight, elementTypeOf(x)), stride,
      padding, extra, dilation, groups);
  return addChannels(c, y, 2);
}

//===----------------------------------------------------------------------===//
// Recurrences: one layer, one direction
//===----------------------------------------------------------------------===//

namespace {
/// Operands that rnn, lstm and gru share, by position: x, w_ih, w_hh, b_ih,
/// b_hh, h0, then `more` of its own; lengths, reverse, axis come last.
struct Recurrence {
  Recurrence(BuiltinCall &c, int64_t gates) : c(c), gates(gates) {}

  BuiltinCall &c;
  int64_t gates;
  mlir::Value x, wIh, wHh, bIh, bHh, h0, c0, lengths;
  bool reverse = false;
  int64_t axis = 1;

  mlir::Value optional(unsigned i) {
    return c.given(i) ? c.tensor(i) : mlir::Value();
  }

  bool read(bool hasCell) {
    x = c.tensor(0);
    wIh = c.tensor(1);
    wHh = c.tensor(2);
    bIh = optional(3);
    bHh = optional(4);
    h0 = optional(5);
    unsigned at = 6;
    if (hasCell)
      c0 = optional(at++);
    lengths = c.given(at) ? c.indices(at) : mlir::Value();
    reverse = c.flag(at + 1);
    axis = c.integer(at + 2);
    if (c.failed)
      return false;
    std::string name = std::string("`") + c.builtin.name + "`";
    Dims d = dimsOf(x), hh = dimsOf(wHh);
    if (d.size() != 3 || axis < 0 || axis > 1)
      return c.fail(name +
                    " runs over [B, T, I] (axis = 1) or [T, B, I] (axis = 0), "
                    "and this is " +
                    c.e.describe(Object(x))),
             false;
    bool fits = hh.size() == 2 && hh[0] == hh[1] * Dim(gates);
    Dim hidden = fits ? hh[1] : Dim(0);
    auto expect = [&](mlir::Value v, const Dims &dims, const char *what) {
      if (v && dimsOf(v) != dims && !c.failed)
        c.fail(name + ": " + what + " should be " + str(dims) + ", and is " +
               c.e.describe(Object(v)));
    };
    if (!fits)
      c.fail(name + ": w_hh should be [" + std::to_string(gates) +
             " * H, H], and is " + c.e.describe(Object(wHh)));
    Dim batch = d[1 - axis];
    expect(wIh, {hh[0], d[2]}, "w_ih");
    expect(bIh, {hh[0]}, "b_ih");
    expect(bHh, {hh[0]}, "b_hh");
    expect(h0, {batch, hidden}, "h0");
    expect(c0, {batch, hidden}, "c0");
    expect(lengths, {batch}, "lengths");
    return !c.failed;
  }
};
} // namespace

static Object rnn(BuiltinCall &c) {
  Recurrence r(c, 1);
  if (!r.read(false))
    return {};
  std::string kind = c.text(9);
  auto nonlinearity = symbolizeNonlinearity(kind);
  if (!nonlinearity)
    return c.fail("there is no nonlinearity \"" + kind + "\" of an RNN",
                  "it is \"tanh\" or \"relu\"");
  auto op = RnnOp::create(c.t.builder, c.t.loc, r.x, r.wIh, r.wHh, r.bIh, r.bHh,
                          r.h0, r.lengths, r.axis, r.reverse, *nonlinearity);
  return Object::tuple(
      {Object(mlir::Value(op.getOut())), Object(mlir::Value(op.getHn()))});
}

static Object lstm(BuiltinCall &c) {
  Recurrence r(c, 4);
  if (!r.read(true))
    return {};
  auto op = LstmOp::create(c.t.builder, c.t.loc, r.x, r.wIh, r.wHh, r.bIh,
                           r.bHh, r.h0, r.c0, r.lengths, r.axis, r.reverse);
  return Object::tuple({Object(mlir::Value(op.getOut())),
                        Object(mlir::Value(op.getHn())),
                        Object(mlir::Value(op.getCn()))});
}

static Object gru(BuiltinCall &c) {
  Recurrence r(c, 3);
  if (!r.read(false))
    return {};
  auto op = GruOp::create(c.t.builder, c.t.loc, r.x, r.wIh, r.wHh, r.bIh, r.bHh,
                          r.h0, r.lengths, r.axis, r.reverse, c.flag(9));
  return Object::tuple(
      {Object(mlir::Value(op.getOut())), Object(mlir::Value(op.getHn()))});
}

#define STEPS "lengths = None, reverse = false, axis = 1"
#define RUN "[B, T, I], [G * H, I], [G * H, H] -> [B, T, H], [B, H]"
llvm::ArrayRef<Builtin> mapsto::networkBuiltins() {
  static const Builtin table[] = {
      {"matmul", "x, y", "[.., M, K], [.., K, N] -> [.., M, N]",
       "Matrix product of the last two axes; also written `x @ y`. A vector is "
       "a row on the left, a column on the right.",
       "matmul([[1, 2]], [[3], [4]]) == [[11]]", matmul},
      {"dot", "x, y", "[.., D], [.., D] -> [..]",
       "Sum of products along the last axis.", "dot([1, 2], [3, 4]) == 11",
       dot},
      {"einsum", "spec, *parts", "as the text says",
       "Products summed over the letters that the result lacks. Letters, or "
       "words with spaces between.",
       "einsum(\"i k, k j -> i j\", [[1, 2]], [[3], [4]]) == [[11]]", einsum},
      {"linear", "x, weight, bias = None", "[.., I], [O, I], [O] -> [.., O]",
       "x by the transposed weight, and the bias: what the layer `Linear` "
       "does.",
       "linear([1.0, 2.0], [[3.0, 4.0]], [1.0]) == [12.0]", linear},
      {"conv1d",
       "x, weight, bias = None, stride = 1, padding = 0, dilation = 1, groups "
       "= 1",
       "[B, C, T], [O, C / groups, k] -> [B, O, T']",
       "Cross-correlation along time. `padding` is a number, or [before, "
       "after].",
       "conv1d([[[1.0, 2.0, 3.0]]], [[[1.0, 1.0]]]) == [[[3.0, 5.0]]]", conv1d},
      {"conv_transpose1d",
       "x, weight, bias = None, stride = 1, padding = 0, output_padding = 0, "
       "dilation = 1, groups = 1",
       "[B, C, T], [C, O / groups, k] -> [B, O, T']",
       "The adjoint of conv1d: spreads each step.",
       "conv_transpose1d([[[1.0, 2.0]]], [[[1.0, 1.0]]]) == [[[1.0, 3.0, "
       "2.0]]]",
       convTranspose1d},
      {"rnn",
       "x, w_ih, w_hh, b_ih = None, b_hh = None, h0 = None, " STEPS
       ", nonlinearity = \"tanh\"",
       RUN,
       "One direction of one layer: all outputs, and the last. `RNN` is the "
       "layer.",
       "rnn([[[1.0], [1.0]]], [[1.0]], [[1.0]], nonlinearity = \"relu\")[1] == "
       "[[2.0]]",
       rnn},
      {"lstm",
       "x, w_ih, w_hh, b_ih = None, b_hh = None, h0 = None, c0 = None, " STEPS,
       RUN ", [B, H]",
       "One direction of one layer, G = 4 (gates i, f, g, o). `LSTM` is the "
       "layer.",
       "lstm([[[0.0]]], [[1.0], [1.0], [1.0], [1.0]], [[0.0], [0.0], [0.0], "
       "[0.0]])[1] == [[0.0]]",
       lstm},
      {"gru",
       "x, w_ih, w_hh, b_ih = None, b_hh = None, h0 = None, " STEPS
       ", reset_before = false",
       RUN,
       "One direction of one layer, G = 3 (gates r, z, n). `GRU` is the layer.",
       "gru([[[0.0]]], [[1.0], [1.0], [1.0]], [[0.0], [0.0], [0.0]])[1] == "
       "[[0.0]]",
       gru},
  };
  return table;
}
#undef STEPS
#undef RUN
