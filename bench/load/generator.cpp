#include "load/generator.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>
#include <vector>

#include "common/process.hpp"
#include "load/pattern.hpp"

namespace bench {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

nanoseconds to_ns(std::chrono::duration<double> d) { return std::chrono::duration_cast<nanoseconds>(d); }
double seconds_between(clock::time_point a, clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

enum class state : std::uint8_t { closed, connecting, idle, waiting };

struct connection {
  int fd = -1;
  state at = state::closed;
  bool served = false;
  std::uint32_t sent = 0;      // bytes of the current message that the kernel has taken
  std::uint32_t received = 0;  // bytes of its echo that are back
  std::uint32_t backlog = 0;   // open loop: messages whose time has come while this one was waiting
  std::uint64_t sequence = 0;
  clock::time_point due;  // what the latency of the current message counts from
};

/// Owned and driven by the thread that calls run().
class generator {
 public:
  explicit generator(const load_options& options)
      : options_(options), pattern_(options.size), connections_(options.connections) {}
  ~generator() {
    for (auto& c : connections_) {
      if (c.fd >= 0) ::close(c.fd);
    }
    if (timer_ >= 0) ::close(timer_);
    if (epoll_ >= 0) ::close(epoll_);
  }
  generator(const generator&) = delete;
  generator& operator=(const generator&) = delete;

  load_result run() {
    if (!prepare() || !connect_all()) return std::move(result_);
    measure();
    drain();
    return std::move(result_);
  }

 private:
  enum class phase { connecting, running, draining };
  static constexpr std::uint32_t timer_token = ~0U;
  static constexpr std::uint32_t opening_at_once = 256;     // below any listener's backlog
  static constexpr std::uint32_t ports_per_source = 20000;  // of about 28 000 ephemeral ports per source address

  bool prepare() {
    server_.sin_family = AF_INET;
    server_.sin_port = htons(options_.port);
    if (::inet_pton(AF_INET, options_.host.c_str(), &server_.sin_addr) != 1 ||
        ntohl(server_.sin_addr.s_addr) >> 24 != 127) {
      return stop("host: '" + options_.host + "' is not an address in 127.0.0.0/8, and only loopback is measured");
    }
    if (options_.connections == 0 || options_.size == 0) return stop("connections and size must be at least 1");
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail("epoll_create1");
    // A timerfd, because epoll_wait alone would round intended send times to milliseconds.
    timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_ < 0) fail("timerfd_create");
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u32 = timer_token}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event) != 0) fail("epoll_ctl");
    return true;
  }

  bool stop(std::string why) {
    if (result_.limit.empty()) result_.limit = std::move(why);
    return false;
  }

  // ---- connecting: at most opening_at_once connections have no echo yet; refusals are retried with back-off
  // ----------

  bool connect_all() {
    if (options_.server_pid > 0) memory_before_ = static_cast<double>(process_memory_bytes(options_.server_pid));
    started_ = clock::now();
    const auto deadline = started_ + to_ns(options_.connect_timeout);
    std::uint32_t opened = 0;
    auto back_off = std::chrono::milliseconds(1);
    while (served_ < connections_.size()) {
      bool refused = false;
      while (!refused && opened < connections_.size() && opened - served_ < opening_at_once) {
        const int error = open_one(opened);
        if (!result_.limit.empty()) return false;
        if (error == 0) ++opened;
        refused = error != 0;
      }
      if (!refused) back_off = std::chrono::milliseconds(1);
      const auto now = clock::now();
      if (now >= deadline) {
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(options_.connect_timeout).count();
        return stop("connect: " + served_of_all() + " connections were served within " + std::to_string(ms) + " ms");
      }
      poll_until(refused ? std::min(deadline, now + back_off) : deadline);
      if (refused) back_off = std::min(back_off * 2, std::chrono::milliseconds(500));
      if (!result_.limit.empty()) return false;
      if (result_.errors > 0) {
        return stop("connect: the server refused or closed a connection before its first echo; " + served_of_all() +
                    " were served by then");
      }
    }
    result_.served_seconds = seconds_between(started_, clock::now());
    return true;
  }

  [[nodiscard]] std::string served_of_all() const {
    return std::to_string(served_) + " of " + std::to_string(connections_.size());
  }

  /// Starts connection `i`. 0, or the error after which a later try may succeed.
  int open_one(std::uint32_t i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      const int error = errno;
      if (error == EMFILE || error == ENFILE) {
        stop("open files: the load generator could open " + std::to_string(i) + " of " +
             std::to_string(connections_.size()) + " connections (" + std::strerror(error) + "; see ulimit -Hn)");
        return error;
      }
      fail("socket");
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // The port is chosen at connect(), per destination: a source address then carries all its ephemeral ports.
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(0x7f000001U + i / ports_per_source + exhausted_sources_);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0) fail("bind to a source address");
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&server_), sizeof server_) != 0 && errno != EINPROGRESS) {
      const int error = errno;
      ::close(fd);
      if (error == EADDRNOTAVAIL && ++exhausted_sources_ > 200) {
        stop("ports: no ephemeral port is left on 200 source addresses (see net.ipv4.ip_local_port_range)");
      }
      return error;
    }
    connections_[i].fd = fd;
    connections_[i].at = state::connecting;
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u32 = i}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    return 0;
  }

  // ---- the measured part --------------------------------------------------------------------------------------------

  void measure() {
    phase_ = phase::running;
    run_start_ = clock::now();
    window_start_ = clock::time_point::max();
    if (options_.rate > 0) {
      gap_ns_ = 1e9 / options_.rate;
    } else {
      for (std::uint32_t i = 0; i < connections_.size(); ++i) begin_message(i, clock::now());
    }
    run_until(run_start_ + to_ns(options_.warmup), false);

    result_.requests = 0;
    result_.latency.clear();
    window_start_ = clock::now();
    const double cpu = server_cpu();
    run_until(window_start_ + to_ns(options_.duration), options_.requests > 0);
    result_.server_cpu_ns = server_cpu() - cpu;
    const auto end = clock::now();
    result_.seconds = seconds_between(window_start_, end);
    window_requests_ = result_.requests;
  }

  void run_until(clock::time_point end, bool count) {
    for (auto now = clock::now(); now < end && result_.limit.empty(); now = clock::now()) {
      if (count && result_.requests >= options_.requests) return;
      if (alive_ == 0) return;
      if (options_.rate > 0) {
        send_what_is_due(now);
        poll_until(std::min(end, intended(next_)));
      } else {
        poll_until(end);
      }
    }
    // A poll that came back late must not swallow what was due before the end.
    if (options_.rate > 0) send_what_is_due(end - nanoseconds(1));
  }

  /// Open loop: message k of all goes out at its intended time on connection k mod C. A connection that still waits for
  /// an echo takes it into its backlog, and its latency goes on counting from the intended time.
  [[nodiscard]] clock::time_point intended(std::uint64_t k) const {
    return run_start_ + nanoseconds(static_cast<std::int64_t>(static_cast<double>(k) * gap_ns_));
  }
  void send_what_is_due(clock::time_point now) {
    for (; intended(next_) <= now; ++next_) {
      const auto i = static_cast<std::uint32_t>(next_ % connections_.size());
      auto& c = connections_[i];
      if (c.at == state::idle) {
        begin_message(i, intended(next_));
      } else {
        ++c.backlog;
      }
    }
  }
  /// The oldest message in the backlog of connection i: backlog k's ago in its own sequence of every C-th.
  [[nodiscard]] clock::time_point oldest_in_backlog(std::uint32_t i) const {
    const auto size = connections_.size();
    const std::uint64_t scheduled = next_ / size + (i < next_ % size ? 1 : 0);
    return intended((scheduled - connections_[i].backlog) * size + i);
  }

  void drain() {
    phase_ = phase::draining;
    const auto deadline = clock::now() + to_ns(options_.drain_timeout);
    while (busy() && clock::now() < deadline) poll_until(deadline);
    if (options_.server_pid > 0) {
      result_.server_memory_bytes = static_cast<double>(process_memory_bytes(options_.server_pid)) - memory_before_;
    }
    for (const auto& c : connections_) {
      if (c.at == state::waiting) {
        ++result_.errors;
        result_.lost_bytes += c.sent - c.received;
      }
      result_.errors += c.backlog;
    }
    result_.requests = window_requests_;
  }
  [[nodiscard]] bool busy() const {
    return std::ranges::any_of(connections_, [](const connection& c) { return c.at == state::waiting; });
  }
  [[nodiscard]] double server_cpu() const {
    return options_.server_pid > 0 ? static_cast<double>(process_cpu_ns(options_.server_pid)) : 0;
  }

  // ---- one connection -----------------------------------------------------------------------------------------------

  void poll_until(clock::time_point until) {
    const auto left = std::chrono::duration_cast<nanoseconds>(until - clock::now()).count();
    int timeout = 0;
    if (left > 0) {
      timeout = static_cast<int>(std::min<std::int64_t>(left / 1'000'000 + 1, 1000));
      if (left < 1'000'000'000 && until != armed_) {
        const itimerspec at{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = static_cast<long>(left)}};
        ::timerfd_settime(timer_, 0, &at, nullptr);
        armed_ = until;
      }
    }
    const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), timeout);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int e = 0; e < count; ++e) {
      const auto& event = events_[static_cast<std::size_t>(e)];
      if (event.data.u32 != timer_token) on_event(event.data.u32, event.events);
    }
  }

  void on_event(std::uint32_t i, std::uint32_t events) {
    auto& c = connections_[i];
    if (c.at == state::connecting) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0 || (events & (EPOLLERR | EPOLLHUP)) != 0) return lose(i);
      if ((events & EPOLLOUT) == 0) return;
      result_.connect_seconds = seconds_between(started_, clock::now());
      ++alive_;
      begin_message(i, clock::now());
    } else if (c.at == state::waiting && c.sent < options_.size && (events & EPOLLOUT) != 0) {
      send_rest(i);
    }
    if (c.fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) receive(i, events);
  }

  void begin_message(std::uint32_t i, clock::time_point due) {
    auto& c = connections_[i];
    if (c.at == state::closed) return;
    c.at = state::waiting;
    c.due = due;
    c.sent = c.received = 0;
    ++c.sequence;
    send_rest(i);
  }

  void send_rest(std::uint32_t i) {
    auto& c = connections_[i];
    const auto rest = pattern_.message(i, c.sequence).subspan(c.sent);
    const auto n = ::send(c.fd, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      c.sent += static_cast<std::uint32_t>(n);
    } else if (errno != EAGAIN && errno != EINTR) {
      lose(i);
    }
  }

  /// Reads until the socket is empty: a short read means that on TCP, unless the peer is done, which must be seen too.
  void receive(std::uint32_t i, std::uint32_t events) {
    const bool to_the_end = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    auto& c = connections_[i];
    while (c.fd >= 0) {
      const auto n = ::recv(c.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return lose(i);
      on_bytes(i, std::span(buffer_).first(static_cast<std::size_t>(n)));
      if (!to_the_end && static_cast<std::size_t>(n) < buffer_.size()) return;
    }
  }

  void on_bytes(std::uint32_t i, std::span<const std::byte> got) {
    auto& c = connections_[i];
    const std::size_t wanted = c.at == state::waiting ? c.sent - c.received : 0;
    const std::size_t n = std::min(wanted, got.size());
    result_.wrong_bytes += got.size() - n;  // more than was ever sent
    const auto expected = pattern_.message(i, c.sequence).subspan(c.received, n);
    if (std::memcmp(expected.data(), got.data(), n) != 0) {
      for (std::size_t b = 0; b < n; ++b) result_.wrong_bytes += expected[b] != got[b] ? 1 : 0;
    }
    c.received += static_cast<std::uint32_t>(n);
    if (c.at == state::waiting && c.received == options_.size) on_echo(i);
  }

  void on_echo(std::uint32_t i) {
    auto& c = connections_[i];
    const auto now = clock::now();
    c.at = state::idle;
    if (!c.served) {
      c.served = true;
      ++served_;
    }
    if (phase_ == phase::connecting) return;
    // Open loop: what was meant to go out within the window counts, however late its echo (no coordinated omission).
    const bool measured = options_.rate > 0 ? c.due >= window_start_ : phase_ == phase::running;
    if (measured) result_.latency.record(static_cast<std::uint64_t>(nanoseconds(now - c.due).count()));
    ++result_.requests;
    if (options_.rate > 0) {
      if (c.backlog == 0) return;
      const auto due = oldest_in_backlog(i);
      --c.backlog;
      begin_message(i, due);
    } else if (phase_ == phase::running) {
      begin_message(i, now);
    }
  }

  void lose(std::uint32_t i) {
    auto& c = connections_[i];
    if (c.at != state::connecting) --alive_;
    if (c.at == state::waiting) result_.lost_bytes += c.sent - c.received;
    result_.errors += 1 + c.backlog;
    ::close(c.fd);
    c.fd = -1;
    c.at = state::closed;
    c.backlog = 0;
  }

  const load_options options_;
  pattern pattern_;
  std::vector<connection> connections_;
  load_result result_;
  sockaddr_in server_{};
  int epoll_ = -1;
  int timer_ = -1;
  phase phase_ = phase::connecting;
  std::uint32_t exhausted_sources_ = 0;
  std::uint32_t served_ = 0;
  std::uint32_t alive_ = 0;
  std::uint64_t next_ = 0;  // open loop: the next message to come due
  double gap_ns_ = 0;
  std::uint64_t window_requests_ = 0;
  double memory_before_ = 0;
  clock::time_point started_;
  clock::time_point run_start_;
  clock::time_point window_start_;
  clock::time_point armed_;
  std::array<epoll_event, 512> events_{};
  std::array<std::byte, 65536> buffer_{};
};

}  // namespace

load_result run_load(const load_options& options) { return generator(options).run(); }

}  // namespace bench
