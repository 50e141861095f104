# The house's build rules: one place for flags and ccache.

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

# A library that knows nothing of MLIR.
function(mapsto_plain_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}")
endfunction()
