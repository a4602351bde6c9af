# Debian's cross compiler and multiarch libraries; tests run under qemu-user. It checks code generation and ABI, not
# memory order: x86 is underneath.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu /usr/lib/aarch64-linux-gnu)
# No -L: under a prefix with the cross compiler's own dynamic linker, programs get that one and the multiarch libc, whose
# version differs; pthread_create and abort then spin for ever. The multiarch libc6:arm64 brings a matching pair.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
