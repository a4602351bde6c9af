#include <algorithm>
#include <cstdio>
#include <map>
#include <tuple>

#include "api/dump.hpp"
#include "base/address_text.hpp"
#include "sched/frame_names.hpp"

namespace sennit::inline v0::detail {
namespace {

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
      if (one && !first.descriptor && first.object != nullptr) out += " at " + address_text(first.object);
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

std::string dump_of(const seen_runtime& home, frame_names& names) {
  std::string out = "runtime '" + home.name + "': " + std::to_string(home.workers) + " workers, " +
                    std::to_string(home.fibers.size()) + " fibers\n";
  std::map<fiber_kind, std::vector<const fiber_info*>> groups;
  std::vector<const std::vector<const fiber_info*>*> in_order;  // by the lowest id
  for (const fiber_info& f : home.fibers) {
    auto& group = groups[kind_of(f)];
    if (group.empty()) in_order.push_back(&group);
    group.push_back(&f);
  }
  for (const auto* group : in_order) out += "\n" + paragraph(*group, names);
  return out;
}

}  // namespace

std::string as_text(const std::vector<seen_runtime>& all) {
  std::string out;
  frame_names names;
  for (const seen_runtime& home : all) out += (out.empty() ? "" : "\n") + dump_of(home, names);
  return out.empty() ? "no runtime\n" : out;
}

}  // namespace sennit::inline v0::detail
