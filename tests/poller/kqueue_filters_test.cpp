// kevent(2), continued: what each filter returns.
#include <chrono>
#include <thread>

#include "support/kqueue_events.hpp"

namespace sennit::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// EVFILT_READ: "Sockets which have previously been passed to listen() return when there is an incoming connection
// pending. data contains the size of the listen backlog."
TEST(kqueue_contract, s26_a_listener_tells_its_backlog) {
  const queue q;
  sockaddr_in address{};
  const auto listener = tcp_listener(address);
  ASSERT_EQ(q.change(made(listener.get(), EVFILT_READ, EV_ADD)), 0);
  EXPECT_EQ(q.size(), 0U);
  const auto one = tcp_connect(address);
  EXPECT_EQ(q.await().data, 1);
  const auto two = tcp_connect(address);
  while (q.await().data < 2) {}
}

// "Other socket descriptors return when there is data to be read [...] data contains the number of bytes of protocol
// data available to read."
TEST(kqueue_contract, s27_a_socket_tells_its_bytes) {
  for (const auto& pair : {unix_pair(), tcp_pair()}) {
    const queue q;
    ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
    EXPECT_EQ(q.size(), 0U);
    put(pair.b.get(), "seven b");
    EXPECT_EQ(q.await().data, 7);
  }
}

// "If the read direction of the socket has shutdown, then the filter also sets EV_EOF in flags, and returns the socket
// error (if any) in fflags. It is possible for EOF to be returned while there is still data pending."
TEST(kqueue_contract, s28_the_end_of_a_socket_is_a_flag_beside_its_data) {
  for (const auto& pair : {unix_pair(), tcp_pair()}) {
    const queue q;
    ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
    put(pair.b.get(), "last");
    checked(::shutdown(pair.b.get(), SHUT_WR), "shutdown");
    const event e = q.await(EV_EOF);
    EXPECT_EQ(e.data, 4);
    EXPECT_EQ(e.fflags, 0U);
    EXPECT_EQ(drain(pair.a.get()), "last");
    EXPECT_EQ(q.await(EV_EOF).data, 0) << "the end stays";
  }
}

TEST(kqueue_contract, s29_a_reset_is_the_end_of_both_directions_with_its_error) {
  const queue q;
  auto pair = tcp_pair();
  const linger now{.l_onoff = 1, .l_linger = 0};
  checked(::setsockopt(pair.b.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now), "setsockopt");
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
  pair.b = unique_fd();
  EXPECT_EQ(q.await(EV_EOF).fflags, static_cast<std::uint32_t>(ECONNRESET));
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_DELETE)), 0);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD)), 0);
  EXPECT_EQ(q.await(EV_EOF).fflags, static_cast<std::uint32_t>(ECONNRESET));
  char byte;
  EXPECT_EQ(::recv(pair.a.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET) << "the error is still there to be taken";
}

TEST(kqueue_contract, s30_a_refused_connection_is_an_end_with_its_error) {
  const queue q;
  sockaddr_in address{};
  tcp_listener(address) = unique_fd();
  const auto refused = tcp_connect(address);
  ASSERT_EQ(q.change(made(refused.get(), EVFILT_WRITE, EV_ADD)), 0);
  EXPECT_EQ(q.await(EV_EOF).fflags, static_cast<std::uint32_t>(ECONNREFUSED));
  int error = 0;
  socklen_t size = sizeof error;
  checked(::getsockopt(refused.get(), SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt");
  EXPECT_EQ(error, ECONNREFUSED);
}

// "Fifos, Pipes: Returns when there is data to read; data contains the number of bytes available. When the last writer
// disconnects, the filter will set EV_EOF in flags."
TEST(kqueue_contract, s31_a_pipe_tells_its_bytes_and_its_end) {
  const queue q;
  auto pair = pipe_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
  put(pair.b.get(), "abc");
  EXPECT_EQ(q.await().data, 3);
  EXPECT_EQ(q.await().flags & EV_EOF, 0);
  pair.b = unique_fd();
  EXPECT_EQ(q.await(EV_EOF).data, 3);
}

// "Vnodes: Returns when the file pointer is not at the end of file. data contains the offset from current position to
// end of file, and may be negative."
TEST(kqueue_contract, s32_a_file_is_readable_before_its_end) {
  const queue q;
  const unique_fd file = regular_file();
  const auto size = ::lseek(file.get(), 0, SEEK_END);
  checked(::lseek(file.get(), 10, SEEK_SET), "lseek");
  ASSERT_EQ(q.change(made(file.get(), EVFILT_READ, EV_ADD)), 0);
  EXPECT_EQ(q.await().data, size - 10);
  checked(::lseek(file.get(), 0, SEEK_END), "lseek");
  EXPECT_EQ(q.size(), 0U);
}

// EVFILT_WRITE: "Returns whenever it is possible to write to the descriptor. For sockets, pipes and fifos, data will
// contain the amount of space remaining in the write buffer."
TEST(kqueue_contract, s33_writing_tells_the_space_that_is_left) {
  for (const auto& pair : {unix_pair(), tcp_pair(), pipe_pair()}) {
    const queue q;
    ASSERT_EQ(q.change(made(pair.b.get(), EVFILT_WRITE, EV_ADD)), 0);
    const auto empty = q.await().data;
    EXPECT_GT(empty, 4096);
    fill(pair.b.get());
    EXPECT_EQ(q.size(), 0U);
    drain(pair.a.get());
  }
  const queue q;
  const auto pipe = pipe_pair();
  ASSERT_EQ(q.change(made(pipe.b.get(), EVFILT_WRITE, EV_ADD)), 0);
  const auto before = q.await().data;
  put(pipe.b.get(), "12345");
  EXPECT_EQ(q.await().data, before - 5);
}

// "The filter will set EV_EOF when the reader disconnects."
TEST(kqueue_contract, s34_writing_ends_with_the_reader) {
  const queue q;
  auto pair = pipe_pair();
  fill(pair.b.get());
  ASSERT_EQ(q.change(made(pair.b.get(), EVFILT_WRITE, EV_ADD)), 0);
  EXPECT_EQ(q.size(), 0U);
  pair.a = unique_fd();
  EXPECT_NE(q.await().flags & EV_EOF, 0);
}

// FreeBSD's filter: the end of writing is our own shutdown too.
TEST(kqueue_contract, s35_writing_ends_with_our_own_shutdown) {
  for (const auto& pair : {unix_pair(), tcp_pair()}) {
    const queue q;
    ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD)), 0);
    EXPECT_EQ(q.await().flags & EV_EOF, 0);
    checked(::shutdown(pair.a.get(), SHUT_WR), "shutdown");
    EXPECT_EQ(q.await(EV_EOF).fflags, 0U);
  }
}

// EVFILT_TIMER: "The timer will be periodic unless EV_ONESHOT is specified. On return, data contains the number of
// times the timeout has expired since the last call to kevent(). This filter automatically sets the EV_CLEAR flag."
TEST(kqueue_contract, s36_timers_are_periodic_and_counted) {
  const queue q;
  const auto begin = steady_clock::now();
  ASSERT_EQ(q.change(made(1, EVFILT_TIMER, EV_ADD, 0, 5)), 0);  // milliseconds
  std::intptr_t times = 0;
  while (times < 3) {
    const event e = q.await();
    EXPECT_EQ(e.ident, 1U);
    EXPECT_NE(e.flags & EV_CLEAR, 0);
    times += e.data;
  }
  EXPECT_GE(steady_clock::now() - begin, milliseconds(15));
  ASSERT_EQ(q.change(made(1, EVFILT_TIMER, EV_DELETE)), 0);
  EXPECT_TRUE(q.take({0, 10'000'000}).empty());
}

TEST(kqueue_contract, s37_timers_have_units_and_may_be_oneshot) {
  for (const auto& [unit, value] :
       {std::pair<std::uint32_t, std::intptr_t>{NOTE_USECONDS, 2'000}, {NOTE_NSECONDS, 2'000'000}}) {
    const queue q;
    const auto begin = steady_clock::now();
    ASSERT_EQ(q.change(made(7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, unit, value)), 0);
    EXPECT_EQ(q.await().data, 1);
    EXPECT_GE(steady_clock::now() - begin, milliseconds(2));
    EXPECT_EQ(q.change(made(7, EVFILT_TIMER, EV_DELETE)), ENOENT);
  }
}

// EVFILT_USER: "Establishes a user event identified by ident which is not associated with any kernel mechanism but is
// triggered by user level code. NOTE_TRIGGER: Cause the event to be triggered."
TEST(kqueue_contract, s38_user_events_are_triggered_by_the_program) {
  const queue q;
  ASSERT_EQ(q.change(made(5, EVFILT_USER, EV_ADD | EV_CLEAR)), 0);
  EXPECT_EQ(q.size(), 0U);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(q.change(made(5, EVFILT_USER, 0, NOTE_TRIGGER)), 0);
  EXPECT_EQ(q.size(), 1U);
  EXPECT_EQ(q.size(), 0U);
  EXPECT_EQ(q.change(made(6, EVFILT_USER, 0, NOTE_TRIGGER)), ENOENT);
  std::thread other([&] { q.change(made(5, EVFILT_USER, 0, NOTE_TRIGGER)); });
  EXPECT_EQ(q.await().ident, 5U);
  other.join();
}

// Without EV_CLEAR a user event stays triggered.
TEST(kqueue_contract, s39_user_events_by_level_stay_triggered) {
  const queue q;
  ASSERT_EQ(q.change(made(5, EVFILT_USER, EV_ADD, NOTE_TRIGGER)), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(q.size(), 1U);
}

// "The lower 24 bits of the fflags may be used for user defined flags and manipulated using: NOTE_FFNOP, NOTE_FFAND,
// NOTE_FFOR, NOTE_FFCOPY [...] On return, fflags contains the users defined flags in the lower 24 bits."
TEST(kqueue_contract, s40_user_events_have_flags) {
  const queue q;
  ASSERT_EQ(q.change(made(5, EVFILT_USER, EV_ADD | EV_CLEAR)), 0);
  const auto after = [&](std::uint32_t operation) {
    EXPECT_EQ(q.change(made(5, EVFILT_USER, 0, operation | NOTE_TRIGGER)), 0);
    return q.await().fflags;
  };
  EXPECT_EQ(after(NOTE_FFCOPY | 0xf0), 0xf0U);
  EXPECT_EQ(after(NOTE_FFOR | 0x0f), 0xffU);
  EXPECT_EQ(after(NOTE_FFAND | 0x3c), 0x3cU);
  EXPECT_EQ(after(NOTE_FFNOP | 0x1), 0x3cU);
}

// A change replaces the parameters of an event, a trigger's too: it has to repeat udata.
TEST(kqueue_contract, s41_a_trigger_overwrites_udata) {
  const queue q;
  int one = 0;
  ASSERT_EQ(q.change(made(5, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, &one)), 0);
  ASSERT_EQ(q.change(made(5, EVFILT_USER, 0, NOTE_TRIGGER)), 0);
  EXPECT_EQ(q.await().udata, nullptr);
  ASSERT_EQ(q.change(made(5, EVFILT_USER, 0, NOTE_TRIGGER, 0, &one)), 0);
  EXPECT_EQ(q.await().udata, &one);
}

// EVFILT_EXCEPT: "this filter can be used to monitor the arrival of out-of-band data on a socket descriptor using the
// filter flag NOTE_OOB."
TEST(kqueue_contract, s42_urgent_data_is_an_exception) {
  const queue q;
  auto pair = tcp_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_EXCEPT, EV_ADD | EV_CLEAR, NOTE_OOB)), 0);
  put(pair.b.get(), "x");
  checked(::send(pair.b.get(), "!", 1, MSG_OOB), "send");
  EXPECT_EQ(q.await().fflags & NOTE_OOB, static_cast<std::uint32_t>(NOTE_OOB));
  EXPECT_EQ(q.size(), 0U);
}

}  // namespace
}  // namespace sennit::test
