#pragma once
// OpenSSL's objects as owners, and its queue of errors.
//
// The queue belongs to the thread, not to the fiber, and SSL_get_error() takes any entry for one of its own call. So
// each use of OpenSSL that may fail starts with forget_errors() and takes what it left with last_error(), and nothing
// in between parks: a fiber that went on elsewhere would find another thread's queue, and leave its errors to whoever
// runs here next. No callback of ours that OpenSSL calls parks either.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <system_error>

#include <sennit/tls_context.hpp>

namespace sennit::inline v0::detail {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;
using bio_method_ptr = std::unique_ptr<BIO_METHOD, freed_by<BIO_meth_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using store_ptr = std::unique_ptr<X509_STORE, freed_by<X509_STORE_free>>;
using session_ptr = std::unique_ptr<SSL_SESSION, freed_by<SSL_SESSION_free>>;
using ssl_ptr = std::unique_ptr<SSL, freed_by<SSL_free>>;
using ssl_context_ptr = std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>>;

/// A session as tls_session holds it: for clients of that context and host only, since who resumes is not verified
/// again.
struct tls_session_data {
  session_ptr session;
  std::weak_ptr<const tls_context_core> context;
  std::string host;
};

/// Empties the calling thread's queue. It looks first, since to clear an empty queue is a walk through sixteen entries.
inline void forget_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}
/// What the call before has left in the queue, which is empty then: the error that names the outermost cause.
[[nodiscard]] std::error_code last_error() noexcept;
/// Throws last_error() with `what` in front.
[[noreturn]] void throw_last_error(const std::string& what);
/// Whether that is "certificate verify failed", of which verification_error() knows more.
[[nodiscard]] bool is_verification_failure(const std::error_code& ec) noexcept;
/// What a failed verification says (X509_V_ERR_*).
[[nodiscard]] std::error_code verification_error(long result) noexcept;

}  // namespace sennit::inline v0::detail
