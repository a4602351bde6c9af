// A program with fibers in all states, for fibers_test.py to look at. With an argument it aborts where they are.
#include <cstdlib>

#include <sennit/channel.hpp>
#include <sennit/fiber.hpp>
#include <sennit/mutex.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace {

[[gnu::noinline]] void wants_the_mutex(sennit::mutex& m) {
  m.lock();
  m.unlock();
  asm volatile("" ::: "memory");  // not a tail call
}

[[gnu::noinline]] void wants_a_message(sennit::channel<int>& c) {
  static_cast<void>(c.receive());
  asm volatile("" ::: "memory");
}

}  // namespace

/// Where the debugger stops.
extern "C" [[gnu::noinline]] void look_here(const sennit::mutex& m, const sennit::channel<int>& c,
                                            const sennit::fiber& f) {
  asm volatile("" ::"r"(&m), "r"(&c), "r"(&f) : "memory");
}

int main(int argc, char**) {
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    sennit::mutex m;
    sennit::channel<int> c(3);
    std::array<sennit::test::park_probe, 2> probes;
    m.lock();
    sennit::fiber locker(sennit::attributes{.name = "locker"}, [&] {
      probes[0].here();
      wants_the_mutex(m);
    });
    sennit::fiber receiver(sennit::attributes{.name = "receiver"}, [&] {
      probes[1].here();
      wants_a_message(c);
    });
    for (const auto& p : probes) p.await_parked();
    sennit::fiber later(sennit::attributes{.name = "later"}, [] {});
    look_here(m, c, locker);
    if (argc > 1) std::abort();
    m.unlock();
    c.close();
    locker.join();
    receiver.join();
    later.join();
  });
}
