#include <poll.h>

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
#include "sched/census.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0 {
using namespace detail;  // NOLINT(google-build-using-namespace): the implementation's own namespace

namespace {

std::string_view name_of(wait_kind kind) noexcept {
  switch (kind) {
    case wait_kind::none: return "";
    case wait_kind::sleep: return "sleep";
    case wait_kind::mutex: return "mutex";
    case wait_kind::shared_mutex: return "shared_mutex";
    case wait_kind::condition: return "condition_variable";
    case wait_kind::semaphore: return "semaphore";
    case wait_kind::latch: return "latch";
    case wait_kind::barrier: return "barrier";
    case wait_kind::once: return "call_once";
    case wait_kind::channel_send: return "channel send";
    case wait_kind::channel_receive: return "channel receive";
    case wait_kind::event: return "event";
    case wait_kind::future: return "future";
    case wait_kind::wait_group: return "wait_group";
    case wait_kind::scope: return "scope";
    case wait_kind::join: return "join";
    case wait_kind::read: return "read";
    case wait_kind::write: return "write";
    case wait_kind::descriptor: return "descriptor";
    case wait_kind::helper: return "helper thread";
    case wait_kind::select: return "select";
    case wait_kind::stack: return "stack";
    case wait_kind::timer: return "timer";
  }
  return "";
}

fiber_info info_of(fiber_view& seen, nanos now) {
  using std::chrono::nanoseconds;
  fiber_info out;
  out.id = seen.id;
  out.name = seen.name;
  out.worker = seen.worker;
  out.spawned_at = seen.where;
  out.state = seen.state == fiber_view::how::running ? fiber_state::running : fiber_state::runnable;
  if (seen.state != fiber_view::how::parked) return out;
  out.state = fiber_state::waiting;
  out.waits_for = name_of(seen.wait_for);
  out.object = seen.object;
  if (seen.fd >= 0) out.descriptor = seen.fd;
  out.waiting = nanoseconds(std::max<nanos>(now - seen.since, 0));
  if (seen.deadline != never) out.deadline_in = nanoseconds(seen.deadline - now);
  out.stack_reserved = seen.stack_reserved;
  out.stack_resident = seen.stack_resident;
  out.stack_high_water = seen.stack_high_water;
  out.backtrace = std::move(seen.backtrace);
  return out;
}

std::vector<fiber_info> fibers_of(scheduler& home) {
  std::vector<fiber_view> seen = take_census(home);
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

/// Names frames, each address once.
class frame_names {
 public:
  /// A line for each function, without this library's own: within the one that was called and waits, and what started
  /// the fiber.
  std::string lines(const std::vector<const void*>& backtrace) {
    std::vector<const code_location*> frames;
    for (const void* address : backtrace) {
      auto [at, is_new] = known_.try_emplace(address);
      if (is_new) at->second = locate(address);
      for (const code_location& l : at->second) frames.push_back(&l);
    }
    const auto ours = [](const code_location* l) {
      // An inlined function has no name but its own where the debug information is short (-g1).
      return l->function.starts_with("sennit_") || own_name(*l).starts_with("sennit::v0::") ||
             l->file.find(sources()) != std::string::npos || l->file.find("include/sennit/") != std::string::npos;
    };
    const auto starts = [&](const code_location* l) {
      const std::string_view name = own_name(*l);
      return ours(l) || name.starts_with("std::__invoke") || name.starts_with("std::invoke") ||
             name.starts_with("__invoke") || name.starts_with("invoke<");
    };
    auto first = std::ranges::find_if_not(frames, ours);
    const auto last = std::ranges::find_if_not(frames.rbegin(), frames.rend(), starts).base();
    if (first != frames.begin()) --first;  // what was called that waits
    std::string out;
    for (const code_location* l : first < last ? std::span(first, last) : std::span(frames)) out += line(*l);
    return out;
  }

 private:
  /// Without the return type, which those of templates have, and the parameters.
  static std::string_view own_name(const code_location& l) {
    constexpr std::string_view nameless = "(anonymous namespace)";
    const std::string_view all(l.function);
    std::size_t begin = 0;
    int depth = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all.substr(i).starts_with(nameless)) i += nameless.size() - 1;  // its ')' is none of the characters below
      if (all[i] == '<') ++depth;
      if (all[i] == '>') --depth;
      if (depth == 0 && all[i] == ' ') begin = i + 1;
      if (depth == 0 && all[i] == '(') return all.substr(begin, i - begin);
    }
    return all.substr(begin);
  }
  /// The folder of this library's files, as the compiler was told of it.
  static std::string_view sources() {
    const std::string_view here = __FILE__;
    return here.substr(0, here.rfind("api/inspect.cpp"));
  }
  static std::string line(const code_location& l) {
    std::string out = "\n    " + (l.function.empty() ? "?" : l.function);
    if (!l.file.empty()) return out + " at " + l.file + ":" + std::to_string(l.line);
    char offset[32];
    std::snprintf(offset, sizeof offset, "+%#zx", static_cast<std::size_t>(l.offset));
    return out + " in " + (l.module.empty() ? "?" : l.module) + offset;
  }

  std::map<const void*, std::vector<code_location>> known_;
};

/// What the fibers of a paragraph have in common.
using fiber_kind = std::tuple<fiber_state, std::string_view, std::string_view, unsigned, unsigned, std::string_view,
                              const std::vector<const void*>&>;
fiber_kind kind_of(const fiber_info& f) {
  return {f.state, f.waits_for, f.spawned_at.file_name(), f.spawned_at.line(), f.spawned_at.column(),
          f.name,  f.backtrace};
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
      if (one && !first.descriptor && first.object != nullptr) out += " at " + text_of(first.object);
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
