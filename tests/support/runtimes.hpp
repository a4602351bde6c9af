#pragma once
// Fixtures for tests that need a runtime: each case runs with one, two and four workers.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <iostream>
#include <new>
#include <string>
#include <system_error>

#include <sennit/runtime.hpp>

#include "base/random.hpp"
#include "sched/park.hpp"
#include "support/scale.hpp"

namespace sennit::test {

/// TEST_P(my_test, ...) with a runtime of GetParam() workers. INSTANTIATE_RUNTIMES(my_test) once per fixture.
class runtimes : public ::testing::TestWithParam<unsigned> {
 protected:
  [[nodiscard]] static unsigned workers() { return GetParam(); }
  /// No reports of workers that do not switch: tests spin, and machines are loaded.
  [[nodiscard]] static options opts() { return {.workers = workers(), .stall_threshold = {}}; }
  /// fn as the first fiber of a fresh runtime.
  template <class F>
  static decltype(auto) run(F&& fn) {
    return sennit::run(opts(), std::forward<F>(fn));
  }
};

/// For stress tests: a seed that differs from run to run, is printed, and can be given again by SENNIT_TEST_SEED.
inline std::uint64_t seed() {
  const char* const given = std::getenv("SENNIT_TEST_SEED");
  const std::uint64_t s = given != nullptr
                              ? std::strtoull(given, nullptr, 10)
                              : static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  std::cout << "seed " << s << " (SENNIT_TEST_SEED)" << std::endl;
  return s;
}

/// The code that `f` throws; none if it returns.
template <class F>
std::error_code code_of(F&& f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return e.code();
  } catch (const std::future_error& e) {
    return e.code();
  }
  return {};
}

/// Yields until `condition` holds: for states that come without anybody telling. The test's time limit bounds it.
template <class Condition>
void until(Condition&& condition) {
  while (!condition()) this_fiber::yield();
}

/// Tells when a certain fiber or plain thread is parked: it calls here() before its next park, the others look.
class park_probe {
 public:
  void here() noexcept { who_.store(&detail::current_waiter(), std::memory_order_release); }
  [[nodiscard]] bool parked() const noexcept {
    const detail::waiter* const who = who_.load(std::memory_order_acquire);
    return who != nullptr && (who->state.peek() & detail::state_word::parked) != 0;
  }
  void await_parked() const {
    until([this] { return parked(); });
  }

 private:
  std::atomic<detail::waiter*> who_{nullptr};
};

/// Room for a T that lives on the stack of who waits for it: destroy() ends its life and paints the room; intact() then
/// tells whether anybody has written to it since.
template <class T>
class haunted {
 public:
  template <class... Args>
  explicit haunted(Args&&... args) {
    ::new (static_cast<void*>(room_)) T(std::forward<Args>(args)...);
  }
  haunted(const haunted&) = delete;
  haunted& operator=(const haunted&) = delete;
  T& operator*() noexcept { return *std::launder(reinterpret_cast<T*>(room_)); }
  T* operator->() noexcept { return &**this; }
  void destroy() noexcept {
    (**this).~T();
    std::memset(room_, paint, sizeof room_);
  }
  [[nodiscard]] bool intact() const noexcept {
    return std::all_of(std::begin(room_), std::end(room_), [](unsigned char c) { return c == paint; });
  }

 private:
  static constexpr unsigned char paint = 0xa5;
  alignas(T) unsigned char room_[sizeof(T)];
};

}  // namespace sennit::test

#define INSTANTIATE_RUNTIMES(fixture)                                       \
  INSTANTIATE_TEST_SUITE_P(workers, fixture, ::testing::Values(1u, 2u, 4u), \
                           [](const auto& i) { return std::to_string(i.param); })
