#include "io/path.hpp"

#include <sennit/error.hpp>

#include "base/system.hpp"

namespace sennit::inline v0::detail {

void throw_for_path(const std::error_code& ec, const char* call, const std::string& path) {
  if (ec) throw_if(ec, (std::string("sennit: ") + call + ' ' + path).c_str());
}

file_type type_of(const struct stat& s) noexcept {
  switch (s.st_mode & S_IFMT) {
    case S_IFREG: return file_type::regular;
    case S_IFDIR: return file_type::directory;
    case S_IFLNK: return file_type::symlink;
    case S_IFIFO: return file_type::fifo;
    case S_IFSOCK: return file_type::socket;
    case S_IFBLK: return file_type::block_device;
    case S_IFCHR: return file_type::character_device;
    default: return file_type::unknown;
  }
}

file_status status_from(const struct stat& s) noexcept {
  const std::timespec changed = modified(s);
  const auto since = std::chrono::seconds(changed.tv_sec) + std::chrono::nanoseconds(changed.tv_nsec);
  return {.type = type_of(s),
          .permissions = s.st_mode & 07777U,
          .size = static_cast<std::uint64_t>(s.st_size),
          .modified = std::chrono::system_clock::time_point(
              std::chrono::duration_cast<std::chrono::system_clock::duration>(since)),
          .device = static_cast<std::uint64_t>(s.st_dev),
          .inode = s.st_ino,
          .links = s.st_nlink,
          .owner = s.st_uid,
          .group = s.st_gid};
}

}  // namespace sennit::inline v0::detail
