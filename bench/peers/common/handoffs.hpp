#pragma once
// Of the group sync, once for all systems of C++ whose primitives have std's names. in_two(a, b) runs both in two
// fibers (or threads), in_each_of(count, f) runs f in so many; both wait for them.
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "common/program.hpp"

namespace bench {

template <class Semaphore>
void semaphore_handoff(double seconds, auto&& in_two) {
  measure("semaphore_handoff", seconds, 2, [&](std::uint64_t n) {
    Semaphore mine(1);
    Semaphore yours(0);
    const auto alternate = [n](auto& wait, auto& wake) {
      for (std::uint64_t i = 0; i < n; ++i) {
        wait.acquire();
        wake.release();
      }
    };
    in_two([&] { alternate(mine, yours); }, [&] { alternate(yours, mine); });
  });
}

template <class Mutex, class Condition>
void condition_variable_handoff(double seconds, auto&& in_two) {
  measure("condition_variable_handoff", seconds, 2, [&](std::uint64_t n) {
    Mutex m;
    Condition turned;
    int turn = 0;
    const auto alternate = [&, n](int me) {
      for (std::uint64_t i = 0; i < n; ++i) {
        std::unique_lock lock(m);
        turned.wait(lock, [&] { return turn == me; });
        turn = 1 - me;
        turned.notify_one();
      }
    };
    in_two([&] { alternate(0); }, [&] { alternate(1); });
  });
}

template <class Mutex>
void mutex_contended_2_workers(double seconds, auto&& in_each_of) {
  constexpr std::size_t fibers = 8;
  measure("mutex_contended_2_workers", seconds, fibers, [&](std::uint64_t n) {
    Mutex m;
    std::uint64_t count = 0;
    in_each_of(fibers, [&, n] {
      for (std::uint64_t i = 0; i < n; ++i) {
        const std::lock_guard lock(m);
        ++count;
      }
    });
    if (count != n * fibers) fail("the mutex has let two in");
  });
}

}  // namespace bench
