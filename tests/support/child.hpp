#pragma once
// A part of a test that runs in a forked child.
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sennit::test {

/// Runs `f` in a forked child; its exit status.
template <class F>
int in_child(F&& f) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(f());
  int status = -1;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

}  // namespace sennit::test
