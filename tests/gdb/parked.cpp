// A program with one parked fiber, for parked.gdb to look at.
#include <sennit/event.hpp>
#include <sennit/fiber.hpp>

#include "sched/park.hpp"
#include "support/runtimes.hpp"

namespace {

[[gnu::noinline]] void waits_here(sennit::event& e) {
  e.wait();
  asm volatile("" ::: "memory");  // not a tail call
}

}  // namespace

/// Where the debugger stops, with the context of the parked fiber as its argument.
extern "C" [[gnu::noinline]] void look_at(const sennit::detail::context* parked) {
  asm volatile("" ::"r"(parked) : "memory");
}

int main() {
  sennit::run({.workers = 1}, [] {
    sennit::event go_on;
    sennit::test::park_probe probe;
    const sennit::detail::fiber_block* waiter = nullptr;
    sennit::fiber f([&] {
      waiter = sennit::detail::current_fiber();
      probe.here();
      waits_here(go_on);
    });
    probe.await_parked();
    look_at(&waiter->ctx);
    go_on.set();
  });
}
