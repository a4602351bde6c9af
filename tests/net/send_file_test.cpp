// Files to streams, with each backend of files that this system has. What is not in memory: send_file_cold_test.cpp.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include <sennit/sennit.hpp>

#include "net/sent_files.hpp"
#include "support/file_backends.hpp"
#include "support/file_cache.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class send_file_test : public file_backend_test {};
INSTANTIATE_FILE_BACKENDS(send_file_test);

TEST_P(send_file_test, whole_files_and_parts_of_them) {
  run([&] {
    for (const std::size_t size : {0U, 1U, 4096U, 200'000U, 2'000'000U}) {
      const bytes data = random_bytes(size, 1);
      file f = file_of(dir / "f", data);
      f.seek(7);
      const std::array<std::pair<std::uint64_t, std::uint64_t>, 8> parts{{{0, to_end},
                                                                          {0, size},
                                                                          {0, size + 5},
                                                                          {size / 3, to_end},
                                                                          {size / 3, size / 2 + 1},
                                                                          {size, to_end},
                                                                          {size + 1, 7},
                                                                          {size / 2, 0}}};
      each_kind([&](auto kind) {
        for (const auto& [offset, count] : parts) {
          const bytes expected = part_of(data, offset, count);
          EXPECT_EQ(arrived(kind, [&](auto& to) { EXPECT_EQ(to.send_file(f, offset, count), expected.size()); }),
                    expected);
        }
      });
      EXPECT_EQ(f.seek(0, file::origin::position), 7U) << "its position plays no part";
    }
  });
}

TEST_P(send_file_test, what_is_on_the_device_only) {
  run([&] {
    const bytes data = random_bytes(3'000'000, 2);
    file f = file_of(dir / "f", data);
    f.sync();
    each_kind([&](auto kind) {
      ASSERT_EQ(evict(f.native_handle()), 0);
      EXPECT_EQ(arrived(kind, [&](auto& to) { EXPECT_EQ(to.send_file(f), data.size()); }), data);
      // A hole here and there.
      ASSERT_EQ(evict(f.native_handle(), 400'000, 300'000), 0);
      ASSERT_EQ(evict(f.native_handle(), 2'000'000, 4096), 0);
      EXPECT_EQ(arrived(kind, [&](auto& to) { EXPECT_EQ(to.send_file(f, 1), data.size() - 1); }),
                part_of(data, 1, to_end));
    });
  });
}

TEST_P(send_file_test, sparse_files) {
  run([&] {
    file f = file_of(dir / "f", bytes(10, std::byte{1}));
    f.resize(1'000'000);
    bytes expected(1'000'000);
    std::fill_n(expected.begin(), 10, std::byte{1});
    each_kind([&](auto kind) { EXPECT_EQ(arrived(kind, [&](auto& to) { to.send_file(f); }), expected); });
  });
}

TEST_P(send_file_test, a_slow_reader_gets_everything_in_order) {
  run([&] {
    const bytes data = random_bytes(1'500'000, 3);
    const file f = file_of(dir / "f", data);
    each_kind([&](auto kind) {
      auto p = decltype(kind)::connected();
      narrow(kind, p);
      park_probe writer;
      scope s;
      s.spawn([&] {
        writer.here();
        EXPECT_EQ(p.writer.send_file(f), data.size());
        p.writer.close();
      });
      writer.await_parked();  // back-pressure: it waits for the reader
      EXPECT_EQ(drain_slowly(p.reader, 2999), data);
      s.join();
    });
  });
}

TEST_P(send_file_test, what_is_written_before_and_after_stays_around_it) {
  run([&] {
    const bytes data = random_bytes(400'000, 4);
    const file f = file_of(dir / "f", data);
    const bytes head = random_bytes(100, 5);
    bytes expected;
    for (int i = 0; i < 3; ++i) {
      expected.insert(expected.end(), head.begin(), head.end());
      expected.insert(expected.end(), data.begin(), data.end());
    }
    each_kind([&](auto kind) {
      EXPECT_EQ(arrived(kind,
                        [&](auto& to) {
                          for (int i = 0; i < 3; ++i) {
                            to.write_all(head);
                            to.send_file(f);
                          }
                        }),
                expected);
    });
  });
}

TEST_P(send_file_test, deadlines_and_stops_end_the_wait_for_the_peer) {
  run([&] {
    const file f = file_of(dir / "f", bytes(8 << 20));
    each_kind([&](auto kind) {
      auto p = decltype(kind)::connected();
      narrow(kind, p);
      std::error_code ec;
      std::uint64_t sent = 0;
      for (auto patience = 3ms; sent == 0; patience *= 2) {
        p.writer.expires_after(patience);
        sent = p.writer.send_file(f, 0, to_end, ec);
        ASSERT_EQ(ec, error::deadline_passed);
      }
      EXPECT_LT(sent, 8U << 20);
      p.writer.expires_never();
      for (const bool ambient : {false, true}) {
        stop_source source;
        const stop_token token = ambient ? stop_token() : source.get_token();
        park_probe writing;
        scope s(on_exception::log);
        s.spawn([&] {
          writing.here();
          EXPECT_EQ(code_of([&] { p.writer.send_file(f, 0, to_end, token); }), std::errc::operation_canceled);
        });
        writing.await_parked();
        ambient ? s.request_stop() : static_cast<void>(source.request_stop());
        s.join();
      }
    });
  });
}

TEST_P(send_file_test, close_of_either_ends_it) {
  run([&] {
    each_kind([&](auto kind) {
      for (int i = 0; i < 12; ++i) {
        file f = file_of(dir / "f", bytes(1 << 20));
        auto p = decltype(kind)::connected();
        narrow(kind, p);
        park_probe writing;
        scope s;
        s.spawn([&] {
          std::error_code ec;
          writing.here();
          EXPECT_LT(p.writer.send_file(f, 0, to_end, ec), 1U << 20);
          EXPECT_EQ(ec, std::errc::bad_file_descriptor);
          p.writer.close();
        });
        writing.await_parked();
        const auto close = [&] { i % 2 == 0 ? p.writer.close() : f.close(); };
        i % 3 == 0 ? std::thread(close).join() : close();
        if (i % 2 != 0) {
          EXPECT_FALSE(drain_slowly(p.reader).empty());  // the wait is for the peer: with room, it looks for the file
        }
        s.join();
      }
    });
  });
}

TEST_P(send_file_test, a_peer_that_goes) {
  const auto expect_broken = [&] {
    const file f = file_of(dir / "f", bytes(8 << 20));
    each_kind([&](auto kind) {
      auto p = decltype(kind)::connected();
      narrow(kind, p);
      decltype(kind)::leave_nothing(p);  // TCP: a reset
      std::thread peer([&] {
        std::array<std::byte, 100> some{};
        p.reader.read_exact(some);
        p.reader.close();
      });
      std::error_code ec;
      EXPECT_LT(p.writer.send_file(f, 0, to_end, ec), 8U << 20);
      EXPECT_TRUE(ec == std::errc::broken_pipe || ec == std::errc::connection_reset) << ec.message();
      peer.join();
      EXPECT_EQ(code_of([&] { p.writer.send_file(f); }), std::errc::broken_pipe) << "and no SIGPIPE";
    });
  };
  run(expect_broken);
  expect_broken();  // on a plain thread, which does not block the signal
}

TEST_P(send_file_test, a_file_that_shrinks_or_grows_meanwhile) {
  run([&] {
    const bytes data = random_bytes(6'000'000, 6);
    each_kind([&](auto kind) {
      for (const bool shrinks : {true, false}) {
        file f = file_of(dir / "f", shrinks ? std::span(data) : std::span(data).first(3'000'000));
        auto p = decltype(kind)::connected();
        narrow(kind, p);
        std::uint64_t sent = 0;
        park_probe writing;
        scope s;
        s.spawn([&] {
          writing.here();
          sent = p.writer.send_file(f, 0, shrinks ? data.size() : to_end);
          p.writer.write_all(std::array{std::byte{42}});  // it knows whether there is room
          p.writer.close();
        });
        writing.await_parked();
        shrinks ? f.resize(100'000) : static_cast<void>(f.write_at(std::span(data).subspan(3'000'000), 3'000'000));
        const bytes got = drain_slowly(p.reader, 60'000);
        s.join();
        EXPECT_EQ(sent + 1, got.size());
        if (shrinks) {
          EXPECT_LT(sent, data.size());
        } else {
          EXPECT_EQ(part_of(got, 0, sent), data) << "up to the end that it has then";
        }
      }
    });
  });
}

TEST_P(send_file_test, files_of_other_kinds) {
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  run([&] {
    auto p = unix_kind::connected();
    const auto code_of_sending = [&](const file& f, std::uint64_t offset = 0) {
      std::error_code ec;
      EXPECT_EQ(p.writer.send_file(f, offset, to_end, ec), 0U);
      EXPECT_EQ(code_of([&] { p.writer.send_file(f, offset); }), ec);
      return ec;
    };
    EXPECT_EQ(code_of_sending(file()), std::errc::bad_file_descriptor);
    file closed = file_of(dir / "f", bytes(10));
    EXPECT_EQ(code_of_sending(closed, std::uint64_t{1} << 63), std::errc::invalid_argument);
    EXPECT_EQ(p.writer.send_file(closed, (std::uint64_t{1} << 63) - 1), 0U);
    closed.close();
    EXPECT_EQ(code_of_sending(closed), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of_sending(file::open(dir / "f", open_mode::write)), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of_sending(file::open(dir.path())), std::errc::is_a_directory);
    EXPECT_EQ(code_of_sending(file::open("/dev/zero")), std::errc::invalid_seek);
    EXPECT_EQ(code_of_sending(file::open(dir / "fifo", open_mode::read_write)), std::errc::invalid_seek);

    // Its size is 0, and the kernel cannot send from all of these.
    for (const char* const name : {"/proc/self/status", "/proc/cpuinfo", "/proc/self/maps"}) {
      if (!std::filesystem::exists(name)) continue;  // Linux has them
      const file f = file::open(name);
      const bytes got = arrived(unix_kind(), [&](auto& to) { EXPECT_GT(to.send_file(f), 0U); });
      const std::string text(reinterpret_cast<const char*>(got.data()), got.size());
      EXPECT_EQ(text.substr(0, 4), get_file(name).substr(0, 4));
      EXPECT_EQ(text.back(), '\n');
    }
    const file sent = file::open(dir / "f");
    try {
      p.writer.close();
      p.writer.send_file(sent);
      ADD_FAILURE() << "the stream is closed";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::bad_file_descriptor);
      EXPECT_NE(std::string(e.what()).find("send_file of " + sent.path()), std::string::npos) << e.what();
    }
  });
}

TEST_P(send_file_test, plain_threads) {
  const bytes data = random_bytes(2'000'000, 7);
  const file f = file_of(dir / "f", data);
  each_kind([&](auto kind) {
    auto p = decltype(kind)::connected();
    narrow(kind, p);
    bytes got;
    std::thread reader([&] { got = drain_slowly(p.reader, 50'000); });
    EXPECT_EQ(p.writer.send_file(f, 5, 1'900'000), 1'900'000U);
    p.writer.close();
    reader.join();
    EXPECT_EQ(got, part_of(data, 5, 1'900'000));
  });
}

TEST_P(send_file_test, many_at_once_and_nothing_is_left_behind) {
  run([&] {
    const bytes data = random_bytes(300'000, 8);
    const file f = file_of(dir / "f", data);
    const std::size_t before = open_descriptors("socket");
    {
      scope s;
      for (int i = 0; i < 200; ++i) {
        s.spawn([&, i] {
          const auto offset = static_cast<std::uint64_t>(i) * 1000;
          EXPECT_EQ(arrived(unix_kind(), [&](auto& to) { EXPECT_EQ(to.send_file(f, offset), data.size() - offset); }),
                    part_of(data, offset, to_end));
        });
      }
      s.join();
    }
    EXPECT_EQ(open_descriptors("socket"), before);
  });
}

/// A stream without send_file and receive_file: the free functions read and write.
struct wrapped {
  std::size_t read_some(std::span<std::byte> into, std::error_code& ec, const stop_token& stop) {
    return below.read_some(into, ec, stop);
  }
  std::size_t write_all(std::span<const std::byte> from, std::error_code& ec, const stop_token& stop) {
    return below.write_all(from, ec, stop);
  }
  unix_stream below;
};

TEST_P(send_file_test, any_stream) {
  run([&] {
    const bytes data = random_bytes(500'000, 9);
    const file f = file_of(dir / "f", data);
    EXPECT_EQ(arrived(unix_kind(), [&](auto& to) { EXPECT_EQ(send_file(to, f, 1), data.size() - 1); }),
              part_of(data, 1, to_end));
    auto [a, b] = unix_stream::pair();
    wrapped out{std::move(a)};
    wrapped in{std::move(b)};
    file copy = file_of(dir / "g", {});
    scope s;
    s.spawn([&] { EXPECT_EQ(receive_file(in, copy, 3), data.size() - 3); });
    EXPECT_EQ(send_file(out, f, 2, data.size() - 3), data.size() - 3);
    out.below.close();
    s.join();
    EXPECT_EQ(part_of(content_of(copy), 3, to_end), part_of(data, 2, data.size() - 3));

    EXPECT_EQ(code_of([&] { send_file(out, f); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { send_file(out, file()); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { receive_file(out, copy); }), std::errc::bad_file_descriptor);
    copy.close();
    EXPECT_EQ(code_of([&] { receive_file(in, copy); }), std::errc::bad_file_descriptor);
  });
}

}  // namespace
}  // namespace sennit::test
