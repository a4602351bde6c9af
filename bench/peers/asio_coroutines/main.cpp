// Boost.Asio's C++20 coroutines, on one thread. To yield is to post oneself; what others wait for is a timer that is
// cancelled, Asio's usual event.
// Workloads: bench/groups.py; command line: bench/peers/README.md.
#include <boost/asio.hpp>

#include <array>
#include <memory>
#include <thread>
#include <utility>

#include "common/fibers.hpp"
#include "common/program.hpp"
#include "common/wake.hpp"

namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
template <class T = void>
using task = asio::awaitable<T>;
using asio::use_awaitable;
using bench::full;

/// Runs the coroutine f() on one thread.
void run(auto&& f) {
  asio::io_context context(1);
  std::exception_ptr thrown;
  asio::co_spawn(context, f, [&](std::exception_ptr e) { thrown = e; });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
}

task<> yield() { return asio::post(use_awaitable); }

/// Until cancel(): for one or many.
class event : public asio::steady_timer {
 public:
  explicit event(const asio::any_io_executor& executor) : asio::steady_timer(executor, time_point::max()) {}
  task<> wait() {
    boost::system::error_code cancelled;
    co_await async_wait(asio::redirect_error(use_awaitable, cancelled));
  }
};

/// bench::measure for a coroutine: work(n) gives the seconds that it took.
task<> measure(const char* result, double seconds, double operations, auto work) {
  for (std::uint64_t n = operations < 1000 ? 100 : 20;;) {
    const double took = co_await work(n);
    if (took >= seconds) {
      bench::report(result, took * 1e9 / (static_cast<double>(n) * operations));
      co_return;
    }
    n = static_cast<std::uint64_t>(static_cast<double>(n) *
                                   std::clamp(1.2 * seconds / std::max(took, 1e-9), 2.0, 100.0));
  }
}

/// Coroutines that f(i) makes, and waits for all.
task<> wave(std::size_t count, auto f) {
  const auto executor = co_await asio::this_coro::executor;
  event all_over(executor);
  std::size_t left = count;
  for (std::size_t i = 0; i < count; ++i) {
    asio::co_spawn(executor, f(i), [&](std::exception_ptr) {
      if (--left == 0) all_over.cancel();
    });
  }
  if (left > 0) co_await all_over.wait();
}

task<> nothing(std::size_t) { co_return; }

void yields(const char* name, double seconds, std::size_t count) {
  run([=] {
    return measure(name, seconds, static_cast<double>(count), [count](std::uint64_t n) -> task<double> {
      std::size_t started = 0;
      double begin = 0;
      double end = 0;
      std::size_t left = count;
      event over(co_await asio::this_coro::executor);
      co_await wave(count, [&](std::size_t) -> task<> {
        if (++started == count) begin = bench::wall_seconds();
        while (started < count) co_await yield();
        for (std::uint64_t i = 0; i < n; ++i) co_await yield();
        if (--left != 0) {
          co_await over.wait();
        } else {
          end = bench::wall_seconds();
          over.cancel();
        }
      });
      co_return end - begin;
    });
  });
}

void spawn_join(double seconds) {
  run([=] {
    return measure("spawn_join", seconds, 1, [](std::uint64_t n) -> task<double> {
      const auto executor = co_await asio::this_coro::executor;
      const double begin = bench::wall_seconds();
      for (std::uint64_t i = 0; i < n; ++i) co_await asio::co_spawn(executor, nothing(i), use_awaitable);
      co_return bench::wall_seconds() - begin;
    });
  });
}

void spawn_wave_1k(double seconds) {
  run([=] {
    return measure("spawn_wave_1k", seconds, 1000, [](std::uint64_t n) -> task<double> {
      const double begin = bench::wall_seconds();
      for (std::uint64_t i = 0; i < n; ++i) co_await wave(1000, nothing);
      co_return bench::wall_seconds() - begin;
    });
  });
}

void spawn_1m(double seconds) {
  const std::size_t count = full(1'000'000, seconds);
  bench::need_memory(static_cast<double>(count) * bench::most_per_fiber);
  run([=]() -> task<> {
    double took = 0;
    for (int batch = 0; batch < 2; ++batch) {
      const double begin = bench::wall_seconds();
      co_await wave(count, nothing);
      took = bench::wall_seconds() - begin;
    }
    bench::report("spawn_1m", took * 1e9 / static_cast<double>(count));
    bench::report("spawn_1m_peak", bench::bytes_in("/proc/self/status", "VmHWM") / (1 << 20));
  });
}

void parked(const char* name, double seconds, std::size_t size) {
  const std::size_t count = full(size, seconds);
  run([=]() -> task<> {
    const auto executor = co_await asio::this_coro::executor;
    event gate(executor);
    event all_over(executor);
    std::size_t there = 0;
    std::size_t left = count;
    const auto park = [&]() -> task<> {
      ++there;
      co_await gate.wait();
    };
    const bench::footprint before;
    const double begin = bench::wall_seconds();
    for (std::size_t i = 0; i < count; ++i) {
      asio::co_spawn(executor, park, [&](std::exception_ptr) {
        if (--left == 0) all_over.cancel();
      });
    }
    while (there != count) co_await yield();
    bench::report_growth(name, static_cast<double>(count), before, bench::wall_seconds() - begin);
    if (seconds > 0) bench::end_here();
    gate.cancel();
    co_await all_over.wait();
  });
}

/// The target is awake because a coroutine of it does nothing but yield.
void wake_2_workers(double seconds) {
  run([=]() -> task<> {
    const auto executor = co_await asio::this_coro::executor;
    std::atomic<bool> over{false};
    std::jthread spawner([&] {
      bench::measure_wakes("wake_2_workers", seconds, [&](auto f) {
        asio::co_spawn(executor, [f]() -> task<> { co_return f(); }, asio::detached);
      });
      over = true;
    });
    while (!over) co_await yield();
  });
}

task<> session(tcp::socket socket) {
  std::array<char, bench::echo_buffer> bytes;
  for (;;) {
    const std::size_t n = co_await socket.async_read_some(asio::buffer(bytes), use_awaitable);
    co_await asio::async_write(socket, asio::buffer(bytes, n), use_awaitable);
  }
}

/// Waits without a buffer.
task<> idle_session(tcp::socket socket) {
  for (;;) {
    co_await socket.async_wait(tcp::socket::wait_read, use_awaitable);
    const auto bytes = std::make_unique<std::array<char, bench::echo_buffer>>();
    const std::size_t n = socket.read_some(asio::buffer(*bytes));
    co_await asio::async_write(socket, asio::buffer(*bytes, n), use_awaitable);
  }
}

void serve(bool idle) {
  run([=]() -> task<> {
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor acceptor(executor, {asio::ip::address_v4::loopback(), 0});
    acceptor.listen(4096);
    bench::say_port(acceptor.local_endpoint().port());
    for (;;) {
      tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
      socket.set_option(tcp::no_delay(true));
      asio::co_spawn(executor, idle ? idle_session(std::move(socket)) : session(std::move(socket)), asio::detached);
    }
  });
}

constexpr bench::benchmark benchmarks[] = {
    {"yield_2", [](double s) { yields("yield_2", s, 2); }},
    {"yield_1k", [](double s) { yields("yield_1k", s, 1000); }},
    {"yield_100k", [](double s) { yields("yield_100k", s, full(100'000, s)); }},
    {"spawn_join", spawn_join},
    {"spawn_wave_1k", spawn_wave_1k},
    {"spawn_1m", spawn_1m},
    {"wake_2_workers", wake_2_workers},
    {"memory_100k", [](double s) { parked("memory_100k", s, 100'000); }},
    {"memory_1m", [](double s) { parked("memory_1m", s, 1'000'000); }},
};

constexpr bench::server servers[] = {
    {"--serve", bench::echo_names, [] { serve(false); }},
    {"--serve-idle", bench::idle_names, [] { serve(true); }},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "Boost.Asio " BOOST_LIB_VERSION ", C++20 coroutines (g++ " __VERSION__ ")",
                        {benchmarks}, servers);
}
