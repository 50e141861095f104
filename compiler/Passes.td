//===- Passes.td - Every pass, by phase -----------------------------------===//

#ifndef MAPSTO_COMPILER_PASSES
#define MAPSTO_COMPILER_PASSES

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// Within graph
//===----------------------------------------------------------------------===//

def QuantizeWeights : Pass<"mapsto-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "Say of each matrix that a product or a lookup reads that it is stored in fewer bits";
  let options = [
    Option<"format", "format", "std::string", "\"int8\"", "f16, bf16 or int8">
  ];
}

//===----------------------------------------------------------------------===//
// graph -> optimized
//===----------------------------------------------------------------------===//

def NoteSizeChecks : Pass<"mapsto-note-size-checks", "::mlir::ModuleOp"> {
  let summary = "Note what the sizes of a run must satisfy for no kernel to read outside its operands";
}

def RaiseSoftmax : Pass<"mapsto-raise-softmax", "::mlir::ModuleOp"> {
  let summary = "Find softmax that was taken apart into a maximum, an exp, a sum and a division";
}

def RaiseAttention : Pass<"mapsto-raise-attention", "::mlir::ModuleOp"> {
  let summary = "Find attention that was taken apart into products, a mask and a softmax";
}

def RaiseRecurrences : Pass<"mapsto-raise-recurrences", "::mlir::ModuleOp"> {
  let summary = "Find recurrences whose steps were written one after the other";
}

def ExpandRecurrences : Pass<"mapsto-expand-recurrences", "::mlir::ModuleOp"> {
  let summary = "Write rnn, lstm and gru as one matmul for the whole sequence's input projection and a scan";
}

def HoistFromScan : Pass<"mapsto-hoist-from-scan", "::mlir::ModuleOp"> {
  let summary = "Compute what a recurrence needs of its input alone once for the whole sequence, before the time loop";
}

def HoistFromAttention : Pass<"mapsto-hoist-from-attention", "::mlir::ModuleOp"> {
  let summary = "Compute what a score needs of the key alone, or of the query alone, once per key or query";
}

//===----------------------------------------------------------------------===//
// optimized -> kernels
//===----------------------------------------------------------------------===//

def ExpandConvolutions : Pass<"mapsto-expand-convolutions", "::mlir::ModuleOp"> {
  let summary = "Write convolutions as products of their windows with the weight";
}

def ExpandSoftmax : Pass<"mapsto-expand-softmax", "::mlir::ModuleOp"> {
  let summary = "Write softmax as the reductions and pointwise steps that a row kernel fuses";
}

def WidenWeights : Pass<"mapsto-widen-weights", "::mlir::ModuleOp"> {
  let summary = "Read weights as they are stored, and widen and scale them where they are used";
}

def PackWeights : Pass<"mapsto-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Lay constant matmul operands out in the panels that a matmul kernel reads";
  let options = [
    Option<"panel", "panel", "int64_t", "16", "Columns of a panel: the width of a register tile">
  ];
}

def FormKernels : Pass<"mapsto-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Cut the graph into fused kernels and a schedule of launches";
}

def PlaceSideBySide : Pass<"mapsto-place-side-by-side", "::mlir::ModuleOp"> {
  let summary = "Put recurrences that do not need each other next to each other in the schedule, to run at once";
}

def AnnotateCosts : Pass<"mapsto-annotate-costs", "::mlir::ModuleOp"> {
  let summary = "Note each kernel's floating-point operations and bytes, as expressions of the sizes";
}

//===----------------------------------------------------------------------===//
// kernels -> loops -> llvm
//===----------------------------------------------------------------------===//

def LowerToShaders : Pass<"mapsto-lower-to-shaders", "::mlir::ModuleOp"> {
  let summary = "Write each kernel as what every invocation of a compute shader does";
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"
  ];
}

def OutlineMath : Pass<"mapsto-outline-math", "::mlir::ModuleOp"> {
  let summary = "Make functions of the shader of what GLSL is not precise enough at";
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::math::MathDialect"
  ];
}

def LowerKernels : Pass<"mapsto-lower-kernels", "::mlir::ModuleOp"> {
  let summary = "Write each kernel as tiled loops on vectors and one-dimensional buffers";
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
    "::mlir::LLVM::LLVMDialect"
  ];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", "256", "Width of the target's vector registers">,
    Option<"registers", "registers", "int64_t", "16", "Number of the target's vector registers">,
    Option<"l1Bytes", "l1-bytes", "int64_t", "32768", "First-level data cache of a core">,
    Option<"l2Bytes", "l2-bytes", "int64_t", "524288", "Second-level cache of a core">,
    Option<"streamedBytes", "streamed-bytes", "int64_t", "0",
           "Results of this many bytes or more are written past the caches; 0 for none">
  ];
}

def MergeKernels : Pass<"mapsto-merge-kernels", "::mlir::ModuleOp"> {
  let summary = "Keep one of kernels that are equal: a deep model has the same ones layer after layer";
}

def ApproximateMath : Pass<"mapsto-approximate-math", "::mlir::ModuleOp"> {
  let summary = "Evaluate exp, tanh, erf and their like by polynomials at full vector width";
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
}

def AddKernelEntries : Pass<"mapsto-add-kernel-entries", "::mlir::ModuleOp"> {
  let summary = "Give each kernel the entry point that the runtime calls: buffers, sizes, scratch and a range of the grid";
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // MAPSTO_COMPILER_PASSES
