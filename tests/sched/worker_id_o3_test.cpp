// Hazard 4, built with -O3 and, where the toolchain can, link-time optimisation over the scheduler's own files: no
// compiler may keep the address of a thread_local over a switch.
#include <gtest/gtest.h>

#include <thread>

#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

TEST(worker_id_o3_test, this_worker_is_the_one_that_resumed_us) {
  for (const unsigned workers : {2U, 4U}) {
    sennit::run({.workers = workers, .stall_threshold = {}, .force_migrate = true}, [] {
      scope all;
      for (int f = 0; f < 8; ++f) {
        all.spawn([] {
          // Said by whoever resumes the fiber, not by a thread_local.
          const detail::fiber_block& me = *detail::current_fiber();
          std::size_t moved = 0;
          for (std::size_t i = 0; i < scaled(100'000); ++i) {
            const detail::worker* const before = detail::this_worker();
            ASSERT_EQ(before, me.last);
            const_cast<detail::worker*>(before)->yield(const_cast<detail::fiber_block&>(me));
            const detail::worker* const after = detail::this_worker();
            ASSERT_EQ(after, me.last) << "a thread_local of the former thread";
            ASSERT_EQ(detail::current_fiber(), &me);
            moved += before != after;
          }
          ASSERT_GT(moved, 0u);
        });
      }
      all.join();
    });
  }
}

TEST(worker_id_o3_test, parks_and_sleeps_too) {
  sennit::run({.workers = 2, .stall_threshold = {}, .force_migrate = true}, [] {
    scope all;
    for (int f = 0; f < 8; ++f) {
      all.spawn([] {
        const detail::fiber_block& me = *detail::current_fiber();
        for (std::size_t i = 0; i < scaled(5'000); ++i) {
          this_fiber::sleep_for(std::chrono::nanoseconds(1));
          ASSERT_EQ(detail::this_worker(), me.last);
          this_fiber::yield();
          ASSERT_EQ(detail::this_worker(), me.last);
        }
      });
    }
    all.join();
  });
}

}  // namespace
}  // namespace sennit::test
