#include <csignal>

#include <sennit/fiber.hpp>
#include <sennit/process.hpp>

#include "io/child_process.hpp"
#include "io/error_code.hpp"
#include "io/file_call.hpp"
#include "io/path.hpp"

namespace sennit::inline v0 {

using detail::host;

namespace {

bool any_nul(const std::string& program, const process::options& opts) {
  bool found = detail::has_nul(program) || detail::has_nul(opts.directory);
  for (const std::string& s : opts.arguments) found = found || detail::has_nul(s);
  if (opts.environment) {
    for (const std::string& s : *opts.environment) found = found || detail::has_nul(s);
  }
  return found;
}

template <class End>
End adopted(detail::unique_fd fd) {
  if (!fd) return {};
  End end = End::adopt(fd.get());
  static_cast<void>(fd.release());
  return end;
}

}  // namespace

process process::spawn(const std::string& program, const options& opts, std::error_code& ec, const stop_token& stop) {
  process p;
  if (any_nul(program, opts)) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return p;
  }
  detail::child_process::ends ours;
  // exec may have to read from a disk, and posix_spawn waits for it.
  const auto started = detail::run_off_worker(
      [&](host& h) -> std::ptrdiff_t {
        std::ptrdiff_t error = 0;
        try {
          p.child_ = detail::child_process::start(h, program, opts, ours, error);
        } catch (const std::bad_alloc&) {
          error = -ENOMEM;
        }
        return error;
      },
      {.stop = &stop});
  detail::settle(started, ec);
  if (ec) return p;
  p.program_ = program;
  p.in_ = adopted<pipe_writer>(std::move(ours.in));
  p.out_ = adopted<pipe_reader>(std::move(ours.out));
  p.err_ = adopted<pipe_reader>(std::move(ours.err));
  return p;
}

process process::spawn(const std::string& program, const options& opts, const stop_token& stop) {
  std::error_code ec;
  process p = spawn(program, opts, ec, stop);
  if (ec) {
    detail::throw_for_path(ec, "spawn", opts.directory.empty() ? program : program + " in " + opts.directory);
  }
  return p;
}

void process::end() noexcept {
  if (child_ == nullptr) return;
  if (!child_->over()) {
    // The wait is a destructor's: deaf to stops and deadlines of scopes.
    const shield no_stops;
    static_cast<void>(child_->send_signal(SIGKILL));
    exit_status ignored;
    static_cast<void>(child_->wait(ignored, {}));
  }
  child_.reset();
}

process::~process() { end(); }

process& process::operator=(process&& other) noexcept {
  if (this == &other) return *this;
  end();
  child_ = std::move(other.child_);
  program_ = std::move(other.program_);
  in_ = std::move(other.in_);
  out_ = std::move(other.out_);
  err_ = std::move(other.err_);
  return *this;
}

exit_status process::wait(std::error_code& ec, const stop_token& stop) {
  exit_status status;
  const auto own = child_;
  detail::settle(own != nullptr ? own->wait(status, {.stop = &stop}) : detail::io_closed, ec);
  return status;
}

exit_status process::wait(const stop_token& stop) {
  std::error_code ec;
  const exit_status status = wait(ec, stop);
  detail::throw_for_path(ec, "wait for", program_);
  return status;
}

std::optional<exit_status> process::wait_before(detail::wait_bound until) {
  exit_status status;
  const auto own = child_;
  const std::ptrdiff_t result = own != nullptr ? own->wait(status, until) : detail::io_closed;
  if (result == detail::io_deadline) return std::nullopt;
  std::error_code ec;
  detail::settle(result, ec);
  detail::throw_for_path(ec, "wait for", program_);
  return status;
}

void process::send_signal(int signal, std::error_code& ec) noexcept {
  detail::settle(child_ != nullptr ? child_->send_signal(signal) : detail::io_closed, ec);
}

void process::send_signal(int signal) {
  std::error_code ec;
  send_signal(signal, ec);
  detail::throw_for_path(ec, "send a signal to", program_);
}

void process::terminate() { send_signal(SIGTERM); }

void process::kill() { send_signal(SIGKILL); }

int process::id() const noexcept { return child_ != nullptr ? child_->pid() : 0; }

int process::release() noexcept {
  const auto own = std::move(child_);
  return own != nullptr && own->release() ? own->pid() : 0;
}

}  // namespace sennit::inline v0
