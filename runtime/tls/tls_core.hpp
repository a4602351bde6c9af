#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sennit/detail/tls_base.hpp>
#include <sennit/mutex.hpp>
#include <sennit/semaphore.hpp>

#include "tls/buffer_bio.hpp"
#include "tls/openssl.hpp"
#include "tls/tls_context_core.hpp"

namespace sennit::inline v0::detail {

/// One connection. Owned by a tls_base; any fiber or thread.
///
/// OpenSSL's SSL is for one at a time, so a lock is around each use of it, and around all else here. Nobody waits under
/// the lock: OpenSSL sees buffers only (buffer_bio), and who fills or empties them has a turn, during which the lock is
/// free. One turn is for input, one for writing, which keeps records and the bytes of a call in order. They are
/// semaphores, so that whoever wants one gets it in the order of asking.
class tls_core {
 public:
  using buffer = std::span<std::byte>;
  using const_buffer = std::span<const std::byte>;

  tls_core(std::unique_ptr<tls_transport> next, tls_context context);

  void handshake_as_client(std::string_view host, std::error_code& ec, const stop_token& stop);
  void handshake_as_server(std::error_code& ec, const stop_token& stop);
  /// Fills the buffers, waiting for the first byte only.
  std::size_t read(std::span<const buffer> into, std::error_code& ec, const stop_token& stop);
  /// Sends the buffers, or at least the first bytes of them.
  std::size_t write(std::span<const const_buffer> from, bool all, std::error_code& ec, const stop_token& stop);
  void shutdown(bool wait_for_peer, std::error_code& ec, const stop_token& stop);
  void set_deadline(nanos deadline) noexcept;
  void close() noexcept;

  [[nodiscard]] bool is_open() const noexcept;
  [[nodiscard]] std::string alpn() const;
  [[nodiscard]] std::optional<tls_version> version() const;
  [[nodiscard]] std::string cipher() const;
  [[nodiscard]] std::string server_name() const;
  [[nodiscard]] std::optional<tls_certificate> peer_certificate() const;
  void set_session(const tls_session& session);
  [[nodiscard]] tls_session session() const;
  [[nodiscard]] bool resumed() const;
  /// Who is at the other end, and what else is known about an error: for messages.
  [[nodiscard]] std::string peer_text() const;
  [[nodiscard]] tls_transport* transport() const noexcept { return next_.get(); }

 private:
  using guard = std::unique_lock<mutex>;
  enum class phase { fresh, handshake, up, failed };
  enum class outcome { done, ended, wants_input, wants_context, failed };

  /// Bounds what is done meanwhile by a time of its own, beside the deadline that the user has set. Made and destroyed
  /// under the lock. Of several at once, by different fibers, the tightest counts until all are over.
  class time_limit {
   public:
    time_limit(tls_core& core, std::chrono::nanoseconds limit) noexcept : core_(core) {
      ++core_.limits_;
      core_.limit_ = std::min(core_.limit_, deadline_in(limit));
      core_.set_expiry();
    }
    ~time_limit() {
      if (--core_.limits_ == 0) core_.limit_ = never;
      core_.set_expiry();
    }
    time_limit(const time_limit&) = delete;
    time_limit& operator=(const time_limit&) = delete;

   private:
    tls_core& core_;
  };

  /// A turn, taken and given back under the lock. It is not taken if that set `ec`.
  class turn {
   public:
    turn(tls_core& core, guard& lock, binary_semaphore& which, std::error_code& ec, const stop_token& stop)
        : which_(which), mine_(which.try_acquire() || core.wait_for_turn(lock, which, ec, stop)) {}
    /// Only if nobody has it.
    explicit turn(binary_semaphore& which) noexcept : which_(which), mine_(which.try_acquire()) {}
    ~turn() {
      if (mine_) which_.release();
    }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

    explicit operator bool() const noexcept { return mine_; }

   private:
    binary_semaphore& which_;
    bool mine_;
  };

  /// The lock is free while this lives.
  class unlocked {
   public:
    explicit unlocked(guard& lock) : lock_(lock) { lock_.unlock(); }
    ~unlocked() { lock_.lock(); }
    unlocked(const unlocked&) = delete;
    unlocked& operator=(const unlocked&) = delete;

   private:
    guard& lock_;
  };

  /// What a call of OpenSSL came to. The errors that it left are taken before anything else can run.
  template <class Call>
  outcome attempt(Call&& call) {
    forget_errors();
    return outcome_of(call());
  }
  outcome outcome_of(int result);

  // All of these are called with the lock held, and those that take it free it while they wait.
  [[nodiscard]] std::error_code refusal() const noexcept;
  [[nodiscard]] const tls_context_core& settings() const noexcept { return *context_.core_; }
  void set_expiry() noexcept;
  void check_limit(std::error_code& ec) const noexcept;
  bool wait_for_turn(guard& lock, binary_semaphore& which, std::error_code& ec, const stop_token& stop);
  void fill(guard& lock, std::uint64_t seen, std::error_code& ec, const stop_token& stop);
  void flush(guard& lock, std::error_code& ec, const stop_token& stop);
  void flush_answers(guard& lock, const stop_token& stop);
  void tell_failure(guard& lock);
  [[nodiscard]] bool is_drained() const noexcept;
  std::size_t read_part(guard& lock, buffer into, bool wait, std::error_code& ec, const stop_token& stop);
  std::size_t write_parts(guard& lock, std::span<const const_buffer> from, bool all, std::error_code& ec,
                          const stop_token& stop);
  std::size_t encrypt(guard& lock, const_buffer from, std::error_code& ec, const stop_token& stop);
  void send_end(guard& lock, std::error_code& ec, const stop_token& stop);

  // tls_handshake.cpp
  void begin_client(std::string_view host, std::error_code& ec);
  void begin_server(std::error_code& ec);
  void handshake(guard& lock, std::error_code& ec, const stop_token& stop);
  void shake_hands(guard& lock, std::error_code& ec, const stop_token& stop);
  void choose_context(guard& lock, std::error_code& ec);
  static int on_client_hello(SSL* ssl, int* alert, void*) noexcept;
  friend class tls_context_core;

  mutable mutex mutex_;  // guards what follows
  binary_semaphore filling_{1};
  binary_semaphore writing_{1};
  std::uint64_t fills_ = 0;  // how often input has come
  nanos deadline_ = never;   // the user's
  nanos limit_ = never;      // of a handshake or shutdown under way
  int limits_ = 0;           // how many have set it
  phase phase_ = phase::fresh;
  bool closed_ = false;
  bool cut_off_ = false;   // the stream below has ended
  bool sent_end_ = false;  // close_notify
  bool is_client_ = false;
  enum class choice : std::uint8_t { none, asked, made, refused } choice_ = choice::none;  // of a context
  std::error_code failure_;  // for good: what each call gives from then on
  std::string detail_;       // what is known about it beside the code
  std::string host_;         // that a client asked for
  tls_session to_resume_;
  std::vector<std::byte> gathered_;  // small buffers of one write
  tls_context context_;
  tls_context chosen_;  // by select_context; the certificate and the like are from it
  std::unique_ptr<tls_transport> next_;
  buffer_bio records_;
  ssl_ptr ssl_;  // goes first: its BIO is on records_
};

}  // namespace sennit::inline v0::detail
