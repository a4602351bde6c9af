#include "base/host_processes.hpp"

#include <fcntl.h>

#include "base/host.hpp"
#include "base/host_result.hpp"
#include "base/system.hpp"

namespace sennit::inline v0::detail {

int process_calls::spawn(pid_t& child, const char* program, bool search, const posix_spawn_file_actions_t& actions,
                         const posix_spawnattr_t& attributes, char* const* arguments,
                         char* const* environment) noexcept {
  return -(search ? ::posix_spawnp : ::posix_spawn)(&child, program, &actions, &attributes, arguments, environment);
}

int process_calls::kill(pid_t child, int signal) noexcept { return host_result(::kill(child, signal)); }

int process_calls::duplicate_above(int fd, int least) noexcept {
  return host_result(::fcntl(fd, F_DUPFD_CLOEXEC, least));
}

int process_calls::pipe(int ends[2]) noexcept { return make_pipe(ends, false); }

process_calls& host::processes() noexcept {
  static auto* const it = new process_calls;  // never destroyed, as the host itself
  return *it;
}

}  // namespace sennit::inline v0::detail
