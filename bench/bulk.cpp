// What much data on a TCP connection of the loopback costs its sender, from memory and from a file that is in memory,
// and its receiver, who writes it to a file: CPU time of this thread in us for each chunk, the least of several rounds.
// What the other end does between the chunks (it reads without a copy, MSG_TRUNC) is done by the same thread,
// uncounted. After each `send` with MSG_ZEROCOPY come the kernel's notices of what it has let go of; they are counted,
// and so is how many of them say that it copied nevertheless.
//
//   build/release/bench/bulk            all ways and sizes
#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <limits>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/sennit.hpp>

namespace {

constexpr std::size_t file_size = std::size_t{8} << 20;
constexpr std::size_t max_chunk = std::size_t{256} << 10;  // so much fits between sockets, by default

template <class T>
T checked(T result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::system_category(), what);
  return result;
}

double cpu_us() {
  std::timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

struct connection {
  connection() {
    const int listener = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    checked(::bind(listener, reinterpret_cast<sockaddr*>(&at), size), "bind");
    checked(::listen(listener, 1), "listen");
    checked(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size), "getsockname");
    const int room = 4 << 20;
    checked(::setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), "SO_RCVBUF");
    from = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    checked(::setsockopt(from, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), "SO_SNDBUF");
    checked(::connect(from, reinterpret_cast<sockaddr*>(&at), sizeof at), "connect");
    to = checked(::accept(listener, nullptr, nullptr), "accept");
    const int on = 1;
    checked(::setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
    checked(::setsockopt(from, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), "SO_ZEROCOPY");
    ::close(listener);
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() {
    ::close(from);
    ::close(to);
  }
  void empty(std::size_t size) const {
    std::array<char, 1> nowhere{};
    while (size > 0) {
      size -= static_cast<std::size_t>(checked(::recv(to, nowhere.data(), size, MSG_TRUNC), "recv"));
    }
  }

  int from = -1;
  int to = -1;
};

/// Takes the notices of `sends` sends with MSG_ZEROCOPY; returns for how many of them the kernel copied.
unsigned take_notices(int fd, unsigned sends) {
  unsigned copied = 0;
  while (sends > 0) {
    pollfd p{fd, 0, 0};
    checked(::poll(&p, 1, -1), "poll");  // POLLERR
    std::array<char, 128> control{};
    msghdr message{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    checked(::recvmsg(fd, &message, MSG_ERRQUEUE), "MSG_ERRQUEUE");
    const auto* const notice = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(CMSG_FIRSTHDR(&message)));
    const unsigned n = notice->ee_data - notice->ee_info + 1;
    sends -= n;
    if ((notice->ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0) copied += n;
  }
  return copied;
}

/// What a way works with. The memory is aligned: where malloc puts large blocks, 16 bytes behind a page's begin, reads
/// from the page cache are several times as slow on AMD's Zen, which would drown the rest.
struct setup {
  connection c;
  std::vector<char> storage = std::vector<char>(max_chunk + 4096, 'x');
  char* memory =
      reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(storage.data()) + 4095) & ~std::uintptr_t{4095});
  sennit::file file;
  sennit::tcp_stream stream;  // c.from
  std::array<int, 2> pipe{};
};

enum class kind { sends, sends_and_takes_notices, receives };

struct way {
  const char* name;
  std::size_t (*move)(setup& s, std::size_t offset, std::size_t size);
  kind is = kind::sends;
};

std::size_t count(ssize_t result, const char* what) { return static_cast<std::size_t>(checked(result, what)); }

std::size_t give(setup& s, std::size_t offset, std::size_t size) {
  auto at = static_cast<off_t>(offset);
  return count(::sendfile(s.c.from, s.file.native_handle(), &at, size), "sendfile");
}

std::size_t read_cached(setup& s, const std::vector<iovec>& parts, std::size_t offset) {
  return count(::preadv2(s.file.native_handle(), parts.data(), static_cast<int>(parts.size()),
                         static_cast<off_t>(offset), RWF_NOWAIT),
               "preadv2");
}

const std::array ways{
    way{"memory: send",
        [](setup& s, std::size_t, std::size_t n) { return count(::send(s.c.from, s.memory, n, 0), "send"); }},
    way{"memory: send, MSG_ZEROCOPY",
        [](setup& s, std::size_t, std::size_t n) { return count(::send(s.c.from, s.memory, n, MSG_ZEROCOPY), "send"); },
        kind::sends_and_takes_notices},
    way{"file: read, send",
        [](setup& s, std::size_t offset, std::size_t n) {
          return count(::send(s.c.from, s.memory, read_cached(s, {{s.memory, n}}, offset), 0), "send");
        }},
    way{"file: sendfile", give},
    way{"file: a look, sendfile",
        [](setup& s, std::size_t offset, std::size_t n) {
          return give(s, offset, read_cached(s, std::vector<iovec>(n / 4096, {s.memory, 4096}), offset));
        }},
    way{"file: send_file of sennit",
        [](setup& s, std::size_t offset, std::size_t n) -> std::size_t {
          return s.stream.send_file(s.file, offset, n);
        }},
    way{"to a file: recv, write",
        [](setup& s, std::size_t offset, std::size_t n) {
          n = count(::recv(s.c.to, s.memory, n, 0), "recv");
          return count(::pwrite(s.file.native_handle(), s.memory, n, static_cast<off_t>(offset)), "pwrite");
        },
        kind::receives},
    way{"to a file: splice, splice",
        [](setup& s, std::size_t offset, std::size_t n) {
          auto at = static_cast<off_t>(offset);
          n = count(::splice(s.c.to, nullptr, s.pipe[1], nullptr, n, 0), "splice");
          return count(::splice(s.pipe[0], nullptr, s.file.native_handle(), &at, n, 0), "splice");
        },
        kind::receives},
};

void measure(const way& w, setup& s, std::size_t chunk, int rounds) {
  double best = std::numeric_limits<double>::max();
  unsigned copied = 0;
  for (int round = 0; round < rounds; ++round) {
    double sum = 0;
    for (std::size_t at = 0; at < file_size; at += chunk) {
      if (w.is == kind::receives) checked(::send(s.c.from, s.memory, chunk, 0), "send");
      const double before = cpu_us();
      for (std::size_t moved = 0; moved < chunk;) moved += w.move(s, at + moved, chunk - moved);
      sum += cpu_us() - before;
      if (w.is != kind::receives) s.c.empty(chunk);
      if (w.is == kind::sends_and_takes_notices) {
        const double notices = cpu_us();
        copied += take_notices(s.c.from, 1);
        sum += cpu_us() - notices;
      }
    }
    best = std::min(best, sum);
  }
  const auto chunks = static_cast<double>(file_size / chunk);
  std::printf("%8zu  %-30s %8.2f", chunk, w.name, best / chunks);
  if (w.is == kind::sends_and_takes_notices) std::printf("  copied: %.0f %%", 100.0 * copied / (chunks * rounds));
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("What bulk data costs its sender and its receiver on the loopback");
  int rounds = 20;
  std::string path = "bulk.tmp";
  app.add_option("--rounds", rounds, "the least of so many counts")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--file", path, "8 MiB are written there, and removed")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  // As a fiber, like a server's; nothing here waits, so the thread stays the same.
  sennit::run({.workers = 1, .stall_threshold = {}}, [&] {
    const sennit::pin_guard here;
    setup s;
    s.file = sennit::file::open(
        path, sennit::open_mode::read_write | sennit::open_mode::create | sennit::open_mode::truncate);
    for (std::size_t at = 0; at < file_size; at += max_chunk)
      s.file.write_at(std::as_bytes(std::span(s.memory, max_chunk)), at);
    s.stream = sennit::tcp_stream::adopt(checked(::dup(s.c.from), "dup"));
    checked(::fcntl(s.c.from, F_SETFL, 0), "fcntl");
    checked(::pipe(s.pipe.data()), "pipe");
    std::printf("   chunk  way                            us/chunk\n");
    for (std::size_t chunk = 4096; chunk <= max_chunk; chunk *= 4) {
      for (const way& w : ways) measure(w, s, chunk, rounds);
    }
    ::unlink(path.c_str());
  });
} catch (const std::exception& e) {
  std::cerr << "bulk: " << e.what() << '\n';
  return 1;
}
