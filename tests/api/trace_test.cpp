// What a recording of the scheduler says.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/scope.hpp>
#include <sennit/trace.hpp>

#include "sched/tracer.hpp"
#include "support/runtimes.hpp"
#include "support/scale.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class trace_test : public runtimes {};
INSTANTIATE_RUNTIMES(trace_test);

json written(trace& t) {
  std::ostringstream out;
  t.write(out);
  return json::parse(out.str()).at("traceEvents");
}

std::vector<json> of_phase(const json& events, const std::string& phase) {
  std::vector<json> out;
  for (const json& e : events) {
    if (e.at("ph") == phase) out.push_back(e);
  }
  return out;
}

TEST_P(trace_test, shows_who_ran_until_when_and_who_woke_whom) {
  runtime rt(opts());
  trace recording(rt);
  rt.run([] {
    channel<int> c(0);
    fiber sender(attributes{.name = "sender<\xff>"}, [&] {
      for (int i = 0; i < 50; ++i) c.send(i);
      c.close();
    });
    fiber receiver(attributes{.name = "receiver"}, [&] {
      while (c.receive()) {}
    });
    sender.join();
    receiver.join();
  });
  const json events = written(recording);
  std::map<std::string, std::set<std::string>> untils;
  std::map<int, double> free_from;  // of each track
  for (const json& e : of_phase(events, "X")) {
    if (e.at("cat") != "fiber") continue;
    untils[e.at("name")].insert(e.at("args").at("until").get<std::string>());
    const int track = e.at("tid");
    EXPECT_GE(e.at("ts").get<double>(), free_from[track]) << "one after the other: " << e;
    EXPECT_GE(e.at("dur").get<double>(), 0) << e;
    free_from[track] = e.at("ts").get<double>() + e.at("dur").get<double>() - 1e-3;
  }
  EXPECT_TRUE(untils["sender<\ufffd>"].contains("end"));
  EXPECT_TRUE(untils["receiver"].contains("end"));
  EXPECT_TRUE(untils["main"].contains("end"));
  if (workers() == 1) {  // else the others may have come before it looked
    EXPECT_TRUE(untils["receiver"].contains("channel receive"));
    EXPECT_TRUE(untils["main"].contains("join"));
  }

  std::set<std::string> begun;
  for (const json& e : of_phase(events, "s")) EXPECT_TRUE(begun.insert(e.at("id")).second) << "twice: " << e;
  EXPECT_GE(begun.size(), workers() == 1 ? 50u : 1u);
  std::size_t ended = 0;
  for (const json& e : of_phase(events, "f")) {
    EXPECT_TRUE(begun.contains(e.at("id"))) << e;
    ++ended;
  }
  EXPECT_EQ(ended, begun.size());

  std::set<std::string> tracks;
  for (const json& e : of_phase(events, "M")) {
    if (e.at("name") == "thread_name") tracks.insert(e.at("args").at("name").get<std::string>());
  }
  EXPECT_EQ(tracks.size(), workers() + 1);
  EXPECT_TRUE(tracks.contains("worker 0"));
  std::size_t spawns = 0;
  for (const json& e : of_phase(events, "i")) spawns += e.at("name") == "spawn";
  EXPECT_EQ(spawns, 3u);
}

TEST_P(trace_test, keeps_the_latest_and_nothing_after_its_end) {
  runtime rt(opts());
  trace recording(rt, 100);
  const auto yields = [] {
    fiber other([] {
      for (int i = 0; i < 1000; ++i) this_fiber::yield();
    });
    for (int i = 0; i < 1000; ++i) this_fiber::yield();
    other.join();
  };
  rt.run(yields);
  recording.stop();
  const json before = written(recording);
  EXPECT_LE(of_phase(before, "X").size(), 100u * (workers() + 1));
  EXPECT_GT(of_phase(before, "X").size(), 30u);
  rt.run(yields);
  EXPECT_EQ(written(recording), before);
}

TEST_P(trace_test, one_at_a_time_and_longer_than_the_runtime) {
  std::unique_ptr<trace> last;
  {
    runtime rt(opts());
    {
      const trace first(rt);
      EXPECT_EQ(code_of([&] { const trace second(rt); }), std::errc::device_or_resource_busy);
    }
    last = std::make_unique<trace>(rt);
    rt.run([] {});
  }
  EXPECT_FALSE(of_phase(written(*last), "X").empty());
}

TEST_P(trace_test, recordings_come_and_go_while_fibers_run) {
  runtime rt(opts());
  std::atomic<bool> enough{false};
  std::thread recorder([&] {
    for (std::size_t i = scaled(2000); i > 0; --i) {
      trace t(rt, 64);
      if (i % 2 == 0) static_cast<void>(written(t));
    }
    enough = true;
  });
  rt.run([&] {
    channel<int> there(0), back(0);
    fiber ping([&] {
      while (!enough) {
        there.send(1);
        static_cast<void>(back.receive());
      }
      there.close();
    });
    while (there.receive()) back.send(2);
    ping.join();
  });
  recorder.join();
}

}  // namespace
}  // namespace sennit::test
