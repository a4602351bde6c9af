#include "stack/overflow.hpp"

#include <alloca.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "base/sanitizer.hpp"
#include "stack/arena.hpp"
#include "stack/on_stack.hpp"
#include "stack/stack_pool.hpp"

namespace sennit::detail {
namespace {

// Every handler is installed inside a death test's statement: the process of the other tests stays as it was.
class overflow : public testing::Test {
 protected:
  overflow() { GTEST_FLAG_SET(death_test_style, "fast"); }

  static overflow_info worker_fiber(const void* address) noexcept {
    auto info = find_overflow(address);
    info.name = "worker";
    info.id = 42;
    return info;
  }

  /// Runs `f` on a stack of 64 KiB, as a worker thread would run a fiber.
  template <class F>
  static void run_as_fiber(F f) {
    const alt_stack for_handlers;
    install_overflow_handler();
    set_overflow_lookup(&worker_fiber);
    stack_pool pool;
    stack s;
    ASSERT_FALSE(pool.allocate(stack_class::small, s));
    test::run_on(s, f);
  }
};

/// By SIGSEGV's default action; sanitizers have a handler of their own that exits instead.
bool died_of_the_fault(int status) {
#if SENNIT_ASAN || SENNIT_TSAN
  return WIFEXITED(status) && WEXITSTATUS(status) != 0;
#else
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
#endif
}

constexpr char report[] =
    "sennit: stack overflow in fiber 'worker' \\(id 42\\): stack of 65536 bytes, [0-9]+ bytes deep at 0x[0-9a-f]+; "
    "raise attributes::stack_size or use call_with_stack\n.*[(+]";

/// The report, and something after it. (operator+ here makes g++ 12 warn of an overflow that is not there, GCC 105651.)
std::string report_and(const char* more) {
  std::string text = report;
  text.append(more);
  return text;
}

template <std::size_t Frame>
[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[Frame];
  frame[0] = static_cast<char>(depth);
  const int below = depth == 0 ? 0 : recurse<Frame>(depth - 1);
  return below + frame[0];  // after the call: not a loop
}

TEST_F(overflow, by_recursion_names_the_fiber_and_dies_of_the_fault) {
  EXPECT_EXIT(run_as_fiber([] { recurse<64>(1 << 30); }), died_of_the_fault, report);
}

TEST_F(overflow, by_frames_of_32_kib) {
  EXPECT_EXIT(run_as_fiber([] { recurse<32 * 1024>(1 << 30); }), died_of_the_fault, report);
}

[[gnu::noinline]] void take_from_stack(std::size_t bytes) {
  auto* const volatile block = static_cast<char*>(alloca(bytes));
  block[0] = 1;
}

TEST_F(overflow, by_an_alloca_of_a_mebibyte) {
  // Without stack probes this would write 900 KiB below the stack, in somebody else's.
  EXPECT_EXIT(run_as_fiber([] { take_from_stack(1 << 20); }), died_of_the_fault, report);
}

[[gnu::noinline]] char print_with_a_kilobyte_left(const std::byte* limit) {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  auto* const text = static_cast<char*>(alloca(here - reinterpret_cast<std::uintptr_t>(limit) - 1024));
  std::snprintf(text, 512, "%.200f", 1.0 / 3);  // needs more
  return text[1];
}

TEST_F(overflow, inside_a_library_function_shows_its_caller) {
  // Where there is room: the dynamic linker looks functions up at their first call, which needs stack of its own.
  const auto* const frame = static_cast<const std::byte*>(__builtin_frame_address(0));
  EXPECT_EQ(print_with_a_kilobyte_left(frame - 64 * 1024), '.');
  const auto print = [] { print_with_a_kilobyte_left(find_stack(__builtin_frame_address(0)).limit()); };
  EXPECT_EXIT(run_as_fiber(print), died_of_the_fault, report_and(".*printf"));
}

TEST_F(overflow, without_a_lookup_of_floor_4_still_tells_the_stack) {
  const auto anonymous = [] {
    set_overflow_lookup(nullptr);
    recurse<64>(1 << 30);
  };
  EXPECT_EXIT(run_as_fiber(anonymous), died_of_the_fault, "sennit: stack overflow in a fiber: stack of 65536 bytes, ");
}

TEST_F(overflow, is_reported_and_then_handed_to_the_handler_that_was_there) {
  const auto with_plain_handler = [] {
    std::signal(SIGSEGV, [](int) {
      std::fputs("former handler\n", stderr);
      ::_exit(7);
    });
    run_as_fiber([] { recurse<64>(1 << 30); });
  };
  EXPECT_EXIT(with_plain_handler(), testing::ExitedWithCode(7), report_and(".*former handler"));

  const auto with_siginfo_handler = [] {
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = [](int signal, siginfo_t* info, void* context) {
      const bool complete = signal == SIGSEGV && context != nullptr && find_overflow(info->si_addr).hit;
      ::_exit(complete ? 8 : 1);
    };
    ::sigaction(SIGSEGV, &action, nullptr);
    run_as_fiber([] { recurse<64>(1 << 30); });
  };
  EXPECT_EXIT(with_siginfo_handler(), testing::ExitedWithCode(8), report);
}

// A fault that is not ours: as if sennit were not there, and not a word.

int silent_stderr = -1;

/// From now on stderr is a pipe, for exit_if_silent() to look into.
void watch_stderr() {
  int ends[2];
  SENNIT_CHECK(::pipe(ends) == 0 && ::fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && ::dup2(ends[1], STDERR_FILENO) >= 0,
               "give the test descriptors");
  silent_stderr = ends[0];
}
void exit_if_silent(int) {
  char c;
  ::_exit(::read(silent_stderr, &c, 1) == -1 ? 0 : 1);
}

std::byte* closed_page() {
  return static_cast<std::byte*>(::mmap(nullptr, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
void touch(std::byte* where) { *const_cast<volatile std::byte*>(where) = std::byte{1}; }

TEST_F(overflow, a_foreign_fault_kills_as_before) {
  EXPECT_EXIT(run_as_fiber([] { touch(closed_page()); }), died_of_the_fault, "");
}

TEST_F(overflow, a_foreign_fault_reaches_the_former_handler_without_a_report) {
  const auto foreign = [] {
    std::signal(SIGSEGV, &exit_if_silent);
    watch_stderr();
    run_as_fiber([] { touch(closed_page()); });
  };
  EXPECT_EXIT(foreign(), testing::ExitedWithCode(0), "");
}

TEST_F(overflow, a_wild_pointer_into_the_guard_of_another_stack_is_no_overflow) {
  const auto wild = [] {
    std::signal(SIGSEGV, &exit_if_silent);
    watch_stderr();
    stack_pool pool;
    stack other;
    ASSERT_FALSE(pool.allocate(stack_class::small, other));
    run_as_fiber([other] { touch(other.slot + 100); });
  };
  EXPECT_EXIT(wild(), testing::ExitedWithCode(0), "");
}

std::byte* repaired_page = nullptr;

TEST_F(overflow, a_handler_that_repairs_its_faults_goes_on_working) {
  const auto repair = [] {
    std::signal(SIGSEGV, [](int) { ::mprotect(repaired_page, 1 << 16, PROT_READ | PROT_WRITE); });
    repaired_page = closed_page();
    run_as_fiber([] {
      touch(repaired_page);
      ::_exit(*repaired_page == std::byte{1} ? 0 : 1);
    });
  };
  EXPECT_EXIT(repair(), testing::ExitedWithCode(0), "");
}

TEST_F(overflow, a_signal_that_was_sent_is_handed_on_too) {
  const auto killed = [] { run_as_fiber([] { ::raise(SIGSEGV); }); };
  EXPECT_EXIT(killed(), died_of_the_fault, "");
  const auto ignored = [] {
    std::signal(SIGSEGV, SIG_IGN);
    run_as_fiber([] { ::raise(SIGSEGV); });
    ::_exit(5);
  };
  EXPECT_EXIT(ignored(), testing::ExitedWithCode(5), "");
}

TEST(alt_stack, brings_the_former_one_back) {
  const auto current = [] {
    stack_t now = {};
    ::sigaltstack(nullptr, &now);
    return now;
  };
  std::thread([current] {
    const stack_t before = current();
    {
      const alt_stack outer;
      const stack_t ours = current();
      EXPECT_NE(ours.ss_sp, before.ss_sp);
      EXPECT_EQ(ours.ss_flags & SS_DISABLE, 0);
      EXPECT_GE(ours.ss_size, std::size_t{64} * 1024);
      {
        const alt_stack inner;
        EXPECT_NE(current().ss_sp, ours.ss_sp);
      }
      EXPECT_EQ(current().ss_sp, ours.ss_sp);
    }
    EXPECT_EQ(current().ss_sp, before.ss_sp);
    EXPECT_EQ(current().ss_flags, before.ss_flags);
  }).join();
}

TEST(alt_stack, ends_in_a_guard) {
  const alt_stack mine;
  stack_t now = {};
  ASSERT_EQ(::sigaltstack(nullptr, &now), 0);
  test::kernel_reader kernel;
  auto* const lowest = static_cast<std::byte*>(now.ss_sp);
  EXPECT_EQ(kernel.try_read(lowest - 1), EFAULT);
  EXPECT_EQ(kernel.try_read(lowest), 0);
}

}  // namespace
}  // namespace sennit::detail
