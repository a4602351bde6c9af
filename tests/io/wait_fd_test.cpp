// Waiting for descriptors of others (hazard 28): no flags touched, nothing left registered.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include <sennit/sennit.hpp>

#include "io/foreign_pipe.hpp"
#include "support/descriptors.hpp"
#include "support/runtimes.hpp"

namespace {

using namespace std::chrono_literals;

using sennit::test::foreign_pipe;
using sennit::test::regular_file;
using sennit::test::unique_fd;

class wait_fd : public sennit::test::runtimes {};
INSTANTIATE_RUNTIMES(wait_fd);

TEST_P(wait_fd, readable_when_data_comes_and_flags_stay) {
  run([] {
    const foreign_pipe p;
    const int flags = ::fcntl(p.fd[0], F_GETFL);
    sennit::scope s;
    s.spawn([&] {
      sennit::wait_readable(p.fd[0]);
      EXPECT_EQ(p.take(), 'a');
    });
    p.put('a');
    s.join();
    EXPECT_EQ(::fcntl(p.fd[0], F_GETFL), flags);
    EXPECT_EQ(flags & O_NONBLOCK, 0);
  });
}

TEST_P(wait_fd, repeated_waits_each_see_their_data) {
  run([] {
    const foreign_pipe p;
    for (char c = 'a'; c <= 'z'; ++c) {
      sennit::scope s;
      s.spawn([&] {
        sennit::wait_readable(p.fd[0]);
        EXPECT_EQ(p.take(), c);
      });
      p.put(c);
      s.join();
    }
  });
}

TEST_P(wait_fd, two_fibers_wait_for_both_directions_of_one_descriptor) {
  run([] {
    std::array<int, 2> fd{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fd.data()), 0);
    sennit::scope s;
    s.spawn([&] { sennit::wait_readable(fd[0]); });
    s.spawn([&] { sennit::wait_readable(fd[0]); });
    s.spawn([&] { sennit::wait_writable(fd[0]); });
    sennit::this_fiber::yield();
    EXPECT_EQ(::write(fd[1], "x", 1), 1);
    s.join();
    ::close(fd[0]);
    ::close(fd[1]);
  });
}

TEST_P(wait_fd, deadline_stop_and_errors) {
  run([] {
    const foreign_pipe p;
    EXPECT_FALSE(sennit::wait_readable_until(p.fd[0], std::chrono::steady_clock::now() + 2ms));
    EXPECT_TRUE(sennit::wait_writable_until(p.fd[1], std::chrono::steady_clock::now() + 1h));
    EXPECT_THROW(sennit::wait_readable(-1), std::system_error);
    sennit::scope s;
    bool cancelled = false;
    s.spawn([&] {
      try {
        sennit::wait_readable(p.fd[0]);
      } catch (const std::system_error& e) {
        cancelled = e.code() == std::errc::operation_canceled;
        throw;
      }
    });
    s.request_stop();
    s.join();
    EXPECT_TRUE(cancelled);
  });
}

TEST_P(wait_fd, the_owner_closes_and_reuses_the_number) {
  run([] {
    for (int i = 0; i < 1000; ++i) {
      const foreign_pipe p;  // the same two numbers every time
      sennit::scope s;
      s.spawn([&] {
        sennit::wait_readable(p.fd[0]);
        EXPECT_EQ(p.take(), 'x');
      });
      p.put('x');
      s.join();
    }
  });
}

TEST_P(wait_fd, regular_files_are_always_ready) {
  run([] {
    const unique_fd file = regular_file();
    EXPECT_TRUE(sennit::wait_readable_until(file.get(), std::chrono::steady_clock::now() + 1h));
  });
}

TEST_P(wait_fd, a_terminal_gives_line_after_line) {
  // Hazard 14: three lines in the terminal's buffer, one edge; each read gives one line only.
  const sennit::test::fd_pair terminal = sennit::test::terminal_pair();
  sennit::test::put(terminal.b.get(), "one\ntwo\nthree\n");
  run([&] {
    for (const std::string line : {"one\n", "two\n", "three\n"}) {
      sennit::wait_readable(terminal.a.get());
      std::array<char, 64> b{};
      const auto n = ::read(terminal.a.get(), b.data(), b.size());
      EXPECT_EQ(std::string(b.data(), static_cast<std::size_t>(n)), line);
    }
  });
}

TEST(wait_fd_thread, a_plain_thread_blocks) {
  const foreign_pipe p;
  EXPECT_FALSE(sennit::wait_readable_until(p.fd[0], std::chrono::steady_clock::now() + 2ms));
  std::thread writer([&] { p.put('t'); });
  sennit::wait_readable(p.fd[0]);
  EXPECT_EQ(p.take(), 't');
  writer.join();
}

}  // namespace
