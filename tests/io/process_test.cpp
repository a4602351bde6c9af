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

class process_test : public runtimes {
 protected:
  scratch_directory dir;
};
INSTANTIATE_RUNTIMES(process_test);

process shell(const std::string& script, process::options opts = {}) {
  opts.arguments = {"-c", script};
  return process::spawn("sh", opts);
}

std::string all_of(pipe_reader& f) {
  std::string all;
  std::array<std::byte, 4096> b{};
  while (const std::size_t n = f.read_some(b)) all.append(reinterpret_cast<const char*>(b.data()), n);
  return all;
}

/// No child of ours is left, dead or alive.
bool no_children() { return detail::host_result(::waitpid(-1, nullptr, WNOHANG)) == -ECHILD; }

TEST_P(process_test, exit_codes_and_signals) {
  run([] {
    EXPECT_TRUE(process::spawn("true").wait().success());
    const exit_status seven = shell("exit 7").wait();
    EXPECT_EQ(seven.code(), 7);
    EXPECT_EQ(seven.signal(), 0);
    EXPECT_FALSE(seven.success());
    const exit_status dead = shell("kill -9 $$").wait();
    EXPECT_EQ(dead.signal(), SIGKILL);
    EXPECT_EQ(dead.code(), -1);
    process p = process::spawn("true");
    EXPECT_EQ(p.wait(), p.wait()) << "asked twice";
    EXPECT_TRUE(no_children());
  });
}

TEST_P(process_test, pipes) {
  run([] {
    process p = shell("cat; echo done >&2",
                      {.in = child_stdio::pipe(), .out = child_stdio::pipe(), .err = child_stdio::pipe()});
    const std::string text(300'000, 'x');  // more than two pipes hold: both sides go on by turns
    scope s;
    s.spawn([&] {
      p.in().write_all(std::as_bytes(std::span(text)));
      p.in().close();
    });
    EXPECT_EQ(all_of(p.out()), text);
    EXPECT_EQ(all_of(p.err()), "done\n");
    s.join();
    EXPECT_TRUE(p.wait().success());
  });
}

TEST_P(process_test, null_descriptor_and_the_same_as_output) {
  run([&] {
    file out = file::open(dir / "out", open_mode::write | open_mode::create);
    process p = shell("cat; echo one; echo two >&2", {.in = child_stdio::null(),
                                                      .out = child_stdio::descriptor(out.native_handle()),
                                                      .err = child_stdio::same_as_output()});
    EXPECT_TRUE(p.wait().success());
    EXPECT_EQ(read_file(dir / "out"), "one\ntwo\n");
    EXPECT_TRUE(shell("echo dropped", {.out = child_stdio::null()}).wait().success());
  });
}

// Standard descriptors of ours that change places: each is a source and a target.
TEST_P(process_test, descriptors_that_change_places) {
  run([&] {
    const int out = ::dup(1), err = ::dup(2);
    file a = file::open(dir / "a", open_mode::write | open_mode::create);
    file b = file::open(dir / "b", open_mode::write | open_mode::create);
    ::dup2(a.native_handle(), 1);
    ::dup2(b.native_handle(), 2);
    process p = shell("echo out; echo err >&2", {.out = child_stdio::descriptor(2), .err = child_stdio::descriptor(1)});
    const exit_status s = p.wait();
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::close(out);
    ::close(err);
    EXPECT_TRUE(s.success());
    EXPECT_EQ(read_file(dir / "a"), "err\n");
    EXPECT_EQ(read_file(dir / "b"), "out\n");
  });
}

TEST_P(process_test, arguments_environment_and_directory) {
  run([&] {
    process p = process::spawn("sh", {.arguments = {"-c", "echo \"$1|$NAME|$HOME\"; pwd -P", "sh", "a 'b' \"c\""},
                                      .environment = std::vector<std::string>{"NAME=value", "PATH=/bin:/usr/bin"},
                                      .directory = dir.path(),
                                      .out = child_stdio::pipe()});
    EXPECT_EQ(all_of(p.out()), "a 'b' \"c\"|value|\n" + std::filesystem::canonical(dir.path()).string() + '\n');
    EXPECT_TRUE(p.wait().success());
  });
}

TEST_P(process_test, wait_with_a_deadline_and_a_stop_leave_it_alive) {
  run([] {
    process p = process::spawn("cat", {.in = child_stdio::pipe()});
    EXPECT_EQ(p.wait_for(2ms), std::nullopt);
    EXPECT_EQ(p.wait_until(std::chrono::steady_clock::now() - 1s), std::nullopt);
    stop_source stop;
    park_probe probe;
    fiber stopped([&] {
      probe.here();
      EXPECT_EQ(code_of([&] { static_cast<void>(p.wait(stop.get_token())); }), std::errc::operation_canceled);
    });
    probe.await_parked();
    stop.request_stop();
    stopped.join();
    p.in().close();
    EXPECT_EQ(p.wait_for(1h), exit_status::exited(0));
  });
}

TEST_P(process_test, terminate_kill_and_signals_after_the_end) {
  run([] {
    process p = process::spawn("cat", {.in = child_stdio::pipe()});
    p.terminate();
    EXPECT_EQ(p.wait().signal(), SIGTERM);
    p.kill();  // has ended, was waited for: nobody else gets it
    p.send_signal(SIGUSR1);
    process q = process::spawn("cat", {.in = child_stdio::pipe()});
    EXPECT_EQ(code_of([&] { q.send_signal(1000); }), std::errc::invalid_argument);
    q.kill();
    EXPECT_EQ(q.wait().signal(), SIGKILL);
    process none;
    EXPECT_EQ(none.id(), 0);
    EXPECT_EQ(code_of([&] { none.kill(); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { static_cast<void>(none.wait()); }), std::errc::bad_file_descriptor);
  });
}

TEST_P(process_test, several_fibers_wait_for_one_child) {
  run([] {
    process p = process::spawn("cat", {.in = child_stdio::pipe()});
    scope s;
    std::atomic<int> seen{0};
    std::array<park_probe, 10> probes;
    for (auto& probe : probes) {
      s.spawn([&] {
        probe.here();
        if (p.wait() == exit_status::exited(0)) ++seen;
      });
    }
    for (auto& probe : probes) probe.await_parked();
    p.in().close();
    s.join();
    EXPECT_EQ(seen, 10);
  });
}

TEST_P(process_test, the_destructor_kills_and_leaves_no_zombie) {
  const std::size_t before = open_descriptors();
  run([] {
    {
      process p = process::spawn("cat", {.in = child_stdio::pipe()});
      process q = process::spawn("cat", {.in = child_stdio::pipe()});
      q = std::move(p);  // ends the second one
    }
    EXPECT_TRUE(no_children());
    scope s(on_exception::log);  // also when all waits are stopped
    s.spawn([&] {
      const process p = process::spawn("cat", {.in = child_stdio::pipe()});
      s.request_stop();
    });
    s.join();
    EXPECT_TRUE(no_children());
  });
  EXPECT_EQ(open_descriptors(), before);
}

TEST_P(process_test, one_that_was_given_away_is_the_callers) {
  run([] {
    process p = shell("exit 3");
    const int pid = p.release();
    ASSERT_GT(pid, 0);
    EXPECT_FALSE(p);
    int status = 0;
    EXPECT_EQ(blocking([&] { return ::waitpid(pid, &status, 0); }), pid);
    EXPECT_EQ(WEXITSTATUS(status), 3);
    process q = process::spawn("true");
    q.wait();
    EXPECT_EQ(q.release(), 0) << "was waited for";
  });
}

// Descriptors of the program, close-on-exec or not, end up in no child; and no signal stays blocked there.
TEST_P(process_test, a_child_has_its_three_descriptors_and_no_blocked_signals) {
  const unique_fd leaky(::open("/dev/null", O_RDONLY));
  ASSERT_EQ(::fcntl(leaky.get(), F_GETFD) & FD_CLOEXEC, 0);
  run([] {
    process p = shell("ls /proc/$$/fd; grep -E 'SigBlk|SigIgn' /proc/self/status", {.out = child_stdio::pipe()});
    const std::string text = all_of(p.out());
    EXPECT_EQ(text.substr(0, 6), "0\n1\n2\n") << text;
    EXPECT_EQ(text.find("3\n"), std::string::npos) << text;
    EXPECT_NE(text.find("SigBlk:\t0000000000000000"), std::string::npos) << text;
    EXPECT_TRUE(p.wait().success());
  });
}

TEST_P(process_test, many_at_once) {
  const std::size_t before = open_descriptors();
  run([] {
    const std::size_t count = scaled(1000);
    std::atomic<std::size_t> right{0};
    scope s;
    for (std::size_t i = 0; i < count; ++i) {
      s.spawn([&, i] {
        const int code = static_cast<int>(i % 200);
        if (shell("exit " + std::to_string(code)).wait().code() == code) ++right;
      });
      if (i % 32 == 31) s.join();
    }
    s.join();
    EXPECT_EQ(right, count);
    EXPECT_TRUE(no_children());
  });
  EXPECT_EQ(open_descriptors(), before);
}

TEST_P(process_test, from_a_plain_thread) {
  process p = shell("read line; echo \"got $line\"", {.in = child_stdio::pipe(), .out = child_stdio::pipe()});
  EXPECT_EQ(p.wait_for(1ms), std::nullopt);
  p.in().write_all(std::as_bytes(std::span("text\n", 5)));
  EXPECT_EQ(all_of(p.out()), "got text\n");
  EXPECT_TRUE(p.wait().success());
  EXPECT_TRUE(no_children());
}

/// Out of descriptors at the last one that a child needs.
class no_pid_fd final : public detail::host {
 public:
  class calls final : public detail::process_calls {
   public:
    int pid_fd(pid_t) noexcept override { return -EMFILE; }
  };
  detail::process_calls& processes() noexcept override { return calls_; }

 private:
  calls calls_;
};

TEST_P(process_test, a_child_that_cannot_be_waited_for_is_not_left_behind) {
  no_pid_fd outside;
  const std::size_t before = open_descriptors();
  sennit::run({.workers = GetParam(), .stall_threshold = {}, .host = &outside}, [] {
    std::error_code ec;
    EXPECT_FALSE(process::spawn("cat", {.in = child_stdio::pipe(), .out = child_stdio::pipe()}, ec));
    EXPECT_EQ(ec, std::errc::too_many_files_open);
    EXPECT_TRUE(no_children());
  });
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace sennit::test
