// Rung 22: a busy server to look at. Open http://127.0.0.1:7322/ in a browser while it runs.
//
// One line, `sennit::inspector page;`, is all that a program needs for it. What there is to be seen: clients that talk
// to a server over sockets, a crowd that waits at one event, a queue behind a mutex, a stage of workers on a channel,
// and now and then somebody who computes for too long. With --deadlock two fibers wait for each other.
//
//   22_inspector --port 7322
#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <mutex>

#include <sennit/inspector.hpp>
#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;

void echo(sennit::tcp_stream s) {
  std::array<std::byte, 512> buffer;
  while (const std::size_t n = s.read_some(buffer)) s.write_all(std::span(buffer).first(n));
}

void client(const sennit::endpoint& server, std::chrono::milliseconds pause) {
  auto s = sennit::tcp_stream::connect(server);
  std::array<std::byte, 64> message{};
  for (;;) {
    s.write_all(message);
    s.read_exact(message);
    sennit::this_fiber::sleep_for(pause);
  }
}

/// Takes what all want, and keeps it for a while.
void librarian(sennit::mutex& book) {
  for (;;) {
    const std::lock_guard lock(book);
    sennit::this_fiber::sleep_for(20ms);
  }
}

void compute(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {}
}

void deadlock() {
  struct shared {
    sennit::mutex a, b;
    sennit::barrier<> both{2};
  };
  auto* const s = new shared;  // never destroyed: they never end
  const auto take = [s](sennit::mutex& first, sennit::mutex& second) {
    sennit::go({.name = "hopeless"}, [&first, &second, s] {
      const std::lock_guard one(first);
      s->both.arrive_and_wait();
      const std::lock_guard other(second);
    });
  };
  take(s->a, s->b);
  take(s->b, s->a);
}

}  // namespace

int main(int argc, char** argv) try {
  example::command_line cli("A busy server with an inspector.", 7322);
  bool hopeless = false;
  cli.add_flag("--deadlock", hopeless, "two fibers wait for each other");
  cli.parse(argc, argv);

  example::stop_signal stop;
  const sennit::inspector page(cli.address());
  std::cout << "listening on " << page.local_endpoint() << std::endl;
  sennit::run(cli.runtime_options(), [&] {
    sennit::scope all(sennit::on_exception::log);
    sennit::tcp_server server("127.0.0.1:0", echo);
    for (int i = 0; i < 50; ++i)
      all.spawn({.name = "client"}, [&, i] { client(server.local_endpoint(), std::chrono::milliseconds(1 + i)); });
    sennit::event never_set;
    for (int i = 0; i < 1000; ++i) all.spawn({.name = "crowd"}, [&] { never_set.wait(); });
    sennit::mutex book;
    for (int i = 0; i < 5; ++i) all.spawn({.name = "reader"}, [&] { librarian(book); });
    sennit::channel<int> jobs(16);
    for (int i = 0; i < 4; ++i) {
      all.spawn({.name = "stage"}, [&] {
        while (const auto job = jobs.receive()) compute(std::chrono::milliseconds(*job));
      });
    }
    all.spawn({.name = "producer"}, [&] {
      for (int i = 1;; ++i) {
        jobs.send(i % 200 == 0 ? 60 : 1);  // one of them is too long
        sennit::this_fiber::sleep_for(5ms);
      }
    });
    if (hopeless) deadlock();
    std::cout << "stopping on " << stop.wait() << std::endl;
    all.request_stop();
    all.join();
    if (hopeless) std::_Exit(0);  // those two never end
  });
} catch (const std::exception& e) {
  std::cerr << "22_inspector: " << e.what() << '\n';
  return 1;
}
