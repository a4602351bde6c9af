#include <pthread.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <mutex>
#include <new>

#include <sennit/inspect.hpp>

#include "base/atomic.hpp"
#include "base/check.hpp"
#include "base/futex.hpp"
#include "base/raw_line.hpp"
#include "base/signal_chain.hpp"
#include "base/system.hpp"
#include "base/time.hpp"
#include "sched/current.hpp"
#include "sched/idle_thread.hpp"
#include "sched/stack_probe.hpp"
#include "sched/worker.hpp"
#include "stack/fault_context.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

constexpr std::array<int, 5> fatal{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr std::array<const char*, fatal.size()> names{"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"};
constexpr nanos patience = 10'000'000'000;
constexpr nanos between_looks = 1'000'000;

std::array<struct sigaction, fatal.size()> formers;  // written before our handlers are installed, never again

/// Of the process: there is no crash_dump, its thread waits, it is to write, it has written.
enum step : std::uint32_t { none, waiting, crashed, dumped };
constinit atomic<std::uint32_t> step_now{none};  // futex
constinit atomic<int> output{2};
constinit atomic<pthread_t> dumper{};

std::size_t index_of(int signal) noexcept {
  std::size_t i = 0;
  while (fatal[i] != signal) ++i;
  return i;
}

void say_who(int signal, const worker* w, std::uintptr_t pc) noexcept {
  raw_line text;
  text << "sennit: " << names[index_of(signal)] << " at 0x";
  text.number(pc, 16) << " in ";
  if (const fiber_block* f = w != nullptr ? w->running() : nullptr; f != nullptr) {
    text << "fiber '" << f->name() << "' (id ";
    text.number(f->id) << ") of worker ";
    text.number(w->index) << "\n";
  } else {
    text << "a thread that runs no fiber\n";
  }
  text.write_to(output.load(relaxed));  // mm:crash-output
}

/// Until the dump is written. Who asks for the stack of this worker's fiber gets the one that crashed, not that of the
/// handler, in which the signal for it is blocked.
void wait_for_dump(worker* w, std::uintptr_t pc) noexcept {
  const nanos until = clock_now() + patience;
  while (step_now.load(acquire) == crashed && clock_now() < until) {  // mm:crash-step
    futex_wait(step_now.address(), crashed, clock_now() + between_looks);
    if (w != nullptr) answer_probe(*w, pc);
  }
}

void on_crash(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  if (step_now.load(acquire) != none && pthread_equal(dumper.load(relaxed), pthread_self()) == 0) {  // mm:crash-step
    const std::uintptr_t pc = read_fault_context(context, info->si_addr).pc;
    worker* const w = this_worker();
    std::uint32_t expected = waiting;
    if (step_now.compare_exchange_strong(expected, crashed, acq_rel, acquire)) {  // mm:crash-step
      say_who(signal, w, pc);
      futex_wake(step_now.address(), 1);
    }
    wait_for_dump(w, pc);  // also who crashes meanwhile: else the process would die before the dump is written
  }
  hand_on(formers[index_of(signal)], signal, info, context);
  errno = error;
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction ours{};
    ours.sa_sigaction = on_crash;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaddset(&ours.sa_mask, probe_signal);
    for (std::size_t i = 0; i < fatal.size(); ++i) {
      ::sigaction(fatal[i], nullptr, &formers[i]);
      ::sigaction(fatal[i], &ours, nullptr);
    }
  });
}

void dump_once() noexcept {
  name_this_thread("sennit-crash");
  const idle_thread idle;
  dumper.store(pthread_self(), relaxed);  // mm:crash-step: before a crash is waited for
  while (step_now.load(acquire) == waiting) futex_wait(step_now.address(), waiting, never);  // mm:crash-step
  if (step_now.load(acquire) == none) return;                                                // mm:crash-step
  try {
    std::error_code ignored;                     // there is nobody left to tell
    dump_fibers(output.load(relaxed), ignored);  // mm:crash-output
  } catch (const std::bad_alloc&) {              // NOLINT(bugprone-empty-catch): the first line was written
  }
  step_now.store(dumped, release);  // mm:crash-step
  futex_wake(step_now.address(), INT_MAX);
}

}  // namespace

crash_dump::crash_dump(int fd) {
  std::uint32_t expected = none;
  SENNIT_CHECK(step_now.compare_exchange_strong(expected, waiting, acq_rel, acquire),  // mm:crash-step
               "there is a crash_dump already; one does for the whole process");
  output.store(fd, relaxed);       // mm:crash-output
  static_cast<void>(clock_now());  // its first call allocates, which a handler must not
  try {
    thread_ = std::thread(dump_once);
  } catch (...) {
    step_now.store(none, release);  // mm:crash-step
    throw;
  }
  install();
}

crash_dump::~crash_dump() {
  std::uint32_t expected = waiting;
  step_now.compare_exchange_strong(expected, none, acq_rel, acquire);  // mm:crash-step
  futex_wake(step_now.address(), 1);
  thread_.join();
  step_now.store(none, release);  // mm:crash-step
}

}  // namespace sennit::inline v0
