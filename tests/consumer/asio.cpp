// Built against an installed sennit::asio: Asio's own algorithms over a stream of sennit's.
#include <sennit/asio.hpp>

// clang-format off: after sennit/asio.hpp
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
// clang-format on

#include <cstdio>
#include <string>

#include <sennit/sennit.hpp>

int main() {
  const int right = sennit::run([] {
    auto [a, b] = sennit::unix_stream::pair();
    sennit::asio_stream left(std::move(a));
    sennit::asio_stream right(std::move(b));
    sennit::scope s;
    s.spawn([&] {
      boost::asio::write(left, boost::asio::buffer("a line\n", 7));
      left.next_layer().close();
    });
    int count = 0;
    std::string text;
    if (boost::asio::read_until(right, boost::asio::dynamic_buffer(text), '\n') == 7 && text == "a line\n") ++count;
    boost::system::error_code ec;
    boost::asio::read_until(right, boost::asio::dynamic_buffer(text), "never", ec);
    if (ec == boost::asio::error::eof) ++count;
    return count;
  });
  std::printf("consumer_asio: %d of 2\n", right);
  return right == 2 ? 0 : 1;
}
