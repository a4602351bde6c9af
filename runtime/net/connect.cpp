#include "net/connect.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>

#include <sennit/select.hpp>

#include "base/check.hpp"
#include "io/error_code.hpp"
#include "net/address.hpp"
#include "net/socket.hpp"

namespace sennit::inline v0::detail {
namespace {

const sockaddr* raw(const sockaddr_storage& address) noexcept { return reinterpret_cast<const sockaddr*>(&address); }

endpoint named(const sockaddr_storage& address) {
  return endpoint_access::from_sockaddr(raw(address), sockaddr_size(address));
}

/// A socket that has begun to connect: 0 if it is connected already, -EINPROGRESS, or what went wrong.
std::ptrdiff_t begin(const sockaddr_storage& address, io_handle& handle) noexcept {
  host& outside = current_host();
  const int fd = outside.socket(address.ss_family, SOCK_STREAM, 0);
  if (fd < 0) return fd;
  std::error_code ec;
  handle = make_handle(fd, fd_kind::stream_tcp, false, ec);
  if (ec) return -ENOMEM;
  const int started = outside.connect(fd, raw(address), sockaddr_size(address));
  return started == -EINTR ? -EINPROGRESS : started;  // interrupted, it goes on all the same
}

/// How an attempt that was in progress ended: 0, what went wrong, or -EAGAIN if it has not ended.
std::ptrdiff_t outcome(host& h, int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (const int r = h.getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size); r < 0) return r;
  if (error != 0) return -error;
  sockaddr_storage peer{};
  size = sizeof peer;
  const int r = h.getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size);
  return r == -ENOTCONN ? -EAGAIN : r;  // an early hint: still connecting
}

io_handle finished(io_handle handle) noexcept {
  static_cast<void>(set_option(handle.native(), IPPROTO_TCP, TCP_NODELAY, 1));  // a reset may have come first
  return handle;
}

/// The usual case: a wait as any other, without a race's bookkeeping.
io_handle connect_one(const sockaddr_storage& address, wait_bound until, std::error_code& ec) {
  io_handle handle;
  std::ptrdiff_t result = begin(address, handle);
  if (result == -EINPROGRESS) {
    handle.set_deadline(until.deadline);
    io_slot& slot = *handle.slot();
    slot.exhausted(direction::write, slot.readiness(direction::write));  // only the event tells
    result = perform(slot, direction::write, 0, *until.stop,
                     [fd = handle.native()](host& h) -> std::ptrdiff_t { return outcome(h, fd); });
    handle.set_deadline(never);
  }
  settle(result, ec);
  return ec ? io_handle() : finished(std::move(handle));
}

/// Lives on the stack of who connects.
class race {
 public:
  race(std::span<const sockaddr_storage> addresses, nanos delay, wait_bound until, std::vector<connect_failure>& failed)
      : addresses_(addresses), delay_(delay), until_(until), failed_(failed) {}

  io_handle run(std::error_code& ec) {
    try {
      ec.clear();
      for (;;) {
        if (next_ < addresses_.size() && (running_.empty() || clock_now() >= next_at_)) {
          if (io_handle won = start(addresses_[next_++]); won.is_open()) return finished(std::move(won));
          continue;
        }
        if (running_.empty()) {
          ec = most_telling(failed_);
          return {};
        }
        const std::size_t who = wait(ec);
        if (ec) break;
        if (who == none) continue;
        const std::ptrdiff_t result = outcome(current_host(), running_[who].handle.native());
        if (result == -EAGAIN) continue;
        if (result >= 0) return finished(std::move(running_[who].handle));
        fail(running_[who].address, result);
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(who));
        next_at_ = clock_now();
      }
    } catch (const std::system_error& stopped) {
      ec = stopped.code();  // of the scope, or of the runtime
    }
    for (const attempt& a : running_) failed_.push_back({named(a.address), {}});
    for (const auto& a : addresses_.subspan(next_)) failed_.push_back({named(a), {}});
    return {};
  }

 private:
  static constexpr std::size_t none = SIZE_MAX;
  using writable_case = case_with<descriptor_case, no_handler>;
  using clock_case = case_with<time_case, no_handler>;
  using token_case = case_with<stop_case, no_handler>;

  struct attempt {
    io_handle handle;
    sockaddr_storage address;
  };

  io_handle start(const sockaddr_storage& address) {
    io_handle handle;
    const std::ptrdiff_t result = begin(address, handle);
    if (result == 0) return handle;
    next_at_ = clock_now();
    if (result != -EINPROGRESS) {
      fail(address, result);
      return {};
    }
    next_at_ = add_nanos(next_at_, delay_);
    running_.push_back({std::move(handle), address});
    return {};
  }

  void fail(const sockaddr_storage& address, std::ptrdiff_t result) {
    std::error_code why;
    settle(result, why);
    failed_.push_back({named(address), why});
  }

  /// Until an attempt may have ended (its index), the next one is due (none), or `ec` says that it is over.
  std::size_t wait(std::error_code& ec) {
    std::vector<writable_case> attempts;
    attempts.reserve(running_.size());
    for (const attempt& a : running_) attempts.emplace_back(no_handler(), a.handle.native(), a.handle.slot(), true);
    token_case stopped(no_handler(), *until_.stop);
    clock_case due(no_handler(), next_ < addresses_.size() ? next_at_ : never);
    clock_case late(no_handler(), until_.deadline);
    std::vector<select_case*> cases;
    cases.reserve(attempts.size() + 3);
    for (auto& a : attempts) cases.push_back(&a);
    cases.insert(cases.end(), {&stopped, &due, &late});
    const std::size_t fired = select_among(cases);
    if (fired < attempts.size()) return fired;
    if (fired == attempts.size()) ec = std::make_error_code(std::errc::operation_canceled);
    if (fired == attempts.size() + 2) ec = error::deadline_passed;
    return none;
  }

  const std::span<const sockaddr_storage> addresses_;
  const nanos delay_;
  const wait_bound until_;
  std::vector<connect_failure>& failed_;
  std::vector<attempt> running_;
  std::size_t next_ = 0;  // the first address that was not tried
  nanos next_at_ = 0;     // when its turn is
};

int telling(const std::error_code& why) noexcept {
  if (why == std::errc::too_many_files_open || why == std::errc::too_many_files_open_in_system ||
      why == std::errc::no_buffer_space || why == std::errc::not_enough_memory) {
    return 3;
  }
  if (why == std::errc::timed_out) return 1;
  if (why == std::errc::network_unreachable || why == std::errc::host_unreachable ||
      why == std::errc::address_not_available || why == std::errc::address_family_not_supported ||
      why == std::errc::no_such_device || why == std::errc::network_down) {
    return 0;
  }
  return 2;
}

}  // namespace

std::vector<sockaddr_storage> interleaved(std::span<const sockaddr_storage> addresses) {
  std::vector<sockaddr_storage> first;
  std::vector<sockaddr_storage> second;
  for (const auto& a : addresses) (a.ss_family == addresses.front().ss_family ? first : second).push_back(a);
  std::vector<sockaddr_storage> all;
  all.reserve(addresses.size());
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) all.push_back(first[i]);
    if (i < second.size()) all.push_back(second[i]);
  }
  return all;
}

std::error_code most_telling(std::span<const connect_failure> failed) noexcept {
  const connect_failure* best = &failed.front();
  for (const auto& f : failed) {
    if (telling(f.why) >= telling(best->why)) best = &f;
  }
  return best->why;
}

std::string describe(std::span<const connect_failure> failed) {
  std::string text;
  for (const auto& f : failed) {
    if (!text.empty()) text += ", ";
    text += f.to.to_string() + ": " + (f.why ? f.why.message() : "still connecting");
  }
  return text;
}

io_handle connect_first(std::span<const sockaddr_storage> addresses, nanos delay, wait_bound until, std::error_code& ec,
                        std::vector<connect_failure>& failed) {
  SENNIT_CHECK(!addresses.empty(), "connecting needs an address");
  failed.clear();
  if (addresses.size() > 1) return race(addresses, delay, until, failed).run(ec);
  io_handle handle = connect_one(addresses.front(), until, ec);
  if (ec) failed.push_back({named(addresses.front()), ec});
  return handle;
}

}  // namespace sennit::inline v0::detail
