//===- PrintOps.cpp - Ops as expressions: pointwise, products -------------===//

#include "frontends/language/Printer.h"
#include "frontends/language/TensorBuilder.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mapsto;
using namespace mlir;

std::optional<Text> Printer::expression(Operation *op) {
  if (auto form = formOf(op))
    return formText(*form);
  if (auto text = pointwise(op))
    return text;
  if (auto text = shapes(op))
    return text;
  return network(op);
}

Text Printer::call(const char *name, ValueRange operands,
                   const std::string &options) {
  std::string text = std::string(name) + "(";
  for (auto [i, operand] : llvm::enumerate(operands))
    text += (i ? ", " : "") + arg(operand);
  return {text + options + ")"};
}

Text Printer::infix(Operation *op, const char *sign, Precedence binds) {
  auto parts = broadcasting(op->getOperands(), dimsOf(op->getResult(0)));
  auto above = Precedence(int(binds) + 1);
  Precedence left = binds, right = above;
  if (binds == Precedence::Compare) // these do not chain
    left = above;
  if (binds == Precedence::Power) { // to the right
    left = Precedence::Primary;
    right = Precedence::Unary;
  }
  return {within(parts[0], left) + " " + sign + " " + within(parts[1], right),
          binds};
}

/// A function whose operands broadcast.
Text Printer::function(Operation *op, const char *name) {
  auto parts = broadcasting(op->getOperands(), dimsOf(op->getResult(0)));
  return {
      std::string(name) + "(" +
      llvm::join(llvm::map_range(parts, [](Text &t) { return t.text; }), ", ") +
      ")"};
}

static const char *sign(ComparePredicate predicate) {
  switch (predicate) {
  case ComparePredicate::eq:
    return "==";
  case ComparePredicate::ne:
    return "!=";
  case ComparePredicate::lt:
    return "<";
  case ComparePredicate::le:
    return "<=";
  case ComparePredicate::gt:
    return ">";
  case ComparePredicate::ge:
    return ">=";
  }
  return "";
}

std::optional<Text> Printer::pointwise(Operation *op) {
  auto isWhole = [&] { return !isFloat(elementTypeOf(op->getResult(0))); };
  // Unary functions are called what their ops are.
  if (isa<AbsOp, SignOp, ExpOp, Expm1Op, LogOp, Log1pOp, SqrtOp, RsqrtOp,
          TanhOp, SigmoidOp, ErfOp, SinOp, CosOp, TanOp, AtanOp, FloorOp,
          CeilOp, RoundOp, IsNanOp>(op))
    return call(op->getName().stripDialect().str().c_str(), op->getOperands());
  if (isa<NegOp>(op))
    return Text{"-" + within(tensor(op->getOperand(0)), Precedence::Power),
                Precedence::Unary};
  if (isa<NotOp>(op))
    return Text{"not " + within(tensor(op->getOperand(0)), Precedence::Add),
                Precedence::Compare};
  if (isa<AddOp>(op))
    return infix(op, "+", Precedence::Add);
  if (isa<SubOp>(op))
    return infix(op, "-", Precedence::Add);
  if (isa<MulOp>(op))
    return infix(op, "*", Precedence::Multiply);
  if (isa<DivOp>(op))
    return isWhole() ? function(op, "floordiv")
                     : infix(op, "/", Precedence::Multiply);
  if (isa<ModOp>(op))
    return infix(op, "%", Precedence::Multiply);
  if (auto power = dyn_cast<PowOp>(op)) {
    // Some powers by a number are other ops.
    auto exponent = staticText(power.getRhs());
    if (!exponent)
      return infix(op, "**", Precedence::Power);
    Type type = elementTypeOf(power.getRhs());
    Value base = unbroadcast(power.getLhs());
    Dims dims = dimsOf(power.getResult());
    if (staticText(base) || dimsOf(base) != dims)
      base = power.getLhs();
    return Text{"pow(" + arg(base) + ", " + filled({}, type, *exponent).text +
                ")"};
  }
  if (isa<MinOp>(op))
    return function(op, "minimum");
  if (auto max = dyn_cast<MaxOp>(op)) {
    auto low = staticText(max.getRhs());
    if (low && !staticText(max.getLhs()) &&
        dimsOf(unbroadcast(max.getLhs())) == dimsOf(max.getResult()) &&
        (low->text == "0" || low->text == "0.0"))
      return call("relu", max.getLhs());
    return function(op, "maximum");
  }
  if (isa<AndOp>(op))
    return infix(op, "and", Precedence::And);
  if (isa<OrOp>(op))
    return infix(op, "or", Precedence::Or);
  if (isa<XorOp>(op))
    return function(op, "xor");
  if (auto compare = dyn_cast<CompareOp>(op))
    return infix(op, sign(compare.getPredicate()), Precedence::Compare);
  if (auto select = dyn_cast<SelectOp>(op)) {
    auto parts = broadcasting(op->getOperands(), dimsOf(select.getResult()));
    if (parts[1].isStatic && parts[2].isStatic)
      parts[1] = filled({}, elementTypeOf(select.getX()), parts[1]);
    return Text{"where(" + parts[0].text + ", " + parts[1].text + ", " +
                parts[2].text + ")"};
  }
  if (auto cast = dyn_cast<CastOp>(op))
    return Text{elementText(cast.getType().getElementType(), op) + "(" +
                arg(cast.getX()) + ")"};
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Reductions, indices, products
//===----------------------------------------------------------------------===//

static std::string option(const char *name, int64_t value, int64_t usual) {
  return value == usual
             ? ""
             : ", " + std::string(name) + " = " + std::to_string(value);
}
static std::string flag(const char *name, bool value) {
  return value ? ", " + std::string(name) + " = true" : "";
}

static std::string axesText(ArrayRef<int64_t> axes) {
  if (axes.size() == 1)
    return std::to_string(axes[0]);
  return "[" +
         llvm::join(
             llvm::map_range(axes,
                             [](int64_t axis) { return std::to_string(axis); }),
             ", ") +
         "]";
}

Text Printer::reduction(ReduceOp op, const std::string &name, bool keepDims) {
  std::string options;
  if (op.getAxes().size() != dimsOf(op.getX()).size())
    options = ", axis = " + axesText(op.getAxes());
  return call(name.c_str(), op.getX(), options + flag("keepdims", keepDims));
}

Text Printer::convolution(Conv1dOp op, Value bias) {
  std::string padding;
  if (op.getPadLow() != op.getPadHigh())
    padding = ", padding = [" + std::to_string(op.getPadLow()) + ", " +
              std::to_string(op.getPadHigh()) + "]";
  else
    padding = option("padding", op.getPadLow(), 0);
  SmallVector<Value> operands{op.getX(), op.getWeight()};
  if (bias)
    operands.push_back(bias);
  return call("conv1d", operands,
              option("stride", op.getStride(), 1) + padding +
                  option("dilation", op.getDilation(), 1) +
                  option("groups", op.getGroups(), 1));
}

Text Printer::formText(const Form &form) {
  switch (form.kind) {
  case Form::Kind::Linear:
    if (form.bias)
      return call("linear", {form.x, form.weight, form.bias});
    return call("linear", {form.x, form.weight});
  case Form::Kind::Convolution:
    return convolution(form.convolution, form.bias);
  case Form::Kind::Reduction: {
    ReduceOp reduce = form.reduce;
    return reduction(reduce, stringifyReduceKind(reduce.getKind()).str(),
                     form.keepDims);
  }
  case Form::Kind::Mean:
    return reduction(form.reduce, "mean", form.keepDims);
  case Form::Kind::Element:
    return subscripts(form.slice, form.dropped);
  }
  return {};
}

/// `x[:, i]`: x's slices at one index.
static std::optional<std::string> pick(TakeOp op, const std::string &index) {
  if (!dimsOf(op.getIndices()).empty())
    return std::nullopt;
  std::string text = "[";
  for (uint64_t i = 0; i < op.getAxis(); ++i)
    text += ":, ";
  return text + index + "]";
}

std::optional<Text> Printer::network(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<Text>>(op)
      .Case<ReduceOp>([&](ReduceOp o) {
        return reduction(o, stringifyReduceKind(o.getKind()).str(), false);
      })
      .Case<ArgReduceOp>([&](ArgReduceOp o) {
        return call(o.getKind() == ReduceKind::max ? "argmax" : "argmin",
                    o.getX(), ", axis = " + std::to_string(o.getAxis()));
      })
      .Case<SoftmaxOp>([&](SoftmaxOp o) {
        int64_t last = int64_t(dimsOf(o.getX()).size()) - 1;
        return call("softmax", o.getX(), option("axis", o.getAxis(), last));
      })
      .Case<CumulativeOp>([&](CumulativeOp o) {
        std::string name = "cum" + stringifyReduceKind(o.getKind()).str();
        return call(name.c_str(), o.getX(),
                    ", axis = " + std::to_string(o.getAxis()) +
                        flag("exclusive", o.getExclusive()) +
                        flag("reverse", o.getReverse()));
      })
      .Case<TakeOp>([&](TakeOp o) {
        auto subscript = staticText(o.getIndices())
                             ? std::nullopt
                             : pick(o, arg(o.getIndices()));
        if (subscript)
          return Text{within(tensor(o.getX()), Precedence::Primary) +
                      *subscript};
        return call("take", {o.getX(), o.getIndices()},
                    option("axis", o.getAxis(), 0));
      })
      .Case<TakeAlongOp>([&](TakeAlongOp o) {
        return call("gather", {o.getX(), o.getIndices()},
                    ", axis = " + std::to_string(o.getAxis()));
      })
      .Case<ScatterOp>([&](ScatterOp o) {
        std::string kind = stringifyScatterKind(o.getKind()).str();
        return call("scatter", {o.getX(), o.getIndices(), o.getUpdates()},
                    ", axis = " + std::to_string(o.getAxis()) +
                        (kind == "set" ? "" : ", reduce = \"" + kind + "\""));
      })
      .Case<UpdateOp>([&](UpdateOp o) {
        return call("update", {o.getX(), o.getValues(), o.getStart()},
                    option("axis", o.getAxis(), 0));
      })
      .Case<MatmulOp>([&](MatmulOp o) {
        std::string left = within(tensor(o.getLhs()), Precedence::Multiply);
        Text right = tensor(o.getRhs());
        if (o.getTransposed())
          right = {"swapaxes(" + right.text + ", -2, -1)"};
        return Text{left + " @ " + within(right, Precedence::Unary),
                    Precedence::Multiply};
      })
      .Case<Conv1dOp>([&](Conv1dOp o) { return convolution(o, {}); })
      .Case<ConvTranspose1dOp>([&](ConvTranspose1dOp o) {
        return call("conv_transpose1d", {o.getX(), o.getWeight()},
                    option("stride", o.getStride(), 1) +
                        option("padding", o.getPadding(), 0) +
                        option("output_padding", o.getOutputPadding(), 0) +
                        option("dilation", o.getDilation(), 1) +
                        option("groups", o.getGroups(), 1));
      })
      .Default([](Operation *) { return std::optional<Text>(); });
}

/// `rnn(...)`, `lstm(...)`, `gru(...)`, `topk(...)`: calls with several
/// results. Empty for any other op.
std::string Printer::recurrence(Operation *op) {
  if (auto top = dyn_cast<TopKOp>(op))
    return call("topk", top.getX(),
                ", " + std::to_string(top.getK()) +
                    flag("smallest", top.getSmallest()))
        .text;
  std::string options;
  auto given = [&](const char *name, Value value) {
    if (value)
      options += ", " + std::string(name) + " = " + arg(value);
  };
  auto print = [&](auto o, const char *name, Value cell,
                   const std::string &more) {
    given("b_ih", o.getBIh());
    given("b_hh", o.getBHh());
    given("h0", o.getH0());
    given("c0", cell);
    given("lengths", o.getLengths());
    options += flag("reverse", o.getReverse()) + option("axis", o.getAxis(), 1);
    return call(name, {o.getX(), o.getWIh(), o.getWHh()}, options + more).text;
  };
  if (auto rnn = dyn_cast<RnnOp>(op))
    return print(rnn, "rnn", {},
                 rnn.getNonlinearity() == Nonlinearity::relu
                     ? ", nonlinearity = \"relu\""
                     : "");
  if (auto lstm = dyn_cast<LstmOp>(op))
    return print(lstm, "lstm", lstm.getC0(), "");
  if (auto gru = dyn_cast<GruOp>(op))
    return print(gru, "gru", {}, flag("reset_before", gru.getResetBefore()));
  return "";
}
