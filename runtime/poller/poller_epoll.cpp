#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>

#include "base/check.hpp"
#include "context/context.hpp"
#include "poller/open_error.hpp"
#include "poller/poller.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr nanos millisecond = 1'000'000;

[[nodiscard]] bool includes(interest what, interest direction) noexcept {
  return (static_cast<unsigned>(what) & static_cast<unsigned>(direction)) != 0;
}

std::uint32_t to_epoll(interest what, trigger how) noexcept {
  std::uint32_t events = 0;
  if (includes(what, interest::readable)) events |= EPOLLIN | EPOLLRDHUP;
  if (includes(what, interest::writable)) events |= EPOLLOUT;
  if (how == trigger::oneshot) events |= EPOLLONESHOT;
  if (how == trigger::edge) {
    events |= EPOLLET;
    // Only here: a lone urgent byte is nothing that a plain read takes away, so by level it would be reported for ever.
    if (includes(what, interest::readable)) events |= EPOLLPRI;
  }
  return events;
}

std::uint8_t from_epoll(std::uint32_t events) noexcept {
  unsigned bits = 0;
  if (events & EPOLLIN) bits |= poll_event::readable;
  if (events & EPOLLOUT) bits |= poll_event::writable;
  if (events & EPOLLPRI) bits |= poll_event::priority;
  if (events & EPOLLRDHUP) bits |= poll_event::closed | poll_event::readable;
  // A hangup or an error comes alone when it is all there is (a pipe at its end, say): whoever waits must see it.
  if (events & EPOLLHUP) bits |= poll_event::hangup | poll_event::closed | poll_event::readable | poll_event::writable;
  if (events & EPOLLERR) bits |= poll_event::failed | poll_event::readable | poll_event::writable;
  return static_cast<std::uint8_t>(bits);
}

/// epoll_wait's timeout: rounded up, because a timer that finds its time not yet come would poll again and again.
int to_milliseconds(nanos timeout) noexcept {
  if (timeout == never) return -1;
  if (timeout <= 0) return 0;
  const nanos rounded = timeout / millisecond + (timeout % millisecond != 0 ? 1 : 0);
  return static_cast<int>(std::min<nanos>(rounded, std::numeric_limits<int>::max()));
}

int control(int queue, int operation, int fd, epoll_event* event) noexcept {
  return ::epoll_ctl(queue, operation, fd, event) == 0 ? 0 : -errno;
}

}  // namespace

const char* const poller_name = "epoll";
const bool poller_sees_urgent_data = true;

poller::poller() : queue_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!queue_) throw_open_failed("no poller", errno);
  // Linux >= 5.11. Asked by calling it: emulators and seccomp filters lack it whatever the kernel's version says.
  epoll_event none{};
  const std::timespec now{};
  if (::epoll_pwait2(queue_.get(), &none, 1, &now, nullptr) != 0) resolution_ = millisecond;
}

int poller::add(int fd, std::uint64_t token, interest what, trigger how) noexcept {
  tsan_release(this);
  epoll_event event{.events = to_epoll(what, how), .data = {.u64 = token}};
  return control(queue_.get(), EPOLL_CTL_ADD, fd, &event);
}

int poller::modify(int fd, std::uint64_t token, interest what, trigger how) noexcept {
  tsan_release(this);
  epoll_event event{.events = to_epoll(what, how), .data = {.u64 = token}};
  return control(queue_.get(), EPOLL_CTL_MOD, fd, &event);
}

int poller::remove(int fd) noexcept { return control(queue_.get(), EPOLL_CTL_DEL, fd, nullptr); }

int poller::wait(std::span<poll_event> into, nanos timeout) noexcept {
  SENNIT_CHECK(!into.empty(), "give wait() room for at least one event");
  epoll_event events[max_events];
  const int room = static_cast<int>(std::min(into.size(), max_events));
  int count = 0;
  if (timeout > 0 && timeout != never && resolution_ < millisecond) {
    const std::timespec limit{static_cast<std::time_t>(timeout / 1'000'000'000), timeout % 1'000'000'000};
    count = ::epoll_pwait2(queue_.get(), events, room, &limit, nullptr);
  } else {
    count = ::epoll_wait(queue_.get(), events, room, to_milliseconds(timeout));
  }
  if (count < 0) return errno == EINTR ? 0 : -errno;
  tsan_acquire(this);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
    into[i] = {.token = events[i].data.u64, .bits = from_epoll(events[i].events)};
  return count;
}

}  // namespace sennit::inline v0::detail
