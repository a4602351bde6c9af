// Unix sockets that listen, stream and seqpacket: names, paths, credentials, connecting.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"
#include "net/unix_names.hpp"
#include "support/files.hpp"
#include "support/process_counts.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

struct stream_kind {
  using socket = unix_stream;
  using listener = unix_listener;
  static std::size_t read(socket& s, bytes& into) { return s.read_some(into); }
  static void write(socket& s, const bytes& from) { s.write_all(from); }
};

struct seqpacket_kind {
  using socket = unix_seqpacket;
  using listener = unix_seqpacket_listener;
  static std::size_t read(socket& s, bytes& into) { return s.receive(into).size; }
  static void write(socket& s, const bytes& from) { s.send(from); }
};

template <class Kind>
class unix_accept : public ::testing::Test {};
using kinds = ::testing::Types<stream_kind, seqpacket_kind>;
TYPED_TEST_SUITE(unix_accept, kinds);

template <class Kind>
void exchange(typename Kind::listener& listener, const endpoint& at) {
  auto client = Kind::socket::connect(at);
  auto server = listener.accept();
  EXPECT_EQ(server.local_endpoint(), at);
  EXPECT_EQ(client.remote_endpoint(), at);
  EXPECT_EQ(client.local_endpoint().host(), "") << "it has no name";
  bytes room(100);
  Kind::write(client, bytes(10));
  EXPECT_EQ(Kind::read(server, room), 10U);
  Kind::write(server, bytes(20));
  EXPECT_EQ(Kind::read(client, room), 20U);
  client.shutdown_send();
  EXPECT_EQ(Kind::read(server, room), 0U);
  Kind::write(server, bytes(30));
  EXPECT_EQ(Kind::read(client, room), 30U);
  for (const credentials& who : {client.peer_credentials(), server.peer_credentials()}) {
    EXPECT_EQ(who.pid, ::getpid());
    EXPECT_EQ(who.uid, ::geteuid());
    EXPECT_EQ(who.gid, ::getegid());
  }
}

TYPED_TEST(unix_accept, paths_and_abstract_names) {
  with_runtimes([] {
    const scratch_directory dir;
    for (const endpoint& at : {endpoint("unix:" + dir / "s"), abstract_name()}) {
      auto listener = TypeParam::listener::bind(at);
      EXPECT_EQ(listener.local_endpoint(), at);
      exchange<TypeParam>(listener, at);
    }
  });
}

TYPED_TEST(unix_accept, release_and_adopt) {
  with_runtimes([] {
    const auto at = abstract_name();
    auto first = TypeParam::listener::bind(at);
    auto again = TypeParam::listener::adopt(first.release());
    exchange<TypeParam>(again, at);
    EXPECT_EQ(code_of([] { static_cast<void>(TypeParam::listener::adopt(-1)); }), std::errc::bad_file_descriptor);
  });
}

TYPED_TEST(unix_accept, an_abstract_name_may_hold_any_byte) {
  with_runtimes([] {
    std::string name = abstract_name().to_string();
    name += '\0';
    name += "\xff/x";
    auto listener = TypeParam::listener::bind(name);
    exchange<TypeParam>(listener, name);
    EXPECT_EQ(code_of([&] { static_cast<void>(TypeParam::socket::connect(name.substr(0, name.find('\0')))); }),
              std::errc::connection_refused)
        << "the name does not end at its zero byte";
  });
}

TYPED_TEST(unix_accept, a_path_that_was_left_behind_is_in_the_way) {
  with_runtimes([] {
    const scratch_directory dir;
    const std::string path = dir / "s";
    const endpoint at("unix:" + path);
    auto listener = TypeParam::listener::bind(at);
    std::error_code ec;
    EXPECT_FALSE(TypeParam::listener::bind(at, {.replace_stale = true}, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_in_use) << "somebody listens there";
    listener.close();
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_FALSE(TypeParam::listener::bind(at, {}, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_in_use);
    listener = TypeParam::listener::bind(at, {.replace_stale = true});
    exchange<TypeParam>(listener, at);

    const std::string file = dir / "file";
    std::ofstream(file) << "precious";
    EXPECT_FALSE(TypeParam::listener::bind("unix:" + file, {.replace_stale = true}, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_in_use);
    EXPECT_EQ(std::filesystem::file_size(file), 8U);
    std::filesystem::create_symlink(path, dir / "link");
    EXPECT_FALSE(TypeParam::listener::bind("unix:" + dir / "link", {.replace_stale = true}, ec).is_open());
    EXPECT_EQ(ec, std::errc::address_in_use);
  });
}

TYPED_TEST(unix_accept, a_path_is_unlinked_once_if_asked_for) {
  with_runtimes([] {
    using listener = typename TypeParam::listener;
    const scratch_directory dir;
    const std::string path = dir / "s";
    const endpoint at("unix:" + path);
    auto first = listener::bind(at, {.unlink_on_close = true});
    first.close();
    EXPECT_FALSE(std::filesystem::exists(path));
    auto second = listener::bind(at, {.unlink_on_close = true});
    first.close();
    EXPECT_TRUE(std::filesystem::exists(path)) << "it is no longer the first one's";
    listener moved = std::move(second);
    second = listener();
    EXPECT_TRUE(std::filesystem::exists(path));
    { const listener gone = std::move(moved); }
    EXPECT_FALSE(std::filesystem::exists(path)) << "by the destructor";
    auto released = listener::bind(at, {.unlink_on_close = true});
    ::close(released.release());
    released.close();
    EXPECT_TRUE(std::filesystem::exists(path));
    std::filesystem::remove(path);
    {
      auto a = listener::bind(at, {.unlink_on_close = true});
      auto b = listener::bind("unix:" + dir / "t", {.unlink_on_close = true});
      std::swap(a, b);
      a.close();
      EXPECT_FALSE(std::filesystem::exists(dir / "t"));
      EXPECT_TRUE(std::filesystem::exists(path));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
  });
}

TYPED_TEST(unix_accept, errors_say_what_and_where) {
  with_runtimes([] {
    const scratch_directory dir;
    std::error_code ec;
    const auto code_of_bind = [&](const endpoint& at) {
      static_cast<void>(TypeParam::listener::bind(at, {}, ec));
      return ec;
    };
    const auto code_of_connect = [&](const endpoint& to) {
      static_cast<void>(TypeParam::socket::connect(to, ec));
      return ec;
    };
    EXPECT_EQ(code_of_bind("unix:" + dir / "no/s"), std::errc::no_such_file_or_directory);
    EXPECT_EQ(code_of_connect("unix:" + dir / "s"), std::errc::no_such_file_or_directory);
    EXPECT_EQ(code_of_connect(abstract_name()), std::errc::connection_refused);
    EXPECT_EQ(code_of_bind("127.0.0.1:0"), std::errc::address_family_not_supported);
    EXPECT_EQ(code_of_connect("localhost:1"), std::errc::address_family_not_supported);
    EXPECT_EQ(code_of_connect(endpoint()), std::errc::address_family_not_supported);
    try {
      static_cast<void>(TypeParam::socket::connect("unix:" + dir / "s"));
      ADD_FAILURE();
    } catch (const std::system_error& e) {
      EXPECT_NE(std::string(e.what()).find("connect to unix:" + dir / "s"), std::string::npos) << e.what();
    }
    typename TypeParam::socket none;
    EXPECT_EQ(code_of([&] { static_cast<void>(none.peer_credentials()); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(code_of([&] { static_cast<void>(none.local_endpoint()); }), std::errc::bad_file_descriptor);
  });
}

TYPED_TEST(unix_accept, a_full_backlog_holds_who_connects) {
  with_runtimes([] {
    const endpoint at = abstract_name();
    auto listener = TypeParam::listener::bind(at, {.backlog = 1});
    std::vector<typename TypeParam::socket> held;
    std::error_code ec;
    for (;;) {
      held.push_back(TypeParam::socket::connect(at, std::chrono::steady_clock::now() + 2ms, ec));
      if (ec) break;
    }
    EXPECT_EQ(ec, sennit::error::deadline_passed);
    EXPECT_GE(held.size(), 2U);
    stop_source source;
    source.request_stop();
    EXPECT_FALSE(TypeParam::socket::connect(at, ec, source.get_token()).is_open());
    EXPECT_EQ(ec, std::errc::operation_canceled);
    scope s;
    s.spawn([&] { EXPECT_TRUE(TypeParam::socket::connect(at).is_open()); });
    for (std::size_t i = 0; i < held.size(); ++i) EXPECT_TRUE(listener.accept().is_open());
    s.join();
  });
}

TYPED_TEST(unix_accept, deadline_ends_an_accept_and_pairs_leave_nothing) {
  with_runtimes([] {
    const std::size_t before = open_descriptors();
    {
      auto listener = TypeParam::listener::bind(abstract_name());
      listener.expires_after(2ms);
      EXPECT_EQ(code_of([&] { static_cast<void>(listener.accept()); }), std::errc::timed_out);
      auto [a, b] = TypeParam::socket::pair();
      bytes room(10);
      TypeParam::write(a, bytes(3));
      EXPECT_EQ(TypeParam::read(b, room), 3U);
      auto again = TypeParam::socket::adopt(a.release());
      TypeParam::write(again, bytes(4));
      EXPECT_EQ(TypeParam::read(b, room), 4U);
      EXPECT_EQ(code_of([] { static_cast<void>(TypeParam::socket::adopt(-1)); }), std::errc::bad_file_descriptor);
    }
    EXPECT_EQ(open_descriptors(), before);
  });
}

TEST(unix_seqpacket, messages_keep_their_bounds) {
  with_runtimes([] {
    auto [a, b] = unix_seqpacket::pair();
    a.send(random_bytes(100, 1));
    a.send(random_bytes(5, 2));
    bytes room(10);
    received got = b.receive(room);
    EXPECT_EQ(got.size, 10U);
    EXPECT_TRUE(got.truncated);
    got = b.receive(room);
    EXPECT_EQ(got.size, 5U);
    EXPECT_FALSE(got.truncated);
    EXPECT_EQ(code_of([&] { a.send({}); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { a.send(bytes(64 << 20)); }), std::errc::message_size);
    a.close();
    EXPECT_EQ(b.receive(room).size, 0U);
    EXPECT_EQ(code_of([&] { b.send(room); }), std::errc::broken_pipe);
    EXPECT_EQ(code_of([&] { a.send(room); }), std::errc::bad_file_descriptor);
  });
}

TEST(unix_seqpacket, a_slow_receiver_gets_every_message) {
  with_runtimes([] {
    auto [a, b] = unix_seqpacket::pair();
    park_probe sending;
    scope s;
    const std::size_t count = 2000 + scaled(20'000);  // the kernel holds some hundreds
    s.spawn([&] {
      sending.here();
      for (std::size_t i = 0; i < count; ++i) a.send(random_bytes(1 + i % 500, static_cast<std::uint32_t>(i)));
      a.close();
    });
    sending.await_parked();
    bytes room(500);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(b.receive(room).size, 1 + i % 500);
      ASSERT_EQ(bytes(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(1 + i % 500)),
                random_bytes(1 + i % 500, static_cast<std::uint32_t>(i)));
    }
    EXPECT_EQ(b.receive(room).size, 0U);
    s.join();
  });
}

}  // namespace
}  // namespace sennit::test
