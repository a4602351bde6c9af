#include "net/server_shard.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "net/steering.hpp"
#include "sched/placement.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0::detail {
namespace {

/// As many are accepted before the first of them is served: one in a busy backlog waits for that many accept(2).
constexpr std::size_t batch_size = 32;

/// Where newcomers cannot be refused, so many of them are still accepted: what may have been in the backlog.
constexpr std::size_t largest_backlog = 4096;
constexpr std::size_t never_ending = ~std::size_t{0};

const stop_token deaf;

bool is_cancellation(const std::exception& e) noexcept {
  const auto* const failed = dynamic_cast<const std::system_error*>(&e);
  return failed != nullptr && failed->code() == std::errc::operation_canceled;
}

}  // namespace

/// A handler that runs, in the shard's list. On its fiber's stack.
class server_shard::running_connection {
 public:
  running_connection(server_shard& home, const peer_address& peer) noexcept
      : home_(home), id_(this_fiber::get_id()), peer_(peer) {
    const spin_guard guard(home_.lock_);
    next_ = home_.first_;
    if (next_ != nullptr) next_->prev_ = this;
    home_.first_ = this;
  }
  ~running_connection() {
    const spin_guard guard(home_.lock_);
    (prev_ != nullptr ? prev_->next_ : home_.first_) = next_;
    if (next_ != nullptr) next_->prev_ = prev_;
    ++home_.stats_.finished;
  }
  running_connection(const running_connection&) = delete;
  running_connection& operator=(const running_connection&) = delete;

 private:
  friend class server_shard;
  server_shard& home_;
  const fiber::id id_;
  const peer_address& peer_;
  running_connection* next_ = nullptr;
  running_connection* prev_ = nullptr;
};

/// On its way to a handler: counted as dropped if it does not get there.
class server_shard::accepted_connection {
 public:
  accepted_connection(server_shard& home, io_handle handle) noexcept : home_(&home), handle_(std::move(handle)) {}
  accepted_connection(accepted_connection&& other) noexcept
      : home_(std::exchange(other.home_, nullptr)), handle_(std::move(other.handle_)) {}
  accepted_connection& operator=(accepted_connection&&) = delete;
  ~accepted_connection() {
    if (home_ != nullptr) home_->add(&server_stats::dropped);
  }

  io_handle arrive() noexcept {
    home_ = nullptr;
    return std::move(handle_);
  }

 private:
  server_shard* home_;
  io_handle handle_;
};

void server_shard::serve(unsigned index, const stop_token& stop) noexcept {
  fiber_block& self = *current_fiber();
  if (setup_.shards > 1) move_to(*this_worker()->home.workers()[index]);
  // For life: from now on this worker's poll tells of new connections. Without memory the first wait says so.
  static_cast<void>(attach_to(*this_worker(), *listener_.slot()));
  // Not pinned, it mostly stays there all the same, but if the worker is stuck another one accepts in its place.
  if (!setup_.connections.pinned) --self.pins;

  const std::size_t limit = (setup_.connections.max_running + setup_.shards - 1) / setup_.shards;
  scope connections({.policy = on_exception::log, .max_running = limit});
  {
    const std::lock_guard guard(scope_mutex_);
    connections_ = &connections;
    if (stopped_) connections.request_stop();
  }
  try {
    accept_all(connections, stop);
  } catch (const std::exception& e) {
    if (!is_cancellation(e)) log(log_level::error, "server %s: %s", setup_.at.to_string().c_str(), e.what());
  }
  close();
  connections.join();
  const std::lock_guard guard(scope_mutex_);
  connections_ = nullptr;
}

/// First the path: once it is free somebody else may have it, and we never touch it again.
void server_shard::close() noexcept {
  if (!path_.empty()) current_host().unlink(path_.c_str());
  path_.clear();
  listener_.close();
}

void server_shard::accept_all(scope& connections, const stop_token& stop) {
  std::array<accepted, batch_size> batch;
  // One that was accepted waits for room in spawn(): better in the backlog.
  const auto room = std::span(batch).first(setup_.connections.max_running != 0 ? 1 : batch_size);
  accept_pause pause;
  std::optional<last_round> last;  // from the stop on
  for (;;) {
    if (!last && stop.stop_requested()) last = begin_last_round();
    const stop_token& told = last ? deaf : stop;
    std::error_code ec;
    const std::size_t count = accept_batch(listener_, room, ec, told);
    if (count > 0) {
      pause.reset();
      add(&server_stats::accepted, count);
      add(&server_stats::batches);
      for (accepted& one : room.first(count)) start(connections, one);
      if (last && last->is_over(count)) return;
      if (count == room.size()) this_fiber::yield();
    } else if (last && ec == error::deadline_passed) {
      if (std::exchange(last->looked, true)) return;
      // Whoever got in since the last accept() may not have been announced yet.
      listener_.slot()->hint(direction::read);
    } else if (accept_pause::helps(ec)) {
      if (last && last->is_over(0)) throw std::system_error(ec, "a backlog is dropped");
      add(&server_stats::shortages);
      try {
        pause.wait(ec, told);
      } catch (const std::system_error&) {
        if (this_fiber::stop_requested()) throw;
      }
    } else if (last || !stop.stop_requested()) {
      throw std::system_error(ec, "accept");
    }
  }
}

/// From now on accept_batch() waits no longer than handshakes take that had begun.
server_shard::last_round server_shard::begin_last_round() noexcept {
  const spin_guard guard(lock_);
  const nanos now = clock_now();
  const bool handshakes_go_on = refused_ && setup_.tcp;
  listener_.slot()->set_deadline(handshakes_go_on ? std::min(drain_deadline_, add_nanos(now, setup_.handshake_time))
                                                  : now);
  return {.deadline = drain_deadline_, .newcomers = refused_ ? never_ending : largest_backlog};
}

bool server_shard::last_round::is_over(std::size_t came) noexcept {
  newcomers -= std::min(newcomers, came);
  return newcomers == 0 || clock_now() >= deadline;
}

void server_shard::start(scope& connections, accepted& one) {
  if (setup_.tcp) static_cast<void>(set_option(one.fd, IPPROTO_TCP, TCP_NODELAY, 1));  // a reset may have come first
  std::error_code ec;
  accepted_connection connection(*this,
                                 make_handle(one.fd, setup_.tcp ? fd_kind::stream_tcp : fd_kind::other, false, ec));
  worker* there = nullptr;
  if (setup_.connections.pinned && setup_.shards == 1) {
    const auto all = this_worker()->home.workers();
    there = all[next_worker_++ % all.size()].get();
  }
  try {
    throw_if(ec, "no memory for a connection");
    connections.spawn({.name = setup_.connections.name,
                       .stack_size = setup_.connections.stack_size,
                       .pinned = setup_.connections.pinned},
                      [this, c = std::move(connection), peer = one.peer, there]() mutable { run(c, peer, there); });
  } catch (const std::exception& e) {
    if (!is_cancellation(e)) log(log_level::error, "server %s: %s", setup_.at.to_string().c_str(), e.what());
  }
}

void server_shard::run(accepted_connection& one, const peer_address& peer, worker* there) {
  if (there != nullptr) move_to(*there);
  io_handle connection = one.arrive();
  const running_connection me(*this, peer);
  try {
    setup_.handler->run(std::move(connection));
  } catch (const std::exception& e) {
    if (!is_cancellation(e) || !this_fiber::stop_requested()) add(&server_stats::failed);
    throw;
  } catch (...) {
    add(&server_stats::failed);
    throw;
  }
}

void server_shard::add(std::uint64_t server_stats::* which, std::uint64_t n) noexcept {
  const spin_guard guard(lock_);
  stats_.*which += n;
}

void server_shard::begin_drain(nanos deadline) noexcept {
  bool refused = false;
  if (io_slot* const slot = listener_.slot(); slot != nullptr) {
    // As a user: the number stays the listener's, though the fiber may be closing it.
    if (slot->enter()) refused = refuse_new(slot->fd(), setup_.tcp);
    slot->leave(current_host());
  }
  const spin_guard guard(lock_);
  drain_deadline_ = deadline;
  refused_ = refused;
}

void server_shard::stop_connections() {
  const std::lock_guard guard(scope_mutex_);
  stopped_ = true;
  if (connections_ != nullptr) connections_->request_stop();
}

server_stats server_shard::stats() const noexcept {
  const spin_guard guard(lock_);
  return stats_;
}

std::vector<std::string> server_shard::running() const {
  struct seen {
    fiber::id id;
    peer_address peer;
  };
  std::vector<seen> found;
  found.reserve(stats().running());
  {
    const spin_guard guard(lock_);
    for (const auto* c = first_; c != nullptr && found.size() < found.capacity(); c = c->next_)
      found.push_back({c->id_, c->peer_});
  }
  std::vector<std::string> names;
  names.reserve(found.size());
  for (const seen& s : found) {
    std::string name = setup_.connections.name + " #" + std::to_string(s.id.value());
    const endpoint peer = s.peer.to_endpoint();
    if (!peer.host().empty()) name += " of " + peer.to_string();
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace sennit::inline v0::detail
