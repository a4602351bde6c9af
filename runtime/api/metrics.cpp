#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <ostream>

#include <sennit/metrics.hpp>

#include "api/runtime_list.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

/// A metric with one value for each worker.
struct by_worker {
  const char* name;
  const char* type;
  const char* help;
  double (*value)(const worker_metrics& w);
};

template <auto Member>
double value_of(const worker_metrics& w) {
  return static_cast<double>(w.*Member);
}

using w = worker_metrics;
constexpr std::array<by_worker, 16> of_workers{{
    {"spawned_total", "counter", "Fibers that fibers on this worker spawned.", value_of<&w::spawned>},
    {"finished_total", "counter", "Fibers that ended on this worker.", value_of<&w::finished>},
    {"switches_total", "counter", "Times a fiber ran until it waited, yielded or ended.", value_of<&w::switches>},
    {"parks_total", "counter", "Times a fiber began to wait.", value_of<&w::parks>},
    {"steals_total", "counter", "Times fibers were taken from another worker.", value_of<&w::steals>},
    {"polls_total", "counter", "Calls of epoll_wait or kevent.", value_of<&w::polls>},
    {"poll_events_total", "counter", "Events that they returned.", value_of<&w::poll_events>},
    {"registrations_total", "counter", "Calls of epoll_ctl, or kevent changes.", value_of<&w::registrations>},
    {"reads_total", "counter", "recv, read and accept calls by fibers.", value_of<&w::reads>},
    {"writes_total", "counter", "send, write and connect calls by fibers.", value_of<&w::writes>},
    {"wakes_total", "counter", "System calls that woke other workers.", value_of<&w::wakes>},
    {"preemptions_total", "counter", "Times a preemptible() was switched out.", value_of<&w::preemptions>},
    {"sleeps_total", "counter", "Times the worker went to sleep.", value_of<&w::sleeps>},
    {"asleep_seconds_total", "counter", "Time that the worker has slept.",
     [](const w& of) { return std::chrono::duration<double>(of.asleep).count(); }},
    {"queued", "gauge", "Fibers that are ready and wait for a worker.", value_of<&w::queued>},
    {"timers", "gauge", "Deadlines and sleeps.", value_of<&w::timers>},
}};

/// A metric with one value for each runtime.
struct by_runtime {
  const char* name;
  const char* type;
  const char* help;
  double (*value)(const runtime_metrics& m);
};

template <class T>
double number(T value) {
  return static_cast<double>(value);
}

using m = runtime_metrics;
constexpr std::array<by_runtime, 9> of_runtimes{{
    {"fibers", "gauge", "Fibers that have not ended.",
     [](const m& r) { return number(r.total.spawned) - number(r.total.finished); }},
    {"fibers_spawned_total", "counter", "Fibers that anybody spawned.",
     [](const m& r) { return number(r.total.spawned); }},
    {"queued_outside", "gauge", "Fibers that are ready and that no worker has taken yet.",
     [](const m& r) { return number(r.queued_outside); }},
    {"takeovers_total", "counter", "Times a stuck worker's poller or next fiber was served by another thread.",
     [](const m& r) { return number(r.total.takeovers); }},
    {"stalls_total", "counter", "Reports of a worker that did not switch.",
     [](const m& r) { return number(r.total.stalls); }},
    {"deadlocks_total", "counter", "Reports of fibers that nothing can wake.",
     [](const m& r) { return number(r.total.deadlocks); }},
    {"stacks_in_use", "gauge", "Stacks that fibers are on.", [](const m& r) { return number(r.total.stacks_in_use); }},
    {"stacks_cached", "gauge", "Stacks that nobody uses.", [](const m& r) { return number(r.total.stacks_cached); }},
    {"stack_bytes_cached", "gauge", "About the memory in stacks that nobody uses.",
     [](const m& r) { return number(r.stack_bytes_cached); }},
}};

/// As the format wants label values.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    c == '\n' ? out += "\\n" : out += c;
  }
  return out;
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

/// Writes a family of metrics: what it is, then its lines.
class family {
 public:
  family(std::string& out, std::string_view name, std::string_view type, std::string_view help)
      : out_(out), name_("sennit_" + std::string(name)) {
    out_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " + std::string(type) + "\n";
  }
  void line(const std::string& labels, double value, const char* suffix = "") {
    out_ += name_ + suffix + "{" + labels + "} " + text_of(value) + "\n";
  }
  void line(const std::string& labels, const duration_histogram& h) {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < duration_histogram::buckets; ++i) {
      below += h.counts[i];
      const bool last = i + 1 == duration_histogram::buckets;
      const std::string bound =
          last ? "+Inf" : text_of(std::chrono::duration<double>(duration_histogram::bound(i)).count());
      std::string with_bound = labels;
      with_bound.append(",le=\"").append(bound) += '"';
      line(with_bound, number(below), "_bucket");
    }
    line(labels, std::chrono::duration<double>(h.sum).count(), "_sum");
    line(labels, number(below), "_count");
  }

 private:
  std::string& out_;
  const std::string name_;
};

std::vector<runtime_metrics> metrics_of_all() {
  std::vector<runtime_metrics> all;
  std::map<std::string, unsigned> names;
  runtime_list::of_process().visit([&](scheduler& home) {
    runtime_metrics& one = all.emplace_back(home.metrics());
    if (const unsigned n = ++names[one.name]; n > 1) one.name += "#" + std::to_string(n);
  });
  return all;
}

std::string label(const runtime_metrics& of) { return "runtime=\"" + escaped(of.name) + "\""; }

}  // namespace

runtime_metrics runtime::metrics() const { return core_->metrics(); }

void write_metrics(std::ostream& out) {
  const std::vector<runtime_metrics> all = metrics_of_all();
  std::string text;
  for (const by_runtime& what : of_runtimes) {
    family f(text, what.name, what.type, what.help);
    for (const runtime_metrics& r : all) f.line(label(r), what.value(r));
  }
  for (const by_worker& what : of_workers) {
    family f(text, std::string("worker_") + what.name, what.type, what.help);
    for (const runtime_metrics& r : all) {
      for (std::size_t i = 0; i < r.workers.size(); ++i)
        f.line(label(r) + ",worker=\"" + std::to_string(i) + "\"", what.value(r.workers[i]));
    }
  }
  {
    family f(text, "latency_seconds", "histogram", "From ready to running, of one slice in 256.");
    for (const runtime_metrics& r : all) f.line(label(r), r.latency);
  }
  {
    family f(text, "slice_seconds", "histogram", "From running to waiting, of one slice in 256.");
    for (const runtime_metrics& r : all) f.line(label(r), r.slice);
  }
  family f(text, "wait_seconds", "histogram", "From waiting to ready, of the waits after those slices.");
  for (const runtime_metrics& r : all) {
    for (const auto& [kind, times] : r.waits) f.line(label(r) + ",for=\"" + escaped(kind) + "\"", times);
  }
  out << text << std::flush;
}

}  // namespace sennit::inline v0
