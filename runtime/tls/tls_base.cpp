#include <array>
#include <new>

#include <sennit/detail/tls_base.hpp>
#include <sennit/error.hpp>

#include "tls/tls_core.hpp"

namespace sennit::inline v0::detail {
namespace {

/// f(core), with what it throws as a code: a stream below may throw, and memory may be short.
template <class F>
auto guarded(tls_core* core, std::error_code& ec, F&& f) {
  using result = decltype(f(*core));
  try {
    ec.clear();
    if (core != nullptr) return f(*core);
    ec = std::make_error_code(std::errc::bad_file_descriptor);
  } catch (const std::system_error& e) {
    ec = e.code();
  } catch (const std::bad_alloc&) {
    ec = std::make_error_code(std::errc::not_enough_memory);
  }
  return result();
}

}  // namespace

tls_base::tls_base(std::unique_ptr<tls_transport> next, const tls_context& context)
    : core_(std::make_unique<tls_core>(std::move(next), context)) {}
tls_base::tls_base(tls_base&&) noexcept = default;
tls_base& tls_base::operator=(tls_base&&) noexcept = default;
tls_base::~tls_base() = default;

tls_transport* tls_base::transport() const noexcept { return core_ != nullptr ? core_->transport() : nullptr; }

void tls_base::throw_of(const std::error_code& ec, const char* operation) const {
  if (!ec) return;
  std::string what = std::string("sennit: tls ") + operation;
  if (core_ != nullptr) {
    if (const std::string who = core_->peer_text(); !who.empty()) what += ", " + who;
  }
  throw std::system_error(ec, what);
}

template <class F>
auto tls_base::or_throw(const char* operation, F&& f) {
  std::error_code ec;
  if constexpr (std::is_void_v<decltype(f(ec))>) {
    f(ec);
    throw_of(ec, operation);
  } else {
    const auto result = f(ec);
    throw_of(ec, operation);
    return result;
  }
}

void tls_base::handshake_as_client(std::string_view host, std::error_code& ec, const stop_token& stop) {
  guarded(core_.get(), ec, [&](tls_core& c) { c.handshake_as_client(host, ec, stop); });
}

void tls_base::handshake_as_server(std::error_code& ec, const stop_token& stop) {
  guarded(core_.get(), ec, [&](tls_core& c) { c.handshake_as_server(ec, stop); });
}

std::size_t tls_base::read_some(buffer into, std::error_code& ec, const stop_token& stop) {
  return guarded(core_.get(), ec, [&](tls_core& c) { return c.read({&into, 1}, ec, stop); });
}

std::size_t tls_base::read_some(buffer_list<buffer> into, std::error_code& ec, const stop_token& stop) {
  return guarded(core_.get(), ec, [&](tls_core& c) { return c.read(into.list(), ec, stop); });
}

std::size_t tls_base::write_some(const_buffer from, std::error_code& ec, const stop_token& stop) {
  return guarded(core_.get(), ec, [&](tls_core& c) { return c.write({&from, 1}, false, ec, stop); });
}

std::size_t tls_base::write_some(buffer_list<const_buffer> from, std::error_code& ec, const stop_token& stop) {
  return guarded(core_.get(), ec, [&](tls_core& c) { return c.write(from.list(), false, ec, stop); });
}

std::size_t tls_base::write_all(const_buffer from, std::error_code& ec, const stop_token& stop) {
  return guarded(core_.get(), ec, [&](tls_core& c) { return c.write({&from, 1}, true, ec, stop); });
}

std::size_t tls_base::write_all(buffer_list<const_buffer> from, std::error_code& ec, const stop_token& stop) {
  return guarded(core_.get(), ec, [&](tls_core& c) { return c.write(from.list(), true, ec, stop); });
}

std::size_t tls_base::read_exact(buffer into, std::error_code& ec, const stop_token& stop) {
  std::size_t done = 0;
  do {
    const std::size_t n = read_some(into.subspan(done), ec, stop);
    if (ec) return done;
    if (n == 0 && done < into.size()) {
      ec = error::end_of_stream;
      return done;
    }
    done += n;
  } while (done < into.size());
  return done;
}

void tls_base::shutdown_send(std::error_code& ec, const stop_token& stop) {
  guarded(core_.get(), ec, [&](tls_core& c) { c.shutdown(false, ec, stop); });
}

void tls_base::shutdown(std::error_code& ec, const stop_token& stop) {
  guarded(core_.get(), ec, [&](tls_core& c) { c.shutdown(true, ec, stop); });
}

void tls_base::handshake_as_client(std::string_view host, const stop_token& stop) {
  or_throw("handshake", [&](std::error_code& ec) { handshake_as_client(host, ec, stop); });
}

void tls_base::handshake_as_server(const stop_token& stop) {
  or_throw("handshake", [&](std::error_code& ec) { handshake_as_server(ec, stop); });
}

std::size_t tls_base::read_some(buffer into, const stop_token& stop) {
  return or_throw("read_some", [&](std::error_code& ec) { return read_some(into, ec, stop); });
}

std::size_t tls_base::read_some(buffer_list<buffer> into, const stop_token& stop) {
  return or_throw("read_some", [&](std::error_code& ec) { return read_some(into, ec, stop); });
}

std::size_t tls_base::read_exact(buffer into, const stop_token& stop) {
  return or_throw("read_exact", [&](std::error_code& ec) { return read_exact(into, ec, stop); });
}

std::size_t tls_base::write_some(const_buffer from, const stop_token& stop) {
  return or_throw("write_some", [&](std::error_code& ec) { return write_some(from, ec, stop); });
}

std::size_t tls_base::write_some(buffer_list<const_buffer> from, const stop_token& stop) {
  return or_throw("write_some", [&](std::error_code& ec) { return write_some(from, ec, stop); });
}

std::size_t tls_base::write_all(const_buffer from, const stop_token& stop) {
  return or_throw("write_all", [&](std::error_code& ec) { return write_all(from, ec, stop); });
}

std::size_t tls_base::write_all(buffer_list<const_buffer> from, const stop_token& stop) {
  return or_throw("write_all", [&](std::error_code& ec) { return write_all(from, ec, stop); });
}

void tls_base::shutdown_send(const stop_token& stop) {
  or_throw("shutdown_send", [&](std::error_code& ec) { shutdown_send(ec, stop); });
}

void tls_base::shutdown(const stop_token& stop) {
  or_throw("shutdown", [&](std::error_code& ec) { shutdown(ec, stop); });
}

void tls_base::close() noexcept {
  if (core_ != nullptr) core_->close();
}

bool tls_base::is_open() const noexcept { return core_ != nullptr && core_->is_open(); }

void tls_base::set_deadline(nanos deadline) noexcept {
  if (core_ != nullptr) core_->set_deadline(deadline);
}

std::string tls_base::alpn() const { return core_ != nullptr ? core_->alpn() : std::string(); }
std::optional<tls_version> tls_base::version() const { return core_ != nullptr ? core_->version() : std::nullopt; }
std::string tls_base::cipher() const { return core_ != nullptr ? core_->cipher() : std::string(); }
std::string tls_base::server_name() const { return core_ != nullptr ? core_->server_name() : std::string(); }

std::optional<tls_certificate> tls_base::peer_certificate() const {
  return core_ != nullptr ? core_->peer_certificate() : std::nullopt;
}

void tls_base::set_session(const tls_session& session) {
  if (core_ != nullptr) core_->set_session(session);
}

tls_session tls_base::session() const { return core_ != nullptr ? core_->session() : tls_session(); }
bool tls_base::resumed() const { return core_ != nullptr && core_->resumed(); }

}  // namespace sennit::inline v0::detail
