// Is io_uring a better poller than epoll? The same sockets, the same reads; what says which are ready is an
// edge-triggered epoll set, or multishot polls of a ring. docs/design.md has the answer.
#include <benchmark/benchmark.h>
#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

class epoll_queue {
 public:
  ~epoll_queue() { ::close(fd_); }
  void add(int socket) const {
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.fd = socket}};
    if (::epoll_ctl(fd_, EPOLL_CTL_ADD, socket, &event) != 0) fail("epoll_ctl");
  }
  void remove(int) const {}  // closing it does
  /// ready(socket) for each event that is there, at least one.
  template <class F>
  void wait(F&& ready) {
    const int count = ::epoll_wait(fd_, events_.data(), static_cast<int>(events_.size()), -1);
    for (int i = 0; i < count; ++i) ready(events_[static_cast<std::size_t>(i)].data.fd);
  }

 private:
  int fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::array<epoll_event, 64> events_{};
};

/// `Modes`: how the ring is set up.
template <unsigned Modes>
class uring_queue {
 public:
  uring_queue() {
    io_uring_params params{};
    params.flags = Modes | IORING_SETUP_CQSIZE;
    params.cq_entries = 4096;
    if (io_uring_queue_init_params(256, &ring_, &params) != 0) fail("io_uring_setup");
  }
  ~uring_queue() { io_uring_queue_exit(&ring_); }
  uring_queue(const uring_queue&) = delete;
  uring_queue& operator=(const uring_queue&) = delete;

  void add(int socket) {
    io_uring_sqe* const sqe = next();
    io_uring_prep_poll_multishot(sqe, static_cast<unsigned>(socket), POLLIN | POLLRDHUP);
    io_uring_sqe_set_data64(sqe, static_cast<std::uint64_t>(socket));
  }
  /// The ring holds the socket open otherwise. Goes with the next wait.
  void remove(int socket) {
    io_uring_sqe* const sqe = next();
    io_uring_prep_poll_remove(sqe, static_cast<std::uint64_t>(socket));
    io_uring_sqe_set_data64(sqe, none);
  }
  template <class F>
  void wait(F&& ready) {
    if (io_uring_submit_and_wait(&ring_, 1) < 0) fail("io_uring_enter");
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++count;
      const std::uint64_t data = io_uring_cqe_get_data64(cqe);
      if (data == none || cqe->res < 0) continue;
      const auto socket = static_cast<int>(data);
      if ((cqe->flags & IORING_CQE_F_MORE) == 0) add(socket);
      ready(socket);
    }
    io_uring_cq_advance(&ring_, count);
  }

 private:
  static constexpr std::uint64_t none = ~std::uint64_t{0};

  io_uring_sqe* next() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      io_uring_submit(&ring_);
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  io_uring ring_{};
};

/// The cheapest ring, which belongs to one thread; and one that others may poll when that thread is stuck.
using own_ring = uring_queue<IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN>;
using shared_ring = uring_queue<0>;

/// 1000 connected sockets, of which range(0) become ready at once; each is read until it is empty, as a fiber would.
template <class Queue>
void events(benchmark::State& state) {
  Queue queue;
  std::vector<std::array<int, 2>> pairs(1000);
  for (auto& p : pairs) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p.data()) != 0) fail("socketpair");
    queue.add(p[0]);
  }
  const auto some = static_cast<std::size_t>(state.range(0));
  std::size_t next = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < some; ++i) {
      if (::write(pairs[next++ % pairs.size()][1], "x", 1) != 1) fail("write");
    }
    for (std::size_t seen = 0; seen < some;) {
      queue.wait([&](int socket) {
        std::array<char, 16> into;
        if (::read(socket, into.data(), into.size()) > 0) ++seen;
      });
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  for (const auto& p : pairs) {
    ::close(p[0]);
    ::close(p[1]);
  }
}
BENCHMARK(events<epoll_queue>)->Arg(1)->Arg(16)->Arg(64);
BENCHMARK(events<own_ring>)->Arg(1)->Arg(16)->Arg(64);
BENCHMARK(events<shared_ring>)->Arg(1)->Arg(16)->Arg(64);

/// A connection that comes, is waited for once, and goes: what registering costs.
template <class Queue>
void connection(benchmark::State& state) {
  Queue queue;
  for (auto _ : state) {
    std::array<int, 2> p;
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p.data()) != 0) fail("socketpair");
    queue.add(p[0]);
    if (::write(p[1], "x", 1) != 1) fail("write");
    for (bool seen = false; !seen;) {
      queue.wait([&](int socket) {
        std::array<char, 16> into;
        if (socket == p[0] && ::read(socket, into.data(), into.size()) > 0) seen = true;
      });
    }
    queue.remove(p[0]);
    ::close(p[0]);
    ::close(p[1]);
  }
}
BENCHMARK(connection<epoll_queue>);
BENCHMARK(connection<own_ring>);
BENCHMARK(connection<shared_ring>);

}  // namespace

BENCHMARK_MAIN();
