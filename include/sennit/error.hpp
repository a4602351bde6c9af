#pragma once
// Errors: every operation that can fail has a throwing form (std::system_error) and an std::error_code& form. All codes
// compare with std::errc; errno is never part of the contract.
#include <system_error>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0 {

/// sennit's own codes, where the system's would say something else.
enum class error {
  deadline_passed =
      1,  ///< a deadline of this process passed; equals std::errc::timed_out (the kernel's ETIMEDOUT does too)
  bad_endpoint = 2,   ///< malformed "host:port" text; equals std::errc::invalid_argument
  end_of_stream = 3,  ///< read_exact met the end before all bytes were there; equals std::errc::connection_aborted
};

/// The category of sennit::error. Any thread.
SENNIT_API const std::error_category& category() noexcept;

inline std::error_code make_error_code(error e) noexcept { return {static_cast<int>(e), category()}; }

namespace detail {
/// Throws std::system_error with `what` in front, if `ec` is set.
SENNIT_API void throw_if(const std::error_code& ec, const char* what);
}  // namespace detail

}  // namespace sennit::inline v0

template <>
struct std::is_error_code_enum<sennit::error> : std::true_type {};
