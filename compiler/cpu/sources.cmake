list(APPEND compiler_sources
  cpu/EntryPoints.cpp
  cpu/Jit.cpp
  cpu/ObjectCode.cpp
  cpu/Target.cpp
)
