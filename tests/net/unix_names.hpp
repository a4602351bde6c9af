#pragma once
// Names for Unix sockets of tests.
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include <sennit/endpoint.hpp>

namespace sennit::test {

/// An abstract name that no other test has.
inline endpoint abstract_name() {
  static std::atomic<int> count{0};
  return "unix:@sennit-test-" + std::to_string(::getpid()) + '-' + std::to_string(++count);
}

/// A directory of its own, gone afterwards.
class temporary_directory {
 public:
  temporary_directory() : path_((std::filesystem::temp_directory_path() / "sennit-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::system_category(), "mkdtemp");
  }
  ~temporary_directory() { std::filesystem::remove_all(path_); }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + '/' + name; }

 private:
  std::string path_;
};

}  // namespace sennit::test
