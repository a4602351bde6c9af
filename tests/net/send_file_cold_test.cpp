// Files that are not in memory: a worker must not wait for their device. The page cache is one that the test can see.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <sennit/sennit.hpp>

#include "base/host_files.hpp"
#include "net/sent_files.hpp"
#include "sched/current.hpp"
#include "support/files.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t page = 4096;

/// A system whose files lie on a device that answers when it is told to. What was read from it is in memory until it is
/// dropped; each call of a worker that would have had to wait for the device is counted.
class device_host final : public detail::host {
 public:
  class calls final : public detail::file_calls {
   public:
    std::ptrdiff_t readv(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      if (flags == file_calls::in_memory) return read_cached(fd, parts, count, offset);
      const bool on_worker = detail::this_worker() != nullptr;
      if (on_worker) ++waits_of_workers;
      ++device_reads;
      while (silent && !on_worker) std::this_thread::yield();
      const std::ptrdiff_t n = file_calls::readv(fd, parts, count, offset, 0);
      const std::lock_guard lock(mutex_);
      for (std::int64_t at = offset / page; !forgetful && at * page < offset + n; ++at) cached_.insert(at);
      return n;
    }
    std::ptrdiff_t send_file(int to, int fd, std::int64_t offset, std::size_t size) noexcept override {
      if (refuses) return -EINVAL;
      const auto wanted = static_cast<std::int64_t>(size);
      if (detail::this_worker() != nullptr && length_cached(offset, wanted) < wanted) ++waits_of_workers;
      const std::ptrdiff_t sent = file_calls::send_file(to, fd, offset, size);
      if (sent > 0) by_kernel += static_cast<std::size_t>(sent);
      return sent;
    }
    void drop_cache() {
      const std::lock_guard lock(mutex_);
      cached_.clear();
    }

    std::atomic<bool> silent{false};     // the device does not answer
    std::atomic<bool> forgetful{false};  // there is no memory to keep anything
    std::atomic<bool> refuses{false};    // no sendfile(2)
    std::atomic<int> refused_with{EAGAIN};
    std::atomic<int> waits_of_workers{0};
    std::atomic<int> device_reads{0};
    std::atomic<std::size_t> by_kernel{0};

   private:
    std::int64_t length_cached(std::int64_t offset, std::int64_t wanted) {
      const std::lock_guard lock(mutex_);
      std::int64_t end = offset;
      while (end < offset + wanted && cached_.contains(end / page)) end = (end / page + 1) * page;
      return std::min(end, offset + wanted) - offset;
    }
    std::ptrdiff_t read_cached(int fd, const iovec* parts, int count, std::int64_t offset) noexcept {
      if (refused_with != EAGAIN) return -refused_with;
      struct stat s{};
      file_calls::status(fd, s);
      if (offset >= s.st_size) return 0;
      std::int64_t left = 0;
      for (int i = 0; i < count; ++i) left += static_cast<std::int64_t>(parts[i].iov_len);
      left = length_cached(offset, left);
      if (left == 0) return -EAGAIN;
      std::vector<iovec> some;
      for (int i = 0; i < count && left > 0; ++i) {
        some.push_back({parts[i].iov_base, std::min(parts[i].iov_len, static_cast<std::size_t>(left))});
        left -= static_cast<std::int64_t>(some.back().iov_len);
      }
      return file_calls::readv(fd, some.data(), static_cast<int>(some.size()), offset, 0);
    }

    std::mutex mutex_;
    std::set<std::int64_t> cached_;
  };

  detail::file_calls& files() noexcept override { return device; }
  calls device;
};

class send_file_cold : public runtimes {
 protected:
  template <class F>
  void run(F&& f) {
    sennit::run(sennit::options{.workers = workers(), .stall_threshold = {}, .host = &outside}, std::forward<F>(f));
  }
  scratch_directory dir;
  device_host outside;
};
INSTANTIATE_RUNTIMES(send_file_cold);

TEST_P(send_file_cold, a_silent_device_stalls_no_worker) {
  run([&] {
    const bytes data = random_bytes(1'000'000, 1);
    const file f = file_of(dir / "f", data);
    each_kind([&](auto kind) {
      outside.device.drop_cache();
      outside.device.silent = true;
      outside.device.device_reads = 0;
      bytes got;
      park_probe sending;
      scope s;
      s.spawn([&] {
        got = arrived(kind, [&](auto& to) {
          sending.here();
          EXPECT_EQ(to.send_file(f), data.size());
        });
      });
      until(
          [&] { return outside.device.device_reads > 0 && (sending.parked() || outside.device.waits_of_workers > 0); });
      for (int i = 0; i < 1000; ++i) this_fiber::yield();  // on every worker that there is
      outside.device.silent = false;
      s.join();
      EXPECT_EQ(got, data);
    });
    EXPECT_EQ(outside.device.waits_of_workers, 0);
    if (kernel_sends_files()) {
      EXPECT_EQ(outside.device.by_kernel, 3 * data.size()) << "none of it through a buffer";
    }
  });
}

TEST_P(send_file_cold, what_is_in_memory_costs_no_read_of_the_device) {
  run([&] {
    const bytes data = random_bytes(1'000'000, 2);
    const file f = file_of(dir / "f", data);
    arrived(unix_kind(), [&](auto& to) { to.send_file(f); });
    outside.device.device_reads = 0;
    EXPECT_EQ(arrived(unix_kind(), [&](auto& to) { to.send_file(f, 100'000, 500'000); }),
              part_of(data, 100'000, 500'000));
    EXPECT_EQ(outside.device.device_reads, 0);
    EXPECT_EQ(outside.device.waits_of_workers, 0);
  });
}

TEST_P(send_file_cold, what_was_in_memory_may_be_gone_after_a_wait_for_the_peer) {
  run([&] {
    const bytes data = random_bytes(2'000'000, 3);
    const file f = file_of(dir / "f", data);
    each_kind([&](auto kind) {
      auto p = decltype(kind)::connected();
      narrow(kind, p);
      park_probe writing;
      bytes got;
      scope s;
      s.spawn([&] {
        writing.here();
        EXPECT_EQ(p.writer.send_file(f), data.size());
        p.writer.close();
      });
      writing.await_parked();
      bytes buffer(200'000);
      while (const std::size_t n = p.reader.read_some(buffer)) {
        got.insert(got.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n));
        outside.device.drop_cache();
      }
      s.join();
      EXPECT_EQ(got, data);
    });
  });
  // In the middle of a call of another worker the cache may go: that is what memory pressure does too.
  if (workers() == 1) {
    EXPECT_EQ(outside.device.waits_of_workers, 0);
  }
}

TEST_P(send_file_cold, what_cannot_stay_in_memory_goes_through_a_buffer) {
  outside.device.forgetful = true;
  run([&] {
    const bytes data = random_bytes(500'000, 4);
    const file f = file_of(dir / "f", data);
    each_kind(
        [&](auto kind) { EXPECT_EQ(arrived(kind, [&](auto& to) { to.send_file(f, 3); }), part_of(data, 3, to_end)); });
    EXPECT_EQ(outside.device.waits_of_workers, 0);
    EXPECT_EQ(outside.device.by_kernel, 0U);
  });
}

TEST_P(send_file_cold, what_nobody_can_tell_of_goes_through_a_buffer) {
  for (const int error : {EOPNOTSUPP, ENOSYS}) {
    outside.device.refused_with = error;
    run([&] {
      const bytes data = random_bytes(500'000, 5);
      const file f = file_of(dir / "f", data);
      each_kind([&](auto kind) {
        EXPECT_EQ(arrived(kind, [&](auto& to) { to.send_file(f, 0, 400'000); }), part_of(data, 0, 400'000));
      });
      EXPECT_EQ(outside.device.waits_of_workers, 0);
      EXPECT_EQ(outside.device.by_kernel, 0U);
    });
  }
}

TEST_P(send_file_cold, what_the_kernel_cannot_send_goes_through_a_buffer) {
  outside.device.refuses = true;
  run([&] {
    const bytes data = random_bytes(500'000, 6);
    const file f = file_of(dir / "f", data);
    each_kind([&](auto kind) { EXPECT_EQ(arrived(kind, [&](auto& to) { to.send_file(f); }), data); });
    EXPECT_EQ(outside.device.waits_of_workers, 0);
  });
}

TEST_P(send_file_cold, stops_and_deadlines_before_the_device_is_asked) {
  run([&] {
    file f = file_of(dir / "f", bytes(100'000));
    const auto start = [&] {
      outside.device.drop_cache();
      outside.device.device_reads = 0;
    };
    auto p = unix_kind::connected();
    stop_source source;
    source.request_stop();
    start();
    EXPECT_EQ(code_of([&] { p.writer.send_file(f, 0, to_end, source.get_token()); }), std::errc::operation_canceled);
    p.writer.expires_at(std::chrono::steady_clock::now() - 1s);
    EXPECT_EQ(code_of([&] { p.writer.send_file(f); }), error::deadline_passed);
    p.writer.expires_never();
    f.expires_at(std::chrono::steady_clock::now() - 1s);
    EXPECT_EQ(code_of([&] { p.writer.send_file(f); }), error::deadline_passed);
    EXPECT_EQ(outside.device.device_reads, 0);
  });
}

TEST_P(send_file_cold, a_stop_while_the_device_is_silent_waits_for_it) {
  run([&] {
    const file f = file_of(dir / "f", bytes(1'000'000));
    auto p = unix_kind::connected();
    unix_kind::shrink(p);
    outside.device.drop_cache();
    outside.device.device_reads = 0;
    outside.device.silent = true;
    scope s(on_exception::log);
    std::error_code ec;
    s.spawn([&] { p.writer.send_file(f, 0, to_end, ec); });
    until([&] { return outside.device.device_reads == 1; });
    s.request_stop();
    for (int i = 0; i < 200; ++i) this_fiber::yield();
    EXPECT_FALSE(ec) << "a helper thread still reads for it";
    outside.device.silent = false;
    s.join();
    EXPECT_EQ(ec, std::errc::operation_canceled);
  });
}

/// Interrupts and, where that is allowed, cuts what files are asked for.
class chopping_files final : public detail::host {
 public:
  explicit chopping_files(std::uint64_t seed) : calls_(seed) {}
  detail::file_calls& files() noexcept override { return calls_; }

 private:
  class calls final : public detail::file_calls {
   public:
    explicit calls(std::uint64_t seed) : random_(seed) {}
    std::ptrdiff_t readv(int fd, const iovec* parts, int count, std::int64_t offset, int flags) noexcept override {
      const auto chosen = below(8);
      if (chosen == 0) return -EINTR;
      if (chosen == 1 && flags == file_calls::in_memory) return -EAGAIN;
      iovec part = parts[0];
      part.iov_len = 1 + below(static_cast<std::uint32_t>(part.iov_len));
      return file_calls::readv(fd, &part, std::min(count, 1), offset, flags);
    }
    std::ptrdiff_t send_file(int to, int fd, std::int64_t offset, std::size_t size) noexcept override {
      const auto chosen = below(16);
      if (chosen == 0) return -EINTR;
      if (chosen == 1) return -EINVAL;
      return file_calls::send_file(to, fd, offset, 1 + below(static_cast<std::uint32_t>(size)));
    }

   private:
    std::uint32_t below(std::uint32_t limit) {
      const detail::spin_guard guard(lock_);
      return random_.below(limit);
    }
    detail::spin_lock lock_;
    detail::random_source random_;
  };
  calls calls_;
};

TEST(send_file_chopped, calls_that_are_cut_and_interrupted_lose_nothing) {
  chopping_files outside(seed());
  const scratch_directory dir;
  with_runtimes(
      [&] {
        const bytes data = random_bytes(scaled(1'000'000), 7);
        const file f = file_of(dir / "f", data);
        each_kind([&](auto kind) {
          EXPECT_EQ(arrived(kind, [&](auto& to) { EXPECT_EQ(to.send_file(f), data.size()); }), data);
        });
      },
      &outside);
}

}  // namespace
}  // namespace sennit::test
