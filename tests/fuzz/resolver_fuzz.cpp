// What DNS servers answer, through c-ares and our reading of its results: lies, noise, cut records, then the truth.
#include <netinet/in.h>
#include <sys/socket.h>

#include <map>
#include <utility>

#include <sennit/resolver.hpp>
#include <sennit/runtime.hpp>

#include "base/host.hpp"
#include "base/unique_fd.hpp"
#include "fuzz/fuzz_target.hpp"
#include "support/dns_message.hpp"

namespace sennit::test {
namespace {

/// A network with one name server: each socket is one end of a pair, whose other end holds what is answered.
class name_server final : public detail::host {
 public:
  /// What it says first, to every question; the number is made right. With `whole` the bytes are the message, else they
  /// follow the question.
  void says(std::string bytes, bool whole) {
    bytes_ = std::move(bytes);
    whole_ = whole;
  }

  int socket(int, int type, int) noexcept override {
    int ends[2];
    if (const int r = host::socketpair(AF_UNIX, type, ends); r < 0) return r;
    others_[ends[0]] = {detail::unique_fd(ends[1]), type == SOCK_STREAM};
    return ends[0];
  }
  int connect(int, const sockaddr*, socklen_t) noexcept override { return 0; }
  int close(int fd) noexcept override {
    others_.erase(fd);
    return host::close(fd);
  }
  std::ptrdiff_t sendmsg(int fd, const msghdr* message) noexcept override {
    std::string text;
    for (std::size_t i = 0; i < message->msg_iovlen; ++i)
      text.append(static_cast<const char*>(message->msg_iov[i].iov_base), message->msg_iov[i].iov_len);
    const other_end& to = others_[fd];
    if (const auto q = parse_question(std::string_view(text).substr(to.stream ? 2 : 0)); q) answer(to, *q);
    return static_cast<std::ptrdiff_t>(text.size());
  }
  std::ptrdiff_t recvmsg(int fd, msghdr* message) noexcept override {
    auto* const from = static_cast<sockaddr_in*>(std::exchange(message->msg_name, nullptr));
    const std::ptrdiff_t result = host::recvmsg(fd, message);
    if (from == nullptr || result < 0) return result;
    *from = {};
    from->sin_family = AF_INET;
    from->sin_port = htons(53);
    from->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    message->msg_name = from;
    message->msg_namelen = sizeof *from;
    return result;
  }

 private:
  struct other_end {
    detail::unique_fd fd;
    bool stream = false;
  };

  void answer(const other_end& to, const dns_question& q) {
    std::string number;
    dns_reply::put(number, q.id);
    std::string lie = bytes_;
    if (!whole_) {  // flags and counts, then the question, then whatever it is
      lie = bytes_.substr(0, 2) + std::string("\0\1", 2) + bytes_.substr(std::min<std::size_t>(bytes_.size(), 2), 6);
      lie.resize(10);
      lie += dns_reply::wire_name(q.name);
      dns_reply::put(lie, q.type);
      dns_reply::put(lie, 1);
      lie += bytes_.substr(std::min<std::size_t>(bytes_.size(), 8));
    } else if (lie.size() >= 2) {
      lie.erase(0, 2);
    }
    reply(to, number + lie);
    dns_reply truth(q);
    if (q.type == dns::a) truth.a("192.0.2.1");
    if (q.type == dns::aaaa) truth.aaaa("2001:db8::1");
    if (q.type == dns::srv) truth.srv(1, 2, 3, "host.example");
    reply(to, truth.bytes());
  }
  static void reply(const other_end& to, const std::string& bytes) {
    std::string framed;
    if (to.stream) dns_reply::put(framed, static_cast<std::uint16_t>(bytes.size()));
    framed += bytes;
    static_cast<void>(::send(to.fd.get(), framed.data(), framed.size(), MSG_NOSIGNAL));
  }

  std::map<int, other_end> others_;  // one worker: nobody else is here
  std::string bytes_;
  bool whole_ = false;
};

void ask(const std::string& name, bool service) {
  resolver::options o;
  o.servers = {endpoint("127.0.0.1:53")};
  o.timeout = std::chrono::milliseconds(20);
  o.attempts = 1;
  o.hosts_file = "";
  o.config_file = "/dev/null";
  o.search.emplace();
  resolver r(o);
  std::error_code ec;
  if (service) {
    const auto records = r.resolve_service(name, ec);
    must(records.empty() == static_cast<bool>(ec), "records, or an error");
    return;
  }
  const auto found = r.resolve(name, "80", ec);
  must(found.empty() == static_cast<bool>(ec), "addresses, or an error");
  for (const endpoint& e : found) {
    must(e.kind() == endpoint::family::ipv4 || e.kind() == endpoint::family::ipv6, "addresses are numbers");
    must(e.port() == 80 && endpoint::parse(e.to_string(), ec) == e && !ec, "and can be printed");
  }
}

void fuzz_resolver(std::span<const std::uint8_t> bytes) {
  static name_server& network = *new name_server;
  static runtime& one = *new runtime({.workers = 1, .stall_threshold = {}, .host = &network});
  fuzz_input input(bytes);
  const std::uint8_t kind = input.byte();
  const std::string name = (kind & 4) != 0 ? input.text(input.byte()) : "name.example";
  network.says(input.rest(), (kind & 2) != 0);
  one.run([&] { ask(name, (kind & 1) != 0); });
}

const fuzz_target it("resolver", fuzz_resolver);

}  // namespace
}  // namespace sennit::test
