#include "sched/preemption.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include <sennit/preemptible.hpp>

#include "base/sanitizer.hpp"
#include "base/signal_chain.hpp"
#include "base/system.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"
#include "stack/fault_context.hpp"

namespace sennit::inline v0::detail {
namespace {

struct sigaction former;  // written before our handler is installed, never again

/// What the kernel's frame (AVX-512 makes it large), the handler and a switch take of the stack.
constexpr std::uintptr_t room = std::uintptr_t{16} * 1024;

/// What a handler on the same thread sees is what comes before this in the program.
void order_against_handler() noexcept { asm volatile("" ::: "memory"); }

/// On the fiber's own stack, which it leaves with this frame on it, and with no signal blocked: the next fiber of this
/// thread may be interrupted as well.
void on_preempt(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  if (worker* const w = this_worker(); w != nullptr && info->si_pid == ::getpid()) {
    const fault_context at = read_fault_context(context, nullptr);
    w->preempt(reinterpret_cast<const void*>(at.pc), at.sp);
  } else {
    hand_on(former, signal, info, context);
  }
  errno = error;
}

void install() noexcept {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction ours{};
    ours.sa_sigaction = on_preempt;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER;
    ::sigaction(preempt_signal, nullptr, &former);
    ::sigaction(preempt_signal, &ours, nullptr);
  });
}

}  // namespace

preempt_region::preempt_region(std::chrono::nanoseconds slice, const void* code) noexcept : module_(module_of(code)) {
  worker* const w = SENNIT_TSAN ? nullptr : this_worker();
  if (w == nullptr || w->running() == nullptr || module_ == nullptr) return;
  install();
  entered_ = w->begin_region(*this, slice.count());
}

preempt_region::~preempt_region() {
  if (entered_) this_worker()->end_region();
}

// ---- of the worker ----

bool worker::begin_region(preempt_region& r, nanos slice) noexcept {
  fiber_block& me = *running();
  if (me.must_not_wait() != 0) return false;  // in one already, or where it must not be switched out
  me.callbacks |= in_region;
  region_ = &r;
  order_against_handler();
  region_slice_.store(std::max<nanos>(slice, 1), relaxed);  // mm:region-slice
  return true;
}

void worker::end_region() noexcept {
  region_slice_.store(0, relaxed);  // mm:region-slice
  order_against_handler();
  region_ = nullptr;
  running()->callbacks &= slice_is_timed;
  // A signal that is on its way was sent under this lock. It is to come here, where there is room for its frame.
  const spin_guard guard(thread_lock_);
}

void worker::preempt(const void* pc, std::uintptr_t sp) noexcept {
  preempt_region* const r = region_;
  if (r == nullptr || module_of(pc) != r->module_ || live_exceptions().uncaught != 0) return;
  fiber_block& me = *running();
  if (me.must_not_wait() != in_region || sp - reinterpret_cast<std::uintptr_t>(me.memory().limit()) < room) return;
  const nanos slice = region_slice_.exchange(0, relaxed);  // mm:region-slice
  region_ = nullptr;
  me.callbacks &= slice_is_timed;
  poll_at_ = switches_.get();  // it was long: what waits outside comes first
  choose_next_look();
  ++me.pins;  // the frames below, the kernel's among them, are this thread's
  leave(me, [](worker& w, fiber_block& left, void*) noexcept { w.home.requeue(w, left); }, nullptr);
  --me.pins;
  counters.preemptions.add();
  me.callbacks |= in_region;
  region_ = r;
  order_against_handler();
  region_slice_.store(slice, relaxed);  // mm:region-slice
}

}  // namespace sennit::inline v0::detail
