#include <poll.h>

#include <sennit/detail/select_case.hpp>

#include "io/error_code.hpp"
#include "io/foreign_fd.hpp"
#include "io/retry.hpp"
#include "sched/current.hpp"

namespace sennit::inline v0::detail {
namespace {

direction direction_of(bool writes) noexcept { return writes ? direction::write : direction::read; }

}  // namespace

spin_lock* descriptor_case::lock() const noexcept {
  return slot_ != nullptr ? &slot_->lock_of(direction_of(writes_)) : nullptr;
}

pollfd descriptor_case::polled() const noexcept { return {fd_, static_cast<short>(writes_ ? POLLOUT : POLLIN), 0}; }

bool descriptor_case::try_fire(waiter*&) {
  if (slot_ != nullptr) return false;  // under the locks no system call is made: enlist() tells
  const direction d = direction_of(writes_);
  io_slot::word seen = 0;
  if (own_ != nullptr) {
    if (!own_->is_open()) return true;
    seen = own_->readiness(d);
    if (own_->attached() && !io_slot::is_ready(seen)) return false;
  }
  pollfd p = polled();
  const int got = current_host().poll(&p, 1, 0);
  if ((p.revents & POLLNVAL) != 0) {
    if (own_ != nullptr) return true;
    throw_if(std::make_error_code(std::errc::bad_file_descriptor), "sennit: select of a descriptor");
  }
  if (got <= 0 && own_ != nullptr) own_->exhausted(d, seen);
  return got > 0;
}

void descriptor_case::prepare() {
  worker* const w = this_worker();
  std::ptrdiff_t result = 0;
  if (own_ != nullptr) {
    slot_ = own_;
    static_cast<void>(slot_->enter());  // closed: enlist() sees it
    if (w != nullptr) result = attach_to(*w, *slot_);
  } else if (w != nullptr) {
    result = open_foreign(*w, fd_, direction_of(writes_), slot_, twin_);
  }
  if (result >= 0) return;
  std::error_code ec;
  settle(result, ec);
  throw_if(ec, "sennit: select of a descriptor");
}

bool descriptor_case::enlist(waiter& self, std::uint16_t which) noexcept {
  if (slot_ == nullptr) return true;  // a plain thread, which polls
  ::new (static_cast<void*>(node_room())) wait_node(self, which);
  enlisted_ = slot_->enlist(direction_of(writes_), *node(), false);
  return enlisted_;
}

void descriptor_case::delist() noexcept {
  if (std::exchange(enlisted_, false)) slot_->delist(direction_of(writes_), *node());
}

void descriptor_case::finish() noexcept {
  if (own_ == nullptr) return close_foreign(slot_, twin_);
  if (slot_ == nullptr) return;
  // Whether or not it was us whom an event woke: what is ready may be what the next one waits for.
  if (waiter* next = slot_->pass_on(direction_of(writes_))) ready(*next);
  std::exchange(slot_, nullptr)->leave(current_host());
}

}  // namespace sennit::inline v0::detail
