list(APPEND compiler_sources
  cpu/AddKernelEntries.cpp
  cpu/ApproximateMath.cpp
  cpu/EntryPoints.cpp
  cpu/Jit.cpp
  cpu/ObjectCode.cpp
  cpu/SoftmaxFormula.cpp
  cpu/Target.cpp
)
