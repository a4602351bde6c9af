# Included by tests/CMakeLists.txt: fuzz targets. Every lane replays their corpora; lane `fuzz` makes a program of each
# with libFuzzer and runs it for a few seconds, the same ones each time as far as time allows.
set(fuzz_targets endpoint socket_address buffered_reader iostream http)
if(SENNIT_RESOLVER)
  list(APPEND fuzz_targets resolver)
endif()
if(SENNIT_TLS)
  list(APPEND fuzz_targets tls)
endif()

# sennit_fuzzed(program target...): sources and libraries of these targets.
function(sennit_fuzzed program)
  foreach(target IN LISTS ARGN)
    target_sources(${program} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${target}_fuzz.cpp)
  endforeach()
  if("http" IN_LIST ARGN)
    target_sources(${program} PRIVATE ${PROJECT_SOURCE_DIR}/examples/support/http.cpp)
    target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR}/examples)
  endif()
  if("resolver" IN_LIST ARGN)
    target_link_libraries(${program} PRIVATE sennit::resolver)
  endif()
  if("tls" IN_LIST ARGN)
    find_package(OpenSSL 3.0 REQUIRED COMPONENTS SSL)
    target_link_libraries(${program} PRIVATE sennit::tls OpenSSL::SSL OpenSSL::Crypto)
  endif()
endfunction()

if(NOT SENNIT_FUZZ)
  sennit_test_suite(fuzz replay_test.cpp)
  sennit_fuzzed(test_fuzz ${fuzz_targets})
  target_compile_definitions(test_fuzz PRIVATE SENNIT_FUZZ_CORPUS="${CMAKE_CURRENT_LIST_DIR}/corpus")
  return()
endif()

set(SENNIT_FUZZ_SECONDS 3 CACHE STRING "How long each fuzz target runs")
math(EXPR fuzz_limit "${SENNIT_FUZZ_SECONDS} + 60")
foreach(target IN LISTS fuzz_targets)
  add_executable(fuzz_${target} fuzz/fuzz_main.cpp)
  sennit_fuzzed(fuzz_${target} ${target})
  target_include_directories(fuzz_${target} PRIVATE
    ${PROJECT_SOURCE_DIR}/runtime ${PROJECT_SOURCE_DIR}/asm ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(fuzz_${target} PRIVATE sennit::sennit)
  target_link_options(fuzz_${target} PRIVATE -fsanitize=fuzzer)
  sennit_flags(fuzz_${target})
  # What it finds interesting goes to the first folder, and from there into the next run; findings beside it.
  set(found ${CMAKE_CURRENT_BINARY_DIR}/fuzz/${target})
  file(MAKE_DIRECTORY ${found})
  add_test(NAME fuzz.${target}
    COMMAND fuzz_${target} -seed=1 -max_total_time=${SENNIT_FUZZ_SECONDS} -max_len=20000 -timeout=10
      -rss_limit_mb=2048 -artifact_prefix=${found}. ${found} ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${target})
  set_tests_properties(fuzz.${target} PROPERTIES TIMEOUT ${fuzz_limit})
endforeach()
