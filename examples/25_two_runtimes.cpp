// Rung 25: two runtimes in one process: one that must answer at once, and one that computes.
//
// A runtime is a set of workers with options of its own, no singleton. Long computations on the workers that serve
// requests would make these late; on a second runtime they are the kernel's business to schedule, and nobody waits for
// them but who asked. Mutexes, channels, futures and select do not care whose fiber it is that waits: who is woken goes
// on where it belongs.
//
// A runtime_handle is how fibers reach a runtime: a copyable value that does not keep it alive. Spawning into one that
// is gone throws operation_not_permitted.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// What both runtimes work on.
struct shared_work {
  sennit::mutex lock;
  std::map<int, int> primes_from;      // start of a block: primes in it; under the lock
  sennit::channel<int> progress{4};    // blocks done
  std::optional<std::string> halfway;  // written by a fiber that the batch job waits for
};

int primes_between(int first, int last) {
  int found = 0;
  for (int n = std::max(first, 2); n < last; ++n) {
    bool prime = true;
    for (int d = 2; prime && d * d <= n; ++d) prime = n % d != 0;
    found += prime ? 1 : 0;
  }
  return found;
}

/// Runs in the batch runtime. `client` is where it was asked for.
int count_primes(shared_work& work, int blocks, int block_size, const sennit::runtime_handle& client) {
  int total = 0;
  for (int i = 0; i < blocks; ++i) {
    const int found = primes_between(i * block_size, (i + 1) * block_size);
    total += found;
    {
      const std::lock_guard guard(work.lock);
      work.primes_from[i * block_size] = found;
    }
    work.progress.send(i + 1);
    if (i + 1 == blocks / 2)  // a call into the other runtime; here the fiber waits for what it says
      work.halfway = client.async([i] { return "halfway after block " + std::to_string(i + 1); }).get();
  }
  return total;
}

/// Runs in the quick runtime: asks for the work, and ticks every millisecond while that is under way.
void serve(shared_work& work, int blocks, int block_size, const sennit::runtime_handle& batch) {
  auto total = batch.async(count_primes, std::ref(work), blocks, block_size, sennit::runtime_handle::current());
  int ticks = 0;
  int reports = 0;
  clock_type::duration latest{};
  auto next = clock_type::now();
  for (bool done = false; !done;)
    sennit::select(sennit::on_receive(work.progress, [&](std::optional<int>) { ++reports; }),
                   sennit::on_ready(total, [&] { done = true; }), sennit::at(next, [&] {
                     ++ticks;
                     latest = std::max(latest, clock_type::now() - next);
                     next = clock_type::now() + milliseconds(1);
                   }));
  while (work.progress.try_receive()) ++reports;  // select is fair: the end may have been seen before the last reports

  int sum = 0;
  {
    const std::lock_guard guard(work.lock);
    for (const auto& [first, found] : work.primes_from) sum += found;
  }
  std::cout << total.get() << " primes below " << blocks * block_size << ", by block " << sum << '\n'
            << reports << " progress reports; " << work.halfway.value_or("never halfway") << '\n'
            << ticks << " ticks meanwhile, the latest " << std::chrono::duration_cast<milliseconds>(latest).count()
            << " ms late" << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
  int blocks = 50;
  int block_size = 10'000;
  example::command_line line("A runtime that answers and one that computes.");
  line.add("--blocks", blocks, "how many blocks to compute")->check(CLI::Range(2, 1000));
  line.add("--block-size", block_size, "numbers in a block")->check(CLI::Range(1, 1'000'000));
  line.parse(argc, argv);

  shared_work work;  // outlives both
  std::optional<sennit::runtime> batch(
      std::in_place, sennit::options{.workers = 1, .name = "batch", .stall_threshold = {}});  // it is meant to compute
  auto quick_options = line.runtime_options();
  quick_options.name = "quick";
  sennit::runtime quick(quick_options);
  const sennit::runtime_handle to_batch = batch->handle();
  quick.run([&] { serve(work, blocks, block_size, to_batch); });

  batch.reset();
  try {
    sennit::fiber late = to_batch.spawn([] {});
    late.join();
  } catch (const std::system_error& e) {
    std::cout << "batch is gone: " << e.code().message() << '\n';
  }
} catch (const std::exception& e) {
  std::cerr << "25_two_runtimes: " << e.what() << '\n';
  return 1;
}
