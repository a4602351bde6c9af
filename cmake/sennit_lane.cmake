# What a lane (a preset) means for the tests: how far stress counts are scaled down, how long a test may take, whether
# native-only tests are built, and the environment that every test runs in.
set(SENNIT_TEST_SCALE 10 CACHE STRING "Stress counts are divided by this (1 = the full counts of `./dev soak`)")
set(SENNIT_TEST_TIMEOUT 120 CACHE STRING "Seconds after which one test has failed")
set(SENNIT_TEST_SHARDS 0 CACHE STRING
  "Each suite runs in so many processes, where to start one takes as long as a test; 0: one for each test")
set(SENNIT_TEST_FOLDERS "" CACHE STRING "Folders of tests/ that are built and run; empty: every test there is")

# Tests that an emulator or a sanitizer cannot run are not built there: docs/testing.md lists each with its reason.
if(CMAKE_CROSSCOMPILING OR SENNIT_SANITIZE)
  set(SENNIT_NATIVE OFF)
else()
  set(SENNIT_NATIVE ON)
endif()

# ctest reads this file before any test, and tests inherit its environment: one place for all kinds of tests. What the
# caller has set already stays, so that one run can be tried with other options.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/lane_environment.cmake @ONLY CONTENT [=[
function(lane_default name value)
  if(NOT DEFINED ENV{${name}})
    set(ENV{${name}} "${value}")
  endif()
endfunction()
if(DEFINED ENV{SENNIT_SOAK})
  lane_default(SENNIT_SCALE 1)
endif()
lane_default(SENNIT_SCALE "@SENNIT_TEST_SCALE@")
lane_default(ASAN_OPTIONS "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1")
lane_default(UBSAN_OPTIONS "print_stacktrace=1")
lane_default(TSAN_OPTIONS
  "halt_on_error=1:second_deadlock_stack=1:suppressions=@PROJECT_SOURCE_DIR@/tests/tls/tsan.supp")
]=])
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY
  TEST_INCLUDE_FILES ${PROJECT_BINARY_DIR}/lane_environment.cmake)
