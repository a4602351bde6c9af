// kqueue(2), kevent(2), and the parts of close(2) and fork(2) that they depend on.
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "kernel_queue.hpp"

namespace sennit::test::kqueue_double {
namespace {

/// All queues of the process, and the one lock. Never destroyed: descriptors are closed by static destructors too.
class kernel {
 public:
  static kernel& instance() noexcept {
    static auto* const it = new kernel;
    return *it;
  }

  std::mutex lock;
  std::unordered_map<int, std::shared_ptr<kernel_queue>> queues;  // by descriptor, guarded by lock

  /// May `fd` be known here? So that close() takes no lock for the others.
  [[nodiscard]] bool marked(int fd) const noexcept {
    const auto i = static_cast<std::size_t>(fd);
    return i >= bits || (marks_[i / 64].load(std::memory_order_relaxed) >> (i % 64) & 1) != 0;
  }
  void mark(int fd, bool known) noexcept {
    const auto i = static_cast<std::size_t>(fd);
    if (i >= bits) return;
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    auto& word = marks_[i / 64];
    known ? word.fetch_or(bit, std::memory_order_relaxed) : word.fetch_and(~bit, std::memory_order_relaxed);
  }

 private:
  kernel() noexcept {
    ::pthread_atfork([] { instance().lock.lock(); }, [] { instance().lock.unlock(); },
                     [] {
                       // A child does not inherit queues.
                       for (const auto& [fd, queue] : instance().queues) really_close(fd);
                       instance().queues.clear();
                       instance().lock.unlock();
                     });
  }

  static constexpr std::size_t bits = std::size_t{1} << 20;
  std::atomic<std::uint64_t> marks_[bits / 64]{};
};

timespec remaining(const timespec& end) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  timespec left{end.tv_sec - now.tv_sec, end.tv_nsec - now.tv_nsec};
  if (left.tv_nsec < 0) left = {left.tv_sec - 1, left.tv_nsec + 1'000'000'000};
  return left.tv_sec < 0 ? timespec{} : left;
}

int fail(int error) noexcept {
  errno = error;
  return -1;
}

}  // namespace
}  // namespace sennit::test::kqueue_double

using namespace sennit::test::kqueue_double;

extern "C" {

[[gnu::visibility("default")]] int kqueue() {
  int error = 0;
  auto made = std::make_shared<kernel_queue>(error);
  if (error != 0) return fail(error);
  kernel& k = kernel::instance();
  const std::lock_guard guard(k.lock);
  const int fd = made->descriptor();
  k.mark(fd, true);
  k.queues[fd] = std::move(made);
  return fd;
}

[[gnu::visibility("default")]] int kevent(int queue, const struct kevent* changes, int change_count,
                                          struct kevent* events, int event_count, const timespec* timeout) {
  kernel& k = kernel::instance();
  std::unique_lock guard(k.lock);
  const auto found = k.queues.find(queue);
  if (found == k.queues.end()) return fail(EBADF);
  if (timeout != nullptr && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1'000'000'000))
    return fail(EINVAL);
  const std::shared_ptr<kernel_queue> q = found->second;
  int count = 0;
  for (int i = 0; i < change_count; ++i) {
    const struct kevent change = changes[i];  // the lists may be one
    if (change.filter != EVFILT_USER && change.filter != EVFILT_TIMER) k.mark(static_cast<int>(change.ident), true);
    const int error = q->apply(change);
    if (error == 0 && (change.flags & EV_RECEIPT) == 0) continue;
    if (count < event_count) {
      events[count] = change;
      events[count].flags = EV_ERROR;
      events[count++].data = error;
    } else if (error != 0) {
      return fail(error);
    }
  }
  if (count > 0 || event_count <= 0) return count;

  timespec end{};
  if (timeout != nullptr) {
    ::clock_gettime(CLOCK_MONOTONIC, &end);
    end = {end.tv_sec + timeout->tv_sec, end.tv_nsec + timeout->tv_nsec};
    if (end.tv_nsec >= 1'000'000'000) end = {end.tv_sec + 1, end.tv_nsec - 1'000'000'000};
  }
  const bool may_wait = timeout == nullptr || timeout->tv_sec > 0 || timeout->tv_nsec > 0;
  while ((count = q->collect(events, event_count)) == 0 && may_wait) {
    guard.unlock();
    epoll_event ignored{};
    const timespec left = timeout != nullptr ? remaining(end) : timespec{};
    const int ready = ::epoll_pwait2(queue, &ignored, 1, timeout != nullptr ? &left : nullptr, nullptr);
    if (ready <= 0) return ready;  // EINTR too
    guard.lock();
  }
  return count;
}

/// Ends registrations of the descriptor, whoever else has its open file, and queues.
[[gnu::visibility("default")]] int close(int fd) {
  kernel& k = kernel::instance();
  if (fd < 0) return errno = EBADF, -1;
  if (!k.marked(fd)) return really_close(fd);
  const std::lock_guard guard(k.lock);
  for (const auto& [descriptor, queue] : k.queues) queue->forget(fd);
  k.queues.erase(fd);
  k.mark(fd, false);
  return really_close(fd);
}
}
