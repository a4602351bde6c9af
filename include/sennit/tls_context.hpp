#pragma once
// Whom TLS trusts, and what it shows of itself. Component sennit::tls, on OpenSSL.
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sennit/detail/config.hpp>
#include <sennit/tls_error.hpp>

namespace sennit::inline v0 {

namespace detail {
class tls_context_core;
class tls_core;
struct tls_session_data;
}  // namespace detail

/// The versions of the protocol; older ones are not spoken.
enum class tls_version { tls_1_2, tls_1_3 };

/// What a server asks of its clients.
enum class client_certificates {
  none,      ///< nothing
  optional,  ///< a certificate, which must be good if there is one
  required,  ///< a good certificate
};

/// What connections have in common: trust, certificates, protocols, sessions. Immutable, for clients and servers, for
/// any number of fibers and threads at once. A cheap handle, copies share; whom to free it is counted.
class tls_context {
 public:
  struct options {
    /// Clients: the server's certificate must be good, and for the host that was asked for. Without it anybody may be
    /// at the other end.
    bool verify_peer = true;
    /// Clients trust who the system trusts (OpenSSL's default directory, SSL_CERT_FILE, SSL_CERT_DIR)
    bool system_trust = true;
    /// and these, as PEM, any number of them. They are the only ones that a server trusts for its clients.
    std::string ca_file = {};
    std::string ca_pem = {};

    /// The certificate to show and its chain, the leaf first, and its key: each as the name of a PEM file or as PEM.
    /// Servers need them, or select_context.
    std::string certificate_file = {};
    std::string certificate_pem = {};
    std::string key_file = {};
    std::string key_pem = {};
    std::string key_password = {};  ///< of an encrypted key
    client_certificates client_certificate = client_certificates::none;

    /// Application protocols (ALPN), the best first: "h2", "http/1.1". The server's order decides. If both sides have a
    /// list and nothing is in both, the handshake fails.
    std::vector<std::string> alpn = {};
    tls_version min_version = tls_version::tls_1_2;
    tls_version max_version = tls_version::tls_1_3;

    /// Servers: clients that come again may resume their session, by tickets that they keep, or by a cache here of that
    /// many sessions (0: none).
    bool tickets = true;
    std::size_t session_cache = 20'480;
    std::chrono::seconds session_lifetime = std::chrono::hours(2);

    /// How long a whole handshake may take, and a whole shutdown; deadline_passed afterwards. The stream's own deadline
    /// counts too. nanoseconds::max(): any time.
    std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);
    std::chrono::nanoseconds shutdown_timeout = std::chrono::seconds(5);

    /// Servers: the context for the name that a client asks for (SNI), which is empty if it asks for none; an empty
    /// context refuses it (unknown_name). Called in the handshake, which the result takes over but for its timeouts. It
    /// may wait. A std::system_error ends the handshake with its code, another exception leaves it.
    std::function<tls_context(std::string_view name)> select_context = {};
  };

  /// Empty: good for nothing but as an answer of select_context.
  tls_context() noexcept = default;

  /// Reads what the options name; parks. Throws std::system_error with the file's name in its message: tls_errc::
  /// bad_pem, key_mismatch, what reading the file gave, invalid_argument for options without sense, and OpenSSL's
  /// reasons for certificates that it finds too weak.
  SENNIT_API explicit tls_context(const options& opts);

  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  friend class detail::tls_core;
  std::shared_ptr<const detail::tls_context_core> core_;
};

/// A session that a client may resume later: then the handshake is shorter, and no certificate is sent. Good for the
/// same context and host only. A value that any thread may copy. TLS 1.3 servers want each to be used once.
class tls_session {
 public:
  tls_session() noexcept = default;
  /// Whether there is one.
  explicit operator bool() const noexcept { return data_ != nullptr; }

 private:
  friend class detail::tls_core;
  std::shared_ptr<const detail::tls_session_data> data_;
};

/// What a certificate says. A value.
struct tls_certificate {
  std::string subject;  ///< as RFC 2253 writes it: "CN=example.org,O=Example"
  std::string issuer;
  std::string serial;                            ///< hexadecimal
  std::vector<std::string> names;                ///< whom it is for: DNS names and IP addresses
  std::chrono::system_clock::time_point begins;  ///< valid from then
  std::chrono::system_clock::time_point ends;    ///< valid until then
  std::string sha256;                            ///< fingerprint, 64 hexadecimal digits
  std::string pem;
};

}  // namespace sennit::inline v0
