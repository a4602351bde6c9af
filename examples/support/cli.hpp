#pragma once
// The command line that all servers and clients of the examples share: --host, --port, --workers.
#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

#include <sennit/sennit.hpp>

namespace example {

/// A CLI::App with the common options; a rung adds its own, then calls parse().
class command_line {
 public:
  command_line(const std::string& about, std::uint16_t default_port);

  template <class T>
  void add(const std::string& option, T& value, const std::string& help) {
    app_.add_option(option, value, help)->capture_default_str();
  }

  /// Ends the process after --help and after a mistake, which it explains. Raises the soft limit of open files to the
  /// hard one: a server of ten thousand connections needs as many descriptors.
  void parse(int argc, char** argv);

  [[nodiscard]] sennit::endpoint address() const { return {host_, port_}; }
  [[nodiscard]] bool port_given() const { return app_.count("--port") > 0; }
  [[nodiscard]] sennit::options runtime_options() const;

 private:
  CLI::App app_;
  std::string host_ = "127.0.0.1";
  std::uint16_t port_;
  unsigned workers_ = 0;
};

}  // namespace example
