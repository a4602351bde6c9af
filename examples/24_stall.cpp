// Rung 24: a fiber that computes for long holds its worker up, and with it every fiber that waits there.
//
// Four times the same work beside a fiber that wants to wake every 10 ms, on one worker. As it is, the others wait
// until it is done, and the runtime warns: which fiber, for how long, and where it is. With a maybe_yield() in the loop
// they have their turns in between; preemptible() gives them theirs by a signal, with no change to the loop;
// sennit::blocking() takes the work to a helper thread.
//
//   24_stall --ms 200
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Something to compute until the time is up.
template <class Step>
std::uint64_t collatz(milliseconds time, Step&& between) {
  std::uint64_t steps = 0;
  const auto end = clock_type::now() + time;
  for (std::uint64_t n = 1; clock_type::now() < end; ++n) {
    for (std::uint64_t k = n; k != 1; k = k % 2 == 0 ? k / 2 : 3 * k + 1) ++steps;
    between();
  }
  return steps;
}

std::uint64_t without_a_switch(milliseconds time) {
  return collatz(time, [] {});
}
std::uint64_t with_turns_for_others(milliseconds time) {
  return collatz(time, [] { sennit::this_fiber::maybe_yield(); });
}
std::uint64_t by_a_signal(milliseconds time) {
  return sennit::preemptible([time] { return without_a_switch(time); });
}
std::uint64_t on_a_helper_thread(milliseconds time) {
  return sennit::blocking([time] { return without_a_switch(time); });
}

/// How late a fiber wakes at worst that sleeps for 10 ms again and again while `work` is done.
milliseconds worst_delay(std::uint64_t (*work)(milliseconds), milliseconds time) {
  sennit::event started;
  bool done = false;
  clock_type::duration worst{};
  sennit::fiber ticker(sennit::attributes{.name = "ticker"}, [&] {
    started.set();
    while (!done) {
      const auto due = clock_type::now() + milliseconds(10);
      sennit::this_fiber::sleep_until(due);
      worst = std::max(worst, clock_type::now() - due);
    }
  });
  sennit::fiber worker(sennit::attributes{.name = "collatz"}, [&] {
    started.wait();
    work(time);
    done = true;
  });
  worker.join();
  ticker.join();
  return std::chrono::duration_cast<milliseconds>(worst);
}

}  // namespace

int main(int argc, char** argv) {
  example::command_line cli("What a long computation does to the other fibers of its worker.");
  unsigned ms = 200;
  cli.add("--ms", ms, "how long it computes");
  cli.parse(argc, argv);

  sennit::options options = cli.runtime_options();
  options.workers = 1;  // both on one
  sennit::runtime rt(options);
  rt.run([&] {
    const auto row = [&](const char* name, std::uint64_t (*work)(milliseconds)) {
      std::cout << name << worst_delay(work, milliseconds(ms)).count() << " ms\n";
    };
    std::cout << "the other fiber was late by at most\n";
    row("  without a switch   ", without_a_switch);
    row("  maybe_yield()      ", with_turns_for_others);
    row("  preemptible()      ", by_a_signal);
    row("  blocking()         ", on_a_helper_thread);
  });
}
