#pragma once
// What select() knows of its cases, and the cases without their types and handlers.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

struct pollfd;

namespace sennit::inline v0 {
class event;

namespace detail {

class channel_core;
class fiber_block;
class future_core;
class semaphore_core;
class io_slot;
class timer_core;

/// One way for a select() to end. Lives on the stack of who selects, which alone calls it: try_fire() until one case
/// has fired, else prepare() on all; then, with all locks held, try_fire() again, and enlist(); parks; delist() and
/// finish() on all; and from the start if that was in vain.
class SENNIT_API select_case {
 public:
  select_case() = default;
  select_case(const select_case&) = default;
  select_case& operator=(const select_case&) = delete;
  virtual ~select_case() = default;

  /// Calls the handler of a case that has fired.
  virtual void run() = 0;

  /// The lock that guards what is waited for; null: none.
  [[nodiscard]] virtual spin_lock* lock() const noexcept { return nullptr; }
  /// Under the lock. True if there was nothing to wait for: the case has fired. `wake` must then be readied.
  [[nodiscard]] virtual bool try_fire(waiter*& wake) = 0;
  /// What a wait needs and what may fail; without locks.
  virtual void prepare() {}
  /// Under the lock: from now on this can be claimed as case `which`. False if it could fire after all.
  [[nodiscard]] virtual bool enlist(waiter&, std::uint16_t /*which*/) noexcept { return true; }
  /// The counterpart, under the lock.
  virtual void delist() noexcept {}
  /// The counterpart of prepare(), without locks.
  virtual void finish() noexcept {}
  /// Claimed: true if that was what it waits for, false if all must be looked at again.
  [[nodiscard]] virtual bool claimed() noexcept { return true; }
  /// When the case fires by the clock. Under all locks, just before enlist().
  [[nodiscard]] virtual nanos deadline() const noexcept { return never; }
  /// Fires when no other one can.
  [[nodiscard]] virtual bool is_otherwise() const noexcept { return false; }
  /// What a plain thread polls for this case; fd -1: nothing.
  [[nodiscard]] virtual pollfd polled() const noexcept;
};

/// Waits until one of `cases` has fired; its index. The choice among those that can is uniformly random. Throws
/// operation_canceled on ambient stop and what prepare() throws; then none has fired. CHECK: there is a case.
[[nodiscard]] SENNIT_API std::size_t select_among(std::span<select_case* const> cases);

/// A case that waits in a wait_queue, by a node inside itself. A copy, made before it is used, waits for itself.
class SENNIT_API queued_case : public select_case {
 public:
  queued_case() noexcept = default;
  queued_case(const queued_case& other) noexcept : select_case(other) {}
  void delist() noexcept override;

 protected:
  /// Under the lock of `q`: a plain node.
  void link(wait_queue& q, waiter& self, std::uint16_t which) noexcept;
  /// Under the lock of `q`: the node that was made in node_room().
  void link_made(wait_queue& q) noexcept;
  [[nodiscard]] wait_node* node() noexcept;
  static constexpr std::size_t node_bytes = 48;
  [[nodiscard]] std::byte (&node_room() noexcept)[node_bytes] { return room_; }

 private:
  wait_queue* queue_ = nullptr;
  alignas(void*) std::byte room_[node_bytes];
};

class SENNIT_API channel_case : public queued_case {
 public:
  channel_case(channel_core& ch, bool sends) noexcept : channel_(&ch), sends_(sends) {}

  [[nodiscard]] spin_lock* lock() const noexcept override;
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  [[nodiscard]] bool enlist(waiter& self, std::uint16_t which) noexcept override;
  [[nodiscard]] bool claimed() noexcept override;

 protected:
  /// Where the message is, or has room.
  [[nodiscard]] virtual void* slot() noexcept = 0;
  /// Fired because the channel is closed (and drained, for who receives).
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  channel_core* channel_;
  bool sends_;
  bool closed_ = false;
};

class SENNIT_API event_case : public queued_case {
 public:
  explicit event_case(event& e) noexcept : event_(&e) {}
  [[nodiscard]] spin_lock* lock() const noexcept override;
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  [[nodiscard]] bool enlist(waiter& self, std::uint16_t which) noexcept override;

 private:
  event* event_;
};

class SENNIT_API acquire_case : public queued_case {
 public:
  explicit acquire_case(semaphore_core& s) noexcept : semaphore_(&s) {}
  [[nodiscard]] spin_lock* lock() const noexcept override;
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  [[nodiscard]] bool enlist(waiter& self, std::uint16_t which) noexcept override;

 private:
  semaphore_core* semaphore_;
};

class SENNIT_API join_case : public queued_case {
 public:
  /// CHECK: not the selecting fiber itself. Throws invalid_argument if not joinable.
  explicit join_case(fiber_block* f);
  [[nodiscard]] spin_lock* lock() const noexcept override;
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  [[nodiscard]] bool enlist(waiter& self, std::uint16_t which) noexcept override;

 private:
  fiber_block* fiber_;
};

class SENNIT_API ready_case : public queued_case {
 public:
  explicit ready_case(future_core& core) noexcept : core_(&core) {}
  [[nodiscard]] spin_lock* lock() const noexcept override;
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  [[nodiscard]] bool enlist(waiter& self, std::uint16_t which) noexcept override;

 private:
  future_core* core_;
};

class SENNIT_API stop_case : public select_case {
 public:
  explicit stop_case(stop_token token) noexcept : token_(std::move(token)) {}
  stop_case(const stop_case& other) noexcept : select_case(other), token_(other.token_) {}
  ~stop_case() override;
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  [[nodiscard]] bool enlist(waiter& self, std::uint16_t which) noexcept override;
  void delist() noexcept override;

 private:
  static constexpr std::size_t waker_bytes = 80;
  stop_token token_;
  bool registered_ = false;
  alignas(std::max_align_t) std::byte waker_[waker_bytes];
};

class SENNIT_API time_case : public select_case {
 public:
  explicit time_case(nanos t) noexcept : deadline_(t) {}
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  [[nodiscard]] nanos deadline() const noexcept override { return deadline_; }

 private:
  nanos deadline_;
};

/// The tick of a timer or ticker, which may move while this waits.
class SENNIT_API timer_case : public queued_case {
 public:
  explicit timer_case(timer_core& t) noexcept : timer_(&t) {}
  [[nodiscard]] spin_lock* lock() const noexcept override;
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  [[nodiscard]] bool enlist(waiter& self, std::uint16_t which) noexcept override;
  /// By the timer's time or by its reset: either way somebody else may have been faster.
  [[nodiscard]] bool claimed() noexcept override { return false; }
  /// Under the lock.
  [[nodiscard]] nanos deadline() const noexcept override;

 protected:
  /// When the tick that fired was due.
  [[nodiscard]] nanos due() const noexcept { return due_; }

 private:
  timer_core* timer_;
  nanos due_ = never;
};

class SENNIT_API otherwise_case : public select_case {
 public:
  [[nodiscard]] bool try_fire(waiter*&) override { return false; }
  [[nodiscard]] bool is_otherwise() const noexcept override { return true; }
};

/// A descriptor of ours, by its slot, or a foreign one, registered for one wait.
class SENNIT_API descriptor_case : public queued_case {
 public:
  descriptor_case(int fd, io_slot* own, bool writes) noexcept : fd_(fd), own_(own), writes_(writes) {}
  [[nodiscard]] spin_lock* lock() const noexcept override;
  [[nodiscard]] bool try_fire(waiter*& wake) override;
  void prepare() override;
  [[nodiscard]] bool enlist(waiter& self, std::uint16_t which) noexcept override;
  void delist() noexcept override;
  void finish() noexcept override;
  /// The event is a hint: somebody else may have read what it was about.
  [[nodiscard]] bool claimed() noexcept override { return false; }
  [[nodiscard]] pollfd polled() const noexcept override;

 private:
  int fd_;
  io_slot* own_;
  bool writes_;
  io_slot* slot_ = nullptr;  // from prepare() to finish()
  int twin_ = -1;            // see open_foreign()
  bool enlisted_ = false;
};

}  // namespace detail
}  // namespace sennit::inline v0
