#pragma once
// Small programs over everything that does I/O, for a host that makes their system calls fail: each notes the codes
// that it got and ends at the first one.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include <sennit/directory.hpp>
#include <sennit/process.hpp>
#include <sennit/sennit.hpp>
#include <sennit/signal_set.hpp>

#include "net/unix_names.hpp"
#include "support/blocked_signal.hpp"
#include "support/files.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {

/// What a session got. Owned by its fiber.
class session_log {
 public:
  /// False, and noted, if it is an error.
  bool ok(const std::error_code& ec) {
    if (ec) codes_.push_back(ec);
    return !ec;
  }
  /// The same for what throws.
  template <class F>
  bool runs(F&& f) {
    return ok(code_of(std::forward<F>(f)));
  }
  void expect(bool holds, const char* what) {
    if (!holds) ADD_FAILURE() << what;
  }
  [[nodiscard]] const std::vector<std::error_code>& codes() const noexcept { return codes_; }
  [[nodiscard]] std::string text() const {
    std::string all;
    for (const auto& ec : codes_) all += ec.message() + "; ";
    return all;
  }

 private:
  std::vector<std::error_code> codes_;
};

namespace sessions {

using block = std::array<std::byte, 100>;

/// There and back, in one buffer and in several, then the end.
template <class A, class B>
void talk(session_log& log, A& a, B& b) {
  std::error_code ec;
  block out{};
  block in{};
  const std::array<std::span<const std::byte>, 2> out_parts{std::span(out).first(30), std::span(out).last(70)};
  const std::array<std::span<std::byte>, 2> in_parts{std::span(in).first(30), std::span(in).last(70)};
  for (int i = 0; i < 2; ++i) {
    a.write_all(out, ec);
    if (!log.ok(ec)) return;
    log.expect(b.read_exact(in, ec) == in.size() || ec, "all that was written");
    if (!log.ok(ec)) return;
    a.write_all(out_parts, ec);
    if (!log.ok(ec)) return;
    for (std::size_t got = 0; got < out.size();) {
      got += b.read_some(in_parts, ec);
      if (!log.ok(ec)) return;
    }
  }
}

template <class A, class B>
void end(session_log& log, A& a, B& b) {
  std::error_code ec;
  block in{};
  a.shutdown_send(ec);
  if (!log.ok(ec)) return;
  log.expect(b.read_some(in, ec) == 0, "nothing after the end");
  log.ok(ec);
}

inline void tcp(session_log& log) {
  std::error_code ec;
  auto listener = tcp_listener::bind("127.0.0.1:0", {.reuse_port = true}, ec);
  endpoint at;
  if (!log.ok(ec) || !log.runs([&] { at = listener.local_endpoint(); })) return;
  auto client = tcp_stream::connect(at, ec);  // done when it is in the backlog
  if (!log.ok(ec)) return;
  auto server = listener.accept(ec);
  if (!log.ok(ec)) return;
  const bool set = log.runs([&] {
    client.set_no_delay(true);
    client.set_keepalive(keepalive{});
    client.set_linger(std::chrono::seconds(0));
    client.set_send_buffer(100'000);
    static_cast<void>(client.receive_buffer());
    log.expect(client.remote_endpoint() == at, "whom we have connected to");
  });
  if (!set) return;
  talk(log, client, server);
  if (log.codes().empty()) talk(log, server, client);
  if (log.codes().empty()) end(log, client, server);
}

/// Several addresses race: the first one refuses.
inline void race(session_log& log) {
  std::error_code ec;
  auto listener = tcp_listener::bind("127.0.0.1:0", {}, ec);
  endpoint at;
  if (!log.ok(ec) || !log.runs([&] { at = listener.local_endpoint(); })) return;
  const std::array<endpoint, 2> to{at, at};
  const auto client = tcp_stream::connect(to, ec);
  log.ok(ec);
}

inline void unix_streams(session_log& log) {
  const scratch_directory dir;
  const endpoint at("unix:" + dir / "socket");
  if (!log.runs([&] { static_cast<void>(unix_listener::bind(at)); })) return;  // it leaves its path behind
  std::error_code ec;
  unix_listener listener;
  do listener = unix_listener::bind(at, {.replace_stale = true, .unlink_on_close = true}, ec);
  while (ec == std::errc::address_in_use);  // a child on its way from fork() to exec() has a copy of the first one
  if (!log.ok(ec)) return;
  auto client = unix_stream::connect(at, ec);
  if (!log.ok(ec)) return;
  auto server = listener.accept(ec);
  if (!log.ok(ec) || !log.runs([&] { static_cast<void>(server.peer_credentials()); })) return;
  talk(log, client, server);
  if (!log.codes().empty()) return;
  std::vector<descriptor> fds;
  block b{};
  const std::array<int, 1> passed{client.native_handle()};
  client.write_descriptors(passed, b, ec);
  if (!log.ok(ec)) return;
  log.expect(server.read_descriptors(fds, b, ec) > 0 || ec, "bytes and descriptors");
  if (!log.ok(ec)) return;
  log.expect(fds.size() == 1, "the descriptor came");
  end(log, client, server);
}

inline void unix_messages(session_log& log) {
  std::error_code ec;
  const endpoint at = abstract_name();
  auto listener = unix_seqpacket_listener::bind(at, {}, ec);
  if (!log.ok(ec)) return;
  auto client = unix_seqpacket::connect(at, ec);
  if (!log.ok(ec)) return;
  auto server = listener.accept(ec);
  if (!log.ok(ec)) return;
  block b{};
  client.send(b, ec);
  if (!log.ok(ec)) return;
  log.expect(server.receive(b, ec).size == b.size() || ec, "the message");
  if (!log.ok(ec)) return;
  std::optional<std::pair<unix_datagram, unix_datagram>> p;
  if (!log.runs([&] { p.emplace(unix_datagram::pair()); })) return;
  std::vector<descriptor> fds;
  const std::array<int, 1> passed{client.native_handle()};
  p->first.send_descriptors(passed, b, ec);
  if (!log.ok(ec)) return;
  p->second.receive_descriptors(fds, b, ec);
  log.ok(ec);
}

template <class Socket>
void datagrams(session_log& log, Socket& a, Socket& b, const endpoint& to) {
  std::error_code ec;
  block data{};
  a.send_to(data, to, ec);
  if (!log.ok(ec)) return;
  socket_address from;
  log.expect(b.receive_from(data, from, ec).size == data.size() || ec, "the message");
  if (!log.ok(ec)) return;
  a.set_peer(to, ec);
  if (!log.ok(ec)) return;
  const std::array<outgoing_datagram, 2> out{{{.data = data}, {.data = data}}};
  a.send_batch(out, ec);
  if (!log.ok(ec)) return;
  block room{};
  std::array<incoming_datagram, 2> in{{{.room = data}, {.room = room}}};
  for (std::size_t got = 0; got < 2;) {
    got += b.receive_batch(in, ec);
    if (!log.ok(ec)) return;
  }
}

inline void udp(session_log& log) {
  std::error_code ec;
  auto a = udp_socket::bind("127.0.0.1:0", {.reuse_address = true}, ec);
  if (!log.ok(ec)) return;
  auto b = udp_socket::bind("127.0.0.1:0", {}, ec);
  endpoint to;
  const bool set = log.ok(ec) && log.runs([&] {
    to = b.local_endpoint();
    b.set_receive_buffer(100'000);
    a.set_broadcast(true);
  });
  if (!set) return;
  datagrams(log, a, b, to);
  if (!log.codes().empty()) return;
  auto c = udp_socket::connect(to, ec);
  if (log.ok(ec)) c.send(block{}, ec);
  log.ok(ec);
}

inline void unix_datagrams(session_log& log) {
  std::error_code ec;
  const endpoint to = abstract_name();
  auto a = unix_datagram::bind(abstract_name(), ec);
  if (!log.ok(ec)) return;
  auto b = unix_datagram::bind(to, ec);
  if (log.ok(ec)) datagrams(log, a, b, to);
}

inline void pipes(session_log& log) {
  std::error_code ec;
  auto p = pipe::open(ec);
  if (!log.ok(ec)) return;
  talk(log, p.writer, p.reader);
  if (!log.codes().empty()) return;
  block b{};
  p.writer.write_all(b, ec);
  if (!log.ok(ec)) return;
  log.runs([&] {
    fd_guard guard(p.reader.native_handle());
    guard.wait_readable();
    std::array<pollfd, 1> set{{{p.reader.native_handle(), POLLIN, 0}}};
    log.expect(sennit::poll(set) == 1, "what is ready");
    sennit::wait_readable(p.reader.native_handle());
  });
}

inline void files(session_log& log) {
  const scratch_directory dir;
  std::error_code ec;
  block b{};
  {
    file f = file::open(dir / "f", open_mode::read_write | open_mode::create, ec);
    if (!log.ok(ec)) return;
    f.write_at(b, 0, ec);
    if (!log.ok(ec)) return;
    log.expect(f.read_at(b, 0, ec) == b.size() || ec, "what was written");
    if (!log.ok(ec)) return;
    f.sync(ec);
    if (!log.ok(ec)) return;
    f.sync_data(ec);
    if (!log.ok(ec)) return;
    f.resize(50, ec);
    if (!log.ok(ec)) return;
    log.expect(f.seek(0, file::origin::end, ec) == 50 || ec, "where the end is");
    if (!log.ok(ec)) return;
    log.expect(f.size(ec) == 50 || ec, "the size");
    if (!log.ok(ec)) return;
  }
  const std::vector<std::byte> large(300'000);  // more than is read on the spot
  write_file(dir / "large", large, ec);
  if (!log.ok(ec)) return;
  log.expect(read_file(dir / "large", ec).size() == large.size() || ec, "the large file");
  if (!log.ok(ec)) return;
  write_file(dir / "g", b, ec);
  if (!log.ok(ec)) return;
  log.expect(read_file(dir / "g", ec).size() == b.size() || ec, "the whole file");
  if (!log.ok(ec)) return;
  make_directory(dir / "d", 0777, ec);
  if (!log.ok(ec)) return;
  rename_path(dir / "g", dir / "d/g", ec);
  if (!log.ok(ec)) return;
  log.expect(read_directory(dir / "d", ec).size() == 1 || ec, "what is in it");
  if (!log.ok(ec)) return;
  log.expect(link_status(dir / "d/g", ec).size == b.size() || ec, "its size");
  if (!log.ok(ec)) return;
  for (const char* const path : {"d/g", "d"}) {
    remove_path(dir / path, ec);
    if (!log.ok(ec)) return;
  }
}

/// Ends of a pipe as files.
inline void file_streams(session_log& log) {
  std::error_code ec;
  auto p = pipe::open(ec);
  if (!log.ok(ec)) return;
  const int in = p.reader.release();
  const int out = p.writer.release();
  file reader;
  file writer;
  if (!log.runs([&] { reader = file::adopt(in, "in"); })) ::close(in);
  if (!log.runs([&] { writer = file::adopt(out, "out"); })) ::close(out);
  if (!log.codes().empty()) return;
  block b{};
  writer.write_all(b, ec);
  if (!log.ok(ec)) return;
  log.expect(reader.read_exact(b, ec) == b.size() || ec, "what was written");
  log.ok(ec);
}

inline void sent_files(session_log& log) {
  const scratch_directory dir;
  std::error_code ec;
  file f = file::open(dir / "f", open_mode::read_write | open_mode::create, ec);
  if (!log.ok(ec)) return;
  f.write_at(block{}, 0, ec);
  if (!log.ok(ec)) return;
  std::pair<unix_stream, unix_stream> ends;
  if (!log.runs([&] { ends = unix_stream::pair(); })) return;
  auto& [a, b] = ends;
  log.expect(a.send_file(f, 0, to_end, ec) == block().size() || ec, "all of the file");
  if (!log.ok(ec)) return;
  log.expect(b.receive_file(f, 50, block().size(), ec) == block().size() || ec, "and into it");
  if (!log.ok(ec)) return;
  log.expect(f.size(ec) == block().size() + 50 || ec, "its size");
  log.ok(ec);
}

#if SENNIT_TSAN
inline const blocked_signal session_signal(SIGUSR1);
#endif

inline void signals(session_log& log) {
  // One that nobody waits for any more is nobody's.
  [[maybe_unused]] static const auto before = ::signal(SIGUSR1, SIG_IGN);
  signal_set set;
  if (!log.runs([&] { set = signal_set{SIGUSR1}; })) return;
  ::kill(::getpid(), SIGUSR1);
  std::error_code ec;
  const signal_info s = set.wait(ec);
  if (log.ok(ec)) log.expect(s.number == SIGUSR1, "the signal");
}

inline void processes(session_log& log) {
  std::error_code ec;
  process p = process::spawn(
      "cat", {.in = child_stdio::pipe(), .out = child_stdio::pipe(), .err = child_stdio::descriptor(2)}, ec);
  if (!log.ok(ec)) return;
  const auto leave = [&] {  // whatever failed: it ends by itself
    p.in().close();
    p.out().close();
  };
  block b{};
  p.in().write_all(b, ec);
  if (!log.ok(ec)) return leave();
  log.expect(p.out().read_exact(b, ec) == b.size() || ec, "it comes back");
  if (!log.ok(ec)) return leave();
  p.in().close();
  log.expect(p.out().read_some(b, ec) == 0, "its end");
  if (!log.ok(ec)) return leave();
  p.send_signal(SIGTERM, ec);
  if (!log.ok(ec)) return leave();
  static_cast<void>(p.wait(ec));
  log.ok(ec);
}

}  // namespace sessions
}  // namespace sennit::test
