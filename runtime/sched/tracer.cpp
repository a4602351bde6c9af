#include "sched/tracer.hpp"

#include <algorithm>
#include <utility>

#include "sched/scheduler.hpp"

namespace sennit::inline v0::detail {

std::vector<trace_event> trace_ring::in_order() const {
  const std::uint64_t oldest = written > events.size() ? written - events.size() : 0;
  std::vector<trace_event> out;
  out.reserve(written - oldest);
  for (std::uint64_t i = oldest; i < written; ++i) out.push_back(events[i % events.size()]);
  return out;
}

tracer::tracer(std::string of, std::size_t workers, std::size_t events_per_ring)
    : runtime(std::move(of)), rings(workers + 1) {
  for (trace_ring& r : rings) r.events.resize(std::max<std::size_t>(events_per_ring, 1));
}

namespace {

/// Held while a recording begins or ends, so that a runtime and the recording of it may go at the same time.
constinit spin_lock recordings;

}  // namespace

bool tracer::start(scheduler& home) noexcept {
  const spin_guard guard(recordings);
  if (home.recording != nullptr) return false;
  home.recording = this;
  home_ = &home;
  home.trace_outside.set(rings.data());
  for (const auto& w : home.workers()) {
    w->trace.set(&rings[w->index + 1]);
    w->time_slices_from_now();
  }
  return true;
}

void tracer::detach() noexcept {
  for (const auto& w : home_->workers()) w->trace.set(nullptr);
  home_->trace_outside.set(nullptr);
  std::exchange(home_, nullptr)->recording = nullptr;
}

void tracer::stop() noexcept {
  const spin_guard guard(recordings);
  if (home_ != nullptr) detach();
}

void tracer::stop(scheduler& home) noexcept {
  const spin_guard guard(recordings);
  if (home.recording != nullptr) home.recording->detach();
}

}  // namespace sennit::inline v0::detail
