#pragma once
// A move-only std::function<void()> with room for a small closure: what a fiber runs.
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace sennit::inline v0::detail {

/// Owned by the control block of its fiber. Closures of up to inline_bytes are stored in place, larger ones on the
/// heap.
class task {
 public:
  static constexpr std::size_t inline_bytes = 56;

  task() noexcept = default;

  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, task>)
  explicit task(F&& f) {
    using fn = std::decay_t<F>;
    if constexpr (sizeof(fn) <= inline_bytes && alignof(fn) <= alignof(void*) &&
                  std::is_nothrow_move_constructible_v<fn>) {
      ::new (static_cast<void*>(storage_)) fn(std::forward<F>(f));
      ops_ = &inline_ops<fn>;
    } else {
      ::new (static_cast<void*>(storage_)) fn*(new fn(std::forward<F>(f)));
      ops_ = &heap_ops<fn>;
    }
  }

  task(task&& other) noexcept { take(other); }
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  ~task() { reset(); }

  void operator()() { ops_->run(storage_); }
  void reset() noexcept {
    const operations* const ops = std::exchange(ops_, nullptr);
    if (ops != nullptr && ops->destroy != nullptr) ops->destroy(storage_);
  }
  explicit operator bool() const noexcept { return ops_ != nullptr; }

 private:
  struct operations {
    void (*run)(void*);
    void (*relocate)(void* from, void* to) noexcept;  // null: a copy of the bytes does it
    void (*destroy)(void*) noexcept;                  // null: nothing to do
  };

  template <class F>
  static void run(void* at) {
    std::invoke(*static_cast<F*>(at));
  }
  template <class F>
  static void relocate(void* from, void* to) noexcept {
    ::new (to) F(std::move(*static_cast<F*>(from)));
    static_cast<F*>(from)->~F();
  }
  template <class F>
  static void destroy(void* at) noexcept {
    static_cast<F*>(at)->~F();
  }
  template <class F>
  static constexpr operations inline_ops{&run<F>, std::is_trivially_copyable_v<F> ? nullptr : &relocate<F>,
                                         std::is_trivially_destructible_v<F> ? nullptr : &destroy<F>};
  template <class F>
  static constexpr operations heap_ops{[](void* at) { std::invoke(**static_cast<F**>(at)); }, nullptr,
                                       [](void* at) noexcept { delete *static_cast<F**>(at); }};

  void take(task& other) noexcept {
    ops_ = std::exchange(other.ops_, nullptr);
    if (ops_ == nullptr) return;
    if (ops_->relocate != nullptr) {
      ops_->relocate(other.storage_, storage_);
    } else {
      std::memcpy(storage_, other.storage_, inline_bytes);
    }
  }

  const operations* ops_ = nullptr;
  alignas(void*) std::byte storage_[inline_bytes];
};

}  // namespace sennit::inline v0::detail
