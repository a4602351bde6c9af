#include "inspector/state.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

#include <sennit/detail/visit_runtimes.hpp>
#include <sennit/inspect.hpp>
#include <sennit/log.hpp>
#include <sennit/metrics.hpp>

#include "api/fiber_census.hpp"

namespace sennit::inline v0::detail {
namespace {

using json = nlohmann::json;

constexpr std::size_t most_groups = 500;

struct seen_runtime {
  runtime_metrics metrics;
  std::vector<fiber_group> groups;
};

/// Frames by name, each address looked up once.
class frames {
 public:
  json of(const std::vector<const void*>& backtrace) {
    json out = json::array();
    for (const void* address : backtrace) {
      auto [at, is_new] = known_.try_emplace(address);
      if (is_new) {
        for (const code_location& l : locate(address)) {
          at->second.push_back({{"function", l.function.empty() ? l.module : l.function},
                                {"where", l.file.empty() ? "" : l.file + ":" + std::to_string(l.line)}});
        }
      }
      for (const json& l : at->second) out.push_back(l);
    }
    return out;
  }

 private:
  std::map<const void*, std::vector<json>> known_;
};

json json_of(const fiber_group& g, frames& known) {
  const fiber_info& f = g.sample;
  json out{{"count", g.count},
           {"ids", g.ids},
           {"last_id", g.last_id},
           {"name", f.name},
           {"state", text_of(f.state)},
           {"spawned_at", std::string(f.spawned_at.file_name()) + ":" + std::to_string(f.spawned_at.line())},
           {"backtrace", known.of(f.backtrace)}};
  if (f.worker && g.count == 1) out["worker"] = *f.worker;
  if (f.state != fiber_state::waiting) return out;
  out["waits_for"] = f.waits_for;
  out["longest_ns"] = g.longest_wait.count();
  out["resident"] = g.stack_resident;
  out["high_water"] = g.stack_high_water;
  if (f.waits_for_fiber) out["waits_for_fiber"] = *f.waits_for_fiber;
  if (g.count == 1 && !f.socket.empty()) out["socket"] = f.socket;
  if (g.count == 1 && f.descriptor) out["descriptor"] = *f.descriptor;
  return out;
}

json json_of(const duration_histogram& h) {
  return {{"count", h.count()}, {"p50_ns", h.quantile(0.5).count()}, {"p99_ns", h.quantile(0.99).count()}};
}

json json_of(const runtime_metrics& m) {
  json workers = json::array();
  for (const worker_metrics& w : m.workers) {
    workers.push_back({{"switches", w.switches},
                       {"spawned", w.spawned},
                       {"parks", w.parks},
                       {"steals", w.steals},
                       {"polls", w.polls},
                       {"queued", w.queued},
                       {"timers", w.timers},
                       {"asleep_ns", w.asleep.count()}});
  }
  json waits = json::object();
  for (const auto& [kind, times] : m.waits) waits[std::string(kind)] = json_of(times);
  return {{"name", m.name},
          {"fibers", m.total.spawned - m.total.finished},
          {"stacks_in_use", m.total.stacks_in_use},
          {"stacks_cached", m.total.stacks_cached},
          {"takeovers", m.total.takeovers},
          {"stalls", m.total.stalls},
          {"deadlocks", m.total.deadlocks},
          {"queued_outside", m.queued_outside},
          {"latency", json_of(m.latency)},
          {"slice", json_of(m.slice)},
          {"waits", std::move(waits)},
          {"workers", std::move(workers)}};
}

const char* text_of(log_level level) noexcept { return level == log_level::error ? "error" : "warning"; }

json messages() {
  json out = json::array();
  for (const kept_message& m : recent_messages()) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(m.at.time_since_epoch());
    out.push_back({{"at_ms", since.count()}, {"level", text_of(m.level)}, {"origin", m.origin}, {"text", m.text}});
  }
  return out;
}

}  // namespace

std::string state_as_json() {
  std::vector<seen_runtime> all;
  visit_runtimes([&](runtime& rt) {
    runtime_metrics m = rt.metrics();
    if (m.name != inspector_runtime) all.push_back({std::move(m), rt.fiber_groups()});
  });
  frames known;
  json runtimes = json::array();
  for (seen_runtime& r : all) {
    json one = json_of(r.metrics);
    std::ranges::sort(r.groups, std::greater<>(), &fiber_group::count);
    const std::size_t shown = std::min(r.groups.size(), most_groups);
    one["groups_left_out"] = r.groups.size() - shown;
    json groups = json::array();
    for (std::size_t i = 0; i < shown; ++i) groups.push_back(json_of(r.groups[i], known));
    one["groups"] = std::move(groups);
    runtimes.push_back(std::move(one));
  }
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const json out{{"pid", ::getpid()},
                 {"at_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()},
                 {"runtimes", std::move(runtimes)},
                 {"messages", messages()}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace sennit::inline v0::detail
