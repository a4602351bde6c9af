#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ostream>

#include <sennit/error.hpp>
#include <sennit/inspect.hpp>
#include <sennit/runtime.hpp>

#include "api/dump.hpp"
#include "api/runtime_list.hpp"
#include "base/host.hpp"
#include "io/sigpipe_guard.hpp"
#include "net/address.hpp"
#include "sched/census.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

/// Empty for what is no socket, has no address, or no peer.
std::string address(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  auto* const as = reinterpret_cast<sockaddr*>(&raw);
  return ask(fd, as, &size) == 0 ? endpoint_access::from_sockaddr(as, size).to_string() : std::string();
}

void look_at_socket(fiber_view& seen) {
  if (seen.fd < 0) return;
  seen.socket = address(seen.fd, &::getsockname);
  if (const std::string peer = address(seen.fd, &::getpeername); !peer.empty()) seen.socket += " to " + peer;
}

fiber_info info_of(fiber_view& seen, nanos now) {
  using std::chrono::nanoseconds;
  fiber_info out;
  out.id = seen.id;
  out.name = seen.name;
  out.worker = seen.worker;
  out.spawned_at = seen.where;
  out.state = seen.state == fiber_view::how::running ? fiber_state::running : fiber_state::runnable;
  out.backtrace = std::move(seen.backtrace);
  if (seen.state != fiber_view::how::parked) return out;
  out.state = fiber_state::waiting;
  out.waits_for = name_of(seen.wait_for);
  out.object = seen.object;
  if (seen.fd >= 0) out.descriptor = seen.fd;
  out.socket = std::move(seen.socket);
  out.waits_for_fiber = seen.holder_id;
  out.waiting = nanoseconds(std::max<nanos>(now - seen.since, 0));
  if (seen.deadline != never) out.deadline_in = nanoseconds(seen.deadline - now);
  out.stack_reserved = seen.stack_reserved;
  out.stack_resident = seen.stack_resident;
  out.stack_high_water = seen.stack_high_water;
  return out;
}

std::vector<fiber_info> fibers_of(scheduler& home) {
  std::vector<fiber_view> seen = take_census(home, &look_at_socket);
  const nanos now = home.outside().now();
  std::vector<fiber_info> out;
  out.reserve(seen.size());
  for (fiber_view& f : seen) out.push_back(info_of(f, now));
  return out;
}

/// Of all runtimes.
std::string dump(dump_format format) {
  std::vector<seen_runtime> all;
  runtime_list::of_process().visit([&](scheduler& home) {
    all.push_back({.name = home.name(), .workers = home.workers().size(), .fibers = fibers_of(home)});
  });
  return format == dump_format::json ? as_json(all) : as_text(all);
}

/// 0 or -errno.
int write_all(int fd, std::string_view text) noexcept {
  const sigpipe_guard quiet;
  host& outside = system_host();
  while (!text.empty()) {
    const std::ptrdiff_t n = outside.write(fd, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (n == -EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      outside.poll(&room, 1, never);
    } else if (n != -EINTR) {
      return static_cast<int>(n);
    }
  }
  return 0;
}

}  // namespace

std::vector<fiber_info> runtime::fibers() const { return fibers_of(*core_); }

void dump_fibers(std::ostream& out, dump_format format) { out << dump(format) << std::flush; }

void dump_fibers(std::FILE* out, dump_format format) {
  const std::string text = dump(format);
  if (std::fwrite(text.data(), 1, text.size(), out) != text.size() || std::fflush(out) != 0) {
    throw_if(std::error_code(errno, std::system_category()), "sennit: writing a dump of the fibers");
  }
}

void dump_fibers(int fd, std::error_code& ec, dump_format format) {
  ec.assign(-write_all(fd, dump(format)), std::system_category());
}

void dump_fibers(int fd, dump_format format) {
  std::error_code ec;
  dump_fibers(fd, ec, format);
  throw_if(ec, "sennit: writing a dump of the fibers");
}

}  // namespace sennit::inline v0
