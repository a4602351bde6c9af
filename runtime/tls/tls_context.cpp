#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <climits>
#include <limits>
#include <new>
#include <utility>

#include <sennit/blocking.hpp>
#include <sennit/directory.hpp>
#include <sennit/error.hpp>

#include "tls/tls_context_core.hpp"
#include "tls/tls_core.hpp"

namespace sennit::inline v0 {
namespace detail {
namespace {

[[noreturn]] void refuse(const char* why) {
  throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                          std::string("sennit: tls_context, ") + why);
}

/// PEM from one of two places, and how to call it in a message.
struct pem_source {
  std::string pem;
  std::string name;
  bool given;

  pem_source(const std::string& file, const std::string& memory, const char* what)
      : given(!file.empty() || !memory.empty()) {
    if (!file.empty() && !memory.empty()) refuse((std::string("two sources of the ") + what).c_str());
    pem = file.empty() ? memory : read_file(file);
    name = std::string("sennit: tls_context, ") + what + (file.empty() ? "" : ' ' + file);
  }
  [[noreturn]] void throw_bad() const {
    const std::error_code reason = last_error();
    throw std::system_error(tls_errc::bad_pem, reason ? name + " (" + reason.message() + ')' : name);
  }
  [[nodiscard]] bio_ptr reader() const {
    bio_ptr memory(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), INT_MAX))));
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }
};

/// The password of a key, as OpenSSL asks for it. Never its own question at the terminal.
int give_password(char* into, int room, int, void* password) noexcept {
  const auto& text = *static_cast<const std::string*>(password);
  if (text.empty() || text.size() > static_cast<std::size_t>(room)) return -1;
  std::ranges::copy(text, into);
  return static_cast<int>(text.size());
}

/// All certificates of a PEM text; bad_pem if one of them is none, or there is none.
std::vector<certificate_ptr> certificates_of(const pem_source& source) {
  std::vector<certificate_ptr> found;
  const bio_ptr reader = source.reader();
  std::string no_password;
  forget_errors();
  for (;;) {
    certificate_ptr next(PEM_read_bio_X509_AUX(reader.get(), nullptr, give_password, &no_password));
    if (next == nullptr) break;
    found.push_back(std::move(next));
  }
  const unsigned long end = ERR_peek_last_error();
  const bool ended = ERR_GET_LIB(end) == ERR_LIB_PEM && ERR_GET_REASON(end) == PEM_R_NO_START_LINE;
  if (!ended || found.empty()) source.throw_bad();
  forget_errors();
  return found;
}

int number_of(tls_version v) noexcept { return v == tls_version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION; }

}  // namespace

tls_context_core::tls_context_core(tls_context::options o) : opts(std::move(o)) {
  forget_errors();
  context_.reset(SSL_CTX_new(TLS_method()));
  client_trust_.reset(X509_STORE_new());
  if (context_ == nullptr || client_trust_ == nullptr) throw_last_error("sennit: tls_context");
  set_protocol();
  set_sessions();
  set_trust();
  set_certificate();
}

void tls_context_core::set_protocol() {
  SSL_CTX* const c = context();
  if (opts.min_version > opts.max_version) refuse("min_version is above max_version");
  SSL_CTX_set_min_proto_version(c, number_of(opts.min_version));
  SSL_CTX_set_max_proto_version(c, number_of(opts.max_version));
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // A call that was told to wait for input may be repeated with other buffers; idle connections keep none.
  SSL_CTX_set_mode(c, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_client_hello_cb(c, tls_core::on_client_hello, nullptr);
  for (const std::string& name : opts.alpn) {
    if (name.empty() || name.size() > 255) refuse("a name of an application protocol has 1 to 255 bytes");
    alpn_.push_back(static_cast<unsigned char>(name.size()));
    alpn_.insert(alpn_.end(), name.begin(), name.end());
  }
  if (alpn_.empty()) return;
  if (alpn_.size() > std::numeric_limits<std::uint16_t>::max()) refuse("too many application protocols");
  forget_errors();
  if (SSL_CTX_set_alpn_protos(c, alpn_.data(), static_cast<unsigned>(alpn_.size())) != 0)
    throw_last_error("sennit: tls_context, alpn");
  SSL_CTX_set_alpn_select_cb(c, on_alpn, this);
}

int tls_context_core::on_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                              unsigned in_size, void* self) noexcept {
  const auto& ours = static_cast<const tls_context_core*>(self)->alpn_;
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, ours.data(), static_cast<unsigned>(ours.size()), in, in_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

void tls_context_core::set_sessions() {
  SSL_CTX* const c = context();
  SSL_CTX_set_timeout(c, static_cast<long>(opts.session_lifetime.count()));
  SSL_CTX_set_session_cache_mode(c, opts.session_cache == 0 ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_SERVER);
  SSL_CTX_sess_set_cache_size(c, static_cast<long>(std::min<std::size_t>(opts.session_cache, LONG_MAX)));
  if (!opts.tickets) SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
  if (!opts.tickets && opts.session_cache == 0) SSL_CTX_set_num_tickets(c, 0);
  // Sessions of one context are not resumed under another one, which may ask more of its clients.
  std::array<unsigned char, 16> name{};
  forget_errors();
  if (RAND_bytes(name.data(), static_cast<int>(name.size())) != 1 ||
      SSL_CTX_set_session_id_context(c, name.data(), static_cast<unsigned>(name.size())) != 1)
    throw_last_error("sennit: tls_context");
}

void tls_context_core::set_trust() {
  store_ptr trust(X509_STORE_new());
  if (trust == nullptr) throw std::bad_alloc();
  if (opts.system_trust) {
    const std::error_code ec = blocking([&] {  // may read a file; the queue of errors is then the helper's
      forget_errors();
      return X509_STORE_set_default_paths(trust.get()) == 1 ? std::error_code() : last_error();
    });
    throw_if(ec, "sennit: tls_context, the system's trust");
  }
  const auto add = [&](const std::string& file, const std::string& memory) {
    const pem_source source(file, memory, "trusted certificates");
    if (!source.given) return;
    for (const certificate_ptr& ca : certificates_of(source)) {
      forget_errors();
      if (X509_STORE_add_cert(trust.get(), ca.get()) != 1 || X509_STORE_add_cert(client_trust_.get(), ca.get()) != 1 ||
          SSL_CTX_add_client_CA(context(), ca.get()) != 1)
        throw_last_error(source.name);
    }
  };
  add(opts.ca_file, {});
  add({}, opts.ca_pem);
  SSL_CTX_set_cert_store(context(), trust.release());
  if (opts.client_certificate != client_certificates::none && opts.ca_file.empty() && opts.ca_pem.empty())
    refuse("certificates of clients are asked for, but none is trusted: set ca_file or ca_pem");
}

void tls_context_core::set_certificate() {
  const pem_source chain(opts.certificate_file, opts.certificate_pem, "certificate");
  const pem_source key(opts.key_file, opts.key_pem, "key");
  if (chain.given != key.given) refuse("a certificate and its key belong together");
  if (!chain.given) return;
  const auto certificates = certificates_of(chain);
  const bio_ptr reader = key.reader();
  std::string password = opts.key_password;
  forget_errors();
  const key_ptr mine(PEM_read_bio_PrivateKey(reader.get(), nullptr, give_password, &password));
  if (mine == nullptr) key.throw_bad();
  if (X509_check_private_key(certificates.front().get(), mine.get()) != 1) {
    forget_errors();
    throw std::system_error(tls_errc::key_mismatch, key.name);
  }
  if (SSL_CTX_use_certificate(context(), certificates.front().get()) != 1) throw_last_error(chain.name);
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context(), certificates[i].get()) != 1) throw_last_error(chain.name);
  }
  if (SSL_CTX_use_PrivateKey(context(), mine.get()) != 1) throw_last_error(key.name);
  has_certificate = true;
}

void tls_context_core::ask_client(SSL& ssl) const noexcept {
  int mode = SSL_VERIFY_NONE;
  if (opts.client_certificate != client_certificates::none) mode = SSL_VERIFY_PEER;
  if (opts.client_certificate == client_certificates::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_set_verify(&ssl, mode, nullptr);
  SSL_set1_verify_cert_store(&ssl, client_trust_.get());
}

}  // namespace detail

tls_context::tls_context(const options& opts) : core_(std::make_shared<const detail::tls_context_core>(opts)) {}

}  // namespace sennit::inline v0
