#pragma once
// The load of tls_echo, and the certificate that both servers show.
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <cstdint>
#include <string>

#include "common/load.hpp"

namespace bench {

struct tls_identity {
  std::string certificate, key;  // PEM
};

inline tls_identity make_identity() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  const auto text = [](auto&& write) {
    BIO* const out = BIO_new(BIO_s_mem());
    char* data = nullptr;
    if (write(out) != 1) fail("OpenSSL: no certificate");
    const long size = BIO_get_mem_data(out, &data);
    std::string pem(data, static_cast<std::size_t>(size));
    BIO_free(out);
    return pem;
  };
  tls_identity made{text([&](BIO* out) { return PEM_write_bio_X509(out, certificate); }), text([&](BIO* out) {
                      return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
                    })};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return made;
}

/// Connections that say 512 bytes and read them back, one after the other; each once is a round.
class tls_load {
 public:
  static constexpr std::size_t connections = 64, size = 512;

  explicit tls_load(std::uint16_t port) {
    for (SSL*& ssl : all_) {
      ssl = SSL_new(context_);
      SSL_set_fd(ssl, local_socket(SOCK_STREAM, port, true));
      if (SSL_connect(ssl) != 1) fail("the load: no TLS handshake");
      ::fcntl(SSL_get_fd(ssl), F_SETFL, O_NONBLOCK);
    }
  }
  ~tls_load() {
    for (SSL* const ssl : all_) SSL_shutdown(ssl);
  }
  tls_load(const tls_load&) = delete;
  tls_load& operator=(const tls_load&) = delete;

  void run(std::uint64_t rounds) {
    for (; rounds > 0; --rounds) {
      for (SSL* const ssl : all_) must_move(SSL_write(ssl, bytes_.data(), size), size);
      for (SSL* const ssl : all_) must_move(spinning([&] { return read(ssl); }), size);
    }
  }

 private:
  /// As recv(2).
  int read(SSL* ssl) {
    const int n = SSL_read(ssl, bytes_.data(), size);
    if (n > 0) return n;
    errno = SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ ? EAGAIN : EIO;
    return -1;
  }

  SSL_CTX* context_ = SSL_CTX_new(TLS_client_method());
  std::array<SSL*, connections> all_{};
  std::array<char, size> bytes_{};
};

}  // namespace bench
