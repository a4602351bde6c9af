#include "support/cli.hpp"

#include <sys/resource.h>

#include <cstdlib>

namespace example {

command_line::command_line(const std::string& about) : app_(about) {
  add("--workers", workers_, "threads that run fibers; 0: one per CPU");
}

command_line::command_line(const std::string& about, std::uint16_t default_port) : command_line(about) {
  port_ = default_port;
  add("--host", host_, "address or name");
  add("--port", port_, "port; for a server 0 means: any free one");
}

void command_line::parse(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app_.exit(e));
  }
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

sennit::options command_line::runtime_options() const {
  sennit::options options;
  options.workers = workers_;
  return options;
}

}  // namespace example
