#include "tls/openssl.hpp"

#include <openssl/x509_vfy.h>

#include <string>

#include <sennit/tls_error.hpp>

namespace sennit::inline v0::detail {

std::error_code last_error() noexcept {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return std::make_error_code(std::errc::protocol_error);
  if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) return std::make_error_code(std::errc::not_enough_memory);
  if (ERR_SYSTEM_ERROR(code)) return {ERR_GET_REASON(code), std::system_category()};
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    switch (ERR_GET_REASON(code)) {
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return tls_errc::no_certificate;
      case SSL_R_UNEXPECTED_EOF_WHILE_READING: return tls_errc::truncated;
      default: break;
    }
  }
  return {static_cast<int>(code), tls_category()};
}

void throw_last_error(const std::string& what) { throw std::system_error(last_error(), what); }

bool is_verification_failure(const std::error_code& ec) noexcept {
  return ec ==
         std::error_code(static_cast<int>(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_CERTIFICATE_VERIFY_FAILED)), tls_category());
}

std::error_code verification_error(long result) noexcept {
  switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return tls_errc::certificate_expired;
    case X509_V_ERR_CERT_NOT_YET_VALID: return tls_errc::certificate_not_yet_valid;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return tls_errc::wrong_host;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return tls_errc::self_signed;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED: return tls_errc::unknown_issuer;
    case X509_V_ERR_CERT_REVOKED: return tls_errc::certificate_revoked;
    default: return tls_errc::certificate_rejected;
  }
}

}  // namespace sennit::inline v0::detail
