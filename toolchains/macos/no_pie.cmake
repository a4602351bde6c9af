# Code for arm64 and x86-64 macOS is always position-independent, and zig refuses -fPIE for anything but a whole program.
set(CMAKE_C_COMPILE_OPTIONS_PIE "")
set(CMAKE_CXX_COMPILE_OPTIONS_PIE "")
set(CMAKE_ASM_COMPILE_OPTIONS_PIE "")
