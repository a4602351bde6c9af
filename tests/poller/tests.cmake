# The conformance suites of poller/poller.hpp and poller/waker.hpp, on the backends of this build...
set(conformance poller_conformance_test.cpp wait_conformance_test.cpp waker_conformance_test.cpp)
sennit_test_suite(poller ${conformance})

# ...and on those that were not chosen: executables of their own sources, because two backends in one program would
# define the same names twice. Other lanes have them where this one is for some folders only.
if(SENNIT_TEST_FOLDERS)
  return()
endif()
include(sennit_kqueue)
get_target_property(chosen_poller sennit SENNIT_POLLER)
get_target_property(chosen_waker sennit SENNIT_WAKER)
function(sennit_backend_suite poller waker waker_source)
  if(poller STREQUAL chosen_poller AND waker STREQUAL chosen_waker)
    return()
  endif()
  set(sources poller/waker_conformance_test.cpp)
  if(NOT poller STREQUAL chosen_poller AND NOT waker STREQUAL "pipe")
    list(TRANSFORM conformance PREPEND poller/ OUTPUT_VARIABLE sources)
  endif()
  set(name test_${poller}_${waker})
  set(runtime ${PROJECT_SOURCE_DIR}/runtime)
  add_executable(${name} ${sources} ${runtime}/poller/poller_${poller}.cpp ${runtime}/poller/${waker_source}.cpp
    ${runtime}/base/check.cpp ${runtime}/base/spin_lock.cpp)
  target_include_directories(${name} PRIVATE ${runtime} ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE GTest::gtest_main Threads::Threads)
  if(poller STREQUAL "kqueue")
    sennit_kqueue(${name})
  endif()
  sennit_flags(${name})
  gtest_discover_tests(${name} TEST_PREFIX poller.${poller}.${waker}. DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT})
endfunction()
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  sennit_backend_suite(epoll eventfd waker_eventfd)
  sennit_backend_suite(epoll pipe waker_pipe)
endif()
if(CMAKE_CROSSCOMPILING_EMULATOR AND CMAKE_SYSTEM_NAME STREQUAL "Linux")  # docs/testing.md says why
  return()
endif()
sennit_backend_suite(kqueue user waker_evfilt_user)
sennit_backend_suite(kqueue pipe waker_pipe)

# What kqueue promises, whoever provides it.
add_executable(test_kqueue poller/kqueue_double_test.cpp poller/kqueue_filters_test.cpp)
target_include_directories(test_kqueue PRIVATE
  ${PROJECT_SOURCE_DIR}/runtime ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(test_kqueue PRIVATE GTest::gtest_main Threads::Threads)
sennit_kqueue(test_kqueue)
sennit_flags(test_kqueue)
gtest_discover_tests(test_kqueue TEST_PREFIX poller. DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT})
