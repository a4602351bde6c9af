#include "poller/io_slot.hpp"

#include <cerrno>
#include <new>
#include <vector>

#include "base/check.hpp"

namespace sennit::inline v0::detail {

/// All slots of the process: like the allocator below it, it outlives every runtime, so that a descriptor may move
/// between runtimes and threads and be closed by a static destructor. Any thread.
class slot_table {
 public:
  static slot_table& instance() noexcept {
    static auto* const it = new slot_table;
    return *it;
  }
  io_slot* take() noexcept {
    const spin_guard guard(lock_);
    if (free_ == nullptr && !grow()) return nullptr;
    io_slot* s = free_;
    free_ = s->next_free_;
    return s;
  }
  void put(io_slot* s) noexcept {
    const spin_guard guard(lock_);
    s->next_free_ = free_;
    free_ = s;
  }
  template <class F>
  void for_each(F&& f) {
    const spin_guard guard(lock_);
    for (io_slot* chunk : chunks_) {
      for (std::size_t i = 0; i < per_chunk; ++i) f(chunk[i]);
    }
  }

 private:
  static constexpr std::size_t per_chunk = 64;

  bool grow() noexcept SENNIT_REQUIRES(lock_) {
    auto* made = new (std::nothrow) io_slot[per_chunk];
    if (made == nullptr) return false;
    try {
      chunks_.push_back(made);
    } catch (const std::bad_alloc&) {
      delete[] made;
      return false;
    }
    for (std::size_t i = per_chunk; i-- > 0;) {
      made[i].next_free_ = free_;
      free_ = &made[i];
    }
    return true;
  }

  spin_lock lock_;
  std::vector<io_slot*> chunks_ SENNIT_GUARDED_BY(lock_);
  io_slot* free_ SENNIT_GUARDED_BY(lock_) = nullptr;
};

// Slots are 64-byte aligned and user addresses end below 2^48: 42 bits name the slot, 22 are left for the generation.
std::uint64_t io_slot::token() const noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(this);
  return (at >> 6) | (std::uint64_t{generation_.load(relaxed)} << 42);  // mm:slot-generation
}

io_slot* io_slot::open(int fd, fd_kind kind, bool shared) noexcept {
  io_slot* s = slot_table::instance().take();
  if (s == nullptr) return nullptr;
  s->fd_ = fd;
  s->kind_ = kind;
  s->shared_ = shared;
  s->deadline_.store(never, relaxed);  // mm:slot-deadline
  s->poller_.store(nullptr, relaxed);  // mm:slot-poller
  // Nothing is known yet, so the first call is tried.
  for (auto& r : s->ready_) r.store(ready_bit, relaxed);  // mm:slot-ready
  s->users_.store(0, order::release);                     // mm:slot-users
  return s;
}

void io_slot::end(std::uint32_t bits, host& outside, void (*wake)(waiter&)) noexcept {
  // Counted as a user, so that the slot stays ours until leave().
  users_.fetch_add(one_user, acq_rel);                          // mm:slot-users
  const std::uint32_t before = users_.fetch_or(bits, acq_rel);  // mm:slot-users
  if ((before & closing) == 0) wake_all(wake);
  leave(outside);
}

void io_slot::wake_all(void (*wake)(waiter&)) noexcept {
  for (const direction d : {direction::read, direction::write}) {
    for (;;) {
      lock_of(d).lock();
      waiter* w = claim_locked(d);
      lock_of(d).unlock();
      if (w == nullptr) break;
      wake(*w);
    }
  }
}

void io_slot::take_out_of(poller& p) const noexcept {
  if (!p.inherited()) p.remove(fd_);
}

void io_slot::last_user_left(std::uint32_t left, host& outside) noexcept {
  // Latecomers enter, see `closing` and leave: this may run more than once, each step is won by one caller.
  if ((left & closed) == 0) {
    if (!users_.compare_exchange_strong(left, left | closed, acq_rel, acquire)) return;  // mm:slot-users
    if (poller* p = poller_.load(acquire); p != nullptr && shared_) take_out_of(*p);     // mm:slot-poller
    outside.close(fd_);
    // The one who set `closed` may have raced with drop(): look again.
    left = users_.load(acquire);  // mm:slot-users
    if (left >= one_user) return;
  }
  if ((left & (dropped | freed)) != dropped) return;
  if (!users_.compare_exchange_strong(left, left | freed, acq_rel, acquire)) return;  // mm:slot-users
  // Events of this life that are still under way no longer match.
  generation_.store((generation_.load(relaxed) + 1) & 0x3fffff, relaxed);  // mm:slot-generation
  slot_table::instance().put(this);
}

int io_slot::release(host& outside, void (*wake)(waiter&)) noexcept {
  if (!enter()) {
    leave(outside);
    return -1;
  }
  const int fd = fd_;
  if (poller* p = poller_.load(acquire)) take_out_of(*p);  // mm:slot-poller
  // Marked as closed before anybody can leave last: the descriptor is the caller's now.
  const std::uint32_t before = users_.fetch_or(closing | closed, acq_rel);  // mm:slot-users
  if ((before & closing) == 0) wake_all(wake);
  leave(outside);
  return (before & closing) == 0 ? fd : -1;
}

// ---- readiness ----

void io_slot::exhausted(direction d, word seen) noexcept {
  // Fails if an event came after `seen` was loaded: then the call may have been too early, and is worth another try.
  const word next = seen & ~ready_bit;
  word expected = seen;
  while (!side(d).compare_exchange_weak(expected, (next & ~waiting_bit) | (expected & waiting_bit), acq_rel,
                                        relaxed)) {  // mm:slot-ready
    if ((expected & ~waiting_bit) != (seen & ~waiting_bit)) return;
  }
}

int io_slot::attach(poller& target, interest what, trigger how) noexcept {
  const spin_guard guard(queues_[0].lock);
  if (attached()) return 0;
  const int error = target.add(fd_, token(), what, how);
  if (error != 0) return error;
  poller_.store(&target, order::release);  // mm:slot-poller
  return 1;
}

bool io_slot::prepare_wait(direction d, wait_node& node, bool again) noexcept {
  lock_of(d).lock();
  if (enlist(d, node, again)) return true;
  lock_of(d).unlock();
  return false;
}

bool io_slot::enlist(direction d, wait_node& node, bool again) noexcept {
  wait_queue& q = queues_[index(d)];
  // One step decides: either the event's note() sees the bit and comes for the lock, or we see that it was there first.
  word seen = side(d).load(acquire);  // mm:slot-ready
  do {
    if ((seen & ready_bit) != 0 || !is_open()) return false;
  } while (!side(d).compare_exchange_weak(seen, seen | waiting_bit, acq_rel, acquire));  // mm:slot-ready
  // Who was woken and found nothing keeps its place at the front.
  again ? q.push_front(node) : q.push_back(node);
  return true;
}

void io_slot::delist(direction d, wait_node& node) noexcept {
  wait_queue& q = queues_[index(d)];
  q.remove(node);
  if (q.empty()) side(d).fetch_and(~waiting_bit, acq_rel);  // mm:slot-ready
}

waiter* io_slot::claim_locked(direction d) noexcept {
  wait_queue& q = queues_[index(d)];
  waiter* const who = q.claim_waiter();
  if (q.empty()) side(d).fetch_and(~waiting_bit, acq_rel);  // mm:slot-ready
  return who;
}

waiter* io_slot::pass_on(direction d) noexcept {
  const word seen = readiness(d);
  if ((seen & ready_bit) == 0 || (seen & waiting_bit) == 0) return nullptr;
  const spin_guard guard(lock_of(d));
  return claim_locked(d);
}

waiter* io_slot::note(direction d, bool pending) noexcept {
  word seen = side(d).load(relaxed);  // mm:slot-ready
  word next = 0;
  do {
    next = (seen | ready_bit | (pending ? pending_bit : word{0})) + tick_one;
  } while (!side(d).compare_exchange_weak(seen, next, acq_rel, relaxed));  // mm:slot-ready
  if ((next & waiting_bit) == 0) return nullptr;
  const spin_guard guard(lock_of(d));
  return claim_locked(d);
}

io_slot::woken io_slot::deliver(const poll_event& e) noexcept {
  auto* s = reinterpret_cast<io_slot*>((e.token & ((std::uint64_t{1} << 42) - 1)) << 6);
  // Of another life: the descriptor was closed after the kernel queued the event. A slot that is recycled right after
  // this look gets a hint too many, which costs its owner one EAGAIN.
  if (s->generation_.load(relaxed) != e.token >> 42) return {};  // mm:slot-generation
  constexpr std::uint8_t broken = poll_event::hangup | poll_event::failed;
  woken out{};
  if ((e.bits & (poll_event::readable | poll_event::closed | poll_event::priority | broken)) != 0) {
    out[0] = s->note(direction::read, (e.bits & (poll_event::closed | poll_event::priority | broken)) != 0);
  }
  if ((e.bits & (poll_event::writable | broken)) != 0) {
    out[1] = s->note(direction::write, (e.bits & broken) != 0);
  }
  return out;
}

void io_slot::forget_poller(poller& gone) noexcept {
  slot_table::instance().for_each([&](io_slot& s) {
    poller* expected = &gone;
    if (s.poller_.compare_exchange_strong(expected, nullptr, acq_rel, relaxed)) {  // mm:slot-poller
      for (auto& r : s.ready_) r.fetch_or(ready_bit, acq_rel);                     // mm:slot-ready
    }
  });
}

}  // namespace sennit::inline v0::detail
