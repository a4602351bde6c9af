#include "tls/buffer_bio.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace sennit::inline v0::detail {

bio_ptr buffer_bio::make_bio() noexcept {
  const BIO_METHOD* const how = method();
  bio_ptr bio(how != nullptr ? BIO_new(how) : nullptr);
  if (bio != nullptr) {
    BIO_set_data(bio.get(), this);
    BIO_set_init(bio.get(), 1);
  }
  return bio;
}

std::span<std::byte> buffer_bio::room() {
  if (input_.empty()) {
    input_.resize(least_room);
  } else if (filled_ == input_.size() && filled_ < most_room) {
    input_.resize(input_.size() * 4);
  }
  taken_ = filled_ = 0;
  return input_;
}

std::span<const std::byte> buffer_bio::leaving() noexcept {
  if (!has_leaving()) {
    leaving_.clear();
    gone_ = 0;
    leaving_.swap(made_);
  }
  return std::span<const std::byte>(leaving_).subspan(gone_);
}

void buffer_bio::gone(std::size_t n) noexcept {
  gone_ += n;
  if (has_leaving() || !made_.empty()) return;
  leaving_.clear();
  gone_ = 0;
  made_.swap(leaving_);  // the room that there is serves again: only who writes during a wait needs two
}

int buffer_bio::on_read(BIO* bio, char* into, std::size_t size, std::size_t* done) noexcept {
  auto& self = *static_cast<buffer_bio*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *done = std::min(size, self.filled_ - self.taken_);
  if (*done == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(into, self.input_.data() + self.taken_, *done);
  self.taken_ += *done;
  return 1;
}

int buffer_bio::on_write(BIO* bio, const char* from, std::size_t size, std::size_t* done) noexcept {
  auto& self = *static_cast<buffer_bio*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *done = 0;
  try {
    const auto* const first = reinterpret_cast<const std::byte*>(from);
    self.made_.insert(self.made_.end(), first, first + size);
  } catch (const std::bad_alloc&) {  // no exception may pass through OpenSSL
    ERR_raise(ERR_LIB_BIO, ERR_R_MALLOC_FAILURE);
    return 0;
  }
  *done = size;
  return 1;
}

long buffer_bio::on_control(BIO*, int command, long, void*) noexcept { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* buffer_bio::method() noexcept {
  static const bio_method_ptr it = [] {
    bio_method_ptr m(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sennit"));
    if (m != nullptr) {
      BIO_meth_set_read_ex(m.get(), on_read);
      BIO_meth_set_write_ex(m.get(), on_write);
      BIO_meth_set_ctrl(m.get(), on_control);
    }
    return m;
  }();
  return it.get();
}

}  // namespace sennit::inline v0::detail
