# Hazard 7: a debugger that is given the saved registers of a parked fiber walks its stack, from the wait to the entry.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  find_program(GDB gdb REQUIRED)
  foreach(program parked fibers)
    add_executable(gdb_${program} gdb/${program}.cpp)
    target_include_directories(gdb_${program} PRIVATE ${PROJECT_SOURCE_DIR}/runtime ${CMAKE_CURRENT_LIST_DIR}/..)
    target_link_libraries(gdb_${program} PRIVATE sennit::sennit GTest::gtest)
    sennit_flags(gdb_${program})
    target_compile_options(gdb_${program} PRIVATE -g)
  endforeach()
  add_test(NAME gdb.a_parked_fiber
    COMMAND ${GDB} -nx -batch -x ${CMAKE_CURRENT_LIST_DIR}/parked.gdb $<TARGET_FILE:gdb_parked>)
  set_tests_properties(gdb.a_parked_fiber PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT}
    PASS_REGULAR_EXPRESSION
      "#0 [^#]*switch_context .*park_fiber .*event::wait .*waits_here .*fiber_entry .*sennit_context_bottom[^#]*exited normally"
    FAIL_REGULAR_EXPRESSION "Backtrace stopped;[Cc]annot")
  add_test(NAME gdb.fibers
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_LIST_DIR}/fibers_test.py ${GDB}
      ${PROJECT_SOURCE_DIR}/tools/gdb/sennit-gdb.py $<TARGET_FILE:gdb_fibers>)
  set_tests_properties(gdb.fibers PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT})
endif()
