// Hazard 9 and the memory of parked fibers, with the kernel's own numbers, and what happens when memory ends. An
// emulator has neither guard markers nor its own limits; sanitizers add memory of their own.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <sennit/event.hpp>

#include "sched/scheduler.hpp"
#include "stack/on_stack.hpp"
#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

std::size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

/// Of /proc/self/status, in bytes.
std::size_t status(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key + ":")) return std::stoull(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

/// Asked without the runtime. A kernel before 6.13 guards by two mappings a stack, and has 65 530 of them.
bool kernel_marks_guards() {
  constexpr int guard_install = 102;  // newer than Debian 12's headers
  void* const area = ::mmap(nullptr, detail::guard_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(area != MAP_FAILED, "mmap");
  const bool marked = ::madvise(area, detail::guard_bytes, guard_install) == 0 &&
                      kernel_reader().try_read(static_cast<std::byte*>(area)) == EFAULT;
  ::munmap(area, detail::guard_bytes);
  return marked;
}

/// `count` fibers, parked on one event until this goes.
class parked_fibers {
 public:
  parked_fibers(runtime& rt, std::size_t count) : rt_(rt), stacks_(count), before_(rt.stats().parks) {
    rt.run([&] {
      for (std::size_t i = 0; i < count; ++i) {
        go([this, i] {
          stacks_[i] = detail::current_fiber()->memory();
          gate_.wait();
          ++gone_;
        });
        if (i % 256 == 255) this_fiber::yield();  // else a worker's queue has room for them all, for good
      }
    });
    must(spin_until([&] { return rt.stats().parks - before_ >= count; }, 100s), "the fibers do not park");
  }
  ~parked_fibers() {
    gate_.set();
    must(spin_until([&] { return gone_ == stacks_.size(); }, 100s), "the fibers do not end");
    while (rt_.stats().finished < rt_.stats().spawned) std::this_thread::yield();
  }
  [[nodiscard]] const std::vector<detail::stack>& stacks() const { return stacks_; }

 private:
  runtime& rt_;
  std::vector<detail::stack> stacks_;
  std::uint64_t before_;
  event gate_;
  std::atomic<std::size_t> gone_{0};
};

TEST(many_fibers_native, two_hundred_thousand_guarded_fibers_are_parked_at_once) {
  runtime rt({.workers = 2, .stall_threshold = {}});
  const std::size_t count = kernel_marks_guards() ? 200'000 : 20'000;
  const parked_fibers fibers(rt, count);
  EXPECT_GE(rt.stats().stacks_in_use, count);
  const std::size_t mappings = count_mappings();
  std::printf("%zu fibers, %zu mappings\n", count, mappings);
  EXPECT_LT(mappings, kernel_marks_guards() ? 500u : 60'000u);
  std::mt19937_64 random(seed());
  kernel_reader kernel;
  for (int i = 0; i < 1000; ++i) {
    const detail::stack s = fibers.stacks()[random() % count];
    ASSERT_TRUE(s);
    ASSERT_TRUE(kernel.guarded(s));
  }
}

TEST(many_fibers_native, a_parked_fiber_costs_at_most_4_9_kib) {
  runtime rt({.workers = 2, .stall_threshold = {}});
  const std::size_t count = kernel_marks_guards() ? 100'000 : 20'000;
  const auto all = [] { return status("VmRSS") + status("VmPTE"); };
  const std::size_t before = all();
  const parked_fibers fibers(rt, count);
  const std::size_t each = (all() - before - count * sizeof(detail::stack)) / count;  // less the test's own list
  std::printf("%zu bytes each, of which %zu control block\n", each, sizeof(detail::fiber_block));
  EXPECT_LE(each, 49u * 1024 / 10);
}

/// Address space for so much more than there is now.
void allow_more(std::size_t bytes) {
  const rlimit limit{status("VmSize") + bytes, RLIM_INFINITY};
  must(::setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
}

class exhaustion_native : public ::testing::Test {
 protected:
  // In a child each, for the limit's sake.
  exhaustion_native() { GTEST_FLAG_SET(death_test_style, "fast"); }
};

TEST_F(exhaustion_native, without_memory_for_control_blocks_a_spawn_fails) {
  EXPECT_EXIT(
      {
        std::error_code code;
        std::atomic<std::size_t> ran{0};
        std::size_t spawned = 0;
        runtime rt({.workers = 1, .stall_threshold = {}});
        rt.run([&] {
          allow_more(32 << 20);
          try {
            for (;; ++spawned) go([&] { ++ran; });
          } catch (const std::system_error& e) {
            code = e.code();
          }
        });
        must(rt.shutdown(60s), "the fibers that were spawned do not end");
        std::_Exit(code == std::errc::not_enough_memory && ran == spawned ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace sennit::test
