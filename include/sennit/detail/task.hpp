#pragma once
// A move-only std::function<void()> with room for a small closure: what a fiber runs.
#include <cstddef>
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
  static constexpr std::size_t inline_bytes = 64;

  task() noexcept = default;

  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, task>)
  explicit task(F&& f) {
    using fn = std::decay_t<F>;
    if constexpr (sizeof(fn) <= inline_bytes && alignof(fn) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<fn>) {
      ::new (static_cast<void*>(storage_)) fn(std::forward<F>(f));
      ops_ = &inline_ops<fn>;
    } else {
      ::new (static_cast<void*>(storage_)) fn*(new fn(std::forward<F>(f)));
      ops_ = &heap_ops<fn>;
    }
  }

  task(task&& other) noexcept : ops_(std::exchange(other.ops_, nullptr)) {
    if (ops_ != nullptr) ops_->relocate(other.storage_, storage_);
  }
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      reset();
      ops_ = std::exchange(other.ops_, nullptr);
      if (ops_ != nullptr) ops_->relocate(other.storage_, storage_);
    }
    return *this;
  }
  ~task() { reset(); }

  void operator()() { ops_->run(storage_); }
  void reset() noexcept {
    if (ops_ != nullptr) std::exchange(ops_, nullptr)->destroy(storage_);
  }
  explicit operator bool() const noexcept { return ops_ != nullptr; }

 private:
  struct operations {
    void (*run)(void*);
    void (*relocate)(void* from, void* to) noexcept;
    void (*destroy)(void*) noexcept;
  };

  template <class F>
  static constexpr operations inline_ops{[](void* at) { std::invoke(*static_cast<F*>(at)); },
                                         [](void* from, void* to) noexcept {
                                           ::new (to) F(std::move(*static_cast<F*>(from)));
                                           static_cast<F*>(from)->~F();
                                         },
                                         [](void* at) noexcept { static_cast<F*>(at)->~F(); }};
  template <class F>
  static constexpr operations heap_ops{[](void* at) { std::invoke(**static_cast<F**>(at)); },
                                       [](void* from, void* to) noexcept { ::new (to) F*(*static_cast<F**>(from)); },
                                       [](void* at) noexcept { delete *static_cast<F**>(at); }};

  alignas(std::max_align_t) std::byte storage_[inline_bytes];
  const operations* ops_ = nullptr;
};

}  // namespace sennit::inline v0::detail
