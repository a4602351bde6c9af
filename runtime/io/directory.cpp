#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <sennit/directory.hpp>

#include "base/directory_record.hpp"
#include "io/error_code.hpp"
#include "io/file_call.hpp"
#include "io/path.hpp"

namespace sennit::inline v0 {

using detail::host;

namespace {

/// `call(host)` on helpers, unless a path is refused.
template <class Call>
void on_paths(std::initializer_list<const std::string*> paths, std::error_code& ec, const stop_token& stop,
              Call&& call) {
  for (const std::string* path : paths) {
    if (!detail::has_nul(*path)) continue;
    ec = std::make_error_code(std::errc::invalid_argument);
    return;
  }
  detail::settle(detail::run_off_worker(call, {.stop = &stop}), ec);
}

file_type type_of(unsigned char d_type) noexcept {
  struct stat s{};
  s.st_mode = static_cast<mode_t>(DTTOIF(d_type));
  return detail::type_of(s);
}

void append_entries(std::span<const std::byte> records, std::vector<directory_entry>& into) {
  std::size_t at = 0;
  while (at < records.size()) {
    // Not each system tells how long the name is, but where the record ends.
    const auto* const record = reinterpret_cast<const detail::directory_record*>(records.data() + at);
    const std::string_view name(record->d_name);
    if (name != "." && name != "..") into.push_back({std::string(name), type_of(record->d_type)});
    at += record->d_reclen;
  }
}

/// On a helper thread: the whole directory.
std::ptrdiff_t list_all(host& h, const std::string& path, std::vector<directory_entry>& into) {
  int fd = -1;
  do fd = h.files().open(path.c_str(), O_RDONLY | O_DIRECTORY, 0);
  while (fd == -EINTR);
  if (fd < 0) return fd;
  alignas(detail::directory_record) std::array<std::byte, std::size_t{32} * 1024> room;
  std::ptrdiff_t got = 0;
  try {
    while ((got = h.files().list(fd, room.data(), room.size())) > 0) {
      append_entries(std::span(room).first(static_cast<std::size_t>(got)), into);
    }
  } catch (const std::bad_alloc&) {
    got = -ENOMEM;
  }
  h.close(fd);
  return got;
}

file_status status_of(const std::string& path, bool follow, std::error_code& ec, const stop_token& stop) {
  struct stat s{};
  on_paths({&path}, ec, stop, [&](host& h) -> std::ptrdiff_t { return h.files().status(path.c_str(), follow, s); });
  return ec ? file_status{} : detail::status_from(s);
}

}  // namespace

std::vector<directory_entry> read_directory(const std::string& path, std::error_code& ec, const stop_token& stop) {
  std::vector<directory_entry> entries;
  on_paths({&path}, ec, stop, [&](host& h) { return list_all(h, path, entries); });
  std::ranges::sort(entries, {}, &directory_entry::name);
  return entries;
}

std::vector<directory_entry> read_directory(const std::string& path, const stop_token& stop) {
  std::error_code ec;
  auto entries = read_directory(path, ec, stop);
  detail::throw_for_path(ec, "read_directory", path);
  return entries;
}

file_status path_status(const std::string& path, std::error_code& ec, const stop_token& stop) {
  return status_of(path, true, ec, stop);
}

file_status path_status(const std::string& path, const stop_token& stop) {
  std::error_code ec;
  const file_status s = status_of(path, true, ec, stop);
  detail::throw_for_path(ec, "path_status", path);
  return s;
}

file_status link_status(const std::string& path, std::error_code& ec, const stop_token& stop) {
  return status_of(path, false, ec, stop);
}

file_status link_status(const std::string& path, const stop_token& stop) {
  std::error_code ec;
  const file_status s = status_of(path, false, ec, stop);
  detail::throw_for_path(ec, "link_status", path);
  return s;
}

void rename_path(const std::string& from, const std::string& to, std::error_code& ec, const stop_token& stop) {
  on_paths({&from, &to}, ec, stop,
           [&](host& h) -> std::ptrdiff_t { return h.files().rename(from.c_str(), to.c_str()); });
}

void rename_path(const std::string& from, const std::string& to, const stop_token& stop) {
  std::error_code ec;
  rename_path(from, to, ec, stop);
  if (ec) detail::throw_for_path(ec, "rename_path", from + " to " + to);
}

void remove_path(const std::string& path, std::error_code& ec, const stop_token& stop) {
  on_paths({&path}, ec, stop, [&](host& h) -> std::ptrdiff_t {
    const int result = h.files().unlink(path.c_str());
    // EISDIR on Linux, EPERM by POSIX: a directory. What rmdir then says counts only if it is one.
    if (result != -EISDIR && result != -EPERM) return result;
    const int as_directory = h.files().rmdir(path.c_str());
    return as_directory == -ENOTDIR ? result : as_directory;
  });
}

void remove_path(const std::string& path, const stop_token& stop) {
  std::error_code ec;
  remove_path(path, ec, stop);
  detail::throw_for_path(ec, "remove_path", path);
}

void make_directory(const std::string& path, unsigned permissions, std::error_code& ec, const stop_token& stop) {
  on_paths({&path}, ec, stop, [&](host& h) -> std::ptrdiff_t { return h.files().mkdir(path.c_str(), permissions); });
}

void make_directory(const std::string& path, unsigned permissions, const stop_token& stop) {
  std::error_code ec;
  make_directory(path, permissions, ec, stop);
  detail::throw_for_path(ec, "make_directory", path);
}

std::string read_file(const std::string& path, std::error_code& ec, const stop_token& stop) {
  std::string all;
  file f = file::open(path, open_mode::read, ec, stop);
  if (ec) return all;
  // Files of /proc have no size, others may grow: until nothing comes.
  std::size_t step = static_cast<std::size_t>(f.size(ec, stop)) + 1;
  while (!ec) {
    const std::size_t had = all.size();
    all.resize(had + step);
    const std::size_t n = f.read_some(std::as_writable_bytes(std::span(all).subspan(had)), ec, stop);
    all.resize(had + n);
    if (n == 0) break;
    step = std::max<std::size_t>(step - n, 16384);
  }
  return all;
}

std::string read_file(const std::string& path, const stop_token& stop) {
  std::error_code ec;
  std::string all = read_file(path, ec, stop);
  detail::throw_for_path(ec, "read_file", path);
  return all;
}

void write_file(const std::string& path, std::span<const std::byte> data, std::error_code& ec, const stop_token& stop) {
  file f = file::open(path, open_mode::write | open_mode::create | open_mode::truncate, ec, stop);
  if (!ec) f.write_all(data, ec, stop);
}

void write_file(const std::string& path, std::span<const std::byte> data, const stop_token& stop) {
  std::error_code ec;
  write_file(path, data, ec, stop);
  detail::throw_for_path(ec, "write_file", path);
}

}  // namespace sennit::inline v0
