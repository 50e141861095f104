# The runtime for the other architecture, where its C library's headers are at hand (Debian: libc6-dev-arm64-cross,
# libgcc-12-dev-arm64-cross, libstdc++-12-dev-arm64-cross): `mapsto compile --target-triple` then makes executables for
# it.

set(MAPSTO_AARCH64 OFF)
if(NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64" OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  return()
endif()
set(cross_compiler "${CMAKE_CXX_COMPILER}" --target=aarch64-linux-gnu)
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/probe.cpp" "#include <cstdint>\n#include <stdlib.h>\n")
execute_process(COMMAND ${cross_compiler} -fsyntax-only "${CMAKE_CURRENT_BINARY_DIR}/probe.cpp"
                RESULT_VARIABLE cross_missing OUTPUT_QUIET ERROR_QUIET)
if(cross_missing)
  return()
endif()
set(MAPSTO_AARCH64 ON)

# Where the driver looks for it, seen from its place in the build tree.
set(cross_folder "${PROJECT_BINARY_DIR}/tools/lib/mapsto/aarch64")
file(MAKE_DIRECTORY "${cross_folder}")

function(mapsto_cross_archive output)
  set(objects)
  foreach(source IN LISTS ARGN)
    string(REPLACE "/" "-" name "${source}")
    set(object "${CMAKE_CURRENT_BINARY_DIR}/aarch64/${name}.o")
    add_custom_command(OUTPUT "${object}"
      COMMAND ${cross_compiler} -std=c++20 -Oz -Wno-missing-field-initializers -fPIC ${runtime_options} -mno-outline-atomics -ffunction-sections
              -fdata-sections -DMAPSTO_VERSION="${PROJECT_VERSION}" "-I${PROJECT_SOURCE_DIR}"
              -MD -MF "${object}.d" -c "${CMAKE_CURRENT_SOURCE_DIR}/${source}" -o "${object}"
      DEPENDS "${source}" DEPFILE "${object}.d" VERBATIM)
    list(APPEND objects "${object}")
  endforeach()
  set(archive "${cross_folder}/lib${output}.a")
  add_custom_command(OUTPUT "${archive}"
    COMMAND "${CMAKE_COMMAND}" -E rm -f "${archive}"
    COMMAND "${CMAKE_CXX_COMPILER_AR}" rcs "${archive}" ${objects}
    DEPENDS ${objects} VERBATIM)
  set(cross_archives ${cross_archives} "${archive}" PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/aarch64")
mapsto_cross_archive(mapsto_runtime ${runtime_sources})
mapsto_cross_archive(mapsto_main main.cpp)
mapsto_cross_archive(mapsto_vulkan ${vulkan_sources})
add_custom_target(MapstoRuntimeAarch64 ALL DEPENDS ${cross_archives})
install(FILES ${cross_archives} DESTINATION lib/mapsto/aarch64)
