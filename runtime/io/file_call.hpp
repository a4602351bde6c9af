#pragma once
// Calls that wait for a device: never on a worker. Two backends, with the same results: the ring of this build, where
// it works, and helper threads. A plain thread makes the call itself.
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include <sennit/detail/io_handle.hpp>

#include "base/host_files.hpp"
#include "io/helper_pool.hpp"
#include "io/retry.hpp"

namespace sennit::inline v0::detail {

/// One call that either backend can make. Lives, with all that it points to, on the stack of who waits for it.
struct file_call {
  enum class what : std::uint8_t { open, read, write, sync, sync_data };
  /// In place of an offset: the file's own position.
  static constexpr std::int64_t at_position = -1;

  what kind;
  int fd = -1;
  const char* path = nullptr;  // open
  int flags = 0;               // open
  unsigned permissions = 0;    // open
  const iovec* parts = nullptr;
  int count = 0;
  std::size_t size = 0;  // of the parts together
  std::int64_t offset = at_position;
};

/// Bytes that are moved on the spot, on a worker: copying so many takes as long as handing them to another thread.
inline constexpr std::size_t in_place_max = std::size_t{256} * 1024;

/// On this thread, which may block: a count or descriptor, or -errno.
std::ptrdiff_t make_call(const file_call& call, host& outside) noexcept;

/// By the backend: a count or descriptor, -errno, or what of retry.hpp ended it. A stop or deadline that comes before
/// the call has started ends it; one that comes later cancels it if the backend can, and the wait goes on until it is
/// over: if it succeeds nevertheless, that is the result.
std::ptrdiff_t run_call(const file_call& call, wait_bound until) noexcept;

/// The same, but on a worker what is in memory (reads of at most in_place_max) is moved on the spot.
std::ptrdiff_t move_or_run(const file_call& call, wait_bound until) noexcept;

/// What a wait on `until` would end with at once; 0 if it would not.
std::ptrdiff_t already_ended(wait_bound until) noexcept;

/// `call(slot)` as a user of the file's slot: close() waits for it.
template <class Call>
std::ptrdiff_t as_user(const io_handle& handle, Call&& call) noexcept {
  io_slot* const slot = handle.slot();
  if (slot == nullptr) return io_closed;
  const std::ptrdiff_t result = slot->enter() ? call(*slot) : io_closed;
  slot->leave(current_host());
  return result;
}

/// `call(host)`, which may block and returns a count or -errno: on a helper thread, or here if this is a plain thread.
/// As run_call(), but what has started is not cancelled.
template <class Call>
std::ptrdiff_t run_off_worker(Call&& call, wait_bound until) noexcept {
  worker* const w = this_worker();
  if (w == nullptr) return call(system_host());
  if (const std::ptrdiff_t ended = already_ended(until); ended != 0) return ended;
  std::ptrdiff_t result = 0;
  host& outside = w->home.outside();
  try {
    const auto ended = helper_pool::of(w->home).try_run(task([&] { result = call(outside); }), until);
    return ended != 0 ? ended_by(ended) : result;
  } catch (const std::system_error& e) {
    return -e.code().value();  // no helper thread
  } catch (...) {
    return -ENOMEM;
  }
}

}  // namespace sennit::inline v0::detail
