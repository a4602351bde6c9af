// Rung 11: many channels: a chain of filters, and select.
//
//   2, 3, 4, ... --> not by 2 --> not by 3 --> not by 5 --> ...      the sieve: what leaves a filter first is prime
//
//   ant --\                                                          fan-in: whoever has something to say is heard;
//   bee ---> merge        quit                                       select takes what is ready, at random if several
//   cat --/ <--------------/                                         are, and does exactly one thing
//
// A channel without capacity is a rendezvous: a send waits for its receive. A select waits for several things at once.
// The merger's cases are known at run time only, so they are any_cases in a vector, made once and used for each
// message. A producer selects too: either it gets rid of its message or it is told to quit, so that it cannot be stuck
// in a send that nobody receives.
//
//   11_channels_select --count 1000 --messages 12
#include <deque>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

std::vector<int> first_primes(std::size_t count) {
  std::deque<sennit::channel<int>> pipes;  // before the scope: they outlive the fibers
  sennit::scope sieve;
  sennit::channel<int>* in = &pipes.emplace_back();
  sieve.spawn([out = in] {
    for (int n = 2;; ++n) out->send(n);
  });
  std::vector<int> primes;
  while (primes.size() < count) {
    const int prime = *in->receive();
    primes.push_back(prime);
    sennit::channel<int>* const out = &pipes.emplace_back();
    sieve.spawn([in, out, prime] {
      for (const int n : *in)
        if (n % prime != 0) out->send(n);
    });
    in = out;
  }
  return primes;  // the end of the scope stops all of them, wherever they wait
}

/// Numbers its messages, until `quit` is set. Returns how many were taken.
int produce(const std::string& name, sennit::channel<std::string>& out, sennit::event& quit) {
  int sent = 0;
  for (bool quitting = false; !quitting;)
    sennit::select(sennit::on_send(out, name + " " + std::to_string(sent + 1), [&] { ++sent; }),
                   sennit::on_event(quit, [&] { quitting = true; }));
  return sent;
}

void fan_in(const std::vector<std::string>& names, int wanted) {
  std::deque<sennit::channel<std::string>> channels;
  std::vector<sennit::any_case> cases;
  std::vector<sennit::child<int>> sent;
  sennit::event quit;
  sennit::scope producers;
  for (const auto& name : names) {
    auto& ch = channels.emplace_back();
    sent.push_back(producers.spawn(produce, name, std::ref(ch), std::ref(quit)));
    cases.emplace_back(sennit::on_receive(ch, [](std::optional<std::string> text) { std::cout << *text << '\n'; }));
  }
  for (int heard = 0; heard < wanted; ++heard) sennit::select(cases);

  quit.set();
  int total = 0;
  for (auto& count : sent) total += count.get();
  producers.join();
  std::cout << "heard " << wanted << ", sent " << total << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
  std::size_t count = 25;
  int messages = 12;
  example::command_line line("A prime sieve and a fan-in.");
  line.add("--count", count, "how many primes");
  line.add("--messages", messages, "how many messages to hear");
  line.parse(argc, argv);

  sennit::run(line.runtime_options(), [&] {
    for (const int prime : first_primes(count)) std::cout << prime << ' ';
    std::cout << '\n';
    fan_in({"ant", "bee", "cat"}, messages);
  });
} catch (const std::exception& e) {
  std::cerr << "11_channels_select: " << e.what() << '\n';
  return 1;
}
