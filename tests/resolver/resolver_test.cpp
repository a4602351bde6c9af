// What resolve() and resolve_service() answer, and their errors, against a server that says what each test needs.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>
#include <vector>

#include <sennit/resolver.hpp>
#include <sennit/sennit.hpp>

#include "resolver/asked.hpp"
#include "support/process_counts.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;
using answers = std::vector<dns_server::answer>;
using texts_of = std::vector<std::string>;

class resolver_answers : public runtimes {};
INSTANTIATE_RUNTIMES(resolver_answers);

/// The code that a lookup of "host.example" ends with.
std::error_code asked_for(resolver& r, std::string_view name = "host.example") {
  std::error_code ec;
  const auto found = r.resolve(name, "80", ec);
  EXPECT_EQ(found.empty(), static_cast<bool>(ec)) << ec.message();
  return ec;
}

texts_of sorted(std::vector<endpoint> found) {
  texts_of all = texts(found);
  std::ranges::sort(all);
  return all;
}

/// A file that is there as long as this.
class temporary_file {
 public:
  explicit temporary_file(const std::string& text) {
    std::string path = testing::TempDir() + "sennit-resolver-XXXXXX";
    const unique_fd fd(checked(::mkstemp(path.data()), "mkstemp"));
    path_ = path;
    write(text);
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() { ::unlink(path_.c_str()); }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

TEST_P(resolver_answers, both_families_with_the_port) {
  dns_server server([](const dns_question& q) { return answers{both_addresses(q)}; });
  run([&] {
    resolver r(asking(server.at()));
    EXPECT_EQ(sorted(r.resolve("host.example", "443")), (texts_of{"192.0.2.1:443", "[2001:db8::1]:443"}));
    EXPECT_EQ(sorted(r.resolve("host.example.", "")), (texts_of{"192.0.2.1:0", "[2001:db8::1]:0"}));
    EXPECT_EQ(server.questions(), 4U);
  });
}

TEST_P(resolver_answers, one_family_is_enough) {
  for (const auto family : {dns::a, dns::aaaa}) {
    for (const auto other : {dns::no_error, dns::name_error, dns::server_failure}) {
      dns_server server(
          [&](const dns_question& q) { return answers{q.type == family ? both_addresses(q) : dns_reply(q, other)}; });
      run([&] {
        resolver r(asking(server.at()));
        EXPECT_EQ(r.resolve("host.example", "1").size(), 1U) << family << " " << other;
      });
    }
  }
}

TEST_P(resolver_answers, an_alias_is_followed) {
  dns_server server([](const dns_question& q) {
    const std::string target = dns_reply::wire_name("real.example");
    dns_reply reply(q);
    reply.record(dns::cname, target);
    const in_addr address{htonl(0xc0000207)};
    if (q.type == dns::a) reply.record(target, dns::a, {reinterpret_cast<const char*>(&address), sizeof address});
    return answers{reply};
  });
  run([&] {
    resolver r(asking(server.at()));
    EXPECT_EQ(texts(r.resolve("alias.example", "80")), texts_of{"192.0.2.7:80"});
  });
}

TEST_P(resolver_answers, errors_name_the_name_and_compare) {
  std::atomic<std::uint16_t> code{dns::name_error};
  dns_server server([&](const dns_question& q) { return answers{dns_reply(q, code)}; });
  run([&] {
    resolver r(asking(server.at()));
    try {
      r.resolve("nobody.example", "80");
      FAIL() << "found";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), resolver_errc::not_found);
      EXPECT_EQ(e.code(), std::errc::address_not_available);
      EXPECT_STREQ(e.what(), "sennit: resolve nobody.example: no such name");
    }
    EXPECT_EQ(code_of([&] { r.resolve_service("_a._tcp.example"); }), resolver_errc::not_found);
    code = dns::no_error;
    EXPECT_EQ(asked_for(r), resolver_errc::no_data);
    EXPECT_EQ(code_of([&] { r.resolve_service("_a._tcp.example"); }), resolver_errc::no_data);
    code = dns::server_failure;
    EXPECT_EQ(asked_for(r), resolver_errc::server_failed);
    EXPECT_EQ(asked_for(r), std::errc::io_error);
    code = dns::refused;
    EXPECT_EQ(asked_for(r), resolver_errc::refused);
    EXPECT_EQ(asked_for(r), std::errc::permission_denied);
  });
}

TEST_P(resolver_answers, another_server_is_asked_if_one_fails) {
  dns_server bad([](const dns_question& q) { return answers{dns_reply(q, dns::server_failure)}; });
  dns_server good([](const dns_question& q) { return answers{both_addresses(q)}; });
  run([&] {
    auto o = asking(bad.at());
    o.servers.push_back(good.at());
    resolver r(o);
    EXPECT_EQ(r.resolve("host.example", "80").size(), 2U);
    EXPECT_EQ(bad.questions(), 2U);
    EXPECT_EQ(good.questions(), 2U);
  });
}

TEST_P(resolver_answers, without_an_answer_it_asks_again_and_then_times_out) {
  dns_server server([](const dns_question&) { return answers{}; });
  run([&] {
    auto o = asking(server.at());
    o.timeout = 10ms;
    o.attempts = 3;
    resolver r(o);
    const auto ec = asked_for(r);
    EXPECT_EQ(ec, resolver_errc::timed_out);
    EXPECT_EQ(ec, std::errc::timed_out);
    until([&] { return server.questions() == 6; });  // three times, of two kinds
  });
}

TEST_P(resolver_answers, a_lost_answer_is_asked_for_again) {
  std::atomic<int> lost{2};
  dns_server server([&](const dns_question& q) { return lost-- > 0 ? answers{} : answers{both_addresses(q)}; });
  run([&] {
    auto o = asking(server.at());
    o.timeout = 10ms;
    o.attempts = 5;
    resolver r(o);
    EXPECT_EQ(r.resolve("host.example", "80").size(), 2U);
  });
}

TEST_P(resolver_answers, a_late_answer_counts) {
  dns_server server([](const dns_question& q) { return answers{{both_addresses(q).bytes(), 20ms}}; });
  run([&] {
    resolver r(asking(server.at()));
    EXPECT_EQ(r.resolve("host.example", "80").size(), 2U);
  });
}

TEST_P(resolver_answers, no_server_there_is_told_at_once) {
  sockaddr_in nobody{};
  static_cast<void>(tcp_listener(nobody));
  run([&] {
    resolver r(asking(endpoint("127.0.0.1", ntohs(nobody.sin_port))));
    EXPECT_EQ(asked_for(r), resolver_errc::no_server);
    EXPECT_EQ(asked_for(r), std::errc::connection_refused);
  });
}

TEST_P(resolver_answers, what_does_not_fit_comes_by_tcp) {
  dns_server server([](const dns_question& q) {
    if (!q.tcp) return answers{dns_reply(q, dns::truncated)};
    dns_reply reply(q);
    for (int i = 1; q.type == dns::a && i <= 250; ++i) reply.a(("192.0.2." + std::to_string(i)).c_str());
    return answers{reply};
  });
  run([&] {
    resolver r(asking(server.at()));
    EXPECT_EQ(r.resolve("host.example", "80").size(), 250U);
    EXPECT_EQ(server.tcp_questions(), 2U);
  });
}

TEST_P(resolver_answers, a_server_that_hangs_up_is_an_error_without_a_signal) {
  dns_server server([](const dns_question& q) {
    if (!q.tcp) return answers{dns_reply(q, dns::truncated)};
    dns_server::answer none{std::string()};
    none.hang_up = true;
    return answers{none};
  });
  run([&] {
    auto o = asking(server.at());
    o.timeout = 50ms;
    o.attempts = 2;
    resolver r(o);
    EXPECT_TRUE(asked_for(r));
  });
  // The same on a thread that does not block SIGPIPE.
  auto o = asking(server.at());
  o.timeout = 50ms;
  o.attempts = 2;
  resolver r(o);
  EXPECT_TRUE(asked_for(r));
}

TEST_P(resolver_answers, lies_are_not_believed) {
  // Before the truth comes: the wrong number, another name, another type, noise.
  dns_server server([](const dns_question& q) {
    const auto lie = [&](const dns_question& as) { return dns_reply(as).a("203.0.113.66"); };
    dns_question other_id = q;
    ++other_id.id;
    dns_question other_name = q;
    other_name.name = "evil.example";
    dns_question other_type = q;
    other_type.type = 16;
    return answers{lie(other_id), lie(other_name),  lie(other_type), std::string("x"), std::string(600, '\xff'),
                   std::string(), both_addresses(q)};
  });
  run([&] {
    resolver r(asking(server.at()));
    EXPECT_EQ(sorted(r.resolve("host.example", "80")), (texts_of{"192.0.2.1:80", "[2001:db8::1]:80"}));
  });
}

TEST_P(resolver_answers, malformed_answers_are_errors) {
  // What follows the question is not what it says it is.
  std::vector<std::function<dns_reply(const dns_question&)>> makes;
  makes.emplace_back([](const dns_question& q) {  // a name that points to itself
    dns_reply reply(q);
    const std::string self{static_cast<char>(0xc0), static_cast<char>(reply.size())};
    return reply.record(self, q.type, std::string(4, 'x'));
  });
  makes.emplace_back([](const dns_question& q) {  // two names that point to each other
    dns_reply reply(q);
    std::string pair{'\x01', 'a', static_cast<char>(0xc0), static_cast<char>(reply.size())};
    return reply.record(pair, q.type, std::string(4, 'x'));
  });
  makes.emplace_back([](const dns_question& q) {  // beyond the end of the message
    return dns_reply(q).record("\xff\xff", q.type, std::string(4, 'x'));
  });
  makes.emplace_back([](const dns_question& q) {  // an alias for nothing
    return dns_reply(q).record(dns::cname, "\xc0");
  });
  makes.emplace_back([](const dns_question& q) {  // a record that is cut off
    dns_reply reply(q);
    return reply.record(std::string("\xc0\x0c\0", 3), 0, "");
  });
  makes.emplace_back([](const dns_question& q) {  // a service that is cut off
    return dns_reply(q).record(dns::srv, "\0\1\0");
  });
  for (std::size_t i = 0; i < makes.size(); ++i) {
    dns_server server([&](const dns_question& q) { return answers{makes[i](q)}; });
    run([&] {
      auto o = asking(server.at());
      o.timeout = 50ms;
      o.attempts = 1;
      resolver r(o);
      const auto ec = asked_for(r);
      EXPECT_TRUE(ec == resolver_errc::bad_response || ec == resolver_errc::no_data) << i << ": " << ec.message();
      std::error_code service;
      EXPECT_TRUE(r.resolve_service("_a._tcp.example", service).empty());
      EXPECT_TRUE(service == resolver_errc::bad_response || service == resolver_errc::no_data)
          << i << ": " << service.message();
    });
  }
}

TEST_P(resolver_answers, numbers_and_localhost_ask_nobody) {
  dns_server server([](const dns_question& q) { return answers{both_addresses(q)}; });
  run([&] {
    resolver r(asking(server.at()));
    EXPECT_EQ(texts(r.resolve("192.0.2.9", "80")), texts_of{"192.0.2.9:80"});
    EXPECT_EQ(texts(r.resolve("2001:db8::9", "80")), texts_of{"[2001:db8::9]:80"});
    EXPECT_EQ(texts(r.resolve("localhost", "80")), (texts_of{"[::1]:80", "127.0.0.1:80"}));
    EXPECT_EQ(texts(r.resolve("a.LocalHost.", "80")), (texts_of{"[::1]:80", "127.0.0.1:80"}));
    EXPECT_EQ(server.questions(), 0U);
  });
}

TEST_P(resolver_answers, bad_input_asks_nobody) {
  dns_server server([](const dns_question& q) { return answers{both_addresses(q)}; });
  run([&] {
    resolver r(asking(server.at()));
    EXPECT_EQ(asked_for(r, std::string(64, 'a')), resolver_errc::name_too_long);
    EXPECT_EQ(asked_for(r, std::string(64, 'a')), std::errc::filename_too_long);
    EXPECT_EQ(asked_for(r, std::string(1 << 20, 'a')), resolver_errc::name_too_long);
    EXPECT_EQ(asked_for(r, ""), resolver_errc::bad_name);
    EXPECT_EQ(asked_for(r, std::string_view("a\0b", 3)), std::errc::invalid_argument);
    EXPECT_EQ(asked_for(r, "1.2.3"), resolver_errc::bad_name);
    std::error_code ec;
    for (const char* service : {"65536", "-1", "no such service", "80 "}) {
      EXPECT_TRUE(r.resolve("host.example", service, ec).empty());
      EXPECT_EQ(ec, resolver_errc::bad_service) << service;
    }
    EXPECT_EQ(code_of([&] { r.resolve_service(std::string(300, 'a')); }), resolver_errc::name_too_long);
    try {
      r.resolve(std::string(300, 'a') + "\n", "80");
    } catch (const std::system_error& e) {
      EXPECT_LT(std::string(e.what()).size(), 200U) << e.what();
    }
    resolver moved(std::move(r));
    EXPECT_EQ(asked_for(r), std::errc::invalid_argument);  // NOLINT(bugprone-use-after-move): what we test
    EXPECT_FALSE(asked_for(moved));
    EXPECT_EQ(server.questions(), 2U);
  });
}

TEST_P(resolver_answers, the_hosts_file_comes_first_and_may_change) {
  dns_server server([](const dns_question& q) { return answers{both_addresses(q)}; });
  const temporary_file hosts(
      "# comment\n192.0.2.10\tHost.example alias # more\n2001:db8::10 host.example\r\n"
      "nonsense host.example\n192.0.2.11\n   192.0.2.12 last");
  run([&] {
    auto o = asking(server.at());
    o.hosts_file = hosts.path();
    resolver r(o);
    EXPECT_EQ(texts(r.resolve("hOST.Example.", "80")), (texts_of{"192.0.2.10:80", "[2001:db8::10]:80"}));
    EXPECT_EQ(texts(r.resolve("alias", "80")), texts_of{"192.0.2.10:80"});
    EXPECT_EQ(texts(r.resolve("last", "80")), texts_of{"192.0.2.12:80"});
    EXPECT_EQ(server.questions(), 0U);
    hosts.write("192.0.2.20 other.example # of another length\n");
    EXPECT_EQ(texts(r.resolve("other.example", "80")), texts_of{"192.0.2.20:80"});
    EXPECT_EQ(r.resolve("alias", "80").size(), 2U);
    EXPECT_EQ(server.questions(), 2U);
  });
}

TEST_P(resolver_answers, search_domains_complete_a_name) {
  dns_server server([](const dns_question& q) {
    return answers{q.name == "www.b.example" ? both_addresses(q) : dns_reply(q, dns::name_error)};
  });
  const temporary_file config("search a.example b.example\noptions ndots:1\n");
  run([&] {
    auto o = asking(server.at());
    o.search = {"a.example", "b.example"};
    resolver given(o);
    EXPECT_EQ(given.resolve("www", "80").size(), 2U);
    o.search = {"a.example"};
    resolver elsewhere(o);
    EXPECT_EQ(asked_for(elsewhere, "www"), resolver_errc::not_found);
    o.search.reset();
    o.config_file = config.path();
    resolver configured(o);
    EXPECT_EQ(configured.resolve("www", "80").size(), 2U);
    EXPECT_EQ(asked_for(configured, "www."), resolver_errc::not_found) << "absolute";
  });
}

TEST_P(resolver_answers, services_in_the_order_of_their_priority) {
  dns_server server([](const dns_question& q) {
    if (q.name != "_xmpp._tcp.example") return answers{dns_reply(q).srv(0, 0, 0, "")};
    return answers{dns_reply(q).srv(20, 0, 3, "c.example").srv(10, 5, 1, "a.example").srv(10, 0, 2, "b.example")};
  });
  run([&] {
    resolver r(asking(server.at()));
    auto found = r.resolve_service("_xmpp._tcp.example");
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[2], (service_record{"c.example", 3, 20, 0}));
    EXPECT_EQ(found[0].priority, 10);
    EXPECT_EQ(found[1].priority, 10);
    EXPECT_NE(found[0].target, found[1].target);
    EXPECT_EQ(code_of([&] { r.resolve_service("_gone._tcp.example"); }), resolver_errc::no_data)
        << "the root as the target: there is no such service";
  });
}

TEST_P(resolver_answers, what_is_found_can_be_connected_to) {
  dns_server server([](const dns_question& q) {
    return answers{q.type == dns::a ? dns_reply(q).a("127.0.0.2").a("127.0.0.1") : dns_reply(q)};
  });
  run([&] {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    resolver r(asking(server.at()));
    const auto port = std::to_string(listener.local_endpoint().port());
    const auto stream = tcp_stream::connect(r.resolve("host.example", port));
    EXPECT_EQ(stream.remote_endpoint(), listener.local_endpoint());
  });
}

TEST(resolver_options, without_sense_are_refused) {
  const auto refused = [](auto change) {
    auto o = asking("127.0.0.1:53");
    change(o);
    return code_of([&] { resolver r(o); }) == std::errc::invalid_argument;
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& o) { o.timeout = 0ms; }));
  EXPECT_TRUE(refused([](auto& o) { o.timeout = -1h; }));
  EXPECT_TRUE(refused([](auto& o) { o.timeout = 1000h; }));
  EXPECT_TRUE(refused([](auto& o) { o.attempts = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.ndots = -1; }));
  EXPECT_TRUE(refused([](auto& o) { o.servers.emplace_back("dns.example:53"); }));
  EXPECT_TRUE(refused([](auto& o) { o.servers.emplace_back("unix:/dns"); }));
}

TEST(resolver_options, the_default_is_the_machines_own_configuration) {
  resolver r;
  EXPECT_FALSE(r.resolve("localhost", "80").empty());
}

}  // namespace
}  // namespace sennit::test
