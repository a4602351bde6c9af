#include "sched/current.hpp"

#include <unistd.h>

#include "base/host.hpp"
#include "base/system.hpp"
#include "context/tsan_section.hpp"
#include "fiber/local_map.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

constinit thread_local worker* tls_worker = nullptr;
thread_local thread_waiter tls_waiter;
constinit thread_local local_map* tls_locals = nullptr;
constinit thread_local exit_list tls_exits;
constinit thread_local bool tls_exits_over = false;

/// What a plain thread does at its end, as a fiber does: its values go first, then the exit list runs. Constructed
/// after the waiter, which both may use: destroyed before it.
struct thread_end {
  bool used = true;  // an object without state is never constructed, nor destroyed
  ~thread_end() {
    local_map::end(this_thread_locals());
    tls_exits.run();
    tls_exits_over = true;
  }
};
thread_local thread_end tls_end;

#if SENNIT_DEBUG_CHECKS
constinit thread_local unsigned tls_initialisers = 0;
#endif

}  // namespace

// noinline is not enough: both compilers infer that the function is pure and reuse its result over a switch. The asm
// statement makes the value unknown.
[[gnu::noinline]] SENNIT_NO_TSAN worker* this_worker() noexcept {
  worker* w = tls_worker;
  asm volatile("" : "+r"(w)::"memory");
  return w;
}

[[gnu::noinline]] SENNIT_NO_TSAN waiter& current_waiter() noexcept {
  worker* w = tls_worker;
  asm volatile("" : "+r"(w)::"memory");
  if (w != nullptr) [[likely]]
    return *w->running();
  return this_thread_waiter();
}

[[gnu::noinline]] SENNIT_NO_TSAN void set_this_worker(worker* w) noexcept { tls_worker = w; }

[[gnu::noinline]] thread_waiter& this_thread_waiter() noexcept {
  thread_waiter* t = &tls_waiter;
  asm volatile("" : "+r"(t)::"memory");
  return *t;
}

[[gnu::noinline]] local_map*& this_thread_locals() noexcept {
  local_map** p = &tls_locals;
  asm volatile("" : "+r"(p)::"memory");
  return *p;
}

[[gnu::noinline]] void end_locals_with_thread() noexcept {
  const bool used = tls_end.used;  // its use is what makes the thread destroy it
  asm volatile("" ::"r"(used));
}

[[gnu::noinline]] exit_list* this_thread_exits() noexcept {
  exit_list* list = !tls_exits_over && tls_end.used ? &tls_exits : nullptr;
  asm volatile("" : "+r"(list)::"memory");
  return list;
}

#if SENNIT_DEBUG_CHECKS
[[gnu::noinline]] unsigned& static_initialisers() noexcept {
  unsigned* n = &tls_initialisers;
  asm volatile("" : "+r"(n)::"memory");
  return *n;
}
#endif

random_source& current_random() noexcept {
  worker* const w = this_worker();
  return w != nullptr ? w->dice : this_thread_waiter().dice;
}

thread_waiter::thread_waiter() noexcept : dice(system_host().random()) {}

thread_waiter::~thread_waiter() {
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

int thread_waiter::wake_fd() noexcept {
  if (wake_fd_ < 0) wake_fd_ = make_flag();
  return wake_fd_;
}

}  // namespace sennit::inline v0::detail
