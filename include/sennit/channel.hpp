#pragma once
// Go's channels: rendezvous, bounded or unbounded; many senders, many receivers.
#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/detail/wait_queue.hpp>
#include <sennit/error.hpp>

namespace sennit::inline v0 {

/// Tag for channel<T>(unbounded): a send never waits, memory is the limit.
struct unbounded_t {
  explicit unbounded_t() = default;
};
inline constexpr unbounded_t unbounded{};

namespace detail {

/// How a channel moves and destroys its elements: both run under the channel's lock, so neither may throw.
struct element_ops {
  std::size_t size;
  std::size_t align;
  void (*relocate)(void* from, void* to) noexcept;  // move-construct at `to`, destroy `from`
  void (*destroy)(void* at) noexcept;
};

template <class T>
inline constexpr element_ops element_ops_of{sizeof(T), alignof(T),
                                            [](void* from, void* to) noexcept {
                                              ::new (to) T(std::move(*static_cast<T*>(from)));
                                              static_cast<T*>(from)->~T();
                                            },
                                            [](void* at) noexcept { static_cast<T*>(at)->~T(); }};

struct park_plan;
struct select_access;

enum class channel_result { done, closed, would_wait, timed_out };

/// The channel without its type (runtime/sync/channel_core.cpp). A message goes straight from the sender's slot to a
/// waiting receiver's slot, or through the ring; there is no allocation per message.
class channel_core {
 public:
  SENNIT_API channel_core(const element_ops& ops, std::size_t capacity, bool unbounded);
  SENNIT_API ~channel_core();
  channel_core(const channel_core&) = delete;
  channel_core& operator=(const channel_core&) = delete;

  /// Moves out of `slot` only if the result is done. Throws operation_canceled on a stop, if it would wait.
  SENNIT_API channel_result send(void* slot, wait_bound until);
  /// Constructs at `slot` only if the result is done. Throws as send().
  SENNIT_API channel_result receive(void* slot, wait_bound until);
  SENNIT_API channel_result try_send(void* slot);
  SENNIT_API channel_result try_receive(void* slot) noexcept;
  SENNIT_API void close();
  [[nodiscard]] SENNIT_API bool closed() const noexcept;
  [[nodiscard]] SENNIT_API std::size_t size() const noexcept;
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  friend class channel_case;

  channel_result send_locked(void* slot, waiter*& wake) SENNIT_REQUIRES(senders_.lock);
  channel_result receive_locked(void* slot, waiter*& wake) noexcept SENNIT_REQUIRES(senders_.lock);
  channel_result wait(wait_queue& q, const park_plan& plan, void* slot) SENNIT_RELEASE(senders_.lock);
  [[nodiscard]] void* cell(std::size_t index) const noexcept SENNIT_REQUIRES(senders_.lock);
  void grow() SENNIT_REQUIRES(senders_.lock);  // releases the lock meanwhile; throws without it
  /// Tells the analysis that senders_.lock guards receivers_ too.
  void assume_receivers_locked() const noexcept SENNIT_REQUIRES(senders_.lock)
      SENNIT_THREAD_ANNOTATION(assert_capability(receivers_.lock)) {}

  const element_ops& ops_;
  const std::size_t capacity_;
  const bool unbounded_;
  mutable wait_queue senders_;    // its lock guards the whole channel
  mutable wait_queue receivers_;  // its own lock is never taken
  std::byte* ring_ SENNIT_GUARDED_BY(senders_.lock) = nullptr;
  std::size_t cells_ SENNIT_GUARDED_BY(senders_.lock) = 0;
  std::size_t head_ SENNIT_GUARDED_BY(senders_.lock) = 0;
  std::size_t count_ SENNIT_GUARDED_BY(senders_.lock) = 0;
  bool closed_ SENNIT_GUARDED_BY(senders_.lock) = false;
};

}  // namespace detail

/// A typed queue between fibers, plain threads and fibers of other runtimes. T is moved without throwing. Neither
/// copyable nor movable: share it by reference or shared_ptr.
template <class T>
class channel {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "a channel moves its elements under a lock: T must be nothrow movable (wrap it in std::unique_ptr)");

 public:
  using value_type = T;

  /// capacity 0: rendezvous, a send waits until its message is received.
  explicit channel(std::size_t capacity = 0) : core_(detail::element_ops_of<T>, capacity, false) {}
  explicit channel(unbounded_t) : core_(detail::element_ops_of<T>, 0, true) {}

  /// Waits for room (or a receiver); an unbounded channel may throw std::bad_alloc. Ambient cancellation point: throws
  /// std::system_error: operation_canceled on that stop or on the token's; broken_pipe on a closed channel, also if it
  /// is closed while waiting.
  void send(T value, const stop_token& stop = {}) { send_before(std::move(value), {.stop = &stop}); }
  /// False if the deadline came first; the message is then destroyed.
  template <class Clock, class Duration>
  bool send_until(T value, const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return send_before(std::move(value), {detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  bool send_for(T value, const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return send_before(std::move(value), {detail::deadline_in(d), &stop});
  }
  /// False if it would wait; `value` is moved from only on true. Closed: throws broken_pipe.
  bool try_send(T& value) {
    slot s(std::move(value), &value);
    return require_open(s.settle(core_.try_send(s.get()))) == detail::channel_result::done;
  }
  bool try_send(T&& value) { return try_send(value); }

  /// The next message; nullopt once the channel is closed and drained. Ambient cancellation point; throws
  /// std::system_error(operation_canceled) on that stop or on the token's.
  std::optional<T> receive(const stop_token& stop = {}) { return receive_before({.stop = &stop}); }
  /// nullopt also if the deadline came first: closed() tells.
  template <class Clock, class Duration>
  std::optional<T> receive_until(const std::chrono::time_point<Clock, Duration>& t, const stop_token& stop = {}) {
    return receive_before({detail::deadline_at(t), &stop});
  }
  template <class Rep, class Period>
  std::optional<T> receive_for(const std::chrono::duration<Rep, Period>& d, const stop_token& stop = {}) {
    return receive_before({detail::deadline_in(d), &stop});
  }
  std::optional<T> try_receive() {
    return take([&](void* at) { return core_.try_receive(at); });
  }

  /// No more sends; waiting senders fail with broken_pipe, receivers drain what is there and then see nullopt. A second
  /// close throws std::system_error(broken_pipe).
  void close() { core_.close(); }
  [[nodiscard]] bool closed() const noexcept { return core_.closed(); }
  /// Messages in the buffer now: a hint.
  [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }

  /// for (T& message : ch): receives until closed and drained.
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    explicit iterator(channel* from) : from_(from), value_(from->receive()) {}
    T& operator*() const { return *value_; }
    iterator& operator++() {
      value_ = from_->receive();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) { return !it.value_.has_value(); }

   private:
    channel* from_ = nullptr;
    mutable std::optional<T> value_;
  };
  [[nodiscard]] iterator begin() { return iterator(this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend struct detail::select_access;

  /// Raw room for one T, which the core moves out of. What it did not take is destroyed, or goes back to `refund`.
  class slot {
   public:
    explicit slot(T&& value, T* refund = nullptr) noexcept : refund_(refund) { ::new (get()) T(std::move(value)); }
    ~slot() {
      if (!full_) return;
      T* const message = std::launder(reinterpret_cast<T*>(raw_));
      if (refund_ != nullptr) {
        refund_->~T();
        ::new (static_cast<void*>(refund_)) T(std::move(*message));
      }
      message->~T();
    }
    slot(const slot&) = delete;
    slot& operator=(const slot&) = delete;
    void* get() noexcept { return raw_; }
    detail::channel_result settle(detail::channel_result r) noexcept {
      full_ = r != detail::channel_result::done;
      return r;
    }

   private:
    alignas(T) std::byte raw_[sizeof(T)];
    T* const refund_;
    bool full_ = true;
  };

  bool send_before(T&& value, detail::wait_bound until) {
    slot s(std::move(value));
    return require_open(s.settle(core_.send(s.get(), until))) == detail::channel_result::done;
  }
  std::optional<T> receive_before(detail::wait_bound until) {
    return take([&](void* at) { return core_.receive(at, until); });
  }
  template <class Operation>
  std::optional<T> take(Operation&& operation) {
    alignas(T) std::byte raw[sizeof(T)];
    if (operation(static_cast<void*>(raw)) != detail::channel_result::done) return std::nullopt;
    T* value = std::launder(reinterpret_cast<T*>(raw));
    std::optional<T> out(std::move(*value));
    value->~T();
    return out;
  }
  static detail::channel_result require_open(detail::channel_result r) {
    if (r == detail::channel_result::closed) {
      detail::throw_if(std::make_error_code(std::errc::broken_pipe), "send on a closed channel");
    }
    return r;
  }

  detail::channel_core core_;
};

}  // namespace sennit::inline v0
