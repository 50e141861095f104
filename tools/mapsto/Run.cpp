#include "runtime/cli.h"
#include "runtime/manifest.h"
#include "runtime/thread_pool.h"
#include "tools/mapsto/Commands.h"
#include "tools/mapsto/Interpret.h"
#include "tools/mapsto/Load.h"
#include "tools/mapsto/Lower.h"
#include "tools/mapsto/MachineLimits.h"
#include "tools/mapsto/TestData.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

using namespace mapsto;

namespace {

/// What the model's own command line gets: a name for itself, and its options.
std::vector<char *> commandLine(std::string &name,
                                std::vector<std::string> &options) {
  std::vector<char *> pointers = {name.data()};
  for (std::string &option : options)
    pointers.push_back(option.data());
  return pointers;
}

/// For `mapsto bench` on the CPU: what this machine can do with the vectors of
/// code that needs these CPU features.
void addLimits(const Arguments &arguments,
               const std::vector<std::string> &features,
               std::vector<std::string> &options) {
  int threads = runtime::availableCores();
  if (arguments.command != "bench" ||
      llvm::StringRef(deviceOf(arguments)).starts_with("vulkan") ||
      (arguments.has("--threads") &&
       (llvm::StringRef(arguments.get("--threads")).getAsInteger(10, threads) ||
        threads < 1)))
    return;
  threads = runtime::clampThreads(threads);
  options.push_back("--limits");
  options.push_back(
      measureLimits(threads, vectorsOf(features), kBrief).option());
}

/// A shared library is opened here; an executable takes over this process.
int runArtifact(const Arguments &arguments, std::string name,
                std::vector<std::string> options) {
  const std::string &file = arguments.files[0];
  auto artifact = openArtifact(file);
  if (!artifact)
    return kBadInput;
  const runtime::Manifest &manifest = artifact->manifest;
  std::vector<std::string> features;
  for (runtime::Text feature : manifest.features)
    features.push_back(manifest.text(feature));
  addLimits(arguments, features, options);
  artifact.reset();
  std::vector<char *> line = commandLine(name, options);
  if (file.size() > 3 && file.compare(file.size() - 3, 3, ".so") == 0) {
    mapsto_artifact *library;
    if (mapsto_artifact_open(file.c_str(), &library))
      return fail(mapsto_last_error());
    int code = mapsto_cli_artifact(library, int(line.size()), line.data());
    mapsto_artifact_close(library);
    return code;
  }
  line.push_back(nullptr);
  std::string path = file.find('/') == std::string::npos ? "./" + file : file;
  execv(path.c_str(), line.data());
  return fail("cannot run `" + file + "`: " + strerror(errno));
}

/// A model ready to run: compiled, or as the interpreter takes it. `run` gets
/// its image.
int withImage(const Arguments &arguments, Model &model,
              llvm::function_ref<int(const mapsto_image &)> run) {
  if (arguments.has("--interpret")) {
    InterpretedModel interpreted(model);
    return run(interpreted.image());
  }
  auto compiled = compile(model);
  if (!compiled)
    return kBadInput;
  auto loaded = loadCode(model, *compiled);
  if (!loaded)
    return kRunFailed;
  if (arguments.has("--time"))
    printTimings(model.timings);
  return run(loaded->jit->image());
}

int runModel(const Arguments &arguments, std::string name,
             std::vector<std::string> options) {
  auto model = loadModel(arguments, NeedWeights::Yes, "native",
                         /*fixDims=*/false);
  if (!model)
    return kBadInput;
  return withImage(arguments, *model, [&](const mapsto_image &image) {
    if (!arguments.has("--interpret"))
      addLimits(arguments, model->target.required, options);
    std::vector<char *> line = commandLine(name, options);
    return mapsto_cli_main(&image, int(line.size()), line.data());
  });
}

/// The sizes of an ONNX model are fixed on import: the model's own command line
/// has none to set.
void dropDims(std::vector<std::string> &options) {
  for (size_t i = 0; i + 1 < options.size();)
    if (options[i] == "--dim")
      options.erase(options.begin() + long(i), options.begin() + long(i) + 2);
    else
      ++i;
}

/// Each set has a model of its own: what its inputs are may decide shapes.
int runTestData(const Arguments &arguments) {
  const std::string &file = arguments.files[0];
  for (const char *option : {"--input", "--output", "--expect", "--state",
                             "--save-state", "--carry", "--bench", "--profile"})
    if (arguments.has(option))
      return fail(std::string(option) +
                  " is not for runs on --test-data, which has all inputs and "
                  "outputs");
  std::string error;
  std::vector<std::string> folders, options = arguments.forwarded;
  dropDims(options);
  OnnxSignature signature;
  if (!findTestSets(arguments.all("--test-data"), folders, error))
    return fail(error);
  if (!readOnnxSignature(file, signature, error))
    return fail("`" + file + "`: " + error);
  int code = kDone;
  for (const std::string &folder : folders) {
    TestSet set = readTestSet(folder, signature);
    auto model = loadModel(arguments, NeedWeights::Yes, "native",
                           /*fixDims=*/true, set.inputs);
    if (!model)
      return kBadInput;
    if (!set.error.empty())
      return fail(set.error);
    if (folders.size() > 1)
      printf("%s\n", folder.c_str());
    code = std::max(
        code, withImage(arguments, *model, [&](const mapsto_image &image) {
          return runTestSet(image, set, *model, options);
        }));
  }
  return code;
}

int runWith(const Arguments &arguments, std::vector<std::string> options) {
  const std::string &file = arguments.files[0];
  if (isOnnx(arguments))
    dropDims(options);
  std::string name = "mapsto " + arguments.command + " " + file;
  if (arguments.has("--test-data")) {
    if (!isOnnx(arguments))
      return fail("--test-data is for .onnx files");
    return runTestData(arguments);
  }
  if (!isArtifact(file))
    return runModel(arguments, name, std::move(options));
  for (const char *option :
       {"--weights", "--quantize", "--arg", "--set", "--length", "--cpu",
        "--model", "-O", "--interpret", "--time"})
    if (arguments.has(option))
      return fail("`" + file + "` is compiled already: " + option +
                  " is for model files");
  return runArtifact(arguments, name, std::move(options));
}

} // namespace

int mapsto::runCommand(const Arguments &arguments, const char *) {
  return runWith(arguments, arguments.forwarded);
}

int mapsto::benchCommand(const Arguments &arguments, const char *) {
  std::vector<std::string> options = arguments.forwarded;
  options.push_back("--bench");
  if (arguments.has("--runs"))
    options.push_back(arguments.get("--runs"));
  return runWith(arguments, options);
}
