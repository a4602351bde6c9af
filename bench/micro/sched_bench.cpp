// The scheduler's verbs on one worker: yield, spawn and join, channel, mutex; and their floors.
#include <benchmark/benchmark.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include <sennit/sennit.hpp>

namespace {

/// N fibers that yield in a ring; time per yield.
void yield_ring(benchmark::State& state) {
  const auto fibers = static_cast<std::size_t>(state.range(0));
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    bool stop = false;
    std::vector<sennit::fiber> ring;
    for (std::size_t i = 1; i < fibers; ++i) {
      ring.emplace_back([&] {
        while (!stop) sennit::this_fiber::yield();
      });
    }
    // One iteration is one round: each of the fibers yields once.
    for (auto _ : state) sennit::this_fiber::yield();
    stop = true;
  });
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(fibers));
  state.counters["ns_per_yield"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 1e-9 * static_cast<double>(fibers),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(yield_ring)->Arg(2)->Arg(1000)->Arg(100'000);

void spawn_join(benchmark::State& state) {
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    for (auto _ : state) {
      sennit::fiber f([] {});
      f.join();
    }
  });
}
BENCHMARK(spawn_join);

void spawn_waves_of_1000(benchmark::State& state) {
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    for (auto _ : state) {
      sennit::wait_group wave;
      wave.add(1000);
      for (int i = 0; i < 1000; ++i) sennit::go([&] { wave.done(); });
      wave.wait();
    }
  });
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(spawn_waves_of_1000);

void channel_ping_pong(benchmark::State& state) {
  const auto capacity = static_cast<std::size_t>(state.range(0));
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    sennit::channel<int> there(capacity);
    sennit::channel<int> back(capacity);
    sennit::fiber other([&] {
      for (int v : there) back.send(v);
    });
    for (auto _ : state) {
      there.send(1);
      benchmark::DoNotOptimize(back.receive());
    }
    there.close();
  });
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(channel_ping_pong)->Arg(0)->Arg(1);

void mutex_uncontended(benchmark::State& state) {
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    sennit::mutex m;
    for (auto _ : state) {
      m.lock();
      m.unlock();
    }
  });
}
BENCHMARK(mutex_uncontended);

void floor_system_call(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(::syscall(SYS_getppid));
}
BENCHMARK(floor_system_call);

}  // namespace

BENCHMARK_MAIN();
