// Streams on descriptors that others have too (hazard 28): what they read and write, and what they leave as it was.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include <sennit/iostream.hpp>
#include <sennit/sennit.hpp>

#include "base/host_files.hpp"
#include "base/system.hpp"
#include "base/unique_fd.hpp"
#include "net/connected.hpp"
#include "support/descriptors.hpp"
#include "support/files.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using detail::unique_fd;

class standard_stream_test : public runtimes {};
INSTANTIATE_RUNTIMES(standard_stream_test);

/// Two blocking descriptors; what is written to `in` comes out of `out`.
struct blocking_pair {
  unique_fd out;
  unique_fd in;
};

blocking_pair a_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(detail::make_pipe(ends.data(), false), 0);
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

blocking_pair a_socket_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

/// A terminal that changes no byte: `out` is the terminal, `in` its master.
blocking_pair a_terminal(bool raw) {
  fd_pair ends = terminal_pair();
  if (raw) {
    termios t{};
    EXPECT_EQ(::tcgetattr(ends.a.get(), &t), 0);
    ::cfmakeraw(&t);
    EXPECT_EQ(::tcsetattr(ends.a.get(), TCSANOW, &t), 0);
  }
  return {std::move(ends.a), std::move(ends.b)};
}

std::string text(std::span<const std::byte> b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
std::span<const std::byte> raw(std::string_view s) { return std::as_bytes(std::span(s)); }

TEST_P(standard_stream_test, a_reader_waits_and_the_flags_stay) {
  run([] {
    for (const auto& make :
         {+[] { return a_pipe(); }, +[] { return a_socket_pair(); }, +[] { return a_terminal(true); }}) {
      const blocking_pair p = make();
      const int flags = ::fcntl(p.out.get(), F_GETFL);
      ASSERT_EQ(flags & O_NONBLOCK, 0);
      auto in = standard_stream::open(p.out.get());
      EXPECT_EQ(in.is_terminal(), ::isatty(p.out.get()) == 1);
      EXPECT_NE(in.native_handle(), p.out.get());
      park_probe probe;
      std::array<std::byte, 64> b{};
      std::size_t n = 0;
      scope s;
      s.spawn([&] {
        probe.here();
        n = in.read_some(b);
      });
      probe.await_parked();
      put(p.in.get(), "hello");
      s.join();
      EXPECT_EQ(text(std::span(b).first(n)), "hello");
      EXPECT_EQ(::fcntl(p.out.get(), F_GETFL), flags);
      in.expires_after(2ms);
      std::error_code ec;
      in.read_some(b, ec);
      EXPECT_EQ(ec, std::errc::timed_out);
      in.close();
      EXPECT_EQ(::fcntl(p.out.get(), F_GETFL), flags) << "the original is still there";
      in.read_some(b, ec);
      EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    }
  });
}

TEST_P(standard_stream_test, a_writer_waits_for_room) {
  run([] {
    for (const auto& make :
         {+[] { return a_pipe(); }, +[] { return a_socket_pair(); }, +[] { return a_terminal(true); }}) {
      const blocking_pair p = make();
      const int flags = ::fcntl(p.in.get(), F_GETFL);
      auto to = standard_stream::open(p.in.get());
      const bytes sent = random_bytes(300'000, 1);
      bytes got;
      std::thread reader([&] {
        std::array<std::byte, 1000> b;
        while (got.size() < sent.size()) {
          const auto n = ::read(p.out.get(), b.data(), b.size());
          ASSERT_GT(n, 0);
          got.insert(got.end(), b.begin(), b.begin() + n);
        }
      });
      EXPECT_EQ(to.write_all(sent), sent.size());
      reader.join();
      EXPECT_EQ(got, sent);
      EXPECT_EQ(::fcntl(p.in.get(), F_GETFL), flags);
    }
  });
}

TEST_P(standard_stream_test, a_file_waits_for_room_too) {
  const scratch_directory dir;
  run([&] {
    file f = file::open(dir / "f", open_mode::read_write | open_mode::create);
    f.write_at(std::vector<std::byte>(1 << 20), 0);
    for (const auto& make : {+[] { return a_pipe(); }, +[] { return a_socket_pair(); }}) {
      const blocking_pair p = make();
      auto out = standard_stream::open(p.in.get());
      out.expires_after(20ms);
      std::error_code ec;
      EXPECT_LT(out.send_file(f, 0, to_end, ec), 1U << 20);  // nobody reads: sendfile(2) would never come back
      EXPECT_EQ(ec, error::deadline_passed);
    }
  });
}

TEST_P(standard_stream_test, a_terminal_gives_line_after_line) {
  run([] {
    const blocking_pair p = a_terminal(false);
    const int flags = ::fcntl(p.out.get(), F_GETFL);
    auto in = standard_stream::open(p.out.get());
    put(p.in.get(), "one\ntwo\nthree\n\x04");
    buffered_reader lines(in);
    for (const char* line : {"one", "two", "three"}) EXPECT_EQ(lines.read_line(), line);
    EXPECT_EQ(lines.read_line(), std::nullopt) << "^D";
    put(p.in.get(), "four\n");
    EXPECT_EQ(lines.read_line(), "four") << "a terminal goes on after its end";
    EXPECT_EQ(::fcntl(p.out.get(), F_GETFL), flags);
  });
}

/// Whether a read that finds the pipe empty can be told not to wait: not before Linux 6.4, nor under qemu-user.
bool pipes_need_not_wait() {
  const blocking_pair p = a_pipe();
  std::byte b{};
  const iovec part{&b, 1};
  return detail::file_calls().readv(p.out.get(), &part, 1, -1, detail::file_calls::in_memory) == -EAGAIN;
}

TEST_P(standard_stream_test, several_readers_of_one_description_share_what_comes) {
  // Another process (here: another stream) may take what made us ready; nobody must block a worker then. Where that
  // cannot be helped (docs/caveats.md), one worker runs them, on which nobody comes between poll and read.
  options o = opts();
  if (!pipes_need_not_wait()) o.workers = 1;
  sennit::run(o, [] {
    blocking_pair p = a_pipe();
    const std::size_t count = scaled(100'000);
    std::atomic<std::size_t> got{0};
    scope s;
    for (int i = 0; i < 3; ++i) {
      s.spawn([&, in = standard_stream::open(p.out.get())]() mutable {
        std::array<std::byte, 7> b;
        while (const std::size_t n = in.read_some(b)) got += n;
      });
    }
    auto out = standard_stream::open(p.in.get());
    for (std::size_t i = 0; i < count; ++i) out.write_all(raw("x"));
    out.close();
    p.in = unique_fd();
    s.join();
    EXPECT_EQ(got, count);
  });
}

TEST_P(standard_stream_test, regular_files_share_their_position) {
  run([] {
    std::array<char, 32> name{"/tmp/sennit-standard-XXXXXX"};
    const unique_fd fd(::mkstemp(name.data()));
    ASSERT_TRUE(fd);
    ::unlink(name.data());
    auto out = standard_stream::open(fd.get());
    EXPECT_FALSE(out.is_terminal());
    out.write_all(raw("first "));
    put(fd.get(), "second ");
    const std::array parts{raw("thi"), raw("rd")};
    out.write_all(parts);
    ASSERT_EQ(::lseek(fd.get(), 0, SEEK_SET), 0);
    std::array<std::byte, 64> b{};
    auto in = standard_stream::open(fd.get());
    EXPECT_EQ(text(std::span(b).first(in.read_exact(std::span(b).first(6)))), "first ");
    EXPECT_EQ(text(std::span(b).first(in.read_exact(std::span(b).first(12)))), "second third");
    EXPECT_EQ(in.read_some(b), 0U);
    EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 18);
    in.close();
    std::error_code ec;
    in.read_some(b, ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
  });
}

TEST_P(standard_stream_test, devices_and_errors) {
  run([] {
    std::array<std::byte, 16> b{};
    const unique_fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    auto s = standard_stream::open(null.get());
    EXPECT_EQ(s.read_some(b), 0U);
    EXPECT_EQ(s.write_all(b), b.size());
    const unique_fd zero(::open("/dev/zero", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(standard_stream::open(zero.get()).read_exact(b), b.size());
    if (const unique_fd full(::open("/dev/full", O_RDWR | O_CLOEXEC)); full) {  // Linux
      EXPECT_EQ(code_of([&] { standard_stream::open(full.get()).write_all(b); }), std::errc::no_space_on_device);
    }
    const unique_fd folder(::open("/", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(code_of([&] { standard_stream::open(folder.get()); }), std::errc::is_a_directory);
    EXPECT_EQ(code_of([] { standard_stream::open(-1); }), std::errc::bad_file_descriptor);
    blocking_pair p = a_pipe();
    auto writer = standard_stream::open(p.in.get());
    EXPECT_EQ(code_of([&] { writer.read_some(b); }), std::errc::bad_file_descriptor) << "open for writing only";
    p.out = unique_fd();
    EXPECT_EQ(code_of([&] { writer.write_all(b); }), std::errc::broken_pipe);
  });
}

TEST_P(standard_stream_test, the_standard_three) {
  run([] {
    const unique_fd saved(::fcntl(0, F_DUPFD_CLOEXEC, 3));
    const blocking_pair p = a_pipe();
    ASSERT_EQ(::dup2(p.out.get(), 0), 0);
    auto in = standard_input();
    put(p.in.get(), "12 apples\nand more\n");
    sennit::iostream words(in);
    int count = 0;
    std::string what;
    words >> count >> what;
    EXPECT_EQ(count, 12);
    EXPECT_EQ(what, "apples");
    in.close();
    EXPECT_GE(::fcntl(0, F_GETFD), 0) << "the stream had a duplicate";
    ::close(0);
    EXPECT_EQ(code_of([] { static_cast<void>(standard_input()); }), std::errc::bad_file_descriptor);
    EXPECT_TRUE(standard_output().is_open());
    EXPECT_TRUE(standard_error().is_open());
    if (saved) {
      ASSERT_EQ(::dup2(saved.get(), 0), 0);
    }
  });
}

TEST_P(standard_stream_test, a_stop_ends_a_read) {
  run([] {
    const blocking_pair p = a_pipe();
    auto in = standard_stream::open(p.out.get());
    std::array<std::byte, 1> b;
    scope s;
    std::error_code ended;
    s.spawn([&] { ended = code_of([&] { in.read_some(b); }); });
    s.request_stop();
    s.join();
    EXPECT_EQ(ended, std::errc::operation_canceled);
  });
}

TEST(standard_stream_thread, a_plain_thread_blocks) {
  const blocking_pair p = a_pipe();
  auto in = standard_stream::open(p.out.get());
  auto out = standard_stream::open(p.in.get());
  std::thread writer([&] { out.write_all(raw("late")); });
  std::array<std::byte, 4> b{};
  EXPECT_EQ(in.read_exact(b), 4U);
  writer.join();
  EXPECT_EQ(text(b), "late");
}

TEST(standard_stream_terminal, a_master_is_not_opened_again) {
  // /dev/ptmx gives whoever opens it a new terminal.
  sennit::run([] {
    const blocking_pair p = a_terminal(true);
    auto master = standard_stream::open(p.in.get());
    EXPECT_TRUE(master.is_terminal());
    master.write_all(raw("to the terminal"));
    std::array<char, 15> b{};
    EXPECT_EQ(::read(p.out.get(), b.data(), b.size()), 15);
    put(p.out.get(), "and back");
    std::array<std::byte, 8> c{};
    EXPECT_EQ(master.read_exact(c), 8U);
    EXPECT_EQ(text(c), "and back");
  });
}

TEST(standard_stream_terminal, the_controlling_terminal) {
  std::error_code ec;
  auto t = open_terminal(ec);
  const unique_fd same(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_EQ(!ec, static_cast<bool>(same));
  EXPECT_EQ(t.is_terminal(), static_cast<bool>(same));
  EXPECT_TRUE(!ec || ec == std::errc::no_such_device_or_address) << ec;
}

}  // namespace
}  // namespace sennit::test
