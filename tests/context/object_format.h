// clang-format off: assembly
// What differs between ELF and Mach-O in registers_*.S. In Mach-O names begin with an underscore and have no type or size.
#if defined(__APPLE__)
#define NAME(name) _##name
#define FUNCTION(name)
#define END(name)
#else
#define NAME(name) name
#define FUNCTION(name) .type name, %function
#define END(name) .size name, .- name; .section .note.GNU-stack, "", %progbits
#endif
