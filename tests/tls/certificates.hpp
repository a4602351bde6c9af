#pragma once
// Certificates for tests, made on the spot: good ones and such as nobody should accept.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include <sennit/tls.hpp>

namespace sennit::test {

namespace openssl {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;

template <class T>
T must(T result, const char* what) {
  if (!result) throw std::runtime_error(std::string("OpenSSL: ") + what);
  return result;
}

inline std::string text_of(BIO& memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace openssl

/// What is shown to a peer. PEM.
struct identity {
  std::string certificate;  // and its chain
  std::string key;
};

/// What a certificate says.
struct wanted_certificate {
  std::string subject = "a test";
  std::string names = "DNS:localhost,DNS:example.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1";
  long begins = -3600;  // seconds from now
  long ends = 3600;
  bool is_authority = false;
};

/// Issues certificates, its own among them.
class authority {
 public:
  explicit authority(const std::string& name = "test authority")
      : key_(new_key()),
        certificate_(make({.subject = name, .names = "", .is_authority = true}, *key_, nullptr, *key_)) {}

  /// An authority below another one.
  authority(const std::string& name, const authority& above)
      : key_(new_key()),
        certificate_(
            make({.subject = name, .names = "", .is_authority = true}, *key_, above.certificate_.get(), *above.key_)) {}

  [[nodiscard]] std::string pem() const { return pem_of(*certificate_); }

  [[nodiscard]] identity issue(const wanted_certificate& wanted = {}) const {
    const openssl::key_ptr key = new_key();
    return {pem_of(*make(wanted, *key, certificate_.get(), *key_)), pem_of(*key)};
  }
  [[nodiscard]] static identity self_signed(const wanted_certificate& wanted = {}) {
    const openssl::key_ptr key = new_key();
    return {pem_of(*make(wanted, *key, nullptr, *key)), pem_of(*key)};
  }

  /// The same key, encrypted.
  static std::string encrypted(const std::string& key_pem, const std::string& password) {
    const openssl::bio_ptr in(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
    const openssl::key_ptr key(openssl::must(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), "read key"));
    const openssl::bio_ptr out(BIO_new(BIO_s_mem()));
    openssl::must(PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_256_cbc(), password.data(),
                                                static_cast<int>(password.size()), nullptr, nullptr),
                  "write key");
    return openssl::text_of(*out);
  }

 private:
  static openssl::key_ptr new_key() { return openssl::key_ptr(openssl::must(EVP_EC_gen("P-256"), "new key")); }

  static std::string pem_of(X509& certificate) {
    const openssl::bio_ptr out(BIO_new(BIO_s_mem()));
    openssl::must(PEM_write_bio_X509(out.get(), &certificate), "write certificate");
    return openssl::text_of(*out);
  }
  static std::string pem_of(EVP_PKEY& key) {
    const openssl::bio_ptr out(BIO_new(BIO_s_mem()));
    openssl::must(PEM_write_bio_PrivateKey(out.get(), &key, nullptr, nullptr, 0, nullptr, nullptr), "write key");
    return openssl::text_of(*out);
  }

  static void extend(X509& certificate, X509* issuer, int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer != nullptr ? issuer : &certificate, &certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, openssl::freed_by<X509_EXTENSION_free>> extension(
        openssl::must(X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()), value.c_str()));
    openssl::must(X509_add_ext(&certificate, extension.get(), -1), "add extension");
  }

  /// `issuer` null: self-signed.
  static openssl::certificate_ptr make(const wanted_certificate& wanted, EVP_PKEY& key, X509* issuer,
                                       EVP_PKEY& issuer_key) {
    openssl::certificate_ptr c(openssl::must(X509_new(), "X509_new"));
    static long serial = 1000;
    X509_set_version(c.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c.get()), wanted.begins);
    X509_gmtime_adj(X509_getm_notAfter(c.get()), wanted.ends);
    X509_set_pubkey(c.get(), &key);
    X509_NAME* const name = X509_get_subject_name(c.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wanted.subject.c_str()), -1, -1, 0);
    X509_set_issuer_name(c.get(), issuer != nullptr ? X509_get_subject_name(issuer) : name);
    if (wanted.is_authority) {
      extend(*c, issuer, NID_basic_constraints, "critical,CA:TRUE");
      extend(*c, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    extend(*c, issuer, NID_subject_key_identifier, "hash");
    if (!wanted.names.empty()) extend(*c, issuer, NID_subject_alt_name, wanted.names);
    openssl::must(X509_sign(c.get(), &issuer_key, EVP_sha256()), "sign");
    return c;
  }

  openssl::key_ptr key_;
  openssl::certificate_ptr certificate_;
};

/// The authority that tests trust, and a certificate of it for localhost, example.test and the loopback addresses.
inline const authority& test_authority() {
  static const authority it;
  return it;
}
inline const identity& test_identity() {
  static const identity it = test_authority().issue();
  return it;
}

/// Without time limits: how busy the machine is must not decide how a test ends.
inline tls_context::options patient(tls_context::options o = {}) {
  o.handshake_timeout = o.shutdown_timeout = std::chrono::nanoseconds::max();
  return o;
}
inline tls_context::options server_options(const identity& shown = test_identity()) {
  return patient({.system_trust = false, .certificate_pem = shown.certificate, .key_pem = shown.key});
}
inline tls_context::options client_options() {
  return patient({.system_trust = false, .ca_pem = test_authority().pem()});
}

}  // namespace sennit::test
