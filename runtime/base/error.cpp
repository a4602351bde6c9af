#include <string>

#include <sennit/error.hpp>

namespace sennit::inline v0 {
namespace {

class sennit_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "sennit"; }

  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<error>(code)) {
      case error::deadline_passed: return "deadline passed";
      case error::bad_endpoint: return "malformed endpoint";
      case error::end_of_stream: return "end of stream before all bytes were read";
    }
    return "unknown sennit error " + std::to_string(code);
  }

  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    switch (static_cast<error>(code)) {
      case error::deadline_passed: return std::errc::timed_out;
      case error::bad_endpoint: return std::errc::invalid_argument;
      case error::end_of_stream: return std::errc::connection_aborted;
    }
    return {code, *this};
  }
};

}  // namespace

const std::error_category& category() noexcept {
  // Never destroyed: static destructors may still compare codes.
  static const auto* const it = new sennit_category;
  return *it;
}

void detail::throw_if(const std::error_code& ec, const char* what) {
  if (ec) throw std::system_error(ec, what);
}

}  // namespace sennit::inline v0
