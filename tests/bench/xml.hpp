#pragma once
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace bench_test {

/// Whether `text` is one well-formed XML element without comments, CDATA or declarations, which is all that our writer
/// makes. Returns what is wrong with it, or nothing.
inline std::string xml_error(std::string_view text) {
  std::vector<std::string> open;
  std::size_t roots = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '&') {
      const auto end = text.find(';', at);
      const auto name = end == std::string_view::npos ? "" : text.substr(at + 1, end - at - 1);
      if (name != "amp" && name != "lt" && name != "gt" && name != "quot") return "bare & at " + std::to_string(at);
    }
    if (c != '<') {
      if (open.empty() && std::isspace(static_cast<unsigned char>(c)) == 0) return "text outside the root element";
      ++at;
      continue;
    }
    const bool closing = text.substr(at).starts_with("</");
    std::size_t i = at + (closing ? 2 : 1);
    const auto name_start = i;
    while (i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0) ++i;
    const std::string name(text.substr(name_start, i - name_start));
    if (name.empty()) return "< without a name at " + std::to_string(at);
    bool empty = false;
    for (; i < text.size() && text[i] != '>'; ++i) {
      if (text[i] == '<') return "< within a tag at " + std::to_string(i);
      if (text[i] == '/' && text.substr(i).starts_with("/>")) empty = true;
      if (text[i] != '=') continue;
      if (i + 1 >= text.size() || text[i + 1] != '"') return "attribute without quotes at " + std::to_string(i);
      i = text.find('"', i + 2);
      if (i == std::string_view::npos) return "attribute that does not end";
    }
    if (i >= text.size()) return "tag that does not end: " + name;
    if (closing) {
      if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
      open.pop_back();
    } else {
      if (open.empty() && ++roots > 1) return "second root element";
      if (!empty) open.push_back(name);
    }
    at = i + 1;
  }
  if (!open.empty()) return "<" + open.back() + "> is never closed";
  return roots == 1 ? "" : "no root element";
}

}  // namespace bench_test
