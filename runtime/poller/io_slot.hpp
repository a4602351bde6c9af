#pragma once
// What the runtime knows of one descriptor: who uses it, who waits for it, and whether a call may be worth trying.
#include <array>
#include <cstdint>

#include <sennit/detail/wait_queue.hpp>

#include "base/host.hpp"
#include "fiber/waiter.hpp"
#include "poller/poller.hpp"

namespace sennit::inline v0::detail {

enum class direction : std::uint8_t { read = 0, write = 1 };

/// How a descriptor behaves at a short read or write (hazard 14).
enum class fd_kind : std::uint8_t {
  stream_tcp,  // a short read has drained it, unless the peer closed or something is pending
  other,       // only EAGAIN says so: unix and datagram sockets, listeners, what was adopted
  no_socket,   // the same for what read(2) and write(2) are for: pipes, terminals
  shared,      // the same, blocking: others have it open too, and it is not ours to change
  file,        // always ready, but a call may wait for the device
};

/// Type-stable: slots are recycled, never unmapped, so a late event or waker finds a slot, though perhaps of another
/// life; the generation in the token tells. Owned by one handle (io_handle) and by the operations inside it: the
/// descriptor is closed when the last user has left, the slot is freed when the handle is gone too.
class alignas(64) io_slot {
 public:
  /// A slot for an open, non-blocking descriptor, with one handle. `shared`: others may hold the same open file, so it
  /// must be taken out of the poller before it is closed. nullptr without memory. Any thread.
  static io_slot* open(int fd, fd_kind kind, bool shared) noexcept;

  // --- users: any thread that holds the handle ---

  /// Begins an operation; false if the descriptor is closed or closing. Every enter(), also a failed one, needs
  /// leave().
  [[nodiscard]] bool enter() noexcept { return (users_.fetch_add(one_user, acq_rel) & closing) == 0; }  // mm:slot-users
  void leave(host& outside) noexcept {
    const std::uint32_t left = users_.fetch_sub(one_user, acq_rel) - one_user;  // mm:slot-users
    if ((left & closing) != 0 && left < one_user) last_user_left(left, outside);
  }
  /// Wakes both directions, whose operations then fail with bad_file_descriptor; idempotent. The woken waiters are
  /// given to `wake` one by one.
  void close(host& outside, void (*wake)(waiter&)) noexcept { end(closing, outside, wake); }
  /// The handle goes: closes, and frees the slot with its last user.
  void drop(host& outside, void (*wake)(waiter&)) noexcept { end(closing | dropped, outside, wake); }
  /// Gives the descriptor away: out of the poller, not closed. -1 if it is closed.
  int release(host& outside, void (*wake)(waiter&)) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] fd_kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_open() const noexcept { return (users_.load(acquire) & closing) == 0; }  // mm:slot-users
  void set_deadline(nanos t) noexcept { deadline_.store(t, relaxed); }                           // mm:slot-deadline
  [[nodiscard]] nanos deadline() const noexcept { return deadline_.load(relaxed); }              // mm:slot-deadline

  // --- readiness: between enter() and leave() ---

  using word = std::uint64_t;
  /// The readiness word: load it before the call, hand it back with what the call said.
  [[nodiscard]] word readiness(direction d) const noexcept { return side(d).load(acquire); }  // mm:slot-ready
  [[nodiscard]] static bool is_ready(word seen) noexcept { return (seen & ready_bit) != 0; }
  /// EAGAIN: not ready, unless an event came since `seen` was loaded.
  void exhausted(direction d, word seen) noexcept;
  /// Fewer bytes than asked for: on plain TCP with nothing pending that means exhausted too.
  void came_short(direction d, word seen) noexcept {
    if (kind_ == fd_kind::stream_tcp && poller_sees_urgent_data && (seen & pending_bit) == 0) exhausted(d, seen);
  }

  /// Registers with `target`, once: 0 or -errno; 1 if this call did it. Our own descriptors: both directions, edges,
  /// for life. A foreign one: what is waited for, once.
  [[nodiscard]] int attach(poller& target, interest what = interest::both, trigger how = trigger::edge) noexcept;
  [[nodiscard]] bool attached() const noexcept { return poller_.load(acquire) != nullptr; }  // mm:slot-poller

  /// Links `node` unless the direction is ready or the slot is closing; true with the queue's lock held: then park.
  [[nodiscard]] bool prepare_wait(direction d, wait_node& node, bool again) noexcept SENNIT_NO_ANALYSIS;
  /// The same for a caller that holds the lock, which stays held.
  [[nodiscard]] bool enlist(direction d, wait_node& node, bool again) noexcept SENNIT_NO_ANALYSIS;
  [[nodiscard]] spin_lock& lock_of(direction d) noexcept { return queues_[index(d)].lock; }
  /// After a park that no event ended.
  void cancel_wait(direction d, wait_node& node) noexcept {
    const spin_guard guard(lock_of(d));
    delist(d, node);
  }
  void delist(direction d, wait_node& node) noexcept SENNIT_NO_ANALYSIS;  // the same with the lock
  /// The descriptor was seen ready by other means (a plain thread's poll): worth a try.
  void hint(direction d) noexcept { side(d).fetch_or(ready_bit, acq_rel); }  // mm:slot-ready
  /// A waiter is done and the direction may still be ready: the next one's turn. The caller readies the result.
  [[nodiscard]] waiter* pass_on(direction d) noexcept;

  // --- poller side ---

  using woken = std::array<waiter*, 2>;
  /// Applies an event: notes readiness, claims the first waiter of each direction. The caller readies the non-null
  /// ones.
  [[nodiscard]] static woken deliver(const poll_event& e) noexcept;
  /// `gone` is about to be destroyed: slots registered there are free to register elsewhere.
  static void forget_poller(poller& gone) noexcept;

 private:
  // users_: operations * one_user | these
  static constexpr std::uint32_t closing = 1;  // no new operations
  static constexpr std::uint32_t closed = 2;   // close(2) was called, or the descriptor released
  static constexpr std::uint32_t dropped = 4;  // the handle is gone
  static constexpr std::uint32_t freed = 8;    // somebody frees the slot
  static constexpr std::uint32_t one_user = 16;
  // readiness: tick << 8 | these. Events set, users clear by compare-exchange on the word they loaded before the call.
  static constexpr word ready_bit = 1;
  static constexpr word pending_bit = 2;  // end of file, error or urgent data: sticky, a short read means nothing
  static constexpr word waiting_bit = 4;  // the queue is not empty; changed under its lock
  static constexpr word tick_one = 256;

  static constexpr std::size_t index(direction d) noexcept { return static_cast<std::size_t>(d); }
  [[nodiscard]] const atomic<word>& side(direction d) const noexcept { return ready_[index(d)]; }
  [[nodiscard]] atomic<word>& side(direction d) noexcept { return ready_[index(d)]; }
  [[nodiscard]] std::uint64_t token() const noexcept;
  waiter* note(direction d, bool pending) noexcept;
  waiter* claim_locked(direction d) noexcept SENNIT_NO_ANALYSIS;
  void end(std::uint32_t bits, host& outside, void (*wake)(waiter&)) noexcept;
  void wake_all(void (*wake)(waiter&)) noexcept;
  void take_out_of(poller& p) const noexcept;
  void last_user_left(std::uint32_t left, host& outside) noexcept;

  friend class slot_table;

  atomic<std::uint32_t> users_{0};
  int fd_ = -1;
  std::array<atomic<word>, 2> ready_{};
  atomic<poller*> poller_{nullptr};
  atomic<nanos> deadline_{never};
  atomic<std::uint32_t> generation_{0};
  fd_kind kind_ = fd_kind::other;
  bool shared_ = false;
  std::array<wait_queue, 2> queues_;
  io_slot* next_free_ = nullptr;
};

}  // namespace sennit::inline v0::detail
