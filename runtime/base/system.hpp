#pragma once
// What each system has under a name of its own, and no test or simulation replaces: system_linux.cpp and
// system_darwin.cpp. Any thread.
#include <spawn.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <span>

namespace sennit::inline v0::detail {

class host;

/// Names the calling thread, for debuggers; at most 15 characters.
void name_this_thread(const char* name) noexcept;

/// How many threads this process has; 0 if the system does not say.
[[nodiscard]] std::size_t threads_of_process() noexcept;

/// The calling thread's stack; empty if the system does not say.
[[nodiscard]] std::span<std::byte> own_stack() noexcept;

/// What the kernel itself needs of a stack for signals.
[[nodiscard]] std::size_t signal_frame_bytes() noexcept;

/// CPUs that this process may run on; at least 1.
[[nodiscard]] unsigned allowed_cpus() noexcept;

/// Takes back the SIGPIPE that is pending for the calling thread, which blocks it; nothing if there is none.
void take_back_sigpipe() noexcept;

/// Is `error`, of accept(2), one of the connection that was to be accepted, not of the listener: it died in the
/// backlog?
[[nodiscard]] bool died_in_backlog(int error) noexcept;

/// The option of TCP that is the seconds of silence before the first probe.
extern const int tcp_keepalive_idle;

/// When the contents of a file last changed.
[[nodiscard]] std::timespec modified(const struct stat& s) noexcept;

/// Who made the other end of a Unix socket: 0 or -errno.
struct peer_process {
  pid_t pid;
  uid_t user;
  gid_t group;
};
[[nodiscard]] int peer_of(host& outside, int fd, peer_process& into) noexcept;

/// Adds to what posix_spawn() does in a child: of its descriptors only 0, 1 and 2 stay. 0 or an error, as its
/// functions.
[[nodiscard]] int keep_standard_descriptors(posix_spawn_file_actions_t& actions,
                                            posix_spawnattr_t& attributes) noexcept;
/// The environment of this process, as exec takes it.
[[nodiscard]] char** own_environment() noexcept;

/// pipe(2), close-on-exec: 0 or -errno. For those below the host.
[[nodiscard]] int make_pipe(int ends[2], bool nonblocking) noexcept;

/// Do Unix sockets have names that are no files ("@name")?
extern const bool has_abstract_names;

/// A descriptor that polls as readable from raise_flag() to lower_flag(), close-on-exec; -errno. Its owner closes it.
[[nodiscard]] int make_flag() noexcept;
void raise_flag(int flag) noexcept;
void lower_flag(int flag) noexcept;

/// Where the module (program, shared library, vdso) begins that `address` lies in; null where that cannot be found out
/// in a signal handler.
[[nodiscard]] const void* module_of(const void* address) noexcept;

}  // namespace sennit::inline v0::detail
