// Several buffers by one call: partial results, more buffers than the kernel takes, empty ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"

namespace sennit::test {
namespace {

using parts = std::vector<std::span<std::byte>>;
using const_parts = std::vector<std::span<const std::byte>>;

template <class Kind>
class vectored : public ::testing::Test {};
using kinds = ::testing::Types<tcp_kind, unix_kind, pipe_kind>;
TYPED_TEST_SUITE(vectored, kinds);

/// `all` cut in pieces of 0 to `longest` bytes.
template <class List, class Bytes>
List pieces(Bytes& all, std::size_t longest, std::uint64_t seed) {
  detail::random_source random(seed);
  List list;
  for (auto rest = typename List::value_type(all); !rest.empty();) {
    const std::size_t n = std::min<std::size_t>(random.below(static_cast<std::uint32_t>(longest) + 1), rest.size());
    list.push_back(rest.first(n));
    rest = rest.subspan(n);
  }
  return list;
}

/// Writes and reads `size` bytes by lists of buffers; `Thread` runs the writer.
template <class Kind, class Thread = fiber>
void transfer(std::size_t size, std::size_t longest) {
  auto p = Kind::connected();
  const bytes sent = random_bytes(size, 1);
  const auto list = pieces<const_parts>(sent, longest, 2);
  bytes got;
  bytes room(5000);
  const auto into = pieces<parts>(room, 400, 3);
  Thread writer([&] {
    EXPECT_EQ(p.writer.write_all(list), sent.size());
    p.writer.close();
  });
  while (const std::size_t n = p.reader.read_some(into)) {
    ASSERT_LE(n, room.size());
    got.insert(got.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(n));
  }
  writer.join();
  EXPECT_EQ(got, sent);
}

TYPED_TEST(vectored, more_buffers_than_the_kernel_takes) {
  with_runtimes([] { transfer<TypeParam>(20'000, 5); });  // some 8000 of them
}

TYPED_TEST(vectored, large_buffers) {
  with_runtimes([] { transfer<TypeParam>(3'000'000, 500'000); });
}

TYPED_TEST(vectored, calls_that_are_cut_and_interrupted) {
  chopping_host outside(seed(), TypeParam::may_be_cut);
  with_runtimes([] { transfer<TypeParam>(scaled(1'000'000), 3000); }, &outside);
}

TYPED_TEST(vectored, plain_threads) { transfer<TypeParam, std::thread>(20'000, 3000); }

TYPED_TEST(vectored, nothing_to_move) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    std::error_code ec = std::make_error_code(std::errc::io_error);
    EXPECT_EQ(p.writer.write_all(const_parts(), ec), 0U);
    EXPECT_FALSE(ec);
    EXPECT_EQ(p.writer.write_all(const_parts(3000), ec), 0U);
    EXPECT_EQ(p.writer.write_some(const_parts(3000), ec), 0U);
    EXPECT_EQ(p.reader.read_some(parts(3000), ec), 0U);
    EXPECT_FALSE(ec);
    p.reader.close();
    p.writer.close();
    p.reader.read_some(parts(), ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    p.writer.write_all(const_parts(), ec);
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
  });
}

TYPED_TEST(vectored, a_short_read_fills_the_first_buffers) {
  with_runtimes([] {
    auto p = TypeParam::connected();
    p.writer.write_all(random_bytes(5, 9));
    std::array<std::byte, 3> a{};
    std::array<std::byte, 4> b{};
    EXPECT_EQ(p.reader.read_some(std::array<std::span<std::byte>, 3>{a, {}, b}), 5U);
    const bytes sent = random_bytes(5, 9);
    EXPECT_TRUE(std::equal(a.begin(), a.end(), sent.begin()));
    EXPECT_TRUE(std::equal(b.begin(), b.begin() + 2, sent.begin() + 3));
    EXPECT_EQ(b[2], std::byte{0});
  });
}

/// Counts the calls that send several buffers.
class counting_host final : public detail::host {
 public:
  std::ptrdiff_t sendmsg(int fd, const msghdr* message) noexcept override {
    ++calls;
    return host::sendmsg(fd, message);
  }
  std::ptrdiff_t writev(int fd, const iovec* list, std::size_t count) noexcept override {
    ++calls;
    return host::writev(fd, list, count);
  }
  std::atomic<int> calls{0};
};

TYPED_TEST(vectored, a_head_and_a_body_cost_one_call) {
  counting_host outside;
  with_runtimes(
      [&] {
        auto p = TypeParam::connected();
        outside.calls = 0;
        const bytes head(100);
        const bytes body(2000);
        EXPECT_EQ(p.writer.write_all(std::array<std::span<const std::byte>, 2>{head, body}), 2100U);
        EXPECT_EQ(outside.calls, 1);
      },
      &outside);
}

}  // namespace
}  // namespace sennit::test
