// Not under qemu-user: what it makes of vfork() is a fork(), from which the child's error does not come back.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include <sennit/process.hpp>
#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "base/host_processes.hpp"
#include "base/host_result.hpp"
#include "support/descriptors.hpp"
#include "support/files.hpp"
#include "support/process_counts.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class spawn_errors_test : public runtimes {
 protected:
  scratch_directory dir;
};
INSTANTIATE_RUNTIMES(spawn_errors_test);

/// No child of ours is left, dead or alive.
bool no_children() { return detail::host_result(::waitpid(-1, nullptr, WNOHANG)) == -ECHILD; }

TEST_P(spawn_errors_test, errors_of_exec_name_the_program) {
  run([&] {
    const std::size_t before = open_descriptors() - open_descriptors("io_uring");
    const process::options pipes{.in = child_stdio::pipe(), .out = child_stdio::pipe(), .err = child_stdio::pipe()};
    try {
      static_cast<void>(process::spawn(dir / "absent", pipes));
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::no_such_file_or_directory);
      EXPECT_NE(std::string(e.what()).find("spawn " + (dir / "absent")), std::string::npos) << e.what();
    }
    std::error_code ec;
    write_file(dir / "text", "no program");
    EXPECT_FALSE(process::spawn(dir / "text", pipes, ec));
    EXPECT_EQ(ec, std::errc::permission_denied);
    ::chmod((dir / "text").c_str(), 0755);
    process::options exact = pipes;
    exact.search_path = false;  // with it, as execvp does, a shell would be tried
    EXPECT_FALSE(process::spawn(dir / "text", exact, ec));
    EXPECT_EQ(ec, std::errc::executable_format_error);
    EXPECT_FALSE(process::spawn("sh", exact, ec));
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory) << "not looked for in PATH";
    EXPECT_FALSE(process::spawn("true", {.directory = dir / "absent"}, ec));
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
    EXPECT_FALSE(process::spawn("true", {.out = child_stdio::descriptor(-1)}, ec));
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    EXPECT_FALSE(process::spawn("true", {.out = child_stdio::descriptor(900)}, ec));
    EXPECT_EQ(ec, std::errc::bad_file_descriptor);
    EXPECT_FALSE(process::spawn(std::string("true\0", 5), {}, ec));
    EXPECT_EQ(ec, std::errc::invalid_argument);
    EXPECT_FALSE(process::spawn("true", {.arguments = {std::string("a\0b", 3)}}, ec));
    EXPECT_EQ(ec, std::errc::invalid_argument);
    EXPECT_TRUE(no_children());
    EXPECT_EQ(open_descriptors() - open_descriptors("io_uring"), before);
  });
}

}  // namespace
}  // namespace sennit::test
