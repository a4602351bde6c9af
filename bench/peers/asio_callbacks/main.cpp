// Boost.Asio's echo with callbacks, on one thread. Workloads: bench/groups.py; command line: bench/peers/README.md.
#include <boost/asio.hpp>

#include <array>
#include <memory>
#include <utility>

#include "common/program.hpp"

namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

class session : public std::enable_shared_from_this<session> {
 public:
  explicit session(tcp::socket&& socket) : socket_(std::move(socket)) { socket_.set_option(tcp::no_delay(true)); }

  void read() {
    socket_.async_read_some(asio::buffer(bytes_),
                            [self = shared_from_this()](boost::system::error_code e, std::size_t n) {
                              if (!e) self->write(n);
                            });
  }

 private:
  void write(std::size_t count) {
    asio::async_write(socket_, asio::buffer(bytes_, count),
                      [self = shared_from_this()](boost::system::error_code e, std::size_t) {
                        if (!e) self->read();
                      });
  }

  tcp::socket socket_;
  std::array<char, bench::echo_buffer> bytes_;
};

/// Waits without a buffer: reads and writes at once what is there, from one buffer for all.
class idle_session : public std::enable_shared_from_this<idle_session> {
 public:
  explicit idle_session(tcp::socket&& socket) : socket_(std::move(socket)) {
    socket_.set_option(tcp::no_delay(true));
    socket_.non_blocking(true);
  }

  void read() {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](boost::system::error_code e) {
      if (!e) self->echo();
    });
  }

 private:
  void echo() {
    static std::array<char, bench::echo_buffer> bytes;
    boost::system::error_code e;
    const std::size_t n = socket_.read_some(asio::buffer(bytes), e);
    if (e == asio::error::would_block) return read();
    if (e) return;
    if (socket_.write_some(asio::buffer(bytes, n), e) != n) bench::fail("more than the socket takes");
    read();
  }

  tcp::socket socket_;
};

/// One byte, and its answer.
class churn_session : public std::enable_shared_from_this<churn_session> {
 public:
  explicit churn_session(tcp::socket&& socket) : socket_(std::move(socket)) { socket_.set_option(tcp::no_delay(true)); }

  void read() {
    asio::async_read(socket_, asio::buffer(&said_, 1),
                     [self = shared_from_this()](boost::system::error_code e, std::size_t) {
                       if (!e) self->write();
                     });
  }

 private:
  void write() {
    asio::async_write(socket_, asio::buffer(&said_, 1),
                      [self = shared_from_this()](boost::system::error_code, std::size_t) {});
  }

  tcp::socket socket_;
  char said_ = 0;
};

template <class Session>
void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&](boost::system::error_code e, tcp::socket socket) {
    if (e) bench::fail("accept");
    std::make_shared<Session>(std::move(socket))->read();
    accept<Session>(acceptor);
  });
}

template <class Session>
void serve() {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  acceptor.listen(4096);
  bench::say_port(acceptor.local_endpoint().port());
  accept<Session>(acceptor);
  context.run();
}

constexpr bench::server servers[] = {
    {"--serve", bench::echo_names, serve<session>},
    {"--serve-idle", bench::idle_names, serve<idle_session>},
    {"--serve-churn", bench::churn_names, serve<churn_session>},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "Boost.Asio " BOOST_LIB_VERSION ", callbacks (g++ " __VERSION__ ")", {}, servers);
}
