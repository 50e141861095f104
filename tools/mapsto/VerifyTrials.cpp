#include "tools/mapsto/VerifyTrials.h"

#include "compiler/package/PackedWeights.h"
#include "runtime/dtype.h"
#include "runtime/values.h"

#include <random>
#include <set>

using namespace mapsto;

/// Reads "NAME=SIZE" over one of the inputs' sizes.
static bool readSize(const std::string &text, Sizes &into) {
  std::string name, value;
  int64_t size;
  if (!splitNamed(text, name, value) ||
      llvm::StringRef(value).getAsInteger(10, size) || size < 0)
    return !fail("a size is NAME=SIZE, not `" + text + "`");
  if (!into.count(name))
    return !fail("no input has a symbolic size `" + name + "`");
  into[name] = size;
  return true;
}

bool mapsto::chooseTrials(mlir::func::FuncOp entry, const Arguments &arguments,
                          std::vector<Sizes> &trials) {
  static constexpr int64_t primes[] = {3, 7, 5, 11, 13, 17};
  static constexpr int64_t drawn[] = {0, 1, 2, 3, 5, 7, 8, 16, 17, 31, 61, 130};
  Sizes base;
  int next = 0;
  for (mlir::Type type : entry.getArgumentTypes())
    for (const Dim &dim : dimsOf(type))
      for (const std::string &name : dim.symbols())
        if (base.try_emplace(name, primes[next % 6]).second)
          ++next;
  std::set<std::string> fixed;
  for (const std::string &text : arguments.all("--dim")) {
    if (!readSize(text, base))
      return false;
    fixed.insert(text.substr(0, text.find('=')));
  }
  for (const std::string &list : arguments.all("--sizes")) {
    llvm::SmallVector<llvm::StringRef> settings;
    llvm::StringRef(list).split(settings, ';', -1, false);
    for (llvm::StringRef setting : settings) {
      Sizes &trial = trials.emplace_back(base);
      llvm::SmallVector<llvm::StringRef> parts;
      setting.split(parts, ',', -1, false);
      for (llvm::StringRef part : parts)
        if (!readSize(part.trim().str(), trial))
          return false;
    }
  }
  int count = 0;
  uint64_t seed = 1;
  if (arguments.has("--seed") &&
      llvm::StringRef(arguments.get("--seed")).getAsInteger(10, seed))
    return !fail("--seed needs a whole number");
  if (arguments.has("--trials") &&
      llvm::StringRef(arguments.get("--trials")).getAsInteger(10, count))
    return !fail("--trials needs a whole number");
  std::mt19937_64 random(seed);
  for (int i = 0; i < count; ++i) {
    Sizes &trial = trials.emplace_back(base);
    // The interpreter has to get through it.
    constexpr int64_t kMostElements = 1 << 14;
    int64_t product;
    do {
      product = 1;
      for (auto &[name, size] : trial)
        if (!fixed.count(name)) {
          size = drawn[random() % std::size(drawn)];
          product *= std::max<int64_t>(size, 1);
        }
    } while (product > kMostElements);
  }
  if (trials.empty())
    trials.push_back(base);
  return true;
}

static Shape shapeOf(mlir::Type type, const Sizes &sizes) {
  auto sizeOf = [&](llvm::StringRef name) {
    auto found = sizes.find(name.str());
    return found == sizes.end() ? std::nullopt
                                : std::optional<int64_t>(found->second);
  };
  Shape shape;
  for (const Dim &dim : dimsOf(type))
    shape.push_back(dim.evaluate(sizeOf).value_or(0));
  return shape;
}

/// Reads --input NAME=VALUE; its shape settles the sizes it names.
static bool readInput(const std::string &name, const std::string &text,
                      mlir::Type type, Sizes &sizes, Tensor &tensor) {
  auto element = llvm::cast<mlir::RankedTensorType>(type).getElementType();
  runtime::WantedShape wanted;
  Dims dims = dimsOf(type);
  wanted.rank = int(dims.size());
  for (size_t i = 0; i != dims.size(); ++i)
    wanted.dims[i] = dims[i].constant().value_or(
        runtime::needsShape(text.c_str()) ? shapeOf(type, sizes)[i]
                                          : runtime::WantedShape::kAny);
  runtime::Value value;
  runtime::String why;
  if (!runtime::readValue(text.c_str(), name.c_str(), dtypeOf(element), wanted,
                          value, why))
    return !fail("input `" + name + "`: " + why.c_str());
  Shape shape(value.shape.dims, value.shape.dims + value.shape.rank);
  for (size_t i = 0; i != dims.size(); ++i)
    if (auto symbol = dims[i].symbolName())
      sizes[*symbol] = shape[i];
  auto read = tensorFromBytes(element, shape,
                              llvm::ArrayRef<char>(value.data, value.bytes()));
  if (failed(read))
    return !fail("input `" + name + "` cannot be read");
  tensor = std::move(*read);
  return true;
}

static void fill(Tensor &tensor, uint64_t seed) {
  std::mt19937_64 random(seed + 1);
  for (double &x : tensor.f)
    x = double(random() >> 11) * 0x1p-52 - 1;
  bool boolean = tensor.elementType.isInteger(1);
  for (int64_t &x : tensor.i) // small: an index, a token, a length
    x = boolean ? int64_t(random() & 1) : 1 + int64_t(random() % 3);
  roundElements(tensor);
}

bool mapsto::makeInputs(mlir::func::FuncOp entry, const Arguments &arguments,
                        Sizes &sizes, std::vector<Tensor> &inputs) {
  std::map<std::string, std::string> given;
  for (const std::string &text : arguments.all("--input")) {
    std::string name, value;
    if (!splitNamed(text, name, value))
      return !fail("--input needs NAME=VALUE, not `" + text + "`");
    given[name] = value;
  }
  inputs.resize(entry.getNumArguments());
  // Given ones first: they settle sizes.
  for (bool fromUser : {true, false})
    for (unsigned i = 0; i != entry.getNumArguments(); ++i) {
      auto name = entry.getArgAttrOfType<mlir::StringAttr>(i, kNameAttr);
      std::string text = name ? name.str() : "";
      auto found = given.find(text);
      if ((found != given.end()) != fromUser)
        continue;
      mlir::Type type = entry.getArgumentTypes()[i];
      if (fromUser) {
        if (!readInput(text, found->second, type, sizes, inputs[i]))
          return false;
        given.erase(found);
        continue;
      }
      inputs[i] =
          Tensor(llvm::cast<mlir::RankedTensorType>(type).getElementType(),
                 shapeOf(type, sizes));
      if (name) // a state begins as zeros
        fill(inputs[i], i);
    }
  if (!given.empty())
    return !fail("the model has no input `" + given.begin()->first + "`");
  return true;
}
