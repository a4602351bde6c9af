// Rung 2: two fibers take turns on one worker.
//
// A fiber is a function with a stack of its own. It runs until it gives up the worker; here by yield(), which lets the
// other one run first. Nobody interrupts it: between two yields a fiber on a single worker is alone.
#include <iostream>

#include <sennit/sennit.hpp>

int main() {
  sennit::run({.workers = 1}, [] {
    const auto count_to_five = [](const char* name) {
      for (int i = 1; i <= 5; ++i) {
        std::cout << name << ' ' << i << std::endl;
        sennit::this_fiber::yield();
      }
    };
    sennit::fiber tick(count_to_five, "tick");
    sennit::fiber tock(count_to_five, "tock");
    tick.join();
    tock.join();
  });
}
