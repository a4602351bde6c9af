#pragma once
#include <optional>

#include <sennit/stop_token.hpp>

#include "fiber/waiter.hpp"

namespace sennit::inline v0::detail {

/// Ends the waiter's next park when a stop_token is stopped. On the waiter's stack, from before the park until after
/// it; made, parked with and destroyed by the waiter alone. The stop comes from any thread: before the park it leaves a
/// note, in it it claims and readies, after it it finds another epoch.
class token_waker {
 public:
  token_waker(waiter& who, const stop_token& token, std::uint16_t which) noexcept;
  /// Waits for a callback that is under way on another thread. If the waiter did not park, it takes back its note.
  ~token_waker();
  token_waker(const token_waker&) = delete;
  token_waker& operator=(const token_waker&) = delete;

 private:
  struct wake {
    waiter& who;
    std::uint32_t epoch;
    std::uint16_t which;
    void operator()() const noexcept;
  };

  waiter& who_;
  std::optional<stop_callback<wake>> callback_;
};

}  // namespace sennit::inline v0::detail
