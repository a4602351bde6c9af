#pragma once
// What a runtime's workers do, moment by moment, for Perfetto (https://ui.perfetto.dev) or chrome://tracing to draw.
#include <cstddef>
#include <iosfwd>
#include <memory>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0 {

class runtime;
namespace detail {
class tracer;
}

/// Records the scheduler's events of one runtime from its construction to stop(): which fiber runs where and why it
/// stops, who wakes it, spawns, steals, polls, sleeps and stalls. Each worker keeps the latest ones, 64 bytes each. A
/// switch costs two more reads of the clock meanwhile; else nothing. Members on any thread or fiber, one at a time. May
/// outlive the runtime.
class trace {
 public:
  /// Throws std::system_error(device_or_resource_busy) if the runtime is being recorded, std::bad_alloc.
  SENNIT_API explicit trace(runtime& rt, std::size_t events_per_worker = std::size_t{1} << 15);
  SENNIT_API ~trace();
  trace(const trace&) = delete;
  trace& operator=(const trace&) = delete;

  /// Ends the recording. Idempotent.
  SENNIT_API void stop() noexcept;
  /// Stops, and writes what was recorded in Chrome's trace event format (JSON): each worker is a track, a wake an arrow
  /// from who caused it. A fiber that waited already when the recording began is woken without an arrow. Throws
  /// std::bad_alloc.
  SENNIT_API void write(std::ostream& out);

 private:
  std::unique_ptr<detail::tracer> events_;
};

}  // namespace sennit::inline v0
