#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/host_files.hpp"
#include "base/host_result.hpp"

namespace sennit::inline v0::detail {

int file_calls::reopen_terminal(int fd, int access) noexcept {
  std::array<char, 256> path{};
  // The master of a pseudo-terminal counts as a terminal, but to open it a second time makes another one.
  if (::ptsname_r(fd, path.data(), path.size()) == 0) return -ENOTTY;
  if (::ttyname_r(fd, path.data(), path.size()) != 0) return -ENOTTY;
  const int own = host_result(::open(path.data(), access | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  struct stat theirs{};
  struct stat ours{};
  // The name may have become another terminal's meanwhile, or be in another file system than the descriptor.
  if (own < 0 || (::fstat(fd, &theirs) == 0 && ::fstat(own, &ours) == 0 && theirs.st_rdev == ours.st_rdev &&
                  theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev))
    return own;
  ::close(own);
  return -ENOTTY;
}

bool file_calls::is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

}  // namespace sennit::inline v0::detail
