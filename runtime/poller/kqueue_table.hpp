#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include <sennit/detail/spin_lock.hpp>
#include <sennit/event_queue.hpp>

namespace sennit::inline v0::detail {

/// What was registered with one kqueue, by descriptor number: the kernel does not tell, and a second EV_ADD overwrites
/// the first. An entry outlives its registration, since close() ends that without a word; so what it says is true only
/// if the kernel still has the filter. Owned by its poller; any thread, under the lock.
class kqueue_table {
 public:
  struct entry {
    std::uint64_t token = 0;
    interest what{};  // none: not registered, or removed
    trigger how{};
    bool armed = false;  // oneshot: not reported yet

    [[nodiscard]] bool registered() const noexcept { return what != interest{}; }
    void clear() noexcept { *this = {}; }
  };

  spin_lock lock;

  /// nullptr for what was never registered.
  [[nodiscard]] entry* find(int fd) noexcept SENNIT_REQUIRES(lock) {
    const auto i = static_cast<std::size_t>(fd);
    return fd >= 0 && i < entries_.size() ? &entries_[i] : nullptr;
  }
  /// Made if need be; nullptr without memory. 16 bytes for each number up to the highest.
  [[nodiscard]] entry* at(int fd) noexcept SENNIT_REQUIRES(lock) {
    const auto i = static_cast<std::size_t>(fd);
    try {
      if (i >= entries_.size()) entries_.resize(i + i / 2 + 16);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    return &entries_[i];
  }

 private:
  std::vector<entry> entries_ SENNIT_GUARDED_BY(lock);
};

}  // namespace sennit::inline v0::detail
