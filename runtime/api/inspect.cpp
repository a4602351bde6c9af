#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <ostream>
#include <span>
#include <tuple>

#include <sennit/error.hpp>
#include <sennit/inspect.hpp>
#include <sennit/runtime.hpp>

#include "api/runtime_list.hpp"
#include "base/host.hpp"
#include "io/sigpipe_guard.hpp"
#include "net/address.hpp"
#include "sched/census.hpp"
#include "sched/frame_names.hpp"
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

std::string text_of(std::chrono::nanoseconds span) {
  const double seconds = std::chrono::duration<double>(span).count();
  char text[48];
  if (seconds < 1 && seconds > -1) {
    std::snprintf(text, sizeof text, "%.1f ms", seconds * 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  }
  return text;
}

std::string text_of(const void* object) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", object);
  return text;
}

/// What the fibers of a paragraph have in common.
using fiber_kind = std::tuple<fiber_state, std::string_view, std::string_view, unsigned, unsigned, std::string_view,
                              const std::vector<const void*>&, std::optional<std::uint64_t>>;
fiber_kind kind_of(const fiber_info& f) {
  return {f.state, f.waits_for, f.spawned_at.file_name(), f.spawned_at.line(), f.spawned_at.column(),
          f.name,  f.backtrace, f.waits_for_fiber};
}

std::string paragraph(const std::vector<const fiber_info*>& alike, frame_names& names) {
  const fiber_info& first = *alike.front();
  const bool one = alike.size() == 1;
  std::string out = one ? "fiber " + std::to_string(first.id) : std::to_string(alike.size()) + " fibers";
  out += " '" + first.name + "': ";
  switch (first.state) {
    case fiber_state::runnable: out += "runnable"; break;
    case fiber_state::running: out += "running"; break;
    case fiber_state::waiting: {
      const auto longest = std::ranges::max(alike, {}, &fiber_info::waiting)->waiting;
      out += std::string("waiting ") + (one ? "for " : "for up to ") + text_of(longest) + ", " +
             std::string(first.waits_for);
      if (one && first.descriptor) out += " of descriptor " + std::to_string(*first.descriptor);
      if (one && !first.socket.empty()) out += ", " + first.socket;
      if (one && !first.descriptor && first.object != nullptr) out += " at " + text_of(first.object);
      if (first.waits_for_fiber) {
        out += first.waits_for == "join" ? " of fiber " : ", held by fiber ";
        out += std::to_string(*first.waits_for_fiber);
      }
      if (one && first.deadline_in) out += ", until " + text_of(*first.deadline_in) + " from now";
      break;
    }
  }
  if (one && first.worker) out += ", worker " + std::to_string(*first.worker);
  out += "\n  spawned at " + std::string(first.spawned_at.file_name()) + ":" + std::to_string(first.spawned_at.line());
  if (first.state == fiber_state::waiting) {
    std::size_t resident = 0;
    for (const fiber_info* f : alike) resident += f->stack_resident;
    out += "\n  stack: " + std::to_string(first.stack_reserved / 1024) + " KiB" + (one ? "" : " each") + ", " +
           std::to_string(resident / 1024) + " KiB resident" + (one ? "" : " in all");
    out += ", deepest use " +
           std::to_string(std::ranges::max(alike, {}, &fiber_info::stack_high_water)->stack_high_water / 1024) + " KiB";
  }
  if (!one) {
    constexpr std::size_t most_ids = 10;
    out += "\n  ids:";
    for (std::size_t i = 0; i < std::min(alike.size(), most_ids); ++i) out += " " + std::to_string(alike[i]->id);
    if (alike.size() > most_ids) out += " ... " + std::to_string(alike.back()->id);
  }
  return out + names.lines(first.backtrace) + "\n";
}

std::string dump_of(scheduler& home, frame_names& names) {
  const std::vector<fiber_info> all = fibers_of(home);
  std::string out = "runtime '" + home.name() + "': " + std::to_string(home.workers().size()) + " workers, " +
                    std::to_string(all.size()) + " fibers\n";
  std::map<fiber_kind, std::vector<const fiber_info*>> groups;
  std::vector<const std::vector<const fiber_info*>*> in_order;  // by the lowest id
  for (const fiber_info& f : all) {
    auto& group = groups[kind_of(f)];
    if (group.empty()) in_order.push_back(&group);
    group.push_back(&f);
  }
  for (const auto* group : in_order) out += "\n" + paragraph(*group, names);
  return out;
}

std::string dump_of_all() {
  std::string out;
  frame_names names;
  runtime_list::of_process().visit([&](scheduler& home) { out += (out.empty() ? "" : "\n") + dump_of(home, names); });
  return out.empty() ? "no runtime\n" : out;
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

void dump_fibers(std::ostream& out) { out << dump_of_all() << std::flush; }

void dump_fibers(std::FILE* out) {
  const std::string text = dump_of_all();
  if (std::fwrite(text.data(), 1, text.size(), out) != text.size() || std::fflush(out) != 0) {
    throw_if(std::error_code(errno, std::system_category()), "sennit: writing a dump of the fibers");
  }
}

void dump_fibers(int fd, std::error_code& ec) { ec.assign(-write_all(fd, dump_of_all()), std::system_category()); }

void dump_fibers(int fd) {
  std::error_code ec;
  dump_fibers(fd, ec);
  throw_if(ec, "sennit: writing a dump of the fibers");
}

}  // namespace sennit::inline v0
