#include "io/foreign_fd.hpp"

#include <fcntl.h>

#include <utility>

#include "io/retry.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0::detail {
namespace {

std::ptrdiff_t register_once(worker& w, int fd, direction d, io_slot*& slot) noexcept {
  io_slot* const made = io_slot::open(fd, fd_kind::other, true);
  if (made == nullptr) return -ENOMEM;
  made->exhausted(d, made->readiness(d));  // nothing was tried: only the event counts
  const int result =
      made->attach(w.poll, d == direction::read ? interest::readable : interest::writable, trigger::oneshot);
  slot = made;
  if (result >= 0) {
    w.counters.registrations.add();
    return 0;
  }
  int none = -1;
  close_foreign(slot, none);
  return result;
}

}  // namespace

std::ptrdiff_t open_foreign(worker& w, int fd, direction d, io_slot*& slot, int& twin) noexcept {
  std::ptrdiff_t result = register_once(w, fd, d, slot);
  if (result != -EEXIST) return result;
  twin = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (twin < 0) return result;
  result = register_once(w, twin, d, slot);
  if (result < 0) w.home.outside().close(std::exchange(twin, -1));
  return result;
}

void close_foreign(io_slot*& slot, int& twin) noexcept {
  if (slot == nullptr) return;
  host& outside = current_host();
  io_slot* const gone = std::exchange(slot, nullptr);
  gone->release(outside, ready);
  gone->drop(outside, ready);
  if (twin >= 0) outside.close(std::exchange(twin, -1));
}

}  // namespace sennit::inline v0::detail
