#include "resolver/ares_channel.hpp"

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/sanitizer.hpp"
#include "io/retry.hpp"

namespace sennit::inline v0::detail {
namespace {

// c-ares asks all at once over one socket: the answers have to find room until somebody reads them.
constexpr int receive_buffer = 4 << 20;
constexpr std::uint16_t dns_port = 53;

[[noreturn]] void refuse(const std::string& what) {
  throw std::system_error(std::make_error_code(std::errc::invalid_argument), "sennit: resolver: " + what);
}

std::error_code code_of(int status) noexcept {
  switch (status) {
    case ARES_SUCCESS: return {};
    case ARES_ENODATA: return resolver_errc::no_data;
    case ARES_ENOTFOUND: return resolver_errc::not_found;
    case ARES_ESERVFAIL:
    case ARES_ENOTIMP: return resolver_errc::server_failed;
    case ARES_EREFUSED: return resolver_errc::refused;
    case ARES_ETIMEOUT: return resolver_errc::timed_out;
    case ARES_ECONNREFUSED: return resolver_errc::no_server;
    case ARES_EBADNAME:
    case ARES_EBADQUERY:
    case ARES_EBADSTR: return resolver_errc::bad_name;
    case ARES_ENOMEM: return std::make_error_code(std::errc::not_enough_memory);
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION: return std::make_error_code(std::errc::operation_canceled);
    case ARES_EFILE: return std::make_error_code(std::errc::io_error);
    default: return resolver_errc::bad_response;  // EFORMERR, EBADRESP, EOF, and what a server must not provoke
  }
}

int library_status() noexcept {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status;
}

/// A thread's own variable, though TSan, for which each fiber is a thread, takes it for one that fibers share.
[[gnu::noinline]] SENNIT_NO_TSAN void set_errno(std::ptrdiff_t failed) noexcept { errno = static_cast<int>(-failed); }

/// A host call (a result, or -errno) as c-ares expects it. Nothing switches between this and its look at errno.
template <class T>
T as_system_call(T result) noexcept {
  if (result >= 0) return result;
  set_errno(result);
  return -1;
}

/// `call` until no signal interrupts it.
template <class Call>
auto uninterrupted(Call&& call) noexcept {
  auto result = call();
  while (result == -EINTR) result = call();
  return result;
}

ares_socket_t open_socket(int family, int type, int protocol, void*) {
  return as_system_call(current_host().socket(family, type, protocol));
}

int close_socket(ares_socket_t fd, void*) { return as_system_call(current_host().close(fd)); }

int connect_socket(ares_socket_t fd, const sockaddr* to, ares_socklen_t size, void*) {
  return as_system_call(current_host().connect(fd, to, size));
}

ares_ssize_t receive(ares_socket_t fd, void* data, size_t size, int, sockaddr* from, ares_socklen_t* from_size,
                     void* last) {
  iovec part{data, size};
  msghdr message{};
  message.msg_name = from;
  message.msg_namelen = from_size != nullptr ? *from_size : 0;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  host& outside = current_host();
  const std::ptrdiff_t result = uninterrupted([&] { return outside.recvmsg(fd, &message); });
  if (from_size != nullptr) *from_size = message.msg_namelen;
  constexpr std::ptrdiff_t header = 12;
  if (result >= header) *static_cast<int*>(last) = static_cast<unsigned char*>(data)[3] & 0xf;
  if (result < 0 && result != -EAGAIN) *static_cast<int*>(last) = 0;
  return as_system_call(result);
}

ares_ssize_t send(ares_socket_t fd, const iovec* parts, int count, void*) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  host& outside = current_host();
  const auto once = [&] { return outside.sendmsg(fd, &message); };  // no SIGPIPE, which c-ares alone would raise
  std::ptrdiff_t result = uninterrupted(once);
  // What an earlier datagram met. Sent again, this one meets it too, and then the socket tells of both.
  if (result == -ECONNREFUSED) result = uninterrupted(once);
  return as_system_call(result);
}

constexpr ares_socket_functions socket_functions{open_socket, close_socket, connect_socket, receive, send};

int configure_socket(ares_socket_t fd, int type, void*) {
  if (type != SOCK_DGRAM) return 0;
  const int size = receive_buffer;  // the kernel gives what it allows
  static_cast<void>(current_host().setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
  return 0;
}

std::string server_list(const std::vector<endpoint>& servers) {
  std::string list;
  for (const endpoint& s : servers) {
    if (s.kind() != endpoint::family::ipv4 && s.kind() != endpoint::family::ipv6)
      refuse("a name server is given by its address, not as " + s.to_string());
    const endpoint with_port(s.host(), s.port() != 0 ? s.port() : dns_port);
    list += (list.empty() ? "" : ",") + with_port.to_string();
  }
  return list;
}

endpoint endpoint_of(const ares_addrinfo_node& node, std::uint16_t port) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (node.ai_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, node.ai_addr, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), static_cast<socklen_t>(text.size()));
  } else if (node.ai_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, node.ai_addr, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), static_cast<socklen_t>(text.size()));
  } else {
    return {};
  }
  return endpoint(std::string_view(text.data()), port);
}

/// What c-ares allocated, given back.
template <class T, void (*Free)(T*)>
struct freeing {
  void operator()(T* p) const noexcept { Free(p); }
};
using addrinfo_ptr = std::unique_ptr<ares_addrinfo, freeing<ares_addrinfo, ares_freeaddrinfo>>;
struct free_srv {
  void operator()(ares_srv_reply* p) const noexcept { ares_free_data(p); }
};

void take_addresses(const ares_addrinfo& found, lookup& into) {
  for (const ares_addrinfo_node* n = found.nodes; n != nullptr; n = n->ai_next) {
    endpoint e = endpoint_of(*n, into.port);
    if (e.kind() != endpoint::family::none) into.addresses.push_back(std::move(e));
  }
}

std::error_code take_records(const unsigned char* answer, int size, lookup& into) {
  ares_srv_reply* raw = nullptr;
  const int status = ares_parse_srv_reply(answer, size, &raw);
  const std::unique_ptr<ares_srv_reply, free_srv> found(raw);
  if (status == ARES_EBADNAME) return resolver_errc::bad_response;  // a name in the answer
  if (status != ARES_SUCCESS) return code_of(status);
  for (const ares_srv_reply* r = found.get(); r != nullptr; r = r->next) {
    // The root as the target: the service is decidedly not there (RFC 2782).
    if (r->host == nullptr || *r->host == '\0' || std::strcmp(r->host, ".") == 0) continue;
    into.records.push_back({r->host, r->port, r->priority, r->weight});
  }
  return into.records.empty() ? resolver_errc::no_data : std::error_code();
}

}  // namespace

/// What c-ares carries along: it keeps the lookup alive though nobody may wait for it any more.
struct ares_channel::question {
  ares_channel& channel;
  std::shared_ptr<lookup> wanted;

  [[nodiscard]] std::error_code code(int status) const noexcept {
    if (status == ARES_ECONNREFUSED && channel.last_rcode_ != 0)
      return channel.last_rcode_ == 5 ? resolver_errc::refused : resolver_errc::server_failed;
    return code_of(status);
  }
};

/// C's way in. Exceptions end here: c-ares knows none.
struct ares_channel::callbacks {
  static void socket_state(void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<ares_channel*>(self)->watch(fd, readable != 0, writable != 0);
  }

  static void addresses(void* arg, int status, int, ares_addrinfo* result) {
    std::unique_ptr<question> q(static_cast<question*>(arg));
    const addrinfo_ptr found(result);
    std::error_code ec = q->code(status);
    try {
      if (!ec && found != nullptr) take_addresses(*found, *q->wanted);
      if (!ec && q->wanted->addresses.empty()) ec = resolver_errc::no_data;
    } catch (...) {
      ec = std::make_error_code(std::errc::not_enough_memory);
    }
    ares_channel& self = q->channel;
    self.end(std::move(q), ec);
  }

  static void records(void* arg, int status, int, unsigned char* answer, int size) {
    std::unique_ptr<question> q(static_cast<question*>(arg));
    std::error_code ec = q->code(status);
    try {
      if (!ec) ec = take_records(answer, size, *q->wanted);
    } catch (...) {
      ec = std::make_error_code(std::errc::not_enough_memory);
    }
    ares_channel& self = q->channel;
    self.end(std::move(q), ec);
  }
};

ares_channel::ares_channel(const resolver::options& opts, ended on_end)
    : on_end_(std::move(on_end)), timeout_(span_nanos(opts.timeout)) {
  if (opts.timeout < std::chrono::milliseconds(1) || opts.timeout > std::chrono::hours(1))
    refuse("a timeout is from a millisecond to an hour");
  if (opts.attempts < 1 || opts.attempts > 100) refuse("attempts are from 1 to 100");
  if (opts.ndots && (*opts.ndots < 0 || *opts.ndots > 15)) refuse("ndots is from 0 to 15");
  const std::string servers = server_list(opts.servers);
  std::string config = opts.config_file;
  std::string lookups = "b";  // DNS alone: the hosts file is ours
  std::vector<std::string> domains = opts.search.value_or(std::vector<std::string>());
  std::vector<char*> domain_list;
  domain_list.reserve(domains.size());
  for (std::string& d : domains) domain_list.push_back(d.data());

  ares_options o{};
  int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
  o.timeout = static_cast<int>(opts.timeout.count());
  o.tries = opts.attempts;
  o.lookups = lookups.data();
  o.sock_state_cb = callbacks::socket_state;
  o.sock_state_cb_data = this;
  o.resolvconf_path = config.data();
  if (opts.ndots) {
    o.ndots = *opts.ndots;
    given |= ARES_OPT_NDOTS;
  }
  if (opts.search) {
    o.domains = domain_list.data();
    o.ndomains = static_cast<int>(domain_list.size());
    given |= ARES_OPT_DOMAINS;
  }
  int status = library_status();
  if (status == ARES_SUCCESS) status = ares_init_options(&channel_, &o, given);
  if (status == ARES_SUCCESS && !servers.empty()) status = ares_set_servers_ports_csv(channel_, servers.c_str());
  if (status != ARES_SUCCESS) {
    if (channel_ != nullptr) ares_destroy(channel_);
    throw std::system_error(code_of(status),
                            "sennit: resolver with " + opts.config_file + ": " + ares_strerror(status));
  }
  ares_set_socket_functions(channel_, &socket_functions, &last_rcode_);
  ares_set_socket_configure_callback(channel_, configure_socket, nullptr);
}

ares_channel::~ares_channel() { ares_destroy(channel_); }

void ares_channel::start(std::shared_ptr<lookup> wanted) {
  lookup& l = *wanted;
  auto* const q = new question{*this, std::move(wanted)};
  if (l.what == lookup::kind::service) {
    ares_query(channel_, l.name.c_str(), 1 /* IN */, 33 /* SRV */, callbacks::records, q);
    return;
  }
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // else each address comes once per socket type
  ares_getaddrinfo(channel_, l.name.c_str(), nullptr, &hints, callbacks::addresses, q);
}

void ares_channel::process() {
  std::array<event_queue::event, 64> events;
  const std::size_t count = sockets_.poll(events, std::chrono::nanoseconds(0));
  for (const auto& e : std::span(events).first(count)) {
    // One that an earlier event of this batch has closed is unknown to c-ares by now.
    const auto fd = static_cast<ares_socket_t>(e.token);
    ares_process_fd(channel_, e.readable ? fd : ARES_SOCKET_BAD, e.writable ? fd : ARES_SOCKET_BAD);
  }
  const nanos now = clock_now();
  if (now < due_) return;
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  // c-ares looks at all questions to tell what is due first, so we ask rarely: nothing that is sent from now on can be
  // late before half of the shortest time that c-ares gives it has passed.
  timeval left{};
  const timeval* const first = ares_timeout(channel_, nullptr, &left);
  due_ = add_nanos(now, std::max<nanos>(timeout_ / 2, 1'000'000));
  if (first == nullptr) return;
  const nanos in = nanos{first->tv_sec} * 1'000'000'000 + nanos{first->tv_usec} * 1'000;
  due_ = std::min(due_, add_nanos(now, std::max<nanos>(in, 1'000'000)));
}

void ares_channel::cancel_all() noexcept { ares_cancel(channel_); }

void ares_channel::watch(int fd, bool readable, bool writable) noexcept {
  const auto at = std::ranges::find(watched_, fd);
  const bool known = at != watched_.end();
  const auto what = static_cast<interest>((readable ? 1 : 0) | (writable ? 2 : 0));
  try {
    if (!readable && !writable) {
      if (!known) return;
      watched_.erase(at);
      sockets_.remove(fd);
    } else if (known) {
      sockets_.modify(fd, static_cast<std::uint64_t>(fd), what);
    } else {
      watched_.push_back(fd);
      sockets_.add(fd, static_cast<std::uint64_t>(fd), what);
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch)
    // Without the kernel's help (its limit of watches, no memory) the questions of this socket end by their time-outs.
  }
}

void ares_channel::end(std::unique_ptr<question> q, std::error_code ec) noexcept {
  q->wanted->ec = ec;
  on_end_(*q->wanted);
}

}  // namespace sennit::inline v0::detail
