#pragma once
// std::jthread where the library has it, which libc++ does not before 18.
#include <thread>
#include <type_traits>
#include <utility>

namespace example {

#if defined(__cpp_lib_jthread)
using jthread = std::jthread;
#else
/// A thread that is joined when its object goes; it knows no stop.
class jthread {
 public:
  jthread() noexcept = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, jthread>)
  explicit jthread(F&& f) : thread_(std::forward<F>(f)) {}
  jthread(jthread&& other) noexcept = default;
  jthread& operator=(jthread&& other) noexcept {
    if (thread_.joinable()) thread_.join();
    thread_ = std::move(other.thread_);
    return *this;
  }
  ~jthread() {
    if (thread_.joinable()) thread_.join();
  }
  void join() { thread_.join(); }

 private:
  std::thread thread_;
};
#endif

}  // namespace example
