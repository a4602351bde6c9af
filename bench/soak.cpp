// Load on the whole stack for a stated time: connections that come, talk, misbehave and go, timers, channels, scopes
// and helper threads at once. Fails on one lost or wrong byte and on one leaked descriptor, stack or fiber.
#include <CLI/CLI.hpp>
#include <dirent.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

#include <sennit/sennit.hpp>

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

std::size_t open_descriptors() {
  std::size_t n = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++n;
  ::closedir(dir);
  return n;
}

struct tally {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> messages{0};
  std::atomic<std::uint64_t> timeouts{0};
  std::atomic<std::uint64_t> wrong{0};
};

void serve(sennit::tcp_stream s) {
  std::array<std::byte, 4096> buffer;
  std::error_code ec;
  for (;;) {
    s.expires_after(30s);
    const std::size_t n = s.read_some(buffer, ec);
    if (n == 0) return;
    s.write_all(std::span(buffer).first(n), ec);
    if (ec) return;
  }
}

/// One connection: random messages, each byte checked; then it leaves in one of four ways.
void talk(const sennit::endpoint& at, std::uint32_t seed, tally& t) {
  std::mt19937 random(seed);
  auto s = sennit::tcp_stream::connect(at);
  ++t.connections;
  std::vector<std::byte> sent;
  std::vector<std::byte> got;
  for (auto i = random() % 50; i > 0; --i) {
    sent.resize(1 + random() % 3000);
    for (auto& b : sent) b = static_cast<std::byte>(random());
    got.assign(sent.size(), std::byte{0});
    s.write_all(sent);
    s.read_exact(got);
    if (got != sent) ++t.wrong;
    ++t.requests;
    if (random() % 4 == 0) sennit::this_fiber::sleep_for(std::chrono::microseconds(random() % 2000));
  }
  switch (random() % 4) {
    case 0: break;  // just drops it
    case 1: s.shutdown_send(); break;
    case 2: {  // waits for what does not come
      std::array<std::byte, 1> none;
      std::error_code ec;
      s.expires_after(1ms);
      s.read_some(none, ec);
      if (ec != std::errc::timed_out) ++t.wrong;
      ++t.timeouts;
      break;
    }
    default: {  // closed under a reader by another fiber
      sennit::scope both;
      both.spawn([&] {
        std::array<std::byte, 1> none;
        std::error_code ec;
        s.read_some(none, ec);
        if (ec != std::errc::bad_file_descriptor) ++t.wrong;
      });
      sennit::this_fiber::yield();
      s.close();
      both.join();
    }
  }
}

/// Senders and receivers over one channel: every number arrives once.
void trade(tally& t) {
  constexpr std::uint64_t senders = 4;
  constexpr std::uint64_t each = 500;
  sennit::channel<std::uint64_t> ch(8);
  std::atomic<std::uint64_t> sum{0};
  std::atomic<std::uint64_t> left{senders};
  sennit::scope s;
  for (std::uint64_t k = 0; k < senders; ++k) {
    s.spawn([&] {
      for (std::uint64_t i = 1; i <= each; ++i) ch.send(i);
      if (--left == 0) ch.close();
    });
  }
  for (int k = 0; k < 3; ++k) {
    s.spawn([&] {
      for (const std::uint64_t v : ch) sum += v;
    });
  }
  s.join();
  if (sum != senders * each * (each + 1) / 2) ++t.wrong;
  t.messages += senders * each;
}

bool run(unsigned workers, bool migrate, std::chrono::seconds time, std::uint32_t seed, tally& t) {
  sennit::runtime rt({.workers = workers, .stall_threshold = 0ns, .force_migrate = migrate});
  const auto end = clock_type::now() + time;
  rt.run([&] {
    auto listener = sennit::tcp_listener::bind("127.0.0.1:0");
    const auto at = listener.local_endpoint();
    sennit::scope servers(sennit::on_exception::log);
    servers.spawn([&] {
      std::error_code ec;
      for (;;) {
        auto s = listener.accept(ec);
        if (ec) return;
        servers.spawn([s = std::move(s)]() mutable { serve(std::move(s)); });
      }
    });
    std::atomic<std::uint32_t> next{seed};
    sennit::scope clients;
    for (int c = 0; c < 200; ++c) {
      clients.spawn([&] {
        while (clock_type::now() < end) talk(at, next++, t);
      });
    }
    clients.spawn([&] {
      while (clock_type::now() < end) trade(t);
    });
    clients.spawn([&] {
      while (clock_type::now() < end) sennit::blocking([] { return 0; });
    });
    clients.join();
    listener.close();
    servers.join();
  });
  const bool ended = rt.shutdown(10s);
  const auto stats = rt.stats();
  if (!ended || stats.spawned != stats.finished || stats.stacks_in_use != 0) {
    std::fprintf(stderr, "leaked: %llu fibers, %zu stacks\n",
                 static_cast<unsigned long long>(stats.spawned - stats.finished), stats.stacks_in_use);
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  double minutes = 60;
  std::uint32_t seed = std::random_device{}();
  CLI::App app("Load on everything for a stated time; fails on one lost byte, one leaked descriptor, stack or fiber.");
  app.add_option("--minutes", minutes, "how long (60)")->check(CLI::PositiveNumber);
  app.add_option("--seed", seed, "repeats the random choices of another run");
  CLI11_PARSE(app, argc, argv);
  std::printf("soak for %g minutes, seed %u\n", minutes, seed);

  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  tally t;
  const auto end = clock_type::now() + std::chrono::duration<double>(minutes * 60);
  std::size_t descriptors = 0;
  for (unsigned round = 0; clock_type::now() < end; ++round) {
    // Fresh runtimes of changing shape; the first round also warms what stays open for good (logger, resolver).
    const auto left = std::chrono::ceil<std::chrono::seconds>(end - clock_type::now());
    const auto slice = std::min<std::chrono::seconds>(left, 20s);
    if (!run(1 + round % 4, round % 5 == 4, slice, seed + round * 1'000'000, t)) return 1;
    const std::size_t now = open_descriptors();
    if (round == 0) descriptors = now;
    std::printf("%llu connections, %llu requests, %llu messages, %llu timeouts, %zu descriptors, %llu wrong\n",
                static_cast<unsigned long long>(t.connections), static_cast<unsigned long long>(t.requests),
                static_cast<unsigned long long>(t.messages), static_cast<unsigned long long>(t.timeouts), now,
                static_cast<unsigned long long>(t.wrong));
    std::fflush(stdout);
    if (t.wrong != 0 || now > descriptors) {
      std::fprintf(stderr, "soak failed: %s\n", t.wrong != 0 ? "lost or wrong bytes" : "leaked descriptors");
      return 1;
    }
  }
  std::printf("soak passed: 0 lost bytes, 0 leaked descriptors, stacks and fibers\n");
  return 0;
}
