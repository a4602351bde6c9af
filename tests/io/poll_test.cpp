// poll() over sets, and fd_guard: descriptors of others, waited for in one go or again and again.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <optional>
#include <thread>

#include <sennit/sennit.hpp>

#include "io/foreign_pipe.hpp"
#include "support/process_counts.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class poll_set : public runtimes {};
INSTANTIATE_RUNTIMES(poll_set);

TEST_P(poll_set, says_which_are_ready) {
  run([] {
    const foreign_pipe quiet, busy;
    busy.put('b');
    std::array set{pollfd{quiet.fd[0], POLLIN, 1}, pollfd{busy.fd[0], POLLIN, 0}, pollfd{-1, POLLIN, 1},
                   pollfd{quiet.fd[1], POLLOUT, 0}, pollfd{busy.fd[1], 0, 1}};
    EXPECT_EQ(sennit::poll(set), 2U);
    EXPECT_EQ(set[0].revents, 0);
    EXPECT_EQ(set[1].revents, POLLIN);
    EXPECT_EQ(set[2].revents, 0) << "left out";
    EXPECT_EQ(set[3].revents, POLLOUT);
    EXPECT_EQ(set[4].revents, 0) << "nothing was asked for";
  });
}

TEST_P(poll_set, waits_for_any_of_many) {
  run([] {
    const std::size_t before = open_descriptors();
    const foreign_pipe p[10];
    std::array<pollfd, 10> set{};
    for (std::size_t i = 0; i < set.size(); ++i) set[i] = {p[i].fd[0], POLLIN, 0};
    for (std::size_t i = 0; i < 100; ++i) {
      scope s;
      s.spawn([&] { p[i % 10].put('x'); });
      EXPECT_EQ(sennit::poll(set), 1U);
      EXPECT_EQ(set[i % 10].revents, POLLIN);
      p[i % 10].take();
    }
    EXPECT_EQ(open_descriptors(), before + 20) << "no second descriptor of one stays behind";
  });
}

TEST_P(poll_set, both_directions_of_one_descriptor) {
  run([] {
    std::array<int, 2> fd{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fd.data()), 0);
    const std::array<char, 4096> full{};
    while (::send(fd[0], full.data(), full.size(), MSG_DONTWAIT) > 0) {}
    pollfd both{fd[0], POLLIN | POLLOUT, 0};
    EXPECT_EQ(sennit::poll_for({&both, 1}, 2ms), 0U);
    scope s;
    s.spawn([&] { EXPECT_EQ(::write(fd[1], "x", 1), 1); });
    EXPECT_EQ(sennit::poll({&both, 1}), 1U);
    EXPECT_EQ(both.revents, POLLIN);
    s.join();
    ::close(fd[1]);
    EXPECT_EQ(sennit::poll({&both, 1}), 1U);
    EXPECT_NE(both.revents & POLLHUP, 0);
    ::close(fd[0]);
  });
}

TEST_P(poll_set, deadlines_stops_and_bad_input) {
  run([] {
    const foreign_pipe p;
    std::array set{pollfd{p.fd[0], POLLIN, 0}};
    EXPECT_EQ(sennit::poll_until(set, std::chrono::steady_clock::now() - 1s), 0U);
    EXPECT_EQ(sennit::poll_for(set, 2ms), 0U);
    EXPECT_EQ(sennit::poll_for({}, 2ms), 0U) << "a sleep";
    stop_source source;
    scope s;
    s.spawn([&] { source.request_stop(); });
    EXPECT_EQ(code_of([&] { sennit::poll(set, source.get_token()); }), std::errc::operation_canceled);
    s.join();
    scope stopped;
    std::error_code ec;
    stopped.spawn([&] { ec = code_of([&] { sennit::poll(set); }); });
    stopped.request_stop();
    stopped.join();
    EXPECT_EQ(ec, std::errc::operation_canceled);
    set[0].events = POLLPRI;
    EXPECT_EQ(code_of([&] { sennit::poll(set); }), std::errc::invalid_argument);
    set[0] = {1'000'000, POLLIN, 0};
    EXPECT_EQ(sennit::poll(set), 1U);
    EXPECT_EQ(set[0].revents, POLLNVAL);
  });
}

TEST(poll_set_thread, a_plain_thread_blocks) {
  const foreign_pipe p;
  std::array set{pollfd{p.fd[0], POLLIN, 0}};
  EXPECT_EQ(sennit::poll_for(set, 2ms), 0U);
  std::thread writer([&] { p.put('t'); });
  EXPECT_EQ(sennit::poll(set), 1U);
  writer.join();
}

class guarded : public runtimes {};
INSTANTIATE_RUNTIMES(guarded);

TEST_P(guarded, registers_once_for_many_waits) {
  run([] {
    const foreign_pipe p;
    const int flags = ::fcntl(p.fd[0], F_GETFL);
    fd_guard guard(p.fd[0]);
    const auto before = runtime::current()->stats().registrations;
    for (char c = 'a'; c <= 'z'; ++c) {
      scope s;
      s.spawn([&] {
        guard.wait_readable();
        EXPECT_EQ(p.take(), c);
      });
      p.put(c);
      s.join();
      EXPECT_FALSE(guard.wait_readable_until(std::chrono::steady_clock::now() - 1s)) << "the owner has read it";
    }
    EXPECT_LE(runtime::current()->stats().registrations - before, 1U);
    EXPECT_EQ(::fcntl(p.fd[0], F_GETFL), flags);
  });
}

TEST_P(guarded, what_the_owner_leaves_is_still_there) {
  run([] {
    const foreign_pipe p;
    fd_guard guard(p.fd[0]);
    EXPECT_FALSE(guard.wait_readable_for(1ms));
    ASSERT_EQ(::write(p.fd[1], "abc", 3), 3);
    for (const char c : {'a', 'b', 'c'}) {
      guard.wait_readable();
      EXPECT_EQ(p.take(), c);
    }
    EXPECT_FALSE(guard.wait_readable_for(1ms));
  });
}

TEST_P(guarded, the_guard_goes_while_several_wait) {
  run([] {
    const foreign_pipe p;
    std::optional<fd_guard> guard(fd_guard(p.fd[0]));
    EXPECT_EQ(guard->native_handle(), p.fd[0]);
    std::array<park_probe, 3> probes;
    std::array<std::error_code, 3> ended;
    scope s;
    for (std::size_t i = 0; i < probes.size(); ++i) {
      s.spawn([&, i] {
        probes[i].here();
        ended[i] = code_of([&] { guard->wait_readable(); });
      });
    }
    until([&] { return std::ranges::all_of(probes, [](const park_probe& w) { return w.parked(); }); });
    guard.reset();
    s.join();
    for (const auto& ec : ended) EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    p.put('x');
    EXPECT_EQ(p.take(), 'x') << "the descriptor is as it was";
  });
}

TEST_P(guarded, errors) {
  run([] {
    const foreign_pipe p;
    EXPECT_EQ(code_of([] { fd_guard bad(-1); }), std::errc::bad_file_descriptor);
    fd_guard guard(p.fd[0]);
    EXPECT_FALSE(guard.wait_readable_for(1ms));
    scope s;
    std::error_code ec;
    s.spawn([&] { ec = code_of([&] { guard.wait_readable(); }); });
    s.request_stop();
    s.join();
    EXPECT_EQ(ec, std::errc::operation_canceled);
  });
}

TEST(guarded_thread, a_plain_thread_blocks) {
  const foreign_pipe p;
  fd_guard guard(p.fd[0]);
  EXPECT_FALSE(guard.wait_readable_for(2ms));
  std::thread writer([&] { p.put('t'); });
  guard.wait_readable();
  writer.join();
}

}  // namespace
}  // namespace sennit::test
