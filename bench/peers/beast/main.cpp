// Boost.Beast's HTTP on Asio's callbacks, on one thread. Workloads: bench/groups.py; command line:
// bench/peers/README.md.
#include <boost/beast.hpp>

#include <memory>
#include <utility>

#include "common/http.hpp"
#include "common/program.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

class session : public std::enable_shared_from_this<session> {
 public:
  explicit session(tcp::socket&& socket) : stream_(std::move(socket)) {
    stream_.socket().set_option(tcp::no_delay(true));
  }

  void read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_, [self = shared_from_this()](error_code e, std::size_t) {
      if (!e) self->answer();
    });
  }

 private:
  void answer() {
    const bool found = request_.method() == http::verb::get && request_.target() == "/";
    response_ = {found ? http::status::ok : http::status::not_found, request_.version()};
    response_.set(http::field::content_type, beast::string_view(bench::http_type.data(), bench::http_type.size()));
    response_.keep_alive(request_.keep_alive());
    if (found) response_.body() = bench::http_body;
    response_.prepare_payload();
    http::async_write(stream_, response_, [self = shared_from_this()](error_code e, std::size_t) {
      if (!e && !self->response_.need_eof()) self->read();
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request<http::empty_body> request_;
  http::response<http::string_body> response_;
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&](error_code e, tcp::socket socket) {
    if (e) bench::fail("accept");
    std::make_shared<session>(std::move(socket))->read();
    accept(acceptor);
  });
}

void serve_http() {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  acceptor.listen(4096);
  bench::say_port(acceptor.local_endpoint().port());
  accept(acceptor);
  context.run();
}

constexpr bench::server servers[] = {{"--serve-http", bench::http_names, serve_http}};

}  // namespace

int main(int argc, char** argv) {
  return bench::program(argc, argv, "Boost.Beast " BOOST_LIB_VERSION ", callbacks (g++ " __VERSION__ ")", {}, servers);
}
