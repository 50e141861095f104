# cmake -DCLANG_FORMAT=... -DSOURCE_DIR=... -P CheckFormat.cmake: fails if a
# source is not laid out as .clang-format says, naming each.
file(GLOB_RECURSE sources
  "${SOURCE_DIR}/compiler/*.cpp" "${SOURCE_DIR}/compiler/*.h"
  "${SOURCE_DIR}/dialect/*.cpp" "${SOURCE_DIR}/dialect/*.h"
  "${SOURCE_DIR}/frontends/*.cpp" "${SOURCE_DIR}/frontends/*.h"
  "${SOURCE_DIR}/runtime/*.cpp" "${SOURCE_DIR}/runtime/*.h"
  "${SOURCE_DIR}/tests/*.cpp" "${SOURCE_DIR}/tests/*.h" "${SOURCE_DIR}/tests/*.c"
  "${SOURCE_DIR}/tools/*.cpp" "${SOURCE_DIR}/tools/*.h")
execute_process(COMMAND "${CLANG_FORMAT}" --dry-run -Werror ${sources}
                RESULT_VARIABLE result ERROR_VARIABLE differences)
if(NOT result EQUAL 0)
  string(REGEX MATCHALL "[^\n]*\\[-Wclang-format-violations\\]" lines "${differences}")
  list(JOIN lines "\n" lines)
  message(FATAL_ERROR "not formatted (clang-format-22 -i FILE mends it):\n${lines}")
endif()
