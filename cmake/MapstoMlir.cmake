# The build rules of what is made with MLIR: the precompiled header, libraries and executables.

# The precompiled header of every MLIR unit: 10 s of parsing once instead of per file.
add_library(MapstoPch OBJECT "${CMAKE_CURRENT_SOURCE_DIR}/cmake/Pch.cpp")
target_include_directories(MapstoPch SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
target_compile_options(MapstoPch PRIVATE -fno-exceptions -Xclang -fno-pch-timestamp)
separate_arguments(llvm_definitions NATIVE_COMMAND ${LLVM_DEFINITIONS})
target_compile_definitions(MapstoPch PUBLIC ${llvm_definitions})
target_precompile_headers(MapstoPch PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/cmake/Pch.h")

function(mapsto_use_mlir target)
  target_include_directories(${target} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}")
  target_compile_definitions(${target} PUBLIC ${llvm_definitions})
  target_compile_options(${target} PRIVATE -fno-exceptions -Xclang -fno-pch-timestamp)
  target_precompile_headers(${target} REUSE_FROM MapstoPch)
  # -fPIC in executables too, not -fPIE: the precompiled header is made for it.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_link_libraries(${target} PUBLIC MLIR LLVM)
endfunction()

# A library of compiler code: MLIR headers, precompiled, tablegen'd headers first.
function(mapsto_library name)
  add_library(${name} STATIC ${ARGN})
  mapsto_use_mlir(${name})
  add_dependencies(${name} MapstoDialectIncGen MapstoPassesIncGen)
endfunction()

function(mapsto_executable name)
  add_executable(${name} ${ARGN})
  mapsto_use_mlir(${name})
  add_dependencies(${name} MapstoDialectIncGen MapstoPassesIncGen)
endfunction()
