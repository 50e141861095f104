//===- Load.h - A model file and its weights --------------------*- C++ -*-===//
//
// What every command begins with: a model file by its extension (.mto, or .mlir
// in phase graph), and the weights file that goes with it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TOOLS_LOAD_H
#define MAPSTO_TOOLS_LOAD_H

#include "compiler/Timings.h"
#include "compiler/cpu/Target.h"
#include "compiler/package/PackedWeights.h"
#include "frontends/language/Diagnostics.h"
#include "runtime/manifest.h"
#include "tools/mapsto/GivenValues.h"
#include "tools/mapsto/Options.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/MemoryBuffer.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mapsto {

/// A matrix that --quantize stores in fewer bits.
struct QuantizedWeight {
  std::string name;
  std::vector<int64_t> shape;
  int64_t bytesPerElement; ///< without --quantize
  StorageLoss loss;
};

/// A model in phase graph, and everything that must live as long.
struct Model {
  Model();

  mlir::MLIRContext context;
  SourceManager sources;
  DiagnosticEngine diagnostics;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The weights; nothing is found in it where the model has none.
  WeightSource weights;
  /// Tells the system that the weights' file will not be read soon again, so
  /// that it need not stay in memory.
  std::function<void()> releaseWeights = [] {};
  /// What --quantize did, in the model's order.
  std::vector<QuantizedWeight> quantized;
  std::vector<std::string> notQuantized; ///< would not be smaller
  /// Inputs of an ONNX model that are not inputs any more: a value that was
  /// given decided a shape.
  std::vector<std::string> fixedInputs;
  std::vector<std::shared_ptr<void>> given; ///< such values
  Target target;
  bool cpu = true;     ///< kernels as functions
  bool vulkan = false; ///< and as shaders
  int optLevel = 2;
  Timings timings;
  /// How it was made, for people: "-O2 --dim T=128".
  std::string options;

  /// Prints what was reported so far. A failed pass is a defect of the
  /// compiler; it gets the place in the model where it happened.
  int fail();
};

/// Where in a model's sources an op was written; nowhere if not known.
Span spanOf(mlir::Location location, const SourceManager &sources);

enum class NeedWeights { Yes, No };

/// Reads `arguments.files[0]` with the options --model, --arg, --set,
/// --length, --weights, -I, --quantize, --cpu, --target-triple, -O, and, with
/// `fixDims`,
/// --dim. On failure null, with the errors printed. Weights are checked against
/// the model: all that are missing or do not fit are listed. `given` are
/// further values of an ONNX model's inputs.
std::unique_ptr<Model> loadModel(const Arguments &arguments, NeedWeights need,
                                 const char *defaultCpu, bool fixDims,
                                 const GivenValues &given = {});

/// Whether the model file is ONNX. Its sizes may decide what its graph is, so
/// --dim fixes them when it is read, for every command.
bool isOnnx(const Arguments &arguments);

/// The device that a command is to use, by --device or, for a run, by
/// MAPSTO_DEVICE; empty where neither says so.
std::string deviceOf(const Arguments &arguments);

/// Whether the file is a compiled model rather than a source.
bool isArtifact(const std::string &path);

/// A compiled model's file, and the manifest in it.
struct ArtifactFile {
  std::unique_ptr<llvm::MemoryBuffer> bytes;
  runtime::Manifest manifest;
};
/// On failure null, with the error printed.
std::unique_ptr<ArtifactFile> openArtifact(const std::string &path);

} // namespace mapsto

#endif // MAPSTO_TOOLS_LOAD_H
