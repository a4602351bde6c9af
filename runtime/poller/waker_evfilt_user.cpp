#include <sys/event.h>

#include <cerrno>
#include <system_error>

#include "context/context.hpp"
#include "poller/open_error.hpp"
#include "poller/waker.hpp"

namespace sennit::inline v0::detail {
namespace {

/// 0 or errno. A user event of a queue is named by an address, so that wakers may share it.
int change(const poller& target, const waker* name, unsigned flags, unsigned detail, std::uint64_t token) noexcept {
  struct kevent c{};
  c.ident = reinterpret_cast<decltype(c.ident)>(name);
  c.filter = EVFILT_USER;
  c.flags = static_cast<decltype(c.flags)>(flags);
  c.fflags = detail;
  c.udata = reinterpret_cast<void*>(token);
  return ::kevent(target.native_handle(), &c, 1, nullptr, 0, nullptr) == 0 ? 0 : errno;
}

}  // namespace

const char* const waker_name = "EVFILT_USER";

waker::waker(poller& target, std::uint64_t token) : poller_(target), token_(token) {
  if (const int error = change(poller_, this, EV_ADD | EV_CLEAR, 0, token_); error != 0)
    throw_open_failed("no waker", error);
}

waker::~waker() { change(poller_, this, EV_DELETE, 0, token_); }

void waker::wake() noexcept {
  tsan_release(&poller_);
  // The token again: what an update does not repeat it overwrites.
  change(poller_, this, 0, NOTE_TRIGGER, token_);
}

void waker::acknowledge() noexcept {}  // EV_CLEAR: reset when it was reported

}  // namespace sennit::inline v0::detail
