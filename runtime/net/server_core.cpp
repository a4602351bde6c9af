#include "net/server_core.hpp"

#include <algorithm>
#include <system_error>

#include "base/check.hpp"
#include "base/log.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t most_names = 20;  // in one line of the log

server_stats& operator+=(server_stats& sum, const server_stats& s) noexcept {
  sum.accepted += s.accepted;
  sum.finished += s.finished;
  sum.failed += s.failed;
  sum.dropped += s.dropped;
  sum.batches += s.batches;
  sum.shortages += s.shortages;
  return sum;
}

}  // namespace

server_core::server_core(server_setup setup, std::vector<listening> listeners) : setup_(std::move(setup)) {
  for (listening& l : listeners) shards_.push_back(std::make_unique<server_shard>(setup_, std::move(l)));
}

server_core::~server_core() {
  stop_accepting(clock_now());
  for (const auto& shard : shards_) shard->stop_connections();
  // The fibers are joined by their destructors: connections refer to this.
}

server_owner server_core::start(runtime& in, server_setup setup, std::vector<listening> listeners) {
  server_owner core(new server_core(std::move(setup), std::move(listeners)));
  for (unsigned i = 0; i < core->shards_.size(); ++i) {
    core->acceptors_.push_back(
        in.spawn({.name = "accept", .pinned = true},
                 [shard = core->shards_[i].get(), i](const stop_token& stop) { shard->serve(i, stop); }));
  }
  return core;
}

/// Nobody is to be let in by one listener when the others have begun to stop: first all of them refuse.
void server_core::stop_accepting(nanos deadline) noexcept {
  if (std::exchange(stopping_, true)) return;
  for (const auto& shard : shards_) shard->begin_drain(deadline);
  for (fiber& f : acceptors_) f.request_stop();
}

drain_report server_core::stop(nanos deadline) {
  drain_report report;
  stop_accepting(deadline);
  if (join_until(deadline)) return report;
  report.stopped = running();
  tell(report.stopped, "did not end in time and are stopped");
  for (const auto& shard : shards_) shard->stop_connections();
  if (join_until(add_nanos(clock_now(), setup_.stop_timeout))) return report;
  report.left = running();
  tell(report.left, "do not end though they are stopped");
  return report;
}

/// Whether all listeners are closed and all connections have ended.
bool server_core::join_until(nanos deadline) {
  bool all = true;
  for (fiber& f : acceptors_) {
    if (!f.joinable()) continue;
    const nanos left = deadline == never ? never : std::max<nanos>(deadline - clock_now(), 0);
    all = f.try_join_for(std::chrono::nanoseconds(left)) && all;
  }
  return all;
}

std::vector<std::string> server_core::running() const {
  std::vector<std::string> all;
  for (const auto& shard : shards_) {
    for (std::string& name : shard->running()) all.push_back(std::move(name));
  }
  return all;
}

void server_core::tell(const std::vector<std::string>& who, const char* what) const {
  if (who.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(who.size(), most_names); ++i) names += (i == 0 ? "" : ", ") + who[i];
  if (who.size() > most_names) names += ", ...";
  log(log_level::warn, "server %s: %zu %s: %s", setup_.at.to_string().c_str(), who.size(), what, names.c_str());
}

runtime& runtime_of_server() {
  if (runtime* const here = runtime::current(); here != nullptr) return *here;
  throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                          "sennit: a server on a plain thread: name its runtime");
}

void end_server::operator()(server_core* core) const noexcept { delete core; }

drain_report server::stop_before(nanos deadline) { return core_->stop(deadline); }

endpoint server::local_endpoint() const { return core_->at(); }

unsigned server::listeners() const noexcept { return static_cast<unsigned>(core_->shards().size()); }

server_stats server::stats() const {
  server_stats sum;
  for (const auto& shard : core_->shards()) sum += shard->stats();
  return sum;
}

server_stats server::stats(unsigned listener) const {
  SENNIT_CHECK(listener < listeners(), "ask for the counters of a listener below listeners()");
  return core_->shards()[listener]->stats();
}

}  // namespace sennit::inline v0::detail
