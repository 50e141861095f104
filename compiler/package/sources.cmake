list(APPEND compiler_sources
  package/BuildManifest.cpp
  package/CHeader.cpp
  package/Link.cpp
  package/Package.cpp
  package/PackedWeights.cpp
  package/StoredPhase.cpp
  package/StoredWeights.cpp
  package/TemporaryFile.cpp
  package/WeightsObject.cpp
)

# The linker as a library (Debian: liblld-22-dev, zlib1g-dev, libzstd-dev); the rest of it is in libLLVM.
foreach(library lldELF lldCommon z zstd)
  find_library(MAPSTO_${library} ${library} HINTS ${LLVM_LIBRARY_DIRS} REQUIRED)
  list(APPEND compiler_libraries "${MAPSTO_${library}}")
endforeach()
