#include <cstdio>

#include "api/dump.hpp"
#include "base/address_text.hpp"

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

std::string paragraph(const fiber_group& g, frame_names& names) {
  const fiber_info& f = g.sample;
  const bool one = g.count == 1;
  std::string out = one ? "fiber " + std::to_string(f.id) : std::to_string(g.count) + " fibers";
  out += " '" + f.name + "': ";
  switch (f.state) {
    case fiber_state::runnable: out += "runnable"; break;
    case fiber_state::running: out += "running"; break;
    case fiber_state::waiting: {
      out += std::string("waiting ") + (one ? "for " : "for up to ") + text_of(g.longest_wait) + ", " +
             std::string(f.waits_for);
      if (one && f.descriptor) out += " of descriptor " + std::to_string(*f.descriptor);
      if (one && !f.socket.empty()) out += ", " + f.socket;
      if (one && !f.descriptor && f.object != nullptr) out += " at " + address_text(f.object);
      if (f.waits_for_fiber) {
        out += f.waits_for == "join" ? " of fiber " : ", held by fiber ";
        out += std::to_string(*f.waits_for_fiber);
      }
      if (one && f.deadline_in) out += ", until " + text_of(*f.deadline_in) + " from now";
      break;
    }
  }
  if (one && f.worker) out += ", worker " + std::to_string(*f.worker);
  out += "\n  spawned at " + std::string(f.spawned_at.file_name()) + ":" + std::to_string(f.spawned_at.line());
  if (f.state == fiber_state::waiting) {
    out += "\n  stack: " + std::to_string(f.stack_reserved / 1024) + " KiB" + (one ? "" : " each") + ", " +
           std::to_string(g.stack_resident / 1024) + " KiB resident" + (one ? "" : " in all") + ", deepest use " +
           std::to_string(g.stack_high_water / 1024) + " KiB";
  }
  if (!one) {
    out += "\n  ids:";
    for (const std::uint64_t id : g.ids) out += " " + std::to_string(id);
    if (g.count > g.ids.size()) out += " ... " + std::to_string(g.last_id);
  }
  return out + names.lines(f.backtrace) + "\n";
}

}  // namespace

void dump_text::add(const std::string& runtime, std::size_t workers, const std::vector<fiber_group>& groups) {
  std::size_t fibers = 0;
  for (const fiber_group& g : groups) fibers += g.count;
  text_ += (text_.empty() ? "" : "\n") + ("runtime '" + runtime + "': " + std::to_string(workers) + " workers, ") +
           std::to_string(fibers) + " fibers\n";
  for (const fiber_group& g : groups) text_ += "\n" + paragraph(g, names_);
}

}  // namespace sennit::inline v0::detail
