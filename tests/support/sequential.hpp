#pragma once
// What channels and semaphores do when nobody else is there: the specifications for linearizability.hpp.
#include <cstddef>
#include <functional>
#include <limits>
#include <ostream>
#include <string>

namespace sennit::test {

/// An operation on a channel of numbers, and how it ended.
struct channel_op {
  enum class call { send, try_send, send_for, receive, try_receive, receive_for, close };
  enum class result {
    done,        // sent, received, closed
    closed,      // refused, because the channel was closed
    would_wait,  // try_send()
    timed_out,   // send_for()
    canceled,    // send(), receive(), ..._for(): operation_canceled
    nothing      // try_receive() and receive_for(): no message, open or closed
  };

  call what;
  result how;
  unsigned char message = 0;  // sent or received

  [[nodiscard]] bool sends() const { return what <= call::send_for; }
};

inline std::ostream& operator<<(std::ostream& out, const channel_op& op) {
  constexpr const char* calls[] = {"send", "try_send", "send_for", "receive", "try_receive", "receive_for", "close"};
  constexpr const char* results[] = {"done", "closed", "would wait", "timed out", "canceled", "nothing"};
  return out << calls[static_cast<int>(op.what)] << ' ' << int{op.message} << ": " << results[static_cast<int>(op.how)];
}

/// A channel with a buffer. An operation that gave up, whatever ended its wait, changes nothing; but there was a point
/// at which it had to wait.
class channel_spec {
 public:
  static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

  explicit channel_spec(std::size_t capacity) : capacity_(capacity) {}

  bool apply(const channel_op& op) {
    using result = channel_op::result;
    if (op.what == channel_op::call::close) {
      if (closed_ != (op.how == result::closed)) return false;
      closed_ = true;
      return true;
    }
    if (op.sends()) {
      if (op.how == result::closed) return closed_;
      if (closed_ || (messages_.size() < capacity_) != (op.how == result::done)) return false;
      if (op.how == result::done) messages_.push_back(static_cast<char>(op.message));
      return true;
    }
    if (op.how != result::done) {
      return messages_.empty() && (op.how == result::nothing || closed_ == (op.how == result::closed));
    }
    if (messages_.empty() || messages_.front() != static_cast<char>(op.message)) return false;
    messages_.erase(0, 1);
    return true;
  }
  [[nodiscard]] std::size_t hash() const { return std::hash<std::string>{}(messages_) * 2 + (closed_ ? 1 : 0); }
  bool operator==(const channel_spec&) const = default;

 private:
  std::string messages_;  // one char each: a string is hashed and has room of its own
  std::size_t capacity_;
  bool closed_ = false;
};

/// A channel without a buffer: a message passes when a send and a receive meet. Whether somebody waits is not part of
/// the state (see linearizability.hpp), so who gives up can always say that it met nobody.
class rendezvous_spec {
 public:
  bool apply(const channel_op& op) {
    using result = channel_op::result;
    if (op.what == channel_op::call::close) {
      if (closed_ != (op.how == result::closed)) return false;
      closed_ = true;
      return true;
    }
    return op.how != result::done && (op.how == result::nothing || closed_ == (op.how == result::closed));
  }
  bool apply(const channel_op& send, const channel_op& receive) const {
    return !closed_ && send.sends() && !receive.sends() && receive.what != channel_op::call::close &&
           send.how == channel_op::result::done && receive.how == channel_op::result::done &&
           send.message == receive.message;
  }
  [[nodiscard]] std::size_t hash() const { return closed_ ? 1 : 0; }
  bool operator==(const rendezvous_spec&) const = default;

 private:
  bool closed_ = false;
};

/// An operation on a semaphore, and how it ended.
struct semaphore_op {
  enum class call { acquire, try_acquire, try_acquire_for, release };
  enum class result { done, would_wait, timed_out, canceled };

  call what;
  result how;
  int permits = 1;  // released
};

inline std::ostream& operator<<(std::ostream& out, const semaphore_op& op) {
  constexpr const char* calls[] = {"acquire", "try_acquire", "try_acquire_for", "release"};
  constexpr const char* results[] = {"done", "would wait", "timed out", "canceled"};
  return out << calls[static_cast<int>(op.what)] << ' ' << op.permits << ": " << results[static_cast<int>(op.how)];
}

/// A counting semaphore. Who gave up changed nothing, and met a point without a permit: unlike std's, try_acquire()
/// never fails otherwise.
class semaphore_spec {
 public:
  explicit semaphore_spec(int permits) : permits_(permits) {}

  bool apply(const semaphore_op& op) {
    if (op.what == semaphore_op::call::release) {
      permits_ += op.permits;
      return true;
    }
    if ((permits_ > 0) != (op.how == semaphore_op::result::done)) return false;
    if (permits_ > 0) --permits_;
    return true;
  }
  [[nodiscard]] std::size_t hash() const { return static_cast<std::size_t>(permits_); }
  bool operator==(const semaphore_spec&) const = default;

 private:
  int permits_;
};

}  // namespace sennit::test
