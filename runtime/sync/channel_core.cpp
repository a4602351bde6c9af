// Everything happens under senders_.lock, so that a message is in exactly one place: with its sender, in the ring, or
// with its receiver. Two facts hold whenever that lock is free: a receiver that can be claimed waits only while the
// ring is empty and no sender waits; a sender that can be claimed waits only while the ring is full (or there is none).
#include <limits>
#include <new>

#include <sennit/channel.hpp>

#include "base/check.hpp"
#include "sync/channel_node.hpp"
#include "sync/waiting.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t first_cells = 16;  // of an unbounded channel

channel_node* claim_from(wait_queue& q) noexcept SENNIT_REQUIRES(q.lock) {
  return q.empty() ? nullptr : static_cast<channel_node*>(q.claim_front());
}

std::byte* allocate_cells(const element_ops& ops, std::size_t cells) {
  if (cells > std::numeric_limits<std::ptrdiff_t>::max() / ops.size) throw std::bad_array_new_length();
  return static_cast<std::byte*>(::operator new(cells * ops.size, std::align_val_t(ops.align)));
}

void free_cells(const element_ops& ops, std::byte* ring) noexcept {
  if (ring != nullptr) ::operator delete(ring, std::align_val_t(ops.align));
}

}  // namespace

channel_core::channel_core(const element_ops& ops, std::size_t capacity, bool unbounded)
    : ops_(ops), capacity_(capacity), unbounded_(unbounded) {
  if (capacity > 0) ring_ = allocate_cells(ops, capacity);
  cells_ = capacity;
}

channel_core::~channel_core() {
  for (std::size_t i = 0; i < count_; ++i) ops_.destroy(cell(i));
  free_cells(ops_, ring_);
}

/// The i-th oldest message, or behind the last one the next free cell.
void* channel_core::cell(std::size_t i) const noexcept {
  const std::size_t at = i < cells_ - head_ ? head_ + i : i - (cells_ - head_);
  return ring_ + at * ops_.size;
}

void channel_core::grow() {
  const std::size_t more = cells_ == 0 ? first_cells : cells_ * 2;
  senders_.lock.unlock();
  std::byte* spare = allocate_cells(ops_, more);  // may throw, and takes long: without the lock
  senders_.lock.lock();
  if (cells_ < more) {  // nobody else has grown it meanwhile
    for (std::size_t i = 0; i < count_; ++i) ops_.relocate(cell(i), spare + i * ops_.size);
    std::swap(ring_, spare);
    cells_ = more;
    head_ = 0;
  }
  senders_.lock.unlock();
  free_cells(ops_, spare);
  senders_.lock.lock();
}

channel_result channel_core::send_locked(void* slot, waiter*& wake) {
  assume_receivers_locked();
  for (;; grow()) {  // which lets others in: look again
    if (closed_) return channel_result::closed;
    if (auto* const to = claim_from(receivers_)) {
      ops_.relocate(slot, to->slot);
      wake = to->who;
      return channel_result::done;
    }
    if (count_ < cells_) break;
    if (!unbounded_) return channel_result::would_wait;
  }
  ops_.relocate(slot, cell(count_));
  ++count_;
  return channel_result::done;
}

channel_result channel_core::receive_locked(void* slot, waiter*& wake) noexcept {
  if (count_ == 0) {
    channel_node* const from = claim_from(senders_);
    if (from == nullptr) return closed_ ? channel_result::closed : channel_result::would_wait;
    ops_.relocate(from->slot, slot);  // rendezvous
    wake = from->who;
    return channel_result::done;
  }
  ops_.relocate(cell(0), slot);
  head_ = head_ + 1 == cells_ ? 0 : head_ + 1;
  --count_;
  // The oldest waiting message takes the room at once: one that is sent from now on must not get in front of it.
  if (channel_node* const from = claim_from(senders_)) {
    ops_.relocate(from->slot, cell(count_));
    ++count_;
    wake = from->who;
  }
  return channel_result::done;
}

channel_result channel_core::try_send(void* slot) {
  waiter* wake = nullptr;
  senders_.lock.lock();
  const channel_result result = send_locked(slot, wake);
  senders_.lock.unlock();
  if (wake != nullptr) ready(*wake);
  return result;
}

channel_result channel_core::try_receive(void* slot) noexcept {
  waiter* wake = nullptr;
  senders_.lock.lock();
  const channel_result result = receive_locked(slot, wake);
  senders_.lock.unlock();
  if (wake != nullptr) ready(*wake);
  return result;
}

// flatten: one frame in place of three, a fifth of a message's instructions.
[[gnu::flatten]] channel_result channel_core::send(void* slot, wait_bound until) {
  waiter* wake = nullptr;
  senders_.lock.lock();
  const channel_result result = send_locked(slot, wake);
  if (result == channel_result::would_wait) {
    return wait(senders_, {.kind = wait_kind::channel_send, .object = this, .until = until}, slot);
  }
  senders_.lock.unlock();
  if (wake != nullptr) ready(*wake);
  return result;
}

[[gnu::flatten]] channel_result channel_core::receive(void* slot, wait_bound until) {
  waiter* wake = nullptr;
  senders_.lock.lock();
  const channel_result result = receive_locked(slot, wake);
  if (result == channel_result::would_wait) {
    return wait(receivers_, {.kind = wait_kind::channel_receive, .object = this, .until = until}, slot);
  }
  senders_.lock.unlock();
  if (wake != nullptr) ready(*wake);
  return result;
}

/// Queues up in `q`; whoever claims the node has moved the message, or closed the channel.
[[gnu::noinline]] channel_result channel_core::wait(wait_queue& q, const park_plan& plan,
                                                    void* slot) SENNIT_NO_ANALYSIS {  // park_in() unlocks
  channel_node node(current_waiter(), 0, slot);
  q.push_back(node);
  const std::uint16_t woken_by = park_in(senders_.lock, q, node, plan);
  if (woken_by == node.which) return node.closed ? channel_result::closed : channel_result::done;
  throw_if_canceled(woken_by);
  return channel_result::timed_out;
}

void channel_core::close() {
  wake_chain chain;
  senders_.lock.lock();
  const bool again = std::exchange(closed_, true);
  if (!again) {
    assume_receivers_locked();
    const auto say_closed = [](wait_node& node) { static_cast<channel_node&>(node).closed = true; };
    claim_all(senders_, chain, say_closed);
    claim_all(receivers_, chain, say_closed);
  }
  senders_.lock.unlock();
  if (again) throw_if(std::make_error_code(std::errc::broken_pipe), "sennit: close of a closed channel");
  chain.ready_all();
}

bool channel_core::closed() const noexcept {
  const spin_guard guard(senders_.lock);
  return closed_;
}

std::size_t channel_core::size() const noexcept {
  const spin_guard guard(senders_.lock);
  return count_;
}

}  // namespace sennit::inline v0::detail
