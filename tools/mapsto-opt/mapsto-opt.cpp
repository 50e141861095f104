//===- mapsto-opt.cpp - Runs passes over textual IR -----------------------===//
//
// mlir-opt with the mapsto dialect, its passes and its phase pipelines.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/pipeline.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::registerAllPasses();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mapsto::registerMapstoPasses();
  mapsto::registerPipelines();
  mapsto::registerDialects(registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "Mapsto's pass runner: passes over textual IR\n", registry));
}
