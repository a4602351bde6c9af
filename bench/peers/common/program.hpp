#pragma once
// What the C++ programs of the comparison share: their command line, calibration, and the sleeps' statistics. The Go
// and the Rust program do the same in their language; bench/peers/README.md is the contract.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using steady = std::chrono::steady_clock;

/// One benchmark: run(seconds) prints one line for each of its results. seconds 0: once, with a tiny count.
struct benchmark {
  std::string_view name;
  void (*run)(double seconds);
};

inline void report(const char* result, double value) { std::printf("%s %.6g\n", result, value); }

/// For what can only be a bug of the program or of the measured system: the driver shows the message and stops.
[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

/// Ends the process when all has been reported, with whatever it still has.
[[noreturn]] inline void end_here() {
  std::fflush(stdout);
  std::_Exit(0);
}

/// Thrown by a benchmark that this system cannot do on this machine, with the reason: named in the table, not fatal.
struct cannot : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// CPU time of the process, in seconds.
inline double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
inline double wall_seconds() { return std::chrono::duration<double>(steady::now().time_since_epoch()).count(); }

/// Reports nanoseconds per operation. work(n) does n * `operations` of them and returns the seconds that they took; n
/// grows until that is `seconds`.
template <class Work>
void measure_timed(const char* result, double seconds, double operations, Work&& work) {
  for (std::uint64_t n = operations < 1000 ? 100 : operations < 100'000 ? 2 : 20;;) {
    const double took = work(n);
    if (took >= seconds) return report(result, took * 1e9 / (static_cast<double>(n) * operations));
    n = static_cast<std::uint64_t>(static_cast<double>(n) *
                                   std::clamp(1.2 * seconds / std::max(took, 1e-9), 2.0, 100.0));
  }
}

/// The same for a work(n) that is measured from its call to its return, by `clock`.
template <class Work>
void measure(const char* result, double seconds, double operations, Work&& work, double (*clock)() = wall_seconds) {
  measure_timed(result, seconds, operations, [&](std::uint64_t n) {
    const double start = clock();
    work(n);
    return clock() - start;
  });
}

inline double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The value that the part q of all, 0 to 1, are not above.
inline double quantile(std::vector<double>& values, double q) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// The number behind `name` in a file of lines "Name:  number kB", e.g. /proc/self/status, in bytes.
inline double bytes_in(const char* file, std::string_view name) {
  std::FILE* const in = std::fopen(file, "r");
  char line[256];
  double found = -1;
  while (in != nullptr && found < 0 && std::fgets(line, sizeof line, in) != nullptr) {
    if (std::string_view(line).starts_with(name)) found = std::strtod(line + name.size() + 1, nullptr) * 1024;
  }
  if (found < 0) fail(file);
  std::fclose(in);
  return found;
}

/// How many a workload of a fixed size has: few, if it is only to show that it works.
inline std::size_t full(std::size_t count, double seconds) {
  return seconds > 0 ? count : std::min(count, std::size_t{1000});
}

/// sleep_10k and sleep_100k: which sleeps, and what becomes of them. One thread.
class sleeps {
 public:
  sleeps(std::string name, std::size_t count, double seconds)
      : sleepers(count),
        name_(std::move(name)),
        each_(seconds > 0 ? count > 10'000 ? 2 : 5 : 1),
        start_cpu_(cpu_seconds()) {
    late_.reserve(each_ * sleepers);
  }

  [[nodiscard]] std::size_t each() const { return each_; }

  /// The next duration: 1 to 100 ms for 10 000 sleepers, ten times as long for 100 000, from a fixed seed; the same in
  /// all languages. Asked for in order of the sleeps.
  std::chrono::nanoseconds next() {
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    return std::chrono::nanoseconds(1'000'000 + (random_ >> 33) % (sleepers * 9900 + 1));
  }

  /// A sleep that should have ended at `due` is over now.
  void over(steady::time_point due) {
    const auto late = steady::now() - due;
    if (late < steady::duration::zero()) fail("a sleep ended early");
    late_.push_back(std::chrono::duration<double, std::micro>(late).count());
  }

  /// When all are over.
  void report_all() {
    const double cpu = cpu_seconds() - start_cpu_;
    if (late_.size() != each_ * sleepers) fail("a sleep got lost");
    report((name_ + "_cpu").c_str(), cpu * 1e6 / static_cast<double>(late_.size()));
    report((name_ + "_oversleep").c_str(), median(late_));
  }

  const std::size_t sleepers;

 private:
  const std::string name_;
  const std::size_t each_;
  const double start_cpu_;
  std::uint64_t random_ = 1;
  std::vector<double> late_;  // microseconds
};

/// Those of a program's other files.
std::span<const benchmark> io_benchmarks();
std::span<const benchmark> sched_benchmarks();
std::span<const benchmark> observe_benchmarks();

/// A server that a program has in it: `how` makes it serve until it is killed, and a load of its own makes `names`.
struct server {
  std::string_view how;
  std::span<const std::string_view> names;
  void (*serve)();
};

/// Of the group echo, made by echo_load; for the idle ones a server holds as little memory as it can.
inline constexpr std::string_view echo_names[] = {"echo_1",     "echo_64",           "echo_1000", "echo_9900",
                                                  "echo_64_4k", "echo_64_pipelined", "tail_64"};
inline constexpr std::string_view idle_names[] = {"idle_9900"};
/// For this one it serves on two workers.
inline constexpr std::string_view scaling_names[] = {"echo_64_scaling"};
/// Of the group io, made by echo_load.
inline constexpr std::string_view churn_names[] = {"tcp_churn"};
/// Of the group http, made by bench/http_load.py; for the bare ones a server does not parse what it is asked.
inline constexpr std::string_view http_names[] = {"http_64", "http_1000"};
inline constexpr std::string_view http_bare_names[] = {"http_64_bare"};

/// Bytes that a server of echoes reads at once: with the longest message a read is still a short one.
inline constexpr std::size_t echo_buffer = 8192;

inline void say_port(unsigned port) {
  std::printf("PORT %u\n", port);
  std::fflush(stdout);
}

/// main() of a program: --version, --list, NAME SECONDS, or what a server is called by.
inline int program(int argc, char** argv, const char* version,
                   std::initializer_list<std::span<const benchmark>> of_files, std::span<const server> servers = {}) {
  std::vector<benchmark> benchmarks;
  for (const auto file : of_files) benchmarks.insert(benchmarks.end(), file.begin(), file.end());
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "--version") return std::puts(version), 0;
  if (what == "--list") {
    const auto print = [](std::string_view name) { std::printf("%.*s\n", static_cast<int>(name.size()), name.data()); };
    for (const auto& b : benchmarks) print(b.name);
    for (const auto& s : servers) std::for_each(s.names.begin(), s.names.end(), print);
    return 0;
  }
  const auto served = std::find_if(servers.begin(), servers.end(), [&](auto& s) { return s.how == what; });
  const auto found = std::find_if(benchmarks.begin(), benchmarks.end(), [&](auto& b) { return b.name == what; });
  const bool serves = argc == 2 && served != servers.end();
  if (!serves && (argc != 3 || found == benchmarks.end())) {
    std::fprintf(stderr, "usage: %s --version | --list | --serve... | NAME SECONDS\n", argv[0]);
    return 2;
  }
  try {
    if (serves) {
      served->serve();
    } else {
      found->run(std::strtod(argv[2], nullptr));
    }
  } catch (const cannot& e) {
    std::printf("cannot %s\n", e.what());
  } catch (const std::exception& e) {
    fail(e.what());
  }
  return 0;
}

}  // namespace bench
