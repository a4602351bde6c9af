# Code for arm64 and x86-64 macOS is always position-independent, and zig refuses -fPIE for anything but a whole program.
set(CMAKE_C_COMPILE_OPTIONS_PIE "")
set(CMAKE_CXX_COMPILE_OPTIONS_PIE "")
set(CMAKE_ASM_COMPILE_OPTIONS_PIE "")

# zig knows no "-x c++-header", and needs none to make a precompiled header. Its cache goes by what files contain, so that
# a header from there may be younger than its parts.
set(CMAKE_CXX_COMPILE_OPTIONS_CREATE_PCH
  -Xclang -emit-pch -Xclang -fno-pch-timestamp -Xclang -include -Xclang <PCH_HEADER>)
