// A program with an inspector, for inspector_test.py: it prints where that listens, and ends with its standard input.
#include <array>
#include <iostream>
#include <mutex>
#include <string>

#include <sennit/inspector.hpp>
#include <sennit/sennit.hpp>

int main() {
  const sennit::inspector page("127.0.0.1:0");
  std::cout << page.local_endpoint() << std::endl;
  sennit::run({.workers = 2, .name = "a \"<i>\" & b", .stall_threshold = std::chrono::milliseconds(20)}, [] {
    sennit::scope all;
    sennit::event over, held;
    for (int i = 0; i < 1500; ++i) all.spawn({.name = "crowd"}, [&] { over.wait(); });
    all.spawn({.name = "<img src=x onerror="}, [&] { over.wait(); });
    sennit::mutex book;
    all.spawn({.name = "holder"}, [&] {
      const std::lock_guard lock(book);
      held.set();
      over.wait();
    });
    held.wait();
    all.spawn({.name = "wanter"}, [&] { const std::lock_guard lock(book); });
    all.spawn({.name = "yielder"}, [&] {
      while (!over.is_set()) sennit::this_fiber::yield();
    });
    auto input = sennit::standard_input();
    std::array<std::byte, 16> some;
    while (input.read_some(some) != 0) {}
    over.set();
    all.join();
  });
}
