#pragma once
// Included by process_counts.hpp: by /proc.
#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace sennit::test {

inline std::size_t open_descriptors(const std::string& kind) {
  std::size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone && target.string().find(kind) != std::string::npos) ++n;
  }
  return n;
}

inline std::size_t threads_of_process() {
  const std::filesystem::directory_iterator threads("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(threads), end(threads)));
}

inline bool others_sleep() {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    if (thread.path().filename() == std::to_string(::gettid())) continue;
    std::ifstream stat(thread.path() / "stat");
    std::string line;
    std::getline(stat, line);
    const auto name = line.rfind(')');  // its end; the state follows
    if (name != std::string::npos && line.compare(name, 3, ") S") != 0) return false;
  }
  return true;
}

template <class F>
void signal_others(int signal, F&& more) {
  const auto me = ::syscall(SYS_gettid);
  // One descriptor for all rounds: TSan has called its number, which others had before, a race at closedir().
  DIR* const tasks = ::opendir("/proc/self/task");
  do {
    ::rewinddir(tasks);
    while (const dirent* const task = ::readdir(tasks)) {
      const long id = std::strtol(task->d_name, nullptr, 10);
      if (id > 0 && id != me) ::syscall(SYS_tgkill, ::getpid(), id, signal);
    }
  } while (more());
  ::closedir(tasks);
}

}  // namespace sennit::test
