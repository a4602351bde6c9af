#pragma once
// Files as /etc/hosts and /etc/services: lines of fields between blanks, comments from # on.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sennit/mutex.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::inline v0::detail {

/// Calls visit(fields) for each line of `text` that has any.
template <class Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  std::vector<std::string_view> fields;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    line = line.substr(0, line.find('#'));
    fields.clear();
    for (;;) {
      const auto begin = line.find_first_not_of(" \t\r\f\v");
      if (begin == std::string_view::npos) break;
      line.remove_prefix(begin);
      const auto stop = std::min(line.find_first_of(" \t\r\f\v"), line.size());
      fields.push_back(line.substr(0, stop));
      line.remove_prefix(stop);
    }
    if (!fields.empty()) visit(fields);
  }
}

/// A file of the system's as it is now. Belongs to a resolver; any fiber or thread, in parallel.
class watched_file {
 public:
  explicit watched_file(std::string path) : path_(std::move(path)) {}

  /// The whole text if it has changed since the last call (a file that cannot be read is an empty one), else none.
  /// Reads on a helper thread: throws operation_canceled on a stop.
  [[nodiscard]] std::optional<std::string> changed(const stop_token& stop);

 private:
  std::string path_;
  bool seen_ = false;
  std::filesystem::file_time_type written_{};
  std::uintmax_t size_ = 0;
};

/// The hosts file: names to addresses, in the order of the file. Threads as watched_file.
class hosts_file {
 public:
  explicit hosts_file(std::string path) : file_(std::move(path)) {}
  /// The addresses of a name as comparable() makes it, as text. Looks whether the file has changed.
  [[nodiscard]] std::vector<std::string> find(const std::string& name, const stop_token& stop);

 private:
  mutex mutex_;  // guards what follows
  watched_file file_;
  std::unordered_map<std::string, std::vector<std::string>> addresses_;
};

/// The services file: the ports of TCP services, or else of UDP. Threads as watched_file.
class services_file {
 public:
  explicit services_file(std::string path) : file_(std::move(path)) {}
  [[nodiscard]] std::optional<std::uint16_t> find(const std::string& name, const stop_token& stop);

 private:
  mutex mutex_;  // guards what follows
  watched_file file_;
  std::unordered_map<std::string, std::uint16_t> ports_;
};

}  // namespace sennit::inline v0::detail
