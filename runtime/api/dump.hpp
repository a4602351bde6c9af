#pragma once
// What a dump of the fibers says, in its two formats. Members throw bad_alloc.
#include <memory>
#include <string>
#include <vector>

#include "api/fiber_census.hpp"
#include "sched/frame_names.hpp"

namespace sennit::inline v0::detail {

class dump_text {
 public:
  void add(const std::string& runtime, std::size_t workers, const std::vector<fiber_group>& groups);
  [[nodiscard]] std::string take() { return text_.empty() ? "no runtime\n" : std::move(text_); }

 private:
  std::string text_;
  frame_names names_;
};

class dump_json {
 public:
  dump_json();
  ~dump_json();
  void add(const std::string& runtime, std::size_t workers, const std::vector<fiber_info>& fibers);
  [[nodiscard]] std::string take();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace sennit::inline v0::detail
