// Compiled code against the interpreter. Each kernel gets the interpreter's own
// inputs, so that the first one that is wrong is named, not the first result
// that shows it; then the whole model is run as an artifact would run it, by
// several numbers of threads. However a grid is cut and whatever threads share
// it, the results are the same to the bit. On a Vulkan device each launch of a
// run gets the interpreter's inputs, then the whole is run. One compilation
// serves all sizes that are tried.
#include "compiler/pipeline.h"
#include "dialect/interpreter/Interpreter.h"
#include "runtime/expr.h"
#include "tools/mapsto/Commands.h"
#include "tools/mapsto/Interpret.h"
#include "tools/mapsto/Lower.h"
#include "tools/mapsto/VerifyCompare.h"
#include "tools/mapsto/VerifyDevice.h"
#include "tools/mapsto/VerifyTrials.h"

#include "llvm/ADT/StringExtras.h"

#include <cstdio>
#include <cstring>

using namespace mapsto;

namespace {

class Verification {
public:
  Verification(Model &model, const Arguments &arguments)
      : model(model), arguments(arguments),
        device(arguments.get("--device", "cpu")) {
    onCpu = device == "cpu" || device == "both";
    if (device == "both")
      device = "vulkan";
    onDevice = device != "cpu";
  }
  ~Verification() { mapsto_artifact_close(artifact); }

  int run() {
    if (!chooseTrials(entryOf(*model.module), arguments, trials))
      return kBadInput;
    graph = mlir::OwningOpRef<mlir::ModuleOp>(model.module->clone());
    kernels = mlir::OwningOpRef<mlir::ModuleOp>(model.module->clone());
    if (failed(lower(*kernels, Phase::Graph, Phase::Kernels, model.target,
                     model.timings)))
      return model.fail();
    compiled = compile(model);
    if (!compiled)
      return kBadInput;
    loaded = loadCode(model, *compiled);
    if (!loaded)
      return kRunFailed;
    blob = serialize(compiled->manifest);
    if (manifest.open(blob.data(), blob.size()))
      return fail("the manifest is damaged", kRunFailed);
    shareEveryKernel();
    if (mapsto_artifact_from_image(&shared, nullptr, &artifact))
      return fail(mapsto_last_error(), kRunFailed);
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
    if (!makeInputs(entryOf(*graph), arguments, sizes, inputs))
      return kBadInput;
    std::string error;
    if (!interpret(*graph, expected, error, nullptr)) {
      if (trials.size() == 1 && !arguments.has("--trials"))
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
    if (onCpu)
      if (int code = checkKernels())
        return code;
    if (onCpu)
      if (int code = checkWhole())
        return code;
    return onDevice ? checkDevice() : int(kDone);
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

  int compareResults(const char *when, const std::vector<Tensor> &got,
                     double length) {
    for (unsigned i = 0; i != got.size(); ++i) {
      Difference d = compare(got[i], expected[i], length);
      worst = std::max(worst, d.worst);
      if (d.at >= 0)
        return fail(std::string(when) + " `" + resultName(i) + "` differs at " +
                        placeText(expected[i], d.at) + ": " +
                        numberText(d.got) + ", and should be " +
                        numberText(d.expected),
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
    for (mlir::Value input : launch.getInputs())
      memory.emplace_back(values.lookup(input));
    for (mlir::Value result : launch.getResults()) {
      const Tensor &tensor = values.find(result)->second;
      memory.emplace_back(
          size_t(tensor.size() * bytesPerElement(tensor.elementType)));
    }
    for (Bytes &bytes : memory)
      pointers.push_back(bytes.data());
    std::string what = describe(kernel);
    mapsto_kernel_context context{};
    Bytes common(size_t(valueOf(kernel.sharedExpr)));
    if (kernel.sharedExpr != runtime::kNone)
      std::fill_n(reinterpret_cast<int64_t *>(common.data()),
                  MAPSTO_SHARED_COUNTERS, 0);
    context.shared = common.data();
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
    overrun |= common.isOverrun();
    for (const Bytes &bytes : memory)
      overrun |= bytes.isOverrun();
    if (overrun)
      return fail(what + " writes past the end of its memory", kRunFailed);
    if (context.error_code)
      return failAt(launch, what + " says an index is out of range, the "
                                   "interpreter does not");
    return compareLaunch(
        launch, index, "compiled",
        llvm::ArrayRef(memory).drop_front(launch.getInputs().size()));
  }

  int failAt(LaunchOp launch, const std::string &text) {
    Span span = spanOf(launch.getLoc(), model.sources);
    if (!span)
      return fail(text, kRunFailed);
    model.diagnostics.error(span, text);
    model.diagnostics.print();
    return kRunFailed;
  }

  /// A launch's results as `who` has them.
  int compareLaunch(LaunchOp launch, uint32_t index, const std::string &who,
                    llvm::ArrayRef<Bytes> results) {
    const runtime::KernelRecord &kernel = manifest.kernels[index];
    int64_t elements = 1;
    for (mlir::Value result : launch.getResults())
      elements = std::max(elements, values.find(result)->second.size());
    double length = double(valueOf(kernel.flopsExpr)) / double(elements);
    for (auto [result, bytes] : llvm::zip(launch.getResults(), results)) {
      const Tensor &want = values.find(result)->second;
      auto got = tensorFromBytes(
          want.elementType, want.shape,
          llvm::ArrayRef<char>(
              bytes.data(), want.size() * bytesPerElement(want.elementType)));
      Difference d = compare(*got, want, length);
      worst = std::max(worst, d.worst);
      if (d.at >= 0)
        return failAt(launch, describe(kernel) + " differs at " +
                                  placeText(want, d.at) + ": " + who + " " +
                                  numberText(d.got) + ", interpreter " +
                                  numberText(d.expected));
    }
    return kDone;
  }

  using Look = llvm::function_ref<int(mapsto_session *)>;

  /// `look` runs the whole model and looks at what came out.
  int runOnCpu(int threads, Look look) {
    mapsto_session *session;
    mapsto_session_create(artifact, &session);
    mapsto_session_set_threads(session, threads);
    int code = look(session);
    mapsto_session_free(session);
    return code;
  }

  int runOnDevice(Look look) {
    mapsto_session *session;
    mapsto_session_create(artifact, &session);
    int code = mapsto_session_set_device(session, device.c_str())
                   ? fail(mapsto_session_error(session), kBadInput)
                   : look(session);
    mapsto_session_free(session);
    return code;
  }

  mapsto_status run(mapsto_session *session) {
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
    return status ? status : mapsto_session_run(session);
  }

  int checkRefused(const std::string &why) {
    auto isRefused = [&](mapsto_session *session) {
      return run(session) ? int(kDone)
                          : fail("the interpreter stops, the compiled model "
                                 "does not: " +
                                     why,
                                 kRunFailed);
    };
    if (onCpu)
      if (int code = runOnCpu(1, isRefused))
        return code;
    return onDevice ? runOnDevice(isRefused) : int(kDone);
  }

  int checkDevice() {
    int code = runOnDevice([&](mapsto_session *session) -> int {
      auto look = [&](LaunchOp launch, uint32_t kernel,
                      llvm::ArrayRef<Bytes> results) {
        return compareLaunch(launch, kernel, device, results);
      };
      DeviceLaunches launches(*session, entryOf(*kernels), values, look);
      mapsto_status status = run(session);
      checked = launches.seen();
      if (status && !launches.code())
        return fail(mapsto_session_error(session), kRunFailed);
      return launches.code();
    });
    return code ? code : runOnDevice([&](mapsto_session *session) {
      std::vector<std::vector<char>> bytes;
      return checkResults(session, run(session), bytes);
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

  int checkWhole(int threads, std::vector<std::vector<char>> &bytes) {
    return runOnCpu(threads, [&](mapsto_session *session) {
      return checkResults(session, run(session), bytes);
    });
  }

  /// `bytes` becomes the results.
  int checkResults(mapsto_session *session, mapsto_status status,
                   std::vector<std::vector<char>> &bytes) {
    if (status)
      return fail(mapsto_session_error(session), kRunFailed);
    mlir::func::FuncOp entry = entryOf(*kernels);
    std::vector<Tensor> got = expected;
    size_t output = 0, state = 0;
    for (unsigned i = 0; i != got.size(); ++i) {
      mapsto_tensor tensor;
      status = entry.getResultAttr(i, kNameAttr)
                   ? mapsto_session_output(session, output++, &tensor)
                   : mapsto_session_read_state(session, state++, &tensor);
      if (status)
        return fail(mapsto_session_error(session), kRunFailed);
      const char *data = static_cast<const char *>(tensor.data);
      bytes.emplace_back(data, data + tensor.bytes);
      auto read = tensorFromBytes(expected[i].elementType, expected[i].shape,
                                  bytes.back());
      if (failed(read))
        return fail("`" + resultName(i) + "` has another shape than expected",
                    kRunFailed);
      got[i] = std::move(*read);
    }
    // Roundings add up over the kernels.
    return compareResults("every kernel is right, but the whole run's", got,
                          512.0 * (1 + manifest.kernels.count));
  }

  Model &model;
  const Arguments &arguments;
  std::string device; ///< besides the CPU, as --device has it
  bool onCpu, onDevice;
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
  mapsto_artifact *artifact = nullptr;
  std::vector<int64_t> symbols;
  unsigned checked = 0, refused = 0;
  double worst = 0;
};

} // namespace

int mapsto::verifyCommand(const Arguments &arguments, const char *) {
  Arguments filled = arguments;
  if (!isOnnx(arguments) && !filled.has("--weights"))
    filled.values["--weights"] = {"random:1"};
  auto model = loadModel(filled, NeedWeights::Yes, "native", false);
  if (isOnnx(arguments)) // they are fixed
    filled.values.erase("--dim");
  return model ? Verification(*model, filled).run() : int(kBadInput);
}
