#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <string>

#include <sennit/tls_error.hpp>

namespace sennit::inline v0 {
namespace {

/// Whether it is the peer's alert that our certificate, or that we gave none, is not to its liking.
bool refuses_us(unsigned long code) noexcept {
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return false;
  switch (ERR_GET_REASON(code)) {
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return true;
    default: return false;
  }
}

class tls_error_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "sennit.tls"; }

  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<tls_errc>(code)) {
      case tls_errc::certificate_expired: return "the peer's certificate has expired";
      case tls_errc::certificate_not_yet_valid: return "the peer's certificate is not valid yet";
      case tls_errc::wrong_host: return "the peer's certificate is for another host";
      case tls_errc::self_signed: return "the peer's certificate is self-signed";
      case tls_errc::unknown_issuer: return "the peer's certificate comes from an unknown issuer";
      case tls_errc::certificate_revoked: return "the peer's certificate was revoked";
      case tls_errc::certificate_rejected: return "the peer's certificate is not good";
      case tls_errc::no_certificate: return "the peer has sent no certificate";
      case tls_errc::truncated: return "the stream was cut off: no close_notify";
      case tls_errc::unknown_name: return "no context for the name that the client asked for";
      case tls_errc::bad_pem: return "malformed PEM, or wrong password";
      case tls_errc::key_mismatch: return "the key does not belong to the certificate";
    }
    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr);  // nobody may have used OpenSSL yet
    const auto packed = static_cast<unsigned long>(code);
    const char* const reason = ERR_reason_error_string(packed);
    if (reason != nullptr) return reason;
    std::array<char, 128> text{};
    ERR_error_string_n(packed, text.data(), text.size());
    return text.data();
  }

  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    switch (static_cast<tls_errc>(code)) {
      case tls_errc::certificate_expired:
      case tls_errc::certificate_not_yet_valid:
      case tls_errc::wrong_host:
      case tls_errc::self_signed:
      case tls_errc::unknown_issuer:
      case tls_errc::certificate_revoked:
      case tls_errc::certificate_rejected:
      case tls_errc::no_certificate: return std::errc::permission_denied;
      case tls_errc::truncated: return std::errc::connection_aborted;
      case tls_errc::unknown_name: return std::errc::address_not_available;
      case tls_errc::bad_pem:
      case tls_errc::key_mismatch: return std::errc::invalid_argument;
    }
    return refuses_us(static_cast<unsigned long>(code)) ? std::errc::permission_denied : std::errc::protocol_error;
  }
};

}  // namespace

const std::error_category& tls_category() noexcept {
  // Never destroyed: static destructors may still compare codes.
  static const auto* const it = new tls_error_category;
  return *it;
}

}  // namespace sennit::inline v0
