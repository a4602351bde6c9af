#include "sched/process.hpp"

#include <pthread.h>

#include <cstdio>
#include <exception>
#include <mutex>

#include "base/atomic.hpp"
#include "base/log.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "stack/overflow.hpp"

namespace sennit::inline v0::detail {
namespace {

std::terminate_handler former_terminate = nullptr;
constinit atomic<unsigned> forks{0};

void describe_caller(char* out, std::size_t size) noexcept {
  const worker* w = this_worker();
  if (w == nullptr) {
    std::snprintf(out, size, "-");
  } else if (const fiber_block* f = w->running()) {
    std::snprintf(out, size, "%s#%llu/%u", f->name().data(), static_cast<unsigned long long>(f->id), w->index);
  } else {
    std::snprintf(out, size, "-/%u", w->index);
  }
}

[[noreturn]] void name_fiber_and_terminate() {
  const worker* w = this_worker();
  if (const fiber_block* f = w != nullptr ? w->running() : nullptr) {
    log(log_level::error, "terminate in fiber '%s' (id %llu)", f->name().data(),
        static_cast<unsigned long long>(f->id));
  }
  if (former_terminate != nullptr) former_terminate();
  std::abort();
}

overflow_info find_fiber(const void* fault_address) noexcept {
  overflow_info info = find_overflow(fault_address);
  const worker* w = this_worker();
  const fiber_block* f = w != nullptr ? w->running() : nullptr;
  if (info.hit && f != nullptr && f->slot == info.hit.slot) {
    info.name = f->name().data();
    info.id = f->id;
  }
  return info;
}

void after_fork_in_child() noexcept {
  // The forking thread is the only one left. It goes on as a plain thread, on whatever stack it is on.
  forks.fetch_add(1, relaxed);  // mm:forked
  set_this_worker(nullptr);
}

}  // namespace

void prepare_process() {
  static std::once_flag once;
  std::call_once(once, [] {
    install_overflow_handler();
    set_overflow_lookup(find_fiber);
    set_log_context(describe_caller);
    former_terminate = std::set_terminate(name_fiber_and_terminate);
    pthread_atfork(nullptr, nullptr, after_fork_in_child);
  });
}

unsigned fork_generation() noexcept { return forks.load(relaxed); }  // mm:forked

blocked_signals::blocked_signals() noexcept {
  sigset_t block;
  sigfillset(&block);
  for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) sigdelset(&block, s);
  pthread_sigmask(SIG_BLOCK, &block, &before_);
}

blocked_signals::~blocked_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace sennit::inline v0::detail
