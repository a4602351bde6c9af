# The parts of the demo, and the demo itself: it starts other programs of this build, so it is native-only.
sennit_test_suite(bench generator_test.cpp histogram_test.cpp report_test.cpp)
target_link_libraries(test_bench PRIVATE bench_load bench_demo)
sennit_native_test_suite(bench demo_native_test.cpp)
if(TARGET test_bench_native)
  target_link_libraries(test_bench_native PRIVATE bench_demo)
  target_compile_definitions(test_bench_native PRIVATE SENNIT_DEMO="$<TARGET_FILE:demo>")
  add_dependencies(test_bench_native demo)
endif()
# The comparison with other systems: its driver, and the programs that CMake builds, each benchmark once.
foreach(part numbers pictures driver http_loads programs)
  add_test(NAME bench.compare_${part}
    COMMAND python3 -B ${CMAKE_CURRENT_LIST_DIR}/compare_test.py $<TARGET_FILE_DIR:peer_sennit> ${part})
  set_tests_properties(bench.compare_${part} PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT})
endforeach()
