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

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&](boost::system::error_code e, tcp::socket socket) {
    if (e) bench::fail("accept");
    std::make_shared<session>(std::move(socket))->read();
    accept(acceptor);
  });
}

void serve() {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  acceptor.listen(4096);
  bench::say_port(acceptor.local_endpoint().port());
  accept(acceptor);
  context.run();
}

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "Boost.Asio " BOOST_LIB_VERSION ", callbacks (g++ " __VERSION__ ")", {}, serve);
}
