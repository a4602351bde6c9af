// Who is told what the library has to say.
#include "base/log.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sennit/fiber.hpp>
#include <sennit/inspect.hpp>
#include <sennit/log.hpp>
#include <sennit/runtime.hpp>

#include "support/runtimes.hpp"
#include "support/scale.hpp"

namespace sennit::test {
namespace {

class log_test : public ::testing::Test {
 protected:
  struct entry {
    log_level level;
    std::string text, origin;
  };
  ~log_test() override {
    set_logger({});
    set_log_level(log_level::warn);
  }
  /// From now on.
  void keep() {
    set_logger([this](const log_message& m) {
      const std::lock_guard lock(mutex_);
      kept_.push_back({m.level, std::string(m.text), std::string(m.origin)});
    });
  }
  std::vector<entry> kept() {
    const std::lock_guard lock(mutex_);
    return kept_;
  }

 private:
  std::mutex mutex_;
  std::vector<entry> kept_;
};

TEST_F(log_test, a_logger_is_told_who_said_it) {
  keep();
  std::uint64_t id = 0;
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    fiber(attributes{.name = "teller"}, [&] {
      id = runtime::current()->fibers().back().id;
      detail::log(log_level::error, "%s", "by a fiber");
    }).join();
  });
  detail::log(log_level::warn, "by a %s thread", "plain");
  const auto all = kept();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].level, log_level::error);
  EXPECT_EQ(all[0].text, "by a fiber");
  EXPECT_EQ(all[0].origin, "teller#" + std::to_string(id) + "/0");
  EXPECT_EQ(all[1].text, "by a plain thread");
  EXPECT_EQ(all[1].origin, "-");
}

TEST_F(log_test, levels_below_are_not_told) {
  keep();
  const auto one_of_each = [] {
    for (const log_level l : {log_level::debug, log_level::info, log_level::warn, log_level::error})
      detail::log(l, "%s", "said");
  };
  std::vector<std::size_t> told;
  for (const log_level least : {log_level::debug, log_level::info, log_level::warn, log_level::error, log_level::off}) {
    set_log_level(least);
    const std::size_t before = kept().size();
    one_of_each();
    told.push_back(kept().size() - before);
  }
  EXPECT_EQ(told, (std::vector<std::size_t>{4, 3, 2, 1, 0}));
}

TEST_F(log_test, a_runtime_says_that_it_begins_and_ends_only_if_asked) {
  ::testing::internal::CaptureStderr();
  sennit::run({.workers = 1}, [] {});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  set_log_level(log_level::info);
  ::testing::internal::CaptureStderr();
  sennit::run({.workers = 1}, [] {});
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("[sennit] [info] [-] runtime 'sennit' begins: 1 workers\n"), std::string::npos) << text;
  EXPECT_NE(text.find("[sennit] [info] [-] runtime 'sennit' ends\n"), std::string::npos) << text;
}

TEST_F(log_test, what_a_logger_throws_is_dropped) {
  int called = 0;
  set_logger([&](const log_message&) {
    ++called;
    throw std::runtime_error("full");
  });
  detail::log(log_level::warn, "%s", "said");
  EXPECT_EQ(called, 1);
}

// One that is taken away ends after its last call.
TEST_F(log_test, loggers_change_while_others_log) {
  struct sink {
    std::atomic<bool> alive{true};
    ~sink() { alive = false; }
  };
  const std::size_t wanted = scaled(2'000'000);
  std::atomic<bool> over{false};
  std::atomic<std::size_t> told{0};
  set_logger([](const log_message&) {});
  std::vector<std::thread> talkers;
  for (int i = 0; i < 3; ++i) {
    talkers.emplace_back([&] {
      while (!over) detail::log(log_level::warn, "%s", "said");
    });
  }
  while (told < wanted) {
    set_logger([s = std::make_shared<sink>(), &told](const log_message&) {
      EXPECT_TRUE(s->alive.load());
      ++told;
    });
  }
  over = true;
  for (std::thread& t : talkers) t.join();
}

}  // namespace
}  // namespace sennit::test
