# The runtime.

mapsto_unit_test(runtime_test runtime
  SOURCES runtime_arena_test.cpp runtime_dtype_test.cpp runtime_expr_test.cpp runtime_manifest_test.cpp
          runtime_npy_test.cpp runtime_session_test.cpp runtime_concurrency_test.cpp runtime_team_test.cpp
          runtime_thread_pool_test.cpp runtime_values_test.cpp runtime_model_kernels.c
  LIBRARIES MapstoRuntime)
if(NOT MAPSTO_SANITIZE MATCHES "address") # which would find the driver's leaks
  mapsto_unit_test(runtime_vulkan_test runtime SOURCES runtime_vulkan_test.cpp runtime_vulkan_choice_test.cpp LIBRARIES MapstoVulkan)
endif()

# A model made by hand, as the compiler would emit it: linked into C programs without the C++ library.
add_executable(runtime_model_writer runtime_model_writer.cpp)
target_include_directories(runtime_model_writer PRIVATE "${PROJECT_SOURCE_DIR}")
set(model_image "${CMAKE_CURRENT_BINARY_DIR}/runtime_model_image.c")
add_custom_command(OUTPUT "${model_image}" COMMAND runtime_model_writer "${model_image}"
                   DEPENDS runtime_model_writer VERBATIM)

function(runtime_model_target name)
  target_sources(${name} PRIVATE "${model_image}" runtime_model_kernels.c)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  # As a compiled model is: without sanitizers, and linked by the C compiler.
  target_compile_options(${name} PRIVATE $<$<BOOL:${MAPSTO_SANITIZED}>:-fno-sanitize=all>)
  target_link_options(${name} PRIVATE $<$<BOOL:${MAPSTO_SANITIZED}>:-fno-sanitize=all>)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
endfunction()

add_library(runtime_model MODULE)
runtime_model_target(runtime_model)

# Only libc and libm: -nodefaultlibs makes the linker refuse anything more.
foreach(variant IN ITEMS dynamic static)
  add_executable(runtime_capi_test_${variant} runtime_capi_test.c)
  runtime_model_target(runtime_capi_test_${variant})
  target_link_libraries(runtime_capi_test_${variant} PRIVATE MapstoArtifactRuntime)
endforeach()
target_link_options(runtime_capi_test_dynamic PRIVATE -nodefaultlibs)
target_link_libraries(runtime_capi_test_dynamic PRIVATE m c)
target_link_options(runtime_capi_test_static PRIVATE -static)
target_compile_definitions(runtime_capi_test_static PRIVATE STATIC_TEST)
add_test(NAME runtime_capi.dynamic COMMAND runtime_capi_test_dynamic $<TARGET_FILE:runtime_model>)
add_test(NAME runtime_capi.static COMMAND runtime_capi_test_static)

# The same for the other architecture, where it can be built and run.
find_program(MAPSTO_QEMU_AARCH64 NAMES qemu-aarch64-static qemu-aarch64)
if(MAPSTO_AARCH64 AND MAPSTO_QEMU_AARCH64)
  set(cross_test "${CMAKE_CURRENT_BINARY_DIR}/runtime_capi_test_aarch64")
  add_custom_command(OUTPUT "${cross_test}"
    COMMAND "${CMAKE_C_COMPILER}" --target=aarch64-linux-gnu -fuse-ld=lld -static -O1 -DSTATIC_TEST -Wno-unused-parameter
            "-I${PROJECT_SOURCE_DIR}" "-I${CMAKE_CURRENT_SOURCE_DIR}" runtime_capi_test.c runtime_model_kernels.c
            "${model_image}" "${PROJECT_BINARY_DIR}/tools/lib/mapsto/aarch64/libmapsto_runtime.a" -lm -o "${cross_test}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    DEPENDS MapstoRuntimeAarch64 runtime_capi_test.c runtime_model_kernels.c "${model_image}" VERBATIM)
  add_custom_target(runtime_capi_test_aarch64_program ALL DEPENDS "${cross_test}")
  # Targets that share a generated file must not make it at the same time.
  add_dependencies(runtime_capi_test_aarch64_program runtime_model)
  add_test(NAME runtime_capi.aarch64 COMMAND "${MAPSTO_QEMU_AARCH64}" "${cross_test}")
  set_tests_properties(runtime_capi.aarch64 PROPERTIES LABELS runtime)
endif()

# The command line of a compiled model.
add_executable(runtime_model_executable)
runtime_model_target(runtime_model_executable)
target_link_libraries(runtime_model_executable PRIVATE MapstoRuntimeMain)
target_link_options(runtime_model_executable PRIVATE -nodefaultlibs)
target_link_libraries(runtime_model_executable PRIVATE m c)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME runtime_cli COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/runtime_cli_test.py"
                                  $<TARGET_FILE:runtime_model_executable>)
set_tests_properties(runtime_capi.dynamic runtime_capi.static runtime_cli PROPERTIES LABELS runtime)
