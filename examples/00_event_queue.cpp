// Rung 0: what everything else stands on. One thread, no fibers, five connections.
//
// The kernel can watch many descriptors at once: register each with a token, then poll() says which are ready. So one
// thread sends five requests to a server that answers late, the slowest first, and prints the answers as they come: in
// the order of the delays, not of the requests. The price is that the program is turned inside out: what belongs to one
// conversation must be kept in a table between its events. Rung 8b does the same work with fibers, and there it reads
// from top to bottom again.
//
//   00_event_queue                 brings its own server, on plain threads
//   00_event_queue --port 7008     talks to 08_delay_server
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/event_queue.hpp>
#include <sennit/tcp.hpp>

#include "support/cli.hpp"
#include "support/delay_routes.hpp"
#include "support/http_session.hpp"
#include "support/jthread.hpp"

namespace {

using namespace std::chrono_literals;

struct conversation {
  sennit::tcp_stream stream;
  std::string answer = {};
};

/// A delay server the classic way: one thread per connection, as many connections as we are going to make.
class thread_server {
 public:
  explicit thread_server(int connections) {
    thread_ = example::jthread([this, connections] {
      std::vector<example::jthread> sessions;
      for (int i = 0; i < connections; ++i)
        sessions.emplace_back([this, stream = listener_.accept()]() mutable {
          http::serve(stream, [this](const http::request& asked) { return http::dispatch(routes_, asked); });
        });
    });
  }
  [[nodiscard]] sennit::endpoint address() const { return listener_.local_endpoint(); }

 private:
  sennit::tcp_listener listener_ = sennit::tcp_listener::bind("127.0.0.1:0");
  http::router routes_ = example::delay_routes();
  example::jthread thread_;  // last: it ends before what it uses
};

void send_text(sennit::tcp_stream& stream, const std::string& text) {
  stream.write_all(std::as_bytes(std::span(text)));
}

}  // namespace

int main(int argc, char** argv) try {
  example::command_line line("Five delayed requests on one thread, by hand.", 7008);
  line.parse(argc, argv);
  constexpr std::array delays{500ms, 400ms, 300ms, 200ms, 100ms};

  std::unique_ptr<thread_server> own_server;
  if (!line.port_given()) own_server = std::make_unique<thread_server>(static_cast<int>(delays.size()));
  const auto server = own_server ? own_server->address() : line.address();

  sennit::event_queue queue;
  std::vector<conversation> table;
  for (std::size_t i = 0; i < delays.size(); ++i) {
    auto& c = table.emplace_back(sennit::tcp_stream::connect(server));
    send_text(c.stream, "GET /" + std::to_string(delays[i].count()) + "/request-" + std::to_string(i + 1) +
                            " HTTP/1.1\r\nHost: delay\r\nConnection: close\r\n\r\n");
    queue.add(c.stream.native_handle(), i, sennit::interest::readable);  // the token: which line of the table
  }

  for (std::size_t open = table.size(); open > 0;) {
    std::array<sennit::event_queue::event, 8> events;
    const std::size_t ready = queue.poll(events, 5s);
    if (ready == 0) throw std::system_error(make_error_code(std::errc::timed_out), "the server does not answer");
    for (const auto& event : std::span(events).first(ready)) {
      auto& c = table[event.token];
      std::array<std::byte, 1024> buffer;
      const std::size_t count = c.stream.read_some(buffer);  // it is ready: this does not wait
      if (count > 0) {
        c.answer.append(reinterpret_cast<const char*>(buffer.data()), count);
        continue;  // level-triggered: what is still unread is reported again
      }
      queue.remove(c.stream.native_handle());  // the end of the stream, and so of the answer
      c.stream.close();
      std::cout << c.answer.substr(c.answer.find("\r\n\r\n") + 4) << std::endl;
      --open;
    }
  }
  return 0;
} catch (const std::exception& e) {
  std::cerr << "00_event_queue: " << e.what() << '\n';
  return 1;
}
