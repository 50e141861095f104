//===- PrintValues.cpp - Sizes, literals and operands as text -------------===//

#include "frontends/language/Printer.h"
#include "frontends/language/TensorBuilder.h"

#include "llvm/ADT/StringExtras.h"

#include <charconv>
#include <cmath>

using namespace mapsto;
using namespace mlir;

//===----------------------------------------------------------------------===//
// Sizes and numbers
//===----------------------------------------------------------------------===//

std::string Printer::dim(const Dim &size) {
  return size
      .substitute([&](StringRef name) -> std::optional<Dim> {
        auto renamed = symbols.find(name.str());
        if (renamed == symbols.end())
          return std::nullopt;
        return Dim::symbol(renamed->second);
      })
      .str();
}

Text Printer::dimText(const Dim &size) {
  Text text{dim(size), Precedence::Add, true};
  if (auto value = size.constant())
    text.binds = *value < 0 ? Precedence::Unary : Precedence::Primary;
  else if (size.getTerms().size() == 1) {
    auto &[monomial, coefficient] = *size.getTerms().begin();
    if (coefficient == 1)
      text.binds =
          monomial.size() == 1 ? Precedence::Primary : Precedence::Multiply;
  }
  return text;
}

std::string Printer::dimList(ArrayRef<Dim> dims) {
  return "[" +
         llvm::join(llvm::map_range(dims, [&](const Dim &d) { return dim(d); }),
                    ", ") +
         "]";
}

/// The shortest text that is read as this number.
template <typename Float> static std::string shortest(Float value) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

static Text floatText(double value, bool isDouble) {
  if (std::isnan(value))
    return {"inf - inf", Precedence::Add, true};
  std::string text = isDouble ? shortest(value) : shortest(float(value));
  // It is read as f64 first.
  if (!isDouble && float(strtod(text.c_str(), nullptr)) != float(value))
    text = shortest(value);
  if (text.find_first_of(".ein") == std::string::npos)
    text += ".0";
  return {text, text[0] == '-' ? Precedence::Unary : Precedence::Primary, true};
}

Text Printer::number(Attribute element) {
  if (auto f = dyn_cast<FloatAttr>(element))
    return floatText(f.getValueAsDouble(), f.getType().isF64());
  auto integer = cast<IntegerAttr>(element);
  if (integer.getType().isInteger(1))
    return {integer.getValue().isZero() ? "false" : "true", Precedence::Primary,
            true};
  if (integer.getType().isUnsignedInteger())
    return {std::to_string(integer.getValue().getZExtValue()),
            Precedence::Primary, true};
  int64_t value = integer.getValue().getSExtValue();
  if (value == INT64_MIN) // its digits alone are no i64
    return {std::to_string(value + 1) + " - 1", Precedence::Add, true};
  return {std::to_string(value),
          value < 0 ? Precedence::Unary : Precedence::Primary, true};
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value mapsto::unbroadcast(Value value) {
  while (auto op = value.getDefiningOp<BroadcastOp>())
    value = op.getX();
  return value;
}

std::optional<Text> Printer::staticText(Value value) {
  value = unbroadcast(value);
  if (auto constant = value.getDefiningOp<ConstantOp>()) {
    auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (dense && dense.isSplat())
      return number(dense.getSplatValue<Attribute>());
    return std::nullopt;
  }
  if (auto cast = value.getDefiningOp<CastOp>();
      cast && !isBool(cast.getType().getElementType()))
    value = cast.getX();
  if (auto size = value.getDefiningOp<SizeOp>())
    return dimText(*Dim::parse(size.getDim()));
  return std::nullopt;
}

/// A literal with axes, as nested lists.
static std::string table(ArrayRef<std::string> elements,
                         ArrayRef<int64_t> shape) {
  if (shape.empty())
    return elements[0];
  size_t each = elements.size() / size_t(shape[0]);
  std::vector<std::string> parts;
  for (int64_t i = 0; i < shape[0]; ++i)
    parts.push_back(
        table(elements.slice(size_t(i) * each, each), shape.drop_front()));
  return "[" + llvm::join(parts, ", ") + "]";
}

std::string Printer::within(const Text &text, Precedence least) {
  return text.binds < least ? "(" + text.text + ")" : text.text;
}

static bool isFraction(StringRef number) {
  number.consume_front("-");
  return number.starts_with("inf") ||
         (llvm::isDigit(number[0]) &&
          number.find_first_of(".e") != number.npos);
}

/// One number, in every place of a shape.
Text Printer::filled(ArrayRef<Dim> dims, Type element, const Text &value) {
  std::string type = elementText(element, nullptr);
  if (dims.empty())
    return {type + "(" + value.text + ")"};
  std::string shape = dimList(dims);
  if (value.text == "0.0" && element.isF32())
    return {"zeros" + shape};
  // Numbers with a fraction are f32 by themselves, and whole ones i64.
  bool isTyped = element.isF32() ? isFraction(value.text)
                                 : element.isInteger(64) || isBool(element);
  return {"full" + shape + "(" +
          (isTyped ? value.text : type + "(" + value.text + ")") + ")"};
}

Text Printer::get(Value value) {
  if (auto found = texts.find(value); found != texts.end())
    return found->second;
  if (auto text = staticText(value); text && dimsOf(value).empty())
    return *text;
  return tensor(value);
}

Text Printer::tensor(Value value) {
  if (auto found = texts.find(value); found != texts.end())
    if (!found->second.isStatic)
      return found->second;
  Dims dims = dimsOf(value);
  if (auto text = staticText(value))
    return filled(dims, elementTypeOf(value), *text);
  if (auto op = value.getDefiningOp<BroadcastOp>()) {
    Value source = unbroadcast(value);
    if (dimsOf(source).empty())
      return {"full" + dimList(dims) + "(" + arg(source) + ")"};
    return {"expand(" + arg(source) + ", " + dimList(dims) + ")"};
  }
  if (auto op = value.getDefiningOp<ConstantOp>()) {
    auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
    if (!dense) {
      fail(op, "a literal of this kind has no text");
      return {"0"};
    }
    if (dense.getNumElements() == 0)
      return filled(dims, elementTypeOf(value), {"0"});
    std::vector<std::string> elements;
    for (Attribute element : dense.getValues<Attribute>()) {
      // Lists are read as f64.
      auto integer = dyn_cast<IntegerAttr>(element);
      if (integer && integer.getValue().getSignificantBits() > 53)
        fail(op, "a table of numbers beyond 2^53 has no text");
      elements.push_back(number(element).text);
    }
    return {elementText(elementTypeOf(value), op) + "(" +
            table(elements, dense.getType().getShape()) + ")"};
  }
  fail(value.getDefiningOp(), "it is used before it has a name");
  return {"0"};
}

SmallVector<Text> Printer::broadcasting(ValueRange operands,
                                        ArrayRef<Dim> dims) {
  struct Operand {
    Text text;
    Dims dims;
    bool isShort;
  };
  SmallVector<Operand> parts;
  for (Value operand : operands) {
    if (auto text = staticText(operand)) {
      parts.push_back({*text, {}, true});
    } else {
      Value source = unbroadcast(operand);
      parts.push_back({tensor(source), dimsOf(source), source != operand});
    }
  }
  auto makesDims = [&] {
    Dims all;
    for (const Operand &part : parts) {
      auto both = broadcastShapes(all, part.dims);
      if (!both)
        return false;
      all = *both;
    }
    return ArrayRef(all) == dims;
  };
  auto allStatic = [&] {
    return llvm::all_of(parts,
                        [](const Operand &p) { return p.text.isStatic; });
  };
  for (auto [part, operand] : llvm::zip(parts, operands)) {
    if (makesDims() && !allStatic())
      break;
    if (!part.isShort)
      continue;
    bool grows = !makesDims();
    Dims full = grows ? dimsOf(operand) : Dims();
    part.text = part.text.isStatic
                    ? filled(full, elementTypeOf(operand), part.text)
                    : tensor(operand);
    part.dims = grows ? dimsOf(operand) : Dims();
    part.isShort = false;
  }
  SmallVector<Text> result;
  for (Operand &part : parts)
    result.push_back(part.text);
  return result;
}
