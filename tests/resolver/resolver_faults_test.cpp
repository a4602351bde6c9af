// The resolver when its system calls fail, and while signals interrupt them.
#include <gtest/gtest.h>

#include <sennit/runtime.hpp>
#include <sennit/scope.hpp>

#include "resolver/asked.hpp"
#include "support/baton.hpp"
#include "support/faulty_host.hpp"
#include "support/process_counts.hpp"
#include "support/runtimes.hpp"
#include "support/signal_storm.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

struct fault {
  host_call call;
  std::vector<int> errors;
  bool mended = false;  // the answer comes all the same
};

// A datagram that could not be sent is one that was lost: it is sent again.
const std::vector<fault> all_faults{
    {host_call::socket, {EACCES, EAFNOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM}},
    {host_call::connect, {EACCES, EADDRNOTAVAIL, ECONNREFUSED, ENETUNREACH, EPERM, ETIMEDOUT}},
    {host_call::sendmsg, {EACCES, ECONNREFUSED, ECONNRESET, EMSGSIZE, ENETUNREACH, ENOBUFS, ENOMEM, EPERM, EPIPE}},
    {host_call::recvmsg, {ECONNREFUSED, ECONNRESET, EIO, ENOMEM, ENOTCONN, ETIMEDOUT}},
    {host_call::setsockopt, {EINVAL, ENOBUFS, ENOMEM, ENOPROTOOPT}, true},
    {host_call::close, {EINTR, EIO}, true},
    {host_call::sendmsg, {EINTR}, true},
    {host_call::recvmsg, {EINTR}, true},
};

TEST(resolver_faults, every_error_of_every_call_is_an_answer_or_a_code) {
  faulty_host outside;
  runtime rt({.workers = 1, .stall_threshold = {}, .host = &outside});
  std::size_t before = 0;
  // By UDP, and where that is cut by TCP.
  for (const bool cut : {false, true}) {
    dns_server server([cut](const dns_question& q) {
      if (cut && !q.tcp) return std::vector<dns_server::answer>{dns_reply(q, dns::truncated)};
      return std::vector<dns_server::answer>{both_addresses(q)};
    });
    const auto lookup = [&] {
      std::error_code ec;
      rt.run([&] {
        auto o = asking(server.at());
        o.timeout = 20ms;
        o.attempts = 3;
        resolver r(o);
        const auto found = r.resolve("host.example", "80", std::chrono::steady_clock::now() + 60s, ec);
        EXPECT_EQ(found.empty(), static_cast<bool>(ec)) << ec.message();
      });
      EXPECT_NE(ec, error::deadline_passed) << "it hung";
      return ec;
    };
    outside.disarm();
    ASSERT_FALSE(lookup());
    std::array<std::size_t, static_cast<std::size_t>(host_call::count)> calls{};
    for (std::size_t c = 0; c < calls.size(); ++c) calls[c] = outside.calls(static_cast<host_call>(c));
    if (before == 0) before = open_descriptors();  // the runtime has what it keeps, the server no connection
    for (const fault& f : all_faults) {
      for (std::size_t nth = 0; nth < calls[static_cast<std::size_t>(f.call)]; ++nth) {
        for (const int error : f.errors) {
          outside.arm(f.call, nth, error);
          const std::error_code ec = lookup();
          EXPECT_FALSE(f.mended && ec) << error << ": " << ec.message();
          ASSERT_TRUE(spin_until([&] { return open_descriptors() == before; }, 20s)) << "leaked: " << error;
          ASSERT_EQ(outside.bad_closes(), 0U) << error;
        }
      }
    }
    outside.disarm();
    EXPECT_FALSE(lookup()) << "nothing is left of it";
  }
}

TEST(resolver_faults, signals_disturb_no_lookup) {
  // Hazard 17.
  dns_server server([](const dns_question& q) { return std::vector<dns_server::answer>{both_addresses(q)}; });
  const std::size_t before = signal_storm::count();
  {
    const signal_storm storm;
    sennit::run({.workers = 2, .stall_threshold = {}}, [&] {
      auto o = asking(server.at());
      o.timeout = 500ms;
      o.attempts = 20;  // datagrams may be lost
      resolver r(o);
      scope s;
      for (int f = 0; f < 8; ++f) {
        s.spawn([&] {
          for (std::size_t i = 0; i < scaled(5000); ++i) {
            std::error_code ec;
            EXPECT_EQ(r.resolve("host.example", "80", ec).size(), 2U) << ec.message();
          }
        });
      }
      s.join();
    });
  }
  EXPECT_GT(signal_storm::count() - before, 10U);
}

}  // namespace
}  // namespace sennit::test
