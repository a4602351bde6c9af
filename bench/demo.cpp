// demo: the same blocking-style echo handler on sennit fibers and on one std::thread per connection, side by side.
// Prints a table and writes it as an SVG chart; `demo --ratio` compares fibers with a raw epoll loop instead.
#include <CLI/CLI.hpp>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "demo/measure.hpp"
#include "demo/ratio.hpp"
#include "demo/report.hpp"
#include "demo/svg.hpp"

namespace {

using clock = std::chrono::steady_clock;

/// One line that is rewritten on a terminal; one line per finished run elsewhere.
class progress {
 public:
  explicit progress(int runs) : runs_(runs), in_place_(::isatty(STDOUT_FILENO) == 1) {}

  void begin(const bench::run_plan& plan) {
    text_ = '[' + std::to_string(++run_) + '/' + std::to_string(runs_) + "] " + bench::describe(plan);
    started_ = clock::now();
    tick();
  }
  void tick() const {
    if (!in_place_) return;
    const auto seconds = std::chrono::duration<double>(clock::now() - started_).count();
    std::cout << "\r\033[K" << text_ << " ... " << static_cast<int>(seconds) << " s" << std::flush;
  }
  void end(const bench::row& r) const {
    if (in_place_) std::cout << "\r\033[K";
    std::cout << text_ << ": " << (r.measured ? bench::grouped(r.requests_per_second) + " requests/s" : r.note)
              << std::endl;
  }

 private:
  int runs_;
  bool in_place_;
  int run_ = 0;
  std::string text_;
  clock::time_point started_;
};

struct demo_plan {
  std::vector<int> connections;
  int open_connections = 0;
  double warmup = 0;
  double duration = 0;
  std::chrono::seconds budget{};  // no run is started that could end after it
};

/// Half of what the slower side reached in its closed loop: both can keep it up, so latencies compare. Rounded down to
/// two digits; 0 if there is nothing to go by.
double open_rate(const std::vector<bench::row>& rows, int connections) {
  double slowest = 0;
  for (const auto& r : rows) {
    if (!r.measured || r.plan.connections != connections) continue;
    slowest = slowest == 0 ? r.requests_per_second : std::min(slowest, r.requests_per_second);
  }
  if (slowest < 2) return 0;
  const double half = slowest / 2;
  const double digit = std::pow(10, std::max(0.0, std::floor(std::log10(half)) - 1));
  return std::floor(half / digit) * digit;
}

std::vector<bench::row> run_all(const bench::machine& on, const demo_plan& plan) {
  std::vector<bench::row> rows;
  progress shown(static_cast<int>(plan.connections.size() + 1) * 2);
  const auto started = clock::now();
  const auto run_pair = [&](int connections, double rate) {
    for (const char* server : {"fibers", "threads"}) {
      const bench::run_plan one{
          .server = server, .connections = connections, .rate = rate, .warmup = plan.warmup, .duration = plan.duration};
      shown.begin(one);
      const auto expected = std::chrono::duration<double>(plan.warmup + plan.duration);
      if (clock::now() + expected - started > plan.budget) {
        rows.push_back({.plan = one, .note = "the runs before took so long that the time of the demo is used up"});
      } else {
        rows.push_back(bench::measure(on, one, [&] { shown.tick(); }));
      }
      shown.end(rows.back());
    }
  };
  for (const int connections : plan.connections) run_pair(connections, 0);
  const double rate = open_rate(rows, plan.open_connections);
  if (rate > 0) run_pair(plan.open_connections, rate);
  return rows;
}

}  // namespace

int main(int argc, char** argv) try {
  const auto machine = bench::this_machine();
  bool quick = false;
  bool ratio = false;
  bench::ratio_options ratio_options;
  std::string svg_path = std::filesystem::path(machine.programs).parent_path() / "demo.svg";
  std::string json_path;
  CLI::App app("The same echo handler on fibers and on threads, at 100, 1 000 and 10 000 connections.", "demo");
  app.add_option("--out", svg_path, "Where the chart goes")->capture_default_str();
  app.add_option("--json", json_path, "Write the rows as JSON as well");
  app.add_flag("--quick", quick, "Few connections and short runs: shows that everything works, not how fast");
  auto* ratio_flag = app.add_flag("--ratio", ratio, "Server CPU per request of fibers relative to a raw epoll loop");
  app.add_option("--repeats", ratio_options.repeats, "Pairs of runs of --ratio")
      ->needs(ratio_flag)
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_option("--duration", ratio_options.duration, "Seconds of each run of --ratio")
      ->needs(ratio_flag)
      ->capture_default_str()
      ->check(CLI::Range(0.1, 60.0));
  app.add_option("--at-most", ratio_options.at_most, "Fail if the median of --ratio at 64 connections is above this")
      ->needs(ratio_flag);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (ratio) return bench::run_ratio(machine, ratio_options);

  // Opened before the runs: a path that cannot be written is told at once.
  std::ofstream svg(svg_path);
  if (!svg) throw std::runtime_error("cannot write " + svg_path);
  std::ofstream json(json_path.empty() ? "/dev/null" : json_path);
  if (!json) throw std::runtime_error("cannot write " + json_path);

  const demo_plan plan = quick ? demo_plan{{10, 50, 100}, 50, 0.1, 0.7, std::chrono::seconds(60)}
                               : demo_plan{{100, 1000, 10000}, 1000, 1, 5, std::chrono::seconds(70)};
  std::string setup = "Echo of 64 bytes over loopback TCP. " + machine.description;
  std::cout << setup << ".\nBoth servers have one CPU; fibers run on one worker thread.\n\n";
  const auto began = clock::now();
  const auto used_before = bench::cpu_use::now();
  const auto rows = run_all(machine, plan);
  const auto used = bench::cpu_use::now();
  const double others = (used.machine_s - used_before.machine_s) - (used.own_s - used_before.own_s);
  const double share = others / std::chrono::duration<double>(clock::now() - began).count();
  std::cout << '\n';
  if (share > 0.1) {
    const std::string warning =
        "Other programs kept " + bench::three_digits(share) + " CPUs busy meanwhile: not comparable";
    std::cout << warning << ".\n\n";
    setup += ".\n" + warning;
  }
  bench::print_table(std::cout, rows);
  std::cout << '\n';
  bench::print_comparison(std::cout, rows);
  bench::write_json(json, rows, setup);
  svg << bench::svg_chart(rows, setup);
  if (!json.flush() || !svg.flush()) throw std::runtime_error("cannot write the results: is the disk full?");
  std::cout << "\nChart: " << std::filesystem::absolute(svg_path).string() << '\n';
  return std::ranges::any_of(rows, [](const bench::row& r) { return r.wrong; }) ? 1 : 0;
} catch (const std::exception& e) {
  std::cerr << "demo: " << e.what() << '\n';
  return 1;
}
