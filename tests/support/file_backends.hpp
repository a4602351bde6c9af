#pragma once
// A fixture for tests of files: each case runs with every backend that is here, and with one, two and four workers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include <sennit/runtime.hpp>

#include "io/file_ring.hpp"
#include "support/files.hpp"

namespace sennit::test {

/// What this build and this kernel have.
inline std::vector<std::string> file_backends() {
  std::vector<std::string> all{"threads"};
  if (detail::ring_works()) all.emplace_back("uring");
  return all;
}

/// INSTANTIATE_FILE_BACKENDS(my_test) once per fixture.
class file_backend_test : public ::testing::TestWithParam<std::tuple<std::string, unsigned>> {
 protected:
  file_backend_test() { ::setenv("SENNIT_FILE_BACKEND", backend().c_str(), 1); }
  ~file_backend_test() override { ::unsetenv("SENNIT_FILE_BACKEND"); }

  [[nodiscard]] static const std::string& backend() { return std::get<0>(GetParam()); }
  [[nodiscard]] static bool has_ring() { return backend() == "uring"; }
  [[nodiscard]] static unsigned workers() { return std::get<1>(GetParam()); }
  [[nodiscard]] static options opts() { return {.workers = workers(), .stall_threshold = {}}; }
  template <class F>
  static decltype(auto) run(F&& fn) {
    return sennit::run(opts(), std::forward<F>(fn));
  }

  scratch_directory dir;
};

}  // namespace sennit::test

#define INSTANTIATE_FILE_BACKENDS(fixture)                                                                        \
  INSTANTIATE_TEST_SUITE_P(                                                                                       \
      backends, fixture, ::testing::Combine(::testing::ValuesIn(file_backends()), ::testing::Values(1U, 2U, 4U)), \
      [](const auto& i) { return std::get<0>(i.param) + '_' + std::to_string(std::get<1>(i.param)); })
