// Rung 19: other programs as parts of this one: a pipeline as a shell makes it, with an end to its patience.
//
//   19_process_pipeline "seq 1 100" "grep 7" "wc -l"        three programs side by side, connected by pipes
//   19_process_pipeline --timeout 500 "yes" "sleep 60"      who is not done then is asked to end, then killed
//
// Each argument is a program with its arguments. The pipes between them are theirs alone: this program gives an end to
// each neighbour and keeps none, so that the end of one is the end of the next one's input. What the last one writes
// comes here, line by line. All waits are a fiber's, here for a pipe, there for a child; nobody handles SIGCHLD.
//
// It returns what the last program returned, 128 and the signal that ended it, or 124 if the time was up.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct stage {
  std::string command;
  sennit::process child;
  std::optional<sennit::exit_status> ended = {};
};

/// A pipe for children: blocking, as programs expect it, and closed in all of them but those that are given an end.
std::array<sennit::descriptor, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  return {sennit::descriptor(ends[0]), sennit::descriptor(ends[1])};
}

/// Starts all of them. If one cannot be started, those that have been are killed: a process object leaves no child.
std::vector<stage> start(const std::vector<std::string>& commands) {
  std::vector<stage> stages;
  auto input = sennit::child_stdio::inherit();
  sennit::descriptor input_end;  // keeps the pipe that `input` names until the next child has it
  for (const std::string& command : commands) {
    std::istringstream words(command);
    std::string program;
    words >> program;
    sennit::process::options options{.in = input, .out = sennit::child_stdio::pipe()};
    for (std::string word; words >> word;) options.arguments.push_back(word);
    std::array<sennit::descriptor, 2> between;  // this one and the next, if any
    if (&command != &commands.back()) {
      between = make_pipe();
      options.out = sennit::child_stdio::descriptor(between[1].get());
    }
    stages.push_back({command, sennit::process::spawn(program, options)});
    input_end = std::move(between[0]);
    input = sennit::child_stdio::descriptor(input_end.get());
  }
  return stages;
}

void print_lines(sennit::pipe_reader& from) {
  sennit::buffered_reader lines(from);
  while (const auto line = lines.read_line()) std::cout << *line << '\n';
}

/// Waits for all until the time is up, then ends those that are left: politely, then not. False if there were any.
bool finish(std::vector<stage>& stages, milliseconds timeout, milliseconds grace) {
  const auto deadline = clock_type::now() + timeout;
  for (stage& s : stages) s.ended = s.child.wait_until(deadline);
  bool all = true;
  for (stage& s : stages) {
    if (s.ended) continue;
    all = false;
    s.child.terminate();
  }
  for (stage& s : stages) {
    if (!s.ended) s.ended = s.child.wait_for(grace);
    if (s.ended) continue;
    s.child.kill();
    s.ended = s.child.wait();
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> commands;
  int timeout_ms = 10'000;
  int grace_ms = 1'000;
  example::command_line line("Runs programs that read each other's output.");
  line.add("commands", commands, "programs with their arguments")->required();
  line.add("--timeout", timeout_ms, "ms that all of them have");
  line.add("--grace", grace_ms, "ms between SIGTERM and SIGKILL");
  line.parse(argc, argv);

  return sennit::run(line.runtime_options(), [&] {
    auto stages = start(commands);
    sennit::scope output;
    output.spawn([&] { print_lines(stages.back().child.out()); });
    const bool in_time = finish(stages, milliseconds(timeout_ms), milliseconds(grace_ms));
    if (!in_time) output.request_stop();  // who was started by one of them may hold the pipe
    try {
      output.join();
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::operation_canceled) throw;
    }
    for (const stage& s : stages) {
      std::cerr << s.command << ": ";
      (s.ended->signal() != 0 ? std::cerr << "signal " << s.ended->signal() : std::cerr << "exit " << s.ended->code())
          << '\n';
    }
    const sennit::exit_status last = *stages.back().ended;
    return !in_time ? 124 : last.signal() != 0 ? 128 + last.signal() : last.code();
  });
} catch (const std::exception& e) {
  std::cerr << "19_process_pipeline: " << e.what() << '\n';
  return 1;
}
