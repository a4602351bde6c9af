// Rung 14: the dining philosophers: N around a table, N forks, and each needs both beside the plate.
//
// std::scoped_lock takes several mutexes without a deadlock, in whatever order they are named, also sennit's: they have
// std's lock, try_lock and unlock. Nobody starves either: a mutex is handed to who was passed over three times.
//
// With --naive each takes the left fork and then waits for the right one. Once all hold their left one, that is a
// deadlock. sennit::timed_mutex turns it into an error that can be handled: the wait ends at a deadline, the hungry
// put their fork down, and the table goes on.
//
//   14_dining_philosophers --philosophers 5 --ms 200
//   14_dining_philosophers --naive
#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <mutex>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

using std::chrono::milliseconds;
using clock_type = std::chrono::steady_clock;

double ms_since(clock_type::time_point start) {
  return std::chrono::duration<double, std::milli>(clock_type::now() - start).count();
}

struct philosopher {
  std::size_t meals = 0;
  double longest_wait_ms = 0;
};

void dine(std::size_t seats, milliseconds time) {
  std::vector<sennit::mutex> forks(seats);
  std::vector<philosopher> table(seats);
  const auto closing = clock_type::now() + time;
  sennit::scope dinner;
  for (std::size_t i = 0; i < seats; ++i)
    dinner.spawn([&, i, &self = table[i]] {
      while (clock_type::now() < closing) {
        const auto hungry = clock_type::now();
        const std::scoped_lock both(forks[i], forks[(i + 1) % seats]);
        self.longest_wait_ms = std::max(self.longest_wait_ms, ms_since(hungry));
        sennit::this_fiber::sleep_for(std::chrono::microseconds(100));  // eats; a fiber may wait with its mutexes held
        ++self.meals;
      }
    });
  dinner.join();

  std::cout << "philosopher   meals   longest wait ms" << std::fixed << std::setprecision(1) << '\n';
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < seats; ++i) {
    const auto meals = static_cast<double>(table[i].meals);
    std::cout << std::setw(11) << i << std::setw(8) << table[i].meals << std::setw(18) << table[i].longest_wait_ms
              << '\n';
    sum += meals;
    squares += meals * meals;
  }
  const double fairness = sum * sum / (static_cast<double>(seats) * squares);  // Jain's index: 1 if all ate as often
  std::cout << std::setprecision(0) << sum << " meals, fairness " << std::setprecision(3) << fairness << '\n';
}

void dine_naively(std::size_t seats, milliseconds patience) {
  std::vector<sennit::timed_mutex> forks(seats);
  sennit::latch all_hold_one(static_cast<std::ptrdiff_t>(seats));  // what is bad luck elsewhere is arranged here
  std::vector<char> ate(seats);
  const auto start = clock_type::now();
  sennit::scope dinner;
  for (std::size_t i = 0; i < seats; ++i)
    dinner.spawn([&, i] {
      const std::scoped_lock left(forks[i]);
      all_hold_one.arrive_and_wait();
      const std::unique_lock right(forks[(i + 1) % seats], patience);
      ate[i] = right.owns_lock() ? 1 : 0;  // else the left fork is put down now, and the neighbour may get it
    });
  dinner.join();
  const auto fed = std::ranges::count(ate, 1);
  std::cout << "deadlock: " << seats << " philosophers held a fork and waited for another" << '\n'
            << "noticed after " << std::fixed << std::setprecision(0) << ms_since(start)
            << " ms: " << static_cast<std::ptrdiff_t>(seats) - fed << " put their fork down, " << fed << " then ate"
            << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
  std::size_t seats = 5;
  unsigned ms = 200;
  bool naive = false;
  example::command_line line("The dining philosophers.");
  line.add("--philosophers", seats, "how many")->check(CLI::Range(2, 10'000));
  line.add("--ms", ms, "how long they dine; with --naive, how long they wait for the second fork");
  line.add_flag("--naive", naive, "take the left fork, then the right one");
  line.parse(argc, argv);

  sennit::run(line.runtime_options(),
              [&] { naive ? dine_naively(seats, milliseconds(ms)) : dine(seats, milliseconds(ms)); });
} catch (const std::exception& e) {
  std::cerr << "14_dining_philosophers: " << e.what() << '\n';
  return 1;
}
