#pragma once
// A kqueue for tests, and what one asks it.
#include <gtest/gtest.h>
#include <sys/event.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "support/descriptors.hpp"

namespace sennit::test {

using event = struct kevent;

inline constexpr timespec at_once{};
inline constexpr timespec patience{20, 0};

inline event made(int ident, int filter, unsigned flags, std::uint32_t fflags = 0, std::intptr_t data = 0,
                  void* udata = nullptr) {
  return {static_cast<std::uintptr_t>(ident),
          static_cast<std::int16_t>(filter),
          static_cast<std::uint16_t>(flags),
          fflags,
          data,
          udata};
}

/// Owned by its test.
struct queue {
  unique_fd fd{checked(::kqueue(), "kqueue")};

  /// One change: 0 or errno.
  int change(event what) const { return ::kevent(fd.get(), &what, 1, nullptr, 0, nullptr) == 0 ? 0 : errno; }
  /// The events of one call.
  std::vector<event> take(const timespec& limit = at_once, std::size_t room = 16) const {
    std::vector<event> all(room);
    const int count = ::kevent(fd.get(), nullptr, 0, all.data(), static_cast<int>(room), &limit);
    EXPECT_GE(count, 0) << errno;
    all.resize(static_cast<std::size_t>(std::max(count, 0)));
    return all;
  }
  /// The only event, once there is one: TCP takes its time.
  event await() const {
    const auto all = take(patience);
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? event{} : all[0];
  }
  /// Waits until one event has all of `flags`; between them others may come.
  event await(unsigned flags) const {
    for (int i = 0; i < 1000; ++i) {
      const event e = await();
      if ((e.flags & flags) == flags) return e;
      if (e.flags == 0 && e.ident == 0) break;
    }
    ADD_FAILURE() << "no event with flags " << flags;
    return {};
  }
  std::size_t size() const { return take().size(); }
};

}  // namespace sennit::test
