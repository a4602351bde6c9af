#include "sched/frame_names.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace sennit::inline v0::detail {
namespace {

/// Without the return type, which those of templates have, and the parameters.
std::string_view own_name(const code_location& l) {
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
std::string_view sources() {
  const std::string_view here = __FILE__;
  return here.substr(0, here.rfind("sched/frame_names.cpp"));
}

std::string line(const code_location& l) {
  std::string out = "\n    " + (l.function.empty() ? "?" : l.function);
  if (!l.file.empty()) return out + " at " + l.file + ":" + std::to_string(l.line);
  char offset[32];
  std::snprintf(offset, sizeof offset, "+%#zx", static_cast<std::size_t>(l.offset));
  return out + " in " + (l.module.empty() ? "?" : l.module) + offset;
}

}  // namespace

std::vector<const code_location*> frame_names::frames(const std::vector<const void*>& backtrace) {
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
  return first < last ? std::vector(first, last) : frames;
}

std::string frame_names::lines(const std::vector<const void*>& backtrace) {
  std::string out;
  for (const code_location* l : frames(backtrace)) out += line(*l);
  return out;
}

}  // namespace sennit::inline v0::detail
