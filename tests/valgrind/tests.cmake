# Hazard 24: valgrind must know every stack, or it takes a switch for a large frame and all that was on the left stack for
# lost.
if(SENNIT_BUILD_EXAMPLES)
  find_program(VALGRIND valgrind REQUIRED)
  foreach(rung 01_switch 04_channel)
    add_test(NAME valgrind.${rung} COMMAND ${VALGRIND} --error-exitcode=1 $<TARGET_FILE:${rung}>)
    set_tests_properties(valgrind.${rung} PROPERTIES
      FAIL_REGULAR_EXPRESSION "switching stacks" TIMEOUT ${SENNIT_TEST_TIMEOUT})
  endforeach()

  # What the hot paths cost, in instructions of this processor: a budget for each, so that they cannot creep.
  if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    add_executable(verbs valgrind/verbs.cpp)
    target_link_libraries(verbs PRIVATE sennit::sennit)
    sennit_flags(verbs)
    add_test(NAME valgrind.budgets
      COMMAND python3 -B ${CMAKE_CURRENT_LIST_DIR}/budgets.py ${VALGRIND} $<TARGET_FILE:verbs>)
    set_tests_properties(valgrind.budgets PROPERTIES TIMEOUT 240)
  endif()
endif()
