// Component sennit::symbols, which nothing here calls: to be linked with it is enough.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <regex>
#include <source_location>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/inspect.hpp>
#include <sennit/scope.hpp>

#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

constexpr unsigned here(std::source_location at = std::source_location::current()) { return at.line(); }

struct seen_call {
  const void* address;
  unsigned line;
};

[[gnu::noinline]] const void* return_address() { return __builtin_return_address(0); }

[[gnu::noinline]] seen_call calls_from_a_line() {
  const void* const address = return_address();
  const unsigned line = here() - 1;
  asm volatile("");
  return {address, line};
}

[[gnu::always_inline]] inline const void* is_inlined() {
  const void* const address = return_address();
  asm volatile("");
  return address;
}

[[gnu::noinline]] seen_call has_another_inlined() {
  const void* const address = is_inlined();
  return {address, here() - 1};
}

bool is_this_file(const code_location& l) { return l.file.ends_with("symbols_test.cpp"); }

TEST(locate, function_file_and_line) {
  const seen_call call = calls_from_a_line();
  const auto at = locate(call.address);
  ASSERT_EQ(at.size(), 1U);
  EXPECT_NE(at[0].function.find("calls_from_a_line()"), std::string::npos) << at[0].function;
  EXPECT_TRUE(is_this_file(at[0])) << at[0].file;
  EXPECT_EQ(at[0].line, call.line);
  EXPECT_NE(at[0].module.find("test_symbols"), std::string::npos) << at[0].module;
  EXPECT_GT(at[0].offset, 0U);
}

TEST(locate, inlined_functions_come_before_those_around) {
  const seen_call call = has_another_inlined();
  const auto at = locate(call.address);
  ASSERT_EQ(at.size(), 2U);
  EXPECT_NE(at[0].function.find("is_inlined"), std::string::npos) << at[0].function;
  EXPECT_NE(at[1].function.find("has_another_inlined()"), std::string::npos) << at[1].function;
  EXPECT_TRUE(is_this_file(at[0]) && is_this_file(at[1]));
  EXPECT_EQ(at[1].line, call.line);
}

TEST(locate, what_is_nowhere_has_no_module) {
  int local = 0;
  for (const void* address : {static_cast<const void*>(nullptr), static_cast<const void*>(&local)}) {
    const auto at = locate(address);
    ASSERT_EQ(at.size(), 1U);
    EXPECT_EQ(at[0].function, "");
    EXPECT_EQ(at[0].file, "");
  }
}

TEST(locate, a_library_without_debug_information_has_names) {
  const auto at = locate(reinterpret_cast<const std::byte*>(&std::strtoul) + 1);
  EXPECT_NE(at[0].module.find("libc"), std::string::npos) << at[0].module;
  EXPECT_NE(at[0].function.find("strtoul"), std::string::npos) << at[0].function;
}

TEST(locate, without_the_component_the_loader_answers) {
  const seen_call call = calls_from_a_line();
  const auto with = locate(call.address);
  const symbolizer before = set_symbolizer(nullptr);
  const auto without = locate(call.address);
  set_symbolizer([](const void*) { return std::vector<code_location>(3); });
  EXPECT_EQ(locate(call.address).size(), 3U);
  set_symbolizer(before);
  EXPECT_EQ(without.at(0).file, "");
  EXPECT_EQ(without.at(0).offset, with.at(0).offset);
  EXPECT_NE(without.at(0).module.find("test_symbols"), std::string::npos);
}

TEST(locate, from_many_threads) {
  const seen_call call = calls_from_a_line();
  std::vector<std::jthread> all;
  for (int i = 0; i < 4; ++i) {
    all.emplace_back([&] {
      for (int n = 0; n < 100; ++n) EXPECT_EQ(locate(call.address).at(0).line, call.line);
    });
  }
}

[[gnu::noinline]] void waits_deep(event& e, int depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) {
    e.wait();
  } else {
    waits_deep(e, depth - 1);
  }
  asm volatile("");
}

class dump_with_symbols : public runtimes {};
INSTANTIATE_RUNTIMES(dump_with_symbols);

TEST_P(dump_with_symbols, names_the_frames_and_groups_by_them) {
  std::string text;
  run([&] {
    event go;
    scope s;
    std::vector<park_probe> probes(20);
    for (std::size_t i = 0; i < probes.size(); ++i) {
      s.spawn([&, i] {
        probes[i].here();
        waits_deep(go, i % 2 == 0 ? 2 : 5);
      });
    }
    for (const park_probe& p : probes) p.await_parked();
    std::ostringstream out;
    dump_fibers(out);
    text = out.str();
    go.set();
    s.join();
  });
  const std::string line =
      R"(\n    sennit::test::\(anonymous namespace\)::waits_deep\(.*\) at \S*symbols_test\.cpp:\d+)";
  const auto times = [&](const std::string& what) {
    const std::regex r(what);
    return std::distance(std::sregex_iterator(text.begin(), text.end(), r), {});
  };
  EXPECT_EQ(times("\n10 fibers"), 2) << text;
  text.erase(0, text.find("\n10 fibers"));  // the caller has a backtrace too
  EXPECT_EQ(times(line), 3 + 6) << text;
  EXPECT_EQ(times(R"(\n    \S*wait(\(.*\))? at \S*include/sennit/event\.hpp:\d+)"), 2) << text;
  constexpr int each = 2;  // the wait itself, and the lambda
  EXPECT_EQ(times(R"(\n    \S)"), 3 + 6 + 2 * each) << text << "this library's own frames are left out";
}

[[gnu::noinline]] void spins_until(const std::atomic<bool>& end) {
  while (!end) static_cast<void>(std::chrono::steady_clock::now());
  asm volatile("");
}

TEST_P(dump_with_symbols, names_the_frames_of_a_fiber_that_runs) {
  runtime rt(opts());
  std::atomic<bool> begun{false};
  std::atomic<bool> end{false};
  fiber spinner = rt.spawn([&] {
    begun = true;
    spins_until(end);
  });
  while (!begun) std::this_thread::yield();
  std::ostringstream out;
  do {  // it may be on its way
    out.str("");
    dump_fibers(out);
  } while (out.str().find("spins_until") == std::string::npos);
  EXPECT_NE(out.str().find("': running"), std::string::npos) << out.str();
  end = true;
  spinner.join();
}

}  // namespace
}  // namespace sennit::test
