//===- Print.cpp - A module as a model file: frame and statements ---------===//

#include "frontends/language/Print.h"
#include "frontends/language/Elaborator.h"
#include "frontends/language/Format.h"
#include "frontends/language/Printer.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringExtras.h"

using namespace mapsto;
using namespace mlir;

/// Expressions up to this length are written where they are used.
static constexpr size_t kLongestPart = 56;

/// Written where they are used, never on their own.
static bool isPartAlways(Operation *op) {
  return isa<ConstantOp, WeightOp, SizeOp, BroadcastOp>(op);
}

void Printer::fail(Operation *op, const Twine &why) {
  std::string text = "`" + op->getName().stripDialect().str() + "`";
  if (auto name = dyn_cast<NameLoc>(op->getLoc()))
    text += " of `" + name.getName().str() + "`";
  text += " cannot be written in the language: " + why.str();
  if (!llvm::is_contained(errors, text))
    errors.push_back(text);
}

//===----------------------------------------------------------------------===//
// The frame
//===----------------------------------------------------------------------===//

std::string Printer::elementText(Type element, Operation *op) {
  for (int i = 0; i < int(ast::TypeName::Int); ++i) {
    auto name = ast::TypeName(i);
    if (Elaborator::elementType(element.getContext(), name) == element)
      return std::string(ast::spelling(name));
  }
  fail(op ? op : main.getOperation(),
       "there is no element type " + Elaborator::describe(element));
  return "f32";
}

std::string Printer::typeText(Type type) {
  return elementText(cast<RankedTensorType>(type).getElementType(), nullptr) +
         dimList(dimsOf(type));
}

static std::string quoted(StringRef text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    result += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return result + "\"";
}

/// A line of documentation.
static std::string docLine(StringRef text) {
  std::string line = "/// ";
  for (char c : text)
    line += c == '\n' || c == '\r' ? ' ' : c;
  return line + "\n";
}

bool mapsto::isMadeUp(StringRef name) {
  return name.starts_with("onnx::") ||
         (!name.empty() && llvm::isDigit(name[0]));
}

/// The weights in the order in which they are used.
SmallVector<WeightOp> Printer::weightsAsUsed() {
  llvm::SetVector<Operation *> weights;
  main.walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (!isa<BroadcastOp, CastOp>(op))
        if (auto weight = unbroadcast(operand).getDefiningOp<WeightOp>())
          weights.insert(weight);
  });
  main.walk([&](WeightOp op) { weights.insert(op); });
  return llvm::map_to_vector(weights,
                             [](Operation *op) { return cast<WeightOp>(op); });
}

void Printer::printParameters() {
  llvm::StringMap<RankedTensorType> types = whole;
  main.walk([&](WeightOp op) {
    if (op.getPanel() || op.getStored() || op.getScales())
      fail(op, "the weight is of a later phase");
    // Rows of a parameter that nothing tells more of: it has all that is read.
    RankedTensorType type = op.getType();
    if (whole.contains(op.getName()))
      return;
    SmallVector<int64_t> shape(type.getShape());
    if (!shape.empty())
      shape[0] += int64_t(op.getRowStart().value_or(0));
    RankedTensorType &all = types[op.getName()];
    if (!all || (!shape.empty() && shape[0] > all.getDimSize(0)))
      all = type.clone(shape);
  });
  llvm::StringMap<std::string> names;
  for (WeightOp op : weightsAsUsed()) {
    RankedTensorType type = types[op.getName()];
    std::string &name = names[op.getName()];
    if (name.empty()) {
      std::string wish = op.getName().str();
      Operation *user = op;
      while (user->hasOneUse() && (user == op || isa<BroadcastOp>(user)))
        user = *user->user_begin();
      auto node = dyn_cast<NameLoc>(user->getLoc());
      if (isMadeUp(wish) && user != op && node)
        wish = node.getName().str() + "_weight";
      name = unique(withoutCommonPath(wish));
      out += "param " + name + ": " + typeText(type);
      if (name != op.getName())
        out += " = " + quoted(op.getName());
      out += "\n";
    }
    texts[op] = {name};
    if (op.getType() == type)
      continue;
    int64_t first = int64_t(op.getRowStart().value_or(0));
    int64_t last = first + op.getType().getDimSize(0);
    texts[op] = {name + "[" + (first ? std::to_string(first) : "") + ":" +
                 (last == type.getDimSize(0) ? "" : std::to_string(last)) +
                 "]"};
  }
}

/// The name that users know an argument or a result by.
static StringAttr givenName(Attribute name, Attribute state) {
  return dyn_cast_or_null<StringAttr>(state ? state : name);
}

/// Lines as a list: on lines of their own where one is a comment.
static std::string asList(StringRef lines) {
  if (lines.contains("//"))
    return "\n" + lines.str();
  SmallVector<StringRef> entries;
  lines.trim().split(entries, ",\n");
  for (StringRef &entry : entries)
    entry.consume_back(",");
  return llvm::join(entries, ", ");
}

void Printer::printMapping() {
  // Inputs and outputs keep their names before anything else takes them.
  Block &body = main.getBody().front();
  auto ret = cast<func::ReturnOp>(body.getTerminator());
  std::string inputs, outputs, states;
  std::map<std::string, std::string> stateNames;
  for (BlockArgument argument : body.getArguments()) {
    unsigned i = argument.getArgNumber();
    Attribute state = main.getArgAttr(i, kStateAttr);
    StringAttr given = givenName(main.getArgAttr(i, kNameAttr), state);
    std::string name = uniqueOutside(given ? given.getValue() : "x");
    texts[argument] = {name};
    std::string text = name + ": " + typeText(argument.getType());
    if (state) {
      stateNames[given.str()] = name;
      states += "state " + text + "\n";
      continue;
    }
    if (auto doc = main.getArgAttrOfType<StringAttr>(i, kDocAttr))
      inputs += docLine(doc.getValue());
    else if (given && given != name)
      inputs += docLine("`" + given.str() + "`");
    inputs += text + ",\n";
  }
  std::string ends;
  std::vector<std::string> assigned, values;
  std::vector<unsigned> written;
  std::vector<std::pair<std::string, Value>> results;
  for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
    Attribute state = main.getResultAttr(unsigned(i), kStateAttr);
    if (state) {
      written.push_back(unsigned(i));
      continue;
    }
    StringAttr given =
        givenName(main.getResultAttr(unsigned(i), kNameAttr), {});
    std::string name = uniqueOutside(given ? given.getValue() : "y");
    if (given && given != name)
      outputs += docLine("`" + given.str() + "`");
    outputs += name + ": " + typeText(value.getType()) + ",\n";
    // What makes it is called so, unless it has a name already.
    if (value.getDefiningOp() && !isPartAlways(value.getDefiningOp()) &&
        !staticText(value) && wanted.try_emplace(value, name).second)
      continue;
    results.push_back({name, value});
  }
  std::string head = std::move(out);
  out.clear();
  printParameters();
  if (!out.empty() || !states.empty())
    out += states + "\n";
  out = head + out;
  // Results have no documentation of their own.
  for (size_t at; (at = outputs.find("/// ")) != std::string::npos;)
    outputs.replace(at, 4, "// ");
  out += "(" + asList(inputs) + ") -> (" + asList(outputs) + ") {\n";
  for (unsigned i : written)
    nameValue(ret.getOperand(i));
  printBlock(body);
  // The name of a state means what it holds then: its value of now is a copy.
  auto now = [&](Value value) {
    auto argument = dyn_cast<BlockArgument>(value);
    if (!argument || !main.getArgAttr(argument.getArgNumber(), kStateAttr))
      return arg(value);
    return "expand(" + arg(value) + ", " + dimList(dimsOf(value)) + ")";
  };
  for (auto &[name, value] : results)
    out += name + " = " + now(value) + "\n";
  // States change at the end, all at once.
  std::string targets, news;
  for (unsigned i : written) {
    auto state = main.getResultAttrOfType<StringAttr>(i, kStateAttr);
    std::string name = stateNames[state.str()];
    if (texts.lookup(ret.getOperand(i)).text == name)
      continue;
    targets += (targets.empty() ? "" : ", ") + name;
    news += (news.empty() ? "" : ", ") + now(ret.getOperand(i));
  }
  if (!targets.empty())
    out += StringRef(targets).contains(',')
               ? "(" + targets + ") = (" + news + ")\n"
               : targets + " = " + news + "\n";
  out += "}\n";
}

std::string Printer::print(StringRef name, StringRef doc, StringRef comment) {
  nameSymbols();
  findCommonPath();
  SmallVector<StringRef> lines;
  comment.split(lines, '\n');
  for (StringRef line : lines)
    if (!comment.empty())
      out += "// " + line.str() + "\n";
  if (!doc.empty()) {
    doc.split(lines, '\n');
    out += "\n";
    SmallVector<StringRef> docLines;
    doc.split(docLines, '\n');
    for (StringRef line : docLines)
      out += docLine(line);
  } else if (!comment.empty()) {
    out += "\n";
  }
  std::string title; // `silero_vad` is SileroVad
  bool begins = true;
  for (char c : name) {
    if (llvm::isAlnum(c))
      title += begins ? llvm::toUpper(c) : c;
    begins = !llvm::isAlnum(c);
  }
  out += "model " + unique(title) + " {\n";
  printMapping();
  out += "}\n";
  return std::move(out);
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

/// How often a value is written; broadcasts are looked through.
unsigned Printer::countUses(Value value, Block *home, bool &elsewhere) {
  unsigned uses = 0;
  for (OpOperand &use : value.getUses()) {
    elsewhere |= use.getOwner()->getBlock() != home;
    if (auto op = dyn_cast<BroadcastOp>(use.getOwner()))
      uses += countUses(op.getResult(), home, elsewhere);
    else
      ++uses;
  }
  return uses;
}

void Printer::statement(ValueRange results, const std::string &value) {
  beginSection(results[0].getDefiningOp());
  std::vector<std::string> names;
  for (Value result : results) {
    bool isUsed = !result.use_empty();
    names.push_back(isUsed ? nameFor(cast<OpResult>(result)) : "_");
    if (isUsed)
      texts[result] = {names.back()};
  }
  std::string target = llvm::join(names, ", ");
  out +=
      (names.size() == 1 ? target : "(" + target + ")") + " = " + value + "\n";
}

/// Gives a value a name if all it has is an expression.
void Printer::nameValue(Value value) {
  if (value.getDefiningOp() && !isPartAlways(value.getDefiningOp()) &&
      !wanted.contains(value))
    wanted[value] =
        unique(value.getDefiningOp()->getName().stripDialect().str());
}

void Printer::printOp(Operation *op) {
  if (isPartAlways(op) || isOpTriviallyDead(op) || isPartOfForm(op))
    return;
  if (op->getNumResults() == 1 && staticText(op->getResult(0)))
    return;
  if (auto attention = dyn_cast<AttentionOp>(op))
    return printAttention(attention);
  if (auto scan = dyn_cast<ScanOp>(op))
    return printScan(scan);
  if (auto repeat = dyn_cast<RepeatOp>(op))
    return printRepeat(repeat);
  if (std::string text = recurrence(op); !text.empty())
    return statement(op->getResults(), text);
  auto text = expression(op);
  if (!text) {
    fail(op, "there is no such function");
    text = Text{"0.0"};
  }
  Value result = op->getResult(0);
  bool elsewhere = false;
  unsigned uses = countUses(result, op->getBlock(), elsewhere);
  if (uses == 1 && !elsewhere && text->text.size() <= kLongestPart &&
      !wanted.contains(result))
    texts[result] = *text;
  else
    statement(result, text->text);
}

void Printer::printBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    printOp(&op);
}

/// Every name before a `(`.
static llvm::StringSet<> callsIn(StringRef text) {
  llvm::StringSet<> names;
  for (size_t at = 0; (at = text.find('(', at)) != StringRef::npos; ++at) {
    size_t begin = at;
    while (begin && (llvm::isAlnum(text[begin - 1]) || text[begin - 1] == '_'))
      --begin;
    names.insert(text.slice(begin, at));
  }
  return names;
}

std::optional<std::string>
mapsto::printLanguage(ModuleOp module, StringRef comment,
                      const llvm::StringMap<RankedTensorType> &whole,
                      std::vector<std::string> &errors) {
  auto main = module.lookupSymbol<func::FuncOp>(kEntryName);
  if (!main || !main.getBody().hasOneBlock()) {
    errors.push_back("the module has no `main`");
    return std::nullopt;
  }
  auto name = module->getAttrOfType<StringAttr>(kModelAttr);
  auto doc = module->getAttrOfType<StringAttr>(kDocAttr);
  auto print = [&](const llvm::StringSet<> *calls) {
    return Printer(main, whole, calls, errors)
        .print(name ? name.getValue() : "Model", doc ? doc.getValue() : "",
               comment);
  };
  // Which functions are called shows when all is written once.
  std::string text = print(nullptr);
  if (!errors.empty())
    return std::nullopt;
  llvm::StringSet<> calls = callsIn(text);
  text = print(&calls);
  SourceManager sources;
  DiagnosticEngine diagnostics;
  auto formatted = format(sources.add("import", text), diagnostics);
  if (!formatted)
    errors.push_back("what was printed is not the language, which is a mistake "
                     "of mapsto's:\n" +
                     diagnostics.render());
  return formatted;
}
