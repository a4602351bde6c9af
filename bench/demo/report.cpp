#include "demo/report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

#include "common/json.hpp"

namespace bench {
namespace {

using cells = std::array<std::string, 10>;

cells cells_of(const row& r) {
  cells c{r.plan.server, grouped(r.plan.connections),
          r.plan.rate > 0 ? "open " + grouped(r.plan.rate) + "/s" : "closed"};
  if (r.measured) {
    c[3] = grouped(r.requests_per_second);
    c[4] = three_digits(r.p50_us / 1e3);
    c[5] = three_digits(r.p99_us / 1e3);
    c[6] = three_digits(r.p99_9_us / 1e3);
    c[7] = three_digits(r.cpu_us);
    c[8] = three_digits(r.memory_bytes / 1024);
    c[9] = three_digits(r.all_served_s * 1e3);
  }
  return c;
}

const row* find(const std::vector<row>& rows, const char* server, const run_plan& like) {
  const auto at = std::ranges::find_if(rows, [&](const row& r) {
    return r.measured && r.plan.server == server && r.plan.connections == like.connections && r.plan.rate == like.rate;
  });
  return at == rows.end() ? nullptr : &*at;
}

}  // namespace

std::string grouped(double number) {
  std::string text = std::to_string(static_cast<long long>(std::llround(number)));
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > (text[0] == '-' ? 1 : 0); at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ' ');
  }
  return text;
}

std::string three_digits(double number) {
  if (!std::isfinite(number)) return "-";
  if (number == 0) return "0";
  if (std::abs(number) >= 99.95) return grouped(number);
  char text[32];
  const int decimals = std::abs(number) >= 9.995 ? 1 : std::abs(number) >= 0.9995 ? 2 : 3;
  std::snprintf(text, sizeof text, "%.*f", decimals, number);
  return text;
}

std::string describe(const run_plan& plan) {
  std::string text = plan.server + ", " + grouped(plan.connections) + " connections, ";
  return text + (plan.rate > 0 ? "open loop at " + grouped(plan.rate) + "/s" : "closed loop");
}

void print_table(std::ostream& out, const std::vector<row>& rows) {
  std::vector<cells> table{{"", "", "", "", "latency", "", "", "server CPU", "memory", "time"},
                           {"server", "connections", "loop", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "us/request",
                            "KiB/conn", "to spawn ms"}};
  for (const auto& r : rows) table.push_back(cells_of(r));
  std::array<std::size_t, std::tuple_size_v<cells>> width{};
  for (const auto& line : table) {
    for (std::size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  }
  for (std::size_t l = 0; l < table.size(); ++l) {
    const row* r = l < 2 ? nullptr : &rows[l - 2];
    // A blank line between groups that compare with each other.
    const row* above = l < 3 ? nullptr : &rows[l - 3];
    if (l == 2 ||
        (above != nullptr && (above->plan.connections != r->plan.connections || above->plan.rate != r->plan.rate))) {
      out << '\n';
    }
    const std::size_t used = r == nullptr || r->measured ? table[l].size() : 3;
    std::string text;
    for (std::size_t i = 0; i < used; ++i) {
      const std::string pad(width[i] - table[l][i].size(), ' ');
      text += i == 0 || i == 2 ? table[l][i] + pad : pad + table[l][i];
      text += "  ";
    }
    if (r != nullptr && !r->note.empty())
      text += (r->wrong ? "WRONG: " : r->measured ? "" : "not measured: ") + r->note;
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  }
  out << R"(
Latency counts from the send (closed loop) or from the intended send time (open loop: no coordinated omission).
Memory is resident memory and page tables of the server, per connection; what the kernel holds (sockets, and for
each thread a kernel stack of its own) is not in it. Time to spawn: until every connection has had its first echo.
)";
}

void print_comparison(std::ostream& out, const std::vector<row>& rows) {
  const auto times = [](double a, double b) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", a / b);
    return std::string(text);
  };
  for (const auto& r : rows) {
    if (r.plan.server != "fibers" || r.plan.rate > 0 || !r.measured) continue;
    const row* threads = find(rows, "threads", r.plan);
    if (threads == nullptr) continue;
    out << "Fibers against threads at " << grouped(r.plan.connections)
        << " connections: " << times(r.requests_per_second, threads->requests_per_second) << " x the requests/s, "
        << times(r.cpu_us, threads->cpu_us) << " x the CPU per request, "
        << times(r.memory_bytes, threads->memory_bytes) << " x the memory per connection.\n";
  }
}

void write_json(std::ostream& out, const std::vector<row>& rows, const std::string& setup) {
  std::string list;
  for (const auto& r : rows) {
    json_object json;
    json.add("server", r.plan.server).add("connections", r.plan.connections).add("rate", r.plan.rate);
    json.add("measured", r.measured).add("wrong", r.wrong).add("note", r.note);
    json.add("requests_per_second", r.requests_per_second);
    json.add("p50_us", r.p50_us).add("p99_us", r.p99_us).add("p99_9_us", r.p99_9_us);
    json.add("server_cpu_us_per_request", r.cpu_us).add("server_bytes_per_connection", r.memory_bytes);
    json.add("all_served_s", r.all_served_s);
    list += (list.empty() ? "\n  " : ",\n  ") + json.str();
  }
  out << json_object().add("setup", setup).add_json("rows", '[' + list + "\n]").str() << '\n';
}

}  // namespace bench
