// What only pipes have.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <thread>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"

namespace sennit::test {
namespace {

class failing_host final : public detail::host {
 public:
  int pipe(int*) noexcept override { return -EMFILE; }
};

TEST(pipe_ends, out_of_descriptors) {
  failing_host outside;
  with_runtimes(
      [] {
        std::error_code ec;
        const auto p = sennit::pipe::open(ec);
        EXPECT_EQ(ec, std::errc::too_many_files_open);
        EXPECT_FALSE(p.reader.is_open());
        EXPECT_FALSE(p.writer.is_open());
        EXPECT_EQ(code_of([] { static_cast<void>(sennit::pipe::open()); }), std::errc::too_many_files_open);
      },
      &outside);
}

TEST(pipe_ends, a_small_pipe_gives_back_pressure_byte_by_byte) {
  with_runtimes([] {
    auto p = sennit::pipe::open();
#ifdef F_SETPIPE_SZ
    ASSERT_GT(::fcntl(p.writer.native_handle(), F_SETPIPE_SZ, 4096), 0);
#endif
    const bytes sent = random_bytes(200'000, 1);
    scope s;
    s.spawn([&] {
      p.writer.write_all(sent);
      p.writer.close();
    });
    EXPECT_EQ(drain_slowly(p.reader, 17), sent);
    s.join();
  });
}

TEST(pipe_ends, a_signal_that_was_pending_stays_pending) {
  std::thread([] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    pthread_kill(pthread_self(), SIGPIPE);
    auto p = sennit::pipe::open();
    p.reader.close();
    std::error_code ec;
    p.writer.write_some(bytes(1), ec);
    EXPECT_EQ(ec, std::errc::broken_pipe);
    sigset_t pending;
    sigpending(&pending);
    EXPECT_EQ(sigismember(&pending, SIGPIPE), 1);
    int number = 0;
    sigwait(&set, &number);
    // And none of our own is left behind where the signal was not blocked.
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    p.writer.write_some(bytes(1), ec);
    EXPECT_EQ(ec, std::errc::broken_pipe);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    EXPECT_EQ(sigismember(&mask, SIGPIPE), 0) << "the mask is as it was";
  }).join();
}

}  // namespace
}  // namespace sennit::test
