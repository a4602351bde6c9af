#include "sched/current.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/host.hpp"
#include "context/tsan_section.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

constinit thread_local worker* tls_worker = nullptr;
thread_local thread_waiter tls_waiter;
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

[[gnu::noinline]] SENNIT_NO_TSAN void set_this_worker(worker* w) noexcept { tls_worker = w; }

[[gnu::noinline]] thread_waiter& this_thread_waiter() noexcept {
  thread_waiter* t = &tls_waiter;
  asm volatile("" : "+r"(t)::"memory");
  return *t;
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
  if (wake_fd_ < 0) wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return wake_fd_;
}

}  // namespace sennit::inline v0::detail
