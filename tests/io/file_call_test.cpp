// Calls in flight when a stop or a deadline comes: their buffers lie on the fiber's stack, so it is back only when the
// system has let go of them.
#include "io/file_call.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include <sennit/file.hpp>
#include <sennit/sennit.hpp>

#include "base/atomic.hpp"
#include "base/host.hpp"
#include "base/host_files.hpp"
#include "base/random.hpp"
#include "base/system.hpp"
#include "support/descriptors.hpp"
#include "support/file_backends.hpp"
#include "support/process_counts.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using detail::file_call;

/// A pipe whose reads block: as a file whose device never answers. file itself would treat it as a stream.
struct silent_file {
  silent_file() {
    std::array<int, 2> ends{};
    checked(detail::make_pipe(ends.data(), false), "pipe");
    from = unique_fd(ends[0]);
    to = unique_fd(ends[1]);
  }
  std::ptrdiff_t read(std::span<std::byte> into, detail::wait_bound until) const {
    const iovec part{into.data(), into.size()};
    return detail::run_call({.kind = file_call::what::read, .fd = from.get(), .parts = &part, .count = 1}, until);
  }
  unique_fd from, to;
};

/// Tells that a helper thread is in a read: from then on it cannot be called back.
class noting_host final : public detail::host {
 public:
  class calls final : public detail::file_calls {
   public:
    std::ptrdiff_t readv(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      reading = true;
      return file_calls::readv(fd, parts, count, offset, flags);
    }
    std::atomic<bool> reading{false};
  };
  detail::file_calls& files() noexcept override { return noted; }
  calls noted;
};

class file_call_test : public file_backend_test {
 protected:
  /// With helper threads: under a host that sees what they do.
  template <class F>
  void run_noting(F&& f) {
    options o = opts();
    if (!has_ring()) o.host = &host_;
    sennit::run(o, std::forward<F>(f));
  }
  /// The fiber of `probe` has its read in flight.
  void await_in_flight(const park_probe& probe) const {
    probe.await_parked();
    until([this] { return has_ring() || host_.noted.reading; });
  }
  /// `end` ends a read in flight, or so it seems: a ring's is cancelled, a helper's is waited for. False if the read
  /// was over before it was in flight.
  template <class End>
  bool read_in_flight(std::ptrdiff_t ended, detail::wait_bound bound, End&& end);

 private:
  noting_host host_;
};
INSTANTIATE_FILE_BACKENDS(file_call_test);

template <class End>
bool file_call_test::read_in_flight(std::ptrdiff_t ended, detail::wait_bound bound, End&& end) {
  const silent_file slow;
  std::array<std::byte, 4> into{};
  std::atomic<bool> back{false};
  std::ptrdiff_t result = 0;
  host_.noted.reading = false;
  park_probe probe;
  fiber reader([&] {
    probe.here();
    result = slow.read(into, bound);
    back = true;
  });
  until([&] { return back || (has_ring() ? probe.parked() : host_.noted.reading.load()); });
  if (back) {
    reader.join();
    return false;
  }
  end();
  if (!has_ring()) {
    for (int i = 0; i < 200; ++i) this_fiber::yield();
    EXPECT_FALSE(back) << "the helper thread still has the buffer";
    put(slow.to.get(), "data");
  }
  reader.join();
  EXPECT_EQ(result, has_ring() ? ended : 4);
  if (has_ring()) {
    put(slow.to.get(), "data");
    EXPECT_EQ(slow.read(into, {}), 4) << "a read that was cancelled has taken nothing";
  }
  EXPECT_EQ(std::memcmp(into.data(), "data", 4), 0);
  return true;
}

TEST_P(file_call_test, a_stop_or_deadline_before_the_call) {
  run([&] {
    constexpr open_mode create_new = open_mode::read_write | open_mode::create | open_mode::exclusive;
    const std::array one{std::byte{1}};
    file f = file::open(dir / "f", create_new);
    stop_source stop;
    stop.request_stop();
    EXPECT_EQ(code_of([&] { f.write_at(one, 0, stop.get_token()); }), std::errc::operation_canceled);
    EXPECT_EQ(code_of([&] { f.sync(stop.get_token()); }), std::errc::operation_canceled);
    EXPECT_EQ(code_of([&] { f.resize(1, stop.get_token()); }), std::errc::operation_canceled);
    EXPECT_EQ(code_of([&] { file::open(dir / "g", create_new, 0600, stop.get_token()); }),
              std::errc::operation_canceled);
    f.expires_at(std::chrono::steady_clock::now() - 1s);
    EXPECT_EQ(code_of([&] { f.write_at(one, 0); }), error::deadline_passed);
    EXPECT_EQ(code_of([&] { f.sync(); }), error::deadline_passed);
    EXPECT_EQ(code_of([&] { static_cast<void>(f.size()); }), error::deadline_passed);
    std::error_code ec;
    file::open(dir / "g", create_new, 0600, std::chrono::steady_clock::now() - 1s, ec);
    EXPECT_EQ(ec, error::deadline_passed);
    EXPECT_FALSE(std::filesystem::exists(dir / "g"));
    f.expires_never();
    EXPECT_EQ(f.size(), 0U) << "nothing was written";

    scope stopped(on_exception::log);
    std::error_code code;
    stopped.spawn([&] {
      stopped.request_stop();
      code = code_of([&] { f.write_at(one, 0); });
    });
    stopped.join();
    EXPECT_EQ(code, std::errc::operation_canceled);
  });
}

TEST_P(file_call_test, a_stop_in_flight) {
  run_noting([&] {
    stop_source stop;
    const stop_token token = stop.get_token();
    EXPECT_TRUE(read_in_flight(detail::io_stopped, {.stop = &token}, [&] { stop.request_stop(); }));
  });
}

TEST_P(file_call_test, a_deadline_in_flight) {
  run_noting([&] {
    auto limit = 5ms;
    for (;;) {
      const auto deadline = detail::deadline_in(limit);
      if (read_in_flight(detail::io_deadline, {.deadline = deadline}, [&] { this_fiber::sleep_for(limit); })) break;
      limit *= 2;  // a busy machine: it was over before it had begun
    }
  });
}

TEST_P(file_call_test, a_stop_of_the_scope_in_flight) {
  run_noting([&] {
    const silent_file slow;
    std::array<std::byte, 4> into{};
    std::ptrdiff_t result = 0;
    park_probe probe;
    scope s(on_exception::log);
    s.spawn([&] {
      probe.here();
      result = slow.read(into, {});
    });
    await_in_flight(probe);
    s.request_stop();
    if (!has_ring()) put(slow.to.get(), "data");
    s.join();
    EXPECT_EQ(result, has_ring() ? detail::io_stopped : 4);
    const shield no_stops;  // waits in here hear of none
    if (has_ring()) put(slow.to.get(), "data");
  });
}

TEST_P(file_call_test, under_a_shield_a_stop_waits) {
  run_noting([&] {
    const silent_file slow;
    std::array<std::byte, 4> into{};
    std::ptrdiff_t result = 0;
    park_probe probe;
    scope s(on_exception::log);
    s.spawn([&] {
      const shield no_stops;
      probe.here();
      result = slow.read(into, {});
    });
    await_in_flight(probe);
    s.request_stop();
    for (int i = 0; i < 100; ++i) this_fiber::yield();
    EXPECT_TRUE(probe.parked());
    put(slow.to.get(), "data");
    s.join();
    EXPECT_EQ(result, 4);
  });
}

// Data, deadline and stop at the same time: each byte arrives once, either in the read that was to be ended or later.
TEST_P(file_call_test, storm_of_stops_and_data) {
  run([] {
    const std::size_t rounds = scaled(20'000);
    detail::random_source random(seed());
    std::size_t taken = 0;
    std::size_t ended = 0;
    const silent_file slow;
    for (std::size_t i = 0; i < rounds; ++i) {
      stop_source stop;
      const stop_token token = stop.get_token();
      std::array<std::byte, 1> into{};
      const auto wait = std::chrono::microseconds(random.below(40));
      fiber writer([&, first = random.below(2) == 0] {
        if (first) stop.request_stop();
        put(slow.to.get(), "x");
        stop.request_stop();
      });
      const auto result = slow.read(into, {.deadline = detail::deadline_in(wait), .stop = &token});
      if (result == 1) {
        ++taken;
      } else {
        ASSERT_TRUE(result == detail::io_stopped || result == detail::io_deadline) << result;
        ++ended;
      }
      writer.join();
      if (result != 1) {
        ASSERT_EQ(slow.read(into, {}), 1) << "the byte was lost";
      }
    }
    EXPECT_EQ(taken + ended, rounds);
  });
}

TEST_P(file_call_test, many_in_flight_each_gets_its_own) {
  run([] {
    constexpr std::size_t count = 100;
    std::vector<silent_file> slow(count);
    std::vector<fiber> readers;
    std::atomic<std::size_t> right{0};
    for (std::size_t i = 0; i < count; ++i) {
      readers.emplace_back([&, i] {
        std::array<std::byte, 1> into{};
        if (slow[i].read(into, {}) == 1 && into[0] == static_cast<std::byte>(i)) ++right;
      });
    }
    for (std::size_t i = count; i-- > 0;) {
      put(slow[i].to.get(), std::string(1, static_cast<char>(i)));
      if (i % 7 == 0) this_fiber::yield();
    }
    for (auto& r : readers) r.join();
    EXPECT_EQ(right, count);
  });
}

TEST_P(file_call_test, a_runtime_ends_with_a_call_in_flight) {
  const std::size_t before = open_descriptors();
  {
    const silent_file slow;
    std::atomic<bool> started{false};
    {
      runtime rt({.workers = workers(), .stall_threshold = {}, .shutdown_timeout = 2ms});
      fiber f = rt.spawn([&] {
        std::array<std::byte, 1> into{};
        started = true;
        static_cast<void>(slow.read(into, {}));
      });
      f.detach();
      while (!started) std::this_thread::yield();
      if (!has_ring()) put(slow.to.get(), "x");  // a helper thread cannot be called back
    }
  }
  EXPECT_EQ(open_descriptors(), before);
}

/// Writes take until release(), interrupted now and then; reads fail, as those of a broken disk.
class slow_disk final : public detail::host {
 public:
  class calls final : public detail::file_calls {
   public:
    std::ptrdiff_t readv(int, const iovec*, int, std::int64_t, int flags) noexcept override {
      return flags == 0 ? -EIO : -EAGAIN;
    }
    std::ptrdiff_t writev(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      if (interruptions.fetch_sub(1) > 0) return -EINTR;
      writing = true;
      while (!released) std::this_thread::yield();
      return file_calls::writev(fd, parts, count, offset, flags);
    }
    std::atomic<bool> writing{false}, released{false};
    std::atomic<int> interruptions{3};
  };
  detail::file_calls& files() noexcept override { return disk; }
  calls disk;
};

TEST(file_call, what_the_kernel_gives_up_is_done_nevertheless) {
  // io_uring starts a thread at its first slow call. Signals interrupt that, and after some tries it cancels the call.
  ::setenv("SENNIT_FILE_BACKEND", "uring", 1);
  struct sigaction mine{};
  struct sigaction before{};
  mine.sa_handler = [](int) {};
  ::sigaction(SIGPROF, &mine, &before);
  for (std::size_t i = scaled(1000); i > 0 && !::testing::Test::HasFailure(); --i) {
    sennit::run({.workers = 1, .stall_threshold = {}}, [] {
      std::atomic<bool> over{false};
      const auto pester = [&, who = ::pthread_self()] {
        while (!over) {
          ::pthread_kill(who, SIGPROF);
          for (int n = 0; n < 100; ++n) detail::cpu_pause();
          std::this_thread::yield();
        }
      };
      std::thread one(pester);
      std::thread other(pester);
      std::error_code ec;
      static_cast<void>(file::open("/dev/null", open_mode::read, ec));
      EXPECT_FALSE(ec) << ec.message();
      over = true;
      one.join();
      other.join();
    });
  }
  ::sigaction(SIGPROF, &before, nullptr);
  ::unsetenv("SENNIT_FILE_BACKEND");
}

TEST(file_host, a_slow_disk_stalls_no_worker_and_a_late_write_tells_the_truth) {
  const scratch_directory dir;
  slow_disk outside;
  sennit::run({.workers = 1, .stall_threshold = {}, .host = &outside}, [&] {
    file f = file::open(dir / "f", open_mode::read_write | open_mode::create);
    stop_source stop;
    std::error_code ec = std::make_error_code(std::errc::io_error);
    std::atomic<bool> back{false};
    fiber writer([&] {
      EXPECT_EQ(f.write_at(std::as_bytes(std::span("data", 4)), 0, ec, stop.get_token()), 4U);
      back = true;
    });
    until([&] { return outside.disk.writing.load(); });
    stop.request_stop();
    for (int i = 0; i < 1000; ++i) this_fiber::yield();
    EXPECT_FALSE(back);
    outside.disk.released = true;
    writer.join();
    EXPECT_EQ(ec, std::error_code()) << "it was written";
    std::array<std::byte, 4> b{};
    EXPECT_EQ(code_of([&] { f.read_at(b, 0); }), std::errc::io_error);
  });
  EXPECT_EQ(get_file(dir / "f"), "data");
}

TEST(file_host, a_host_of_its_own_sees_all_calls) {
  // Also where a ring was asked for.
  ::setenv("SENNIT_FILE_BACKEND", "uring", 1);
  const scratch_directory dir;
  slow_disk outside;
  outside.disk.released = true;
  sennit::run({.workers = 1, .host = &outside}, [&] {
    file f = file::open(dir / "f", open_mode::write | open_mode::create);
    f.write_at(std::as_bytes(std::span("x", 1)), 0);
    EXPECT_TRUE(outside.disk.writing);
    EXPECT_EQ(open_descriptors("io_uring"), 0U);
  });
  ::unsetenv("SENNIT_FILE_BACKEND");
}

}  // namespace
}  // namespace sennit::test
