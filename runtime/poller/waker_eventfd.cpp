#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "context/context.hpp"
#include "poller/open_error.hpp"
#include "poller/waker.hpp"

namespace sennit::inline v0::detail {

const char* const waker_name = "eventfd";

waker::waker(poller& target, std::uint64_t token) : poller_(target), signal_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!signal_) throw_open_failed("no waker", errno);
  if (const int result = poller_.add(signal_.get(), token, interest::readable, trigger::edge); result != 0)
    throw_open_failed("no waker", -result);
}

// A forked child may hold the descriptor too; then closing ours would not end the registration.
waker::~waker() { poller_.remove(signal_.get()); }

void waker::wake() noexcept {
  tsan_release(&poller_);
  // Each write is an edge although nobody ever reads. Only a counter of 2^64 - 2 would refuse one: at a wake per
  // nanosecond that takes 584 years.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto ignored = ::write(signal_.get(), &one, sizeof one);
}

void waker::acknowledge() noexcept {}  // an edge is over when it has been reported

}  // namespace sennit::inline v0::detail
