// Only with SENNIT_DEBUG_CHECKS: notes which pthread mutexes (std::mutex and its kin) a thread holds, so that a fiber
// that waits with one is noticed: another fiber of that thread that locks it waits for ever, and takes the worker with
// it. These functions come first in the program and hand on to those of libc. Code in shared libraries that do not link
// sennit calls those directly, and is not seen.
#include "sched/held_locks.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include <sennit/detail/spin_lock.hpp>

#include "base/address_text.hpp"
#include "base/log.hpp"
#include "fiber/fiber_block.hpp"
#include "sched/frame_names.hpp"

namespace sennit::inline v0::detail {
namespace {

struct held_lock {
  const pthread_mutex_t* mutex;
  const void* locked_from;
};

/// Of one thread. What does not fit is not noticed.
class held_locks {
 public:
  void add(const held_lock& one) noexcept {
    if (count_ < all_.size()) all_[count_++] = one;
  }
  void remove(const pthread_mutex_t* mutex) noexcept {
    for (std::size_t i = count_; i-- > 0;) {
      if (all_[i].mutex != mutex) continue;
      std::copy(all_.begin() + static_cast<std::ptrdiff_t>(i) + 1, all_.begin() + static_cast<std::ptrdiff_t>(count_),
                all_.begin() + static_cast<std::ptrdiff_t>(i));
      --count_;
      return;
    }
  }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] held_lock take() noexcept { return all_[--count_]; }

 private:
  std::array<held_lock, 16> all_{};
  std::size_t count_ = 0;
};

/// Not inline: the address of a thread_local is not to be kept over a switch.
[[gnu::noinline]] held_locks& of_this_thread() noexcept {
  static thread_local held_locks mine;
  held_locks* here = &mine;
  asm volatile("" : "+r"(here)::"memory");
  return *here;
}

/// True the first time, of the last many.
bool is_news(const void* place) noexcept {
  static constinit spin_lock lock;
  static constinit std::array<const void*, 64> told{};
  static constinit std::size_t next = 0;
  const spin_guard guard(lock);
  if (std::ranges::find(told, place) != told.end()) return false;
  told[next++ % told.size()] = place;
  return true;
}

template <class F>
F* next(const char* name) noexcept {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

int note(int result, const pthread_mutex_t* m, const void* from) noexcept {
  if (result == 0 || result == EOWNERDEAD) of_this_thread().add({m, from});
  return result;
}

}  // namespace

void report_held_locks(const fiber_block& me) noexcept {
  while (!of_this_thread().empty()) {
    const held_lock one = of_this_thread().take();
    if (!is_news(one.locked_from)) continue;
    std::string place;
    try {
      place = frame_names().lines({one.locked_from});
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): then without
    }
    log(log_level::warn,
        "fiber '%s' (id %llu) waits while it holds a std::mutex, at %s: use sennit::mutex, or unlock it before; locked "
        "in%s",
        me.name().data(), static_cast<unsigned long long>(me.id), address_text(one.mutex).c_str(), place.c_str());
  }
}

}  // namespace sennit::inline v0::detail

namespace d = sennit::detail;

extern "C" int pthread_mutex_lock(pthread_mutex_t* m) noexcept {
  return d::note(d::next<int(pthread_mutex_t*)>("pthread_mutex_lock")(m), m, __builtin_return_address(0));
}

extern "C" int pthread_mutex_trylock(pthread_mutex_t* m) noexcept {
  return d::note(d::next<int(pthread_mutex_t*)>("pthread_mutex_trylock")(m), m, __builtin_return_address(0));
}

extern "C" int pthread_mutex_timedlock(pthread_mutex_t* m, const timespec* until) noexcept {
  return d::note(d::next<int(pthread_mutex_t*, const timespec*)>("pthread_mutex_timedlock")(m, until), m,
                 __builtin_return_address(0));
}

extern "C" int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, const timespec* until) noexcept {
  return d::note(d::next<int(pthread_mutex_t*, clockid_t, const timespec*)>("pthread_mutex_clocklock")(m, clock, until),
                 m, __builtin_return_address(0));
}

extern "C" int pthread_mutex_unlock(pthread_mutex_t* m) noexcept {
  d::of_this_thread().remove(m);
  return d::next<int(pthread_mutex_t*)>("pthread_mutex_unlock")(m);
}
