// Hazard 3: who wakes another worker for what a poll brought, and who does not.
#include "sched/pace.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <span>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/pipe.hpp>
#include <sennit/runtime.hpp>

#include "base/host.hpp"
#include "sched/scheduler.hpp"
#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using detail::nanos;
using detail::pace;
using namespace std::chrono_literals;

constexpr auto patience = 20s;

TEST(pace_test, waits_add_up) {
  pace p;
  std::uint64_t switches = 0;
  nanos now = 1'000;
  p.note(switches, now);
  EXPECT_TRUE(p.keeps_waiting(1)) << "of the first ones nothing is known";
  EXPECT_FALSE(p.keeps_waiting(0));
  for (int poll = 0; poll < 50; ++poll) p.note(switches += 10, now += 50'000);  // 5 us each
  EXPECT_FALSE(p.keeps_waiting(3));
  EXPECT_TRUE(p.keeps_waiting(4));
}

TEST(pace_test, a_long_slice_counts_for_some_polls_and_is_forgotten) {
  pace p;
  std::uint64_t switches = 0;
  nanos now = 0;
  const auto quick = [&] { p.note(switches += 1, now += 1'000); };
  for (int poll = 0; poll < 50; ++poll) quick();
  EXPECT_FALSE(p.keeps_waiting(10));
  p.note(switches += 1, now += 1'000'000'000);
  EXPECT_TRUE(p.keeps_waiting(1));
  for (int poll = 0; poll < 20; ++poll) quick();
  EXPECT_FALSE(p.keeps_waiting(10));
}

TEST(pace_test, what_passes_without_a_switch_is_no_slice) {
  pace p;
  for (int poll = 0; poll < 50; ++poll) p.note(static_cast<std::uint64_t>(poll), 0);
  EXPECT_FALSE(p.keeps_waiting(10));
  p.note(49, 1'000'000'000);  // asleep
  EXPECT_FALSE(p.keeps_waiting(10));
}

/// Time passes only where a test says so.
class stepped_host : public detail::host {
 public:
  nanos now() noexcept override { return now_.load(); }
  void pass(nanos time) noexcept { now_ += time; }

 private:
  std::atomic<nanos> now_{1};
};

/// Fibers that are ready at once, by one poll of the worker on which the test stays; the other one sleeps.
class crowd {
 public:
  /// On a fiber of a runtime of two workers.
  explicit crowd(stepped_host& host) : host_(host) {
    // The other worker is kept busy until all wait, so that this one's poller has them all.
    std::atomic<bool> busy{false};
    std::atomic<bool> enough{false};
    fiber hog = spawn([&] {
      busy = true;
      while (!enough) detail::cpu_pause();
    });
    must(spin_until([&] { return busy.load(); }, patience), "the other worker takes a fiber");
    for (member& m : members_) {
      m.self = spawn([this, &m] { answer(m); });
      m.probe.await_parked();
    }
    enough = true;
    hog.join();
  }
  ~crowd() {
    for (member& m : members_) m.ends.writer.close();
    for (member& m : members_) m.self.join();
  }

  /// So often makes all ready, each of whom then computes for `slice`, and waits for them: how many wakes that took.
  std::uint64_t wakes(int rounds, nanos slice) {
    const auto& rt = detail::this_worker()->home;
    const std::uint64_t before = runtime::current()->stats().wakes;
    slice_ = slice;
    for (int i = 0; i < rounds; ++i) {
      must(spin_until([&] { return rt.idle.awake() == 1; }, patience), "the other worker sleeps");
      event all;
      all_ = &all;
      left_ = static_cast<int>(members_.size());
      for (member& m : members_) m.ends.writer.write_all(std::as_bytes(std::span("x", 1)));
      all.wait();
    }
    return runtime::current()->stats().wakes - before;
  }

 private:
  struct member {
    pipe ends = pipe::open();
    fiber self;
    park_probe probe;
  };

  void answer(member& m) {
    std::array<std::byte, 1> byte;
    m.probe.here();
    while (m.ends.reader.read_some(byte) != 0) {
      host_.pass(slice_);
      if (--left_ == 0) all_->set();
    }
  }

  stepped_host& host_;
  const pin_guard here_;
  std::array<member, 4> members_;
  std::atomic<nanos> slice_{0};
  std::atomic<int> left_{0};
  event* all_ = nullptr;
};

/// crowd::wakes() once it is known how long a slice takes.
std::uint64_t wakes_of_known(nanos slice) {
  stepped_host host;
  return sennit::run({.workers = 2, .stall_threshold = {}, .host = &host}, [&] {
    crowd c(host);
    c.wakes(20, slice);
    return c.wakes(50, slice);
  });
}

TEST(pace_test, nobody_is_woken_for_what_is_done_before_they_could_run) { EXPECT_EQ(wakes_of_known(0), 0u); }

TEST(pace_test, somebody_is_woken_for_what_would_wait_for_long) { EXPECT_GE(wakes_of_known(50'000), 50u); }

}  // namespace
}  // namespace sennit::test
