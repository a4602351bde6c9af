// poll(2) for fibers: a select() over what it asks for, between two looks.
#include <poll.h>

#include <vector>

#include <sennit/detail/select_case.hpp>
#include <sennit/io.hpp>

#include "io/error_code.hpp"
#include "io/retry.hpp"

namespace sennit::inline v0::detail {
namespace {

/// A case without a handler.
template <class Case>
struct plain_case final : Case {
  using Case::Case;
  void run() override {}
};

std::size_t look(std::span<pollfd> set) {
  host& outside = current_host();
  std::ptrdiff_t result = 0;
  do result = outside.poll(set.data(), set.size(), 0);
  while (result == -EINTR);  // a signal that came before the look: even one that does not wait
  std::error_code ec;
  const std::size_t count = settle(result, ec);
  throw_if(ec, "sennit: poll");
  return count;
}

}  // namespace

std::size_t poll(const std::span<pollfd>& set, wait_bound until) {
  for (const pollfd& p : set) {
    if ((p.events & ~(POLLIN | POLLOUT)) != 0)
      throw_if(std::make_error_code(std::errc::invalid_argument), "sennit: poll for more than POLLIN and POLLOUT");
  }
  for (;;) {
    if (const std::size_t count = look(set); count != 0) return count;
    plain_case<time_case> limit(until.deadline);
    plain_case<stop_case> stop(until.stop != nullptr ? *until.stop : stop_token());
    std::vector<plain_case<descriptor_case>> waits;
    waits.reserve(2 * set.size());  // no case may move once it waits
    std::vector<select_case*> cases{&limit, &stop};
    for (const pollfd& p : set) {
      for (const bool writes : {false, true}) {
        if (p.fd < 0 || (p.events & (writes ? POLLOUT : POLLIN)) == 0) continue;
        cases.push_back(&waits.emplace_back(p.fd, nullptr, writes));
      }
    }
    const std::size_t fired = select_among(cases);
    if (fired == 0) return look(set);
    if (fired == 1) throw_if(std::make_error_code(std::errc::operation_canceled), "sennit: poll");
  }
}

}  // namespace sennit::inline v0::detail
