#pragma once
// c-ares, seen by its source file alone: questions in flight, their sockets in a kernel queue, their time-outs.
#include <functional>
#include <memory>

#include <sennit/detail/time.hpp>
#include <sennit/event_queue.hpp>
#include <sennit/resolver.hpp>

#include "resolver/lookup.hpp"

struct ares_channeldata;

namespace sennit::inline v0::detail {

/// Belongs to a resolver_core, whose lock is held in every call. Never waits.
class ares_channel {
 public:
  using ended = std::function<void(lookup&)>;

  /// Reads the configuration. `on_end` is called once for each lookup that was started, from within any of the
  /// functions below, the destructor included; it must not call back. Throws std::system_error.
  ares_channel(const resolver::options& opts, ended on_end);
  ares_channel(const ares_channel&) = delete;
  ares_channel& operator=(const ares_channel&) = delete;
  ~ares_channel();

  /// Asks. The answer may come at once.
  void start(std::shared_ptr<lookup> wanted);
  /// Takes what has come and sends what is due.
  void process();
  /// Ends everything in flight with operation_canceled.
  void cancel_all() noexcept;

  /// Readable while process() has something to take.
  [[nodiscard]] int native_handle() const noexcept { return sockets_.native_handle(); }
  /// When process() is to be called though nothing has come. What is started later is not due before that.
  [[nodiscard]] nanos due() const noexcept { return due_; }

 private:
  struct question;
  struct callbacks;
  friend struct callbacks;

  void watch(int fd, bool readable, bool writable) noexcept;
  void end(std::unique_ptr<question> q, std::error_code ec) noexcept;

  event_queue sockets_;
  ended on_end_;
  nanos timeout_;
  nanos due_ = 0;
  ares_channeldata* channel_ = nullptr;
  std::vector<int> watched_;
  /// Of the last message that came; 0 if an error came instead. c-ares reports a question that all servers have failed
  /// or refused as if there was none to ask; it does so while it looks at that message, which tells the difference.
  int last_rcode_ = 0;
};

}  // namespace sennit::inline v0::detail
