#pragma once
// What TLS may end with. Component sennit::tls, on OpenSSL.
#include <system_error>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0 {

/// What a TLS operation may end with, besides what the stream below it says. A code of the same category that is not
/// listed here is OpenSSL's own reason, and its message OpenSSL's text: it equals std::errc::protocol_error, and if the
/// peer refused our certificate std::errc::permission_denied.
enum class tls_errc {
  certificate_expired = 1,        ///< the peer's; equals std::errc::permission_denied, as all down to no_certificate
  certificate_not_yet_valid = 2,  ///< or a clock is wrong
  wrong_host = 3,                 ///< the certificate is for other names than the one that was asked for
  self_signed = 4,                ///< the certificate has no issuer but itself, and is not among those trusted
  unknown_issuer = 5,             ///< who issued the certificate is not among those trusted
  certificate_revoked = 6,
  certificate_rejected = 7,  ///< for another reason, which the exception's message gives
  no_certificate = 8,        ///< the client gave none, and tls_context::options::client_certificate asks for one
  truncated = 9,      ///< the stream ended without TLS's own end, so data may be missing; equals connection_aborted
  unknown_name = 10,  ///< select_context had nothing for the client; equals std::errc::address_not_available
  bad_pem = 11,       ///< no PEM, a cut one, a wrong password; equals std::errc::invalid_argument
  key_mismatch = 12,  ///< the key is not the certificate's; equals std::errc::invalid_argument
};

/// The category of tls_errc and of OpenSSL's reasons. Any thread.
SENNIT_API const std::error_category& tls_category() noexcept;

inline std::error_code make_error_code(tls_errc e) noexcept { return {static_cast<int>(e), tls_category()}; }

}  // namespace sennit::inline v0

template <>
struct std::is_error_code_enum<sennit::tls_errc> : std::true_type {};
