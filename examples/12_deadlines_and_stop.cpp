// Rung 12: what ends a wait early: a deadline, a stop, a token.
//
// - scope(deadline) bounds every wait of every fiber inside, however deep; nobody passes a context along. Of nested
//   deadlines the tightest wins.
// - scope::request_stop() reaches the same waits (an "ambient" stop): they throw operation_canceled.
// - A stop_token ends the waits that it is handed to, and no others, as with std::jthread.
//
// Who is ended throws, so the stack unwinds and destructors run. Cleanup that must wait itself, such as a goodbye to
// the other side, belongs under a shield. A mutex is not on the list: lock() throws for nobody.
#include <array>
#include <chrono>
#include <functional>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

/// What ended a wait. (Only a demonstration catches a stop: other code lets it through.)
std::string ended_by(const std::function<void()>& wait) {
  try {
    wait();
    return "itself";
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::operation_canceled) return "stop";
    if (e.code() == sennit::error::deadline_passed) return "deadline";
    throw;
  }
}

struct wait_for_nothing {
  std::string name;
  std::function<void(const sennit::stop_token&)> wait;
};

/// Starts all waits in one scope, then ends them by `end`; says what each of them met.
std::vector<std::string> end_all(const std::vector<wait_for_nothing>& waits, sennit::scope::options options,
                                 const sennit::stop_token& token, const std::function<void(sennit::scope&)>& end) {
  std::vector<std::string> ends(waits.size());
  sennit::scope s(options);
  for (std::size_t i = 0; i < waits.size(); ++i) s.spawn([&, i] { ends[i] = ended_by([&] { waits[i].wait(token); }); });
  end(s);
  s.join();
  return ends;
}

void table() {
  sennit::channel<int> empty;
  auto listener = sennit::tcp_listener::bind("127.0.0.1:0");
  auto client = sennit::tcp_stream::connect(listener.local_endpoint());
  const auto silent = listener.accept();
  std::array<std::byte, 16> buffer;
  const std::vector<wait_for_nothing> waits = {
      {"channel.receive", [&](const auto& stop) { empty.receive(stop); }},
      {"sleep_for", [&](const auto& stop) { sennit::this_fiber::sleep_for(1h, stop); }},
      {"stream.read_some", [&](const auto& stop) { client.read_some(buffer, stop); }},
  };
  sennit::stop_source source;
  const auto nothing = [](sennit::scope&) {};
  const auto late = end_all(waits, {.deadline = clock_type::now() + 20ms}, {}, nothing);
  const auto stopped = end_all(waits, {}, {}, [](sennit::scope& s) { s.request_stop(); });
  const auto told = end_all(waits, {}, source.get_token(), [&](sennit::scope&) { source.request_stop(); });

  std::cout << std::left << std::setw(18) << "" << std::setw(18) << "scope(deadline)" << std::setw(18)
            << "request_stop()" << "stop_token" << '\n';
  for (std::size_t i = 0; i < waits.size(); ++i)
    std::cout << std::setw(18) << waits[i].name << std::setw(18) << late[i] << std::setw(18) << stopped[i] << told[i]
              << '\n';
}

/// Sleeps for an hour inside two scopes that allow less.
void tightest_wins(std::chrono::milliseconds outer_time, std::chrono::milliseconds inner_time) {
  const auto start = clock_type::now();
  sennit::scope outer(start + outer_time);
  outer.spawn([&] {
    sennit::scope inner(start + inner_time);
    const auto what = ended_by([] { sennit::this_fiber::sleep_for(1h); });
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_type::now() - start);
    std::cout << "outer " << outer_time.count() << " ms, inner " << inner_time.count() << " ms: " << what << " after "
              << took.count() << " ms" << '\n';
  });
  outer.join();
}

/// A session that says goodbye, though the peer takes its time and the session itself has been stopped.
void goodbye() {
  sennit::channel<std::string> peer;
  sennit::scope s;
  s.spawn([&] {
    const auto what = ended_by([] { sennit::this_fiber::sleep_for(1h); });
    const auto again = ended_by([] { sennit::this_fiber::sleep_for(1ms); });  // each later wait meets the stop again
    const sennit::shield cleanup;  // until the end of this block no stop and no deadline of the scope reaches it
    sennit::this_fiber::sleep_for(1ms);
    peer.send("goodbye: ended by " + what + ", again by " + again + ", then shielded");
  });
  s.request_stop();
  const sennit::shield listening;  // request_stop() reaches the owner's own waits too
  std::cout << *peer.receive() << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
  example::command_line line("What ends a wait early.");
  line.parse(argc, argv);
  sennit::run(line.runtime_options(), [] {
    table();
    tightest_wins(10s, 20ms);
    tightest_wins(20ms, 10s);
    goodbye();
  });
} catch (const std::exception& e) {
  std::cerr << "12_deadlines_and_stop: " << e.what() << '\n';
  return 1;
}
