// Files, with each backend that this system has: the same results either way.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include <sennit/file.hpp>
#include <sennit/sennit.hpp>

#include "io/files.hpp"
#include "support/child.hpp"
#include "support/file_backends.hpp"
#include "support/file_cache.hpp"
#include "support/process_counts.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

std::span<const std::byte> view(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_of(std::span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

class file_test : public file_backend_test {};
INSTANTIATE_FILE_BACKENDS(file_test);

TEST_P(file_test, the_backend_that_was_asked_for_is_used) {
  run([&] {
    file f = file::open(dir / "f", create_new);
    f.write_at(view("x"), 0);
    EXPECT_EQ(open_descriptors("io_uring") > 0, has_ring());
  });
}

TEST_P(file_test, what_was_written_is_read) {
  run([&] {
    for (const std::size_t size : {1U, 4096U, 300'000U, 3'000'000U}) {
      const bytes data = pattern(size);
      file f = file::open(dir / std::to_string(size), create_new);
      EXPECT_EQ(f.write_at(data, 0), size);
      EXPECT_EQ(f.size(), size);
      f.sync();
      f.sync_data();
      bytes back(size);
      EXPECT_EQ(f.read_at(back, 0), size);
      EXPECT_EQ(back, data);
    }
  });
}

TEST_P(file_test, reads_come_short_at_the_end_only) {
  run([&] {
    file f = file::open(dir / "f", create_new);
    f.write_at(pattern(5000), 0);
    bytes into(4096);
    EXPECT_EQ(f.read_at(into, 0), 4096U);
    EXPECT_EQ(f.read_at(into, 4096), 904U);
    EXPECT_EQ(f.read_at(into, 5000), 0U);
    EXPECT_EQ(f.read_at(into, 1'000'000), 0U);
    EXPECT_EQ(f.read_some_at(into, 4999), 1U);
    EXPECT_EQ(f.read_some_at(file::buffer{}, 0), 0U);
    f.seek(4000);
    std::error_code ec;
    EXPECT_EQ(f.read_exact(into, ec), 1000U);
    EXPECT_EQ(ec, error::end_of_stream);
  });
}

TEST_P(file_test, a_gap_reads_as_zeros) {
  run([&] {
    file f = file::open(dir / "f", create_new);
    f.write_at(view("end"), 100);
    bytes all(103, std::byte{1});
    EXPECT_EQ(f.read_at(all, 0), 103U);
    EXPECT_EQ(std::count(all.begin(), all.begin() + 100, std::byte{0}), 100);
    f.resize(2);
    EXPECT_EQ(f.size(), 2U);
    f.resize(10);
    EXPECT_EQ(f.read_at(all, 0), 10U);
  });
}

TEST_P(file_test, vectors_of_any_length) {
  run([&] {
    const bytes data = pattern(200 * 7);
    std::vector<file::const_buffer> out;
    for (std::size_t i = 0; i < 200; ++i) {
      out.emplace_back(std::span(data).subspan(i * 7, 7));
      if (i % 3 == 0) out.emplace_back();  // empty ones count for nothing
    }
    file f = file::open(dir / "f", create_new);
    EXPECT_EQ(f.write_at(out, 5), data.size());
    bytes a(3), b(data.size() - 4), c(100);
    const std::array<file::buffer, 4> in{a, file::buffer{}, b, c};
    EXPECT_EQ(f.read_at(in, 5), data.size()) << "short by what is not there";
    bytes back(a);
    back.insert(back.end(), b.begin(), b.end());
    back.push_back(c[0]);
    EXPECT_EQ(back, data);
  });
}

TEST_P(file_test, the_position_moves_on) {
  run([&] {
    file f = file::open(dir / "f", create_new);
    EXPECT_EQ(f.write_all(view("hello ")), 6U);
    EXPECT_EQ(f.write_some(view("world")), 5U);
    EXPECT_EQ(f.seek(0, file::origin::position), 11U);
    EXPECT_EQ(f.seek(-5, file::origin::end), 6U);
    std::array<std::byte, 3> three{};
    EXPECT_EQ(f.read_exact(three), 3U);
    EXPECT_EQ(text_of(three), "wor");
    EXPECT_EQ(f.read_some(three), 2U);
    EXPECT_EQ(f.read_some(three), 0U);
    EXPECT_EQ(code_of([&] { f.seek(-1); }), std::errc::invalid_argument);
  });
}

TEST_P(file_test, appends_go_to_the_end_and_do_not_mix) {
  run([&] {
    const std::string path = dir / "log";
    constexpr int writers = 8, records = 50;
    scope all;
    for (int w = 0; w < writers; ++w) {
      all.spawn([&, w] {
        file f = file::open(path, open_mode::append | open_mode::create);
        std::string line(100, static_cast<char>('a' + w));
        line.back() = '\n';
        for (int i = 0; i < records; ++i) EXPECT_EQ(f.append(view(line)), line.size());
        EXPECT_EQ(code_of([&] { f.write_at(view("x"), 0); }), std::errc::invalid_argument);
      });
    }
    all.join();
    const std::string text = get_file(path);
    ASSERT_EQ(text.size(), 100U * writers * records);
    for (std::size_t at = 0; at < text.size(); at += 100) {
      ASSERT_EQ(text.find_first_not_of(text[at], at), at + 99) << "records mixed";
    }
    file plain = file::open(path, open_mode::write);
    EXPECT_EQ(code_of([&] { plain.append(view("x")); }), std::errc::invalid_argument);
  });
}

TEST_P(file_test, status_tells_what_it_is) {
  run([&] {
    file f = file::open(dir / "f", create_new, 0640);
    f.write_at(view("12345"), 0);
    const file_status s = f.status();
    EXPECT_EQ(s.type, file_type::regular);
    EXPECT_EQ(s.permissions & 0600U, 0600U);
    EXPECT_EQ(s.size, 5U);
    EXPECT_EQ(s.links, 1U);
    EXPECT_LT(std::chrono::abs(std::chrono::system_clock::now() - s.modified), 1h);
    EXPECT_EQ(f.path(), dir / "f");
    EXPECT_EQ(file::open(dir.path()).status().type, file_type::directory);
  });
}

TEST_P(file_test, errors_name_call_and_path) {
  run([&] {
    try {
      file::open(dir / "absent");
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::no_such_file_or_directory);
      EXPECT_NE(std::string(e.what()).find("open " + (dir / "absent")), std::string::npos) << e.what();
    }
    std::error_code ec;
    put_file(dir / "there", "text");
    EXPECT_FALSE(file::open(dir / "there", create_new, ec).is_open());
    EXPECT_EQ(ec, std::errc::file_exists);
    EXPECT_FALSE(file::open(dir / "there/below", open_mode::read, ec).is_open());
    EXPECT_EQ(ec, std::errc::not_a_directory);
    EXPECT_FALSE(file::open(dir.path(), open_mode::write, ec).is_open());
    EXPECT_EQ(ec, std::errc::is_a_directory);
    EXPECT_FALSE(file::open(dir / std::string(300, 'x'), create_new, ec).is_open());
    EXPECT_EQ(ec, std::errc::filename_too_long);
    EXPECT_FALSE(file::open(dir / std::string("a\0b", 3), create_new, ec).is_open());
    EXPECT_EQ(ec, std::errc::invalid_argument);
    EXPECT_FALSE(std::filesystem::exists(dir / "a")) << "cut at the NUL";
    EXPECT_FALSE(file::open(dir / "there", open_mode::truncate, ec).is_open());
    EXPECT_EQ(ec, std::errc::invalid_argument) << "neither to read nor to write";
    EXPECT_FALSE(file::open("", open_mode::read, ec).is_open());
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
  });
}

TEST_P(file_test, what_a_file_was_not_opened_for_it_refuses) {
  run([&] {
    std::array<std::byte, 4> b{};
    file directory = file::open(dir.path());
    EXPECT_EQ(code_of([&] { directory.read_at(b, 0); }), std::errc::is_a_directory);
    file w = file::open(dir / "f", open_mode::write | open_mode::create);
    EXPECT_EQ(code_of([&] { w.read_at(b, 0); }), std::errc::bad_file_descriptor);
    file r = file::open(dir / "f");
    EXPECT_EQ(code_of([&] { r.write_at(b, 0); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { r.write_at(b, std::uint64_t{1} << 63); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { r.read_at(b, ~std::uint64_t{0}); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { w.resize(~std::uint64_t{0}); }), std::errc::invalid_argument);
    file none;
    r.close();
    for (file* f : {&none, &r}) {
      EXPECT_FALSE(f->is_open());
      EXPECT_EQ(code_of([&] { f->read_at(b, 0); }), std::errc::bad_file_descriptor);
      EXPECT_EQ(code_of([&] { f->read_at(file::buffer{}, 0); }), std::errc::bad_file_descriptor);
      EXPECT_EQ(code_of([&] { f->write_at(b, 0); }), std::errc::bad_file_descriptor);
      EXPECT_EQ(code_of([&] { f->append(b); }), std::errc::bad_file_descriptor);
      EXPECT_EQ(code_of([&] { f->sync(); }), std::errc::bad_file_descriptor);
      EXPECT_EQ(code_of([&] { f->resize(0); }), std::errc::bad_file_descriptor);
      EXPECT_EQ(code_of([&] { static_cast<void>(f->size()); }), std::errc::bad_file_descriptor);
      EXPECT_EQ(code_of([&] { f->seek(0); }), std::errc::bad_file_descriptor);
    }
    EXPECT_EQ(code_of([] { file::adopt(-1, "nothing"); }), std::errc::bad_file_descriptor);
  });
}

TEST_P(file_test, without_permission) {
  put_file(dir / "secret", "text");
  ::chmod((dir / "secret").c_str(), 0);
  ::chmod(dir.path().c_str(), 0755);
  // As nobody in a child, where the whole process is that user: helper threads and the kernel's own too.
  const auto denied = [&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 3;
    return run([&] {
      std::error_code ec;
      file f = file::open(dir / "secret", open_mode::read, ec);
      if (ec != std::errc::permission_denied) return 1;
      f = file::open(dir / "new", open_mode::write | open_mode::create, ec);
      return ::geteuid() == 65534 && ec != std::errc::permission_denied ? 2 : 0;
    });
  };
  EXPECT_EQ(in_child(denied), 0);
}

TEST_P(file_test, no_descriptors_left) {
  run([&] {
    put_file(dir / "f", "text");
    scope s;
    for (int i = 0; i < 8; ++i) s.spawn([&] { file::open(dir / "f", open_mode::read_write).write_at(view("t"), 0); });
    s.join();  // helper threads and rings are there from now on
    const std::size_t before = open_descriptors() - open_descriptors("io_uring");
    for (int i = 0; i < 100; ++i) {
      s.spawn([&] {
        file f = file::open(dir / "f");
        std::array<std::byte, 4> b{};
        EXPECT_EQ(f.read_at(b, 0), 4U);
        std::error_code ec;
        file::open(dir / "absent", open_mode::read, ec);
        file::open(dir / "f", open_mode::directory | open_mode::read, ec);
        EXPECT_EQ(ec, std::errc::not_a_directory);
      });
    }
    s.join();
    EXPECT_EQ(open_descriptors() - open_descriptors("io_uring"), before);
  });
}

TEST_P(file_test, a_thousand_fibers_at_once) {
  run([&] {
    constexpr std::size_t fibers = 1000, each = 4096;
    const bytes data = pattern(fibers * each);
    file f = file::open(dir / "f", create_new);
    scope all;
    for (std::size_t i = 0; i < fibers; ++i) {
      all.spawn([&, i] { EXPECT_EQ(f.write_at(std::span(data).subspan(i * each, each), i * each), each); });
    }
    all.join();
    f.sync();
    // Out of memory, so that each read waits.
    evict(f.native_handle());
    std::atomic<std::size_t> right{0};
    for (std::size_t i = 0; i < fibers; ++i) {
      all.spawn([&, i] {
        bytes back(each);
        if (f.read_at(back, i * each) == each && std::ranges::equal(back, std::span(data).subspan(i * each, each)))
          ++right;
      });
    }
    all.join();
    EXPECT_EQ(right, fibers);
  });
}

TEST_P(file_test, plain_threads_make_the_calls_themselves) {
  file f = file::open(dir / "f", create_new);
  std::thread t([&] { f.write_at(view("from a thread"), 0); });
  t.join();
  bytes b(100);
  EXPECT_EQ(f.read_at(b, 0), 13U);
  EXPECT_EQ(f.size(), 13U);
  run([&] { EXPECT_EQ(f.read_at(b, 5), 8U); });
  f.resize(0);
  f.sync();
  EXPECT_EQ(f.read_at(b, 0), 0U);
}

TEST_P(file_test, a_fifo_is_a_stream) {
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  run([&] {
    file reader, writer;
    scope s;
    s.spawn([&] { reader = file::open(dir / "fifo"); });  // each waits for the other, and keeps no worker
    writer = file::open(dir / "fifo", open_mode::write);
    s.join();
    std::array<std::byte, 8> b{};
    EXPECT_EQ(code_of([&] { reader.read_at(b, 0); }), std::errc::invalid_seek);
    EXPECT_EQ(code_of([&] { reader.seek(0); }), std::errc::invalid_seek);

    reader.expires_after(2ms);
    EXPECT_EQ(code_of([&] { reader.read_some(b); }), error::deadline_passed);
    reader.expires_never();

    stop_source stop;
    park_probe probe;
    fiber stopped([&] {
      probe.here();
      EXPECT_EQ(code_of([&] { reader.read_some(b, stop.get_token()); }), std::errc::operation_canceled);
    });
    probe.await_parked();
    stop.request_stop();
    stopped.join();

    s.spawn([&] { EXPECT_EQ(reader.read_some(b), 3U); });
    writer.write_all(view("abc"));
    s.join();

    park_probe closing;
    fiber waits([&] {
      closing.here();
      EXPECT_EQ(code_of([&] { reader.read_some(b); }), std::errc::bad_file_descriptor);
    });
    closing.await_parked();
    reader.close();
    waits.join();
    EXPECT_EQ(code_of([&] { writer.write_all(view("x")); }), std::errc::broken_pipe) << "and no SIGPIPE";
  });
}

// Opening a FIFO blocks for as long as nobody opens its other end: as slow a file as there is.
TEST_P(file_test, a_slow_file_stalls_no_worker) {
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    std::atomic<bool> opened{false};
    park_probe probe;
    fiber slow([&] {
      probe.here();
      const file f = file::open(dir / "fifo");
      opened = true;
    });
    probe.await_parked();
    for (int i = 0; i < 1000; ++i) this_fiber::yield();
    this_fiber::sleep_for(1ms);
    EXPECT_FALSE(opened);
    put_file(dir / "other", "text");
    EXPECT_EQ(file::open(dir / "other").size(), 4U) << "nor other files";
    const file other_end = file::open(dir / "fifo", open_mode::write);
    slow.join();
    EXPECT_TRUE(opened);
  });
}

TEST_P(file_test, close_waits_for_calls_under_way) {
  run([&] {
    const bytes data = pattern(2'000'000);
    for (int i = 0; i < 20; ++i) {
      file f = file::open(dir / std::to_string(i), create_new);
      park_probe probe;
      std::error_code ec;
      std::size_t n = 0;
      std::atomic<bool> over{false};
      fiber writes([&] {
        probe.here();
        n = f.write_some_at(data, 0, ec);
        over = true;
      });
      until([&] { return probe.parked() || over; });
      f.close();
      writes.join();
      EXPECT_EQ(ec, std::error_code());
      EXPECT_EQ(n, std::filesystem::file_size(dir / std::to_string(i)));
    }
  });
}

}  // namespace
}  // namespace sennit::test
