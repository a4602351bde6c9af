#pragma once
// What is known of a file without reading it.
#include <chrono>
#include <cstdint>

namespace sennit::inline v0 {

/// What a name in a directory stands for.
enum class file_type : std::uint8_t {
  unknown,
  regular,
  directory,
  symlink,
  fifo,
  socket,
  block_device,
  character_device
};

/// A moment's answer: it may be out of date at once.
struct file_status {
  file_type type = file_type::unknown;
  unsigned permissions = 0;  ///< the low twelve bits of the mode: 0644
  std::uint64_t size = 0;    ///< bytes
  std::chrono::system_clock::time_point modified;
  std::uint64_t device = 0;  ///< device and inode together name the file
  std::uint64_t inode = 0;
  std::uint64_t links = 0;
  std::uint32_t owner = 0;
  std::uint32_t group = 0;
};

}  // namespace sennit::inline v0
