#pragma once
#include <cerrno>
#include <string>
#include <system_error>

namespace sennit::inline v0::detail {

/// For backends whose descriptors could not be opened: throws std::system_error with `what` in front, and with the
/// limit that was met, if it was one.
[[noreturn]] inline void throw_open_failed(const char* what, int error) {
  std::string text = what;
  if (error == EMFILE) text += ": this process has all the descriptors it may have; raise RLIMIT_NOFILE (ulimit -n)";
  if (error == ENFILE) text += ": the system has all the open files it may have; raise fs.file-max";
  throw std::system_error(error, std::system_category(), text);
}

}  // namespace sennit::inline v0::detail
