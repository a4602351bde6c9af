// sennit's side of the comparison. Workloads: bench/groups.py; command line: bench/peers/README.md.
#include <array>
#include <mutex>
#include <optional>
#include <vector>

#include <sennit/sennit.hpp>

#include "common/handoffs.hpp"
#include "common/program.hpp"

void serve_echo(bool idle);  // io.cpp
void serve_echo_on_two();
void serve_churn();
void serve_http();  // http.cpp
void serve_http_bare();

namespace {

void on_workers(unsigned workers, auto&& f) { sennit::run({.workers = workers, .stall_threshold = {}}, f); }

constexpr auto in_two_fibers = [](auto&& a, auto&& b) {
  sennit::fiber first(a);
  sennit::fiber second(b);
  first.join();
  second.join();
};

void round_trips(const char* name, double seconds, unsigned workers) {
  on_workers(workers, [&] {
    bench::measure(name, seconds, 1, [](std::uint64_t n) {
      sennit::channel<int> there;
      sennit::channel<int> back;
      in_two_fibers(
          [&] {
            for (std::uint64_t i = 0; i < n; ++i) {
              there.send(1);
              back.receive();
            }
          },
          [&] {
            for (std::uint64_t i = 0; i < n; ++i) {
              there.receive();
              back.send(1);
            }
          });
    });
  });
}

void channel_unbuffered_round_trip(double seconds) { round_trips("channel_unbuffered_round_trip", seconds, 1); }
void ping_pong_2_workers(double seconds) { round_trips("ping_pong_2_workers", seconds, 2); }

void channel_buffered64_message(double seconds) {
  on_workers(1, [&] {
    bench::measure("channel_buffered64_message", seconds, 1, [](std::uint64_t n) {
      sennit::channel<int> ch(64);
      in_two_fibers(
          [&] {
            for (std::uint64_t i = 0; i < n; ++i) ch.send(1);
          },
          [&] {
            for (std::uint64_t i = 0; i < n; ++i) ch.receive();
          });
    });
  });
}

void mutex_uncontended(double seconds) {
  on_workers(1, [&] {
    sennit::mutex m;
    bench::measure("mutex_uncontended", seconds, 1, [&](std::uint64_t n) {
      for (std::uint64_t i = 0; i < n; ++i) {
        m.lock();
        m.unlock();
      }
    });
  });
}

void lock_yield_unlock_1000(double seconds) {
  static constexpr std::size_t fibers = 1000;
  on_workers(1, [&] {
    bench::measure("lock_yield_unlock_1000", seconds, fibers * 10, [](std::uint64_t n) {
      sennit::mutex m;
      std::vector<sennit::fiber> all;
      for (std::size_t f = 0; f < fibers; ++f) {
        all.emplace_back([&] {
          for (std::uint64_t i = 0; i < n * 10; ++i) {
            const std::lock_guard lock(m);
            sennit::this_fiber::yield();
          }
        });
      }
      for (auto& f : all) f.join();
    });
  });
}

void semaphore_handoff(double seconds) {
  on_workers(1, [&] { bench::semaphore_handoff<sennit::binary_semaphore>(seconds, in_two_fibers); });
}

void condition_variable_handoff(double seconds) {
  on_workers(
      1, [&] { bench::condition_variable_handoff<sennit::mutex, sennit::condition_variable>(seconds, in_two_fibers); });
}

void select_4_one_ready(double seconds) {
  on_workers(1, [&] {
    bench::measure("select_4_one_ready", seconds, 1, [](std::uint64_t n) {
      sennit::channel<int> a(1);
      sennit::channel<int> b(1);
      sennit::channel<int> c(1);
      sennit::channel<int> d(1);
      const std::array all{&a, &b, &c, &d};
      std::uint64_t sum = 0;
      const auto add = [&](std::optional<int> v) { sum += static_cast<std::uint64_t>(v.value_or(0)); };
      for (std::uint64_t i = 0; i < n; ++i) {
        if (!all[i % 4]->try_send(1)) bench::fail("select left a message behind");
        sennit::select(sennit::on_receive(a, add), sennit::on_receive(b, add), sennit::on_receive(c, add),
                       sennit::on_receive(d, add));
      }
      if (sum != n) bench::fail("select received something else");
    });
  });
}

void sleeping(const char* name, std::size_t count, double seconds) {
  on_workers(1, [&] {
    bench::sleeps all(name, count, seconds);
    std::vector<sennit::fiber> sleepers;
    for (std::size_t f = 0; f < all.sleepers; ++f) {
      sleepers.emplace_back([&] {
        for (std::size_t i = 0; i < all.each(); ++i) {
          const auto duration = all.next();
          const auto due = bench::steady::now() + duration;
          sennit::this_fiber::sleep_for(duration);
          all.over(due);
        }
      });
    }
    for (auto& f : sleepers) f.join();
    all.report_all();
  });
}

void sleep_10k(double seconds) { sleeping("sleep_10k", 10'000, seconds); }
void sleep_100k(double seconds) { sleeping("sleep_100k", bench::full(100'000, seconds), seconds); }

constexpr bench::benchmark benchmarks[] = {
    {"channel_unbuffered_round_trip", channel_unbuffered_round_trip},
    {"channel_buffered64_message", channel_buffered64_message},
    {"mutex_uncontended", mutex_uncontended},
    {"lock_yield_unlock_1000", lock_yield_unlock_1000},
    {"semaphore_handoff", semaphore_handoff},
    {"condition_variable_handoff", condition_variable_handoff},
    {"select_4_one_ready", select_4_one_ready},
    {"sleep_10k", sleep_10k},
    {"sleep_100k", sleep_100k},
    {"ping_pong_2_workers", ping_pong_2_workers},
};

constexpr bench::server servers[] = {
    {"--serve", bench::echo_names, [] { serve_echo(false); }},
    {"--serve-idle", bench::idle_names, [] { serve_echo(true); }},
    {"--serve-2", bench::scaling_names, serve_echo_on_two},
    {"--serve-churn", bench::churn_names, serve_churn},
    {"--serve-http", bench::http_names, serve_http},
    {"--serve-http-bare", bench::http_bare_names, serve_http_bare},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "sennit " SENNIT_VERSION " (" SENNIT_COMPILER ")",
                        {benchmarks, bench::io_benchmarks(), bench::sched_benchmarks(), bench::observe_benchmarks()},
                        servers);
}
