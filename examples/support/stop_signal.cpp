#include "support/stop_signal.hpp"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include <sennit/io.hpp>

namespace example {

stop_signal::stop_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
}

stop_signal::~stop_signal() { close(fd_); }

std::string_view stop_signal::wait() {
  signalfd_siginfo info{};
  do {
    sennit::wait_readable(fd_);  // readiness is a hint: another thread may have read the signal before us
  } while (read(fd_, &info, sizeof info) != sizeof info);
  return info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM";
}

}  // namespace example
