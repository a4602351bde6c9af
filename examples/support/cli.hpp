#pragma once
// The command line that the examples share: --workers, and for servers and clients --host and --port.
#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

#include <sennit/sennit.hpp>

namespace example {

/// A CLI::App with the common options; a rung adds its own, then calls parse().
class command_line {
 public:
  command_line(const std::string& about, std::uint16_t default_port);
  /// For a rung that needs no network: without --host and --port.
  explicit command_line(const std::string& about);

  /// The option, for who wants to add a check.
  template <class T>
  CLI::Option* add(const std::string& option, T& value, const std::string& help) {
    return app_.add_option(option, value, help)->capture_default_str();
  }
  void add_flag(const std::string& option, bool& value, const std::string& help) { app_.add_flag(option, value, help); }

  /// Ends the process after --help and after a mistake, which it explains. Raises the soft limit of open files to the
  /// hard one: a server of ten thousand connections needs as many descriptors.
  void parse(int argc, char** argv);

  [[nodiscard]] sennit::endpoint address() const { return {host_, port_}; }
  [[nodiscard]] bool port_given() const { return app_.count("--port") > 0; }
  [[nodiscard]] sennit::options runtime_options() const;

 private:
  CLI::App app_;
  std::string host_ = "127.0.0.1";
  std::uint16_t port_ = 0;
  unsigned workers_ = 0;
};

}  // namespace example
