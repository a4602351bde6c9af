#include <algorithm>
#include <array>
#include <limits>

#include <sennit/event_queue.hpp>

#include "base/check.hpp"
#include "base/host.hpp"
#include "base/time.hpp"
#include "poller/poller.hpp"
#include "poller/waker.hpp"

namespace sennit::inline v0 {
namespace {

constexpr std::uint64_t waker_token = std::numeric_limits<std::uint64_t>::max();

void throw_failed(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::system_category(), what);
}

void require_free(std::uint64_t token, const char* what) {
  if (token == waker_token)
    throw std::system_error(make_error_code(std::errc::invalid_argument),
                            std::string(what) + ": the token 2^64-1 is wake()'s own; take another");
}

event_queue::event translate(const detail::poll_event& seen) noexcept {
  using detail::poll_event;
  return {.token = seen.token,
          .readable = (seen.bits & (poll_event::readable | poll_event::priority)) != 0,
          .writable = (seen.bits & poll_event::writable) != 0,
          .closed = (seen.bits & poll_event::closed) != 0,
          .failed = (seen.bits & poll_event::failed) != 0};
}

}  // namespace

/// Owned by its event_queue; threads as there.
struct event_queue::impl {
  detail::poller queue;
  detail::waker waker{queue, waker_token};  // after its poller, so that it goes first
};

event_queue::event_queue() : impl_(std::make_unique<impl>()) {}
event_queue::event_queue(event_queue&&) noexcept = default;
event_queue& event_queue::operator=(event_queue&&) noexcept = default;
event_queue::~event_queue() = default;

void event_queue::add(int fd, std::uint64_t token, interest what, trigger how) {
  SENNIT_CHECK(impl_, "this event_queue was moved from: use the one it was moved to");
  require_free(token, "event_queue::add");
  throw_failed(impl_->queue.add(fd, token, what, how), "event_queue::add");
}

void event_queue::modify(int fd, std::uint64_t token, interest what, trigger how) {
  SENNIT_CHECK(impl_, "this event_queue was moved from: use the one it was moved to");
  require_free(token, "event_queue::modify");
  throw_failed(impl_->queue.modify(fd, token, what, how), "event_queue::modify");
}

void event_queue::remove(int fd) {
  SENNIT_CHECK(impl_, "this event_queue was moved from: use the one it was moved to");
  throw_failed(impl_->queue.remove(fd), "event_queue::remove");
}

std::size_t event_queue::poll(std::span<event> into, std::chrono::nanoseconds timeout) {
  SENNIT_CHECK(impl_, "this event_queue was moved from: use the one it was moved to");
  SENNIT_CHECK(!into.empty(), "give poll() room for at least one event");
  detail::host& host = detail::system_host();
  detail::nanos left = timeout.count() < 0 ? detail::never : timeout.count();
  const detail::nanos deadline = left == detail::never ? detail::never : detail::add_nanos(host.now(), left);
  std::array<detail::poll_event, detail::poller::max_events> seen;
  const auto room = std::span(seen).first(std::min(into.size(), seen.size()));
  for (;;) {
    const int result = impl_->queue.wait(room, left);
    throw_failed(result, "event_queue::poll");
    std::size_t count = 0;
    bool woken = false;
    for (const auto& report : room.first(static_cast<std::size_t>(result))) {
      if (report.token == waker_token) {
        impl_->waker.acknowledge();
        woken = true;
      } else {
        into[count++] = translate(report);
      }
    }
    if (count > 0 || woken) return count;
    if (deadline == detail::never) continue;  // a signal
    left = deadline - host.now();
    if (left <= 0) return 0;
  }
}

void event_queue::wake() noexcept {
  SENNIT_CHECK(impl_, "this event_queue was moved from: use the one it was moved to");
  impl_->waker.wake();
}

int event_queue::native_handle() const noexcept {
  SENNIT_CHECK(impl_, "this event_queue was moved from: use the one it was moved to");
  return impl_->queue.native_handle();
}

}  // namespace sennit::inline v0
