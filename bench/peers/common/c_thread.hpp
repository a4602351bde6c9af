#pragma once
// A handle for libraries of C whose threads take a function and a pointer.
#include <utility>

#include "common/program.hpp"

namespace bench {

/// Library has: thread, an address; thread create(void* (*)(void*), void*), null if there is no memory; join(thread).
template <class Library>
class c_thread {
 public:
  c_thread() = default;
  template <class F>
  explicit c_thread(const F& f)
      : thread_(Library::create(
            [](void* p) -> void* {
              auto* const work = static_cast<F*>(p);
              (*work)();
              delete work;
              return nullptr;
            },
            new F(f))) {
    if (thread_ == nullptr) throw cannot("no more threads");
  }
  c_thread(c_thread&& other) noexcept : thread_(std::exchange(other.thread_, nullptr)) {}
  c_thread& operator=(c_thread&& other) noexcept {
    std::swap(thread_, other.thread_);
    return *this;
  }
  void join() { Library::join(std::exchange(thread_, nullptr)); }

 private:
  typename Library::thread thread_ = nullptr;
};

}  // namespace bench
