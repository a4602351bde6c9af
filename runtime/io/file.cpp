#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include <sennit/file.hpp>
#include <sennit/send_file.hpp>

#include "io/error_code.hpp"
#include "io/file_call.hpp"
#include "io/io_window.hpp"
#include "io/path.hpp"
#include "io/sigpipe_guard.hpp"

namespace sennit::inline v0 {

using detail::as_user;
using detail::direction;
using detail::file_call;
using detail::host;
using detail::io_slot;

namespace {

int open_flags(open_mode mode) noexcept {
  const bool reads = mode & open_mode::read;
  int flags = mode & open_mode::write ? (reads ? O_RDWR : O_WRONLY) : O_RDONLY;
  if (mode & open_mode::append) flags |= O_APPEND;
  if (mode & open_mode::create) flags |= O_CREAT;
  if (mode & open_mode::exclusive) flags |= O_EXCL;
  if (mode & open_mode::truncate) flags |= O_TRUNC;
  if (mode & open_mode::sync) flags |= O_SYNC;
  if (mode & open_mode::directory) flags |= O_DIRECTORY;
  return flags | O_NOCTTY;
}

/// What is waited for by readiness, not by a device: a FIFO, a terminal, a socket. -errno if it is nothing at all.
int is_stream(host& outside, int fd) noexcept {
  struct stat s{};
  if (const int r = outside.files().status(fd, s); r < 0) return r;
  const file_type type = detail::type_of(s);
  return type == file_type::fifo || type == file_type::socket || type == file_type::character_device ? 1 : 0;
}

/// Few: a file is mostly read and written with one buffer, and each fiber's stack shows how deep it was used.
template <class Byte>
using window = detail::io_window<std::span<Byte>, 64>;

template <class Byte>
std::ptrdiff_t move_parts(const detail::io_handle& handle, bool stream, bool writes, std::int64_t offset,
                          window<Byte>& left, const stop_token& stop) noexcept {
  const iovec* const parts = left.parts();
  const int fd = handle.native();
  const int count = static_cast<int>(left.count());
  if (handle.slot() == nullptr) return detail::io_closed;
  if (stream) {
    if (offset >= 0) return -ESPIPE;
    const direction d = writes ? direction::write : direction::read;
    return detail::perform(*handle.slot(), d, 0, stop, [&](host& h) {
      if (!writes) return h.files().readv(fd, parts, count, file_call::at_position, 0);
      const detail::sigpipe_guard guard;
      return h.files().writev(fd, parts, count, file_call::at_position, 0);
    });
  }
  const file_call call{.kind = writes ? file_call::what::write : file_call::what::read,
                       .fd = fd,
                       .parts = parts,
                       .count = count,
                       .size = left.size(),
                       .offset = offset};
  return as_user(handle, [&](io_slot& slot) {
    detail::count_call(writes ? direction::write : direction::read);
    return detail::move_or_run(call, {slot.deadline(), &stop});
  });
}

template <class Byte>
std::size_t move_all(const detail::io_handle& handle, bool stream, bool writes, std::span<const std::span<Byte>> parts,
                     std::int64_t offset, bool whole, std::error_code& ec, const stop_token& stop) noexcept {
  window<Byte> left(parts);
  ec.clear();
  if (left.empty() && !handle.is_open()) ec = std::make_error_code(std::errc::bad_file_descriptor);
  std::size_t done = 0;
  while (!left.empty()) {
    const auto at = offset >= 0 ? offset + static_cast<std::int64_t>(done) : offset;
    const std::size_t n = detail::settle(move_parts(handle, stream, writes, at, left, stop), ec);
    if (ec || n == 0) break;
    done += n;
    left.advance(n);
    if (!whole) break;
  }
  return done;
}

}  // namespace

std::error_code detail::file_access::refusal(const file& f, std::uint64_t offset, bool writes) noexcept {
  if (!f.is_open()) return std::make_error_code(std::errc::bad_file_descriptor);
  if (file::offset_of(offset) == file::bad_offset || (writes && f.append_))
    return std::make_error_code(std::errc::invalid_argument);
  if (f.stream_) return std::make_error_code(std::errc::invalid_seek);
  const bool read_only = writes && (current_host().files().flags(f.native_handle()) & O_ACCMODE) == O_RDONLY;
  return read_only ? std::make_error_code(std::errc::bad_file_descriptor) : std::error_code();
}

void file::fail(const std::error_code& ec, const char* call) const { detail::throw_for_path(ec, call, path_); }

file file::open_before(const std::string& path, open_mode mode, unsigned permissions, detail::wait_bound until,
                       std::error_code& ec) {
  file f;
  const bool usable = mode & open_mode::read || mode & open_mode::write;
  if (detail::has_nul(path) || !usable) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return f;
  }
  const auto opened = detail::run_call(
      {.kind = file_call::what::open, .path = path.c_str(), .flags = open_flags(mode), .permissions = permissions},
      until);
  const int fd = static_cast<int>(detail::settle(opened, ec));
  if (ec) return f;
  // Of what has just been opened this asks no device.
  host& outside = detail::current_host();
  int kind = is_stream(outside, fd);
  if (kind == 1) {
    if (const int r = outside.files().set_nonblocking(fd); r < 0) kind = r;  // our own description: nobody minds
  }
  io_slot* const slot = kind >= 0 ? io_slot::open(fd, detail::fd_kind::other, false) : nullptr;
  if (slot == nullptr) {
    outside.close(fd);
    detail::settle(kind < 0 ? kind : -ENOMEM, ec);
    return f;
  }
  f.handle_ = detail::io_handle(slot);
  f.path_ = path;
  f.stream_ = kind == 1;
  f.append_ = mode & open_mode::append;
  return f;
}

file file::open(const std::string& path, open_mode mode, unsigned permissions, const stop_token& stop) {
  std::error_code ec;
  file f = open(path, mode, permissions, ec, stop);
  detail::throw_for_path(ec, "open", path);
  return f;
}

file file::adopt(int fd, std::string name) {
  host& outside = detail::current_host();
  const int flags = outside.files().flags(fd);
  int kind = flags < 0 ? flags : is_stream(outside, fd);
  if (kind == 1) {
    if (const int r = outside.files().set_nonblocking(fd); r < 0) kind = r;
  }
  io_slot* const slot = kind >= 0 ? io_slot::open(fd, detail::fd_kind::other, true) : nullptr;
  std::error_code ec;
  if (slot == nullptr) detail::settle(kind < 0 ? kind : -ENOMEM, ec);
  detail::throw_for_path(ec, "file::adopt", name);
  file f;
  f.handle_ = detail::io_handle(slot);
  f.path_ = std::move(name);
  f.stream_ = kind == 1;
  f.append_ = (flags & O_APPEND) != 0;
  return f;
}

std::size_t file::read(std::span<const buffer> into, std::int64_t offset, bool whole, std::error_code* ec,
                       const stop_token& stop) const {
  std::error_code code = std::make_error_code(std::errc::invalid_argument);
  std::size_t n = 0;
  if (offset != bad_offset) n = move_all(handle_, stream_, false, into, offset, whole, code, stop);
  if (ec != nullptr) {
    *ec = code;
  } else {
    fail(code, "read");
  }
  return n;
}

std::size_t file::write(std::span<const const_buffer> from, std::int64_t offset, bool whole, std::error_code* ec,
                        const stop_token& stop) const {
  std::error_code code = std::make_error_code(std::errc::invalid_argument);
  std::size_t n = 0;
  // The system would write to the end in spite of an offset.
  const bool appends = offset == at_end;
  const bool valid = !handle_.is_open() || (offset != bad_offset && (offset == at_position || appends == append_));
  if (valid) n = move_all(handle_, stream_, true, from, appends ? at_position : offset, whole, code, stop);
  if (ec != nullptr) {
    *ec = code;
  } else {
    fail(code, "write");
  }
  return n;
}

std::size_t file::read_exact(buffer into, std::error_code& ec, const stop_token& stop) {
  const std::size_t n = read({&into, 1}, at_position, true, &ec, stop);
  if (!ec && n < into.size()) ec = error::end_of_stream;
  return n;
}

std::size_t file::read_exact(buffer into, const stop_token& stop) {
  std::error_code ec;
  const std::size_t n = read_exact(into, ec, stop);
  fail(ec, "read");
  return n;
}

std::uint64_t file::seek(std::int64_t offset, origin where, std::error_code& ec) {
  const int fd = handle_.native();
  const auto move = [=](host& h) -> std::ptrdiff_t {
    const int whence = where == origin::start ? SEEK_SET : where == origin::position ? SEEK_CUR : SEEK_END;
    return h.files().seek(fd, offset, whence);
  };
  // Where the end is, a server may have to tell.
  return detail::settle(as_user(handle_,
                                [&](io_slot& slot) {
                                  return where == origin::end ? detail::run_off_worker(move, {slot.deadline(), nullptr})
                                                              : move(detail::current_host());
                                }),
                        ec);
}

std::uint64_t file::seek(std::int64_t offset, origin where) {
  std::error_code ec;
  const std::uint64_t at = seek(offset, where, ec);
  fail(ec, "seek");
  return at;
}

std::ptrdiff_t file::sync_now(bool data_only, const stop_token& stop) const noexcept {
  const file_call call{.kind = data_only ? file_call::what::sync_data : file_call::what::sync, .fd = handle_.native()};
  return as_user(handle_, [&](io_slot& slot) { return detail::run_call(call, {slot.deadline(), &stop}); });
}

void file::sync(std::error_code& ec, const stop_token& stop) { detail::settle(sync_now(false, stop), ec); }

void file::sync(const stop_token& stop) {
  std::error_code ec;
  sync(ec, stop);
  fail(ec, "sync");
}

void file::sync_data(std::error_code& ec, const stop_token& stop) { detail::settle(sync_now(true, stop), ec); }

void file::sync_data(const stop_token& stop) {
  std::error_code ec;
  sync_data(ec, stop);
  fail(ec, "sync_data");
}

void file::resize(std::uint64_t size, std::error_code& ec, const stop_token& stop) {
  if (offset_of(size) == bad_offset) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return;
  }
  const auto cut = [fd = handle_.native(), size](host& h) -> std::ptrdiff_t {
    int result = 0;
    do result = h.files().resize(fd, static_cast<std::int64_t>(size));
    while (result == -EINTR);
    return result;
  };
  detail::settle(as_user(handle_, [&](io_slot& slot) { return detail::run_off_worker(cut, {slot.deadline(), &stop}); }),
                 ec);
}

void file::resize(std::uint64_t size, const stop_token& stop) {
  std::error_code ec;
  resize(size, ec, stop);
  fail(ec, "resize");
}

file_status file::status(std::error_code& ec, const stop_token& stop) const {
  struct stat s{};
  const auto ask = [fd = handle_.native(), &s](host& h) -> std::ptrdiff_t { return h.files().status(fd, s); };
  detail::settle(as_user(handle_, [&](io_slot& slot) { return detail::run_off_worker(ask, {slot.deadline(), &stop}); }),
                 ec);
  return ec ? file_status{} : detail::status_from(s);
}

file_status file::status(const stop_token& stop) const {
  std::error_code ec;
  const file_status s = status(ec, stop);
  fail(ec, "status");
  return s;
}

}  // namespace sennit::inline v0
