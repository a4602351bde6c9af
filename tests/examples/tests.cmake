# The parser and the router as unit tests; each rung as a user runs it, one CTest entry for each class of rungs_test.py.
sennit_test_suite(examples http_files_test.cpp http_session_test.cpp http_test.cpp router_test.cpp)
target_link_libraries(test_examples PRIVATE example_support)

find_package(Python3 REQUIRED COMPONENTS Interpreter)
if(CMAKE_CROSSCOMPILING_EMULATOR)
  list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
  set(emulator --emulator "${emulator}")
endif()
if(SENNIT_ASIO)
  set(asio_rungs beast_websocket)
endif()
if(TARGET 22_inspector)
  set(inspector_rungs inspector)
endif()
if(NOT CMAKE_CROSSCOMPILING_EMULATOR)
  set(alone_rungs all_asleep)
endif()
if(SENNIT_TLS)
  set(tls_rungs https_server)
endif()
foreach(rung
    event_queue switch two_fibers sleep channel echo http_server delay_server threads_vs_fibers graceful_shutdown
    channels_select deadlines_and_stop scope dining_philosophers actors deadlock stall two_runtimes udp_echo file_server process_pipeline
    chat ${alone_rungs} ${asio_rungs} ${inspector_rungs} ${tls_rungs})
  add_test(NAME examples.${rung}
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_LIST_DIR}/rungs_test.py
      ${PROJECT_BINARY_DIR}/examples ${emulator} ${rung})
  set_tests_properties(examples.${rung} PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT})
endforeach()
