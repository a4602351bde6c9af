# Tests that install sennit and build the project in this folder against the copy.
set(consume ${CMAKE_COMMAND} -D source=${CMAKE_CURRENT_LIST_DIR} -D generator=${CMAKE_GENERATOR}
  -D cc=${CMAKE_C_COMPILER} -D cxx=${CMAKE_CXX_COMPILER} -D toolchain=${CMAKE_TOOLCHAIN_FILE} -D ctest=${CMAKE_CTEST_COMMAND})
set(components)  # those that are built
if(SENNIT_RESOLVER)
  list(APPEND components resolver)
endif()
if(SENNIT_ASIO)
  list(APPEND components asio)
endif()
if(TARGET sennit_inspector)
  list(APPEND components inspector)
endif()
if(SENNIT_SYMBOLS)
  list(APPEND components symbols)
endif()
if(SENNIT_TLS)
  list(APPEND components tls)
endif()
list(JOIN components "\\;" components)
list(APPEND consume -D "components=${components}")
set(script -P ${CMAKE_CURRENT_LIST_DIR}/consume.cmake)
if(SENNIT_INSTALL)
  add_test(NAME consumer.installed
    COMMAND ${consume} -D tree=${PROJECT_BINARY_DIR} -D scratch=${CMAKE_CURRENT_BINARY_DIR}/consumer ${script})
  # The shared library is built once more for this, unoptimised, by one lane: visibility is the same everywhere.
  if(SENNIT_NATIVE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT SENNIT_CONTEXT STREQUAL "boost")
    find_program(GDB gdb REQUIRED)
    add_test(NAME consumer.installed_shared
      COMMAND ${consume} -D gdb=${GDB} -D shared_from=${PROJECT_SOURCE_DIR} -D scratch=${CMAKE_CURRENT_BINARY_DIR}/consumer_shared ${script})
    set_tests_properties(consumer.installed_shared PROPERTIES TIMEOUT 900 PROCESSORS 2)
  endif()
endif()
