#pragma once
// What every stream, listener and datagram socket holds, and what they all offer.
#include <chrono>
#include <utility>

#include <sennit/detail/time.hpp>

namespace sennit::inline v0::detail {

class io_slot;
struct select_access;

/// Owns a descriptor: what every stream and listener holds. One pointer; null when closed for good.
class SENNIT_API io_handle {
 public:
  io_handle() noexcept = default;
  explicit io_handle(io_slot* slot) noexcept : slot_(slot) {}
  io_handle(io_handle&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  io_handle& operator=(io_handle&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~io_handle();

  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept;
  [[nodiscard]] int native() const noexcept;
  int release() noexcept;
  void set_deadline(nanos deadline) noexcept;
  [[nodiscard]] io_slot* slot() const noexcept { return slot_; }

 private:
  io_slot* slot_ = nullptr;
};

/// The base of everything that does I/O on a descriptor of its own. Movable handle. close() may come from any fiber or
/// thread, the rest from who may use the object itself.
class io_object {
 public:
  /// From now on, each wait of this object that begins fails with deadline_passed at that time; one that is under way
  /// keeps the deadline that it began with. Absolute once set.
  template <class Rep, class Period>
  void expires_after(std::chrono::duration<Rep, Period> d) noexcept {
    handle_.set_deadline(deadline_in(d));
  }
  void expires_at(std::chrono::steady_clock::time_point t) noexcept { handle_.set_deadline(to_nanos(t)); }
  void expires_never() noexcept { handle_.set_deadline(never); }

  /// Closes; wakes who waits with bad_file_descriptor. The descriptor itself is closed when the last user has left.
  void close() noexcept { handle_.close(); }
  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// The descriptor, or -1. It stays owned; it is non-blocking.
  [[nodiscard]] int native_handle() const noexcept { return handle_.native(); }
  /// Gives the descriptor away, taken out of the poller. Who waits gets bad_file_descriptor.
  int release() noexcept { return handle_.release(); }

 protected:
  io_object() noexcept = default;
  explicit io_object(io_handle handle) noexcept : handle_(std::move(handle)) {}
  friend struct select_access;
  io_handle handle_;
};

}  // namespace sennit::inline v0::detail
