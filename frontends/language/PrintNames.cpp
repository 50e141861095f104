//===- PrintNames.cpp - Identifiers for what is printed -------------------===//

#include "frontends/language/Builtins.h"
#include "frontends/language/Lexer.h"
#include "frontends/language/Printer.h"

#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringExtras.h"

using namespace mapsto;
using namespace mlir;

/// Longer names lose what stands first: where an op is says the comment above.
static constexpr size_t kLongestName = 40;

/// Functions of the prelude that are printed, and words with a meaning.
static bool isReserved(StringRef name) {
  static const StringRef words[] = {
      "relu",   "attend",  "scan",  "repeat", "zeros",    "ones",
      "full",   "model",   "param", "state",  "fn",       "train",
      "import", "let",     "const", "given",  "score",    "modify",
      "mask",   "softmax", "hard",  "_",      "sparsemax"};
  return !isIdentifier(name.str()) || findBuiltin(name) ||
         ast::parseTypeName(name.str()) || llvm::is_contained(words, name);
}

/// Letters, digits and single `_`.
static std::string spell(StringRef text) {
  std::string name;
  for (char c : text)
    if (llvm::isAlnum(c))
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  while (StringRef(name).ends_with("_"))
    name.pop_back();
  return name;
}

std::string Printer::unique(StringRef wish) {
  std::string name = spell(wish);
  if (name.empty() || llvm::isDigit(name[0]))
    name = "x" + name;
  std::string result = name;
  for (int i = 1; isReserved(result) || taken.contains(result); ++i)
    result = name + "_" + std::to_string(i);
  taken.insert(result);
  return result;
}

std::string Printer::uniqueOutside(StringRef wish) {
  // A variable may have a function's name where that is not called.
  bool isFree = calls && !calls->contains(wish) && findBuiltin(wish) &&
                !taken.contains(wish);
  if (!isFree)
    return unique(wish);
  taken.insert(wish);
  return wish.str();
}

/// Names of sizes stay as they are where the language can spell them.
void Printer::nameSymbols() {
  std::set<std::string> used;
  auto note = [&](ArrayRef<Dim> dims) {
    for (const Dim &dim : dims)
      for (const std::string &name : dim.symbols())
        used.insert(name);
  };
  auto noteTypes = [&](TypeRange types) {
    for (Type type : types)
      if (hasSizes(type))
        note(dimsOf(type));
  };
  noteTypes(main.getArgumentTypes());
  main.walk([&](Operation *op) {
    noteTypes(op->getResultTypes());
    StringRef count;
    if (auto size = dyn_cast<SizeOp>(op))
      count = size.getDim();
    else if (auto scan = dyn_cast<ScanOp>(op))
      count = scan.getCount();
    else if (auto repeat = dyn_cast<RepeatOp>(op))
      count = repeat.getCount();
    if (auto parsed = Dim::parse(count); succeeded(parsed))
      note({*parsed});
    for (NamedAttribute attr : op->getAttrs())
      if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
        note(dims.getDims());
  });
  for (const std::string &name : used)
    if (!isReserved(name))
      taken.insert(name);
  for (const std::string &name : used)
    if (isReserved(name))
      symbols[name] = unique(name);
}

/// The name of the ONNX node, or of the layer, that an op comes from.
static StringAttr nodeOf(Location loc, bool &isLayer) {
  StringAttr name;
  loc->walk([&](Location at) {
    auto named = dyn_cast<NameLoc>(at);
    if (!named)
      return WalkResult::advance();
    name = named.getName();
    isLayer = !isa<UnknownLoc>(named.getChildLoc());
    return WalkResult::interrupt();
  });
  return name;
}

/// Whether a path may be cut before `at`: at `/` and `.`, and after `__`, as
/// exporters write a graph that they inlined.
static bool isBetweenParts(StringRef path, size_t at) {
  auto parts = [](char c) { return c == '/' || c == '.'; };
  return at < path.size() && (parts(path[at]) || (at && parts(path[at - 1])) ||
                              path.take_front(at).ends_with("__"));
}

/// What the paths of all nodes and weights begin with says nothing.
void Printer::findCommonPath() {
  std::set<std::string> paths;
  main.walk([&](Operation *op) {
    bool isLayer = false;
    if (auto weight = dyn_cast<WeightOp>(op)) {
      if (!isMadeUp(weight.getName()))
        paths.insert(weight.getName().ltrim('/').str());
    } else if (StringAttr node = nodeOf(op->getLoc(), isLayer);
               node && op->getNumResults()) {
      paths.insert(node.getValue().ltrim('/').str());
    }
  });
  if (paths.size() < 2)
    return;
  // In order: what the first and the last share, all do.
  StringRef first = *paths.begin(), last = *paths.rbegin();
  size_t shared = 0;
  while (shared < first.size() && shared < last.size() &&
         first[shared] == last[shared])
    ++shared;
  while (shared && !llvm::all_of(paths, [&](StringRef path) {
           return isBetweenParts(path, shared);
         }))
    --shared;
  commonPath = first.take_front(shared).str();
}

StringRef Printer::withoutCommonPath(StringRef path) {
  path = path.ltrim('/');
  path.consume_front(commonPath);
  return path.ltrim("/.");
}

std::string Printer::nameFor(OpResult result) {
  if (auto found = wanted.find(result); found != wanted.end()) {
    std::string name = found->second;
    wanted.erase(found);
    return name;
  }
  Operation *op = result.getOwner();
  std::string kind = op->getName().stripDialect().str();
  bool isLayer = false;
  StringAttr node = nodeOf(op->getLoc(), isLayer);
  if (!node || isa<ScanOp, RepeatOp>(op))
    return unique(kind);
  StringRef path = withoutCommonPath(node.getValue());
  path.consume_back("_output_0");
  std::string head = path.str(), last;
  if (size_t slash = head.rfind('/'); slash != std::string::npos) {
    last = head.substr(slash + 1);
    head.resize(slash);
  } else if (!isLayer) {
    std::swap(last, head);
  }
  if (isLayer && !StringRef(head + last).ends_with(kind))
    last += "_" + kind; // `lstm` of a layer `lstm` needs no second name
  std::string name = spell(head + "_" + StringRef(last).lower());
  while (name.size() > kLongestName && StringRef(name).contains('_'))
    name = name.substr(name.find('_') + 1);
  if (result.getResultNumber() > 0)
    name += "_" + std::to_string(result.getResultNumber());
  return unique(name);
}

/// Names that a region reads from around it.
llvm::StringSet<> Printer::capturedNames(Region &region) {
  llvm::StringSet<> names;
  SetVector<Value> values;
  getUsedValuesDefinedAbove(region, values);
  for (Value value : values)
    if (auto found = texts.find(unbroadcast(value)); found != texts.end())
      names.insert(found->second.text);
  return names;
}

/// A name of the region's own: it may hide one around it that the region does
/// not read.
std::string Printer::nameOfArgument(BlockArgument argument, StringRef wish,
                                    const llvm::StringSet<> &captured) {
  bool isSymbol = llvm::any_of(
      symbols, [&](auto &s) { return StringRef(s.second) == wish; });
  main.walk([&](SizeOp op) { isSymbol |= op.getDim() == wish; });
  std::string name = wish.str();
  if (captured.contains(wish) || isSymbol || isReserved(wish))
    name = unique(wish);
  texts[argument] = {name};
  return name;
}

/// A comment where another part of the model begins.
void Printer::beginSection(Operation *op) {
  if (op->getParentOp() != main)
    return;
  bool isLayer = false;
  StringAttr node = nodeOf(op->getLoc(), isLayer);
  if (!node)
    return;
  StringRef path = withoutCommonPath(node.getValue());
  std::string part = isLayer ? path.str() : path.rsplit('/').first.str();
  if (!isLayer && !path.contains('/'))
    part.clear();
  if (part == section)
    return;
  section = part;
  if (part.empty() || part.find('\n') != std::string::npos)
    return;
  out += "\n// " + part + "\n";
}
