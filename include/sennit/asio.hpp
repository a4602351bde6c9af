#pragma once
// Streams for code that is written against Boost.Asio and Boost.Beast: what those call synchronous, fibers wait in.
// Component sennit::asio, header-only, on Boost 1.74 or later. Include it before Asio's headers, which in 1.74 forget
// one of the standard library's under C++20.
//
//   boost::beast::websocket::stream<sennit::asio_stream<sennit::tcp_stream>> ws(listener.accept());
//   ws.accept();
#include <array>
#include <map>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include <sennit/detail/stream_concepts.hpp>
#include <sennit/error.hpp>

// clang-format off: after <utility>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/role.hpp>
// clang-format on

namespace sennit::inline v0 {

namespace detail {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"  // the base's destructor is protected, and this class final
/// A category of the standard library's, as Boost sees it: its messages stay, and codes compare with boost's errc.
class boost_category final : public boost::system::error_category {
 public:
  explicit boost_category(const std::error_category& of) noexcept : of_(&of) {}
  [[nodiscard]] const char* name() const noexcept override { return of_->name(); }
  [[nodiscard]] std::string message(int code) const override { return of_->message(code); }
  [[nodiscard]] boost::system::error_condition default_error_condition(int code) const noexcept override {
    const std::error_condition is = of_->default_error_condition(code);
    if (is.category() != std::generic_category()) return {code, *this};
    return {is.value(), boost::system::generic_category()};
  }

  /// The one for `of`. Any thread; throws std::bad_alloc.
  static const boost_category& made_of(const std::error_category& of) {
    struct table {
      std::mutex lock;  // held over no wait
      std::map<const std::error_category*, boost_category> made;
    };
    static auto* const all = new table;  // never destroyed, as codes may outlive everything
    const std::lock_guard guard(all->lock);
    return all->made.try_emplace(&of, of).first->second;
  }

 private:
  const std::error_category* of_;
};
#pragma GCC diagnostic pop

/// What asio_stream::get_executor() speaks for. Nobody runs it: a handler that is given to it stays there.
inline boost::asio::io_context& idle_context() {
  static auto* const it = new boost::asio::io_context;  // never destroyed: streams may outlive what is
  return *it;
}

}  // namespace detail

/// The same error as Boost's. What the system knows compares with boost::asio::error, sennit's own codes too: a
/// deadline that has passed is timed_out, a stop operation_aborted, error::end_of_stream eof. Other categories keep
/// name and message.
inline boost::system::error_code to_boost(const std::error_code& ec) {
  if (!ec) return {};
  if (ec == error::end_of_stream) return boost::asio::error::eof;
  if (ec.category() == std::system_category() || ec.category() == std::generic_category())
    return {ec.value(), boost::system::system_category()};
  if (ec.category() == category()) return {ec.default_error_condition().value(), boost::system::system_category()};
  return {ec.value(), detail::boost_category::made_of(ec.category())};
}

/// A tcp_stream, unix_stream or tls_stream, or whatever has their read_some() and write_some(), as Asio's
/// SyncReadStream and SyncWriteStream. Owns the stream, or refers to it: asio_stream<tcp_stream&>. Threads as of the
/// stream.
///
/// Where it waits a fiber parks. Waits are bounded by the stream's own deadline (next_layer().expires_after()), by the
/// scope around them, and by set_stop_token(). There are no asynchronous operations.
template <class Stream>
  requires detail::readable<Stream> && detail::writable<Stream>
class asio_stream {
 public:
  using next_layer_type = std::remove_reference_t<Stream>;
  using lowest_layer_type = asio_stream;
  using executor_type = boost::asio::io_context::executor_type;

  /// From what the stream can be made of, the stream itself above all.
  template <class... Args>
    requires std::is_constructible_v<Stream, Args...> && (sizeof...(Args) != 0)
  explicit asio_stream(Args&&... args) : stream_(std::forward<Args>(args)...) {}

  [[nodiscard]] next_layer_type& next_layer() noexcept { return stream_; }
  [[nodiscard]] const next_layer_type& next_layer() const noexcept { return stream_; }
  [[nodiscard]] lowest_layer_type& lowest_layer() noexcept { return *this; }
  [[nodiscard]] const lowest_layer_type& lowest_layer() const noexcept { return *this; }
  /// For libraries that ask for one. Its context never runs.
  [[nodiscard]] executor_type get_executor() const { return detail::idle_context().get_executor(); }

  /// From now on a stop of this token ends each wait.
  void set_stop_token(stop_token token) noexcept { stop_ = std::move(token); }

  /// Reads at least one byte, unless the buffers have no room; boost::asio::error::eof at the end of the stream. Codes
  /// are those of the stream, as to_boost() gives them. Throws boost::system::system_error.
  template <class MutableBufferSequence>
  std::size_t read_some(const MutableBufferSequence& buffers, boost::system::error_code& ec) {
    const parts<detail::read_buffer> into(boost::asio::buffer_sequence_begin(buffers),
                                          boost::asio::buffer_sequence_end(buffers));
    std::error_code code;
    std::size_t count = 0;
    if constexpr (detail::reads_lists<next_layer_type>) {
      if (into.count > 1) {
        count = stream_.read_some(detail::buffer_list<detail::read_buffer>(into.list()), code, stop_);
      } else {
        count = stream_.read_some(into.front(), code, stop_);
      }
    } else {
      count = stream_.read_some(into.front(), code, stop_);
    }
    ec = to_boost(code);
    if (!code && count == 0 && into.count != 0) ec = boost::asio::error::eof;
    return count;
  }
  template <class MutableBufferSequence>
  std::size_t read_some(const MutableBufferSequence& buffers) {
    boost::system::error_code ec;
    const std::size_t count = read_some(buffers, ec);
    if (ec) throw boost::system::system_error(ec, "read_some");
    return count;
  }

  /// Writes at least one byte, unless the buffers are empty. Errors as above.
  template <class ConstBufferSequence>
  std::size_t write_some(const ConstBufferSequence& buffers, boost::system::error_code& ec) {
    const parts<detail::write_buffer> from(boost::asio::buffer_sequence_begin(buffers),
                                           boost::asio::buffer_sequence_end(buffers));
    std::error_code code;
    std::size_t count = 0;
    if constexpr (detail::writes_lists<next_layer_type>) {
      if (from.count > 1) {
        count = stream_.write_some(detail::buffer_list<detail::write_buffer>(from.list()), code, stop_);
      } else {
        count = stream_.write_some(from.front(), code, stop_);
      }
    } else {
      count = stream_.write_some(from.front(), code, stop_);
    }
    ec = to_boost(code);
    return count;
  }
  template <class ConstBufferSequence>
  std::size_t write_some(const ConstBufferSequence& buffers) {
    boost::system::error_code ec;
    const std::size_t count = write_some(buffers, ec);
    if (ec) throw boost::system::system_error(ec, "write_some");
    return count;
  }

 private:
  /// The first buffers of a sequence that are not empty.
  template <class Span>
  struct parts {
    template <class Iterator>
    parts(Iterator it, const Iterator& end) {
      using buffer = std::conditional_t<std::is_same_v<Span, detail::read_buffer>, boost::asio::mutable_buffer,
                                        boost::asio::const_buffer>;
      for (; it != end && count < all.size(); ++it) {
        const buffer b(*it);
        if (b.size() != 0) all[count++] = Span(static_cast<typename Span::pointer>(b.data()), b.size());
      }
    }
    [[nodiscard]] std::span<const Span> list() const noexcept { return std::span(all).first(count); }
    [[nodiscard]] Span front() const noexcept { return all[0]; }

    std::array<Span, 16> all;
    std::size_t count = 0;
  };

  Stream stream_;
  stop_token stop_;
};

template <class Stream>
asio_stream(Stream) -> asio_stream<Stream>;

/// What Beast's websocket does to the connection when it is done with it, found by argument-dependent lookup: the
/// server ends its side first, both wait for the other's end, then it is closed. The wait is bounded as every other.
template <class Stream>
void teardown(boost::beast::role_type role, asio_stream<Stream>& stream, boost::system::error_code& ec) {
  auto& next = stream.next_layer();
  const auto end_our_side = [&] {
    if constexpr (requires(std::error_code& code) { next.shutdown_send(code); }) {
      std::error_code code;
      next.shutdown_send(code);
      ec = to_boost(code);
    }
  };
  ec = {};
  if (role == boost::beast::role_type::server) end_our_side();
  std::array<char, 2048> dropped;
  while (!ec) stream.read_some(boost::asio::buffer(dropped), ec);
  if (ec != boost::asio::error::eof) return;
  ec = {};
  if (role == boost::beast::role_type::client) end_our_side();
  if (!ec) next.close();
}

/// What boost::beast::close_socket() calls for a stream of sennit's.
template <class Stream>
void beast_close_socket(Stream& stream) noexcept
  requires requires { stream.close(); }
{
  stream.close();
}

}  // namespace sennit::inline v0
