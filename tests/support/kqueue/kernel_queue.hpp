#pragma once
// What the kernel has for one kqueue, made of epoll.
#include <sys/event.h>

#include <cstdint>
#include <list>
#include <map>
#include <unordered_map>
#include <utility>

namespace sennit::test::kqueue_double {

/// One registration, named by filter and ident.
struct knote {
  std::uint64_t id = 0;  // what epoll calls it: numbers of descriptors are used again
  struct kevent as{};    // as registered
  bool enabled = true;
  bool triggered = false;  // EVFILT_USER and regular files: it is in the queue's list
  int timer = -1;
};

/// The descriptor that the program has is an epoll set, so that it can be polled, and watched by another kqueue. In it
/// are a set for each filter on descriptors, because a descriptor can be in a set only once, one for timers, and an
/// eventfd that stands for what no descriptor triggers. Everything but descriptor() under the double's lock.
class kernel_queue {
 public:
  /// errno in `error` if it could not be made.
  explicit kernel_queue(int& error) noexcept;
  kernel_queue(const kernel_queue&) = delete;
  kernel_queue& operator=(const kernel_queue&) = delete;
  /// The descriptor itself is closed by close(), or here if it was not the program's yet.
  ~kernel_queue();

  [[nodiscard]] int descriptor() const noexcept { return all_; }
  /// One change: 0 or the error that the manual names.
  int apply(const struct kevent& change);
  /// What is ready, without waiting.
  int collect(struct kevent* into, int room);
  /// `fd` is about to be closed.
  void forget(int fd);

 private:
  enum source : std::uint64_t { reads, writes, exceptions, timers, triggers, sources };
  using key = std::pair<std::int16_t, std::uintptr_t>;
  using knotes = std::map<key, knote>;

  static bool on_descriptor(std::int16_t filter) noexcept;
  static bool known(std::int16_t filter) noexcept;
  static source source_of(std::int16_t filter) noexcept;
  bool make_sets() noexcept;
  int insert(const struct kevent& change);
  int change(knote& n, const struct kevent& to);
  int watch(knote& n, int operation);
  void unwatch(knote& n);
  int set_timer(knote& n);
  void user_flags(knote& n, const struct kevent& to) noexcept;
  void trigger(knote& n);
  void untrigger(knote& n);
  void erase(knotes::iterator at);
  bool evaluate(const knote& n, std::uint32_t ready, struct kevent& into) const;
  int take_from(source s, struct kevent* into, int room);
  int take_triggered(struct kevent* into, int room);
  void delivered(std::uint64_t id);

  int all_ = -1;
  int sets_[sources] = {-1, -1, -1, -1, -1};
  knotes knotes_;
  std::unordered_map<std::uint64_t, key> ids_;
  std::list<std::uint64_t> triggered_;
  std::uint64_t next_id_ = 1;
  unsigned turn_ = 0;
};

/// close(2), past the double's own; nothing if there is no descriptor.
int really_close(int fd) noexcept;

/// What `ready`, as epoll says it, means on `fd` to a filter: data, EV_EOF and fflags. False: nothing.
bool look_at_reading(int fd, std::uint32_t ready, struct kevent& into);
bool look_at_writing(int fd, std::uint32_t ready, struct kevent& into);

}  // namespace sennit::test::kqueue_double
