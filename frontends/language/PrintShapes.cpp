//===- PrintShapes.cpp - Ops as expressions: what moves elements ----------===//

#include "frontends/language/Printer.h"
#include "frontends/language/TensorBuilder.h"

#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mapsto;
using namespace mlir;

Text Printer::subscripts(SliceOp op, ArrayRef<bool> dropped) {
  Dims whole = dimsOf(op.getX());
  Dims starts = op.getStarts().getDims(), sizes = op.getSizes().getDims();
  std::string text;
  size_t last = 0; // axes behind it are whole
  std::vector<std::string> parts;
  for (size_t i = 0; i < whole.size(); ++i) {
    int64_t step = sizes[i] == Dim(0) ? 1 : op.getSteps()[i];
    Dim stop = step == 1 ? starts[i] + sizes[i]
                         : starts[i] + (sizes[i] - Dim(1)) * Dim(step) + Dim(1);
    if (step != 1 && Dim::ceilDiv(whole[i] - starts[i], Dim(step)) == sizes[i])
      stop = whole[i];
    // Places near the end of an axis of any size are counted from there.
    auto place = [&](const Dim &at) {
      auto fromEnd = (at - whole[i]).constant();
      bool counts = !at.isConstant() && fromEnd && *fromEnd < 0;
      return counts ? std::to_string(*fromEnd) : dim(at);
    };
    std::string part;
    if (!dropped.empty() && dropped[i]) {
      part = place(starts[i]);
    } else {
      part = starts[i] == Dim(0) ? ":" : place(starts[i]) + ":";
      if (stop != whole[i])
        part += place(stop);
      if (step != 1)
        part += ":" + std::to_string(step);
    }
    if (part != ":")
      last = i + 1;
    parts.push_back(part);
  }
  parts.resize(last);
  std::string base = within(tensor(op.getX()), Precedence::Primary);
  return {parts.empty() ? base : base + "[" + llvm::join(parts, ", ") + "]"};
}

std::optional<Text> Printer::shapes(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<Text>>(op)
      .Case<ReshapeOp>([&](ReshapeOp o) -> std::optional<Text> {
        Dims from = dimsOf(o.getX()), to = dimsOf(o.getResult());
        auto isWithout = [](Dims many, const Dims &few, size_t axis) {
          many.erase(many.begin() + ptrdiff_t(axis));
          return many == few;
        };
        for (size_t i = 0; to.size() == from.size() + 1 && i < to.size(); ++i)
          if (to[i] == Dim(1) && isWithout(to, from, i))
            return call("unsqueeze", o.getX(), ", " + std::to_string(i));
        for (size_t i = 0; from.size() == to.size() + 1 && i < from.size(); ++i)
          if (from[i] == Dim(1) && isWithout(from, to, i))
            return call("squeeze", o.getX(), ", " + std::to_string(i));
        return call("reshape", o.getX(), ", " + dimList(to));
      })
      .Case<TransposeOp>([&](TransposeOp o) -> std::optional<Text> {
        ArrayRef<int64_t> order = o.getPermutation();
        if (order.size() == 2)
          return call("transpose", o.getX());
        SmallVector<int64_t> moved;
        for (int64_t i : llvm::seq<int64_t>(0, int64_t(order.size())))
          if (order[size_t(i)] != i)
            moved.push_back(i);
        if (moved.size() == 2)
          return call("swapaxes", o.getX(),
                      ", " + std::to_string(moved[0]) + ", " +
                          std::to_string(moved[1]));
        return call("transpose", o.getX(),
                    ", [" +
                        llvm::join(llvm::map_range(order,
                                                   [](int64_t axis) {
                                                     return std::to_string(
                                                         axis);
                                                   }),
                                   ", ") +
                        "]");
      })
      .Case<SliceOp>([&](SliceOp o) { return subscripts(o, {}); })
      .Case<FlipOp>([&](FlipOp o) {
        std::string axes = llvm::join(
            llvm::map_range(o.getAxes(),
                            [](int64_t axis) { return std::to_string(axis); }),
            ", ");
        return call("flip", o.getX(), ", axis = [" + axes + "]");
      })
      .Case<ConcatOp>([&](ConcatOp o) {
        std::string parts;
        for (auto [i, part] : llvm::enumerate(o.getParts()))
          parts += (i ? ", " : "") + arg(part);
        return Text{
            "concat([" + parts + "]" +
            (o.getAxis() ? ", axis = " + std::to_string(o.getAxis()) : "") +
            ")"};
      })
      .Case<PadOp>([&](PadOp o) {
        Text text = tensor(o.getX());
        Dims low = o.getLow().getDims(), high = o.getHigh().getDims();
        std::string value = get(o.getValue()).text;
        for (size_t i = 0; i < low.size(); ++i)
          if (low[i] != Dim(0) || high[i] != Dim(0))
            text = {
                "pad(" + text.text + ", " + dim(low[i]) + ", " + dim(high[i]) +
                ", axis = " + std::to_string(i) +
                (value == "0" || value == "0.0" ? "" : ", value = " + value) +
                ")"};
        return text;
      })
      .Case<IotaOp>([&](IotaOp o) {
        Dims dims = dimsOf(o.getResult());
        size_t axis = size_t(o.getAxis());
        Type element = elementTypeOf(o.getResult());
        Text text{"arange(" + dim(dims[axis]) +
                  (element.isInteger(64)
                       ? ""
                       : ", dtype = " + elementText(element, op)) +
                  ")"};
        Dims alone(dims.size(), Dim(1));
        alone[axis] = dims[axis];
        if (axis + 1 != dims.size())
          text = {"reshape(" + text.text + ", " + dimList(alone) + ")"};
        if (dims.size() > 1 && !(axis + 1 != dims.size() && alone == dims))
          text = {"expand(" + text.text + ", " + dimList(dims) + ")"};
        return text;
      })
      .Default([](Operation *) { return std::optional<Text>(); });
}
