#pragma once
// Every operation that waits for a descriptor, in one table: what all of them promise is tested once for all.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <sennit/process.hpp>
#include <sennit/sennit.hpp>
#include <sennit/signal_set.hpp>

#include "net/black_hole.hpp"
#include "net/streams.hpp"
#include "net/unix_names.hpp"
#include "support/blocked_signal.hpp"

namespace sennit::test {

using time_limit = std::chrono::steady_clock::time_point;
inline constexpr time_limit no_limit = time_limit::max();

/// One operation on objects of its own, that has to wait. The functions share what they work on.
struct operation {
  /// Waits; any number of times, one after the other.
  std::function<void(std::error_code&, const stop_token&, time_limit)> run;
  /// Lets one run() succeed, one that waits or the next. None: nothing does.
  std::function<void()> feed = {};
  /// Any thread. None: there is nothing to close.
  std::function<void()> close = {};
};

struct operation_kind {
  std::string name;
  std::function<operation()> make;
  /// What a close tells it; none: there is nothing to close.
  std::errc closed = std::errc::bad_file_descriptor;
  /// How many times fewer than others it is tried: it takes system calls by the hundred, or a process.
  std::size_t cost = 1;
  /// It has a feed().
  bool feeds = true;
};
inline std::ostream& operator<<(std::ostream& out, const operation_kind& k) { return out << k.name; }

namespace operations {

inline const std::array<std::byte, 1> one_byte{std::byte{1}};

/// An operation on a T: run(T&, ec, stop), whose deadline is the object's. `of` says which part has it.
template <class T, class Of, class Run>
auto limited(const std::shared_ptr<T>& all, Of of, Run run) {
  return [all, of, run](std::error_code& ec, const stop_token& stop, time_limit t) {
    of(*all).expires_at(t);
    run(*all, ec, stop);
  };
}

template <class T, class Of>
auto closing(const std::shared_ptr<T>& all, Of of) {
  return [all, of] { of(*all).close(); };
}

// --- streams ---

template <class Kind, class Read>
operation reading(Read read) {
  const auto e = std::make_shared<decltype(Kind::connected())>(Kind::connected());
  Kind::leave_nothing(*e);
  const auto of = [](auto& all) -> auto& { return all.reader; };
  return {.run = limited(e, of, [read](auto& all, auto& ec, auto& stop) { read(all.reader, ec, stop); }),
          .feed = [e] { e->writer.write_all(one_byte); },
          .close = closing(e, of)};
}

template <class Kind>
operation read_some() {
  return reading<Kind>([](auto& s, std::error_code& ec, const stop_token& stop) {
    std::array<std::byte, 8> b{};
    s.read_some(b, ec, stop);
  });
}

template <class Kind>
operation read_into_several() {
  return reading<Kind>([](auto& s, std::error_code& ec, const stop_token& stop) {
    std::array<std::byte, 8> b{};
    const std::array<std::span<std::byte>, 2> parts{std::span(b).first(3), std::span(b).last(5)};
    s.read_some(parts, ec, stop);
  });
}

/// A writer whose buffers are full.
template <class Ends>
struct filled {
  explicit filled(Ends&& made) : ends(std::move(made)) {}
  Ends ends;
  std::atomic<std::size_t> feeds{0};
  std::atomic<std::size_t> runs_ended{0};
};

/// Writes until something ends it, or until the reader has begun to read: the kernel moves bytes on its own, so one
/// write more may go through.
template <class Kind, class Write>
operation writing(Write write) {
  using all_of = filled<decltype(Kind::connected())>;
  const auto e = std::make_shared<all_of>(Kind::connected());
  Kind::shrink(e->ends);
  Kind::leave_nothing(e->ends);
  const auto of = [](all_of& all) -> auto& { return all.ends.writer; };
  return {.run = limited(e, of,
                         [write](all_of& all, std::error_code& ec, const stop_token& stop) {
                           do write(all.ends.writer, ec, stop);
                           while (!ec && all.feeds == 0);
                           ++all.runs_ended;
                         }),
          .feed =
              [e] {
                const std::size_t fed = ++e->feeds;
                bytes room(1 << 16);
                std::error_code ec;
                do {
                  e->ends.reader.expires_after(std::chrono::milliseconds(1));
                  e->ends.reader.read_some(room, ec);
                } while (!ec || e->runs_ended < fed);  // on a slow machine a deadline comes before the bytes
              },
          .close = closing(e, of)};
}

template <class Kind>
operation write_some() {
  return writing<Kind>([](auto& s, std::error_code& ec, const stop_token& stop) {
    static const bytes much(1 << 16);
    s.write_some(much, ec, stop);
  });
}

template <class Kind>
operation write_several() {
  return writing<Kind>([](auto& s, std::error_code& ec, const stop_token& stop) {
    static const bytes much(1 << 15);
    const std::array<std::span<const std::byte>, 2> parts{much, much};
    s.write_some(parts, ec, stop);
  });
}

/// For those below: 64 KiB. Made once, without a wait.
inline file& some_file() {
  static file f = [] {
    char name[] = "/tmp/sennit-file-XXXXXX";
    const int fd = ::mkostemp(name, O_CLOEXEC);
    ::unlink(name);
    const bytes content(1 << 16);
    EXPECT_EQ(::write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    return file::adopt(fd, name);
  }();
  return f;
}

/// A small part of it, which fits once the reader has read what was there.
template <class Kind>
operation send_a_file() {
  return writing<Kind>(
      [](auto& s, std::error_code& ec, const stop_token& stop) { s.send_file(some_file(), 0, 1000, ec, stop); });
}

template <class Kind>
operation receive_a_file() {
  return reading<Kind>(
      [](auto& s, std::error_code& ec, const stop_token& stop) { s.receive_file(some_file(), 0, 1, ec, stop); });
}

inline operation read_descriptors() {
  return reading<unix_kind>([](auto& s, std::error_code& ec, const stop_token& stop) {
    std::vector<descriptor> fds;
    std::array<std::byte, 8> b{};
    s.read_descriptors(fds, b, ec, stop);
  });
}

// --- connections ---

template <class Listener, class Stream, class Bind>
operation accepting(Bind bind) {
  struct all_of {
    Listener listener;
    endpoint at;
    std::vector<Stream> made;
  };
  auto listener = bind();
  const endpoint at = listener.local_endpoint();
  const auto e = std::make_shared<all_of>(all_of{std::move(listener), at, {}});
  const auto of = [](all_of& all) -> auto& { return all.listener; };
  return {.run = limited(e, of,
                         [](all_of& all, auto& ec, auto& stop) { static_cast<void>(all.listener.accept(ec, stop)); }),
          .feed =
              [e] {
                e->made.push_back(Stream::connect(e->at));
                // Connections by the thousand: none stays behind in TIME_WAIT.
                if constexpr (std::is_same_v<Stream, tcp_stream>) e->made.back().set_linger(std::chrono::seconds(0));
              },
          .close = closing(e, of)};
}

inline operation tcp_accept() {
  return accepting<sennit::tcp_listener, tcp_stream>([] { return tcp_listener::bind("127.0.0.1:0"); });
}
inline operation unix_accept() {
  return accepting<unix_listener, unix_stream>([] { return unix_listener::bind(abstract_name()); });
}
inline operation seqpacket_accept() {
  return accepting<unix_seqpacket_listener, unix_seqpacket>(
      [] { return unix_seqpacket_listener::bind(abstract_name()); });
}

inline operation connect_tcp() {
  const auto hole = std::make_shared<black_hole>();
  return {.run = [hole](std::error_code& ec, const stop_token& stop, time_limit t) {
    static_cast<void>(tcp_stream::connect(hole->at(), t, ec, stop));
  }};
}

/// Several addresses that race.
inline operation connect_tcp_to_any() {
  const auto hole = std::make_shared<black_hole>();
  return {.run = [hole](std::error_code& ec, const stop_token& stop, time_limit t) {
    const std::array<endpoint, 2> both{hole->at(), hole->at()};
    static_cast<void>(tcp_stream::connect(both, t, ec, stop, {.attempt_delay = std::chrono::microseconds(50)}));
  }};
}

/// To a listener whose backlog is full.
template <class Listener, class Stream>
operation connecting() {
  struct all_of {
    Listener listener;
    endpoint at;
    std::vector<Stream> before;
  };
  auto listener = Listener::bind(abstract_name(), {.backlog = 0});
  const endpoint at = listener.local_endpoint();
  const auto e = std::make_shared<all_of>(all_of{std::move(listener), at, {}});
  std::error_code ec;
  while (!ec) e->before.push_back(Stream::connect(at, std::chrono::steady_clock::now(), ec));
  return {.run = [e](std::error_code& code, const stop_token& stop,
                     time_limit t) { static_cast<void>(Stream::connect(e->at, t, code, stop)); },
          .feed = [e] { static_cast<void>(e->listener.accept()); },
          .close = [e] { e->listener.close(); }};
}

// --- messages ---

template <class Socket>
struct messages {
  Socket receiver;
  Socket sender;
  socket_address to = {};
};

inline messages<udp_socket> udp_messages() {
  messages<udp_socket> m{udp_socket::bind("127.0.0.1:0"), udp_socket::bind("127.0.0.1:0")};
  m.to = socket_address(m.receiver.local_endpoint());
  return m;
}
inline messages<unix_datagram> unix_messages() {
  messages<unix_datagram> m{unix_datagram::bind(abstract_name()), unix_datagram::open()};
  m.to = socket_address(m.receiver.local_endpoint());
  return m;
}
inline messages<unix_seqpacket> seqpacket_messages() {
  auto [a, b] = unix_seqpacket::pair();
  return {std::move(a), std::move(b)};
}

template <class Socket>
void send_one(messages<Socket>& m, std::error_code& ec, const stop_token& stop) {
  if constexpr (std::is_same_v<Socket, unix_seqpacket>) {
    m.sender.send(one_byte, ec, stop);
  } else {
    m.sender.send_to(one_byte, m.to, ec, stop);
  }
}

template <class Make, class Receive>
operation receiving(Make make, Receive receive) {
  using all_of = decltype(make());
  const auto m = std::make_shared<all_of>(make());
  const auto of = [](all_of& all) -> auto& { return all.receiver; };
  return {.run = limited(m, of, [receive](all_of& all, auto& ec, auto& stop) { receive(all.receiver, ec, stop); }),
          .feed =
              [m] {
                std::error_code ec;
                send_one(*m, ec, {});
              },
          .close = closing(m, of)};
}

template <class Make>
operation receive(Make make) {
  return receiving(make, [](auto& s, std::error_code& ec, const stop_token& stop) {
    std::array<std::byte, 8> b{};
    s.receive(b, ec, stop);
  });
}
template <class Make>
operation receive_from(Make make) {
  return receiving(make, [](auto& s, std::error_code& ec, const stop_token& stop) {
    std::array<std::byte, 8> b{};
    socket_address from;
    s.receive_from(b, from, ec, stop);
  });
}
template <class Make>
operation receive_batch(Make make) {
  return receiving(make, [](auto& s, std::error_code& ec, const stop_token& stop) {
    std::array<std::byte, 16> b{};
    std::array<incoming_datagram, 2> into{{{.room = std::span(b).first(8)}, {.room = std::span(b).last(8)}}};
    s.receive_batch(into, ec, stop);
  });
}

/// To a receiver whose queue is full.
template <class Make>
operation sending(Make make) {
  using all_of = decltype(make());
  const auto m = std::make_shared<all_of>(make());
  std::error_code ec;
  m->sender.expires_at(time_limit());
  while (!ec) send_one(*m, ec, {});
  const auto of = [](all_of& all) -> auto& { return all.sender; };
  return {.run = limited(m, of, [](all_of& all, auto& code, auto& stop) { send_one(all, code, stop); }),
          .feed =
              [m] {  // all that is there, at least one: a stream of messages is writable again when half of it is free
                std::array<std::byte, 8> b{};
                std::error_code none;
                m->receiver.expires_never();
                do {
                  m->receiver.receive(b, none);
                  m->receiver.expires_at(time_limit());
                } while (!none);
              },
          .close = closing(m, of)};
}

// --- others ---

/// A file that is a stream: the end of a pipe.
inline operation read_of_file() {
  struct all_of {
    file reader;
    pipe_writer writer;
  };
  auto p = pipe::open();
  const auto e = std::make_shared<all_of>(all_of{file::adopt(p.reader.release(), "a pipe"), std::move(p.writer)});
  const auto of = [](all_of& all) -> auto& { return all.reader; };
  return {.run = limited(e, of,
                         [](all_of& all, auto& ec, auto& stop) {
                           std::array<std::byte, 8> b{};
                           all.reader.read_some(b, ec, stop);
                         }),
          .feed = [e] { e->writer.write_all(one_byte); },
          .close = closing(e, of)};
}

#if SENNIT_TSAN
inline const blocked_signal operations_signal(SIGUSR2);
#endif

inline operation wait_for_signal() {
  // One that is still under way when its set ends is nobody's.
  [[maybe_unused]] static const auto before = ::signal(SIGUSR2, SIG_IGN);
  const auto set = std::make_shared<signal_set>(signal_set{SIGUSR2});
  const auto of = [](signal_set& s) -> auto& { return s; };
  return {.run = limited(set, of, [](signal_set& s, auto& ec, auto& stop) { s.wait(ec, stop); }),
          .feed = [set] { ::kill(::getpid(), SIGUSR2); },
          .close = closing(set, of)};
}

inline operation wait_for_process() {
  const auto p =
      std::make_shared<process>(process::spawn("cat", {.in = child_stdio::pipe(), .out = child_stdio::null()}));
  return {.run =
              [p](std::error_code& ec, const stop_token& stop, time_limit t) {
                std::optional<exit_status> ended;
                ec = code_of([&] { ended = p->wait_until(t, stop); });
                if (!ec && !ended) ec = error::deadline_passed;
              },
          .feed = [p] { p->in().close(); }};
}

/// A pipe that is not sennit's. `wait(fd, t, stop)` is false at the deadline.
template <class Wait>
operation foreign(Wait wait, bool writes = false) {
  const auto ends = std::make_shared<fd_pair>(pipe_pair());
  if (writes) fill(ends->b.get());
  return {.run =
              [ends, wait, writes](std::error_code& ec, const stop_token& stop, time_limit t) {
                bool there = false;
                ec = code_of([&] { there = wait((writes ? ends->b : ends->a).get(), t, stop); });
                if (!ec && !there) ec = error::deadline_passed;
                char c = 0;
                if (there && !writes) static_cast<void>(::read(ends->a.get(), &c, 1));
              },
          .feed = [ends, writes] { writes ? static_cast<void>(drain(ends->a.get())) : put(ends->b.get(), "x"); }};
}

inline operation wait_for_readable() {
  return foreign([](int fd, time_limit t, const stop_token& stop) { return wait_readable_until(fd, t, stop); });
}
inline operation wait_for_writable() {
  return foreign([](int fd, time_limit t, const stop_token& stop) { return wait_writable_until(fd, t, stop); }, true);
}
inline operation wait_for_guarded() {
  return foreign(
      [](int fd, time_limit t, const stop_token& stop) { return fd_guard(fd).wait_readable_until(t, stop); });
}
inline operation wait_for_set() {
  return foreign([](int fd, time_limit t, const stop_token& stop) {
    std::array<pollfd, 2> set{{{fd, POLLIN, 0}, {-1, POLLIN, 0}}};
    return poll_until(set, t, stop) != 0;
  });
}

}  // namespace operations

inline std::vector<operation_kind> all_operations() {
  using namespace operations;  // NOLINT(google-build-using-namespace)
  return {
      {"tcp_read", read_some<tcp_kind>},
      {"tcp_read_into_several", read_into_several<tcp_kind>},
      {"tcp_write", write_some<tcp_kind>, std::errc::bad_file_descriptor, 10},
      {"tcp_write_several", write_several<tcp_kind>, std::errc::bad_file_descriptor, 10},
      {"tcp_send_file", send_a_file<tcp_kind>, std::errc::bad_file_descriptor, 10},
      {"tcp_accept", tcp_accept},
      {"tcp_connect", connect_tcp, {}, 10, false},
      {"tcp_connect_to_any", connect_tcp_to_any, {}, 10, false},
      {"unix_read", read_some<unix_kind>},
      {"unix_read_into_several", read_into_several<unix_kind>},
      {"unix_read_descriptors", read_descriptors},
      {"unix_write", write_some<unix_kind>, std::errc::bad_file_descriptor, 2},
      {"unix_write_several", write_several<unix_kind>, std::errc::bad_file_descriptor, 2},
      {"unix_send_file", send_a_file<unix_kind>, std::errc::bad_file_descriptor, 10},
      {"unix_receive_file", receive_a_file<unix_kind>, std::errc::bad_file_descriptor, 10},
      {"unix_accept", unix_accept},
      {"unix_connect", connecting<unix_listener, unix_stream>, std::errc::connection_refused, 4},
      {"seqpacket_receive", [] { return receive(seqpacket_messages); }},
      {"seqpacket_send", [] { return sending(seqpacket_messages); }, std::errc::bad_file_descriptor, 10},
      {"seqpacket_accept", seqpacket_accept},
      {"seqpacket_connect", connecting<unix_seqpacket_listener, unix_seqpacket>, std::errc::connection_refused, 4},
      {"pipe_read", read_some<pipe_kind>},
      {"pipe_write", write_some<pipe_kind>, std::errc::bad_file_descriptor, 2},
      {"udp_receive", [] { return receive(udp_messages); }},
      {"udp_receive_from", [] { return receive_from(udp_messages); }},
      {"udp_receive_batch", [] { return receive_batch(udp_messages); }},
      {"unix_datagram_receive", [] { return receive(unix_messages); }},
      {"unix_datagram_send", [] { return sending(unix_messages); }, std::errc::bad_file_descriptor, 100},
      {"file_read", read_of_file},
      {"signal", wait_for_signal},
      {"process", wait_for_process, {}, 100},
      {"readable", wait_for_readable, {}},
      {"writable", wait_for_writable, {}},
      {"guarded", wait_for_guarded, {}},
      {"poll", wait_for_set, {}},
  };
}

}  // namespace sennit::test
