// The comparison's other side: one std::thread per connection, blocking sockets, default attributes.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_set>

#include "echo/blocking_stream.hpp"
#include "echo/handler.hpp"
#include "echo/server.hpp"

namespace {

/// The threads that serve. Used by the accepting thread and by each connection's own.
class connection_threads {
 public:
  /// Serves `fd` on a new thread; throws std::system_error if there is none to be had (fd is closed then).
  void start(int fd) {
    bench::blocking_stream stream(fd);
    {
      std::lock_guard lock(mutex_);
      open_.insert(fd);
    }
    try {
      std::thread([this, s = std::move(stream)]() mutable { serve(std::move(s)); }).detach();
    } catch (...) {
      std::lock_guard lock(mutex_);
      open_.erase(fd);
      throw;
    }
  }

  /// Ends every connection and waits until no thread uses this object any more.
  void stop() {
    std::unique_lock lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    empty_.wait(lock, [&] { return open_.empty(); });
  }

  std::size_t count() {
    std::lock_guard lock(mutex_);
    return open_.size();
  }

 private:
  void serve(bench::blocking_stream stream) {
    try {
      bench::echo(stream);
    } catch (const std::system_error&) {
      // The peer reset the connection: nothing is left to be said to it.
    }
    // Erased before the stream closes the descriptor, so that stop() never shuts down a number that was given anew.
    std::lock_guard lock(mutex_);
    open_.erase(stream.native_handle());
    if (open_.empty()) empty_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_set<int> open_;
};

}  // namespace

int main(int argc, char** argv) try {
  const auto options = bench::server_setup(argc, argv, "Echo server: one std::thread per connection.", 1);
  const int listener = bench::listen_on(options, false);
  // Never destroyed: the last thread still unlocks its mutex after stop() has seen it gone.
  static auto& connections = *new connection_threads;
  std::uint64_t accepted = 0;
  bench::stop_signals stop([&] { ::shutdown(listener, SHUT_RDWR); });  // wakes accept() with EINVAL
  bench::announce(options.host, bench::local_port(listener));
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      const int error = errno;
      if (error == EINVAL) break;
      if (error == EMFILE || error == ENFILE) {
        bench::report_limit("open files: accept failed at " + std::to_string(connections.count()) + " connections (" +
                            std::strerror(error) + ")");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      continue;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++accepted;
    try {
      connections.start(fd);
    } catch (const std::system_error& e) {
      bench::report_limit("threads: no more than " + std::to_string(connections.count()) + " could be started (" +
                          e.code().message() + "; see ulimit -u, kernel.threads-max, vm.max_map_count, pids.max)");
    }
  }
  connections.stop();
  bench::report_end("threads", accepted);
} catch (const std::exception& e) {
  std::fprintf(stderr, "echo_threads: %s\n", e.what());
  return 1;
}
