#include "resolver/text_table.hpp"

#include <charconv>
#include <fstream>
#include <iterator>
#include <mutex>

#include <sennit/blocking.hpp>

#include "resolver/domain_name.hpp"

namespace sennit::inline v0::detail {
namespace {

std::optional<std::uint16_t> port_of(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return port;
}

}  // namespace

std::optional<std::string> watched_file::changed(const stop_token& stop) {
  if (path_.empty()) return {};
  std::error_code ec;
  const auto written = std::filesystem::last_write_time(path_, ec);
  const auto size = ec ? 0 : std::filesystem::file_size(path_, ec);
  if (seen_ && written == written_ && size == size_) return {};
  std::string text = blocking(
      [this] {
        std::ifstream in(path_, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(in), {});
      },
      stop);
  seen_ = true;
  written_ = written;
  size_ = size;
  return text;
}

std::vector<std::string> hosts_file::find(const std::string& name, const stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (const auto text = file_.changed(stop)) {
    addresses_.clear();
    for_each_line(*text, [this](const auto& fields) {
      for (std::size_t i = 1; i < fields.size(); ++i) {
        addresses_[comparable(fields[i])].emplace_back(fields.front());
      }
    });
  }
  const auto at = addresses_.find(name);
  return at != addresses_.end() ? at->second : std::vector<std::string>();
}

std::optional<std::uint16_t> services_file::find(const std::string& name, const stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (const auto text = file_.changed(stop)) {
    ports_.clear();
    // First all of TCP, then what UDP alone has: name, port/protocol, aliases.
    for (const std::string_view protocol : {"/tcp", "/udp"}) {
      for_each_line(*text, [&](const auto& fields) {
        if (fields.size() < 2 || !fields[1].ends_with(protocol)) return;
        const auto port = port_of(fields[1].substr(0, fields[1].size() - protocol.size()));
        if (!port) return;
        for (std::size_t i = 0; i < fields.size(); ++i) {
          if (i != 1) ports_.emplace(fields[i], *port);
        }
      });
    }
  }
  const auto at = ports_.find(name);
  if (at == ports_.end()) return {};
  return at->second;
}

}  // namespace sennit::inline v0::detail
