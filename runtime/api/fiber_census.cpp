#include "api/fiber_census.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "net/address.hpp"
#include "sched/census.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0::detail {
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

/// What the fibers of a group have in common.
using fiber_kind = std::tuple<fiber_state, std::string_view, std::string_view, unsigned, unsigned, std::string_view,
                              const std::vector<const void*>&, std::optional<std::uint64_t>>;
fiber_kind kind_of(const fiber_info& f) {
  return {f.state, f.waits_for, f.spawned_at.file_name(), f.spawned_at.line(), f.spawned_at.column(),
          f.name,  f.backtrace, f.waits_for_fiber};
}

void add_to(fiber_group& g, const fiber_info& one) {
  ++g.count;
  g.ids.insert(std::ranges::upper_bound(g.ids, one.id), one.id);
  if (g.ids.size() > fiber_group::most_ids) g.ids.pop_back();
  g.last_id = std::max(g.last_id, one.id);
  g.longest_wait = std::max(g.longest_wait, one.waiting);
  g.stack_resident += one.stack_resident;
  g.stack_high_water = std::max(g.stack_high_water, one.stack_high_water);
  g.sample.id = g.ids.front();
}

}  // namespace

void visit_fibers(scheduler& home, const std::function<void(fiber_info&& f)>& each) {
  take_census(home, &look_at_socket, [&](fiber_view&& seen) { each(info_of(seen, home.outside().now())); });
}

std::vector<fiber_info> fibers_of(scheduler& home) {
  std::vector<fiber_info> out;
  visit_fibers(home, [&](fiber_info&& f) { out.push_back(std::move(f)); });
  std::ranges::sort(out, {}, &fiber_info::id);
  return out;
}

std::vector<fiber_group> groups_of(scheduler& home) {
  std::map<fiber_kind, std::unique_ptr<fiber_group>> by_kind;  // keys refer to the samples
  visit_fibers(home, [&](fiber_info&& f) {
    auto known = by_kind.find(kind_of(f));
    if (known == by_kind.end()) {
      auto made = std::make_unique<fiber_group>();
      made->sample = f;
      const fiber_kind kind = kind_of(made->sample);
      known = by_kind.emplace(kind, std::move(made)).first;
    }
    add_to(*known->second, f);
  });
  std::vector<fiber_group> out;
  out.reserve(by_kind.size());
  for (const auto& [kind, group] : by_kind) out.push_back(*group);
  std::ranges::sort(out, {}, [](const fiber_group& g) { return g.ids.front(); });
  return out;
}

}  // namespace sennit::inline v0::detail
