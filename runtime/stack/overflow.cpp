#include "stack/overflow.hpp"

#include <execinfo.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>

#include "base/atomic.hpp"
#include "base/check.hpp"
#include "base/raw_line.hpp"
#include "base/signal_chain.hpp"
#include "base/system.hpp"
#include "stack/arena.hpp"
#include "stack/fault_context.hpp"

namespace sennit::inline v0::detail {
namespace {

constinit atomic<overflow_lookup> current_lookup{&find_overflow};

// Who had SIGSEGV and SIGBUS before. Written before our handler is installed, never again.
struct sigaction former_segv;
struct sigaction former_bus;

void report(const overflow_info& found, const fault_context& at) noexcept {
  raw_line text;
  text << "sennit: stack overflow in ";
  if (found.name == nullptr) {
    text << "a fiber";
  } else {
    text << "fiber '" << std::string_view(found.name, ::strnlen(found.name, 128)) << "' (id ";
    text.number(found.id) << ")";
  }
  text << ": stack of ";
  text.number(usable_bytes(found.hit.cls)) << " bytes, ";
  text.number(reinterpret_cast<std::uintptr_t>(found.hit.end()) - at.sp) << " bytes deep at 0x";
  text.number(at.pc, 16) << "; raise attributes::stack_size or use call_with_stack\n";
  text.write_to(STDERR_FILENO);
}

/// Frames from the one that overflowed outwards; the first many of them tell which call it was.
void print_backtrace(const fault_context& at) noexcept {
  std::array<void*, 48> frames;
  const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  int first = 0;  // our own frames and the kernel's come before
  while (first < count && reinterpret_cast<std::uintptr_t>(frames[static_cast<std::size_t>(first)]) != at.pc) ++first;
  if (first == count) first = 0;
  ::backtrace_symbols_fd(frames.data() + first, count - first, STDERR_FILENO);
}

/// Whether the stack pointer is in the slot. Stack probes of arm64 lower it by the whole guard at once and touch the
/// byte 1 KiB above, so it may lie as much below the guard.
bool stands_on(stack s, const fault_context& at, std::uintptr_t fault_address) noexcept {
  constexpr std::uintptr_t probe_offset = 1024;
  if (at.sp > reinterpret_cast<std::uintptr_t>(s.end())) return false;
  return at.sp >= reinterpret_cast<std::uintptr_t>(s.slot) || fault_address - at.sp <= probe_offset;
}

void report_if_overflow(int signal, const siginfo_t& info, const void* context) noexcept {
  if (was_sent(info)) return;                                              // there is no fault address
  const overflow_info found = current_lookup.load(acquire)(info.si_addr);  // mm:overflow-lookup
  if (!found.hit) return;
  // A wild pointer may hit a guard as well, also one of our own unwinder: only who stands on that stack overflows it.
  const fault_context at = read_fault_context(context, info.si_addr);
  if (!stands_on(found.hit, at, reinterpret_cast<std::uintptr_t>(info.si_addr))) return;
  report(found, at);
  // Should the unwinder fault, this handler starts again above itself, finds no overflow, and hands that fault on. With
  // the signal blocked the kernel would kill the process without a word to the former handler.
  sigset_t again, former;
  sigemptyset(&again);
  sigaddset(&again, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &again, &former);
  print_backtrace(at);
  ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int saved = errno;  // the former handler may repair what was wrong and go on
  report_if_overflow(signal, *info, context);
  hand_on(signal == SIGSEGV ? former_segv : former_bus, signal, info, context);
  errno = saved;
}

void install(int signal, struct sigaction& former) {
  // Read first: from the moment ours is in, a fault in another thread may ask for the former one.
  SENNIT_CHECK(::sigaction(signal, nullptr, &former) == 0, "sigaction must accept SIGSEGV and SIGBUS");
  struct sigaction ours = {};
  ours.sa_sigaction = &on_fault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (former.sa_flags & (SA_NODEFER | SA_RESTART));
  ours.sa_mask = former.sa_mask;
  SENNIT_CHECK(::sigaction(signal, &ours, nullptr) == 0, "sigaction must accept SIGSEGV and SIGBUS");
}

std::size_t page_bytes() noexcept { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

overflow_info find_overflow(const void* fault_address) noexcept {
  const stack hit = find_stack(fault_address);
  return hit && fault_address < hit.limit() ? overflow_info{hit} : overflow_info{};
}

void set_overflow_lookup(overflow_lookup lookup) noexcept {
  current_lookup.store(lookup == nullptr ? &find_overflow : lookup, release);  // mm:overflow-lookup
}

void install_overflow_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    void* frame = nullptr;
    ::backtrace(&frame, 1);  // its first call loads libgcc and allocates, which a handler must not
    install(SIGSEGV, former_segv);
    install(SIGBUS, former_bus);
  });
}

alt_stack::alt_stack() {
  // The kernel's frame (AVX-512 and AMX make it large), our report, the unwinder, and the former handler.
  const auto frame = signal_frame_bytes();
  const std::size_t page = page_bytes();
  constexpr std::size_t room = std::size_t{64} * 1024;
  bytes_ = page + (frame + room + page - 1) / page * page;
  void* const p = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || ::mprotect(p, page, PROT_NONE) != 0) {
    const int error = errno;
    if (p != MAP_FAILED) ::munmap(p, bytes_);
    throw std::system_error(error, std::system_category(), "alternate signal stack of a worker thread");
  }
  mapping_ = static_cast<std::byte*>(p);
  stack_t ours = {};
  ours.ss_sp = mapping_ + page;
  ours.ss_size = bytes_ - page;
  stack_t former = {};
  SENNIT_CHECK(::sigaltstack(&ours, &former) == 0, "make the alternate stack outside of signal handlers");
  former_base_ = former.ss_sp;
  former_bytes_ = former.ss_size;
  former_flags_ = former.ss_flags;
}

alt_stack::~alt_stack() {
  stack_t former = {};
  former.ss_sp = former_base_;
  former.ss_size = former_bytes_;
  former.ss_flags = former_flags_;
  SENNIT_CHECK(::sigaltstack(&former, nullptr) == 0, "destroy the alternate stack outside of signal handlers");
  ::munmap(mapping_, bytes_);
}

}  // namespace sennit::inline v0::detail
