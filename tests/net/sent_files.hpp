#pragma once
// What the tests of send_file and receive_file share.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include <sennit/sennit.hpp>

#include "base/host_files.hpp"
#include "net/streams.hpp"

namespace sennit::test {

/// fn(kind) for each kind of stream.
template <class F>
void each_kind(F&& fn) {
  fn(tcp_kind());
  fn(unix_kind());
  fn(pipe_kind());
}

/// Buffers that are soon full. TCP's has room for some segments of the loopback, 64 KiB: the acknowledgement of a
/// single one is delayed by 40 ms.
template <class Kind, class Ends>
void narrow(Kind, Ends& e) {
  Kind::shrink(e);
  if constexpr (std::is_same_v<Kind, tcp_kind>) e.writer.set_send_buffer(128 * 1024);
}

/// Has this system a sendfile(2) that is used here? The BSDs have not.
inline bool kernel_sends_files() { return detail::file_calls().send_file(-1, -1, 0, 1) != -ENOSYS; }

/// A new file with these bytes, open for both.
inline file file_of(const std::string& path, std::span<const std::byte> content) {
  file f = file::open(path, open_mode::read_write | open_mode::create | open_mode::truncate);
  f.write_at(content, 0);
  return f;
}

/// All that is in a file.
inline bytes content_of(const file& f) {
  bytes all(f.size());
  all.resize(f.read_at(all, 0));
  return all;
}

/// The part of `all` that `count` bytes from `offset` on are.
inline bytes part_of(const bytes& all, std::uint64_t offset, std::uint64_t count) {
  const auto from = std::min<std::uint64_t>(offset, all.size());
  const auto left = all.size() - from;
  const auto n = std::min<std::uint64_t>(count, left);
  return {all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(from + n)};
}

/// What arrives of what `send(writer)` sends before the stream is closed.
template <class Kind, class Send>
bytes arrived(Kind, Send&& send) {
  auto p = Kind::connected();
  bytes got;
  scope s;
  s.spawn([&] { got = drain_slowly(p.reader, 50'000); });
  send(p.writer);
  p.writer.close();
  s.join();
  return got;
}

}  // namespace sennit::test
