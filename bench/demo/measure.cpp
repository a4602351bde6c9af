#include "demo/measure.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "common/json.hpp"
#include "demo/child.hpp"

namespace bench {

using namespace std::chrono_literals;

machine this_machine() {
  machine it;
  it.programs = std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  it.cpus = CPU_COUNT(&allowed);
  std::vector<int> first_two;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE && first_two.size() < 2; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) first_two.push_back(static_cast<int>(cpu));
  }
  it.server_cpu = first_two.front();
  it.load_cpu = first_two.back();
  utsname system{};
  ::uname(&system);
  it.description = std::string(system.sysname) + ' ' + system.release + ' ' + system.machine + ", " +
                   std::to_string(it.cpus) + (it.cpus == 1 ? " CPU: " : " CPUs: ");
  if (it.cpus == 1) {
    it.description += "server and load generator share it";
  } else {
    it.description +=
        "server on CPU " + std::to_string(it.server_cpu) + ", load generator on CPU " + std::to_string(it.load_cpu);
  }
  return it;
}

cpu_use cpu_use::now() {
  cpu_use it;
  std::ifstream stat("/proc/stat");
  std::string name;
  double user = 0;
  double nice = 0;
  double system = 0;
  stat >> name >> user >> nice >> system;
  it.machine_s = (user + nice + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    for (const timeval& t : {used.ru_utime, used.ru_stime}) {
      it.own_s += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    }
  }
  return it;
}

namespace {

/// Fills `result` from what the load generator printed.
void read_result(row& result, const std::string& json, int exit_code) {
  if (const auto limit = json_value(json, "limit"); limit && !limit->empty()) {
    result.note = *limit;
    return;
  }
  result.measured = true;
  result.requests_per_second = json_number(json, "requests_per_second");
  result.p50_us = json_number(json, "p50_us");
  result.p99_us = json_number(json, "p99_us");
  result.p99_9_us = json_number(json, "p99_9_us");
  result.cpu_us = json_number(json, "server_cpu_us_per_request");
  result.memory_bytes = json_number(json, "server_bytes_per_connection");
  result.all_served_s = json_number(json, "all_served_s");
  if (exit_code == 0) return;
  result.wrong = true;
  char text[160];
  std::snprintf(text, sizeof text, "%.0f errors, %.0f wrong bytes, %.0f lost bytes", json_number(json, "errors"),
                json_number(json, "wrong_bytes"), json_number(json, "lost_bytes"));
  result.note = text;
}

}  // namespace

row measure(const machine& on, const run_plan& plan, const std::function<void()>& tick) {
  row result{.plan = plan, .note = {}};
  const auto broken = [&](std::string why) {
    result.measured = false;
    result.wrong = true;
    result.note = std::move(why);
    return result;
  };
  child server({on.programs + "/echo_" + plan.server, "--port", "0", "--workers", "1", "--stop-with-parent"},
               on.server_cpu, false);
  const auto hello = server.read_line(child::clock::now() + 10s, tick);
  constexpr std::string_view greeting = "listening on 127.0.0.1:";
  if (!hello || !hello->starts_with(greeting)) return broken("the server did not start to listen");

  constexpr double connect_timeout = 12;
  child load({on.programs + "/load", "--port", hello->substr(greeting.size()), "--connections",
              std::to_string(plan.connections), "--rate", std::to_string(plan.rate), "--warmup",
              std::to_string(plan.warmup), "--duration", std::to_string(plan.duration), "--connect-timeout",
              std::to_string(connect_timeout), "--server-pid", std::to_string(server.pid())},
             on.load_cpu, true);
  const auto patience = std::chrono::duration<double>(connect_timeout + plan.warmup + plan.duration + 10);
  const auto deadline = child::clock::now() + std::chrono::duration_cast<child::clock::duration>(patience);
  const auto json = load.read_line(deadline, tick);
  if (!json) return broken("the load generator gave no result");
  read_result(result, *json, load.exit_code());

  const auto last_words = server.stop(5s);
  // The server knows better than its client why it could not serve more.
  for (const auto& line : last_words) {
    if (constexpr std::string_view limit = "limit: "; line.starts_with(limit)) {
      result.measured = false;
      result.wrong = false;
      result.note = line.substr(limit.size());
      return result;
    }
  }
  if (const int code = server.exit_code(); code != 0) {
    return broken("the server did not stop cleanly (exit code " + std::to_string(code) + ")");
  }
  return result;
}

}  // namespace bench
