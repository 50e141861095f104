// Compiled code against the interpreter. Each kernel gets the interpreter's own
// inputs, so that the first one that is wrong is named, not the first result
// that shows it; then the whole model is run as an artifact would run it.
#include "compiler/pipeline.h"
#include "dialect/interpreter/Interpreter.h"
#include "runtime/dtype.h"
#include "runtime/expr.h"
#include "runtime/values.h"
#include "tools/mapsto/Commands.h"
#include "tools/mapsto/Interpret.h"
#include "tools/mapsto/Lower.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>

using namespace mapsto;

namespace {

using Sizes = std::map<std::string, int64_t>;

/// Bytes at an address as aligned as the runtime's.
class Bytes {
public:
  explicit Bytes(size_t size) { (void)memory.ensure(size); }
  explicit Bytes(const Tensor &tensor) {
    std::vector<char> bytes = bytesOf(tensor);
    (void)memory.ensure(bytes.size());
    if (!bytes.empty())
      memcpy(memory.data(), bytes.data(), bytes.size());
  }
  char *data() const { return memory.data(); }

private:
  runtime::Memory memory;
};

/// Rounding of the element type, relative.
double epsilonOf(mlir::Type type) {
  return type.isF16()    ? 0x1p-10
         : type.isBF16() ? 0x1p-7
         : type.isF64()  ? 0x1p-52
                         : 0x1p-23;
}

struct Difference {
  int64_t at = -1;
  double got = 0, expected = 0, worst = 0;
};

/// Compares elements: `length` is how many roundings one may have seen.
Difference compare(const Tensor &got, const Tensor &expected, double length) {
  Difference result;
  double scale = 0;
  for (int64_t i = 0; i != expected.size(); ++i)
    if (std::isfinite(expected.number(i)))
      scale = std::max(scale, std::abs(expected.number(i)));
  double tolerance = expected.isFloat()
                         ? epsilonOf(expected.elementType) * (64 + length) *
                               std::max(scale, 1e-3)
                         : 0;
  for (int64_t i = 0; i != expected.size(); ++i) {
    double x = got.number(i), y = expected.number(i);
    double error = std::isnan(x) && std::isnan(y) ? 0
                   : x == y                       ? 0
                                                  : std::abs(x - y);
    if (!(error <= tolerance) && result.at < 0)
      result = {i, x, y, result.worst};
    result.worst = std::max(result.worst, error);
  }
  return result;
}

class Verification {
public:
  Verification(Model &model, const Arguments &arguments)
      : model(model), arguments(arguments) {}

  int run() {
    if (!chooseSizes() || !makeInputs())
      return kBadInput;
    kernels = mlir::OwningOpRef<mlir::ModuleOp>(model.module->clone());
    std::string error;
    if (!interpret(*model.module, expected, error, nullptr))
      return fail("the interpreter stopped: " + error, kBadInput);
    if (failed(lower(*kernels, Phase::Graph, Phase::Kernels, model.target,
                     model.timings)))
      return model.fail();
    std::vector<Tensor> cut;
    if (!interpret(*kernels, cut, error,
                   [&](mlir::Operation *op, llvm::ArrayRef<Tensor> results) {
                     for (auto [value, tensor] :
                          llvm::zip(op->getResults(), results))
                       values[value] = tensor;
                   }))
      return fail("the interpreter stopped on the kernels: " + error,
                  kRunFailed);
    compiled = compile(model);
    if (!compiled)
      return kRunFailed;
    loaded = loadCode(model, *compiled);
    if (!loaded)
      return kRunFailed;
    blob = serialize(compiled->manifest);
    if (manifest.open(blob.data(), blob.size()))
      return fail("the manifest is damaged", kRunFailed);
    symbols.clear();
    for (const runtime::SymbolRecord &symbol : manifest.symbols)
      symbols.push_back(sizes[manifest.text(symbol.name)]);

    if (int code = compareResults("after fusion, still interpreted,", cut, 64))
      return code;
    if (int code = checkKernels())
      return code;
    return checkWhole();
  }

private:
  mlir::func::FuncOp entryOf(mlir::ModuleOp module) {
    return module.lookupSymbol<mlir::func::FuncOp>(kEntryName);
  }

  /// Sizes nobody gave are small primes: tails everywhere.
  bool chooseSizes() {
    static constexpr int64_t primes[] = {3, 7, 5, 11, 13, 17};
    mlir::func::FuncOp entry = entryOf(*model.module);
    int next = 0;
    for (mlir::Type type : entry.getArgumentTypes())
      for (const Dim &dim : dimsOf(type))
        for (const std::string &name : dim.symbols())
          if (sizes.try_emplace(name, primes[next % 6]).second)
            ++next;
    for (const std::string &text : arguments.all("--dim")) {
      std::string name, value;
      int64_t size;
      if (!splitNamed(text, name, value) ||
          llvm::StringRef(value).getAsInteger(10, size) || size < 0)
        return !fail("--dim needs NAME=SIZE, not `" + text + "`");
      if (!sizes.count(name))
        return !fail("no input has a symbolic size `" + name + "`");
      sizes[name] = size;
    }
    return true;
  }

  std::optional<int64_t> sizeOf(llvm::StringRef name) {
    auto found = sizes.find(name.str());
    return found == sizes.end() ? std::nullopt
                                : std::optional<int64_t>(found->second);
  }

  Shape shapeOf(mlir::Type type) {
    Shape shape;
    for (const Dim &dim : dimsOf(type))
      shape.push_back(
          dim.evaluate([&](llvm::StringRef name) { return sizeOf(name); })
              .value_or(0));
    return shape;
  }

  /// Reads --input NAME=VALUE; its shape settles the sizes it names.
  bool readInput(const std::string &name, const std::string &text,
                 mlir::Type type, Tensor &tensor) {
    auto element = llvm::cast<mlir::RankedTensorType>(type).getElementType();
    runtime::WantedShape wanted;
    Dims dims = dimsOf(type);
    wanted.rank = int(dims.size());
    for (size_t i = 0; i != dims.size(); ++i)
      wanted.dims[i] = dims[i].constant().value_or(
          runtime::needsShape(text.c_str()) ? shapeOf(type)[i]
                                            : runtime::WantedShape::kAny);
    runtime::Value value;
    runtime::String why;
    if (!runtime::readValue(text.c_str(), name.c_str(), dtypeOf(element),
                            wanted, value, why))
      return !fail("input `" + name + "`: " + why.c_str());
    Shape shape(value.shape.dims, value.shape.dims + value.shape.rank);
    for (size_t i = 0; i != dims.size(); ++i)
      if (auto symbol = dims[i].symbolName())
        sizes[*symbol] = shape[i];
    auto read = tensorFromBytes(
        element, shape, llvm::ArrayRef<char>(value.data, value.bytes()));
    if (failed(read))
      return !fail("input `" + name + "` cannot be read");
    tensor = std::move(*read);
    return true;
  }

  bool makeInputs() {
    mlir::func::FuncOp entry = entryOf(*model.module);
    std::map<std::string, std::string> given;
    for (const std::string &text : arguments.all("--input")) {
      std::string name, value;
      if (!splitNamed(text, name, value))
        return !fail("--input needs NAME=VALUE, not `" + text + "`");
      given[name] = value;
    }
    inputs.resize(entry.getNumArguments());
    std::vector<std::string> names;
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
          if (!readInput(text, found->second, type, inputs[i]))
            return false;
          given.erase(found);
          continue;
        }
        inputs[i] =
            Tensor(llvm::cast<mlir::RankedTensorType>(type).getElementType(),
                   shapeOf(type));
        if (name) // a state begins as zeros
          fill(inputs[i], i);
      }
    if (!given.empty())
      return !fail("the model has no input `" + given.begin()->first + "`");
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

  bool interpret(mlir::ModuleOp module, std::vector<Tensor> &results,
                 std::string &error, Interpreter::Observer observer) {
    Interpreter interpreter(interpreterWeights(model));
    interpreter.setObserver(std::move(observer));
    mlir::func::FuncOp entry = entryOf(module);
    for (auto [value, tensor] : llvm::zip(entry.getArguments(), inputs))
      values[value] = tensor;
    auto run = interpreter.run(entry, inputs, error);
    if (failed(run))
      return false;
    results = std::move(*run);
    for (const auto &[name, size] : interpreter.symbols())
      sizes[name] = size;
    return true;
  }

  std::string resultName(unsigned i) {
    mlir::func::FuncOp entry = entryOf(*kernels);
    for (llvm::StringRef key : {kNameAttr, kStateAttr})
      if (auto name = entry.getResultAttrOfType<mlir::StringAttr>(i, key))
        return name.str();
    return std::to_string(i);
  }

  static std::string place(const Tensor &tensor, int64_t at) {
    Shape strides = stridesOf(tensor.shape);
    std::string text = "[";
    for (size_t axis = 0; axis != strides.size(); ++axis) {
      text += (axis ? ", " : "") + std::to_string(at / strides[axis]);
      at %= strides[axis];
    }
    return text + "]";
  }

  static std::string number(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    return text;
  }

  int compareResults(const char *when, const std::vector<Tensor> &got,
                     double length) {
    for (unsigned i = 0; i != got.size(); ++i) {
      Difference d = compare(got[i], expected[i], length);
      worst = std::max(worst, d.worst);
      if (d.at >= 0)
        return fail(std::string(when) + " `" + resultName(i) + "` differs at " +
                        place(expected[i], d.at) + ": " + number(d.got) +
                        ", and should be " + number(d.expected),
                    kRunFailed);
    }
    return kDone;
  }

  int64_t valueOf(uint32_t expr) {
    int64_t value = 0;
    if (expr != runtime::kNone)
      runtime::evaluate(manifest, expr, symbols.data(), value);
    return value;
  }

  int checkKernels() {
    for (LaunchOp launch : entryOf(*kernels).getOps<LaunchOp>()) {
      uint32_t index = 0;
      while (index != manifest.kernels.count &&
             launch.getKernel() !=
                 manifest.text(manifest.kernels[index].symbol))
        ++index;
      if (index == manifest.kernels.count)
        continue;
      if (int code = checkLaunch(launch, index))
        return code;
      ++checked;
    }
    return kDone;
  }

  int checkLaunch(LaunchOp launch, uint32_t index) {
    const runtime::KernelRecord &kernel = manifest.kernels[index];
    std::vector<Bytes> memory;
    std::vector<void *> pointers;
    int64_t elements = 1;
    for (mlir::Value input : launch.getInputs())
      memory.emplace_back(values.lookup(input));
    for (mlir::Value result : launch.getResults()) {
      const Tensor &tensor = values.find(result)->second;
      memory.emplace_back(
          size_t(tensor.size() * bytesPerElement(tensor.elementType)));
      elements = std::max(elements, tensor.size());
    }
    for (Bytes &bytes : memory)
      pointers.push_back(bytes.data());
    Bytes scratch(size_t(valueOf(kernel.scratchExpr)));
    mapsto_kernel_context context{};
    loaded->jit->image().kernels[index](pointers.data(), symbols.data(),
                                        scratch.data(), 0,
                                        valueOf(kernel.gridExpr), &context);
    std::string name = manifest.text(kernel.symbol), fused;
    for (uint32_t id : manifest.list(kernel.ops))
      fused += (fused.empty() ? "" : ", ") +
               std::string(manifest.text(manifest.texts[id]));
    std::string what = "kernel `" + name + "` (" + fused + ")";
    double length = double(valueOf(kernel.flopsExpr)) / double(elements);
    for (auto [i, result] : llvm::enumerate(launch.getResults())) {
      const Tensor &want = values.find(result)->second;
      size_t operand = launch.getInputs().size() + i;
      auto got =
          tensorFromBytes(want.elementType, want.shape,
                          llvm::ArrayRef<char>(
                              memory[operand].data(),
                              want.size() * bytesPerElement(want.elementType)));
      Difference d = compare(*got, want, length);
      worst = std::max(worst, d.worst);
      if (d.at < 0 && context.error_code == 0)
        continue;
      std::string text =
          context.error_code
              ? what +
                    " says an index is out of range, the interpreter does not"
              : what + " differs at " + place(want, d.at) + ": compiled " +
                    number(d.got) + ", interpreter " + number(d.expected);
      Span span = spanOf(launch.getLoc(), model.sources);
      if (!span)
        return fail(text, kRunFailed);
      model.diagnostics.error(span, text);
      model.diagnostics.print();
      return kRunFailed;
    }
    return kDone;
  }

  /// The whole model through the runtime.
  int checkWhole() {
    mapsto_artifact *artifact;
    mapsto_session *session;
    if (mapsto_artifact_from_image(&loaded->jit->image(), nullptr, &artifact))
      return fail(mapsto_last_error(), kRunFailed);
    mapsto_session_create(artifact, &session);
    mapsto_artifact_close(artifact);
    mlir::func::FuncOp entry = entryOf(*kernels);
    std::vector<Bytes> memory;
    size_t next = 0;
    mapsto_status status = MAPSTO_OK;
    for (const runtime::SymbolRecord &symbol : manifest.symbols)
      mapsto_session_set_dim(session, manifest.text(symbol.name),
                             sizes[manifest.text(symbol.name)]);
    for (unsigned i = 0; i != inputs.size() && !status; ++i) {
      if (!entry.getArgAttr(i, kNameAttr))
        continue;
      memory.emplace_back(inputs[i]);
      status = mapsto_session_bind_input(
          session, next++, dtypeOf(inputs[i].elementType),
          inputs[i].shape.data(), int(inputs[i].rank()), memory.back().data());
    }
    if (!status)
      status = mapsto_session_run(session);
    int code = kDone;
    if (status)
      code = fail(mapsto_session_error(session), kRunFailed);
    std::vector<Tensor> got = expected;
    size_t output = 0, state = 0;
    for (unsigned i = 0; i != got.size() && code == kDone; ++i) {
      mapsto_tensor tensor;
      if (entry.getResultAttr(i, kNameAttr))
        mapsto_session_output(session, output++, &tensor);
      else
        mapsto_session_read_state(session, state++, &tensor);
      auto read = tensorFromBytes(
          expected[i].elementType, expected[i].shape,
          llvm::ArrayRef<char>(static_cast<char *>(tensor.data), tensor.bytes));
      if (failed(read))
        return fail("`" + resultName(i) + "` has another shape than expected",
                    kRunFailed);
      got[i] = std::move(*read);
    }
    // Roundings add up over the kernels.
    if (code == kDone)
      code = compareResults("every kernel is right, but the whole run's", got,
                            512.0 * (1 + manifest.kernels.count));
    mapsto_session_free(session);
    if (code != kDone)
      return code;
    std::string at;
    for (const auto &[name, size] : sizes)
      at += " " + name + "=" + std::to_string(size);
    printf("%s: %u kernels and the whole agree with the interpreter (largest "
           "difference %.3g)%s%s\n",
           manifest.text(manifest.header().name), checked, worst,
           at.empty() ? "" : " at", at.c_str());
    return kDone;
  }

  Model &model;
  const Arguments &arguments;
  Sizes sizes;
  std::vector<Tensor> inputs, expected;
  mlir::OwningOpRef<mlir::ModuleOp> kernels;
  llvm::DenseMap<mlir::Value, Tensor> values;
  std::optional<Compiled> compiled;
  std::unique_ptr<Loaded> loaded;
  std::vector<uint8_t> blob;
  runtime::Manifest manifest;
  std::vector<int64_t> symbols;
  unsigned checked = 0;
  double worst = 0;
};

} // namespace

int mapsto::verifyCommand(const Arguments &arguments, const char *) {
  Arguments filled = arguments;
  if (!filled.has("--weights"))
    filled.values["--weights"] = {"random:1"};
  auto model = loadModel(filled, NeedWeights::Yes, "native", false);
  return model ? Verification(*model, arguments).run() : int(kBadInput);
}
