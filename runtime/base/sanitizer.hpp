#pragma once
// Which sanitizer this translation unit is built with: 0 or 1 each. The calls into them live in context/.

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
