// Counters of workers, how long things take, and their text.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <sstream>
#include <thread>

#include <sennit/channel.hpp>
#include <sennit/metrics.hpp>
#include <sennit/scope.hpp>
#include <sennit/semaphore.hpp>

#include "sched/durations.hpp"
#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class metrics_test : public runtimes {};
INSTANTIATE_RUNTIMES(metrics_test);

TEST(duration_histogram, each_duration_is_in_the_bucket_of_its_bound) {
  for (std::size_t i = 0; i < duration_histogram::buckets; ++i) {
    const auto bound = duration_histogram::bound(i);
    detail::duration_counts counts;
    counts.record(bound.count());
    if (i > 0) counts.record(duration_histogram::bound(i - 1).count() + 1);
    duration_histogram h;
    counts.add_to(h);
    EXPECT_EQ(h.counts[i], i > 0 ? 2u : 1u) << bound.count();
    EXPECT_EQ(h.count(), h.counts[i]);
  }
  detail::duration_counts counts;
  counts.record(0);
  counts.record(-5);  // a clock that another CPU reads
  duration_histogram h;
  counts.add_to(h);
  EXPECT_EQ(h.counts[0], 2u);
}

TEST(duration_histogram, quantiles_are_bounds) {
  duration_histogram h;
  EXPECT_EQ(h.quantile(0.5), 0ns);
  h.counts[2] = 98;
  h.counts[9] = 2;
  EXPECT_EQ(h.quantile(0), duration_histogram::bound(2));
  EXPECT_EQ(h.quantile(0.98), duration_histogram::bound(2));
  EXPECT_EQ(h.quantile(0.99), duration_histogram::bound(9));
  EXPECT_EQ(h.quantile(1), duration_histogram::bound(9));
}

TEST_P(metrics_test, workers_sum_up_to_the_total) {
  runtime rt(opts());
  rt.run([] {
    scope all;
    for (int i = 0; i < 100; ++i) all.spawn([] { this_fiber::yield(); });
    all.join();
  });
  until([&] { return rt.stats().finished == 101; });  // the last one is counted a little after it was joined
  const runtime_metrics m = rt.metrics();
  EXPECT_EQ(m.name, "sennit");
  ASSERT_EQ(m.workers.size(), workers());
  std::uint64_t spawned = 0, finished = 0, switches = 0;
  for (const worker_metrics& w : m.workers) {
    spawned += w.spawned;
    finished += w.finished;
    switches += w.switches;
    EXPECT_EQ(w.queued, 0u);
    EXPECT_EQ(w.timers, 0u);
  }
  EXPECT_EQ(spawned, 100u);
  EXPECT_EQ(finished, 101u);
  EXPECT_EQ(m.total.spawned, 101u);  // the first one by this thread
  EXPECT_GE(switches, 200u);
}

TEST_P(metrics_test, queues_and_timers_are_counted) {
  runtime rt(opts());
  rt.run([&] {
    scope all;
    std::atomic<unsigned> spinning{0};
    std::atomic<bool> enough{false};
    for (unsigned i = 1; i < workers(); ++i) {
      all.spawn([&] {
        ++spinning;
        while (!enough) detail::cpu_pause();
      });
    }
    until([&] { return spinning == workers() - 1; });
    all.spawn([] { this_fiber::sleep_for(1h); });
    const auto sum = [&](auto member) {
      std::size_t n = 0;
      for (const worker_metrics& w : rt.metrics().workers) n += w.*member;
      return n;
    };
    until([&] { return sum(&worker_metrics::timers) == 1; });
    for (int i = 0; i < 10; ++i) all.spawn([] {});  // nobody is free
    // One that the monitor moves just now may be seen twice, or not at all.
    EXPECT_TRUE(spin_until([&] { return sum(&worker_metrics::queued) + rt.metrics().queued_outside == 10; }, 20s));
    enough = true;
    all.request_stop();
    all.join();
  });
}

TEST_P(metrics_test, one_slice_in_256_is_timed_and_what_follows_it) {
  runtime rt({.workers = 1, .stall_threshold = {}});
  constexpr unsigned slices = 256 * 400;
  rt.run([&] {
    binary_semaphore a(1), b(0);
    scope both;
    const auto turns = [&](binary_semaphore& mine, binary_semaphore& other) {
      for (unsigned i = 0; i < slices / 2; ++i) {
        mine.acquire();
        other.release();
      }
    };
    both.spawn([&] { turns(a, b); });
    both.spawn([&] { turns(b, a); });
    both.join();
  });
  const runtime_metrics m = rt.metrics();
  EXPECT_NEAR(static_cast<double>(m.slice.count()), static_cast<double>(m.total.switches) / 256, 100);  // by dice
  EXPECT_NEAR(static_cast<double>(m.latency.count()), static_cast<double>(m.slice.count()), 2);
  std::map<std::string_view, duration_histogram> waits(m.waits.begin(), m.waits.end());
  EXPECT_GT(waits["semaphore"].count(), 300u);
  EXPECT_EQ(waits.count("mutex"), 0u);
  EXPECT_GT(m.slice.sum, 0ns);
}

TEST_P(metrics_test, long_slices_and_waits_are_seen_as_long) {
  runtime rt({.workers = 1, .stall_threshold = {}});
  rt.run([&] {
    channel<int> c(0);
    scope both;
    both.spawn([&] {
      while (c.receive()) {}
    });
    for (int i = 0; i < 6000; ++i) {
      const auto end = std::chrono::steady_clock::now() + 20us;
      while (std::chrono::steady_clock::now() < end) {}
      c.send(i);
    }
    c.close();
    both.join();
  });
  const runtime_metrics m = rt.metrics();
  EXPECT_GE(m.slice.quantile(1), 20us);  // of 12 000 slices each second one, of which one in 256 is looked at
  EXPECT_LT(m.slice.quantile(0.1), 20us);
}

TEST(metrics_text, without_a_runtime_families_alone) {
  std::ostringstream out;
  write_metrics(out);
  EXPECT_NE(out.str().find("# TYPE sennit_fibers gauge\n"), std::string::npos) << out.str();
  EXPECT_EQ(out.str().find("{"), std::string::npos) << out.str();
}

TEST(metrics_text, names_are_escaped_and_told_apart) {
  runtime one({.workers = 1, .name = "a\"b\\c\nd"});
  runtime two({.workers = 2, .name = "a\"b\\c\nd"});
  std::ostringstream out;
  write_metrics(out);
  const std::string text = out.str();
  EXPECT_NE(text.find("sennit_fibers{runtime=\"a\\\"b\\\\c\\nd\"} 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("sennit_worker_spawned_total{runtime=\"a\\\"b\\\\c\\nd#2\",worker=\"1\"} 0\n"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace sennit::test
