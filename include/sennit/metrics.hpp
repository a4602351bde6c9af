#pragma once
// How a runtime does, in numbers: counters of each worker, how long things take, and both as Prometheus reads them.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sennit/detail/config.hpp>
#include <sennit/runtime.hpp>

namespace sennit::inline v0 {

/// Durations, counted by powers of two.
struct duration_histogram {
  static constexpr std::size_t buckets = 31;

  /// counts[i]: how many were longer than bound(i - 1) and at most bound(i). The first bucket has all up to 128 ns, the
  /// last one all above 69 s.
  std::array<std::uint64_t, buckets> counts{};
  std::chrono::nanoseconds sum{};

  [[nodiscard]] static constexpr std::chrono::nanoseconds bound(std::size_t bucket) noexcept {
    return bucket + 1 < buckets ? std::chrono::nanoseconds(std::int64_t{128} << bucket)
                                : std::chrono::nanoseconds::max();
  }
  [[nodiscard]] constexpr std::uint64_t count() const noexcept {
    std::uint64_t all = 0;
    for (const std::uint64_t n : counts) all += n;
    return all;
  }
  /// The bound below which a share `q` (0 to 1) of them lies; 0 if there are none.
  [[nodiscard]] constexpr std::chrono::nanoseconds quantile(double q) const noexcept {
    const double wanted = q * static_cast<double>(count());
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
      below += counts[i];
      if (below > 0 && static_cast<double>(below) >= wanted) return bound(i);
    }
    return {};
  }
};

/// Of one worker, since it began.
struct worker_metrics {
  std::uint64_t spawned = 0;          ///< fibers that fibers on this worker spawned
  std::uint64_t finished = 0;         ///< fibers that ended here
  std::uint64_t switches = 0;         ///< slices: times a fiber ran, until it waited, yielded or ended
  std::uint64_t parks = 0;            ///< times a fiber that was here began to wait
  std::uint64_t steals = 0;           ///< times it took fibers from another worker's queue
  std::uint64_t polls = 0;            ///< calls of epoll_wait or kevent
  std::uint64_t poll_events = 0;      ///< events they returned
  std::uint64_t registrations = 0;    ///< calls of epoll_ctl or kevent changes
  std::uint64_t reads = 0;            ///< recv, read, accept calls by fibers
  std::uint64_t writes = 0;           ///< send, write, connect calls by fibers
  std::uint64_t wakes = 0;            ///< system calls by which it woke other workers
  std::uint64_t preemptions = 0;      ///< times it took itself from a preemptible()
  std::uint64_t sleeps = 0;           ///< times it went to sleep
  std::chrono::nanoseconds asleep{};  ///< spent in its sleeps, one that it is in included
  std::size_t queued = 0;             ///< fibers that are ready and wait for this worker, or for one that steals
  std::size_t timers = 0;             ///< deadlines and sleeps that it keeps
};

/// Of one runtime at about one moment: the numbers are read one after the other while it goes on.
struct runtime_metrics {
  std::string name;
  runtime_stats total;
  std::vector<worker_metrics> workers;
  std::size_t queued_outside = 0;      ///< fibers that are ready and that no worker has taken yet
  std::size_t stack_bytes_cached = 0;  ///< about, in stacks that nobody uses
  // One slice in 256 is looked at, and the wait after it: to read the clock at each would cost a quarter of a yield.
  duration_histogram latency;                                          ///< from ready to running
  duration_histogram slice;                                            ///< from running to waiting, yielding or its end
  std::vector<std::pair<std::string_view, duration_histogram>> waits;  ///< from waiting to ready: "mutex", "read", ...
};

/// The metrics of all runtimes of this process in Prometheus' text format, version 0.0.4: counters and histograms whose
/// names begin with sennit_, with the labels runtime and worker. Of two runtimes of one name the second gets "#2"
/// behind it. Any thread or fiber. Throws std::bad_alloc.
SENNIT_API void write_metrics(std::ostream& out);

}  // namespace sennit::inline v0
