#include <sched.h>

#include <sennit/detail/spin_lock.hpp>

#include "base/atomic.hpp"

namespace sennit::inline v0::detail {

void spin_lock::lock_slow() noexcept {
  for (unsigned spins = 0;; ++spins) {
    while (word_.load(relaxed) != 0) {  // mm:spin-lock
      // The critical sections are shorter than a hundred pauses: past that the holder has lost its CPU.
      if (++spins % 128 == 0) {
        ::sched_yield();
      } else {
        cpu_pause();
      }
    }
    if (word_.exchange(1, acquire) == 0) return;  // mm:spin-lock
  }
}

}  // namespace sennit::inline v0::detail
