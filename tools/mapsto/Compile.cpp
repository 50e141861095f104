#include "compiler/package/Package.h"
#include "compiler/package/TemporaryFile.h"
#include "tools/mapsto/Commands.h"
#include "tools/mapsto/Lower.h"
#include "tools/mapsto/Quantize.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mapsto;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace {

/// The folder of the runtime's archives for a target: of an installed prefix,
/// or of the build tree that `mapsto` was built in.
std::optional<std::string> findRuntime(const Target &target,
                                       const char *program) {
  static int here;
  llvm::SmallString<256> tool(fs::getMainExecutable(program, &here));
  path::remove_filename(tool);
  std::string arch = target.isX86() ? "x86_64" : "aarch64";
  std::vector<std::string> folders;
  if (const char *own = getenv("MAPSTO_RUNTIME"))
    folders.push_back(own);
  folders.push_back((tool + "/../lib/mapsto/" + arch).str());
  Target host;
  std::string error;
  if (findTarget("", "", host, error) && host.isX86() == target.isX86())
    for (std::string folder : {"/../lib", "/../lib64", "/../../runtime"})
      folders.push_back((tool + folder).str());
  folders.push_back((tool + "/../lib/" + arch + "-linux-gnu").str());
  for (const std::string &folder : folders)
    if (fs::exists(folder + "/libmapsto_runtime.a"))
      return folder;
  return std::nullopt;
}

/// What to do where findRuntime finds none.
std::string runtimeHint(const Target &target) {
  std::string hint = "hint: give its folder in MAPSTO_RUNTIME, or make only "
                     "the object with --emit obj";
  if (!target.isX86())
    hint += "; a build of Mapsto makes it where the C library of aarch64 is "
            "installed (on Debian: packages libc6-dev-arm64-cross and "
            "libstdc++-12-dev-arm64-cross)";
  return hint;
}

int writePhase(Model &model, Phase phase, const std::string &output) {
  if (output.empty() || output == "-")
    return printPhase(model, phase, llvm::outs()) ? kDone : kBadInput;
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (!printPhase(model, phase, stream))
    return kBadInput;
  TemporaryFile file(output);
  if (file.ok())
    file.stream() << text;
  return file.ok() && file.keep() ? kDone : fail(file.error());
}

} // namespace

int mapsto::compileCommand(const Arguments &arguments, const char *program) {
  std::string emit = arguments.get("--emit", "exe");
  std::optional<Phase> phase = parsePhase(emit);
  PackageOptions package;
  if (emit == "exe")
    package.kind = PackageKind::Executable;
  else if (emit == "lib")
    package.kind = PackageKind::Library;
  else if (emit == "obj")
    package.kind = PackageKind::Object;
  else if (!phase)
    return fail("--emit needs exe, lib, obj or a phase (graph, optimized, "
                "kernels, loops, llvm, asm, glsl, spirv), not `" +
                emit + "`");
  package.output = arguments.get("-o");
  if (package.output.empty() && !phase)
    return fail("no output given: -o OUT");
  package.isStatic = arguments.has("--static");
  package.separateWeights = arguments.has("--weights-separate");
  if (package.isStatic && (phase || package.kind != PackageKind::Executable))
    return fail("--static is for executables");

  auto model =
      loadModel(arguments, phase ? NeedWeights::No : NeedWeights::Yes, "",
                /*fixDims=*/true);
  if (!model)
    return kBadInput;
  if (phase) {
    int code = writePhase(*model, *phase, package.output);
    if (arguments.has("--time"))
      printTimings(model->timings);
    return code;
  }
  package.optLevel = model->optLevel;
  package.cpu = model->cpu;
  if (package.isStatic && model->vulkan)
    return fail("--static leaves no way to open Vulkan's loader, a shared "
                "library: it is for --target cpu");
  if (package.kind != PackageKind::Object) {
    auto folder = findRuntime(model->target, program);
    if (!folder)
      return fail("there is no runtime library for " + model->target.triple +
                  " beside `mapsto`\n  " + runtimeHint(model->target));
    package.runtimeFolder = *folder;
  }
  // Before the work, whether its result can be written at all.
  if (TemporaryFile probe(package.output); !probe.ok())
    return fail(probe.error());

  auto compiled = compile(*model);
  if (!compiled)
    return kBadInput;
  WeightsSource weights{compiled->weights.size(),
                        [&](llvm::raw_ostream &out, std::string &error) {
                          bool done = compiled->weights.write(out, error);
                          model->releaseWeights();
                          return done;
                        }};
  std::string error;
  std::vector<std::string> written;
  if (!writePackage(*model->module, std::move(compiled->manifest), weights,
                    model->target, package, model->timings, written, error))
    return fail(error);
  if (!model->quantized.empty() || !model->notQuantized.empty())
    llvm::outs() << quantizationReport(*model);
  if (arguments.has("--time"))
    printTimings(model->timings);
  return kDone;
}
