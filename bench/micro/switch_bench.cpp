// What a switch costs beside the least it can cost: a bare assembly loop that saves the same registers. In each case
// both stacks run the same loop, as all fibers of a worker go through the same scheduler code.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>

#include "micro/two_contexts.hpp"

namespace sennit::detail {
namespace {

constexpr std::int64_t batch = 1000;  // rounds; each is two switches

void BM_switch_context(benchmark::State& state) {
  with_two_contexts([&](auto&& switch_twice) {
    while (state.KeepRunningBatch(batch)) switch_twice(batch);
  });
  state.SetItemsProcessed(state.iterations() * 2);
  state.SetLabel(context_name);
}
BENCHMARK(BM_switch_context);

/// A context that starts, runs an empty function and ends, on a warm stack.
void BM_make_and_finish(benchmark::State& state) {
  const auto stack = std::make_unique<stack_memory>();
  pair_of_contexts pair;
  const auto other = [](void* transfer) -> last_switch {
    auto& both = *static_cast<pair_of_contexts*>(transfer);
    return {both.other, both.mine, nullptr, *both.live};
  };
  const fp_env fp = current_fp_env();
  for (auto _ : state) {
    make_context(pair.other, stack->bytes, stack->end(), other, fp);
    switch_context(pair.mine, pair.other, &pair, *pair.live);
  }
  destroy_context(pair.other);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_make_and_finish);

#if defined(SENNIT_BARE_SWITCH)
extern "C" void bare_rounds(void** from, void** to, std::uint64_t rounds);
extern "C" void bare_other();

void BM_bare_asm(benchmark::State& state) {
  const auto stack = std::make_unique<stack_memory>();
  auto* word = reinterpret_cast<std::uint64_t*>(stack->end()) - 2;
  *word = reinterpret_cast<std::uintptr_t>(&bare_other);
  for (int saved = 0; saved < 6; ++saved) *--word = 0;
#if defined(SENNIT_FP_ENV)
  // Exception flags included: on some cores (Zen 5) to load an MXCSR that differs in anything takes 57 ns.
  // switch_context ignores the flags; this loop must not meet any difference to be a yardstick.
  *--word = (current_fp_env().bits >> 32 << 32) | __builtin_ia32_stmxcsr();
#endif
  void* mine = nullptr;
  void* other = word;
  while (state.KeepRunningBatch(batch)) bare_rounds(&mine, &other, batch);
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(BM_bare_asm);
#endif

}  // namespace
}  // namespace sennit::detail

BENCHMARK_MAIN();
