// attributes::priority: the order in which fibers run, and that nobody starves.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sennit/io.hpp>
#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/descriptors.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class priority_test : public runtimes {};
INSTANTIATE_RUNTIMES(priority_test);

/// The names of the fibers in the order in which they ran; locked, since for TSan each fiber is a thread.
class sequence {
 public:
  void operator+=(char name) {
    const std::lock_guard lock(mutex_);
    names_ += name;
  }
  [[nodiscard]] std::string all() const {
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  mutable std::mutex mutex_;
  std::string names_;
};

constexpr options one_worker{.workers = 1, .stall_threshold = {}};

TEST(priority_order, of_fibers_that_a_fiber_spawns) {
  sequence order;
  sennit::run(one_worker, [&] {
    scope all;
    const auto add = [&](char name, priority p) { all.spawn({.priority = p}, [&order, name] { order += name; }); };
    add('a', priority::normal);
    add('b', priority::normal);
    add('l', priority::low);
    add('H', priority::high);
    add('c', priority::normal);
    all.join();
  });
  EXPECT_EQ(order.all(), "Halbc");
}

TEST(priority_order, without_hints_the_newest_runs_first) {
  sequence order;
  sennit::run(one_worker, [&] {
    scope all;
    for (const char name : {'a', 'b', 'c'}) all.spawn([&order, name] { order += name; });
    all.join();
  });
  EXPECT_EQ(order.all(), "cab");
}

TEST(priority_order, of_fibers_that_a_fiber_wakes) {
  sequence order;
  sennit::run(one_worker, [&] {
    scope all;
    std::array<baton, 5> gates;
    const auto add = [&](std::size_t gate, char name, priority p) {
      park_probe probe;
      all.spawn({.priority = p}, [&, gate, name] {
        probe.here();
        gates[gate].wait();
        order += name;
      });
      probe.await_parked();
    };
    add(0, 'l', priority::low);
    add(1, 'a', priority::normal);
    add(2, 'H', priority::high);
    add(3, 'b', priority::normal);
    add(4, 'm', priority::low);
    for (auto& g : gates) g.post();
    all.join();
  });
  EXPECT_EQ(order.all(), "Hlabm");
}

TEST(priority_order, of_fibers_that_the_poller_wakes) {
  sequence order;
  sennit::run(one_worker, [&] {
    scope all;
    std::vector<fd_pair> pipes;
    for (const char name : {'a', 'b', 'c', 'H', 'd', 'e', 'f'}) {
      const int fd = pipes.emplace_back(pipe_pair()).a.get();
      park_probe probe;
      all.spawn({.priority = name == 'H' ? priority::high : priority::normal}, [&order, &probe, name, fd] {
        probe.here();
        wait_readable(fd);
        order += name;
      });
      probe.await_parked();
    }
    for (const fd_pair& pipe : pipes) put(pipe.b.get(), "x");  // the worker looks when this fiber waits: at all of them
    all.join();
  });
  ASSERT_EQ(order.all().size(), 7u);
  EXPECT_EQ(order.all()[0], 'H') << order.all();
}

TEST(priority_order, of_fibers_that_come_from_outside) {
  sequence order;
  runtime rt(one_worker);
  std::atomic<bool> busy{false};
  std::atomic<bool> queued{false};
  std::vector<fiber> all;
  fiber occupant = rt.spawn([&] {
    busy = true;
    must(spin_until([&] { return queued.load(); }, 60s), "the others are not spawned");
    order += 'o';
  });
  must(spin_until([&] { return busy.load(); }, 60s), "the first fiber does not run");
  const auto add = [&](char name, priority p) {
    all.push_back(rt.spawn({.priority = p}, [&order, name] { order += name; }));
  };
  add('a', priority::normal);
  add('H', priority::high);
  add('b', priority::normal);
  queued = true;
  occupant.join();
  for (auto& f : all) f.join();
  EXPECT_EQ(order.all(), "oHab");
}

TEST(priority_order, a_high_fiber_that_yields_lets_others_run) {
  sequence order;
  sennit::run(one_worker, [&] {
    scope all;
    for (const char name : {'a', 'b'}) all.spawn([&order, name] { order += name; });
    all.spawn({.priority = priority::high}, [&] {
      order += 'H';
      this_fiber::yield();
      order += 'h';
    });
    all.join();
  });
  EXPECT_EQ(order.all(), "Habh");
}

TEST(priority_order, a_low_fiber_that_spawns_is_no_concern_of_its_children) {
  sequence order;
  sennit::run(one_worker, [&] {
    fiber({.priority = priority::low}, [&] {
      scope all;
      for (const char name : {'a', 'b'}) all.spawn([&order, name] { order += name; });
      all.join();
    }).join();
  });
  EXPECT_EQ(order.all(), "ba");
}

/// Two fibers that wake each other for ever, until told to stop.
struct pair_of {
  pair_of(scope& all, priority p) {
    all.spawn({.priority = p}, [this] {
      while (!stop.load()) {
        pong.post();
        ping.wait();
        ++rounds;
      }
      pong.post();
    });
    all.spawn({.priority = p}, [this] {
      while (!stop.load()) {
        ping.post();
        pong.wait();
      }
      ping.post();
    });
  }
  baton ping, pong;
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> rounds{0};
};

TEST(priority_order, high_fibers_let_the_queue_run_after_three) {
  sennit::run(one_worker, [] {
    scope all;
    pair_of high(all, priority::high);
    until([&] { return high.rounds > 100; });
    const std::size_t before = high.rounds;
    std::atomic<bool> low_ran{false};
    fiber low({.priority = priority::low}, [&] { low_ran = true; });
    for (int i = 0; i < 1000; ++i) this_fiber::yield();
    EXPECT_TRUE(low_ran);
    EXPECT_GT(high.rounds, before);
    EXPECT_LE(high.rounds - before, 3'100u) << "three between two turns of the queue";
    high.stop = true;
    all.join();
  });
}

TEST_P(priority_test, nobody_starves_beside_high_fibers) {
  run([] {
    scope busy;
    std::vector<std::unique_ptr<pair_of>> pairs;
    for (unsigned i = 0; i < workers(); ++i) pairs.push_back(std::make_unique<pair_of>(busy, priority::high));
    for (const auto& p : pairs) until([&] { return p->rounds > 100; });
    scope others;
    for (const priority p : {priority::normal, priority::low}) {
      for (int i = 0; i < 10; ++i) {
        others.spawn({.priority = p}, [] {
          for (int k = 0; k < 100; ++k) this_fiber::yield();
          this_fiber::sleep_for(1us);
        });
      }
    }
    others.join();
    for (const auto& p : pairs) p->stop = true;
    busy.join();
  });
}

TEST_P(priority_test, every_mix_gets_done) {
  for (const bool force : {false, true}) {
    options o = opts();
    o.force_migrate = force;
    std::atomic<std::size_t> rounds{0};
    runtime rt(o);
    rt.run([&] {
      scope all;
      for (const priority p : {priority::high, priority::normal, priority::low}) {
        for (const bool pinned : {false, true}) {
          all.spawn({.pinned = pinned, .priority = p}, [&, p] {
            for (std::size_t i = 0; i < scaled(2'000); ++i) {
              baton woken;
              fiber child({.priority = p}, [&] {
                if (i % 3 == 0) this_fiber::yield();
                woken.post();
              });
              woken.wait();
              if (i % 16 == 0) this_fiber::sleep_for(1us);
              child.join();
              ++rounds;
            }
          });
        }
      }
      all.join();
    });
    EXPECT_EQ(rounds, 6 * scaled(2'000));
  }
}

}  // namespace
}  // namespace sennit::test
