// Built against an installed sennit: a result, and an exception of the standard library's, come out of fibers.
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include <sennit/sennit.hpp>

int main() {
  const int sum = sennit::run([] {
    int total = 0;
    sennit::fiber adder([&] { total += 40; });
    adder.join();
    sennit::fiber thrower([] { throw std::runtime_error("from a fiber"); });
    try {
      thrower.join();
    } catch (const std::runtime_error&) {
      ++total;
    }
    try {
      sennit::tcp_listener::bind("not an endpoint");
    } catch (const std::system_error&) {
      ++total;
    }
    return total;
  });
  std::printf("consumer: %d of 42\n", sum);
  return sum == 42 ? 0 : 1;
}
