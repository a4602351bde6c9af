#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

#include <sennit/signal_set.hpp>

#include "base/host_processes.hpp"
#include "base/host_signals.hpp"
#include "io/error_code.hpp"
#include "io/retry.hpp"

namespace sennit::inline v0 {

using detail::host;

namespace {

bool may_be_trapped(int signal) noexcept {
  for (const int s : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) {
    if (signal == s) return false;
  }
  return signal >= 1 && signal < NSIG;
}

std::uint64_t bit_of(int signal) noexcept { return signal >= 1 && signal <= 64 ? std::uint64_t{1} << (signal - 1) : 0; }

sigset_t from_bits(std::uint64_t bits) noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (int s = 1; s < NSIG; ++s) {
    if ((bits & bit_of(s)) != 0) sigaddset(&set, s);
  }
  return set;
}

}  // namespace

signal_set::signal_set(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  std::uint64_t bits = 0;
  for (const int s : signals) {
    // sigaddset refuses what the C library keeps for itself.
    if (!may_be_trapped(s) || sigaddset(&set, s) != 0) {
      detail::throw_if(std::make_error_code(std::errc::invalid_argument),
                       ("sennit: signal_set: " + std::to_string(s)).c_str());
    }
    bits |= bit_of(s);
  }
  host& outside = detail::current_host();
  const int fd = outside.processes().signal_fd(set);
  detail::io_slot* slot = nullptr;
  if (fd >= 0) {
    slot = detail::io_slot::open(fd, detail::fd_kind::other, false);
    if (slot == nullptr) outside.close(fd);
  }
  std::error_code ec;
  detail::settle(fd < 0 ? fd : slot == nullptr ? -ENOMEM : 0, ec);
  detail::throw_if(ec, "sennit: signal_set");
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // Last: what comes from now on the descriptor has.
  detail::trap_signals(set);
  handle_ = detail::io_handle(slot);
  signals_ = bits;
}

void signal_set::end() noexcept {
  if (signals_ == 0) return;
  // Left pending they would take their default action as soon as a thread unblocks them.
  detail::signal_record dropped;
  if (const int fd = handle_.native(); fd >= 0) {
    while (detail::current_host().processes().take_signal(fd, dropped) == 0) {}
  }
  detail::release_signals(from_bits(std::exchange(signals_, 0)));
}

signal_set& signal_set::operator=(signal_set&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(signals_, other.signals_);
  return *this;
}

signal_set::~signal_set() { end(); }

signal_info signal_set::wait(std::error_code& ec, const stop_token& stop) {
  detail::signal_record taken;
  std::ptrdiff_t result = detail::io_closed;
  if (handle_.slot() != nullptr) {
    result = detail::perform(*handle_.slot(), detail::direction::read, 0, stop,
                             [&, fd = handle_.native()](host& h) { return h.processes().take_signal(fd, taken); });
  }
  detail::settle(result, ec);
  if (ec) return {};
  return {.number = taken.number, .sender = taken.sender, .user = taken.user, .value = taken.value};
}

signal_info signal_set::wait(const stop_token& stop) {
  std::error_code ec;
  const signal_info s = wait(ec, stop);
  detail::throw_if(ec, "sennit: signal_set::wait");
  return s;
}

}  // namespace sennit::inline v0
