#pragma once
// The shared state of promise, future, shared_future, packaged_task and async, without its type.
#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <utility>

#include <sennit/detail/exit_node.hpp>
#include <sennit/detail/fiber_owner.hpp>
#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>

namespace sennit::inline v0::detail {

class fiber_block;
class future_core;
class gathering;

/// Throws std::future_error.
[[noreturn]] SENNIT_API void throw_future_error(std::future_errc code);

/// Links one input of a when_all or when_any with the future that it waits for; owned by the gathering. While it is
/// linked it holds a reference to the gathering's result. All but `owner` and `input` belongs to the input's lock.
struct future_hook {
  gathering* owner = nullptr;
  future_core* input = nullptr;
  future_hook* next = nullptr;
  future_hook* prev = nullptr;
  bool linked = false;
};

/// Held by one reference each of the promise and of every future. Any fiber or thread. It goes through three states:
/// fresh; satisfied, when somebody has the right to store the result and is about to; ready, for ever.
// Destroyed by release() alone.
class SENNIT_API future_core : public fiber_owner {  // NOLINT(cppcoreguidelines-virtual-class-destructor)
 public:
  future_core() noexcept;
  future_core(const future_core&) = delete;
  future_core& operator=(const future_core&) = delete;

  void retain() noexcept;
  void release() noexcept;

  // The side of the promise.

  /// The right to store the result; throws promise_already_satisfied if somebody has it.
  void claim();
  /// Gives the right back, when storing the value has thrown.
  void unclaim() noexcept;
  /// CHECK: not null. By who has the right.
  void set_error(std::exception_ptr error) noexcept;
  /// After the result is stored. Its last access to the state comes before anybody who waits can run, and it needs no
  /// reference but the one that is dropped by whoever destroys the promise then.
  void make_ready() noexcept;
  /// The same when the calling fiber or thread has ended.
  void make_ready_at_exit() noexcept;
  /// The promise goes: stores broken_promise if nobody has claimed the right, then drops the promise's reference.
  void abandon() noexcept;
  /// Stores `error`, whoever has the right, if the state is not ready: its fiber will never run again.
  void fail(std::exception_ptr error) noexcept;
  /// Throws future_already_retrieved the second time.
  void retrieve();

  // The side of the future.

  /// True when it is ready, false if the deadline came first. Throws on a stop.
  bool wait(wait_bound until);
  /// Rethrows the stored exception, if that is the result. After a wait that returned true. The one future takes it
  /// with it: so nobody else frees it, and no edge that a sanitizer cannot see is needed for that.
  void take_error() {
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
  }
  void rethrow_error() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

  // For a wait on several things: link a wait_node under the queue's lock if it is not ready, unlink it afterwards.

  [[nodiscard]] wait_queue& queue() noexcept { return waiters_; }
  [[nodiscard]] bool is_ready_locked() const noexcept SENNIT_NO_ANALYSIS { return ready_; }

 protected:
  virtual ~future_core();

 private:
  friend class gathering;

  /// False, and nothing changed, if it is ready.
  [[nodiscard]] bool attach(future_hook& hook) noexcept;
  /// False if it was not linked, or no longer.
  [[nodiscard]] bool detach(future_hook& hook) noexcept;

  /// Of the core: at most one set_..._at_fiber_exit is under way.
  struct exit_link : exit_node {
    future_core* core = nullptr;
  };

  wait_queue waiters_;  // its lock guards the flags and the hooks
  bool satisfied_ SENNIT_GUARDED_BY(waiters_.lock) = false;
  bool ready_ SENNIT_GUARDED_BY(waiters_.lock) = false;
  bool retrieved_ SENNIT_GUARDED_BY(waiters_.lock) = false;
  atomic<std::uint32_t> refs_{1};
  future_hook* hooks_ SENNIT_GUARDED_BY(waiters_.lock) = nullptr;
  std::exception_ptr error_;  // written before it is ready, read after
  exit_link exit_;
};

/// The calling fiber has made its state ready: it drops the state's reference itself.
SENNIT_API void settle_async(future_core& state) noexcept;

/// What waits for several futures in the place of a fiber: part of the state of the future that when_all or when_any
/// returns, and alive as long as that. The inputs are kept by that state's value, which nobody sees before it is ready.
class gathering {
 public:
  /// `index`: where when_any stores which input was ready first; null: all must be ready. Throws bad_alloc.
  SENNIT_API gathering(future_core& result, std::size_t inputs, std::size_t* index);
  gathering(const gathering&) = delete;
  gathering& operator=(const gathering&) = delete;

  /// One call for each input, before start().
  void add(future_core& input) noexcept { hooks_[added_++].input = &input; }
  SENNIT_API void start() noexcept;

 private:
  friend class future_core;

  /// The input of `hook` is ready, and the hook unlinked. Drops the hook's reference.
  static void input_ready(future_hook& hook) noexcept;
  [[nodiscard]] bool counts(const future_hook& hook) noexcept;
  void complete() noexcept;

  future_core& result_;
  std::size_t* const index_;
  const std::size_t inputs_;
  const std::unique_ptr<future_hook[]> hooks_;
  std::size_t added_ = 0;
  std::size_t attached_ = 0;                   // by start(), before it counts itself
  atomic<std::size_t> missing_;                // what must still happen; who takes the last one completes the result
  atomic<const future_hook*> first_{nullptr};  // when_any's winner
};

/// A counted reference to a state.
template <class State>
class future_ptr {
 public:
  future_ptr() noexcept = default;
  /// Takes over one reference.
  explicit future_ptr(State* state) noexcept : state_(state) {}
  future_ptr(const future_ptr& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->retain();
  }
  future_ptr(future_ptr&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  future_ptr& operator=(future_ptr other) noexcept {
    swap(other);
    return *this;
  }
  ~future_ptr() {
    if (state_ != nullptr) state_->release();
  }

  void swap(future_ptr& other) noexcept { std::swap(state_, other.state_); }
  [[nodiscard]] State* get() const noexcept { return state_; }
  [[nodiscard]] State* give_up() noexcept { return std::exchange(state_, nullptr); }
  /// Throws no_state.
  [[nodiscard]] State& checked() const {
    if (state_ == nullptr) throw_future_error(std::future_errc::no_state);
    return *state_;
  }

 private:
  State* state_ = nullptr;
};

}  // namespace sennit::inline v0::detail
