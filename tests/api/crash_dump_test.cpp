// What a program that crashes says before it dies.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include <sennit/event.hpp>
#include <sennit/fiber.hpp>
#include <sennit/inspect.hpp>

#include "support/runtimes.hpp"

// Exported, so that the dump can name them.
extern "C" [[gnu::noinline, gnu::visibility("default")]] void write_to(volatile int* where) { *where = 1; }
extern "C" [[gnu::noinline, gnu::visibility("default")]] void throw_one(bool really) {
  if (really) throw 1;
}
extern "C" [[gnu::noinline, gnu::visibility("default")]] void through_noexcept(bool really) noexcept {
  throw_one(really);
}

namespace sennit::test {
namespace {

// What a compiler must not know beforehand.
int* volatile nowhere = nullptr;
volatile bool yes = true;

/// By the signal, or in a sanitizer's handler.
bool died(int status) { return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0); }

class crash_dump_test : public runtimes {};
INSTANTIATE_RUNTIMES(crash_dump_test);

[[gnu::noinline]] int recurse(volatile char* above, unsigned depth) {  // NOLINT(misc-no-recursion): it is to overflow
  volatile char here[4096];
  here[0] = above[0];
  return depth == 0 ? 0 : recurse(here, depth - 1) + here[0];
}

/// In a fiber called "culprit", while one called "bystander" waits.
void in_a_fiber(options opts, auto crash) {
  run(opts, [&] {
    event never;
    park_probe waits;
    fiber bystander(attributes{.name = "bystander"}, [&] {
      waits.here();
      never.wait();
    });
    waits.await_parked();
    fiber culprit(attributes{.name = "culprit"}, crash);
    culprit.join();
  });
}

TEST_P(crash_dump_test, a_fault_names_the_fiber_and_its_stack) {
  const auto crash = [&] {
    const crash_dump on_crash;
    in_a_fiber(opts(), [] { write_to(nowhere); });
  };
  // Of the culprit's stack at least two frames: the innermost is the one that crashed.
  EXPECT_EXIT(
      crash(), died,
      "SIGSEGV at 0x[0-9a-f]+ in fiber 'culprit' \\(id [0-9]+\\) of worker [0-9].*"
      "'bystander': waiting.*'culprit': running, worker [0-9]\n  spawned at [^\n]*\n    [^\n]*write_to[^\n]*\n    ");
}

TEST_P(crash_dump_test, abort_and_an_exception_that_nobody_catches) {
  const auto abort = [&] {
    const crash_dump on_crash;
    in_a_fiber(opts(), [] { std::abort(); });
  };
  EXPECT_EXIT(abort(), died, "SIGABRT at .* in fiber 'culprit'.*'culprit': running.*abort");
  const auto terminate = [&] {
    const crash_dump on_crash;
    in_a_fiber(opts(), [] { through_noexcept(yes); });
  };
  EXPECT_EXIT(terminate(), died, "SIGABRT at .* in fiber 'culprit'.*'culprit': running.*abort.*through_noexcept");
}

TEST_P(crash_dump_test, a_plain_thread_that_crashes_while_fibers_wait) {
  const auto crash = [&] {
    const crash_dump on_crash;
    runtime rt(opts());
    event never;
    park_probe waits;
    fiber bystander = rt.spawn(attributes{.name = "bystander"}, [&] {
      waits.here();
      never.wait();
    });
    waits.await_parked();
    write_to(nowhere);
  };
  EXPECT_EXIT(crash(), died, "in a thread that runs no fiber.*'bystander': waiting.* event");
}

TEST_P(crash_dump_test, a_stack_overflow_is_told_as_one) {
  const auto crash = [&] {
    const crash_dump on_crash;
    in_a_fiber(opts(), [] {
      volatile char top = 0;
      recurse(&top, 1 << 20);
    });
  };
  EXPECT_EXIT(crash(), died, "stack overflow in fiber 'culprit'");
}

TEST(crash_dump_thread, where_it_is_gone_nothing_is_written_but_what_was_there_before_comes) {
  const auto crash = [] {
    struct sigaction former{};
    former.sa_handler = [](int) { ::_exit(7); };
    ::sigaction(SIGSEGV, &former, nullptr);
    { const crash_dump on_crash; }
    write_to(nowhere);
  };
  EXPECT_EXIT(crash(), ::testing::ExitedWithCode(7), "^$");
  const auto twice = [] {
    const crash_dump one;
    const crash_dump two;
  };
  EXPECT_DEATH(twice(), "one does for the whole process");
}

TEST(crash_dump_thread, a_descriptor_of_its_own) {
  const auto crash = [] {
    ::dup2(2, 9);
    ::close(2);
    const crash_dump on_crash(9);
    std::abort();
  };
  EXPECT_EXIT(crash(), died, "SIGABRT at .*no runtime");
}

}  // namespace
}  // namespace sennit::test
