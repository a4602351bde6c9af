#pragma once
#include <memory>
#include <mutex>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/mutex.hpp>
#include <sennit/semaphore.hpp>

#include "resolver/ares_channel.hpp"
#include "resolver/lookup.hpp"
#include "resolver/text_table.hpp"

namespace sennit::inline v0::detail {

/// Shared by a resolver and by the calls on it, which may be inside when the handle is destroyed. Any fiber or thread.
///
/// Nobody but those who wait works here: one of them, the driver, waits for c-ares's sockets and takes their answers,
/// the others wait for their results. A driver that leaves hands its part to another one. Who has given up leaves a
/// question behind, whose answer nobody fetches; when nobody waits any more, what is left is cancelled.
class resolver_core {
 public:
  explicit resolver_core(const resolver::options& opts);

  /// Asks for `wanted` and waits for the answer, which is then in it; or throws what ended the wait.
  void ask(const std::shared_ptr<lookup>& wanted, wait_bound until);
  /// Ends all lookups, and those to come, with operation_canceled.
  void close() noexcept;

  hosts_file hosts;
  services_file services;

 private:
  using guard = std::unique_lock<mutex>;

  // Each lookup is two questions, told apart by 16 bits: more of them than this and c-ares finds no free number.
  static constexpr std::ptrdiff_t most_in_flight = 16'384;

  void ended(lookup& l) noexcept;
  void wait_for(guard& lock, lookup& mine, wait_bound until);
  void drive(guard& lock, lookup& mine, wait_bound until);
  void leave(lookup& mine) noexcept;
  void link(lookup& l) noexcept;
  void unlink(lookup& l) noexcept;

  counting_semaphore<most_in_flight> room_{most_in_flight};
  mutex mutex_;  // guards what follows
  bool closed_ = false;
  std::size_t asking_ = 0;  // how many wait for an answer
  lookup* driver_ = nullptr;
  lookup* first_ = nullptr;  // who waits beside the driver, in the order in which they came
  lookup* last_ = nullptr;
  ares_channel channel_;
};

}  // namespace sennit::inline v0::detail
