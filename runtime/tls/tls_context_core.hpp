#pragma once
#include <sennit/tls_context.hpp>

#include "tls/openssl.hpp"

namespace sennit::inline v0::detail {

/// What the handles of a tls_context share. Not changed once made, so that any thread may use it; OpenSSL's cache of
/// sessions in it has a lock of its own.
class tls_context_core {
 public:
  /// Reads files: may park, but never between a call of OpenSSL and the look at its errors.
  explicit tls_context_core(tls_context::options o);

  [[nodiscard]] SSL_CTX* context() const noexcept { return context_.get(); }
  /// Makes `ssl` ask clients for what the options say.
  void ask_client(SSL& ssl) const noexcept;

  const tls_context::options opts;
  bool has_certificate = false;

 private:
  void set_protocol();
  void set_sessions();
  void set_trust();
  void set_certificate();

  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                     unsigned in_size, void* self) noexcept;

  ssl_context_ptr context_;
  store_ptr client_trust_;  // for servers: whose clients are let in
  std::vector<unsigned char> alpn_;
};

}  // namespace sennit::inline v0::detail
