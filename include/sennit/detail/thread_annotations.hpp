#pragma once
// Clang thread-safety analysis: which lock guards what, checked at compile time by -Wthread-safety (the clang lane).
// Nothing for other compilers.

#if defined(__clang__)
#define SENNIT_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define SENNIT_THREAD_ANNOTATION(x)
#endif

/// On a class that can be held: a lock, or a token such as "I poll this poller". `name` is for the diagnostics.
#define SENNIT_CAPABILITY(name) SENNIT_THREAD_ANNOTATION(capability(name))
/// On a class that acquires in its constructor and releases in its destructor.
#define SENNIT_SCOPED_CAPABILITY SENNIT_THREAD_ANNOTATION(scoped_lockable)
/// On a data member: touched only while the capability is held.
#define SENNIT_GUARDED_BY(x) SENNIT_THREAD_ANNOTATION(guarded_by(x))
/// On a pointer member: what it points to is touched only while the capability is held.
#define SENNIT_PT_GUARDED_BY(x) SENNIT_THREAD_ANNOTATION(pt_guarded_by(x))
/// On a function: the caller holds the capability, before and after.
#define SENNIT_REQUIRES(...) SENNIT_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
/// On a function: returns holding the capability (without arguments: the object itself).
#define SENNIT_ACQUIRE(...) SENNIT_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
/// On a function: the capability is held at the call and free afterwards.
#define SENNIT_RELEASE(...) SENNIT_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
/// On a function: its first argument is the result that means "acquired".
#define SENNIT_TRY_ACQUIRE(...) SENNIT_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
/// The same for a capability that many may hold at once, to read.
#define SENNIT_ACQUIRE_SHARED(...) SENNIT_THREAD_ANNOTATION(acquire_shared_capability(__VA_ARGS__))
#define SENNIT_RELEASE_SHARED(...) SENNIT_THREAD_ANNOTATION(release_shared_capability(__VA_ARGS__))
#define SENNIT_TRY_ACQUIRE_SHARED(...) SENNIT_THREAD_ANNOTATION(try_acquire_shared_capability(__VA_ARGS__))
/// On a function: the caller must not hold the capability (it would wait for itself).
#define SENNIT_EXCLUDES(...) SENNIT_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
/// On a function whose locking the analysis cannot follow; say why beside it.
#define SENNIT_NO_ANALYSIS SENNIT_THREAD_ANNOTATION(no_thread_safety_analysis)
