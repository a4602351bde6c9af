# The conformance suites of poller/poller.hpp and poller/waker.hpp, on the backends of this build...
sennit_test_suite(poller poller_conformance_test.cpp wait_conformance_test.cpp waker_conformance_test.cpp)

# ...and on the waker that was not chosen: an executable of its own sources, because both in one program would define the
# same names twice.
get_target_property(chosen_waker sennit SENNIT_WAKER)
foreach(waker eventfd pipe)
  if(NOT waker STREQUAL chosen_waker)
    set(runtime ${PROJECT_SOURCE_DIR}/runtime)
    add_executable(test_waker_${waker} poller/waker_conformance_test.cpp
      ${runtime}/poller/waker_${waker}.cpp ${runtime}/poller/poller_epoll.cpp ${runtime}/base/check.cpp)
    target_include_directories(test_waker_${waker} PRIVATE
      ${runtime} ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(test_waker_${waker} PRIVATE GTest::gtest_main Threads::Threads)
    sennit_flags(test_waker_${waker})
    gtest_discover_tests(test_waker_${waker} TEST_PREFIX poller.${waker}. DISCOVERY_MODE PRE_TEST
      PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT})
  endif()
endforeach()
