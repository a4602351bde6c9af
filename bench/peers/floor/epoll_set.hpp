#pragma once
// The loops of the floors.
#include <sys/epoll.h>

#include <array>
#include <cstddef>

#include "common/program.hpp"

namespace bench {

/// Level-triggered. `data` comes back with the event.
class epoll_set {
 public:
  void add(int fd, void* data) const {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = data}};
    if (::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  }
  /// f(data) for each event, until it returns false.
  template <class F>
  void serve(F&& f) const {
    std::array<epoll_event, 256> events;
    for (;;) {
      const int count = ::epoll_wait(fd_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        if (!f(events[static_cast<std::size_t>(i)].data.ptr)) return;
      }
    }
  }

 private:
  int fd_ = ::epoll_create1(EPOLL_CLOEXEC);
};

}  // namespace bench
