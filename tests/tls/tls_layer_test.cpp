// tls_stream over streams that sennit does not know, and beside another implementation of TLS: OpenSSL by itself.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <deque>
#include <mutex>
#include <thread>

#include "tls/tls_ends.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

/// One direction of a stream in memory, for up to 1000 bytes at a time.
struct memory_pipe {
  mutex lock;
  condition_variable changed;
  std::deque<std::byte> data;
  bool closed = false;
};

/// A user's stream: what tls_below asks for, and nothing else.
class memory_stream {
 public:
  memory_stream(memory_pipe& in, memory_pipe& out) : in_(&in), out_(&out) {}

  std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& stop) {
    std::unique_lock guard(in_->lock);
    if (!wait(guard, *in_, ec, stop, [&] { return in_->closed || !in_->data.empty(); })) return 0;
    const std::size_t n = std::min(into.size(), in_->data.size());
    std::copy_n(in_->data.begin(), n, into.begin());
    in_->data.erase(in_->data.begin(), in_->data.begin() + static_cast<std::ptrdiff_t>(n));
    in_->changed.notify_all();
    return n;
  }
  std::size_t write_some(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop) {
    std::unique_lock guard(out_->lock);
    if (!wait(guard, *out_, ec, stop, [&] { return out_->closed || out_->data.size() < 1000; })) return 0;
    if (out_->closed) throw std::system_error(std::make_error_code(std::errc::broken_pipe));  // it may do so, too
    const std::size_t n = std::min(from.size(), 1000 - out_->data.size());
    out_->data.insert(out_->data.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n));
    out_->changed.notify_all();
    return n;
  }
  void expires_at(std::chrono::steady_clock::time_point t) { expiry_ = t; }
  [[nodiscard]] std::chrono::steady_clock::time_point expiry() const { return expiry_; }
  void close() {
    for (memory_pipe* p : {in_, out_}) {
      const std::lock_guard guard(p->lock);
      p->closed = true;
      p->changed.notify_all();
    }
  }

 private:
  template <class Ready>
  bool wait(std::unique_lock<mutex>& guard, memory_pipe& p, std::error_code& ec, const stop_token& stop, Ready ready) {
    if (p.changed.wait_until(guard, stop, expiry_, ready)) return true;
    ec = stop.stop_requested() ? std::make_error_code(std::errc::operation_canceled)
                               : make_error_code(error::deadline_passed);
    return false;
  }

  memory_pipe* in_;
  memory_pipe* out_;
  std::chrono::steady_clock::time_point expiry_ = std::chrono::steady_clock::time_point::max();
};

class tls_layer : public runtimes {};
INSTANTIATE_RUNTIMES(tls_layer);

TEST_P(tls_layer, over_a_stream_of_the_users_own) {
  run([] {
    memory_pipe there;
    memory_pipe back;
    auto options = client_options();
    options.handshake_timeout = 1h;
    options.shutdown_timeout = 1ms;
    tls_stream client(memory_stream(back, there), tls_context(options));
    tls_stream server(memory_stream(there, back), tls_context(server_options()));
    const bytes sent = random_bytes(300'000, 1);
    scope s;
    s.spawn([&] {
      server.handshake_as_server();
      server.write_all(sent);
    });
    client.handshake_as_client("localhost");
    EXPECT_EQ(client.next_layer().expiry(), std::chrono::steady_clock::time_point::max())
        << "the handshake's limit has gone with it";
    const auto later = std::chrono::steady_clock::now() + 1h;
    client.expires_at(later);
    EXPECT_EQ(client.next_layer().expiry(), later);
    bytes got(sent.size());
    client.read_exact(got);
    EXPECT_EQ(got, sent);
    s.join();
    std::error_code ec;
    client.shutdown(ec);
    EXPECT_EQ(ec, error::deadline_passed);
    EXPECT_EQ(client.next_layer().expiry(), later) << "so has the shutdown's";
    server.close();
    server.write_all(sent, ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    client.read_some(got, ec);
    EXPECT_EQ(ec, tls_errc::truncated);
    try {
      client.read_some(got);
      ADD_FAILURE();
    } catch (const std::system_error& e) {
      EXPECT_STREQ(e.what(), "sennit: tls read_some, host localhost: the stream was cut off: no close_notify");
    }
  });
}

TEST_P(tls_layer, over_tls) {
  run([] {
    tls_ends<unix_kind> outer;
    outer.up();
    tls_stream client(std::move(outer.client), tls_context(client_options()));
    tls_stream server(std::move(outer.server), tls_context(server_options()));
    const bytes sent = random_bytes(500'000, 1);
    scope s;
    s.spawn([&] {
      server.handshake_as_server();
      server.write_all(sent);
      server.shutdown();
    });
    client.handshake_as_client("example.test");
    EXPECT_EQ(drain_slowly(client, 5000), sent);
    client.shutdown();
    s.join();
  });
}

/// OpenSSL's own client over a descriptor that blocks: on a plain thread.
class openssl_client {
 public:
  openssl_client(unix_stream&& below, int version)
      : below_(std::move(below)), context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_.get())) {
    const int fd = below_.native_handle();
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    SSL_set_min_proto_version(ssl_.get(), version);
    SSL_set_max_proto_version(ssl_.get(), version);
    SSL_set_fd(ssl_.get(), fd);
    openssl::must(SSL_connect(ssl_.get()) == 1, "connect");
  }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  bool write(std::string_view text) { return SSL_write(ssl(), text.data(), static_cast<int>(text.size())) > 0; }
  std::string read() {
    std::string text(4096, '\0');
    const int n = SSL_read(ssl(), text.data(), static_cast<int>(text.size()));
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
  }

 private:
  unix_stream below_;
  std::unique_ptr<SSL_CTX, openssl::freed_by<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, openssl::freed_by<SSL_free>> ssl_;
};

TEST_P(tls_layer, renegotiation_is_refused) {
  run([] {
    auto raw = unix_kind::connected();
    std::thread peer([below = std::move(raw.writer)]() mutable {
      openssl_client client(std::move(below), TLS1_2_VERSION);
      EXPECT_TRUE(client.write("before"));
      EXPECT_EQ(client.read(), "before");
      EXPECT_EQ(SSL_renegotiate(client.ssl()), 1);
      // The answer comes from a server that only reads; OpenSSL's client gives up on it.
      EXPECT_NE(SSL_do_handshake(client.ssl()), 1);
      EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), SSL_R_NO_RENEGOTIATION);
    });
    tls_stream server(std::move(raw.reader), tls_context(server_options()));
    server.handshake_as_server();
    EXPECT_EQ(read_text(server, 6), "before");
    server.write_all(bytes_of("before"));
    bytes b(8);
    std::error_code ec;
    EXPECT_EQ(server.read_some(b, ec), 0U);
    EXPECT_TRUE(ec) << "no end was said";
    blocking([&] { peer.join(); });
  });
}

TEST_P(tls_layer, new_keys_are_answered_by_a_reader) {
  run([] {
    auto raw = unix_kind::connected();
    std::thread peer([below = std::move(raw.writer)]() mutable {
      openssl_client client(std::move(below), TLS1_3_VERSION);
      for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
        const std::string text = "message " + std::to_string(i);
        EXPECT_TRUE(client.write(text));
        EXPECT_EQ(client.read(), text);
      }
      SSL_shutdown(client.ssl());
    });
    tls_stream server(std::move(raw.reader), tls_context(server_options()));
    server.handshake_as_server();
    bytes b(100);
    while (const std::size_t n = server.read_some(b)) server.write_all(std::span(b).first(n));
    blocking([&] { peer.join(); });
  });
}

TEST_P(tls_layer, who_asks_for_new_keys_without_end_and_reads_nothing_is_refused) {
  run([] {
    auto raw = unix_kind::connected();
    std::thread peer([below = std::move(raw.writer)]() mutable {
      openssl_client client(std::move(below), TLS1_3_VERSION);
      bool open = true;
      while (open) open = SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1 && client.write("x");
    });
    tls_stream server(std::move(raw.reader), tls_context(server_options()));
    server.handshake_as_server();
    scope s;
    s.spawn([&] {  // answers pile up behind it
      std::error_code ec;
      const bytes much(1 << 20);
      while (!ec) server.write_all(much, ec);
    });
    bytes b(4096);
    std::error_code ec;
    while (server.read_some(b, ec) > 0) {}
    EXPECT_EQ(ec, std::errc::no_buffer_space) << ec.message();
    server.close();
    s.join();
    blocking([&] { peer.join(); });
  });
}

}  // namespace
}  // namespace sennit::test
