#include <nlohmann/json.hpp>

#include <map>

#include "api/dump.hpp"
#include "base/address_text.hpp"

namespace sennit::inline v0::detail {
namespace {

using json = nlohmann::ordered_json;  // as written below, not by the alphabet

json json_of(const code_location& l) {
  json out{{"function", l.function}};
  if (!l.file.empty()) out.update({{"file", l.file}, {"line", l.line}});
  out.update({{"module", l.module}, {"offset", l.offset}});
  return out;
}

/// Each backtrace once, numbered in the order of their first use.
class backtraces {
 public:
  std::size_t number_of(const std::vector<const void*>& addresses) {
    const auto [at, is_new] = numbers_.try_emplace(addresses, numbers_.size());
    if (is_new) {
      json frames = json::array();
      for (const code_location* l : names_.frames(addresses)) frames.push_back(json_of(*l));
      all_.push_back(std::move(frames));
    }
    return at->second;
  }
  json take() { return std::move(all_); }

 private:
  frame_names names_;
  std::map<std::vector<const void*>, std::size_t> numbers_;
  json all_ = json::array();
};

json json_of(const fiber_info& f, backtraces& known) {
  json out{{"id", f.id}, {"name", f.name}, {"state", text_of(f.state)}};
  if (f.worker) out["worker"] = *f.worker;
  out["spawned_at"] = {{"file", f.spawned_at.file_name()}, {"line", f.spawned_at.line()}};
  if (f.state == fiber_state::waiting) {
    out["waits_for"] = f.waits_for;
    out["waiting_ns"] = f.waiting.count();
    if (f.object != nullptr) out["object"] = address_text(f.object);
    if (f.waits_for_fiber) out["waits_for_fiber"] = *f.waits_for_fiber;
    if (f.descriptor) out["descriptor"] = *f.descriptor;
    if (!f.socket.empty()) out["socket"] = f.socket;
    if (f.deadline_in) out["deadline_in_ns"] = f.deadline_in->count();
    out["stack"] = {{"reserved", f.stack_reserved}, {"resident", f.stack_resident}, {"high_water", f.stack_high_water}};
  }
  if (!f.backtrace.empty()) out["backtrace"] = known.number_of(f.backtrace);
  return out;
}

}  // namespace

struct dump_json::state {
  backtraces known;
  json runtimes = json::array();
};

dump_json::dump_json() : state_(std::make_unique<state>()) {}
dump_json::~dump_json() = default;

void dump_json::add(const std::string& runtime, std::size_t workers, const std::vector<fiber_info>& all) {
  json fibers = json::array();
  for (const fiber_info& f : all) fibers.push_back(json_of(f, state_->known));
  state_->runtimes.push_back({{"name", runtime}, {"workers", workers}, {"fibers", std::move(fibers)}});
}

std::string dump_json::take() {
  const json out{{"runtimes", std::move(state_->runtimes)}, {"backtraces", state_->known.take()}};
  // A name may be any bytes: what is no UTF-8 becomes U+FFFD.
  return out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace sennit::inline v0::detail
