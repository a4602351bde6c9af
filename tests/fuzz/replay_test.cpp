// The corpora of the fuzz targets as ordinary tests: what once was found stays found.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/fuzz_target.hpp"

namespace sennit::test {
namespace {

class fuzz_corpus : public ::testing::TestWithParam<fuzz_target> {};

TEST_P(fuzz_corpus, breaks_no_promise) {
  const std::filesystem::path folder = std::filesystem::path(SENNIT_FUZZ_CORPUS) / GetParam().name;
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    std::printf("%s\n", file.path().filename().c_str());  // the last line before the process ends names the culprit
    GetParam().run({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    ++count;
  }
  EXPECT_GE(count, 3U) << folder << " has hardly a seed";
}

INSTANTIATE_TEST_SUITE_P(all, fuzz_corpus, ::testing::ValuesIn(fuzz_target::all()),
                         [](const auto& i) { return std::string(i.param.name); });

}  // namespace
}  // namespace sennit::test
