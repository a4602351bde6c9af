// The beginning of a connection: whom to believe, which context, and why not.
#include <arpa/inet.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <array>
#include <new>
#include <vector>

#include <sennit/error.hpp>

#include "tls/tls_core.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t longest_name = 253;

bool is_address(const std::string& host) noexcept {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

/// The name of the server_name extension (RFC 6066) of a ClientHello; empty if there is none.
std::string_view asked_name(SSL* ssl) noexcept {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  // A list's size, one entry's type (0: host name), the name's size, the name.
  constexpr std::size_t head = 5;
  if (size < head || data[2] != TLSEXT_NAMETYPE_host_name) return {};
  const std::size_t length = data[3] * 256U + data[4];
  if (length > size - head) return {};
  return {reinterpret_cast<const char*>(data) + head, length};
}

}  // namespace

void tls_core::handshake_as_client(std::string_view host, std::error_code& ec, const stop_token& stop) {
  guard lock(mutex_);
  ec = closed_ ? std::make_error_code(std::errc::bad_file_descriptor) : failure_;
  if (!ec && phase_ != phase::fresh) ec = std::make_error_code(std::errc::already_connected);
  if (!ec) begin_client(host, ec);
  if (!ec) handshake(lock, ec, stop);
}

void tls_core::handshake_as_server(std::error_code& ec, const stop_token& stop) {
  guard lock(mutex_);
  ec = closed_ ? std::make_error_code(std::errc::bad_file_descriptor) : failure_;
  if (!ec && phase_ != phase::fresh) ec = std::make_error_code(std::errc::already_connected);
  if (!ec) begin_server(ec);
  if (!ec) handshake(lock, ec, stop);
}

void tls_core::begin_client(std::string_view host, std::error_code& ec) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);  // as in an endpoint
  if (host.ends_with('.')) host.remove_suffix(1);  // the root's dot is in no certificate
  const bool verify = settings().opts.verify_peer;
  // OpenSSL takes a name that begins with a dot for any name below it.
  if ((host.empty() && verify) || host.starts_with('.') || host.size() > longest_name ||
      host.find('\0') != std::string_view::npos) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return;
  }
  is_client_ = true;
  host_ = host;
  SSL* const ssl = ssl_.get();
  forget_errors();
  SSL_set_connect_state(ssl);
  SSL_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  bool good = true;
  if (is_address(host_)) {
    if (verify) good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host_.c_str()) == 1;
  } else if (!host_.empty()) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    good = SSL_set_tlsext_host_name(ssl, host_.c_str()) == 1 && (!verify || SSL_set1_host(ssl, host_.c_str()) == 1);
  }
  if (!good) {
    ec = last_error();
    return;
  }
  // Who resumes is not verified again: only a session that was verified in the same way may be.
  if (!to_resume_ || to_resume_.data_->host != host_ || to_resume_.data_->context.lock() != context_.core_) return;
  const session_ptr copy(SSL_SESSION_dup(to_resume_.data_->session.get()));
  if (copy == nullptr) throw std::bad_alloc();
  SSL_set_session(ssl, copy.get());  // if it is too old, the handshake is a whole one
  forget_errors();
}

void tls_core::begin_server(std::error_code& ec) {
  if (!settings().has_certificate && !settings().opts.select_context) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return;
  }
  SSL_set_accept_state(ssl_.get());
  settings().ask_client(*ssl_);
}

int tls_core::on_client_hello(SSL* ssl, int* alert, void*) noexcept {
  auto& self = *static_cast<tls_core*>(SSL_get_app_data(ssl));
  switch (self.choice_) {
    case choice::none: try { self.host_ = asked_name(ssl);
      } catch (const std::bad_alloc&) {
        return SSL_CLIENT_HELLO_ERROR;
      }
      if (!self.settings().opts.select_context) return SSL_CLIENT_HELLO_SUCCESS;
      // The choice may wait, which must not happen in here: OpenSSL is left, and called again when it is made.
      self.choice_ = choice::asked;
      return SSL_CLIENT_HELLO_RETRY;
    case choice::refused: *alert = SSL_AD_UNRECOGNIZED_NAME; return SSL_CLIENT_HELLO_ERROR;
    case choice::asked:
    case choice::made: break;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

std::string tls_core::server_name() const {
  const guard lock(mutex_);
  // SSL_get_servername() of a server forgets the name when it resumes a session of TLS 1.2.
  return is_client_ && is_address(host_) ? std::string() : host_;
}

/// Asks the user for the context of `host_`, which no fiber but this one touches now, and takes it over.
void tls_core::choose_context(guard& lock, std::error_code& ec) {
  tls_context chosen;
  try {
    const unlocked scope(lock);
    chosen = settings().opts.select_context(host_);
  } catch (const std::system_error& e) {
    ec = e.code();
    return;
  }
  choice_ = chosen && chosen.core_->has_certificate ? choice::made : choice::refused;
  if (choice_ == choice::refused) return;
  SSL* const ssl = ssl_.get();
  const tls_context_core& with = *chosen.core_;
  forget_errors();
  if (SSL_set_SSL_CTX(ssl, with.context()) == nullptr) {
    ec = last_error();
    return;
  }
  // What that call leaves as it was.
  SSL_set_min_proto_version(ssl, static_cast<int>(SSL_CTX_get_min_proto_version(with.context())));
  SSL_set_max_proto_version(ssl, static_cast<int>(SSL_CTX_get_max_proto_version(with.context())));
  if (!with.opts.tickets) SSL_set_options(ssl, SSL_OP_NO_TICKET);
  with.ask_client(*ssl);
  chosen_ = std::move(chosen);
}

void tls_core::handshake(guard& lock, std::error_code& ec, const stop_token& stop) {
  phase_ = phase::handshake;
  struct ending {
    tls_core& core;
    std::error_code& ec;
    ~ending() {
      core.phase_ = ec ? phase::failed : phase::up;
      if (!core.failure_) core.failure_ = ec;
    }
  } const at_the_end{*this, ec};
  const time_limit limit(*this, settings().opts.handshake_timeout);
  const turn mine(*this, lock, writing_, ec, stop);
  try {
    shake_hands(lock, ec, stop);
  } catch (const std::system_error& e) {
    ec = e.code();
  } catch (const std::bad_alloc&) {
    ec = std::make_error_code(std::errc::not_enough_memory);
  } catch (...) {  // from select_context
    ec = std::make_error_code(std::errc::operation_canceled);
    throw;
  }
}

void tls_core::shake_hands(guard& lock, std::error_code& ec, const stop_token& stop) {
  for (;;) {
    const std::uint64_t seen = fills_;
    const outcome got = attempt([&] { return SSL_do_handshake(ssl_.get()); });
    if (got == outcome::failed || got == outcome::ended) {
      const long verified = SSL_get_verify_result(ssl_.get());
      if (choice_ == choice::refused) failure_ = tls_errc::unknown_name;
      if (verified != X509_V_OK && is_verification_failure(failure_)) {
        failure_ = verification_error(verified);
        if (failure_ == tls_errc::certificate_rejected) detail_ = X509_verify_cert_error_string(verified);
      }
      if (!failure_) failure_ = tls_errc::truncated;
      std::error_code ignored;  // the alert; if the peer is gone, it needs none
      flush(lock, ignored, stop);
      ec = failure_;
      return;
    }
    flush(lock, ec, stop);
    if (!ec && got == outcome::wants_context) choose_context(lock, ec);
    if (!ec && got == outcome::wants_input) fill(lock, seen, ec, stop);
    if (ec || got == outcome::done) return;
    check_limit(ec);
    if (ec) return;
  }
}

}  // namespace sennit::inline v0::detail
