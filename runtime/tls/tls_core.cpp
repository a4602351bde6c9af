#include "tls/tls_core.hpp"

#include <algorithm>
#include <array>
#include <new>

#include <sennit/error.hpp>
#include <sennit/timer.hpp>

#include "tls/certificate.hpp"

namespace sennit::inline v0::detail {
namespace {

// What one call encrypts before it sends: four full records.
constexpr std::size_t most_at_once = std::size_t{64} * 1024;

}  // namespace

tls_core::tls_core(std::unique_ptr<tls_transport> next, tls_context context)
    : context_(std::move(context)), next_(std::move(next)) {
  if (!context_) throw_if(std::make_error_code(std::errc::invalid_argument), "sennit: tls_stream, empty context");
  forget_errors();
  ssl_.reset(SSL_new(settings().context()));
  bio_ptr bio = records_.make_bio();
  if (ssl_ == nullptr || bio == nullptr) throw_last_error("sennit: tls_stream");
  SSL_set0_rbio(ssl_.get(), bio.get());
  BIO_up_ref(bio.get());
  SSL_set0_wbio(ssl_.get(), bio.release());
  SSL_set_app_data(ssl_.get(), this);
  next_->expires_at(time_of(never));
}

tls_core::outcome tls_core::outcome_of(int result) {
  if (result > 0) return outcome::done;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_ZERO_RETURN: return outcome::ended;
    case SSL_ERROR_WANT_READ: return outcome::wants_input;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB: return outcome::wants_context;
    default: break;
  }
  const std::error_code why = last_error();
  if (!failure_) failure_ = why;  // the first one is the cause
  return outcome::failed;
}

std::error_code tls_core::refusal() const noexcept {
  if (closed_) return std::make_error_code(std::errc::bad_file_descriptor);
  if (failure_) return failure_;
  if (phase_ != phase::up) return std::make_error_code(std::errc::not_connected);
  return {};
}

void tls_core::set_expiry() noexcept { next_->expires_at(time_of(std::min(deadline_, limit_))); }

/// Who never has to wait, because the peer sends without end, is bounded by the limit nevertheless.
void tls_core::check_limit(std::error_code& ec) const noexcept {
  if (!ec && clock_now() >= std::min(deadline_, limit_)) ec = error::deadline_passed;
}

void tls_core::set_deadline(nanos deadline) noexcept {
  const guard lock(mutex_);
  deadline_ = deadline;
  set_expiry();
}

void tls_core::close() noexcept {
  {
    const guard lock(mutex_);
    closed_ = true;
  }
  next_->close();
}

bool tls_core::is_open() const noexcept {
  const guard lock(mutex_);
  return !closed_;
}

bool tls_core::wait_for_turn(guard& lock, binary_semaphore& which, std::error_code& ec, const stop_token& stop) {
  const auto until = time_of(std::min(deadline_, limit_));
  bool mine = false;
  {
    const unlocked scope(lock);
    try {
      mine = which.try_acquire_until(until, stop);
      if (!mine) ec = error::deadline_passed;
    } catch (const std::system_error& stopped) {
      ec = stopped.code();
    }
  }
  if (!ec) ec = refusal();
  if (ec && mine) which.release();
  return mine && !ec;
}

/// For who was told to wait for input when fills_ was `seen`. If more has come since, OpenSSL is asked again first: who
/// filled may have left a record there, and nothing here.
void tls_core::fill(guard& lock, std::uint64_t seen, std::error_code& ec, const stop_token& stop) {
  const turn mine(*this, lock, filling_, ec, stop);
  if (ec || fills_ != seen) return;
  if (!cut_off_) {
    const std::span<std::byte> room = records_.room();
    std::size_t n = 0;
    {
      const unlocked scope(lock);
      n = next_->read_some(room, ec, stop);
    }
    if (ec) return;
    records_.filled(n);
    ++fills_;
    cut_off_ = n == 0;
  }
  if (cut_off_) ec = tls_errc::truncated;
}

// With the turn to write.
void tls_core::flush(guard& lock, std::error_code& ec, const stop_token& stop) {
  while (!ec && records_.has_output()) {
    const std::span<const std::byte> out = records_.leaving();
    std::size_t n = 0;
    {
      const unlocked scope(lock);
      n = next_->write_some(out, ec, stop);
    }
    records_.gone(n);
  }
}

/// What OpenSSL answers on its own while we read (to a wish for new keys, or for renegotiation) goes out before we
/// wait: the peer may wait for it. If somebody writes, he sends it; if a write was given up half-way, the next one
/// does: a reader must not wait for a peer that does not read.
void tls_core::flush_answers(guard& lock, const stop_token& stop) {
  if (records_.is_flooded() && !failure_) failure_ = std::make_error_code(std::errc::no_buffer_space);
  if (!records_.has_output() || records_.has_leaving()) return;
  std::error_code ignored;  // the wait that follows gives it again, or there is still something to read
  if (const turn mine(writing_); mine) flush(lock, ignored, stop);
}

/// Sends the alert that OpenSSL has made for the peer, if the peer takes it in time.
void tls_core::tell_failure(guard& lock) {
  if (!records_.has_output()) return;
  const turn mine(writing_);
  if (!mine) return;
  const time_limit limit(*this, settings().opts.shutdown_timeout);
  std::error_code ignored;
  flush(lock, ignored, {});
}

/// Whether OpenSSL would only say that it wants input. To ask it costs a buffer for a record, made and freed.
bool tls_core::is_drained() const noexcept {
  return !records_.has_input() && SSL_has_pending(ssl_.get()) == 0 &&
         (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) == 0;
}

std::size_t tls_core::read_part(guard& lock, buffer into, bool wait, std::error_code& ec, const stop_token& stop) {
  std::size_t done = 0;
  while (done < into.size()) {
    const buffer rest = into.subspan(done);
    const std::uint64_t seen = fills_;
    std::size_t n = 0;
    const outcome got = is_drained() ? outcome::wants_input
                                     : attempt([&] { return SSL_read_ex(ssl_.get(), rest.data(), rest.size(), &n); });
    if (got == outcome::done) {
      done += n;
      if (records_.has_input() || SSL_pending(ssl_.get()) > 0) continue;
      break;
    }
    if (got == outcome::failed) tell_failure(lock);
    if (done > 0 || !wait || got == outcome::ended) break;  // a failure stays, for the next call
    if (got == outcome::wants_input) {
      flush_answers(lock, stop);
      fill(lock, seen, ec, stop);
    }
    if (!ec) ec = refusal();
    if (ec) break;
  }
  return done;
}

std::size_t tls_core::read(std::span<const buffer> into, std::error_code& ec, const stop_token& stop) {
  guard lock(mutex_);
  ec = refusal();
  if (ec) return 0;
  std::size_t done = 0;
  for (const buffer part : into) {
    const std::size_t n = read_part(lock, part, done == 0, ec, stop);
    done += n;
    if (ec || n < part.size()) break;
  }
  return done;
}

std::size_t tls_core::encrypt(guard& lock, const_buffer from, std::error_code& ec, const stop_token& stop) {
  for (;;) {
    const std::uint64_t seen = fills_;
    std::size_t n = 0;
    const outcome got = attempt([&] { return SSL_write_ex(ssl_.get(), from.data(), from.size(), &n); });
    if (got == outcome::done) return n;
    if (got == outcome::wants_input) {  // a message of the handshake, such as a ticket, has come in part
      flush(lock, ec, stop);
      if (!ec) fill(lock, seen, ec, stop);
    }
    if (!ec) ec = refusal();
    if (!ec && got != outcome::wants_input) ec = std::make_error_code(std::errc::protocol_error);
    if (ec) return 0;
  }
}

std::size_t tls_core::write(std::span<const const_buffer> from, bool all, std::error_code& ec, const stop_token& stop) {
  guard lock(mutex_);
  ec = refusal();
  if (ec || std::ranges::all_of(from, [](const_buffer b) { return b.empty(); })) return 0;
  std::size_t done = write_parts(lock, from, all, ec, stop);
  if (failure_) tell_failure(lock);
  return done;
}

std::size_t tls_core::write_parts(guard& lock, std::span<const const_buffer> from, bool all, std::error_code& ec,
                                  const stop_token& stop) {
  const turn mine(*this, lock, writing_, ec, stop);
  if (!ec && sent_end_) ec = std::make_error_code(std::errc::broken_pipe);
  std::size_t done = 0;
  auto next = from.begin();
  std::size_t used = 0;  // of *next
  if (!ec) flush(lock, ec, stop);
  while (!ec && next != from.end()) {
    ec = refusal();  // a reader may have met the end of it all meanwhile
    if (ec) break;
    const_buffer part = next->subspan(used);
    if (part.size() < most_at_once && next + 1 != from.end()) {
      gathered_.clear();
      for (auto b = next; b != from.end() && gathered_.size() < most_at_once; ++b) {
        const const_buffer more = b == next ? part : *b;
        const std::size_t room = std::min(more.size(), most_at_once - gathered_.size());
        gathered_.insert(gathered_.end(), more.begin(), more.begin() + static_cast<std::ptrdiff_t>(room));
      }
      part = gathered_;
    }
    std::size_t n = part.empty() ? 0 : encrypt(lock, part.first(std::min(part.size(), most_at_once)), ec, stop);
    done += n;
    for (; next != from.end() && n >= next->size() - used; ++next) n -= next->size() - std::exchange(used, 0);
    used += n;
    if (!ec) flush(lock, ec, stop);
    if (!all && done > 0) break;
  }
  return done;
}

void tls_core::send_end(guard& lock, std::error_code& ec, const stop_token& stop) {
  const turn mine(*this, lock, writing_, ec, stop);
  flush(lock, ec, stop);
  if (!ec && !sent_end_) {
    forget_errors();
    if (SSL_shutdown(ssl_.get()) < 0) {
      ec = last_error();
    } else {
      sent_end_ = true;
    }
    forget_errors();
  }
  flush(lock, ec, stop);
}

void tls_core::shutdown(bool wait_for_peer, std::error_code& ec, const stop_token& stop) {
  guard lock(mutex_);
  ec = refusal();
  if (ec) return;
  const time_limit limit(*this, settings().opts.shutdown_timeout);
  send_end(lock, ec, stop);
  std::array<std::byte, 4096> dropped;
  while (!ec && wait_for_peer) {
    if (read_part(lock, dropped, true, ec, stop) == 0) break;
    check_limit(ec);
  }
}

std::string tls_core::alpn() const {
  const guard lock(mutex_);
  const unsigned char* name = nullptr;
  unsigned size = 0;
  if (phase_ == phase::up) SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return size == 0 ? std::string() : std::string(name, name + size);
}

std::optional<tls_version> tls_core::version() const {
  const guard lock(mutex_);
  if (phase_ != phase::up) return std::nullopt;
  return SSL_version(ssl_.get()) == TLS1_3_VERSION ? tls_version::tls_1_3 : tls_version::tls_1_2;
}

std::string tls_core::cipher() const {
  const guard lock(mutex_);
  return phase_ == phase::up ? SSL_get_cipher_name(ssl_.get()) : "";
}

std::optional<tls_certificate> tls_core::peer_certificate() const {
  const guard lock(mutex_);
  const certificate_ptr certificate(SSL_get1_peer_certificate(ssl_.get()));
  if (certificate == nullptr) return std::nullopt;
  return describe(*certificate);
}

void tls_core::set_session(const tls_session& session) {
  const guard lock(mutex_);
  to_resume_ = session;
}

tls_session tls_core::session() const {
  const guard lock(mutex_);
  tls_session found;
  SSL_SESSION* const mine = SSL_get0_session(ssl_.get());
  if (phase_ != phase::up || !is_client_ || mine == nullptr || SSL_SESSION_is_resumable(mine) != 1) return found;
  forget_errors();
  // A copy: OpenSSL spoils its own when a connection ends without close_notify.
  session_ptr copy(SSL_SESSION_dup(mine));
  if (copy == nullptr) throw std::bad_alloc();
  found.data_ = std::make_shared<const tls_session_data>(std::move(copy), context_.core_, host_);
  return found;
}

bool tls_core::resumed() const {
  const guard lock(mutex_);
  return phase_ == phase::up && SSL_session_reused(ssl_.get()) == 1;
}

std::string tls_core::peer_text() const {
  std::string at = next_->peer();
  const guard lock(mutex_);
  std::string text;
  if (is_client_ && !host_.empty()) {
    text = "host " + host_;
    if (!at.empty()) text += " (" + at + ')';
  } else if (!at.empty()) {
    text = "peer " + at;
  }
  if (!detail_.empty()) text += (text.empty() ? "" : ", ") + detail_;
  return text;
}

}  // namespace sennit::inline v0::detail
