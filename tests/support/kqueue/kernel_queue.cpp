#include "kernel_queue.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/sanitizer.hpp"

#if SENNIT_TSAN
extern "C" int __interceptor_close(int fd);
#endif

namespace sennit::test::kqueue_double {

int really_close(int fd) noexcept {
  if (fd < 0) return 0;
#if SENNIT_TSAN
  return __interceptor_close(fd);  // the number is free from now on, for TSan too
#else
  return static_cast<int>(::syscall(SYS_close, fd));
#endif
}

kernel_queue::kernel_queue(int& error) noexcept : all_(::epoll_create1(0)) {
  // Not close-on-exec: kqueue() does not promise it. What the program does not see, is. All of them now: who counts
  // descriptors sees them come and go with their queue.
  error = all_ >= 0 && make_sets() ? 0 : errno;
  if (error == 0) return;
  really_close(all_);
  all_ = -1;
}

kernel_queue::~kernel_queue() {
  for (auto& [name, n] : knotes_) really_close(n.timer);
  for (const int set : sets_) really_close(set);
}

bool kernel_queue::on_descriptor(std::int16_t filter) noexcept {
  return filter == EVFILT_READ || filter == EVFILT_WRITE || filter == EVFILT_EXCEPT;
}

bool kernel_queue::known(std::int16_t filter) noexcept {
  return on_descriptor(filter) || filter == EVFILT_TIMER || filter == EVFILT_USER;
}

kernel_queue::source kernel_queue::source_of(std::int16_t filter) noexcept {
  switch (filter) {
    case EVFILT_READ: return reads;
    case EVFILT_WRITE: return writes;
    case EVFILT_EXCEPT: return exceptions;
    case EVFILT_TIMER: return timers;
    default: return triggers;
  }
}

/// False and errno: what was made is left to the destructor.
bool kernel_queue::make_sets() noexcept {
  for (std::size_t s = 0; s < sources; ++s) {
    sets_[s] = s == triggers ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = s}};
    if (sets_[s] < 0 || ::epoll_ctl(all_, EPOLL_CTL_ADD, sets_[s], &event) != 0) return false;
  }
  return true;
}

int kernel_queue::apply(const struct kevent& change_to) {
  if (!known(change_to.filter)) return EINVAL;
  if (on_descriptor(change_to.filter) && ::fcntl(static_cast<int>(change_to.ident), F_GETFD) < 0) return EBADF;
  const auto at = knotes_.find({change_to.filter, change_to.ident});
  if (at == knotes_.end()) return (change_to.flags & EV_ADD) != 0 ? insert(change_to) : ENOENT;
  if ((change_to.flags & EV_DELETE) != 0) {
    erase(at);
    return 0;
  }
  const int error = change(at->second, change_to);
  if (error != ENOENT) return error;
  // Closed where nobody told us (inside libc, say), and the number used again.
  erase(at);
  return (change_to.flags & EV_ADD) != 0 ? insert(change_to) : ENOENT;
}

int kernel_queue::insert(const struct kevent& as) {
  const key name{as.filter, as.ident};
  knote& n = knotes_[name];
  n.id = next_id_++;
  n.as = as;
  n.as.flags = as.flags & (EV_ONESHOT | EV_CLEAR | EV_DISPATCH);
  ids_[n.id] = name;
  n.enabled = (as.flags & EV_DISABLE) == 0;
  int error = 0;
  if (as.filter == EVFILT_USER) {
    n.as.fflags = as.fflags & NOTE_FFLAGSMASK;
    user_flags(n, as);
  } else if (as.filter == EVFILT_TIMER) {
    error = set_timer(n);
  }
  if (error == 0 && n.enabled) error = watch(n, EPOLL_CTL_ADD);
  if (error != 0) erase(knotes_.find(name));
  return error;
}

int kernel_queue::change(knote& n, const struct kevent& to) {
  const bool was_enabled = n.enabled;
  if ((to.flags & (EV_ADD | EV_ENABLE)) != 0) n.enabled = true;
  if ((to.flags & EV_DISABLE) != 0) n.enabled = false;
  n.as.udata = to.udata;
  if (n.as.filter == EVFILT_USER) {
    user_flags(n, to);
  } else if ((to.flags & EV_ADD) != 0) {
    // ONESHOT, CLEAR and DISPATCH are those of the first EV_ADD: FreeBSD changes parameters only.
    n.as.fflags = to.fflags;
    n.as.data = to.data;
    if (n.as.filter == EVFILT_TIMER) {
      if (const int error = set_timer(n); error != 0) return error;
    }
  }
  if (n.enabled) return watch(n, was_enabled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
  if (was_enabled) unwatch(n);
  return 0;
}

/// From now on, or once more, it is reported when it is ready.
int kernel_queue::watch(knote& n, int operation) {
  if (n.as.filter == EVFILT_USER) {
    if (n.triggered) trigger(n);
    return 0;
  }
  const int set = sets_[source_of(n.as.filter)];
  epoll_event event{.events = EPOLLIN, .data = {.u64 = n.id}};
  if (n.as.filter == EVFILT_READ) event.events |= EPOLLRDHUP;
  if (n.as.filter == EVFILT_WRITE) event.events = EPOLLOUT;
  // The end of a stream, which epoll does not leave out, is no exception: it must not be repeated for ever.
  if (n.as.filter == EVFILT_EXCEPT) event.events = EPOLLPRI | EPOLLET;
  if ((n.as.flags & EV_CLEAR) != 0) event.events |= EPOLLET;
  const int fd = n.timer >= 0 ? n.timer : static_cast<int>(n.as.ident);
  if (::epoll_ctl(set, operation, fd, &event) == 0) return 0;
  if (errno != EPERM) return errno;
  trigger(n);  // a regular file: no need to wait
  return 0;
}

void kernel_queue::unwatch(knote& n) {
  if (n.as.filter == EVFILT_USER || n.triggered) {
    triggered_.remove(n.id);
    return;
  }
  const int fd = n.timer >= 0 ? n.timer : static_cast<int>(n.as.ident);
  ::epoll_ctl(sets_[source_of(n.as.filter)], EPOLL_CTL_DEL, fd, nullptr);
}

int kernel_queue::set_timer(knote& n) {
  if (n.timer < 0) n.timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (n.timer < 0) return errno;
  n.as.flags |= EV_CLEAR;
  intptr_t unit = 1'000'000;
  if ((n.as.fflags & NOTE_SECONDS) != 0) unit = 1'000'000'000;
  if ((n.as.fflags & NOTE_USECONDS) != 0) unit = 1'000;
  if ((n.as.fflags & NOTE_NSECONDS) != 0) unit = 1;
  const intptr_t every = std::max<intptr_t>(n.as.data * unit, 1);  // 0 would stop it
  const timespec period{every / 1'000'000'000, every % 1'000'000'000};
  const itimerspec when{.it_interval = (n.as.flags & EV_ONESHOT) != 0 ? timespec{} : period, .it_value = period};
  return ::timerfd_settime(n.timer, 0, &when, nullptr) == 0 ? 0 : errno;
}

void kernel_queue::user_flags(knote& n, const struct kevent& to) noexcept {
  const std::uint32_t given = to.fflags & NOTE_FFLAGSMASK;
  switch (to.fflags & NOTE_FFCTRLMASK) {
    case NOTE_FFAND: n.as.fflags &= given; break;
    case NOTE_FFOR: n.as.fflags |= given; break;
    case NOTE_FFCOPY: n.as.fflags = given; break;
    default: break;
  }
  n.as.data = to.data;
  if ((to.fflags & NOTE_TRIGGER) == 0) return;
  n.triggered = true;
  if (n.enabled) trigger(n);
}

void kernel_queue::trigger(knote& n) {
  n.triggered = true;
  if (std::find(triggered_.begin(), triggered_.end(), n.id) != triggered_.end()) return;
  triggered_.push_back(n.id);
  const std::uint64_t one = 1;
  static_cast<void>(!::write(sets_[triggers], &one, sizeof one));
}

void kernel_queue::untrigger(knote& n) {
  n.triggered = false;
  triggered_.remove(n.id);
}

void kernel_queue::erase(knotes::iterator at) {
  knote& n = at->second;
  if (n.enabled) unwatch(n);
  really_close(n.timer);
  ids_.erase(n.id);
  knotes_.erase(at);
}

void kernel_queue::forget(int fd) {
  for (const int filter : {EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT}) {
    const auto at = knotes_.find({static_cast<std::int16_t>(filter), static_cast<std::uintptr_t>(fd)});
    if (at != knotes_.end()) erase(at);
  }
}

int kernel_queue::collect(struct kevent* into, int room) {
  epoll_event ready[sources];
  const int ready_count = ::epoll_wait(all_, ready, sources, 0);
  int count = 0;
  ++turn_;  // nobody is always first
  for (int i = 0; i < ready_count && count < room; ++i) {
    const auto s =
        static_cast<source>(ready[(turn_ + static_cast<unsigned>(i)) % static_cast<unsigned>(ready_count)].data.u64);
    count += s == triggers ? take_triggered(into + count, room - count) : take_from(s, into + count, room - count);
  }
  return count;
}

int kernel_queue::take_from(source s, struct kevent* into, int room) {
  constexpr int batch = 256;
  epoll_event ready[batch];
  const int ready_count = ::epoll_wait(sets_[s], ready, std::min(room, batch), 0);
  int count = 0;
  for (int i = 0; i < ready_count; ++i) {
    const auto at = ids_.find(ready[i].data.u64);
    if (at == ids_.end()) continue;
    if (!evaluate(knotes_.at(at->second), ready[i].events, into[count])) continue;
    ++count;
    delivered(ready[i].data.u64);
  }
  return count;
}

int kernel_queue::take_triggered(struct kevent* into, int room) {
  int count = 0;
  for (auto left = triggered_.size(); left > 0 && count < room; --left) {
    const std::uint64_t id = triggered_.front();
    knote& n = knotes_.at(ids_.at(id));
    if (!evaluate(n, EPOLLIN, into[count])) {
      untrigger(n);
      continue;
    }
    triggered_.splice(triggered_.end(), triggered_, triggered_.begin());  // by level it stays, behind the others
    if ((n.as.flags & EV_CLEAR) != 0) untrigger(n);
    ++count;
    delivered(id);
  }
  std::uint64_t ignored = 0;
  if (triggered_.empty()) static_cast<void>(!::read(sets_[triggers], &ignored, sizeof ignored));
  return count;
}

bool kernel_queue::evaluate(const knote& n, std::uint32_t ready, struct kevent& into) const {
  into = n.as;
  if (n.as.filter == EVFILT_USER) return true;
  if (n.as.filter == EVFILT_TIMER) {
    std::uint64_t times = 0;
    if (::read(n.timer, &times, sizeof times) != sizeof times) return false;
    into.data = static_cast<intptr_t>(times);
    return true;
  }
  const int fd = static_cast<int>(n.as.ident);
  into.fflags = 0;
  into.data = 0;
  if (n.as.filter == EVFILT_READ) return look_at_reading(fd, ready, into);
  if (n.as.filter == EVFILT_WRITE) return look_at_writing(fd, ready, into);
  into.fflags = NOTE_OOB;
  return (ready & EPOLLPRI) != 0;
}

/// ONESHOT, DISPATCH, and what epoll did not do by itself.
void kernel_queue::delivered(std::uint64_t id) {
  const auto at = knotes_.find(ids_.at(id));
  knote& n = at->second;
  if ((n.as.flags & EV_ONESHOT) != 0) return erase(at);
  if ((n.as.flags & EV_DISPATCH) != 0) {
    unwatch(n);
    n.enabled = false;
  } else if (n.as.filter == EVFILT_EXCEPT && (n.as.flags & EV_CLEAR) == 0) {
    watch(n, EPOLL_CTL_MOD);
  }
}

}  // namespace sennit::test::kqueue_double
