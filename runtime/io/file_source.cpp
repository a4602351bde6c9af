#include "io/file_source.hpp"

#include <algorithm>
#include <array>

#include <sennit/send_file.hpp>

#include "io/sigpipe_guard.hpp"

namespace sennit::inline v0::detail {
namespace {

/// Room for a part, file_part bytes at most, that nobody wants to see: one page, again and again, which stays in the
/// CPU's first cache. A read into it costs less than a copy, and is the one way to learn without waiting what a
/// sendfile(2) would wait for: cachestat(2) counts pages that are still on their way from the device, and mincore(2)
/// calls all files cached that the process may not write.
class nowhere {
 public:
  explicit nowhere(std::size_t size) noexcept : size_(size) {
    for (std::size_t left = size_; left > 0; ++count_) {
      const std::size_t n = std::min(left, page_.size());
      parts_[static_cast<std::size_t>(count_)] = {page_.data(), n};
      left -= n;
    }
  }
  nowhere(const nowhere&) = delete;
  nowhere& operator=(const nowhere&) = delete;

  [[nodiscard]] const iovec* parts() const noexcept { return parts_.data(); }
  [[nodiscard]] int count() const noexcept { return count_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_;
  int count_ = 0;
  alignas(64) std::array<std::byte, 4096> page_;  // as part_buffer
  std::array<iovec, file_part / 4096> parts_;
};

wait_bound sooner(wait_bound until, const io_slot& slot) noexcept {
  return {std::min(until.deadline, slot.deadline()), until.stop};
}

}  // namespace

std::ptrdiff_t file_source::send_cached(host& outside, int to, std::int64_t offset, std::size_t most) const noexcept {
  return as_user(file_access::handle_of(from_), [&](io_slot& slot) -> std::ptrdiff_t {
    file_calls& files = outside.files();
    const nowhere into(most);
    const int how = this_worker() != nullptr ? file_calls::in_memory : 0;
    const std::ptrdiff_t there = files.readv(slot.fd(), into.parts(), into.count(), offset, how);
    if (there == 0 || there == -EINTR) return there;
    if (there < 0) return there == -EAGAIN ? not_cached : cannot_send;  // read() then says what is wrong, if anything
    const sigpipe_guard guard;
    // No more than is known to be there: for what it does not find the kernel would keep the last packet waiting.
    const std::ptrdiff_t sent = files.send_file(to, slot.fd(), offset, static_cast<std::size_t>(there));
    // 0: cut short by somebody since, or a file that can only be read.
    return sent == 0 || sent == -EINVAL || sent == -ENOSYS ? cannot_send : sent;
  });
}

std::ptrdiff_t file_source::fetch(std::int64_t offset, std::size_t most, wait_bound until) const noexcept {
  return as_user(file_access::handle_of(from_), [&](io_slot& slot) {
    const nowhere into(most);
    return run_call({.kind = file_call::what::read,
                     .fd = slot.fd(),
                     .parts = into.parts(),
                     .count = into.count(),
                     .size = into.size(),
                     .offset = offset},
                    sooner(until, slot));
  });
}

std::ptrdiff_t file_source::read(std::span<std::byte> into, std::int64_t offset, wait_bound until) const noexcept {
  return as_user(file_access::handle_of(from_), [&](io_slot& slot) {
    const iovec whole{into.data(), into.size()};
    count_call(direction::read);
    return move_or_run({.kind = file_call::what::read,
                        .fd = slot.fd(),
                        .parts = &whole,
                        .count = 1,
                        .size = into.size(),
                        .offset = offset},
                       sooner(until, slot));
  });
}

}  // namespace sennit::inline v0::detail
