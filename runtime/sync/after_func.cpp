#include <system_error>

#include <sennit/after_func.hpp>
#include <sennit/select.hpp>

namespace sennit::inline v0 {

bool detail::call_core::next_call(const stop_token& stop) noexcept {
  constexpr auto look_again = [] {};
  // A call that arms itself with zero never parks: it would keep the worker to itself.
  this_fiber::yield();
  try {
    // Stop comes before a tick: a call that arms itself with zero could otherwise go on for ever.
    while (!stop.stop_requested()) {
      if (abandoned_.is_set()) {
        if (!timer_.active()) break;
        timer_.wait(stop);
        return true;
      }
      if (select(on_tick(timer_, look_again), on_event(abandoned_, look_again), on_stop(stop, look_again)) == 0)
        return true;
    }
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): an ambient stop, the end as any other
  }
  over_.set();
  return false;
}

bool detail::call_core::arm(nanos deadline) {
  if (over_.is_set()) {
    throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                            "sennit: reset() of a call after its runtime was stopped");
  }
  return timer_.reset_at(time_of(deadline));
}

detail::call_core& scheduled_call::core() const {
  if (core_ == nullptr) {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument), "sennit: this handle has no call");
  }
  return *core_;
}

void scheduled_call::detach() {
  core().abandon();
  runner_.detach();
  core_.reset();
}

void scheduled_call::end() noexcept {
  core_->disarm();
  if (runner_.get_id() == this_fiber::get_id()) {  // the call destroys its own handle
    runner_.request_stop();
    runner_.detach();
  } else {
    runner_ = fiber();  // requests stop, and joins
  }
  core_.reset();
}

}  // namespace sennit::inline v0
