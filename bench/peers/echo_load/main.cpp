// The load of the group echo and of tcp_churn, the same for all servers, whatever their language.
//
// usage: echo_load SERVER NAME SECONDS
//
// Starts `SERVER --serve` (idle_9900: --serve-idle; echo_64_scaling: --serve-2 too; tcp_churn: --serve-churn), which
// prints "PORT n" and echoes what its connections say, or prints "cannot REASON"; it stays on the CPUs that this
// process is started on, while the load takes the others, if there are any, and never sleeps. Each connection has so
// many messages under way and sends another for each that is back, as soon as it is; every byte is checked.
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <array>
#include <cstring>
#include <ctime>
#include <string>

#include "common/load.hpp"
#include "common/program.hpp"

namespace {

using namespace bench;

struct workload {
  std::string_view name;
  std::size_t connections;
  std::size_t size;       // bytes of a message
  std::size_t under_way;  // messages of each connection
};
constexpr workload workloads[] = {
    {"echo_1", 1, 64, 1},       {"echo_64", 64, 64, 1},      {"echo_1000", 1000, 64, 1},
    {"echo_9900", 9900, 64, 1}, {"echo_64_4k", 64, 4096, 1}, {"echo_64_pipelined", 64, 64, 16},
};

/// The process of SERVER.
class server_process {
 public:
  server_process(const char* path, const char* how) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
    child_ = ::fork();
    if (child_ < 0) fail("fork");
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(ends[1], 1);
      ::execl(path, path, how, nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    std::FILE* const said = ::fdopen(ends[0], "r");
    char line[256] = "";
    if (std::fgets(line, sizeof line, said) == nullptr) fail("the server said nothing");
    std::fclose(said);
    const std::string_view words = line;
    if (words.starts_with("cannot ")) throw cannot(std::string(words.substr(7, words.find('\n') - 7)));
    unsigned port = 0;
    if (std::sscanf(line, "PORT %u", &port) != 1) fail("the server did not say PORT n");
    port_ = static_cast<std::uint16_t>(port);
    if (::clock_getcpuclockid(child_, &clock_) != 0) fail("clock_getcpuclockid");
  }
  ~server_process() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  server_process(const server_process&) = delete;
  server_process& operator=(const server_process&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Resident memory and page tables, in bytes.
  [[nodiscard]] double memory() const {
    const std::string of = "/proc/" + std::to_string(child_);
    return bytes_in((of + "/smaps_rollup").c_str(), "Rss") + bytes_in((of + "/status").c_str(), "VmPTE");
  }
  [[nodiscard]] double cpu_seconds() const {
    timespec used{};
    if (::clock_gettime(clock_, &used) != 0) fail("the server ended");
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
  }

 private:
  pid_t child_ = -1;
  std::uint16_t port_ = 0;
  clockid_t clock_{};
};

/// What all connections say: byte i of a connection's stream is i modulo `period`.
struct pattern {
  static constexpr std::size_t period = 251, longest = std::size_t{64} << 10;
  std::array<unsigned char, period + longest> bytes{};
  pattern() {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i % period);
  }
  [[nodiscard]] const unsigned char* from(std::uint64_t position) const { return bytes.data() + position % period; }
};

class connections {
 public:
  connections(const workload& w, std::size_t count, std::uint16_t port) : workload_(w), all_(count) {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const int fd = all_[i].fd = local_socket(SOCK_STREAM, port, true);
      const int on = 1;
      const linger none{.l_onoff = 1, .l_linger = 0};  // no TIME_WAIT
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    }
    for (connection& c : all_) send(c, w.under_way * w.size);
  }

  /// Until `seconds` are over and at least as many messages as connections are back; how many are.
  std::uint64_t run(double seconds) {
    std::uint64_t back = 0;
    for (const double end = wall_seconds() + seconds; back < all_.size() || wall_seconds() < end;) back += turn();
    return back;
  }

  /// Until every connection has had what it sent, and sends no more.
  void drain() {
    replies_ = false;
    for (const connection& c : all_) {
      while (c.back < c.sent) turn();
    }
  }

  /// When nothing is under way: sends `rate` messages a second for so many `seconds`, on the connections in turn, each
  /// when it is due, whatever is back by then. The latencies are counted from when a message was due: one that leaves
  /// late, because this load or a full socket held it up, is as late as that.
  void at_rate(double rate, double seconds) {
    const auto count = static_cast<std::uint64_t>(rate * seconds) + all_.size();
    latencies.clear();
    latencies.reserve(count);
    for (connection& c : all_) c.answered = 0;
    begin_ = wall_seconds();
    rate_ = rate;
    for (std::uint64_t sent = 0; latencies.size() < count;) {
      while (sent < count && due(sent) <= wall_seconds() && sent_now(all_[sent % all_.size()])) ++sent;
      turn();
    }
    rate_ = 0;
  }

  /// Microseconds: of all messages of at_rate(), or of the last run() if one connection has one message under way.
  std::vector<double> latencies;

 private:
  struct connection {
    int fd = -1;
    std::uint64_t sent = 0;  // bytes
    std::uint64_t back = 0;
    std::uint64_t answered = 0;  // messages of at_rate()
    steady::time_point sent_at;
  };

  /// Serves who has something now; how many messages came.
  std::uint64_t turn() {
    std::uint64_t back = 0;
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    if (count == 0) ::sched_yield();
    for (int i = 0; i < count; ++i) back += serve(all_[events[static_cast<std::size_t>(i)].data.u64]);
    return back;
  }

  void send(connection& c, std::size_t bytes) {
    c.sent_at = steady::now();
    must_move(::send(c.fd, pattern_.from(c.sent), bytes, MSG_NOSIGNAL), bytes);
    c.sent += bytes;
  }

  /// When message i of at_rate() is due.
  [[nodiscard]] double due(std::uint64_t i) const { return begin_ + static_cast<double>(i) / rate_; }

  /// A message, unless the socket is full.
  bool sent_now(connection& c) {
    const auto n = ::send(c.fd, pattern_.from(c.sent), workload_.size, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return false;
    must_move(n, workload_.size);
    c.sent += workload_.size;
    return true;
  }

  /// Takes what is there and answers each whole message with another; how many came.
  std::uint64_t serve(connection& c) {
    const auto n = ::recv(c.fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0) fail("the load: a connection ended");
    if (std::memcmp(buffer_.data(), pattern_.from(c.back), static_cast<std::size_t>(n)) != 0) fail("the echo is wrong");
    const std::uint64_t before = c.back / workload_.size;
    c.back += static_cast<std::uint64_t>(n);
    const std::uint64_t whole = c.back / workload_.size - before;
    const auto which = static_cast<std::uint64_t>(&c - all_.data());
    for (std::uint64_t i = 0; rate_ > 0 && i < whole; ++i)
      latencies.push_back((wall_seconds() - due(c.answered++ * all_.size() + which)) * 1e6);
    if (whole > 0 && replies_) {
      if (all_.size() == 1)
        latencies.push_back(std::chrono::duration<double, std::micro>(steady::now() - c.sent_at).count());
      send(c, whole * workload_.size);
    }
    return whole;
  }

  const workload& workload_;
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<connection> all_;
  bool replies_ = true;
  double begin_ = 0;  // of at_rate()
  double rate_ = 0;   // if it runs
  const pattern pattern_;
  std::array<char, pattern::longest> buffer_;
};

/// As many as the limit of open files allows, and not fewer than `wanted`.
void need_connections(std::size_t wanted) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < wanted + 100) throw cannot("ulimit -n is " + std::to_string(files.rlim_cur));
}

/// By how much the server has grown for each connection that has had a message and is silent since.
void idle_9900(const char* path, double seconds) {
  const workload w{"idle_9900", seconds > 0 ? 9900U : 64U, 64, 1};
  need_connections(w.connections);
  const server_process server(path, "--serve-idle");
  leave_these_cpus();
  { connections(w, 1, server.port()).drain(); }
  const double before = server.memory();
  connections load(w, w.connections, server.port());
  load.drain();
  report("idle_9900", std::max(server.memory() - before, 0.0) / static_cast<double>(w.connections));
}

/// How many messages a second a server does with 64 connections, and the latencies at a part of that.
void tail_64(const char* path, double seconds) {
  constexpr workload w{"tail_64", 64, 64, 1};
  const double each = seconds > 0 ? std::max(seconds, 0.25) : 0;  // p99.9 needs some
  const server_process server(path, "--serve");
  leave_these_cpus();
  connections load(w, w.connections, server.port());
  load.run(each / 4);
  const double begin = wall_seconds();
  const auto count = static_cast<double>(load.run(each));
  const double capacity = count / (wall_seconds() - begin);
  load.drain();
  report("tail_64_capacity", capacity);
  for (const int percent : {50, 80}) {
    load.at_rate(capacity * percent / 100, each);
    const std::string at = "tail_64_at_" + std::to_string(percent);
    report((at + "_p50").c_str(), quantile(load.latencies, 0.5));
    report((at + "_p99").c_str(), quantile(load.latencies, 0.99));
    report((at + "_p999").c_str(), quantile(load.latencies, 0.999));
  }
}

/// CPU time of the server for each connection that says a byte, hears it, and is closed by the server.
void tcp_churn(const char* path, double seconds) {
  const server_process server(path, "--serve-churn");
  leave_these_cpus();
  const churn_load load(server.port());
  bench::measure_timed("tcp_churn", seconds, churn_load::at_a_time, [&](std::uint64_t n) {
    const double begin = server.cpu_seconds();
    load.run(n);
    return server.cpu_seconds() - begin;
  });
}

/// CPU time of a server for each message, reported as `name`.
void measure(const workload& w, std::string_view name, const char* path, const char* how, double seconds) {
  need_connections(w.connections);
  const server_process server(path, how);
  leave_these_cpus();
  connections load(w, seconds > 0 ? w.connections : std::min(w.connections, std::size_t{64}), server.port());
  load.run(seconds / 4);
  load.latencies.clear();
  const double begin = server.cpu_seconds();
  const std::uint64_t count = load.run(seconds);
  report(std::string(name).c_str(), (server.cpu_seconds() - begin) * 1e9 / static_cast<double>(count));
  if (w.connections == 1) report("echo_1_p50", median(load.latencies));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc == 4 ? argv[2] : "";
  const auto* const found =
      std::find_if(std::begin(workloads), std::end(workloads), [&](auto& w) { return w.name == name; });
  if (found == std::end(workloads) && name != "idle_9900" && name != "tail_64" && name != "tcp_churn" &&
      name != "echo_64_scaling") {
    std::fprintf(stderr, "usage: %s SERVER NAME SECONDS\n", argv[0]);
    return 2;
  }
  const double seconds = std::strtod(argv[3], nullptr);
  try {
    if (name == "idle_9900") {
      idle_9900(argv[1], seconds);
    } else if (name == "tail_64") {
      tail_64(argv[1], seconds);
    } else if (name == "tcp_churn") {
      tcp_churn(argv[1], seconds);
    } else if (name == "echo_64_scaling") {
      constexpr workload w{"echo_64_scaling", 64, 64, 1};
      measure(w, "echo_64_1_worker", argv[1], "--serve", seconds);
      measure(w, "echo_64_2_workers", argv[1], "--serve-2", seconds);
    } else {
      measure(*found, found->name, argv[1], "--serve", seconds);
    }
  } catch (const cannot& e) {
    std::printf("cannot %s\n", e.what());
  }
  return 0;
}
