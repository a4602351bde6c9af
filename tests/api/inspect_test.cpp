// What is seen of fibers from outside, and that looking at them loses no wake.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <source_location>
#include <sstream>
#include <thread>

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/inspect.hpp>
#include <sennit/io.hpp>
#include <sennit/mutex.hpp>
#include <sennit/scope.hpp>
#include <sennit/tcp.hpp>

#include "context/context.hpp"
#include "support/descriptors.hpp"
#include "support/runtimes.hpp"
#include "support/scale.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class inspect_test : public runtimes {};
INSTANTIATE_RUNTIMES(inspect_test);

std::map<std::string, fiber_info> by_name(const runtime& rt) {
  std::map<std::string, fiber_info> out;
  for (fiber_info& f : rt.fibers()) out.emplace(f.name, f);
  return out;
}

TEST_P(inspect_test, tells_what_each_waits_for) {
  runtime rt(opts());
  rt.run([&] {
    const fd_pair pipe = pipe_pair();
    mutex m;
    channel<int> c(0);
    event go;
    const auto line = std::source_location::current().line();
    std::array<park_probe, 5> probes;
    std::unique_lock held(m);
    fiber at_mutex(attributes{.name = "at mutex"}, [&] {
      probes[0].here();
      const std::lock_guard lock(m);
    });
    fiber receiver(attributes{.name = "receiver"}, [&] {
      probes[1].here();
      static_cast<void>(c.receive());
    });
    fiber sleeper(attributes{.name = "sleeper"}, [&] {
      probes[2].here();
      static_cast<void>(go.wait_for(1h));
    });
    fiber reader(attributes{.name = "reader"}, [&] {
      probes[3].here();
      wait_readable(pipe.a.get());
    });
    fiber joiner(attributes{.name = "joiner"}, [&] {
      probes[4].here();
      receiver.join();
    });
    for (const park_probe& p : probes) p.await_parked();

    const auto seen = by_name(rt);
    EXPECT_EQ(seen.size(), 6u);
    EXPECT_EQ(seen.at("main").state, fiber_state::running);
    EXPECT_TRUE(seen.at("main").worker.has_value());
    EXPECT_FALSE(seen.at("main").backtrace.empty());
    EXPECT_EQ(seen.at("at mutex").waits_for, "mutex");
    EXPECT_EQ(seen.at("at mutex").object, &m);
    EXPECT_EQ(seen.at("receiver").waits_for, "channel receive");
    EXPECT_EQ(seen.at("sleeper").waits_for, "event");
    EXPECT_EQ(seen.at("sleeper").object, &go);
    ASSERT_TRUE(seen.at("sleeper").deadline_in);
    EXPECT_GT(*seen.at("sleeper").deadline_in, 30min);
    EXPECT_LE(*seen.at("sleeper").deadline_in, 1h);
    EXPECT_FALSE(seen.at("receiver").deadline_in);
    EXPECT_EQ(seen.at("reader").waits_for, "read");
    EXPECT_TRUE(seen.at("reader").descriptor);
    EXPECT_EQ(seen.at("joiner").waits_for, "join");
    EXPECT_EQ(seen.at("joiner").waits_for_fiber, seen.at("receiver").id);
    EXPECT_EQ(seen.at("at mutex").waits_for_fiber, seen.at("main").id);
    EXPECT_FALSE(seen.at("receiver").waits_for_fiber);
    for (const auto& [name, f] : seen) {
      EXPECT_EQ(f.spawned_at.file_name(), name == "main" ? f.spawned_at.file_name() : std::string(__FILE__)) << name;
      if (name == "main") continue;
      EXPECT_EQ(f.state, fiber_state::waiting) << name;
      EXPECT_GT(f.spawned_at.line(), line) << name;
      EXPECT_GE(f.waiting, 0s) << name;
      EXPECT_GE(f.stack_reserved, 64u * 1024) << name;
      EXPECT_GT(f.stack_resident, 0u) << name;
      EXPECT_GT(f.stack_high_water, 0u) << name;
      EXPECT_EQ(f.backtrace.empty(), std::string_view(detail::context_name) == "boost") << name;
      for (const void* frame : f.backtrace) EXPECT_NE(locate(frame).at(0).module, "") << name;
    }

    held.unlock();
    c.send(1);
    go.set();
    put(pipe.b.get(), "x");
  });
  EXPECT_TRUE(rt.fibers().empty());
}

TEST_P(inspect_test, a_fiber_that_has_not_begun_is_runnable) {
  const auto line = std::source_location::current().line();
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    fiber other(attributes{.name = "later"}, [] {});
    const auto seen = by_name(*runtime::current());
    EXPECT_EQ(seen.at("later").state, fiber_state::runnable);
    EXPECT_FALSE(seen.at("later").worker);
    EXPECT_GT(seen.at("main").spawned_at.line(), line);
    EXPECT_STREQ(seen.at("main").spawned_at.file_name(), __FILE__);
    other.join();
  });
}

TEST_P(inspect_test, a_descriptor_has_addresses) {
  sennit::run(opts(), [&] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    const endpoint at = listener.local_endpoint();
    auto client = tcp_stream::connect(at);
    const endpoint from = client.local_endpoint();
    park_probe accepted_one;
    auto server = listener.accept();
    fiber acceptor(attributes{.name = "acceptor"}, [&] {
      accepted_one.here();
      listener.accept();
    });
    park_probe reading;
    fiber reader(attributes{.name = "reader"}, [&] {
      reading.here();
      std::array<std::byte, 1> b{};
      server.read_some(b);
    });
    accepted_one.await_parked();
    reading.await_parked();
    const auto seen = by_name(*runtime::current());
    EXPECT_EQ(seen.at("acceptor").socket, at.to_string());
    EXPECT_EQ(seen.at("reader").socket, at.to_string() + " to " + from.to_string());
    std::ostringstream out;
    dump_fibers(out);
    EXPECT_NE(out.str().find("read of descriptor " + std::to_string(server.native_handle()) + ", " + at.to_string() +
                             " to " + from.to_string()),
              std::string::npos)
        << out.str();
    client.write_all(std::as_bytes(std::span("x")));
    auto second = tcp_stream::connect(at);
    acceptor.join();
    reader.join();
  });
}

TEST_P(inspect_test, a_signal_makes_a_dump_while_all_workers_are_stuck) {
  const fd_pair pipe = pipe_pair();
  std::atomic<bool> seen{false};
  runtime rt(opts());
  const signal_dump on_signal(SIGUSR2, pipe.b.get());
  std::vector<fiber> stuck;
  std::atomic<unsigned> begun{0};
  for (unsigned i = 0; i < rt.workers(); ++i) {
    stuck.push_back(rt.spawn(attributes{.name = "stuck"}, [&] {
      ++begun;
      while (!seen) {
        for (int n = 0; n < 10'000 && !seen; ++n) {}          // here: in the stub of a call, frames cannot be told
        static_cast<void>(std::chrono::steady_clock::now());  // where ThreadSanitizer lets signals through
      }
    }));
  }
  while (begun < rt.workers()) std::this_thread::yield();
  for (int told = 0; told < 2;) {  // again where a worker got no CPU for as long as the dump waits for its stack
    ::kill(::getpid(), SIGUSR2);
    std::string text;
    while (text.find("'stuck': running") == std::string::npos || !text.ends_with('\n')) text += drain(pipe.a.get());
    SCOPED_TRACE(text);
    EXPECT_TRUE(text.starts_with("runtime '"));
    if (text.find("test_api") != std::string::npos) ++told;  // says where it is
  }
  seen = true;
  for (fiber& f : stuck) f.join();
}

TEST(signal_dump, bad_signals_are_refused) {
  EXPECT_THROW(const signal_dump none(0), std::system_error);
  EXPECT_THROW(const signal_dump none(SIGKILL), std::system_error);
}

// Whoever is woken while it is looked at must run all the same, and a block that is used for another fiber meanwhile
// must not be taken for the one before.
TEST_P(inspect_test, looks_lose_no_wake) {
  const std::size_t wanted = scaled(60'000);
  runtime rt(opts());
  std::atomic<std::size_t> waiting{0};
  std::atomic<bool> enough{false};
  std::thread inspector([&] {
    std::size_t looks = 0;
    for (; waiting.load() < wanted; ++looks) {
      std::uint64_t last = 0;
      for (const fiber_info& f : rt.fibers()) {
        ASSERT_GT(f.id, last);
        last = f.id;
        ASSERT_TRUE(f.name == "main" || f.name == "ping" || f.name == "pong" || f.name == "child") << f.name;
        waiting += f.state == fiber_state::waiting;
      }
    }
    std::printf("%zu looks saw %zu waiting fibers\n", looks, waiting.load());
    enough = true;
  });
  rt.run([&] {
    channel<int> there(0), back(0);
    fiber ping(attributes{.name = "ping"}, [&] {
      while (!enough.load()) {
        there.send(1);
        static_cast<void>(back.receive());
      }
      there.close();
    });
    fiber pong(attributes{.name = "pong"}, [&] {
      while (there.receive()) back.send(2);
    });
    while (!enough.load()) fiber(attributes{.name = "child"}, [] { this_fiber::yield(); }).join();
    ping.join();
    pong.join();
  });
  inspector.join();
}

TEST_P(inspect_test, several_who_look_at_once_see_the_same) {
  runtime rt(opts());
  rt.run([&] {
    event over;
    park_probe probe;
    fiber waiter(attributes{.name = "waiter"}, [&] {
      probe.here();
      over.wait();
    });
    probe.await_parked();
    std::array<std::thread, 3> inspectors;
    for (std::thread& t : inspectors) {
      t = std::thread([&] {
        for (std::size_t i = 0; i < scaled(20'000); ++i) {
          const auto all = rt.fibers();
          const auto found = std::ranges::find(all, "waiter", &fiber_info::name);
          ASSERT_NE(found, all.end());
          ASSERT_EQ(found->state, fiber_state::waiting) << "look " << i;
        }
      });
    }
    for (std::thread& t : inspectors) t.join();
    over.set();
    waiter.join();
  });
}

std::string dumped() {
  std::ostringstream out;
  dump_fibers(out);
  return out.str();
}

TEST_P(inspect_test, a_dump_groups_what_is_alike) {
  runtime rt(opts());
  rt.run([&] {
    event go;
    std::array<park_probe, 20> probes;
    scope all;
    for (park_probe& p : probes) {
      all.spawn(attributes{.name = "worker"}, [&] {
        p.here();
        go.wait();
      });
    }
    park_probe last;
    all.spawn(attributes{.name = "alone"}, [&] {
      last.here();
      go.wait();
    });
    for (const park_probe& p : probes) p.await_parked();
    last.await_parked();
    const std::string text = dumped();
    EXPECT_NE(text.find("runtime 'sennit': " + std::to_string(workers()) + " workers, 22 fibers\n"), text.npos) << text;
    EXPECT_NE(text.find("20 fibers 'worker': waiting for up to "), text.npos) << text;
    EXPECT_NE(text.find(" 'alone': waiting for "), text.npos) << text;
    EXPECT_NE(text.find(", event at 0x"), text.npos) << text;
    EXPECT_NE(text.find(" 'main': running, worker "), text.npos) << text;
    EXPECT_NE(text.find("\n  spawned at " __FILE__ ":"), text.npos) << text;
    go.set();
    all.join();
  });
}

TEST_P(inspect_test, a_dump_as_json_has_every_member_and_each_backtrace_once) {
  const fd_pair pipe = pipe_pair();
  runtime rt(opts());
  rt.run([&] {
    const std::string hostile = "<script>\"\\\n\xff";
    event go;
    mutex m;
    std::unique_lock held(m);
    std::array<park_probe, 4> probes;
    scope all;
    for (std::size_t i = 0; i < 2; ++i) {
      all.spawn(attributes{.name = hostile}, [&, i] {
        probes[i].here();
        go.wait();
      });
    }
    all.spawn(attributes{.name = "at mutex"}, [&] {
      probes[2].here();
      const std::lock_guard lock(m);
    });
    all.spawn(attributes{.name = "reader"}, [&] {
      probes[3].here();
      wait_readable_for(pipe.a.get(), 1h);
    });
    for (const park_probe& p : probes) p.await_parked();

    std::ostringstream out;
    dump_fibers(out, dump_format::json);
    const auto dump = nlohmann::json::parse(out.str());
    const auto& home = dump.at("runtimes").at(0);
    EXPECT_EQ(home.at("name"), "sennit");
    EXPECT_EQ(home.at("workers"), workers());
    std::multimap<std::string, nlohmann::json> fibers;
    for (const auto& f : home.at("fibers")) fibers.emplace(f.at("name"), f);
    ASSERT_EQ(fibers.size(), 5u);
    const auto& main = fibers.find("main")->second;
    EXPECT_EQ(main.at("state"), "running");
    EXPECT_FALSE(main.contains("waits_for"));

    const auto [first, end] = fibers.equal_range("<script>\"\\\n\ufffd");
    ASSERT_EQ(std::distance(first, end), 2);
    for (auto at = first; at != end; ++at) {
      const auto& f = at->second;
      EXPECT_EQ(f.at("state"), "waiting");
      EXPECT_EQ(f.at("waits_for"), "event");
      EXPECT_EQ(f.at("object"), first->second.at("object"));
      EXPECT_EQ(f.at("spawned_at").at("file"), __FILE__);
      EXPECT_GE(f.at("waiting_ns"), 0);
      EXPECT_GT(f.at("stack").at("reserved"), 0);
      EXPECT_GT(f.at("stack").at("resident"), 0);
      EXPECT_GT(f.at("stack").at("high_water"), 0);
      if (std::string_view(detail::context_name) == "boost") continue;
      EXPECT_EQ(f.at("backtrace"), first->second.at("backtrace"));
      const auto& frames = dump.at("backtraces").at(f.at("backtrace").get<std::size_t>());
      ASSERT_FALSE(frames.empty());
      EXPECT_TRUE(frames.at(0).at("module").is_string());
    }
    EXPECT_EQ(fibers.find("at mutex")->second.at("waits_for_fiber"), main.at("id"));
    const auto& reader = fibers.find("reader")->second;
    EXPECT_GE(reader.at("descriptor"), 0);
    EXPECT_GT(reader.at("deadline_in_ns"), 0);
    go.set();
    held.unlock();
    put(pipe.b.get(), "x");
    all.join();
  });
}

TEST(inspect_output_test, goes_through_a_pipe_that_is_full) {
  const fd_pair pipe = pipe_pair();
  std::string filler(1 << 20, '.');
  const std::size_t before =
      static_cast<std::size_t>(checked(::write(pipe.b.get(), filler.data(), filler.size()), "write"));
  std::thread dumper([&] { dump_fibers(pipe.b.get()); });
  std::string got;
  until([&] {
    char some[4096];
    const auto n = ::read(pipe.a.get(), some, sizeof some);
    if (n > 0) got.append(some, static_cast<std::size_t>(n));
    return got.size() > before;
  });
  dumper.join();
  EXPECT_EQ(got.substr(before), "no runtime\n");
}

TEST(inspect_output_test, failures_are_told) {
  std::error_code ec;
  dump_fibers(-1, ec);
  EXPECT_EQ(ec, std::errc::bad_file_descriptor);
  EXPECT_THROW(dump_fibers(-1), std::system_error);
  fd_pair pipe = pipe_pair();
  pipe.a = {};
  dump_fibers(pipe.b.get(), ec);
  EXPECT_EQ(ec, std::errc::broken_pipe);
  std::FILE* const closed = std::fopen("/dev/null", "r");
  EXPECT_THROW(dump_fibers(closed), std::system_error);
  std::fclose(closed);
}

TEST(inspect_output_test, a_file_gets_the_text) {
  std::FILE* const file = std::tmpfile();
  dump_fibers(file);
  std::rewind(file);
  char text[64] = {};
  EXPECT_EQ(std::fread(text, 1, sizeof text, file), std::string_view("no runtime\n").size());
  EXPECT_STREQ(text, "no runtime\n");
  std::fclose(file);
}

}  // namespace
}  // namespace sennit::test
