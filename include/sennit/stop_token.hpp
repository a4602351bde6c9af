#pragma once
// sennit::stop_token, stop_source, stop_callback: std's where the library has them (libstdc++), else an implementation
// with the same semantics (libc++ before 20).
#include <version>

#if defined(__cpp_lib_jthread)
#include <stop_token>

namespace sennit::inline v0 {
using std::nostopstate;
using std::nostopstate_t;
using std::stop_callback;
using std::stop_source;
using std::stop_token;
}  // namespace sennit::inline v0

#else
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

namespace sennit::inline v0 {

struct nostopstate_t {
  explicit nostopstate_t() = default;
};
inline constexpr nostopstate_t nostopstate{};

namespace detail {

/// A registered callback: lives in its stop_callback.
struct stop_node {
  void (*run)(stop_node&) noexcept = nullptr;
  stop_node* next = nullptr;
  stop_node* prev = nullptr;
  bool linked = false;
};

/// Shared by sources, tokens and callbacks; any thread. Callbacks run under no lock, on the thread that requests the
/// stop; a callback that is destroyed meanwhile on another thread waits for its end, on the same thread it does not.
class stop_state {
 public:
  std::atomic<std::size_t> sources{1};

  bool stopped() {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }
  bool request() {
    std::unique_lock lock(mutex_);
    if (stopped_) return false;
    stopped_ = true;
    requester_ = std::this_thread::get_id();
    while (stop_node* n = first_) {
      unlink(*n);
      running_ = n;
      lock.unlock();
      n->run(*n);
      lock.lock();
      running_ = nullptr;
      ended_.notify_all();
    }
    return true;
  }
  /// False if the stop was already requested: the caller then runs the callback.
  bool add(stop_node& n) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return false;
    n.next = first_;
    n.prev = nullptr;
    if (first_ != nullptr) first_->prev = &n;
    first_ = &n;
    n.linked = true;
    return true;
  }
  void remove(stop_node& n) {
    std::unique_lock lock(mutex_);
    if (n.linked) {
      unlink(n);
    } else if (requester_ != std::this_thread::get_id()) {
      ended_.wait(lock, [&] { return running_ != &n; });
    }
  }

 private:
  void unlink(stop_node& n) {
    (n.prev != nullptr ? n.prev->next : first_) = n.next;
    if (n.next != nullptr) n.next->prev = n.prev;
    n.linked = false;
  }

  std::mutex mutex_;
  std::condition_variable ended_;
  stop_node* first_ = nullptr;
  stop_node* running_ = nullptr;
  std::thread::id requester_;
  bool stopped_ = false;
};

}  // namespace detail

/// As std::stop_token.
class stop_token {
 public:
  stop_token() noexcept = default;
  [[nodiscard]] bool stop_requested() const noexcept { return state_ != nullptr && state_->stopped(); }
  [[nodiscard]] bool stop_possible() const noexcept {
    return state_ != nullptr && (state_->sources.load(std::memory_order_acquire) > 0 ||  // mm:stop-sources
                                 state_->stopped());
  }
  void swap(stop_token& other) noexcept { state_.swap(other.state_); }
  friend bool operator==(const stop_token&, const stop_token&) noexcept = default;

 private:
  friend class stop_source;
  template <class>
  friend class stop_callback;
  explicit stop_token(std::shared_ptr<detail::stop_state> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::stop_state> state_;
};

/// As std::stop_source.
class stop_source {
 public:
  stop_source() : state_(std::make_shared<detail::stop_state>()) {}
  explicit stop_source(nostopstate_t) noexcept {}
  stop_source(const stop_source& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->sources.fetch_add(1, std::memory_order_relaxed);  // mm:stop-sources
  }
  stop_source(stop_source&& other) noexcept = default;
  stop_source& operator=(stop_source other) noexcept {
    swap(other);
    return *this;
  }
  ~stop_source() {
    if (state_ != nullptr) state_->sources.fetch_sub(1, std::memory_order_release);  // mm:stop-sources
  }
  void swap(stop_source& other) noexcept { state_.swap(other.state_); }
  [[nodiscard]] stop_token get_token() const noexcept { return stop_token(state_); }
  [[nodiscard]] bool stop_possible() const noexcept { return state_ != nullptr; }
  [[nodiscard]] bool stop_requested() const noexcept { return state_ != nullptr && state_->stopped(); }
  bool request_stop() noexcept { return state_ != nullptr && state_->request(); }
  friend bool operator==(const stop_source& a, const stop_source& b) noexcept { return a.state_ == b.state_; }

 private:
  std::shared_ptr<detail::stop_state> state_;
};

/// As std::stop_callback.
template <class Callback>
class stop_callback : private detail::stop_node {
 public:
  using callback_type = Callback;
  template <class C>
    requires std::is_constructible_v<Callback, C>
  explicit stop_callback(stop_token token, C&& callback)
      : callback_(std::forward<C>(callback)), state_(std::move(token.state_)) {
    run = [](detail::stop_node& n) noexcept { std::forward<Callback>(static_cast<stop_callback&>(n).callback_)(); };
    if (state_ != nullptr && !state_->add(*this)) {
      state_ = nullptr;
      run(*this);
    }
  }
  stop_callback(const stop_callback&) = delete;
  stop_callback& operator=(const stop_callback&) = delete;
  ~stop_callback() {
    if (state_ != nullptr) state_->remove(*this);
  }

 private:
  Callback callback_;
  std::shared_ptr<detail::stop_state> state_;
};
template <class Callback>
stop_callback(stop_token, Callback) -> stop_callback<Callback>;

}  // namespace sennit::inline v0
#endif
