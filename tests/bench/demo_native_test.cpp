// The demo itself, short: it starts other programs of this build by name, which an emulator's exec cannot do.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include "bench/xml.hpp"
#include "common/json.hpp"

namespace {

struct outcome {
  int exit_code;
  std::string output;
};

outcome run_demo(const std::string& arguments) {
  std::FILE* pipe = ::popen(("'" SENNIT_DEMO "' " + arguments + " 2>&1").c_str(), "r");
  outcome it{-1, {}};
  std::array<char, 4096> some;
  for (std::size_t n = 0; (n = std::fread(some.data(), 1, some.size(), pipe)) > 0;) it.output.append(some.data(), n);
  const int status = ::pclose(pipe);
  it.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return it;
}

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::ptrdiff_t count(const std::string& text, const char* pattern) {
  const std::regex what(pattern);
  return std::distance(std::sregex_iterator(text.begin(), text.end(), what), std::sregex_iterator());
}

void quick_run_prints_every_row_and_draws_them() {
  std::string folder = (std::filesystem::temp_directory_path() / "sennit-demo-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const auto svg_path = folder + "/chart.svg";
  const auto r = run_demo("--quick --out '" + svg_path + "' --json '" + folder + "/rows.json'");
  const auto svg = read_file(svg_path);
  const auto json = read_file(folder + "/rows.json");
  std::filesystem::remove_all(folder);

  const auto unwritable = run_demo("--quick --out /nonexistent/chart.svg");
  EXPECT_EQ(unwritable.exit_code, 1);
  EXPECT_EQ(unwritable.output, "demo: cannot write /nonexistent/chart.svg\n");  // told before the runs, not after

  EXPECT_EQ(r.exit_code, 0) << r.output;
  EXPECT_NE(r.output.find(svg_path), std::string::npos) << "the path of the chart is not printed";
  // Three closed-loop pairs and one open-loop pair, each announced and each a full row of the table.
  const char* cells = R"(\n(fibers|threads) +(10|50|100)  (closed|open [0-9 ]+/s)( +[0-9][0-9. ]*){7}(?=\n))";
  EXPECT_EQ(count(r.output, R"(\n\[[1-8]/8\] )"), 8) << r.output;
  EXPECT_EQ(count(r.output, cells), 8) << r.output;
  EXPECT_EQ(count(json, R"("measured": true, "wrong": false)"), 8) << json;
  EXPECT_EQ(bench_test::xml_error(svg), "");
  EXPECT_EQ(svg.find("n/a"), std::string::npos);
  // 3 + 4 + 4 + 3 pairs of bars, the legend's two.
  EXPECT_EQ(count(svg, "class=\"(fibers|threads)\""), 30);
}

void ratio_measures_both_servers() {
  const auto r = run_demo("--ratio --repeats 1 --duration 0.2");
  EXPECT_EQ(r.exit_code, 0) << r.output;
  const auto at_64 = r.output.substr(r.output.find("{\"connections\": 64"));
  EXPECT_GT(bench::json_number(at_64, "ratio_median"), 0.3) << r.output;
  EXPECT_LT(bench::json_number(at_64, "ratio_median"), 10) << r.output;
  EXPECT_NE(r.output.find("{\"connections\": 1000"), std::string::npos) << r.output;
}

TEST(demo, both_modes_run_and_report) {
  quick_run_prints_every_row_and_draws_them();
  ratio_measures_both_servers();
}

}  // namespace
