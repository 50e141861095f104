list(APPEND compiler_sources
  cpu/AddKernelEntries.cpp
  cpu/AngleFormulas.cpp
  cpu/ApproximateMath.cpp
  cpu/EntryPoints.cpp
  cpu/ExponentialFormulas.cpp
  cpu/HalfToFloat.cpp
  cpu/Jit.cpp
  cpu/KernelTimes.cpp
  cpu/ObjectCode.cpp
  cpu/PowerFormula.cpp
  cpu/SoftmaxFormula.cpp
  cpu/Target.cpp
)
