#pragma once
// Names to addresses and services, by DNS and the hosts file. Component sennit::resolver, on c-ares.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sennit/detail/wait_bound.hpp>
#include <sennit/endpoint.hpp>
#include <sennit/error.hpp>

namespace sennit::inline v0 {

/// What a lookup may end with, besides operation_canceled, deadline_passed and not_enough_memory.
enum class resolver_errc {
  not_found = 1,      ///< there is no such name; equals std::errc::address_not_available
  no_data = 2,        ///< the name has no address (no SRV record); equals std::errc::address_not_available
  server_failed = 3,  ///< the servers could not find out (SERVFAIL); equals std::errc::io_error
  refused = 4,        ///< the servers do not answer such questions; equals std::errc::permission_denied
  bad_response = 5,   ///< an answer that is none; equals std::errc::bad_message
  timed_out = 6,      ///< no server answered, options::attempts times; equals std::errc::timed_out
  no_server = 7,      ///< no server is there; equals std::errc::connection_refused
  bad_name = 8,       ///< not a domain name; equals std::errc::invalid_argument
  name_too_long = 9,  ///< more than 253 characters, or 63 between dots; equals std::errc::filename_too_long
  bad_service = 10,   ///< neither a port nor in /etc/services; equals std::errc::invalid_argument
};

/// The category of resolver_errc. Any thread.
SENNIT_API const std::error_category& resolver_category() noexcept;

inline std::error_code make_error_code(resolver_errc e) noexcept { return {static_cast<int>(e), resolver_category()}; }

/// One SRV record (RFC 2782): where a service is. A value.
struct service_record {
  std::string target;  ///< a name, to be resolved with `port`
  std::uint16_t port = 0;
  std::uint16_t priority = 0;  ///< the lowest is to be tried first
  std::uint16_t weight = 0;    ///< among equal priorities: how often this one comes first

  friend bool operator==(const service_record&, const service_record&) = default;
};

namespace detail {
class resolver_core;
}

/// Resolves names, from fibers of any runtime and from plain threads, any number at once; no thread is made. One of
/// those who wait drives the sockets of all: while its worker is stuck, lookups of other runtimes wait with it. Movable
/// handle; invalid_argument if moved from. Lookups in flight when it is destroyed end with operation_canceled.
class resolver {
 public:
  struct options {
    /// Whom to ask: numeric, port 0 stands for 53. None: the nameservers of config_file.
    std::vector<endpoint> servers;
    /// How long one server has for its first answer; each further round over the servers gives twice the time.
    std::chrono::milliseconds timeout = std::chrono::seconds(2);
    /// How often each server is asked.
    int attempts = 3;
    /// Looked into before any server is asked, and read again when it has changed. Empty: none.
    std::string hosts_file = "/etc/hosts";
    /// As resolv.conf(5); read once, when the resolver is made. A missing one is an empty one.
    std::string config_file = "/etc/resolv.conf";
    /// Domains to complete names with, as `search` in config_file, which it replaces.
    std::optional<std::vector<std::string>> search;
    /// A name with at least so many dots is first tried as it is; as `ndots` in config_file, which it replaces.
    std::optional<int> ndots;
  };

  /// Throws std::system_error: invalid_argument for options without sense, and what reading config_file gave.
  resolver();
  SENNIT_API explicit resolver(const options& opts);
  SENNIT_API resolver(resolver&&) noexcept;
  SENNIT_API resolver& operator=(resolver&&) noexcept;
  SENNIT_API ~resolver();

  /// The IPv4 and IPv6 addresses of `name`, the likeliest first (RFC 6724), with the port of `service`: a number, a
  /// name in /etc/services, or empty for 0. Numeric names and localhost ask nobody. Not empty. Parks; ambient
  /// cancellation point. Throws std::system_error with the name in its message: resolver_errc; operation_canceled on
  /// that stop, on the token's, and when the resolver is destroyed.
  std::vector<endpoint> resolve(std::string_view name, std::string_view service, const stop_token& stop = {}) {
    return resolve_or_throw(name, service, {.stop = &stop});
  }
  std::vector<endpoint> resolve(std::string_view name, std::string_view service, std::error_code& ec,
                                const stop_token& stop = {}) {
    return resolve_before(name, service, {.stop = &stop}, ec);
  }
  /// The same, bounded: deadline_passed if `deadline` comes first.
  template <class Clock, class Duration>
  std::vector<endpoint> resolve(std::string_view name, std::string_view service,
                                const std::chrono::time_point<Clock, Duration>& deadline, const stop_token& stop = {}) {
    return resolve_or_throw(name, service, {detail::deadline_at(deadline), &stop});
  }
  template <class Clock, class Duration>
  std::vector<endpoint> resolve(std::string_view name, std::string_view service,
                                const std::chrono::time_point<Clock, Duration>& deadline, std::error_code& ec,
                                const stop_token& stop = {}) {
    return resolve_before(name, service, {detail::deadline_at(deadline), &stop}, ec);
  }

  /// The SRV records of `name`, such as "_xmpp-server._tcp.example.org", in the order in which to try them: by
  /// priority, then at random by weight (RFC 2782). no_data also if the record says that there is no such service.
  /// Errors as above. The name is taken as it is: no search domains, no hosts file.
  std::vector<service_record> resolve_service(std::string_view name, const stop_token& stop = {}) {
    return service_or_throw(name, {.stop = &stop});
  }
  std::vector<service_record> resolve_service(std::string_view name, std::error_code& ec, const stop_token& stop = {}) {
    return service_before(name, {.stop = &stop}, ec);
  }
  /// The same, bounded: deadline_passed if `deadline` comes first.
  template <class Clock, class Duration>
  std::vector<service_record> resolve_service(std::string_view name,
                                              const std::chrono::time_point<Clock, Duration>& deadline,
                                              const stop_token& stop = {}) {
    return service_or_throw(name, {detail::deadline_at(deadline), &stop});
  }
  template <class Clock, class Duration>
  std::vector<service_record> resolve_service(std::string_view name,
                                              const std::chrono::time_point<Clock, Duration>& deadline,
                                              std::error_code& ec, const stop_token& stop = {}) {
    return service_before(name, {detail::deadline_at(deadline), &stop}, ec);
  }

 private:
  SENNIT_API std::vector<endpoint> resolve_or_throw(std::string_view name, std::string_view service,
                                                    detail::wait_bound until);
  SENNIT_API std::vector<endpoint> resolve_before(std::string_view name, std::string_view service,
                                                  detail::wait_bound until, std::error_code& ec);
  SENNIT_API std::vector<service_record> service_or_throw(std::string_view name, detail::wait_bound until);
  SENNIT_API std::vector<service_record> service_before(std::string_view name, detail::wait_bound until,
                                                        std::error_code& ec);

  std::shared_ptr<detail::resolver_core> core_;
};

inline resolver::resolver() : resolver(options{}) {}

}  // namespace sennit::inline v0

template <>
struct std::is_error_code_enum<sennit::resolver_errc> : std::true_type {};
