// Descriptors that travel over Unix sockets.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"
#include "support/descriptors.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

struct stream_kind {
  static auto pair() { return unix_stream::pair(); }
  static void send(unix_stream& s, std::span<const int> fds, const bytes& data, std::error_code& ec) {
    s.write_descriptors(fds, data, ec);
  }
  static std::size_t receive(unix_stream& s, std::vector<descriptor>& fds, bytes& room, std::error_code& ec) {
    return s.read_descriptors(fds, room, ec);
  }
  static std::size_t receive_data(unix_stream& s, bytes& room) { return s.read_some(room); }
};

template <class Socket>
struct message_kind {
  static auto pair() { return Socket::pair(); }
  static void send(Socket& s, std::span<const int> fds, const bytes& data, std::error_code& ec) {
    s.send_descriptors(fds, data, ec);
  }
  static std::size_t receive(Socket& s, std::vector<descriptor>& fds, bytes& room, std::error_code& ec) {
    return s.receive_descriptors(fds, room, ec).size;
  }
  static std::size_t receive_data(Socket& s, bytes& room) { return s.receive(room).size; }
};

template <class Kind>
class unix_rights : public ::testing::Test {};
using kinds = ::testing::Types<stream_kind, message_kind<unix_seqpacket>, message_kind<unix_datagram>>;
TYPED_TEST_SUITE(unix_rights, kinds);

TYPED_TEST(unix_rights, a_descriptor_arrives_and_works) {
  with_runtimes([] {
    const std::size_t before = open_descriptors();
    {
      auto [a, b] = TypeParam::pair();
      auto p = sennit::pipe::open();
      std::error_code ec;
      const int fd = p.writer.release();  // out of the poller
      TypeParam::send(a, std::array{fd}, bytes(3), ec);
      ASSERT_FALSE(ec);
      ::close(fd);  // the copy under way is enough
      std::vector<descriptor> fds;
      bytes room(10);
      EXPECT_EQ(TypeParam::receive(b, fds, room, ec), 3U);
      ASSERT_FALSE(ec);
      ASSERT_EQ(fds.size(), 1U);
      EXPECT_NE(::fcntl(fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);
      auto writer = pipe_writer::adopt(fds[0].release());
      writer.write_all(bytes(7));
      EXPECT_EQ(p.reader.read_some(room), 7U);
      TypeParam::send(a, {}, bytes(4), ec);
      EXPECT_EQ(TypeParam::receive(b, fds, room, ec), 4U);
      EXPECT_TRUE(fds.empty()) << "those of before are gone";
    }
    EXPECT_EQ(open_descriptors(), before);
  });
}

TYPED_TEST(unix_rights, many_at_once_and_too_many) {
  with_runtimes([] {
    auto [a, b] = TypeParam::pair();
    const auto p = pipe_pair();
    std::error_code ec;
    TypeParam::send(a, std::vector<int>(253, p.a.get()), bytes(1), ec);
    ASSERT_FALSE(ec);
    std::vector<descriptor> fds;
    bytes room(10);
    EXPECT_EQ(TypeParam::receive(b, fds, room, ec), 1U);
    EXPECT_EQ(fds.size(), 253U);
    TypeParam::send(a, std::vector<int>(254, p.a.get()), bytes(1), ec);
    EXPECT_EQ(ec, std::errc::invalid_argument);
    TypeParam::send(a, std::array{p.a.get()}, bytes(), ec);
    EXPECT_EQ(ec, std::errc::invalid_argument) << "they go with data";
    TypeParam::send(a, std::array{-1}, bytes(1), ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    a.close();
    TypeParam::send(a, std::array{p.a.get()}, bytes(1), ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
  });
}

TYPED_TEST(unix_rights, nothing_leaks_where_nobody_asked_for_them) {
  with_runtimes([] {
    const std::size_t before = open_descriptors();
    {
      auto [a, b] = TypeParam::pair();
      auto p = pipe_pair();
      std::error_code ec;
      TypeParam::send(a, std::array{p.a.get(), p.a.get()}, bytes(1), ec);
      const std::size_t held = open_descriptors();
      bytes room(10);
      EXPECT_EQ(TypeParam::receive_data(b, room), 1U);
      EXPECT_EQ(open_descriptors(), held);
      TypeParam::send(a, std::array{p.a.get()}, bytes(1), ec);  // nobody receives these
    }
    EXPECT_EQ(open_descriptors(), before);
  });
}

/// Gives fewer descriptors than came, as the kernel does at the process's limit.
class short_host final : public detail::host {
 public:
  std::ptrdiff_t recvmsg(int fd, msghdr* message) noexcept override {
    const std::ptrdiff_t size = host::recvmsg(fd, message);
    cmsghdr* const rights = size >= 0 ? CMSG_FIRSTHDR(message) : nullptr;
    if (!cut || rights == nullptr) return size;
    const auto* const fds = reinterpret_cast<const int*>(CMSG_DATA(rights));
    const std::size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 2; i < count; ++i) host::close(fds[i]);
    rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
    message->msg_controllen = CMSG_SPACE(2 * sizeof(int));
    message->msg_flags |= MSG_CTRUNC;
    return size;
  }
  std::atomic<bool> cut{true};
};

TYPED_TEST(unix_rights, a_message_that_is_cut_leaks_nothing) {
  short_host outside;
  with_runtimes(
      [&] {
        auto [a, b] = TypeParam::pair();
        const auto p = pipe_pair();
        std::error_code ec;
        std::vector<descriptor> fds;
        bytes room(10);
        outside.cut = true;
        TypeParam::send(a, std::vector<int>(5, p.a.get()), bytes(3), ec);
        const std::size_t before = open_descriptors();
        EXPECT_EQ(TypeParam::receive(b, fds, room, ec), 3U);
        EXPECT_EQ(ec, std::errc::too_many_files_open);
        EXPECT_TRUE(fds.empty());
        EXPECT_EQ(open_descriptors(), before);
        outside.cut = false;
        TypeParam::send(a, std::vector<int>(5, p.a.get()), bytes(3), ec);
        EXPECT_EQ(TypeParam::receive(b, fds, room, ec), 3U);
        EXPECT_EQ(fds.size(), 5U) << "the next one is whole";
      },
      &outside);
}

TEST(unix_rights, the_limit_of_descriptors_is_told_and_leaks_nothing) {
  sennit::run(sennit::options{.workers = 1}, [] {
    auto [a, b] = unix_stream::pair();
    const auto p = pipe_pair();
    std::vector<descriptor> fds;
    bytes room(10);
    std::error_code ec;
    a.write_descriptors(std::vector<int>(50, p.a.get()), bytes(3), ec);
    const std::size_t before = open_descriptors();
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    const int next = ::dup(p.a.get());  // the lowest free number
    ::close(next);
    const rlimit tight{static_cast<rlim_t>(next) + 10, limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    EXPECT_EQ(b.read_descriptors(fds, room, ec), 3U);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(ec, std::errc::too_many_files_open);
    EXPECT_TRUE(fds.empty());
    EXPECT_EQ(open_descriptors(), before);
  });
}

TEST(unix_rights, descriptors_between_bytes_of_a_stream_lose_no_byte) {
  // Hazard 14: a read stops at a message with descriptors, and no second edge comes for what is behind it.
  with_runtimes([] {
    auto [a, b] = unix_stream::pair();
    const auto p = pipe_pair();
    const std::size_t rounds = scaled(20'000);
    binary_semaphore written(0);
    binary_semaphore received(0);
    scope s;
    s.spawn([&] {
      for (std::size_t i = 0; i < rounds; ++i) {
        a.write_all(bytes(4));
        a.write_descriptors(std::array{p.a.get()}, bytes(4));
        a.write_all(bytes(4));
        written.release();
        received.acquire();
      }
    });
    bytes room(64);
    std::vector<descriptor> fds;
    for (std::size_t i = 0; i < rounds; ++i) {
      written.acquire();
      const bool by_plain_reads = i >= rounds / 2;  // the descriptor is lost then, but no byte
      std::size_t got = 0;
      std::size_t count = 0;
      while (got < 12) {
        got += by_plain_reads ? b.read_some(room) : b.read_descriptors(fds, room);
        count += fds.size();
        fds.clear();
      }
      ASSERT_EQ(got, 12U);
      ASSERT_EQ(count, by_plain_reads ? 0U : 1U);
      received.release();
    }
    s.join();
  });
}

}  // namespace
}  // namespace sennit::test
