#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sennit/error.hpp>
#include <sennit/runtime.hpp>
#include <sennit/trace.hpp>

#include "sched/census.hpp"
#include "sched/scheduler.hpp"
#include "sched/tracer.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

using nlohmann::json;

/// A wake: of which fiber, and when.
using wake_key = std::pair<std::uint64_t, std::uint64_t>;

std::set<wake_key> wakes_of(const std::vector<std::vector<trace_event>>& rings) {
  std::set<wake_key> out;
  for (const auto& ring : rings) {
    for (const trace_event& e : ring) {
      if (e.kind == trace_kind::ready) out.emplace(e.fiber, static_cast<std::uint64_t>(e.at));
    }
  }
  return out;
}

/// Writes the events of a thread after each other.
class track {
 public:
  track(std::ostream& out, std::size_t number, nanos begin, const std::set<wake_key>& wakes)
      : out_(out), number_(number), begin_(begin), wakes_(wakes) {}

  void name(const std::string& text) {
    put({{"ph", "M"}, {"name", "thread_name"}, {"args", {{"name", text}}}});
    put({{"ph", "M"}, {"name", "thread_sort_index"}, {"args", {{"sort_index", number_}}}});
  }

  void add(const trace_event& e) {
    switch (e.kind) {
      case trace_kind::run:
        open_ = e;
        if (wakes_.contains({e.fiber, e.arg})) arrow("f", e.at, {e.fiber, e.arg});
        break;
      case trace_kind::leave:
      case trace_kind::finish:
        if (open_.at != 0) slice(e);  // else it began before the ring's first
        open_.at = 0;
        break;
      case trace_kind::ready:
        if (number_ == 0) {  // an arrow begins in a slice
          put({{"ph", "X"}, {"name", "wake"}, {"cat", "wake"}, {"ts", us(e.at - begin_)}, {"dur", 1}});
        }
        arrow("s", e.at, {e.fiber, static_cast<std::uint64_t>(e.at)});
        break;
      case trace_kind::sleep: asleep_ = e.at; break;
      case trace_kind::wake:
        if (const nanos from = std::exchange(asleep_, 0); from != 0)
          put({{"ph", "X"},
               {"name", "asleep"},
               {"cat", "worker"},
               {"ts", us(from - begin_)},
               {"dur", us(e.at - from)}});
        break;
      case trace_kind::spawn: instant(e, "spawn", {{"fiber", e.fiber}}); break;
      case trace_kind::steal: instant(e, "steal", {{"from_worker", e.arg}}); break;
      case trace_kind::poll: instant(e, "poll", {{"events", e.arg}}); break;
      case trace_kind::stall: instant(e, "stall", {{"fiber", e.fiber}, {"worker", e.arg}}); break;
    }
  }

 private:
  static double us(nanos t) noexcept { return static_cast<double>(t) / 1000; }

  void slice(const trace_event& end) {
    const char* const why = end.kind == trace_kind::finish ? "end" : "yield";
    const std::string_view left = end.what == wait_kind::none ? why : name_of(end.what);
    put({{"ph", "X"},
         {"name", std::string(open_.name.data(), ::strnlen(open_.name.data(), open_.name.size()))},
         {"cat", "fiber"},
         {"ts", us(open_.at - begin_)},
         {"dur", us(end.at - open_.at)},
         {"args", {{"fiber", end.fiber}, {"until", left}}}});
  }
  void instant(const trace_event& e, const char* what, json args) {
    put({{"ph", "i"}, {"s", "t"}, {"name", what}, {"cat", what}, {"ts", us(e.at - begin_)}, {"args", std::move(args)}});
  }
  void arrow(const char* end, nanos at, const wake_key& which) {
    json e{{"ph", end},
           {"name", "wake"},
           {"cat", "wake"},
           {"ts", us(at - begin_)},
           {"id", std::to_string(which.first) + ":" + std::to_string(which.second)}};
    if (*end == 'f') e["bp"] = "e";
    put(std::move(e));
  }
  void put(json e) {
    e["pid"] = 1;
    e["tid"] = number_;
    out_ << ",\n" << e.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  std::ostream& out_;
  const std::size_t number_;
  const nanos begin_;
  const std::set<wake_key>& wakes_;
  trace_event open_;
  nanos asleep_ = 0;
};

}  // namespace

trace::trace(runtime& rt, std::size_t events_per_worker) {
  scheduler& home = *rt.core_;
  events_ = std::make_unique<tracer>(home.name(), home.workers().size(), events_per_worker);
  if (!events_->start(home))
    throw_if(std::make_error_code(std::errc::device_or_resource_busy),
             "sennit: this runtime is being recorded already");
}

trace::~trace() { stop(); }

void trace::stop() noexcept { events_->stop(); }

void trace::write(std::ostream& out) {
  stop();
  std::vector<std::vector<trace_event>> rings;
  nanos begin = never;
  for (const trace_ring& r : events_->rings) {
    rings.push_back(r.in_order());
    if (!rings.back().empty()) begin = std::min(begin, rings.back().front().at);
  }
  const std::set<wake_key> wakes = wakes_of(rings);
  const json process{{"ph", "M"}, {"pid", 1}, {"name", "process_name"}, {"args", {{"name", events_->runtime}}}};
  out << "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
      << process.dump(-1, ' ', false, json::error_handler_t::replace);
  for (std::size_t i = 0; i < rings.size(); ++i) {
    track t(out, i, begin, wakes);
    t.name(i == 0 ? "other threads" : "worker " + std::to_string(i - 1));
    for (const trace_event& e : rings[i]) t.add(e);
  }
  out << "\n]}\n" << std::flush;
}

}  // namespace sennit::inline v0
