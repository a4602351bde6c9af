# Hazard 24: valgrind must know every stack, or it takes a switch for a large frame and all that was on the left stack for
# lost.
if(SENNIT_BUILD_EXAMPLES)
  find_program(VALGRIND valgrind REQUIRED)
  foreach(rung 01_switch 04_channel)
    add_test(NAME valgrind.${rung} COMMAND ${VALGRIND} --error-exitcode=1 $<TARGET_FILE:${rung}>)
    set_tests_properties(valgrind.${rung} PROPERTIES
      FAIL_REGULAR_EXPRESSION "switching stacks" TIMEOUT ${SENNIT_TEST_TIMEOUT})
  endforeach()
endif()
