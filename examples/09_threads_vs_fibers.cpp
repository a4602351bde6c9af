// Rung 9: the same function on threads and on fibers: what does a waiting one cost?
//
// sennit's synchronisation works on plain threads too, so both columns run the very same code: say that you are there,
// wait for the gate, sleep 100 ms, end. Measured are the time until all wait, the memory they take while they do, and
// how long it takes from the opened gate until all have slept and are joined.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <system_error>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/jthread.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

double ms_since(clock_type::time_point start) {
  return std::chrono::duration<double, std::milli>(clock_type::now() - start).count();
}

/// Resident memory of this process and the page tables that map it, in KiB: a thread or fiber pays for both. 0
/// where there is no /proc.
double memory_kib() {
  std::ifstream status("/proc/self/status");
  double total = 0;
  for (std::string key; status >> key; status.ignore(1000, '\n')) {
    double kib = 0;
    if ((key == "VmRSS:" || key == "VmPTE:") && status >> kib) total += kib;
  }
  return total;
}

/// Thread is example::jthread or sennit::fiber.
template <class Thread>
void measure(const char* name, std::size_t wanted) {
  sennit::wait_group missing;
  sennit::event gate;
  std::vector<Thread> all;
  all.reserve(wanted);

  const double memory_before = memory_kib();
  const auto start = clock_type::now();
  std::string note;
  try {
    while (all.size() < wanted) {
      missing.add();
      all.emplace_back([&] {
        missing.done();
        gate.wait();
        sennit::this_fiber::sleep_for(std::chrono::milliseconds(100));  // on a plain thread: std::this_thread's
      });
      sennit::this_fiber::maybe_yield();  // a long loop lets others run now and then
    }
  } catch (const std::system_error& e) {
    missing.done();  // this one did not come to life
    note = std::string("  (no more than these: ") + e.what() + ")";
  }
  missing.wait();
  const double spawned = ms_since(start);
  const double memory = memory_kib() - memory_before;

  const auto opened = clock_type::now();
  gate.set();
  for (auto& one : all) one.join();
  const double slept = ms_since(opened);

  const auto count = static_cast<double>(all.size());
  std::cout << std::left << std::setw(8) << name << std::right << std::setw(8) << all.size() << std::fixed
            << std::setprecision(2) << std::setw(14) << 1000 * spawned / count << std::setw(14) << memory / count
            << std::setw(16) << slept << note << std::endl;
}

}  // namespace

int main(int argc, char** argv) try {
  std::size_t threads = 2'000;
  std::size_t fibers = 20'000;
  example::command_line line("What do a waiting thread and a waiting fiber cost?", 0);
  line.add("--threads", threads, "how many threads");
  line.add("--fibers", fibers, "how many fibers");
  line.parse(argc, argv);

  std::cout << "           count   us to start   KiB waiting   100 ms took ms" << std::endl;
  measure<example::jthread>("threads", threads);
  sennit::run(line.runtime_options(), [&] { measure<sennit::fiber>("fibers", fibers); });
} catch (const std::exception& e) {
  std::cerr << "09_threads_vs_fibers: " << e.what() << '\n';
  return 1;
}
