#pragma once
// What the context tests share: a stack, and a context that runs a body on it and knows who resumed it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <new>
#include <stdexcept>
#include <utility>

#include "base/sanitizer.hpp"
#include "context/context.hpp"

namespace sennit::detail::test {

/// Page-aligned memory with an inaccessible page below it.
class test_stack {
 public:
  explicit test_stack(std::size_t bytes = 256 * 1024)
      : bytes_(bytes), page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
    void* const mapped =
        ::mmap(nullptr, bytes_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    mapping_ = static_cast<std::byte*>(mapped);
    if (::mprotect(mapping_, page_, PROT_NONE) != 0) throw std::bad_alloc();
    // So that `valgrind test_context` reports no errors: it must know the stacks to recognise a switch.
    valgrind_id_ = VALGRIND_STACK_REGISTER(limit(), top() - 1);
  }
  test_stack(const test_stack&) = delete;
  test_stack& operator=(const test_stack&) = delete;
  ~test_stack() {
    VALGRIND_STACK_DEREGISTER(valgrind_id_);
    ::munmap(mapping_, bytes_ + page_);
  }

  [[nodiscard]] std::byte* limit() const { return mapping_ + page_; }
  [[nodiscard]] std::byte* top() const { return limit() + bytes_; }

 private:
  std::size_t bytes_;
  std::size_t page_;
  std::byte* mapping_;
  unsigned int valgrind_id_;
};

inline char hop_order;

/// The first line of an entry that hop() reaches: what was done before the hop has been done.
inline void hop_arrived() { tsan_acquire(&hop_order); }

/// A switch that orders both sides, as resuming and suspending by hand do. Every context of a test uses this one.
inline void* hop(context& from, context& to, void* transfer) {
  tsan_release(&hop_order);
  void* const result = switch_context(from, to, transfer, *thread_exception_state());
  hop_arrived();
  return result;
}

/// Runs `body` on its own stack, as often as it is restarted. Resumed by one thread at a time.
class coroutine {
 public:
  using body_type = std::function<void(coroutine&)>;

  explicit coroutine(body_type body, std::size_t stack_bytes = 256 * 1024) : stack_(stack_bytes) {
    restart(std::move(body));
  }
  coroutine(const coroutine&) = delete;
  coroutine& operator=(const coroutine&) = delete;
  ~coroutine() {
    if (!done_) std::terminate();  // a test that forgets to finish a context is wrong
    destroy_context(self_);
  }

  void restart(body_type body, fp_env fp = current_fp_env()) {
    body_ = std::move(body);
    done_ = false;
    make_context(self_, stack_.limit(), stack_.top(), entry, fp);
    started_ = false;
  }

  /// From outside: runs the body until it suspends or ends; `value` is the result of its suspend().
  void* resume(void* value = nullptr) {
    value_ = value;
    return hop(caller_, self_, std::exchange(started_, true) ? value : this);
  }
  /// From inside: `value` is the result of resume().
  void* suspend(void* value = nullptr) { return hop(self_, caller_, value); }

  [[nodiscard]] bool done() const { return done_; }
  /// What the first resume() was given.
  [[nodiscard]] void* first_value() const { return value_; }
  [[nodiscard]] const test_stack& stack() const { return stack_; }
  /// From outside, between suspend() and resume().
  [[nodiscard]] const context& suspended() const { return self_; }

 private:
  static last_switch entry(void* transfer) {
    hop_arrived();
    auto& self = *static_cast<coroutine*>(transfer);
    self.body_(self);
    self.done_ = true;
    tsan_release(&hop_order);
    return {self.self_, self.caller_, nullptr, *thread_exception_state()};
  }

  test_stack stack_;
  context self_;
  context caller_;
  body_type body_;
  void* value_ = nullptr;
  bool started_ = false;
  bool done_ = false;
};

/// Values that the optimiser cannot see through.
template <class T>
T opaque(T value) {
  asm volatile("" : "+m"(value));
  return value;
}

}  // namespace sennit::detail::test
