list(APPEND compiler_sources
  kernel/EmitAttention.cpp
  kernel/EmitIndexed.cpp
  kernel/EmitLoops.cpp
  kernel/EmitMatmul.cpp
  kernel/EmitScan.cpp
  kernel/EmitScanMatmul.cpp
  kernel/IndexArithmetic.cpp
  kernel/KernelEmitter.cpp
  kernel/LowerKernels.cpp
  kernel/MaskBounds.cpp
  kernel/MergeKernels.cpp
  kernel/MovementRules.cpp
  kernel/PointwiseRules.cpp
  kernel/ReductionRules.cpp
  kernel/ScanStages.cpp
)
