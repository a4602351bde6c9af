// Rung 3: sleeping fibers cost no thread.
//
// Each fiber sleeps as many milliseconds as its number says, then prints the number: they come out sorted, by one
// worker thread, which itself sleeps in the kernel until the next one is due. All of it takes as long as the longest
// sleep.
#include <chrono>
#include <iostream>
#include <vector>

#include <sennit/sennit.hpp>

int main() {
  using clock = std::chrono::steady_clock;
  const std::vector<int> numbers{300, 100, 250, 50, 200, 150};

  sennit::run({.workers = 1}, [&] {
    const auto start = clock::now();
    std::vector<sennit::fiber> sleepers;
    for (const int number : numbers)
      sleepers.emplace_back([=] {
        sennit::this_fiber::sleep_until(start + std::chrono::milliseconds(number));
        std::cout << number << std::endl;
      });
    for (auto& sleeper : sleepers) sleeper.join();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - start);
    std::cout << "took " << took.count() << " ms" << std::endl;
  });
}
