# The house's build rules: one place for flags, the precompiled header and ccache.

find_program(MAPSTO_CCACHE ccache)
if(MAPSTO_CCACHE)
  # A precompiled header is part of the key only through these sloppiness settings (ccache manual, "Precompiled headers").
  set(launcher "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${MAPSTO_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter $<$<COMPILE_LANGUAGE:CXX>:-Wno-c++20-extensions>)
add_compile_options($<$<CONFIG:Release>:-O2> -ffunction-sections -fdata-sections)
set(MAPSTO_SANITIZED OFF) # for generator expressions, which the list above would break
if(MAPSTO_SANITIZE)
  set(MAPSTO_SANITIZED ON)
  add_compile_options(-fsanitize=${MAPSTO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # libMLIR and libLLVM are not sanitized. They do not unpoison what LLVM's bump allocator poisons in our code, nor
  # annotate vectors: tests run with ASAN_OPTIONS=allow_user_poisoning=0:detect_container_overflow=0 (CMakePresets.json).
  # libMLIR.so is built without sanitizers and without matching vtable symbols: `vptr` would report its types.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=vptr>)
  add_link_options(-fsanitize=${MAPSTO_SANITIZE})
endif()

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

# A library that knows nothing of MLIR.
function(mapsto_plain_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}")
endfunction()
