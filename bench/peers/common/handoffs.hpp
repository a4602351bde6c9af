#pragma once
// The handoffs of the group sync, once for all systems of C++ whose primitives have std's names. in_two(a, b) runs both
// in two fibers (or threads) and waits for them.
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

}  // namespace bench
