// What stacks cost: taken from a warm cache, from the pool, new from an arena, touched first, used deep and trimmed.
#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "base/check.hpp"
#include "stack/stack_cache.hpp"
#include "stack/stack_pool.hpp"

namespace sennit::detail {
namespace {

void take_and_put_warm(benchmark::State& state) {
  stack_pool pool;
  stack_cache cache(pool);
  std::error_code why;
  for (auto _ : state) {
    stack s = cache.take(stack_class::normal, why);
    benchmark::DoNotOptimize(s);
    cache.put(s);
  }
}
BENCHMARK(take_and_put_warm);

/// One worker only takes, another only puts: every stack crosses the pool.
void take_and_put_across_workers(benchmark::State& state) {
  stack_pool pool;
  stack_cache spawner(pool), finisher(pool);
  std::error_code why;
  for (auto _ : state) finisher.put(spawner.take(stack_class::normal, why));
}
BENCHMARK(take_and_put_across_workers);

/// New stacks, guards included, as many as fit in an arena; range: guard_kind.
void arena_growth_per_stack(benchmark::State& state) {
  constexpr std::size_t count = slots_per_arena(stack_class::normal);
  std::vector<std::byte*> slots(count);
  for (auto _ : state) {
    std::optional<stack_pool> pool(std::in_place,
                                   stack_pool_options{.guards = static_cast<guard_kind>(state.range(0))});
    for (std::size_t total = 0, made = 0; total < count; total += made) {
      const auto error = pool->allocate(stack_class::normal, std::span(slots).subspan(total, 32), made);
      SENNIT_CHECK(!error, "benchmark where there is address space");
    }
    state.PauseTiming();
    pool.reset();  // unmaps
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(arena_growth_per_stack)
    ->ArgName("guards")
    ->Arg(static_cast<int>(guard_kind::automatic))
    ->Arg(static_cast<int>(guard_kind::protection));

/// The first page of a stack that was never used, or was trimmed.
void first_touch(benchmark::State& state) {
  constexpr std::size_t count = 4096;
  stack_pool pool;
  std::vector<std::byte*> slots(count);
  std::size_t made = 0, next = 0;
  const auto error = pool.allocate(stack_class::normal, slots, made);
  SENNIT_CHECK(!error && made == count, "benchmark where there is address space");
  for (auto _ : state) {
    if (next == count) {
      state.PauseTiming();
      for (next = 0; next < count; next += advise_batch) {
        trim(stack_class::normal, std::span(slots).subspan(next, advise_batch));
      }
      next = 0;
      state.ResumeTiming();
    }
    stack{slots[next++], stack_class::normal}.top()[-1] = std::byte{1};
  }
}
BENCHMARK(first_touch);

/// Released above the budget, per stack; ranges: bytes used, and whether another thread is on another CPU meanwhile.
void trim_per_stack(benchmark::State& state) {
  const auto used = static_cast<std::size_t>(state.range(0));
  std::jthread other;
  if (state.range(1) != 0) {
    other = std::jthread([](const std::stop_token& stop) {
      while (!stop.stop_requested()) benchmark::ClobberMemory();
    });
  }
  constexpr std::size_t count = 32;
  stack_pool pool(stack_pool_options{.resident_budget = 0});
  std::array<std::byte*, count> slots;
  for (auto _ : state) {
    state.PauseTiming();
    std::size_t made = 0;
    const auto error = pool.allocate(stack_class::normal, slots, made);
    SENNIT_CHECK(!error && made == count, "benchmark where there is address space");
    for (std::byte* const slot : slots) std::memset(stack{slot, stack_class::normal}.end() - used, 1, used);
    state.ResumeTiming();
    pool.release(stack_class::normal, slots);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(trim_per_stack)->ArgNames({"used", "busy_cpu"})->Args({4096, 0})->Args({4096, 1})->Args({65536, 1});

void high_water_mark(benchmark::State& state) {
  stack_pool pool;
  stack s;
  const auto error = pool.allocate(stack_class::normal, s);
  SENNIT_CHECK(!error, "benchmark where there is address space");
  s.top()[-1] = std::byte{1};
  for (auto _ : state) benchmark::DoNotOptimize(high_water(s));
}
BENCHMARK(high_water_mark);

}  // namespace
}  // namespace sennit::detail

BENCHMARK_MAIN();
