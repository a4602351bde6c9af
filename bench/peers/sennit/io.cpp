// sennit's side of the I/O workloads.
#include <sennit/sennit.hpp>

#include "common/load.hpp"
#include "common/program.hpp"
#if defined(BENCH_TLS)
#include <sennit/tls.hpp>

#include "common/tls_load.hpp"
#endif

namespace {

using namespace bench;

/// Runs serve(socket) in a fiber under the load, and reports the CPU time of the runtime.
template <class Load, class Socket, class Serve>
void measure_fiber(const char* name, double seconds, double operations, Serve&& serve) {
  const auto load = load_process::of<Load>();
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    Socket socket = Socket::bind("127.0.0.1:0");
    sennit::fiber server([&] { serve(socket); });
    sennit::blocking([&] {
      load.connect(socket.local_endpoint().port());
      measure_server(name, seconds, operations, load);
      load.end();
    });
    server.join();
  });
}

void udp_echo(double seconds) {
  measure_fiber<udp_load, sennit::udp_socket>("udp_echo", seconds, 1, [](sennit::udp_socket& socket) {
    static constexpr std::size_t batch = 64;
    std::array<std::array<std::byte, 256>, batch> bytes;
    std::array<sennit::incoming_datagram, batch> in;
    std::array<sennit::outgoing_datagram, batch> out;
    for (std::size_t i = 0; i < batch; ++i) in[i].room = bytes[i];
    for (;;) {
      const std::size_t count = socket.receive_batch(in);
      for (std::size_t i = 0; i < count; ++i) {
        if (in[i].got.size == 0) return;
        out[i] = {in[i].data(), in[i].from};
      }
      socket.send_batch(std::span(out).first(count));
    }
  });
}

void accept_by(const char* name, double seconds, unsigned workers) {
  const auto load = load_process::of<churn_load>();
  sennit::run({.workers = workers, .stall_threshold = {}}, [&] {
    sennit::tcp_server server("127.0.0.1:0", [](sennit::tcp_stream stream) {
      std::array<std::byte, 1> said;
      stream.read_exact(said);
      stream.write_all(said);
    });
    sennit::blocking([&] {
      load.connect(server.local_endpoint().port());
      measure_server(name, seconds, churn_load::at_a_time, load);
      load.end();
    });
    server.stop(std::chrono::seconds(1));
  });
}

void tcp_accept(double seconds) {
  accept_by("tcp_accept_1_worker", seconds, 1);
  accept_by("tcp_accept_2_workers", seconds, 2);
}

void file_read_4k(double seconds) {
  const cached_file cached;
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    auto file = sennit::file::adopt(::dup(cached.fd), "cached");
    measure("file_read_4k", seconds, 1, [&](std::uint64_t n) {
      alignas(4096) std::array<std::byte, cached_file::block> into;
      for (std::uint64_t i = 0; i < n; ++i) {
        if (file.read_at(into, cached_file::offset(i)) != into.size()) fail("read_at");
      }
    });
  });
}

#if defined(BENCH_TLS)
void tls_echo(double seconds) {
  const tls_identity identity = make_identity();
  const sennit::tls_context context({.certificate_pem = identity.certificate, .key_pem = identity.key});
  measure_fiber<tls_load, sennit::tcp_listener>(
      "tls_echo", seconds, tls_load::connections, [&](sennit::tcp_listener& listener) {
        sennit::scope sessions;
        for (std::size_t i = 0; i < tls_load::connections; ++i) {
          sessions.spawn([&, stream = sennit::tls_stream(listener.accept(), context)]() mutable {
            stream.handshake_as_server();
            std::array<std::byte, 4096> bytes;
            while (const std::size_t n = stream.read_some(bytes)) stream.write_all(std::span(bytes).first(n));
          });
        }
        sessions.join();
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

}  // namespace

namespace {

/// Of the one worker: a buffer for whoever has something to read.
class buffer_pool {
 public:
  using buffer = std::unique_ptr<std::array<std::byte, echo_buffer>>;

  buffer take() {
    if (free_.empty()) return std::make_unique<std::array<std::byte, echo_buffer>>();
    buffer taken = std::move(free_.back());
    free_.pop_back();
    return taken;
  }
  void give(buffer&& b) { free_.push_back(std::move(b)); }

 private:
  std::vector<buffer> free_;
};

void echo(sennit::tcp_stream& stream) {
  std::array<std::byte, echo_buffer> bytes;
  while (const std::size_t n = stream.read_some(bytes)) stream.write_all(std::span(bytes).first(n));
}

/// Waits without a buffer.
void echo(sennit::tcp_stream& stream, buffer_pool& pool) {
  for (;;) {
    sennit::wait_readable(stream.native_handle());
    auto bytes = pool.take();
    const std::size_t n = stream.read_some(*bytes);
    if (n == 0) return;
    stream.write_all(std::span(*bytes).first(n));
    pool.give(std::move(bytes));
  }
}

}  // namespace

/// The server of the group echo.
void serve_echo(bool idle) {
  buffer_pool pool;
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    auto listener = sennit::tcp_listener::bind("127.0.0.1:0");
    say_port(listener.local_endpoint().port());
    for (;;) {
      if (idle) {
        sennit::go([&, stream = listener.accept()]() mutable { echo(stream, pool); });
      } else {
        sennit::go([stream = listener.accept()]() mutable { echo(stream); });
      }
    }
  });
}

/// The server of echo_64_scaling.
void serve_echo_on_two() {
  sennit::run({.workers = 2, .stall_threshold = {}}, [] {
    sennit::tcp_server server("127.0.0.1:0", [](sennit::tcp_stream stream) { echo(stream); });
    say_port(server.local_endpoint().port());
    sennit::event().wait();
  });
}

/// The server of tcp_churn.
void serve_churn() {
  sennit::run({.workers = 1, .stall_threshold = {}}, [] {
    auto listener = sennit::tcp_listener::bind("127.0.0.1:0");
    say_port(listener.local_endpoint().port());
    for (;;) {
      sennit::go([stream = listener.accept()]() mutable {
        std::array<std::byte, 1> said;
        stream.read_exact(said);
        stream.write_all(said);
      });
    }
  });
}

std::span<const bench::benchmark> bench::io_benchmarks() { return benchmarks; }
