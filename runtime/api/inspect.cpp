#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ostream>

#include <sennit/error.hpp>
#include <sennit/inspect.hpp>
#include <sennit/runtime.hpp>

#include "api/dump.hpp"
#include "api/fiber_census.hpp"
#include "api/runtime_list.hpp"
#include "base/host.hpp"
#include "io/sigpipe_guard.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

/// Of one runtime, what the format asks for.
struct seen_runtime {
  std::string name;
  std::size_t workers;
  std::vector<fiber_group> groups;
  std::vector<fiber_info> fibers;
};

/// Of all runtimes. Code is located when the list of runtimes is free again: it may take a second.
std::string dump(dump_format format) {
  std::vector<seen_runtime> all;
  runtime_list::of_process().visit([&](scheduler& home) {
    seen_runtime& seen = all.emplace_back(seen_runtime{home.name(), home.workers().size(), {}, {}});
    if (format == dump_format::json) {
      seen.fibers = fibers_of(home);
    } else {
      seen.groups = groups_of(home);
    }
  });
  if (format == dump_format::json) {
    dump_json out;
    for (const seen_runtime& r : all) out.add(r.name, r.workers, r.fibers);
    return out.take();
  }
  dump_text out;
  for (const seen_runtime& r : all) out.add(r.name, r.workers, r.groups);
  return out.take();
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

std::vector<fiber_group> runtime::fiber_groups() const { return groups_of(*core_); }

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
