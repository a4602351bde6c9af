#include "io/error_code.hpp"

#include <sennit/error.hpp>

#include "io/retry.hpp"

namespace sennit::inline v0::detail {

std::size_t settle(std::ptrdiff_t result, std::error_code& ec) noexcept {
  if (result >= 0) {
    ec.clear();
    return static_cast<std::size_t>(result);
  }
  switch (result) {
    case io_closed: ec = std::make_error_code(std::errc::bad_file_descriptor); break;
    case io_deadline:
    case io_ambient_deadline: ec = error::deadline_passed; break;
    case io_stopped: ec = std::make_error_code(std::errc::operation_canceled); break;
    default: ec = std::error_code(static_cast<int>(-result), std::system_category()); break;
  }
  return 0;
}

}  // namespace sennit::inline v0::detail
