// The floors of the I/O workloads: what their users would write by hand, a loop over one epoll set.
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "common/load.hpp"
#include "common/program.hpp"
#include "floor/epoll_set.hpp"
#if defined(BENCH_TLS)
#include "common/tls_load.hpp"
#endif

namespace {

using namespace bench;

/// Runs serve(socket) under the load, on threads of its own with a socket each, and reports their CPU time.
template <class Load, class Serve>
void measure_loops(unsigned threads, const char* name, int type, double seconds, double operations, Serve&& serve) {
  const auto load = load_process::of<Load>();
  std::uint16_t port = 0;
  std::vector<std::jthread> servers;
  for (unsigned i = 0; i < threads; ++i) {
    const int fd = type == SOCK_STREAM ? listening_socket(port) : local_socket(type, port, false);
    port = local_port(fd);
    servers.emplace_back([&, fd] { serve(fd); });
  }
  load.connect(port);
  measure_server(name, seconds, operations, load);
  load.end();
}

void udp_echo(double seconds) {
  measure_loops<udp_load>(1, "udp_echo", SOCK_DGRAM, seconds, 1, [](int fd) {
    static constexpr std::size_t batch = 64;
    std::array<std::array<std::byte, 256>, batch> bytes;
    std::array<iovec, batch> parts;
    std::array<sockaddr_in, batch> from;
    std::array<mmsghdr, batch> messages{};
    const epoll_set set;
    set.add(fd, nullptr);
    set.serve([&](void*) {
      for (std::size_t i = 0; i < batch; ++i) {
        parts[i] = {bytes[i].data(), bytes[i].size()};
        messages[i].msg_hdr = {&from[i], sizeof from[i], &parts[i], 1, nullptr, 0, 0};
      }
      const int count = ::recvmmsg(fd, messages.data(), batch, MSG_DONTWAIT, nullptr);
      if (count < 0) return errno == EAGAIN;
      for (int i = 0; i < count; ++i) {
        auto& m = messages[static_cast<std::size_t>(i)];
        if (m.msg_len == 0) return false;
        m.msg_hdr.msg_iov->iov_len = m.msg_len;
      }
      return ::sendmmsg(fd, messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT) == count;
    });
  });
}

/// Answers each connection's one byte, and closes it. After one that says 'q' all of the loops end, by `over`.
void answer_once(int listener, int over) {
  const auto data = [](int fd) { return reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)); };
  ::fcntl(listener, F_SETFL, O_NONBLOCK);
  const epoll_set set;
  set.add(listener, data(listener));
  set.add(over, data(over));
  set.serve([&](void* event) {
    if (event == data(over)) return false;
    if (event != data(listener)) {
      const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(event));
      char said = 0;
      if (::recv(fd, &said, 1, 0) != 1) fail("recv");
      ::send(fd, &said, 1, MSG_NOSIGNAL);
      ::close(fd);
      if (said == 'q') ::eventfd_write(over, 1);
      return true;
    }
    for (;;) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return errno == EAGAIN;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      set.add(fd, data(fd));
    }
  });
}

void accept_by(unsigned threads, const char* name, double seconds) {
  const int over = ::eventfd(0, EFD_CLOEXEC);
  measure_loops<churn_load>(threads, name, SOCK_STREAM, seconds, churn_load::at_a_time,
                            [&](int listener) { answer_once(listener, over); });
}

void tcp_accept(double seconds) {
  accept_by(1, "tcp_accept_1_worker", seconds);
  accept_by(2, "tcp_accept_2_workers", seconds);
}

void file_read_4k(double seconds) {
  const cached_file file;
  measure("file_read_4k", seconds, 1, [&](std::uint64_t n) {
    alignas(4096) std::array<std::byte, cached_file::block> into;
    for (std::uint64_t i = 0; i < n; ++i) {
      must_move(::pread(file.fd, into.data(), into.size(), static_cast<off_t>(cached_file::offset(i))), into.size());
    }
  });
}

#if defined(BENCH_TLS)
void tls_echo(double seconds) {
  const tls_identity identity = make_identity();
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_read_ahead(context, 1);
  const auto read = [](const std::string& pem, auto&& f) {
    BIO* const in = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    auto* const made = f(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    return made;
  };
  SSL_CTX_use_certificate(context, read(identity.certificate, PEM_read_bio_X509));
  SSL_CTX_use_PrivateKey(context, read(identity.key, PEM_read_bio_PrivateKey));
  measure_loops<tls_load>(1, "tls_echo", SOCK_STREAM, seconds, tls_load::connections, [&](int listener) {
    const epoll_set set;
    for (std::size_t i = 0; i < tls_load::connections; ++i) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      SSL* const ssl = SSL_new(context);
      SSL_set_fd(ssl, fd);
      if (SSL_accept(ssl) != 1) fail("no TLS handshake");
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
      set.add(fd, ssl);
    }
    std::size_t left = tls_load::connections;
    std::array<char, 4096> bytes;
    set.serve([&](void* data) {
      auto* const ssl = static_cast<SSL*>(data);
      do {
        const int n = SSL_read(ssl, bytes.data(), static_cast<int>(bytes.size()));
        if (n > 0) {
          if (SSL_write(ssl, bytes.data(), n) != n) fail("SSL_write");
        } else if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ) {
          ::close(SSL_get_fd(ssl));
          SSL_free(ssl);
          return --left > 0;
        }
      } while (SSL_pending(ssl) > 0);
      return true;
    });
  });
}
#endif

constexpr benchmark benchmarks[] = {
    {"udp_echo", udp_echo},
    {"tcp_accept", tcp_accept},
    {"file_read_4k", file_read_4k},
#if defined(BENCH_TLS)
    {"tls_echo", tls_echo},
#endif
};

/// One buffer for all connections, and 64 bytes for an idle one, which any server has.
void echo_loop(int listener, bool idle) {
  const auto data = [](int fd) { return reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)); };
  const epoll_set set;
  set.add(listener, data(listener));
  std::array<std::byte, echo_buffer> bytes;
  std::vector<std::unique_ptr<std::array<char, 64>>> sessions;
  set.serve([&](void* event) {
    const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(event));
    if (fd == listener) {
      const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      const int on = 1;
      ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      set.add(accepted, data(accepted));
      if (idle) sessions.push_back(std::make_unique<std::array<char, 64>>());
      return true;
    }
    const auto n = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (n > 0) {
      must_move(::send(fd, bytes.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL), static_cast<std::size_t>(n));
    } else {
      ::close(fd);
    }
    return true;
  });
}

}  // namespace

/// The server of the group echo: a listener and a loop for each thread, of which this is the last.
void serve_echo(bool idle, unsigned threads) {
  std::uint16_t port = 0;
  const auto listener = [&] {
    const int fd = listening_socket(port);
    port = local_port(fd);
    return fd;
  };
  std::vector<std::jthread> others;
  while (--threads > 0) others.emplace_back(echo_loop, listener(), idle);
  const int mine = listener();
  say_port(port);
  echo_loop(mine, idle);
}

/// The server of tcp_churn.
void serve_churn() {
  const int listener = listening_socket(0);
  say_port(local_port(listener));
  answer_once(listener, ::eventfd(0, EFD_CLOEXEC));
}

std::span<const bench::benchmark> bench::io_benchmarks() { return benchmarks; }
