#include "echo/server.hpp"

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "common/json.hpp"
#include "common/process.hpp"

namespace bench {
namespace {

sigset_t stop_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

server_options server_setup(int argc, char** argv, const char* description, unsigned most_workers) {
  server_options options;
  bool stop_with_parent = false;
  CLI::App app(description);
  app.add_option("--host", options.host, "IPv4 address to listen on")->capture_default_str();
  app.add_option("--port", options.port, "0 takes any free port")->capture_default_str();
  app.add_option("--workers", options.workers, "Threads that run fibers; 1 where the design has no such choice")
      ->capture_default_str()
      ->check(CLI::Range(1U, most_workers));
  app.add_flag("--stop-with-parent", stop_with_parent, "Stop when the process that started this one is gone");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  const sigset_t set = stop_set();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (stop_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  raise_open_files(1'000'000);
  return options;
}

stop_signals::stop_signals(std::function<void()> on_stop)
    : thread_([this, on_stop = std::move(on_stop)] {
        const sigset_t set = stop_set();
        int signal = 0;
        while (::sigwait(&set, &signal) != 0) continue;
        if (!over_.load(std::memory_order_acquire)) on_stop();
      }) {}

stop_signals::~stop_signals() {
  over_.store(true, std::memory_order_release);
  ::pthread_kill(thread_.native_handle(), SIGTERM);  // still joinable, so the handle is valid even if it has ended
  thread_.join();
}

int listen_on(const server_options& options, bool non_blocking) {
  const auto fail = [&](const std::string& what) -> int {
    throw std::system_error(errno, std::generic_category(),
                            what + ' ' + options.host + ':' + std::to_string(options.port));
  };
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (::inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1) {
    errno = EINVAL;
    return fail("not an IPv4 address:");
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0), 0);
  if (fd < 0) return fail("socket for");
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail("bind to");
  if (::listen(fd, SOMAXCONN) != 0) return fail("listen on");
  return fd;
}

std::uint16_t local_port(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

void announce(const std::string& host, std::uint16_t port) {
  std::printf("listening on %s:%u\n", host.c_str(), unsigned{port});
  std::fflush(stdout);
}

void report_limit(const std::string& text) {
  static std::atomic<bool> told = false;
  if (told.exchange(true, std::memory_order_relaxed)) return;
  std::printf("limit: %s\n", text.c_str());
  std::fflush(stdout);
}

void report_end(const char* server, std::uint64_t accepted) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  json_object json;
  json.add("server", server).add("accepted", accepted);
  json.add("user_s", seconds(used.ru_utime)).add("system_s", seconds(used.ru_stime));
  std::printf("%s\n", json.str().c_str());
  std::fflush(stdout);
}

}  // namespace bench
