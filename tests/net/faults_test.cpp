// Each system call of a session fails in turn with each error that its manual page lists: out comes a code, nothing
// leaks, nothing hangs, and what can be repaired is repaired.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "net/fault_sessions.hpp"
#include "support/faulty_host.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

/// What becomes of a fault.
enum class fate : std::uint8_t {
  told,     // the code comes out
  mended,   // nobody notices
  another,  // some code comes out, or none: the call is a means to an end
};

struct fault {
  host_call call;
  std::vector<int> errors;
  fate becomes;
};

// EAGAIN is no fault of a call that was tried because it is ready, nor is ENOTCONN of getpeername(): they say that it
// is not, and then the kernel has to say when it is.
const std::vector<int> of_receiving{ECONNREFUSED, ECONNRESET, EINVAL, ENOMEM, ENOTCONN, ETIMEDOUT};
const std::vector<int> of_sending{EACCES,   ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EINVAL, EISCONN, EMSGSIZE,
                                  ENETDOWN, ENETUNREACH,  ENOBUFS,    ENOMEM,       EPERM,  EPIPE};
const std::vector<int> of_writing{EDQUOT, EFBIG, EIO, ENOSPC, EPERM, EPIPE};
const std::vector<int> of_options{EINVAL, ENOBUFS, ENOMEM, ENOPROTOOPT, EPERM};
const std::vector<int> of_paths{EACCES, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EROFS};
const std::vector<int> of_tables{EMFILE, ENFILE};
const std::vector<int> interrupted{EINTR};

const std::vector<fault> all_faults{
    {host_call::read, {EIO, EISDIR}, fate::told},
    {host_call::write, of_writing, fate::told},
    {host_call::recv, of_receiving, fate::told},
    {host_call::send, of_sending, fate::told},
    {host_call::recvmsg, of_receiving, fate::told},
    {host_call::sendmsg, of_sending, fate::told},
    {host_call::readv, {EIO, EINVAL}, fate::told},
    {host_call::writev, of_writing, fate::told},
    {host_call::recvmmsg, of_receiving, fate::told},
    {host_call::sendmmsg, of_sending, fate::told},
    {host_call::socket, {EACCES, EAFNOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT}, fate::told},
    {host_call::accept, {EINVAL, EPERM}, fate::told},
    {host_call::accept, {ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, ENETDOWN, EHOSTUNREACH}, fate::mended},
    {host_call::connect,
     {EACCES, EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EISCONN, ENETUNREACH, EPERM, EPROTOTYPE, ETIMEDOUT},
     fate::told},
    {host_call::connect, {EAGAIN}, fate::another},  // a full backlog of a Unix socket; no port left of others
    {host_call::bind, {EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL, ELOOP, ENOENT, ENOMEM, ENOTDIR, EROFS}, fate::told},
    {host_call::listen, {EADDRINUSE, EOPNOTSUPP}, fate::told},
    {host_call::shutdown, {EINVAL, ENOTCONN}, fate::told},
    {host_call::getsockopt, of_options, fate::told},
    {host_call::setsockopt, of_options, fate::another},  // TCP_NODELAY of a new connection is a wish
    {host_call::getsockname, {ENOBUFS, EINVAL}, fate::told},
    {host_call::getpeername, {ENOBUFS, EINVAL}, fate::told},
    {host_call::close, {EINTR, EIO, ENOSPC, EDQUOT}, fate::mended},  // it is closed all the same
    {host_call::socketpair, {EAFNOSUPPORT, EMFILE, ENFILE, EOPNOTSUPP}, fate::told},
    {host_call::pipe, of_tables, fate::told},
    {host_call::unlink, {EACCES, EBUSY, EIO, ENOENT, EROFS}, fate::another},
    {host_call::poll, {EINVAL, ENOMEM}, fate::another},
    {host_call::file_open, of_paths, fate::told},
    {host_call::file_open, {EDQUOT, EEXIST, EMFILE, ENFILE, ENOSPC, ENXIO, EOVERFLOW, EPERM, ETXTBSY}, fate::told},
    {host_call::file_readv, {EINVAL, EIO, EISDIR, ENOMEM}, fate::told},
    {host_call::file_readv_nowait, {EAGAIN, EINTR, ENOSYS, EOPNOTSUPP}, fate::mended},
    {host_call::file_readv_nowait, {EIO}, fate::told},
    {host_call::file_writev, of_writing, fate::told},
    {host_call::file_send, {ECONNRESET, EIO, ENOMEM, EPIPE}, fate::told},
    {host_call::file_send, {EINTR, EINVAL, ENOSYS}, fate::mended},
    {host_call::file_seek, {EINVAL, ENXIO, EOVERFLOW}, fate::told},
    {host_call::file_sync, {EDQUOT, EIO, ENOSPC, EROFS}, fate::told},
    {host_call::file_resize, {EFBIG, EINVAL, EIO, EPERM}, fate::told},
    {host_call::file_fstat, {ENOMEM, EOVERFLOW}, fate::told},
    {host_call::file_stat, of_paths, fate::told},
    {host_call::file_flags, {EBADF}, fate::told},
    {host_call::file_set_nonblocking, {EPERM}, fate::told},
    {host_call::file_rename, {EACCES, EBUSY, EDQUOT, ENOSPC, EROFS, EXDEV}, fate::told},
    {host_call::file_unlink, {EACCES, EBUSY, EIO, EROFS}, fate::told},
    {host_call::file_rmdir, {EACCES, EBUSY, ENOTEMPTY, EROFS}, fate::told},
    {host_call::file_mkdir, {EACCES, EDQUOT, EEXIST, EMLINK, ENOSPC}, fate::told},
    {host_call::file_list, {EINVAL, EIO, ENOENT}, fate::told},
    {host_call::signal_fd, {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM}, fate::told},
    {host_call::take_signal, {EIO}, fate::told},
    {host_call::child_pipe, of_tables, fate::told},
    {host_call::spawn, {E2BIG, EACCES, EAGAIN, ENOENT, ENOEXEC, ENOMEM}, fate::told},
    {host_call::pid_fd, {EMFILE, ENFILE, ENODEV, ENOMEM}, fate::told},
    {host_call::wait, {ECHILD}, fate::told},
    {host_call::signal_child, {EINVAL, EPERM}, fate::told},
    {host_call::signal_child, {ESRCH}, fate::mended},
    {host_call::duplicate_above, {EMFILE, EINVAL}, fate::told},
    // Signals interrupt what may wait; who asked never hears of it.
    {host_call::read, interrupted, fate::mended},
    {host_call::write, interrupted, fate::mended},
    {host_call::recv, interrupted, fate::mended},
    {host_call::send, interrupted, fate::mended},
    {host_call::recvmsg, interrupted, fate::mended},
    {host_call::sendmsg, interrupted, fate::mended},
    {host_call::readv, interrupted, fate::mended},
    {host_call::writev, interrupted, fate::mended},
    {host_call::recvmmsg, interrupted, fate::mended},
    {host_call::sendmmsg, interrupted, fate::mended},
    {host_call::accept, interrupted, fate::mended},
    {host_call::connect, interrupted, fate::mended},
    {host_call::poll, interrupted, fate::mended},
    {host_call::take_signal, interrupted, fate::mended},
    {host_call::file_open, interrupted, fate::mended},
    {host_call::file_readv, interrupted, fate::mended},
    {host_call::file_writev, interrupted, fate::mended},
    {host_call::file_sync, interrupted, fate::mended},
    {host_call::file_resize, interrupted, fate::mended},
};

struct session {
  const char* name;
  void (*run)(session_log&);
  /// Here these calls are means to an end: another address is tried, a path that is in the way is looked at.
  std::vector<host_call> means = {};
};

const std::vector<session> all_sessions{
    {"tcp", sessions::tcp},
    {"race", sessions::race, {host_call::socket, host_call::connect, host_call::getsockopt, host_call::getpeername}},
    {"unix_streams",
     sessions::unix_streams,
     {host_call::socket, host_call::connect, host_call::bind, host_call::listen}},
    {"unix_messages", sessions::unix_messages},
    {"udp", sessions::udp},
    {"unix_datagrams", sessions::unix_datagrams},
    {"pipes", sessions::pipes},
    {"files", sessions::files},
    {"file_streams", sessions::file_streams},
    {"sent_files", sessions::sent_files, {host_call::file_readv_nowait, host_call::file_flags}},
    {"signals", sessions::signals, {host_call::take_signal}},
    {"processes", sessions::processes},
};

/// Nothing is logged: who is out of descriptors says so.
struct quiet {
  quiet() { testing::internal::CaptureStderr(); }
  ~quiet() { static_cast<void>(testing::internal::GetCapturedStderr()); }
  quiet(const quiet&) = delete;
  quiet& operator=(const quiet&) = delete;
};

class faults : public ::testing::TestWithParam<session> {
 protected:
  /// The session in a runtime with that host; it has a minute.
  static session_log run_once(runtime& rt, void (*run)(session_log&)) {
    session_log log;
    rt.run([&] {
      scope limit(std::chrono::steady_clock::now() + 60s);
      limit.spawn([&] { run(log); });
      limit.join();
    });
    return log;
  }
};

TEST_P(faults, every_error_of_every_call_comes_out_as_a_code) {
  faulty_host outside;
  runtime rt({.workers = 2, .stall_threshold = {}, .host = &outside});
  const quiet accept_warns;
  outside.disarm();
  ASSERT_EQ(run_once(rt, GetParam().run).text(), "");
  outside.disarm();
  ASSERT_EQ(run_once(rt, GetParam().run).text(), "") << "the runtime has what it keeps";
  std::array<std::size_t, static_cast<std::size_t>(host_call::count)> calls{};
  for (std::size_t c = 0; c < calls.size(); ++c) calls[c] = outside.calls(static_cast<host_call>(c));
  const std::size_t before = open_descriptors();
  std::size_t injected = 0;
  for (const fault& f : all_faults) {
    const auto& means = GetParam().means;
    const bool told_otherwise = f.becomes == fate::told && std::ranges::find(means, f.call) != means.end();
    for (std::size_t nth = 0; nth < calls[static_cast<std::size_t>(f.call)]; ++nth) {
      for (const int error : f.errors) {
        outside.arm(f.call, nth, error);
        const session_log log = run_once(rt, GetParam().run);
        if (!outside.hit()) continue;  // this time it took fewer calls
        ++injected;
        const auto where = [&] {
          return "call " + std::to_string(static_cast<int>(f.call)) + ", number " + std::to_string(nth) + ", error " +
                 std::to_string(error) + ": " + log.text();
        };
        const auto is_it = [&](const std::error_code& ec) {
          return ec == std::error_condition(error, std::generic_category()) ||
                 ec == std::error_code(error, std::system_category());  // those that std::errc does not know
        };
        ASSERT_TRUE(f.becomes != fate::told || told_otherwise || std::ranges::any_of(log.codes(), is_it)) << where();
        ASSERT_TRUE(f.becomes != fate::mended || log.codes().empty()) << where();
        for (const auto& ec : log.codes()) ASSERT_NE(ec, error::deadline_passed) << "it hung: " << where();
        ASSERT_EQ(open_descriptors(), before) << "leaked: " << where();
        ASSERT_EQ(outside.bad_closes(), 0U) << where();
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {}  // those whose status was lost on purpose
      }
    }
  }
  outside.disarm();
  EXPECT_EQ(run_once(rt, GetParam().run).text(), "") << "nothing is left of it";
  EXPECT_GT(injected, 4U);
  std::printf("%zu faults\n", injected);
}

INSTANTIATE_TEST_SUITE_P(all, faults, ::testing::ValuesIn(all_sessions),
                         [](const auto& i) { return std::string(i.param.name); });

/// Files whose reads and writes move less than they were asked to, now and then.
class short_disk final : public detail::host {
 public:
  detail::file_calls& files() noexcept override { return calls_; }

 private:
  struct short_calls final : detail::file_calls {
    std::ptrdiff_t readv(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      const iovec first{parts->iov_base, cut(parts->iov_len)};
      return file_calls::readv(fd, first.iov_len < parts->iov_len ? &first : parts,
                               first.iov_len < parts->iov_len ? 1 : count, offset, flags);
    }
    std::ptrdiff_t writev(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      const iovec first{parts->iov_base, cut(parts->iov_len)};
      return file_calls::writev(fd, first.iov_len < parts->iov_len ? &first : parts,
                                first.iov_len < parts->iov_len ? 1 : count, offset, flags);
    }
    std::size_t cut(std::size_t size) noexcept {
      const detail::spin_guard guard(lock);
      return size < 2 || random.below(2) == 0 ? size : 1 + random.below(static_cast<std::uint32_t>(size - 1));
    }
    detail::spin_lock lock;
    detail::random_source random{seed()};
  };
  short_calls calls_;
};

TEST(short_calls, of_files_lose_nothing) {
  const scratch_directory dir;
  short_disk outside;
  const auto text = [](std::uint64_t start, std::size_t size) {
    detail::random_source random(start);
    std::string s(size, '\0');
    for (char& c : s) c = static_cast<char>(random.next());
    return s;
  };
  const auto bytes_of = [](const std::string& s) { return std::as_bytes(std::span(s)); };
  sennit::run({.workers = 2, .stall_threshold = {}, .host = &outside}, [&] {
    for (std::size_t i = 0; i < scaled(2000); ++i) {
      const std::string one = text(i, 1 + i * 37 % 9000);
      const std::string two = text(i + 1, 1 + i * 61 % 9000);
      write_file(dir / "f", bytes_of(one));
      ASSERT_EQ(read_file(dir / "f"), one);
      file f = file::open(dir / "f", open_mode::read | open_mode::append);
      const std::array<std::span<const std::byte>, 2> parts{bytes_of(two), bytes_of(one)};
      ASSERT_EQ(f.append(parts), one.size() + two.size());
      std::string back(2 * one.size() + two.size() + 5, '\0');
      const auto room = std::as_writable_bytes(std::span(back));
      const std::array<std::span<std::byte>, 2> into{room.first(7), room.subspan(7)};
      ASSERT_EQ(f.read_at(into, 0), back.size() - 5);
      back.resize(back.size() - 5);
      ASSERT_EQ(back, one + two + one);
    }
  });
}

}  // namespace
}  // namespace sennit::test
