#include <unistd.h>

#include <system_error>

#include "base/system.hpp"
#include "context/context.hpp"
#include "poller/open_error.hpp"
#include "poller/waker.hpp"

namespace sennit::inline v0::detail {

const char* const waker_name = "pipe";

waker::waker(poller& target, std::uint64_t token) : poller_(target) {
  int ends[2];
  if (const int result = make_pipe(ends, true); result != 0) throw_open_failed("no waker", -result);
  signal_ = unique_fd(ends[0]);
  write_end_ = unique_fd(ends[1]);
  // By level: whether a byte behind unread bytes is an edge differs between systems, and between versions of Linux.
  if (const int result = poller_.add(signal_.get(), token, interest::readable, trigger::level); result != 0)
    throw_open_failed("no waker", -result);
}

// A forked child may hold the descriptors too; then closing ours would not end the registration.
waker::~waker() { poller_.remove(signal_.get()); }

void waker::wake() noexcept {
  tsan_release(&poller_);
  // A full pipe refuses the byte, and needs none: what is in it is still to be reported.
  [[maybe_unused]] const auto ignored = ::write(write_end_.get(), "", 1);
}

void waker::acknowledge() noexcept {
  char bytes[512];
  while (::read(signal_.get(), bytes, sizeof bytes) == sizeof bytes) {}
  // Wakes between the report and here were swallowed with the rest: their announcements come before what follows.
  tsan_acquire(&poller_);
}

}  // namespace sennit::inline v0::detail
