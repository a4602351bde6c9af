#include "io/file_call.hpp"

#include "io/file_ring.hpp"
#include "sched/current.hpp"

namespace sennit::inline v0::detail {

std::ptrdiff_t make_call(const file_call& call, host& outside) noexcept {
  file_calls& files = outside.files();
  std::ptrdiff_t result = 0;
  do {
    switch (call.kind) {
      case file_call::what::open: result = files.open(call.path, call.flags, call.permissions); break;
      case file_call::what::read: result = files.readv(call.fd, call.parts, call.count, call.offset, 0); break;
      case file_call::what::write: result = files.writev(call.fd, call.parts, call.count, call.offset, 0); break;
      case file_call::what::sync: result = files.sync(call.fd, false); break;
      case file_call::what::sync_data: result = files.sync(call.fd, true); break;
    }
  } while (result == -EINTR);
  return result;
}

std::ptrdiff_t move_or_run(const file_call& call, wait_bound until) noexcept {
  if (call.kind == file_call::what::read && call.size <= in_place_max && this_worker() != nullptr) {
    const auto result =
        current_host().files().readv(call.fd, call.parts, call.count, call.offset, file_calls::in_memory);
    // Not in memory, or the file system does not tell.
    const bool cannot_tell = result == -EAGAIN || result == -EINTR || result == -EOPNOTSUPP || result == -ENOSYS;
    if (!cannot_tell) return result;
  }
  return run_call(call, until);
}

std::ptrdiff_t already_ended(wait_bound until) noexcept {
  const fiber_block* const f = current_fiber();
  if (f != nullptr && f->shields == 0 && f->state.stop_requested()) return io_stopped;
  if (until.stop != nullptr && until.stop->stop_requested()) return io_stopped;
  const bool ambient_first = f != nullptr && f->shields == 0 && f->ambient_deadline < until.deadline;
  const nanos deadline = ambient_first ? f->ambient_deadline : until.deadline;
  if (deadline == never || clock_now() < deadline) return 0;
  return ambient_first ? io_ambient_deadline : io_deadline;
}

std::ptrdiff_t run_call(const file_call& call, wait_bound until) noexcept {
  worker* const w = this_worker();
  if (w == nullptr) return make_call(call, system_host());
  if (const std::ptrdiff_t ended = already_ended(until); ended != 0) return ended;
  std::ptrdiff_t result = 0;
  do result = run_on_ring(*this_worker(), call, until);
  while (result == -EINTR);
  if (result != ring_declined) return result;
  return run_off_worker([&](host& h) { return make_call(call, h); }, until);
}

}  // namespace sennit::inline v0::detail
