// Rung 8b: many requests at once, each written as though it were the only one.
//
// Compare with rung 0: there a table and an event loop, here a function that connects, sends, and reads to the end
// (support/http_get.hpp), and a fiber for each call. The requests wait together, so the total time is the longest
// delay, not the sum of all.
//
//   08_delay_server --port 7008 &   then   08b_delay_client --port 7008 --requests 1000
#include <chrono>
#include <iostream>
#include <string>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/http_get.hpp"

int main(int argc, char** argv) try {
  using std::chrono::milliseconds;
  int requests = 100;
  int longest = 1000;
  example::command_line line("Sends many delayed requests at the same time.", 7008);
  line.add("--requests", requests, "how many");
  line.add("--longest", longest, "the longest delay in ms; the others are spread below it");
  line.parse(argc, argv);

  sennit::run(line.runtime_options(), [&] {
    const auto start = std::chrono::steady_clock::now();
    milliseconds sum{0};
    sennit::channel<std::string> answers{sennit::unbounded};

    sennit::scope all;  // the first failure stops the others and is thrown by join()
    for (int i = 1; i <= requests; ++i) {
      const milliseconds delay{static_cast<long long>(longest) * i / requests};
      sum += delay;
      all.spawn([&answers, delay, i, server = line.address()] {
        const auto message = "request-" + std::to_string(i);
        const auto path = "/" + std::to_string(delay.count()) + "/" + message;
        if (http::get(server, path, delay + std::chrono::seconds(30)) != message)
          throw std::runtime_error("the answer belongs to somebody else");
        answers.send(message);
      });
    }
    all.join();
    const auto total = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
    std::cout << answers.size() << " answers; total " << total.count() << " ms, longest delay " << longest
              << " ms, sum of delays " << sum.count() << " ms" << '\n';
  });
} catch (const std::exception& e) {
  std::cerr << "08b_delay_client: " << e.what() << '\n';
  return 1;
}
