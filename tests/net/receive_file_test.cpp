// Streams to files, with each backend of files that this system has.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <thread>

#include <sennit/sennit.hpp>

#include "base/host_files.hpp"
#include "net/sent_files.hpp"
#include "support/file_backends.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class receive_file_test : public file_backend_test {};
INSTANTIATE_FILE_BACKENDS(receive_file_test);

/// receive(reader, file) while `data` is written; what is in the file then.
template <class Kind, class Receive>
bytes received(Kind, const std::string& path, const bytes& data, Receive&& receive) {
  auto p = Kind::connected();
  file into = file_of(path, bytes(10, std::byte{7}));
  scope s;
  s.spawn([&] {
    std::error_code ec;  // the reader may go before
    p.writer.write_all(data, ec);
    p.writer.close();
  });
  receive(p.reader, into);
  p.reader.close();
  s.join();
  return content_of(into);
}

TEST_P(receive_file_test, whole_streams_and_parts_of_them) {
  run([&] {
    for (const std::size_t size : {0U, 1U, 200'000U, 2'000'000U}) {
      const bytes data = random_bytes(size, 1);
      each_kind([&](auto kind) {
        bytes expected(10, std::byte{7});
        expected.insert(expected.end(), data.begin(), data.end());
        EXPECT_EQ(received(kind, dir / "f", data,
                           [&](auto& from, file& into) { EXPECT_EQ(from.receive_file(into, 10), size); }),
                  expected);
        EXPECT_EQ(received(kind, dir / "f", data,
                           [&](auto& from, file& into) { EXPECT_EQ(from.receive_file(into, 10, size + 1), size); }),
                  expected);
        const std::uint64_t some = size / 2 + 1;
        std::uint64_t n = 0;
        bytes got = received(kind, dir / "f", data, [&](auto& from, file& into) {
          n = from.receive_file(into, 0, some);
          EXPECT_EQ(drain_slowly(from), part_of(data, n, to_end)) << "no byte more was read";
        });
        EXPECT_EQ(n, std::min<std::uint64_t>(some, size));
        got.resize(n);
        EXPECT_EQ(got, part_of(data, 0, some));
      });
    }
  });
}

TEST_P(receive_file_test, deadlines_and_stops) {
  run([&] {
    each_kind([&](auto kind) {
      auto p = decltype(kind)::connected();
      file f = file_of(dir / "f", {});
      p.writer.write_all(bytes(100, std::byte{1}));
      std::error_code ec;
      std::uint64_t received = 0;
      for (auto patience = 3ms; received == 0; patience *= 2) {
        p.reader.expires_after(patience);
        received = p.reader.receive_file(f, 0, to_end, ec);
        ASSERT_EQ(ec, error::deadline_passed);
      }
      EXPECT_EQ(received, 100U);
      EXPECT_EQ(f.size(), 100U);
      p.reader.expires_never();
      for (const bool ambient : {false, true}) {
        stop_source source;
        const stop_token token = ambient ? stop_token() : source.get_token();
        park_probe reading;
        scope s(on_exception::log);
        s.spawn([&] {
          reading.here();
          EXPECT_EQ(code_of([&] { p.reader.receive_file(f, 0, to_end, token); }), std::errc::operation_canceled);
        });
        reading.await_parked();
        ambient ? s.request_stop() : static_cast<void>(source.request_stop());
        s.join();
      }
    });
  });
}

TEST_P(receive_file_test, files_that_cannot_be_written_cost_no_byte) {
  run([&] {
    each_kind([&](auto kind) {
      auto p = decltype(kind)::connected();
      p.writer.write_all(std::array{std::byte{42}});
      file f = file_of(dir / "f", {});
      EXPECT_EQ(code_of([&] { p.reader.receive_file(f, std::uint64_t{1} << 63); }), std::errc::invalid_argument);
      f.close();
      EXPECT_EQ(code_of([&] { p.reader.receive_file(f); }), std::errc::bad_file_descriptor);
      file log = file::open(dir / "log", open_mode::append | open_mode::create);
      EXPECT_EQ(code_of([&] { p.reader.receive_file(log); }), std::errc::invalid_argument);
      file for_reading = file::open(dir / "log");
      EXPECT_EQ(code_of([&] { p.reader.receive_file(for_reading); }), std::errc::bad_file_descriptor);
      file device = file::open("/dev/null", open_mode::write);
      EXPECT_EQ(code_of([&] { p.reader.receive_file(device); }), std::errc::invalid_seek);
      std::array<std::byte, 1> b{};
      EXPECT_EQ(p.reader.read_some(b), 1U) << "it is still there";
      file again = file_of(dir / "f", {});
      p.reader.close();
      EXPECT_EQ(code_of([&] { p.reader.receive_file(again); }), std::errc::bad_file_descriptor);
    });
  });
}

TEST_P(receive_file_test, plain_threads) {
  const bytes data = random_bytes(1'000'000, 2);
  each_kind([&](auto kind) {
    auto p = decltype(kind)::connected();
    file f = file_of(dir / "f", {});
    std::thread writer([&] {
      p.writer.write_all(data);
      p.writer.close();
    });
    EXPECT_EQ(p.reader.receive_file(f), data.size());
    writer.join();
    EXPECT_EQ(content_of(f), data);
  });
}

/// A disk with room for so many bytes.
class full_host final : public detail::host {
 public:
  class calls final : public detail::file_calls {
   public:
    std::ptrdiff_t writev(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      constexpr std::int64_t room = 150'000;
      if (offset >= room) return -ENOSPC;
      iovec some = parts[0];
      some.iov_len = std::min(some.iov_len, static_cast<std::size_t>(room - offset));
      return file_calls::writev(fd, &some, std::min(count, 1), offset, flags);
    }
  };
  detail::file_calls& files() noexcept override { return disk; }
  calls disk;
};

TEST(receive_file_full, a_full_disk_is_told_and_what_is_there_counted) {
  full_host outside;
  const scratch_directory dir;
  with_runtimes(
      [&] {
        const bytes data = random_bytes(1'000'000, 3);
        each_kind([&](auto kind) {
          const bytes got = received(kind, dir / "f", data, [&](auto& from, file& into) {
            std::error_code ec;
            EXPECT_EQ(from.receive_file(into, 0, to_end, ec), 150'000U);
            EXPECT_EQ(ec, std::errc::no_space_on_device);
          });
          EXPECT_EQ(got, part_of(data, 0, 150'000));
        });
      },
      &outside);
}

}  // namespace
}  // namespace sennit::test
