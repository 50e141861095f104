//===- Package.h - A compiled model as files --------------------*- C++ -*-===//
//
// The last step of `mapsto compile`: an executable, a library with its C
// header, or one object. Files appear under their names complete or not at all;
// nothing else is left behind.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PACKAGE_PACKAGE_H
#define MAPSTO_COMPILER_PACKAGE_PACKAGE_H

#include "compiler/Timings.h"
#include "compiler/cpu/Target.h"
#include "runtime/manifest_writer.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

#include <functional>
#include <string>
#include <vector>

namespace mapsto {

enum class PackageKind { Executable, Library, Object };

struct PackageOptions {
  PackageKind kind = PackageKind::Executable;
  /// A library is shared, or with the extension `.a` an archive.
  std::string output;
  int optLevel = 2;
  bool isStatic = false;
  /// Leaves the weights in OUTPUT.weights, which the runtime maps at start.
  bool separateWeights = false;
  /// Without: shaders alone.
  bool cpu = true;
  /// The folder of libmapsto_runtime.a, libmapsto_main.a and libmapsto_vulkan.a
  /// for the target; not needed for an object.
  std::string runtimeFolder;
};

/// The packed weights: how many bytes, and a function that streams them.
struct WeightsSource {
  uint64_t size = 0;
  std::function<bool(llvm::raw_ostream &, std::string &error)> write;
};

/// Writes the package of a module in phase `llvm`. On success `written` names
/// the files, the first being `options.output`. On failure false, with one or
/// two lines in `error`.
bool writePackage(mlir::ModuleOp module, ManifestModel manifest,
                  const WeightsSource &weights, const Target &target,
                  const PackageOptions &options, Timings &timings,
                  std::vector<std::string> &written, std::string &error);

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_PACKAGE_H
