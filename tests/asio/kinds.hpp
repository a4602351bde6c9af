#pragma once
// The streams of sennit that are tested below asio: TLS among them, where it is built.
#include <type_traits>

#include <sennit/sennit.hpp>

#include "net/streams.hpp"
#if defined(SENNIT_TEST_TLS)
#include "tls/tls_ends.hpp"
#endif

namespace sennit::test {

#if defined(SENNIT_TEST_TLS)
template <class... More>
using asio_kinds = ::testing::Types<tcp_kind, unix_kind, tls_kind, More...>;
#else
template <class... More>
using asio_kinds = ::testing::Types<tcp_kind, unix_kind, More...>;
#endif

template <class Kind>
constexpr bool is_socket = std::is_same_v<Kind, tcp_kind> || std::is_same_v<Kind, unix_kind>;

}  // namespace sennit::test
