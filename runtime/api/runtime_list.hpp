#pragma once
#include <algorithm>
#include <mutex>
#include <vector>

#include "api/debug_layout.hpp"

namespace sennit::inline v0::detail {

class scheduler;

/// The runtimes of this process, for dumps. Any thread. Never destroyed: a static object's runtime may outlive others.
class runtime_list {
 public:
  static runtime_list& of_process() {
    static runtime_list& all = *[] {
      auto* const made = new runtime_list;
      sennit_debug_layout.runtimes = reinterpret_cast<std::uintptr_t>(&made->all_);
      return made;
    }();
    return all;
  }
  void add(scheduler& s) {
    const std::lock_guard lock(mutex_);
    all_.push_back(&s);
  }
  /// Waits for whoever visits them.
  void remove(scheduler& s) noexcept {
    const std::lock_guard lock(mutex_);
    std::erase(all_, &s);
  }
  /// `f` must not wait as a fiber does.
  template <class F>
  void visit(F&& f) {
    const std::lock_guard lock(mutex_);
    for (scheduler* s : all_) f(*s);
  }

 private:
  std::mutex mutex_;
  std::vector<scheduler*> all_;
};

}  // namespace sennit::inline v0::detail
