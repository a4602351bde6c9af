#pragma once
// A part of a test that runs in a forked child.
#include <sched.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/process_counts.hpp"

namespace sennit::test {

/// Runs `f` in a forked child; its exit status. Waits until all other threads sleep: the lock of a sanitizer's
/// allocator that one of them holds at the fork would be held in the child for ever. The test's time limit bounds it.
template <class F>
int in_child(F&& f) {
  while (!others_sleep()) ::sched_yield();
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(f());
  int status = -1;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

}  // namespace sennit::test
