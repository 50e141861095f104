#include "compiler/pipeline.h"
#include "compiler/Passes.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mapsto;

static constexpr llvm::StringLiteral kPhaseNames[] = {
    "graph", "optimized", "kernels", "loops", "llvm", "asm", "glsl", "spirv"};

llvm::StringRef mapsto::phaseName(Phase phase) {
  return kPhaseNames[int(phase)];
}

std::optional<Phase> mapsto::parsePhase(llvm::StringRef name) {
  for (int i = 0; i != int(std::size(kPhaseNames)); ++i)
    if (kPhaseNames[i] == name)
      return Phase(i);
  return std::nullopt;
}

void mapsto::addOptimizePasses(OpPassManager &pm) {
  pm.addPass(createNoteSizeChecks());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  // What an exporter took apart.
  pm.addPass(createRaiseSoftmax());
  pm.addPass(createRaiseAttention());
  pm.addPass(createExpandRecurrences());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createRaiseRecurrences());
  pm.addPass(createCanonicalizerPass());
  // From the inside out: an attention's projections of its keys leave the
  // score, and then, in a decoder, the time loop around it.
  pm.addPass(createHoistFromAttention());
  pm.addPass(createHoistFromScan());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void mapsto::addKernelPasses(OpPassManager &pm, const Target &target) {
  pm.addPass(createExpandConvolutions());
  pm.addPass(createExpandSoftmax());
  pm.addPass(createWidenWeights());
  // Two registers of f32 wide: six rows of them are a matmul's register tile.
  PackWeightsOptions packing;
  packing.panel = 2 * target.vectorBits / 32;
  pm.addPass(createPackWeights(packing));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createFormKernels());
  pm.addPass(createPlaceSideBySide());
  pm.addPass(createAnnotateCosts());
}

void mapsto::addLoopPasses(OpPassManager &pm, const Target &target) {
  LowerKernelsOptions lowering;
  lowering.vectorBits = target.vectorBits;
  lowering.registers = target.registers;
  lowering.l1Bytes = target.l1Bytes;
  lowering.l2Bytes = target.l2Bytes;
  // Streaming stores are x86's: elsewhere caches find out by themselves.
  lowering.streamedBytes = target.isX86() ? target.l3Bytes : 0;
  pm.addPass(createLowerKernels(lowering));
  pm.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  pm.addNestedPass<func::FuncOp>(createCSEPass());
}

void mapsto::addLlvmPasses(OpPassManager &pm) {
  pm.addPass(createMergeKernels());
  pm.addPass(createApproximateMath());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  // Structured loops and vectors down to branches and one-dimensional vectors.
  pm.addPass(createConvertVectorToSCFPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  // What remains of bf16 is computed in f32, and narrowed by shifts.
  arith::ArithEmulateUnsupportedFloatsOptions bf16;
  bf16.sourceTypeStrs = {"bf16"};
  bf16.targetTypeStr = "f32";
  pm.addPass(arith::createArithEmulateUnsupportedFloats(bf16));
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  pm.addPass(arith::createArithExpandOpsPass(expand));
  // To the LLVM dialect, one dialect after the other; math first, as a call of
  // libm takes a vector apart. A sum may be taken in any order; nothing else
  // about floats is relaxed here.
  pm.addNestedPass<func::FuncOp>(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  ConvertVectorToLLVMPassOptions vectors;
  vectors.reassociateFPReductions = true;
  pm.addPass(createConvertVectorToLLVMPass(vectors));
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createAddKernelEntries());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void mapsto::addShaderPasses(OpPassManager &pm) {
  pm.addPass(createLowerToShaders());
  pm.addPass(createOutlineMath());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void mapsto::registerDialects(DialectRegistry &registry) {
  registry.insert<MapstoDialect, affine::AffineDialect, arith::ArithDialect,
                  cf::ControlFlowDialect, func::FuncDialect, gpu::GPUDialect,
                  index::IndexDialect, LLVM::LLVMDialect, math::MathDialect,
                  memref::MemRefDialect, scf::SCFDialect, ub::UBDialect,
                  vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

LogicalResult mapsto::lower(ModuleOp module, Phase from, Phase to,
                            const Target &target, Timings &timings) {
  auto step = [&](Phase phase, auto &&addPasses) -> LogicalResult {
    if (from >= phase || to < phase)
      return success();
    return timings.measure(phaseName(phase).data(), [&] {
      PassManager pm(module.getContext());
#ifdef NDEBUG
      // Our passes make valid modules; each phase's result is checked once.
      pm.enableVerifier(false);
#endif
      addPasses(pm);
      if (failed(pm.run(module)))
        return failure();
      return LogicalResult(mlir::verify(module.getOperation()));
    });
  };
  if (failed(step(Phase::Optimized, addOptimizePasses)) ||
      failed(step(Phase::Kernels,
                  [&](OpPassManager &pm) { addKernelPasses(pm, target); })) ||
      failed(step(Phase::Loops,
                  [&](OpPassManager &pm) { addLoopPasses(pm, target); })))
    return failure();
  if (to < Phase::Llvm)
    return success();
  if (auto main = module.lookupSymbol<func::FuncOp>(kEntryName))
    main.erase();
  return step(Phase::Llvm, addLlvmPasses);
}

void mapsto::registerPipelines() {
  static Target target = [] {
    Target host;
    std::string error;
    findTarget("native", "", host, error);
    return host;
  }();
  PassPipelineRegistration<>("mapsto-to-optimized",
                             "graph -> optimized, as the compiler does it",
                             addOptimizePasses);
  PassPipelineRegistration<>(
      "mapsto-to-kernels", "optimized -> kernels, as the compiler does it",
      [](OpPassManager &pm) { addKernelPasses(pm, target); });
  PassPipelineRegistration<>(
      "mapsto-to-loops", "kernels -> loops, as the compiler does it",
      [](OpPassManager &pm) { addLoopPasses(pm, target); });
  PassPipelineRegistration<>("mapsto-to-llvm",
                             "loops (without @main) -> llvm, as the compiler "
                             "does it",
                             addLlvmPasses);
}
