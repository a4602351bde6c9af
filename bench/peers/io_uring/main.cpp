// An echo that talks to io_uring as directly as the floor does to epoll: one thread, one ring, multishot accept and
// receives into buffers of a ring, and one system call for all that is to be sent and all that may come. A connection
// has one message under way, so that one send is. Workloads: bench/groups.py; command line: bench/peers/README.md.
#include <liburing.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <cstring>
#include <string>

#include "common/load.hpp"
#include "common/program.hpp"

namespace {

using namespace bench;

enum class what : std::uint8_t { accepted, received, sent };

/// What an operation is, as its user_data: the buffer is of a send.
struct operation {
  what kind;
  std::uint16_t buffer;
  int fd;

  [[nodiscard]] std::uint64_t packed() const {
    return std::uint64_t{static_cast<std::uint8_t>(kind)} << 48 | std::uint64_t{buffer} << 32 |
           static_cast<std::uint32_t>(fd);
  }
  static operation of(std::uint64_t data) {
    return {static_cast<what>(data >> 48), static_cast<std::uint16_t>(data >> 32), static_cast<int>(data)};
  }
};

int must(int result, const char* doing) {
  if (result < 0) throw cannot(std::string(doing) + ": " + std::strerror(-result));
  return result;
}

class ring {
 public:
  ring() {
    io_uring_params how{};
    how.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    how.cq_entries = 4 * entries;
    must(io_uring_queue_init_params(entries, &ring_, &how), "io_uring_queue_init_params");
    const std::size_t size = buffer_count * (sizeof(io_uring_buf) + echo_buffer);
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    free_ = static_cast<io_uring_buf_ring*>(memory);
    bytes_ = static_cast<std::byte*>(memory) + buffer_count * sizeof(io_uring_buf);
    io_uring_buf_reg registered{};
    registered.ring_addr = reinterpret_cast<std::uintptr_t>(free_);
    registered.ring_entries = buffer_count;
    must(io_uring_register_buf_ring(&ring_, &registered, 0), "io_uring_register_buf_ring");
    io_uring_buf_ring_init(free_);
    for (std::uint16_t i = 0; i < buffer_count; ++i) give_back(i);
  }

  void accept(int listener) {
    io_uring_sqe* const sqe = next();
    io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, operation{what::accepted, 0, listener}.packed());
  }
  void receive(int fd) {
    io_uring_sqe* const sqe = next();
    io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, operation{what::received, 0, fd}.packed());
  }
  void send(int fd, std::uint16_t buffer, int size) {
    io_uring_sqe* const sqe = next();
    io_uring_prep_send(sqe, fd, buffer_at(buffer), static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, operation{what::sent, buffer, fd}.packed());
  }
  void give_back(std::uint16_t buffer) {
    io_uring_buf_ring_add(free_, buffer_at(buffer), echo_buffer, buffer, io_uring_buf_ring_mask(buffer_count), 0);
    io_uring_buf_ring_advance(free_, 1);
  }

  /// Submits what has been asked for, and f(completion) for each that has come, one at least.
  void turn(auto&& f) {
    const int submitted = io_uring_submit_and_wait(&ring_, 1);
    if (submitted < 0 && submitted != -EINTR) fail("io_uring_submit_and_wait");
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      f(*cqe);
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
  }

 private:
  static constexpr unsigned entries = 2048;
  static constexpr std::uint16_t buffer_count = 1024;  // a power of two

  [[nodiscard]] std::byte* buffer_at(std::uint16_t i) const { return bytes_ + std::size_t{i} * echo_buffer; }
  io_uring_sqe* next() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      if (io_uring_submit(&ring_) < 0) fail("io_uring_submit");
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  io_uring ring_{};
  io_uring_buf_ring* free_ = nullptr;
  std::byte* bytes_ = nullptr;
};

void serve() {
  ring all;
  const int listener = listening_socket(0);
  say_port(local_port(listener));
  all.accept(listener);
  for (;;) {
    all.turn([&](const io_uring_cqe& cqe) {
      const operation done = operation::of(cqe.user_data);
      const bool more = (cqe.flags & IORING_CQE_F_MORE) != 0;
      switch (done.kind) {
        case what::accepted: {
          if (cqe.res < 0) fail("accept");
          const int on = 1;
          ::setsockopt(cqe.res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          all.receive(cqe.res);
          if (!more) all.accept(listener);
          break;
        }
        case what::received:
          if (cqe.res > 0) {
            all.send(done.fd, static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT), cqe.res);
          } else if (cqe.res != -ENOBUFS) {
            ::close(done.fd);
            break;
          }
          if (!more) all.receive(done.fd);
          break;
        case what::sent: all.give_back(done.buffer); break;  // of a client that is gone the receive tells
      }
    });
  }
}

constexpr std::string_view names[] = {"echo_64", "echo_1000"};
constexpr server servers[] = {{"--serve", names, serve}};

}  // namespace

int main(int argc, char** argv) {
  utsname kernel{};
  ::uname(&kernel);
  const std::string version = "io_uring of Linux " + std::string(kernel.release) + " (g++ " __VERSION__ ")";
  return program(argc, argv, version.c_str(), {}, servers);
}
