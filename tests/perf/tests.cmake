# perf's stacks: only where perf works, which the kernel decides (perf_event_paranoid, containers).
find_program(PERF perf)
if(PERF)
  execute_process(COMMAND ${PERF} record -q -e cpu-clock:u -o /dev/null true
    RESULT_VARIABLE perf_fails OUTPUT_QUIET ERROR_QUIET)
endif()
if(PERF AND perf_fails EQUAL 0)
  add_executable(perf_busy perf/busy.cpp)
  target_link_libraries(perf_busy PRIVATE sennit::sennit)
  sennit_flags(perf_busy)
  add_test(NAME perf.unwinds_fibers
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_LIST_DIR}/perf_test.py ${PERF} $<TARGET_FILE:perf_busy>)
  set_tests_properties(perf.unwinds_fibers PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT})
else()
  message(STATUS "sennit: perf does not work here, so that it is not tested")
endif()
