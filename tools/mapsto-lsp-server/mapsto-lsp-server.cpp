//===- mapsto-lsp-server.cpp - Editor support for .mlir of our dialect ----===//

#include "dialect/MapstoDialect.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<mapsto::MapstoDialect>();
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
