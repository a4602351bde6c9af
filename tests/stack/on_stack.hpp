#pragma once
// Helpers of the stack tests.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "base/check.hpp"
#include "context/context.hpp"
#include "stack/stack.hpp"

namespace sennit::test {

/// Runs `f` on the stack `s` and comes back when it returns.
template <class F>
void run_on(detail::stack s, F f) {
  struct journey {
    F& f;
    detail::context here, there;
  } trip{f, {}, {}};
  const auto entry = [](void* transfer) -> detail::last_switch {
    auto& under_way = *static_cast<journey*>(transfer);
    under_way.f();
    return {under_way.there, under_way.here, nullptr, *detail::thread_exception_state()};
  };
  detail::make_context(trip.there, s.limit(), s.top(), entry, detail::current_fp_env());
  detail::switch_context(trip.here, trip.there, &trip, *detail::thread_exception_state());
  detail::destroy_context(trip.there);
}

/// What the kernel says to reading one byte at an address: a write(2) from there into a pipe.
class kernel_reader {
 public:
  kernel_reader() { SENNIT_CHECK(::pipe(ends_.data()) == 0, "give the tests two descriptors"); }
  kernel_reader(const kernel_reader&) = delete;
  kernel_reader& operator=(const kernel_reader&) = delete;
  ~kernel_reader() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  /// 0 or errno.
  int try_read(const std::byte* from) {
    const ssize_t n = ::write(ends_[1], from, 1);
    if (n != 1) return errno;
    char taken = 0;
    return ::read(ends_[0], &taken, 1) == 1 ? 0 : errno;
  }

  /// Whether all of the guard is closed, at both ends and in the middle, and the page above it is open.
  bool guarded(detail::stack s) {
    return try_read(s.slot) == EFAULT && try_read(s.slot + detail::guard_bytes / 2) == EFAULT &&
           try_read(s.limit() - 1) == EFAULT && try_read(s.limit()) == 0;
  }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace sennit::test
