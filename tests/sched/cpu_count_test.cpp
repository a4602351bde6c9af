// Hazard 25: as many workers as CPUs that this process may use.
#include "sched/cpu_count.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sennit::detail {
namespace {

TEST(cpu_count_test, is_one_at_least) { EXPECT_GE(default_worker_count(), 1u); }

class cgroup_test : public ::testing::Test {
 protected:
  cgroup_test() {
    char name[] = "cgroup_test.XXXXXX";
    root_ = std::filesystem::absolute(::mkdtemp(name));
  }
  ~cgroup_test() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  double cpus(const std::string& membership) {
    write("membership", membership);
    return cgroup_cpus((root_ / "membership").string(), (root_ / "fs").string());
  }

 private:
  std::filesystem::path root_;
};

TEST_F(cgroup_test, no_cgroup_is_no_limit) {
  EXPECT_EQ(cgroup_cpus("does/not/exist", "nor/this"), 0);
  EXPECT_EQ(cpus(""), 0);
  EXPECT_EQ(cpus("0::/a/b\n"), 0) << "no cpu.max anywhere";
  EXPECT_EQ(cpus("1:cpu:/a\n"), 0) << "version 1 is not asked";
}

TEST_F(cgroup_test, max_is_no_limit) {
  write("fs/a/cpu.max", "max 100000\n");
  EXPECT_EQ(cpus("0::/a\n"), 0);
}

TEST_F(cgroup_test, the_tightest_quota_on_the_way_up_counts) {
  write("fs/a/b/c/cpu.max", "350000 100000\n");
  EXPECT_EQ(cpus("0::/a/b/c\n"), 3.5);
  write("fs/a/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpus("4:cpuset:/\n0::/a/b/c\n"), 1.5);
  write("fs/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cpus("0::/a/b/c\n"), 1.5);
  write("fs/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpus("0::/a/b/c\n"), 0.5);
  EXPECT_EQ(cpus("0::/\n"), 0.5);
}

TEST_F(cgroup_test, nonsense_is_no_limit) {
  for (const char* text : {"", "x 100000", "100000", "100000 0", "100000 -1", "-1 x"}) {
    write("fs/a/cpu.max", text);
    EXPECT_EQ(cpus("0::/a\n"), 0) << text;
  }
}

}  // namespace
}  // namespace sennit::detail
