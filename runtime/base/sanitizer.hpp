#pragma once
// Which sanitizer this translation unit is built with: 0 or 1 each. The calls into them live in context/. Valgrind is
// told of the stacks as such, by stack/.

#if defined(__SANITIZE_ADDRESS__)
#define SENNIT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SENNIT_ASAN 1
#endif
#endif
#if !defined(SENNIT_ASAN)
#define SENNIT_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define SENNIT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SENNIT_TSAN 1
#endif
#endif
#if !defined(SENNIT_TSAN)
#define SENNIT_TSAN 0
#endif

#if SENNIT_ASAN
#define SENNIT_NO_ASAN __attribute__((no_sanitize_address))
#else
#define SENNIT_NO_ASAN
#endif

/// For functions that touch what a thread owns, from whatever context runs there.
#define SENNIT_NO_TSAN __attribute__((no_sanitize("thread")))
/// The same for one that is to be a part of its caller: ThreadSanitizer would look at it there.
#if SENNIT_TSAN
#define SENNIT_NO_TSAN_INLINE SENNIT_NO_TSAN inline
#else
#define SENNIT_NO_TSAN_INLINE __attribute__((always_inline)) inline
#endif

// Client requests: a few instructions that do nothing outside of valgrind. -DNVALGRIND leaves them out.
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(low, high) (static_cast<void>(low), static_cast<void>(high), 0U)
#define VALGRIND_STACK_DEREGISTER(id) static_cast<void>(id)
#endif
