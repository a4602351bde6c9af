#pragma once
// Static probes (USDT) for bpftrace, perf, systemtap and gdb: a nop and a note in the ELF file each. What a probe tells
// is named in docs/debugging.md. Off where there is no sys/sdt.h.
#if defined(SENNIT_USDT)
#include <sys/sdt.h>
#define SENNIT_PROBE1(name, a) DTRACE_PROBE1(sennit, name, a)
#define SENNIT_PROBE2(name, a, b) DTRACE_PROBE2(sennit, name, a, b)
#define SENNIT_PROBE3(name, a, b, c) DTRACE_PROBE3(sennit, name, a, b, c)
#else
#define SENNIT_PROBE1(name, a) static_cast<void>(0)
#define SENNIT_PROBE2(name, a, b) static_cast<void>(0)
#define SENNIT_PROBE3(name, a, b, c) static_cast<void>(0)
#endif
