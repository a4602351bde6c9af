#include <string>

#include <sennit/resolver.hpp>

namespace sennit::inline v0 {
namespace {

class resolver_errc_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "sennit.dns"; }

  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<resolver_errc>(code)) {
      case resolver_errc::not_found: return "no such name";
      case resolver_errc::no_data: return "the name has no such record";
      case resolver_errc::server_failed: return "the name servers failed";
      case resolver_errc::refused: return "the name servers refused to answer";
      case resolver_errc::bad_response: return "malformed answer of a name server";
      case resolver_errc::timed_out: return "no name server answered in time";
      case resolver_errc::no_server: return "no name server can be reached";
      case resolver_errc::bad_name: return "not a domain name";
      case resolver_errc::name_too_long: return "the name is too long";
      case resolver_errc::bad_service: return "unknown service";
    }
    return "unknown resolver error " + std::to_string(code);
  }

  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    switch (static_cast<resolver_errc>(code)) {
      case resolver_errc::not_found:
      case resolver_errc::no_data: return std::errc::address_not_available;
      case resolver_errc::server_failed: return std::errc::io_error;
      case resolver_errc::refused: return std::errc::permission_denied;
      case resolver_errc::bad_response: return std::errc::bad_message;
      case resolver_errc::timed_out: return std::errc::timed_out;
      case resolver_errc::no_server: return std::errc::connection_refused;
      case resolver_errc::bad_name:
      case resolver_errc::bad_service: return std::errc::invalid_argument;
      case resolver_errc::name_too_long: return std::errc::filename_too_long;
    }
    return {code, *this};
  }
};

}  // namespace

const std::error_category& resolver_category() noexcept {
  // Never destroyed: static destructors may still compare codes.
  static const auto* const it = new resolver_errc_category;
  return *it;
}

}  // namespace sennit::inline v0
