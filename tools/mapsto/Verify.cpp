// Compiled code against the interpreter. Each kernel gets the interpreter's own
// inputs, so that the first one that is wrong is named, not the first result
// that shows it; then the whole model is run as an artifact would run it, by
// several numbers of threads. However a grid is cut and whatever threads share
// it, the results are the same to the bit. One compilation serves all sizes
// that are tried.
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
#include <set>

using namespace mapsto;

namespace {

using Sizes = std::map<std::string, int64_t>;

/// Bytes at an address as aligned as the runtime's. What nobody wrote shows:
/// it is no number that a kernel gives, nor is what follows the last byte.
class Bytes {
public:
  explicit Bytes(size_t size) : size(size) {
    (void)memory.ensure(size + kGuard);
    memset(memory.data(), kUnwritten, size + kGuard);
  }
  explicit Bytes(const Tensor &tensor) : Bytes(bytesOf(tensor)) {}
  char *data() const { return memory.data(); }
  bool operator==(const Bytes &other) const {
    return size == other.size && memcmp(data(), other.data(), size) == 0;
  }
  /// Whether anything was written past the end.
  bool isOverrun() const {
    for (size_t i = 0; i != kGuard; ++i)
      if (memory.data()[size + i] != char(kUnwritten))
        return true;
    return false;
  }

private:
  static constexpr size_t kGuard = 64;
  static constexpr unsigned char kUnwritten = 0xa5;

  explicit Bytes(const std::vector<char> &bytes) : Bytes(bytes.size()) {
    llvm::copy(bytes, memory.data());
  }

  runtime::Memory memory;
  size_t size;
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
    if (!chooseTrials())
      return kBadInput;
    graph = mlir::OwningOpRef<mlir::ModuleOp>(model.module->clone());
    kernels = mlir::OwningOpRef<mlir::ModuleOp>(model.module->clone());
    if (failed(lower(*kernels, Phase::Graph, Phase::Kernels, model.target,
                     model.timings)))
      return model.fail();
    compiled = compile(model);
    if (!compiled)
      return kRunFailed;
    loaded = loadCode(model, *compiled);
    if (!loaded)
      return kRunFailed;
    blob = serialize(compiled->manifest);
    if (manifest.open(blob.data(), blob.size()))
      return fail("the manifest is damaged", kRunFailed);
    shareEveryKernel();
    for (const Sizes &trial : trials) {
      int code = check(trial);
      if (code != kDone) {
        if (trials.size() > 1)
          fprintf(stderr, "  at%s\n", sizesText().c_str());
        return code;
      }
    }
    printf("%s: %u kernels and the whole agree with the interpreter (largest "
           "difference %.3g)",
           manifest.text(manifest.header().name), checked, worst);
    if (trials.size() > 1)
      printf(" at %zu sizes, %u of them refused by both\n", trials.size(),
             refused);
    else
      printf("%s%s\n", sizes.empty() ? "" : " at", sizesText().c_str());
    return kDone;
  }

private:
  mlir::func::FuncOp entryOf(mlir::ModuleOp module) {
    return module.lookupSymbol<mlir::func::FuncOp>(kEntryName);
  }

  /// Compiled code against the interpreter at these sizes. What the
  /// interpreter refuses, the compiled model has to refuse.
  int check(const Sizes &trial) {
    sizes = trial;
    values.clear();
    checked = 0;
    if (!makeInputs())
      return kBadInput;
    std::string error;
    if (!interpret(*graph, expected, error, nullptr)) {
      if (trials.size() == 1)
        return fail("the interpreter stopped: " + error, kBadInput);
      ++refused;
      settleSymbols();
      return checkRefused(error);
    }
    std::vector<Tensor> cut;
    if (!interpret(*kernels, cut, error,
                   [&](mlir::Operation *op, llvm::ArrayRef<Tensor> results) {
                     for (auto [value, tensor] :
                          llvm::zip(op->getResults(), results))
                       values[value] = tensor;
                   }))
      return fail("the interpreter stopped on the kernels: " + error,
                  kRunFailed);
    settleSymbols();
    if (int code = compareResults("after fusion, still interpreted,", cut, 64))
      return code;
    if (int code = checkKernels())
      return code;
    return checkWhole();
  }

  void settleSymbols() {
    symbols.clear();
    for (const runtime::SymbolRecord &symbol : manifest.symbols)
      symbols.push_back(sizes[manifest.text(symbol.name)]);
  }

  std::vector<int> threadCounts() const {
    if (arguments.has("--threads"))
      return {atoi(arguments.get("--threads").c_str())};
    return {1, 2, 3, 4};
  }

  /// The image that whole runs take: the sizes tried are small, but threads
  /// are to meet in each kernel.
  void shareEveryKernel() {
    ManifestModel model = compiled->manifest;
    uint32_t worthSharing = model.expr(int64_t(1) << 40);
    for (ManifestKernel &kernel : model.kernels)
      kernel.cost = worthSharing;
    sharedBlob = serialize(model);
    shared = loaded->jit->image();
    shared.manifest = sharedBlob.data();
    shared.manifest_size = sharedBlob.size();
  }

  std::string sizesText() const {
    std::string text;
    for (const auto &[name, size] : sizes)
      text += " " + name + "=" + std::to_string(size);
    return text;
  }

  /// Reads "NAME=SIZE" over one of the inputs' sizes.
  bool readSize(const std::string &text, Sizes &into) {
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

  /// Sizes nobody gave are small primes: tails everywhere. --sizes lists
  /// several settings, --trials draws some around the sizes of vectors and
  /// tiles.
  bool chooseTrials() {
    static constexpr int64_t primes[] = {3, 7, 5, 11, 13, 17};
    static constexpr int64_t drawn[] = {0, 1,  2,  3,  5,  7,
                                        8, 16, 17, 31, 61, 130};
    mlir::func::FuncOp entry = entryOf(*model.module);
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
    mlir::func::FuncOp entry = entryOf(*graph);
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
    checked = 0;
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

  std::string describe(const runtime::KernelRecord &kernel) {
    std::string name = manifest.text(kernel.symbol), fused;
    for (uint32_t id : manifest.list(kernel.ops))
      fused += (fused.empty() ? "" : ", ") +
               std::string(manifest.text(manifest.texts[id]));
    return "kernel `" + name + "` (" + fused + ")";
  }

  /// Any split of the grid is legal, and gives the same bits.
  int checkLaunch(LaunchOp launch, uint32_t index) {
    std::vector<Bytes> whole;
    if (int code = checkLaunch(launch, index, 1, whole))
      return code;
    for (int64_t parts : {2, 3, 7}) {
      std::vector<Bytes> cut;
      if (int code = checkLaunch(launch, index, parts, cut))
        return code;
      if (cut != whole)
        return fail(describe(manifest.kernels[index]) +
                        " gives other bits when its grid is cut in " +
                        std::to_string(parts),
                    kRunFailed);
    }
    return kDone;
  }

  /// `memory` becomes what the launch read and wrote.
  int checkLaunch(LaunchOp launch, uint32_t index, int64_t parts,
                  std::vector<Bytes> &memory) {
    const runtime::KernelRecord &kernel = manifest.kernels[index];
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
    std::string what = describe(kernel);
    mapsto_kernel_context context{};
    bool overrun = false;
    int64_t grid = valueOf(kernel.gridExpr);
    int64_t step = std::max<int64_t>(1, (grid + parts - 1) / parts);
    for (int64_t begin = 0; begin < grid; begin += step) {
      Bytes scratch(size_t(valueOf(kernel.scratchExpr)));
      loaded->jit->image().kernels[index](
          pointers.data(), symbols.data(), scratch.data(), begin,
          std::min(begin + step, grid), &context);
      overrun |= scratch.isOverrun();
    }
    for (const Bytes &bytes : memory)
      overrun |= bytes.isOverrun();
    if (overrun)
      return fail(what + " writes past the end of its memory", kRunFailed);
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

  /// The whole model through the runtime; `look` gets the session after a run.
  int runWhole(int threads,
               llvm::function_ref<int(mapsto_session *, mapsto_status)> look) {
    mapsto_artifact *artifact;
    mapsto_session *session;
    if (mapsto_artifact_from_image(&shared, nullptr, &artifact))
      return fail(mapsto_last_error(), kRunFailed);
    mapsto_session_create(artifact, &session);
    mapsto_artifact_close(artifact);
    mapsto_session_set_threads(session, threads);
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
    int code = look(session, status);
    mapsto_session_free(session);
    return code;
  }

  int checkRefused(const std::string &why) {
    return runWhole(1, [&](mapsto_session *, mapsto_status status) {
      return status ? int(kDone)
                    : fail("the interpreter stops, the compiled model does "
                           "not: " +
                               why,
                           kRunFailed);
    });
  }

  int checkWhole() {
    std::vector<std::vector<char>> first;
    for (int threads : threadCounts()) {
      std::vector<std::vector<char>> bytes;
      if (int code = checkWhole(threads, bytes))
        return code;
      if (first.empty())
        first = bytes;
      for (unsigned i = 0; i != bytes.size(); ++i)
        if (bytes[i] != first[i])
          return fail("`" + resultName(i) + "` has other bits with " +
                          std::to_string(threads) + " threads",
                      kRunFailed);
    }
    return kDone;
  }

  /// `bytes` becomes the results.
  int checkWhole(int threads, std::vector<std::vector<char>> &bytes) {
    return runWhole(
        threads, [&](mapsto_session *session, mapsto_status status) -> int {
          if (status)
            return fail(mapsto_session_error(session), kRunFailed);
          mlir::func::FuncOp entry = entryOf(*kernels);
          std::vector<Tensor> got = expected;
          size_t output = 0, state = 0;
          for (unsigned i = 0; i != got.size(); ++i) {
            mapsto_tensor tensor;
            if (entry.getResultAttr(i, kNameAttr))
              mapsto_session_output(session, output++, &tensor);
            else
              mapsto_session_read_state(session, state++, &tensor);
            const char *data = static_cast<const char *>(tensor.data);
            bytes.emplace_back(data, data + tensor.bytes);
            auto read = tensorFromBytes(expected[i].elementType,
                                        expected[i].shape, bytes.back());
            if (failed(read))
              return fail("`" + resultName(i) +
                              "` has another shape than expected",
                          kRunFailed);
            got[i] = std::move(*read);
          }
          // Roundings add up over the kernels.
          return compareResults("every kernel is right, but the whole run's",
                                got, 512.0 * (1 + manifest.kernels.count));
        });
  }

  Model &model;
  const Arguments &arguments;
  Sizes sizes;
  std::vector<Sizes> trials;
  std::vector<Tensor> inputs, expected;
  mlir::OwningOpRef<mlir::ModuleOp> graph, kernels;
  llvm::DenseMap<mlir::Value, Tensor> values;
  std::optional<Compiled> compiled;
  std::unique_ptr<Loaded> loaded;
  std::vector<uint8_t> blob, sharedBlob;
  runtime::Manifest manifest;
  mapsto_image shared{};
  std::vector<int64_t> symbols;
  unsigned checked = 0, refused = 0;
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
