#include <fcntl.h>
#include <poll.h>
#include <sys/event.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <memory>

#include "base/check.hpp"
#include "context/context.hpp"
#include "poller/kqueue_table.hpp"
#include "poller/open_error.hpp"
#include "poller/poller.hpp"

namespace sennit::inline v0::detail {
namespace {

using change = struct kevent;  // the function has the same name

[[nodiscard]] bool includes(interest what, interest direction) noexcept {
  return (static_cast<unsigned>(what) & static_cast<unsigned>(direction)) != 0;
}

/// A few changes, applied by one call that takes no events. Each answers by itself: 0 or an error. On one thread.
class batch {
 public:
  void add(int fd, int filter, unsigned flags, std::uint64_t token = 0, unsigned detail = 0) noexcept {
    change& c = all_[count_++];
    c.ident = static_cast<decltype(c.ident)>(fd);
    c.filter = static_cast<decltype(c.filter)>(filter);
    c.flags = static_cast<decltype(c.flags)>(flags | EV_RECEIPT);
    c.fflags = detail;
    c.udata = reinterpret_cast<void*>(token);
  }
  void apply(int queue) noexcept {
    if (count_ == 0) return;
    const int room = static_cast<int>(count_);
    const std::timespec at_once{};
    const int answered = ::kevent(queue, all_.data(), room, all_.data(), room, &at_once);
    if (answered != room) failed_ = answered < 0 ? errno : EINVAL;
  }
  [[nodiscard]] int error(std::size_t i) const noexcept {
    return failed_ != 0 ? failed_ : static_cast<int>(all_[i].data);
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  std::array<change, 3> all_{};
  std::size_t count_ = 0;
  int failed_ = 0;
};

/// Always ready, which epoll says by EPERM and kqueue does not. Both filters want a descriptor that is open.
int refused(int fd) noexcept {
  struct stat kind{};
  if (::fstat(fd, &kind) != 0) return -errno;
  return S_ISREG(kind.st_mode) || S_ISDIR(kind.st_mode) ? -EPERM : 0;
}

/// Both filters out. 0 if there was one.
int take_out(int queue, int fd) noexcept {
  batch out;
  out.add(fd, EVFILT_READ, EV_DELETE);
  out.add(fd, EVFILT_WRITE, EV_DELETE);
#ifdef EVFILT_EXCEPT
  out.add(fd, EVFILT_EXCEPT, EV_DELETE);
#endif
  out.apply(queue);
  if (out.error(0) == 0 || out.error(1) == 0) return 0;
  return -out.error(0);
}

/// The filters that were asked for in.
int put_in(int queue, int fd, std::uint64_t token, interest what, trigger how) noexcept {
  unsigned flags = EV_ADD | EV_ENABLE;
  if (how == trigger::edge) flags |= EV_CLEAR;
  if (how == trigger::oneshot) flags |= EV_DISPATCH;  // not EV_ONESHOT: a second add() has to find it
  batch in;
  if (includes(what, interest::readable)) in.add(fd, EVFILT_READ, flags, token);
  if (includes(what, interest::writable)) in.add(fd, EVFILT_WRITE, flags, token);
  const std::size_t asked_for = in.count();
#ifdef EVFILT_EXCEPT
  // Only here: a lone urgent byte is nothing that a plain read takes away, so by level it would be reported for ever.
  // What is no socket refuses it.
  if (how == trigger::edge && includes(what, interest::readable)) in.add(fd, EVFILT_EXCEPT, flags, token, NOTE_OOB);
#endif
  in.apply(queue);
  int taken = 0;
  int error = 0;
  for (std::size_t i = 0; i < asked_for; ++i) {
    // macOS refuses to wait for writing to a pipe whose reader is gone, and installs the filter all the same.
    if (in.error(i) == 0 || in.error(i) == EPIPE) {
      ++taken;
    } else {
      error = -in.error(i);
    }
  }
  if (error == 0) return 0;
  // The read end of a pipe may have no filter for writing, nor ever be written to.
  if (taken != 0 && error == -EINVAL) return 0;
  take_out(queue, fd);
  return error;
}

/// The filter for writing says only that writing is over: both directions, or ours alone after shutdown()?
unsigned end_of_writing(int fd) noexcept {
  struct stat kind{};
  if (::fstat(fd, &kind) == 0 && !S_ISSOCK(kind.st_mode)) return poll_event::failed | poll_event::readable;
  pollfd both{.fd = fd, .events = 0, .revents = 0};
  if (::poll(&both, 1, 0) == 1 && (both.revents & POLLHUP) != 0)
    return poll_event::hangup | poll_event::closed | poll_event::readable;
  return 0;
}

std::uint8_t from_kqueue(const change& e) noexcept {
  constexpr unsigned broken =
      poll_event::failed | poll_event::hangup | poll_event::closed | poll_event::readable | poll_event::writable;
  const bool over = (e.flags & EV_EOF) != 0;
  unsigned bits = 0;
  if (e.filter == EVFILT_WRITE) {
    bits = poll_event::writable;
    if (over) bits |= e.fflags != 0 ? broken : end_of_writing(static_cast<int>(e.ident));
#ifdef EVFILT_EXCEPT
  } else if (e.filter == EVFILT_EXCEPT) {
    bits = poll_event::priority;
#endif
  } else {
    bits = poll_event::readable;  // EVFILT_READ, and EVFILT_USER of a waker
    if (e.filter == EVFILT_READ && over) bits |= e.fflags != 0 ? broken : poll_event::closed;
  }
  return static_cast<std::uint8_t>(bits);
}

kqueue_table& table_of(const std::shared_ptr<void>& beside) noexcept {
  return *static_cast<kqueue_table*>(beside.get());
}

/// A report of one direction ends both. The lock keeps a modify() that comes meanwhile either before this, and then the
/// report is one of the new registration's, which hints may be; or after it, and it arms both again.
void disarm(kqueue_table& table, int queue, int fd, std::uint64_t token) noexcept {
  const spin_guard guard(table.lock);
  kqueue_table::entry* const mine = table.find(fd);
  if (mine == nullptr || mine->how != trigger::oneshot || !mine->armed || mine->token != token) return;
  mine->armed = false;
  batch off;
  if (includes(mine->what, interest::readable)) off.add(fd, EVFILT_READ, EV_DISABLE, token);
  if (includes(mine->what, interest::writable)) off.add(fd, EVFILT_WRITE, EV_DISABLE, token);
  off.apply(queue);
}

bool of_descriptor(const change& e) noexcept { return e.filter == EVFILT_READ || e.filter == EVFILT_WRITE; }

}  // namespace

const char* const poller_name = "kqueue";

#ifdef EVFILT_EXCEPT
const bool poller_sees_urgent_data = true;
#else
const bool poller_sees_urgent_data = false;  // FreeBSD
#endif

poller::poller() : queue_(::kqueue()), beside_(std::make_shared<kqueue_table>()) {
  if (!queue_) throw_open_failed("no poller", errno);
  if (::fcntl(queue_.get(), F_SETFD, FD_CLOEXEC) != 0) throw_open_failed("no poller", errno);
}

int poller::add(int fd, std::uint64_t token, interest what, trigger how) noexcept {
  tsan_release(this);
  if (const int error = refused(fd); error != 0) return error;
  kqueue_table& table = table_of(beside_);
  const spin_guard guard(table.lock);
  kqueue_table::entry* const mine = table.at(fd);
  if (mine == nullptr) return -ENOMEM;
  if (mine->registered()) {
    // Or closed since, without a word to us. The kernel knows: a change of what is not there fails. It may neither
    // enable what is off nor put another token in.
    batch probe;
    const bool on = mine->how != trigger::oneshot || mine->armed;
    probe.add(fd, includes(mine->what, interest::readable) ? EVFILT_READ : EVFILT_WRITE, on ? EV_ENABLE : EV_DISABLE,
              mine->token);
    probe.apply(queue_.get());
    if (probe.error(0) == 0) return -EEXIST;
    mine->clear();
  }
  const int error = put_in(queue_.get(), fd, token, what, how);
  if (error == 0) *mine = {.token = token, .what = what, .how = how, .armed = true};
  return error;
}

// Taken out first: whether a second EV_ADD changes EV_CLEAR is not said.
int poller::modify(int fd, std::uint64_t token, interest what, trigger how) noexcept {
  tsan_release(this);
  kqueue_table& table = table_of(beside_);
  const spin_guard guard(table.lock);
  kqueue_table::entry* const mine = table.at(fd);
  if (mine == nullptr) return fd < 0 ? -EBADF : -ENOMEM;
  mine->clear();
  if (const int error = take_out(queue_.get(), fd); error != 0) return error;
  const int error = put_in(queue_.get(), fd, token, what, how);
  if (error == 0) *mine = {.token = token, .what = what, .how = how, .armed = true};
  return error;
}

int poller::remove(int fd) noexcept {
  kqueue_table& table = table_of(beside_);
  const spin_guard guard(table.lock);
  if (kqueue_table::entry* const mine = table.find(fd)) mine->clear();
  return take_out(queue_.get(), fd);
}

int poller::wait(std::span<poll_event> into, nanos timeout) noexcept {
  SENNIT_CHECK(!into.empty(), "give wait() room for at least one event");
  change events[max_events];
  const int room = static_cast<int>(std::min(into.size(), max_events));
  constexpr nanos second = 1'000'000'000;
  constexpr nanos longest = (nanos{1} << 31) * second;  // systems differ in what they make of more: no limit
  const nanos limit = std::max<nanos>(timeout, 0);
  const std::timespec rounded{static_cast<std::time_t>(limit / second), static_cast<long>(limit % second)};
  const int count = ::kevent(queue_.get(), nullptr, 0, events, room, limit < longest ? &rounded : nullptr);
  if (count < 0) return errno == EINTR ? 0 : -errno;
  tsan_acquire(this);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const change& e = events[i];
    const auto token = reinterpret_cast<std::uint64_t>(e.udata);
    if (of_descriptor(e) && (e.flags & EV_DISPATCH) != 0)
      disarm(table_of(beside_), queue_.get(), static_cast<int>(e.ident), token);
    into[i] = {.token = token, .bits = from_kqueue(e)};
  }
  return count;
}

}  // namespace sennit::inline v0::detail
