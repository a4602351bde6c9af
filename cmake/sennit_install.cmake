# cmake --install: headers, the library and what find_package(sennit) needs.
include(CMakePackageConfigHelpers)
set(SENNIT_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/sennit)

# What the library was built from decides which packages a static link has to find again.
get_target_property(sennit_type sennit TYPE)
get_target_property(sennit_links sennit LINK_LIBRARIES)
set(SENNIT_DEPENDENCIES "find_dependency(Threads)")
if(sennit_type STREQUAL "STATIC_LIBRARY")
  string(APPEND SENNIT_DEPENDENCIES "\nfind_dependency(spdlog)")
  if("Boost::context" IN_LIST sennit_links)
    string(APPEND SENNIT_DEPENDENCIES "\nfind_dependency(Boost COMPONENTS context)")
  endif()
endif()

set_target_properties(sennit PROPERTIES VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
install(TARGETS sennit EXPORT sennit)
# gdb's commands. gdb reads them by itself beside a shared library; with a static one: source .../share/sennit/sennit-gdb.py
install(FILES ${PROJECT_SOURCE_DIR}/tools/gdb/sennit-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/sennit)
if(sennit_type STREQUAL "SHARED_LIBRARY")
  install(CODE "file(INSTALL
    DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/gdb/auto-load/\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}\"
    TYPE FILE RENAME libsennit.so.${PROJECT_VERSION}-gdb.py FILES \"${PROJECT_SOURCE_DIR}/tools/gdb/sennit-gdb.py\")")
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sennit TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp")
install(EXPORT sennit NAMESPACE sennit:: FILE sennitTargets.cmake DESTINATION ${SENNIT_CMAKE_DIR})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sennitConfig.cmake.in
  ${PROJECT_BINARY_DIR}/sennitConfig.cmake INSTALL_DESTINATION ${SENNIT_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sennitConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sennitConfig.cmake ${PROJECT_BINARY_DIR}/sennitConfigVersion.cmake
  DESTINATION ${SENNIT_CMAKE_DIR})

# sennit_install_component(name file...): library sennit_name as find_package(sennit COMPONENTS name), with a file
# sennit_name.cmake, made from its .in, and what else that file needs.
function(sennit_install_component name)
  set(target sennit_${name})
  set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  install(TARGETS ${target} EXPORT ${target})
  install(EXPORT ${target} NAMESPACE sennit:: FILE ${target}Targets.cmake DESTINATION ${SENNIT_CMAKE_DIR})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${target}.cmake.in ${PROJECT_BINARY_DIR}/${target}.cmake @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${target}.cmake ${ARGN} DESTINATION ${SENNIT_CMAKE_DIR})
endfunction()
if(SENNIT_RESOLVER)
  sennit_install_component(resolver ${PROJECT_SOURCE_DIR}/cmake/Findc-ares.cmake)
endif()
if(SENNIT_ASIO)
  sennit_install_component(asio)
endif()
if(SENNIT_INSPECTOR AND SENNIT_ASIO)
  install(PROGRAMS ${PROJECT_SOURCE_DIR}/tools/sennit-top TYPE BIN)
  sennit_install_component(inspector)
endif()
if(SENNIT_SYMBOLS)
  sennit_install_component(symbols)
endif()
if(SENNIT_TLS)
  sennit_install_component(tls)
endif()
