#include "sched/stack_probe.hpp"

#include <unistd.h>
#include <unwind.h>

#include <cerrno>
#include <mutex>

#include "base/futex.hpp"
#include "base/sanitizer.hpp"
#include "base/time.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "stack/fault_context.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr nanos patience = 20'000'000;

struct sigaction former;  // written before our handler is installed, never again

// ThreadSanitizer takes the handler for a part of the fiber, which may not have been told yet what its thread knows,
// and which uses errno as other fibers of the thread do. What the handler does goes past it.

/// A walk that begins where the signal came, below the frames of the handler and of the kernel.
struct interrupted_walk {
  stack_probe& into;
  const std::uintptr_t from;  // 0: no matter where
};

SENNIT_NO_TSAN _Unwind_Reason_Code note_frame(_Unwind_Context* at, void* to) {
  auto& [into, from] = *static_cast<interrupted_walk*>(to);
  const auto address = static_cast<std::uintptr_t>(_Unwind_GetIP(at));
  if (address == 0 || into.count == into.frames.size()) return _URC_NORMAL_STOP;
  if (into.count == 0 && from != 0 && address != from) return _URC_NO_REASON;
  // Readers of return addresses look at the byte before; this one is no return address.
  into.frames[into.count] = reinterpret_cast<const void*>(into.count == 0 ? address + 1 : address);
  ++into.count;
  return _URC_NO_REASON;
}

SENNIT_NO_TSAN void answer(stack_probe& p, const worker& w, std::uintptr_t from, bool stays) noexcept {
  // While an exception is on its way up, the unwinder is at work on this thread, and frames are half gone; not so where
  // it has come to its end in terminate().
  if (const fiber_block* f = w.running(); f != nullptr && (stays || w.live_exceptions().uncaught == 0)) {
    p.id = f->id;
    interrupted_walk walk{p, from};
    _Unwind_Backtrace(note_frame, &walk);
    // A sanitizer may have kept the signal for later: that place was left long ago.
    interrupted_walk all{p, 0};
    if (p.count == 0) _Unwind_Backtrace(note_frame, &all);
  }
  p.answered.store(1, release);  // mm:probe-answered: from here on `p` may be gone
  futex_wake(p.answered.address(), 1);
}

void hand_on(int signal, siginfo_t* info, void* context) {
  if ((former.sa_flags & SA_SIGINFO) != 0) {
    former.sa_sigaction(signal, info, context);
  } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
    former.sa_handler(signal);
  }
}

SENNIT_NO_TSAN void on_probe(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  worker* const w = this_worker();
  stack_probe* const p = w != nullptr ? w->take_probe() : nullptr;
  if (p != nullptr) {
    answer(*p, *w, read_fault_context(context, nullptr).pc, false);
  } else if (w == nullptr || info->si_pid != ::getpid()) {  // else one that was given up
    hand_on(signal, info, context);
  }
  errno = error;
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction ours{};
    ours.sa_sigaction = on_probe;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    ::sigaction(probe_signal, nullptr, &former);
    ::sigaction(probe_signal, &ours, nullptr);
  });
}

}  // namespace

void answer_probe(worker& w, std::uintptr_t from) noexcept {
  if (stack_probe* const p = w.take_probe(); p != nullptr) answer(*p, w, from, true);
}

probed_stack probe_stack(worker& w) {
  install();
  probed_stack out;
  stack_probe p;
  if (this_worker() == &w) {
    answer(p, w, 0, false);
  } else if (!w.ask(p)) {
    return out;
  }
  const nanos until = clock_now() + patience;
  while (p.answered.load(acquire) == 0) {  // mm:probe-answered
    if (clock_now() < until) {
      futex_wait(p.answered.address(), 0, until);
    } else if (w.take_probe() != nullptr) {
      return out;
    } else {
      futex_wait(p.answered.address(), 0, never);  // the handler has it
    }
  }
  out.id = p.id;
  out.frames.assign(p.frames.begin(), p.frames.begin() + static_cast<std::ptrdiff_t>(p.count));
  return out;
}

}  // namespace sennit::inline v0::detail
