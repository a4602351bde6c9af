// Rows, table and chart from made-up programs: what the demo says when a limit or a bug stops a row.
#include "demo/report.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/xml.hpp"
#include "common/json.hpp"
#include "demo/measure.hpp"
#include "demo/svg.hpp"

namespace {

using bench::row;
using bench_test::xml_error;

/// A folder with shell scripts in the place of load and echo_threads.
class made_up_programs {
 public:
  /// The server prints `server_says` below its greeting and ends with `server_exit` when asked to stop.
  made_up_programs(const std::string& server_says, int server_exit, const std::string& load) {
    std::string pattern = (std::filesystem::temp_directory_path() / "sennit-report-XXXXXX").string();
    machine_ = bench::this_machine();
    machine_.programs = ::mkdtemp(pattern.data());
    // The trap comes first: the greeting tells the demo that the server may be stopped.
    write("echo_threads", "trap 'exit " + std::to_string(server_exit) + "' TERM\necho 'listening on 127.0.0.1:1'\n" +
                              server_says + "\nwhile :; do sleep 0.01; done\n");
    write("load", load);
  }
  ~made_up_programs() { std::filesystem::remove_all(machine_.programs); }
  made_up_programs(const made_up_programs&) = delete;
  made_up_programs& operator=(const made_up_programs&) = delete;

  [[nodiscard]] row run() const {
    return bench::measure(machine_, {.server = "threads", .connections = 1000, .rate = 0, .warmup = 0, .duration = 0},
                          {});
  }

 private:
  void write(const std::string& name, const std::string& script) {
    const std::string path = machine_.programs + '/' + name;
    std::ofstream(path) << "#!/bin/sh\n" << script;
    ::chmod(path.c_str(), 0755);
  }
  bench::machine machine_;
};

const std::string good_result =
    R"(echo '{"requests_per_second": 1234.5, "p50_us": 10, "p99_us": 2000, "p99_9_us": 3000, )"
    R"("server_cpu_us_per_request": 4.25, "server_bytes_per_connection": 8192, "all_served_s": 0.5, "errors": 0, )"
    R"("wrong_bytes": 0, "lost_bytes": 0, "limit": ""}')"
    "\n";

std::string table_of(const row& r) {
  std::ostringstream out;
  bench::print_table(out, {r});
  return out.str();
}

TEST(report, a_good_run_is_a_full_row) {
  const row r = made_up_programs("", 0, good_result).run();
  EXPECT_TRUE(r.measured) << r.note;
  EXPECT_FALSE(r.wrong);
  EXPECT_EQ(r.requests_per_second, 1234.5);
  const auto line = table_of(r);
  for (const char* cell : {"threads", "1 000", "closed", "1 235", "0.010", "2.00", "3.00", "4.25", "8.00", "500"}) {
    EXPECT_NE(line.find(cell), std::string::npos) << cell << " is missing in\n" << line;
  }
}

TEST(report, a_limit_of_the_server_is_told_in_words) {
  const row r = made_up_programs("echo 'limit: threads: no more than 812 could be started'", 0,
                                 "echo '{\"limit\": \"connect: closed before its first echo\"}'\nexit 3\n")
                    .run();
  EXPECT_FALSE(r.measured);
  EXPECT_FALSE(r.wrong);
  EXPECT_NE(table_of(r).find("not measured: threads: no more than 812 could be started"), std::string::npos);
}

TEST(report, a_limit_of_the_load_generator_is_told_in_words) {
  const row r = made_up_programs("", 0, "echo '{\"limit\": \"open files: 90 of 1000\"}'\nexit 3\n").run();
  EXPECT_FALSE(r.measured);
  EXPECT_FALSE(r.wrong);
  EXPECT_NE(table_of(r).find("not measured: open files: 90 of 1000"), std::string::npos);
}

TEST(report, lost_bytes_make_the_row_wrong) {
  const row r = made_up_programs(
                    "", 0, "echo '{\"errors\": 2, \"wrong_bytes\": 0, \"lost_bytes\": 64, \"limit\": \"\"}'\nexit 1\n")
                    .run();
  EXPECT_TRUE(r.wrong);
  EXPECT_NE(table_of(r).find("WRONG: 2 errors, 0 wrong bytes, 64 lost bytes"), std::string::npos);
}

TEST(report, a_server_that_crashes_makes_the_row_wrong) {
  const row r = made_up_programs("", 7, good_result).run();
  EXPECT_TRUE(r.wrong);
  EXPECT_EQ(r.note, "the server did not stop cleanly (exit code 7)");
}

TEST(report, json_has_every_row_and_null_for_what_was_not_measured) {
  row stopped{.plan = {.server = "threads", .connections = 10}, .note = "a \"quoted\" reason"};
  std::ostringstream out;
  bench::write_json(out, {stopped, stopped}, "here");
  EXPECT_EQ(bench::json_value(out.str(), "setup"), "here");
  EXPECT_EQ(bench::json_value(out.str(), "note"), R"(a \"quoted\" reason)");
  EXPECT_EQ(bench::json_value(out.str(), "p99_us"), "null");
}

TEST(report, numbers_are_written_for_people) {
  EXPECT_EQ(bench::grouped(0), "0");
  EXPECT_EQ(bench::grouped(999), "999");
  EXPECT_EQ(bench::grouped(1000), "1 000");
  EXPECT_EQ(bench::grouped(-1234567), "-1 234 567");
  EXPECT_EQ(bench::grouped(-123), "-123");
  EXPECT_EQ(bench::three_digits(0.01234), "0.012");
  EXPECT_EQ(bench::three_digits(9.996), "10.0");
  EXPECT_EQ(bench::three_digits(99.96), "100");
  EXPECT_EQ(bench::three_digits(1e6), "1 000 000");
  EXPECT_EQ(bench::three_digits(std::nan("")), "-");
}

TEST(svg, is_well_formed_with_all_rows_some_or_none) {
  const row fibers{.plan = {.server = "fibers", .connections = 100},
                   .measured = true,
                   .note = {},
                   .requests_per_second = 5e4,
                   .p50_us = 1,
                   .p99_us = 2,
                   .p99_9_us = 3,
                   .cpu_us = 4,
                   .memory_bytes = 0,
                   .all_served_s = 1};
  const row stopped{.plan = {.server = "threads", .connections = 100}, .note = "<limit> & more"};
  for (const auto& rows : {std::vector{fibers, stopped}, std::vector{stopped}, std::vector<row>{}}) {
    const auto text = bench::svg_chart(rows, "a < b & c > d");
    EXPECT_EQ(xml_error(text), "");
    EXPECT_NE(text.find("a &lt; b &amp; c &gt; d"), std::string::npos);
    EXPECT_EQ(text.find("nan"), std::string::npos);
    EXPECT_EQ(text.find("inf"), std::string::npos);
  }
  EXPECT_NE(bench::svg_chart({fibers, stopped}, "").find("n/a"), std::string::npos);
}

TEST(xml, the_checker_itself_sees_what_is_wrong) {
  EXPECT_EQ(xml_error("<a b=\"c > d\"><e/>x &amp; y</a>\n"), "");
  for (const char* bad :
       {"", "x", "<a>", "</a>", "<a></b>", "<a/><b/>", "<a b=c/>", "<a>&</a>", "<a b=\"c></a>", "<a", "<a><</a>"}) {
    EXPECT_NE(xml_error(bad), "") << bad;
  }
}

}  // namespace
