// Hazard 17: signals interrupt every system call that waits, in workers, helpers and plain threads, while everything
// runs that does I/O. Nobody hears of it, and no deadline moves.
#include "support/signal_storm.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "net/fault_sessions.hpp"
#include "net/streams.hpp"
#include "support/file_backends.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

/// `f` again and again, at least once.
template <class F>
void repeatedly(std::size_t full, F&& f) {
  for (std::size_t i = scaled(full); i > 0 && !::testing::Test::HasFailure(); --i) f();
}

void once(void (*session)(session_log&)) {
  session_log log;
  session(log);
  EXPECT_EQ(log.text(), "");
}

template <class Kind>
void back_pressure() {
  auto e = Kind::connected();
  Kind::shrink(e);
  const bytes sent = random_bytes(300'000, 7);
  scope s;
  s.spawn([&] {
    e.writer.write_all(sent);
    e.writer.close();
  });
  EXPECT_EQ(drain_slowly(e.reader, 2000), sent);
  s.join();
}

void deadlines() {
  auto p = pipe::open();
  std::array<std::byte, 1> b{};
  std::error_code ec;
  const auto end = std::chrono::steady_clock::now() + 3ms;
  p.reader.expires_at(end);
  p.reader.read_some(b, ec);
  EXPECT_EQ(ec, error::deadline_passed) << ec.message();
  EXPECT_GE(std::chrono::steady_clock::now(), end);
  EXPECT_FALSE(wait_readable_until(p.reader.native_handle(), end + 1ms));
}

class signal_storm_on : public ::testing::TestWithParam<std::string> {};

TEST_P(signal_storm_on, everything_that_waits) {
  ::setenv("SENNIT_FILE_BACKEND", GetParam().c_str(), 1);
  const std::size_t before = signal_storm::count();
  {
    const signal_storm storm;
    std::thread plain([] {  // on a plain thread waits are poll(2)'s
      repeatedly(2000, [] { once(sessions::unix_streams); });
      repeatedly(200, [] { deadlines(); });
    });
    sennit::run({.workers = 2, .stall_threshold = {}}, [] {
      scope s;
      s.spawn([] { repeatedly(3000, [] { once(sessions::tcp); }); });
      s.spawn([] { repeatedly(3000, [] { once(sessions::race); }); });
      s.spawn([] { repeatedly(3000, [] { once(sessions::unix_streams); }); });
      s.spawn([] { repeatedly(3000, [] { once(sessions::unix_messages); }); });
      s.spawn([] { repeatedly(3000, [] { once(sessions::udp); }); });
      s.spawn([] { repeatedly(3000, [] { once(sessions::unix_datagrams); }); });
      s.spawn([] { repeatedly(3000, [] { once(sessions::pipes); }); });
      s.spawn([] { repeatedly(1000, [] { once(sessions::files); }); });
      s.spawn([] { repeatedly(3000, [] { once(sessions::file_streams); }); });
      s.spawn([] { repeatedly(1000, [] { once(sessions::sent_files); }); });
      s.spawn([] { repeatedly(1000, [] { once(sessions::signals); }); });
      s.spawn([] { repeatedly(500, [] { once(sessions::processes); }); });
      s.spawn([] { repeatedly(500, [] { back_pressure<tcp_kind>(); }); });
      s.spawn([] { repeatedly(500, [] { back_pressure<unix_kind>(); }); });
      s.spawn([] { repeatedly(500, [] { back_pressure<pipe_kind>(); }); });
      s.spawn([] { repeatedly(500, [] { deadlines(); }); });
      s.join();
    });
    plain.join();
  }
  ::unsetenv("SENNIT_FILE_BACKEND");
  EXPECT_GT(signal_storm::count() - before, 100U);
}

INSTANTIATE_TEST_SUITE_P(files_by, signal_storm_on, ::testing::ValuesIn(file_backends()),
                         [](const auto& i) { return i.param; });

}  // namespace
}  // namespace sennit::test
