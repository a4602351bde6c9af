# Component sennit::inspector, as its users meet it.
add_executable(inspected inspector/inspected.cpp)
target_link_libraries(inspected PRIVATE sennit::inspector $<TARGET_NAME_IF_EXISTS:sennit::symbols>)
sennit_flags(inspected)
if(SENNIT_NATIVE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT SENNIT_SANITIZE)
  find_program(CHROMIUM chromium REQUIRED)  # once is enough
  set(browser --browser ${CHROMIUM} --pictures ${PROJECT_BINARY_DIR}/pictures)
endif()
# Debian's own Python, which has Debian's modules.
find_program(SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
add_test(NAME inspector.by_its_users
  COMMAND ${SYSTEM_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/inspector_test.py $<TARGET_FILE:inspected>
    ${PROJECT_SOURCE_DIR}/tools/sennit-top ${browser})
set_tests_properties(inspector.by_its_users PROPERTIES TIMEOUT ${SENNIT_TEST_TIMEOUT})
