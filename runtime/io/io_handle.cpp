// The handle that every stream and listener holds.
#include <sennit/detail/io_handle.hpp>

#include "io/retry.hpp"

namespace sennit::inline v0::detail {

io_handle::~io_handle() {
  if (slot_ != nullptr) slot_->drop(current_host(), ready);
}

void io_handle::close() noexcept {
  if (slot_ != nullptr) slot_->close(current_host(), ready);
}

bool io_handle::is_open() const noexcept { return slot_ != nullptr && slot_->is_open(); }

int io_handle::native() const noexcept { return is_open() ? slot_->fd() : -1; }

int io_handle::release() noexcept { return slot_ != nullptr ? slot_->release(current_host(), ready) : -1; }

void io_handle::set_deadline(nanos deadline) noexcept {
  if (slot_ != nullptr) slot_->set_deadline(deadline);
}

}  // namespace sennit::inline v0::detail
