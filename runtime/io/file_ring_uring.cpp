// Files by io_uring, one ring per worker. A ring's descriptor is registered with its worker's poller like a socket:
// whoever waits for a completion also waits for that, and the one whom an event wakes takes all completions and readies
// whom they belong to. So no thread and no fiber is set apart for it.
#include <fcntl.h>
#include <liburing.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "io/file_ring.hpp"
#include "sched/scheduler.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr unsigned ring_entries = 256;

// How a wait ended, beside what ends every wait.
constexpr std::uint16_t case_done = 0;  // the operation's completion
constexpr std::uint16_t case_turn = 1;  // there are completions: ours to take them

/// One call in flight. Lives on the stack of the fiber that waits for its completion, whatever comes: the kernel writes
/// to buffers there.
struct operation {
  wait_queue waiting;  // its lock guards the rest
  bool done = false;
  int result = 0;
};

/// Made by a worker for itself, kept by the runtime. run() on a fiber of any worker: one that parked may have moved.
class ring {
 public:
  /// nullptr, and why in `error` (-errno).
  static std::unique_ptr<ring> make(worker& owner, int& error) noexcept;
  ring() = default;
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  ~ring();

  std::ptrdiff_t run(const file_call& call, wait_bound until) noexcept;

 private:
  int open(worker& owner) noexcept;
  template <class Prepare>
  bool submit(operation* op, Prepare&& prepare) noexcept;
  void cancel(operation& op) noexcept;
  void reap() noexcept;
  std::uint16_t wait(operation& op, wait_bound until, bool ambient, bool again) noexcept SENNIT_NO_ANALYSIS;

  spin_lock lock_;
  io_uring ring_ SENNIT_GUARDED_BY(lock_){};
  io_slot* slot_ = nullptr;  // of the ring's descriptor
};

bool has_all_operations(io_uring& r) noexcept {
  io_uring_probe* const probe = io_uring_get_probe_ring(&r);
  if (probe == nullptr) return false;
  bool all = true;
  for (const int op : {IORING_OP_OPENAT, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_ASYNC_CANCEL}) {
    all = all && io_uring_opcode_supported(probe, op) != 0;
  }
  io_uring_free_probe(probe);
  // Completions are never dropped; -1 is the file's position.
  constexpr unsigned features = IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS;
  return all && (r.features & features) == features;
}

std::unique_ptr<ring> ring::make(worker& owner, int& error) noexcept {
  std::unique_ptr<ring> made(new (std::nothrow) ring);
  error = made != nullptr ? made->open(owner) : -ENOMEM;
  if (error < 0) made.reset();
  return made;
}

int ring::open(worker& owner) noexcept {
  const spin_guard guard(lock_);
  if (const int error = io_uring_queue_init(ring_entries, &ring_, 0); error < 0) return error;
  int error = has_all_operations(ring_) ? 0 : -ENOSYS;
  if (error == 0) {
    // Shared, in that liburing closes the descriptor: it must leave the poller before.
    slot_ = io_slot::open(ring_.ring_fd, fd_kind::other, true);
    error = slot_ == nullptr ? -ENOMEM : attach_to(owner, *slot_);
  }
  if (error >= 0) return 0;
  if (slot_ != nullptr) {
    slot_->release(system_host(), ready);
    std::exchange(slot_, nullptr)->drop(system_host(), ready);
  }
  io_uring_queue_exit(&ring_);
  return error;
}

ring::~ring() {
  if (slot_ == nullptr) return;
  slot_->release(system_host(), ready);
  slot_->drop(system_host(), ready);
  const spin_guard guard(lock_);
  io_uring_queue_exit(&ring_);
}

template <class Prepare>
bool ring::submit(operation* op, Prepare&& prepare) noexcept {
  const spin_guard guard(lock_);
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) return false;
  prepare(*sqe);
  io_uring_sqe_set_data(sqe, op);
  int result = 0;
  do result = io_uring_submit(&ring_);
  while (result == -EINTR);
  if (io_uring_sq_ready(&ring_) == 0) return true;
  // The kernel has no memory, or too many completions are not yet taken. The entry stays, and goes with the next one:
  // it must not name an operation that is gone by then.
  io_uring_prep_nop(sqe);
  io_uring_sqe_set_data(sqe, nullptr);
  return false;
}

void prepare_call(io_uring_sqe& sqe, const file_call& call) noexcept {
  const auto parts = static_cast<unsigned>(call.count);
  const auto offset = static_cast<std::uint64_t>(call.offset);
  switch (call.kind) {
    case file_call::what::open:
      io_uring_prep_openat(&sqe, AT_FDCWD, call.path, call.flags | O_CLOEXEC, static_cast<mode_t>(call.permissions));
      // On the spot the kernel would try it with O_NONBLOCK, which to a FIFO means something else.
      io_uring_sqe_set_flags(&sqe, IOSQE_ASYNC);
      break;
    case file_call::what::read: io_uring_prep_readv(&sqe, call.fd, call.parts, parts, offset); break;
    case file_call::what::write: io_uring_prep_writev(&sqe, call.fd, call.parts, parts, offset); break;
    case file_call::what::sync: io_uring_prep_fsync(&sqe, call.fd, 0); break;
    case file_call::what::sync_data: io_uring_prep_fsync(&sqe, call.fd, IORING_FSYNC_DATASYNC); break;
  }
  // The kernel would copy it all before it comes back to the worker.
  if (call.size > in_place_max) io_uring_sqe_set_flags(&sqe, IOSQE_ASYNC);
}

void ring::cancel(operation& op) noexcept {
  // Not submitted: then the operation ends by itself. Its own answer names nobody.
  static_cast<void>(submit(nullptr, [&](io_uring_sqe& sqe) { io_uring_prep_cancel(&sqe, &op, 0); }));
}

void ring::reap() noexcept {
  std::array<waiter*, 32> woken{};
  std::size_t count = 0;
  do {
    count = 0;
    {
      const spin_guard guard(lock_);
      io_uring_cqe* cqe = nullptr;
      while (count < woken.size() && io_uring_peek_cqe(&ring_, &cqe) == 0) {
        auto* const op = static_cast<operation*>(io_uring_cqe_get_data(cqe));
        const int result = cqe->res;
        io_uring_cqe_seen(&ring_, cqe);
        if (op == nullptr) continue;
        const spin_guard op_guard(op->waiting.lock);  // the last access to it: its fiber may see `done` and be off
        op->result = result;
        op->done = true;
        if (waiter* const who = op->waiting.claim_waiter()) woken[count++] = who;
      }
    }
    for (std::size_t i = 0; i < count; ++i) ready(*woken[i]);
  } while (count == woken.size());
}

std::uint16_t ring::wait(operation& op, wait_bound until, bool ambient, bool again) noexcept {
  waiter& self = current_waiter();
  op.waiting.lock.lock();
  if (op.done) {
    op.waiting.lock.unlock();
    return case_done;
  }
  wait_node mine(self, case_done);
  wait_node turn(self, case_turn);
  spin_lock* const events = &slot_->lock_of(direction::read);
  events->lock();
  if (!slot_->enlist(direction::read, turn, again)) {
    events->unlock();
    op.waiting.lock.unlock();
    return case_turn;
  }
  op.waiting.push_back(mine);
  const auto woken_by = park(self, {.kind = wait_kind::helper,
                                    .object = &op,
                                    .until = until,
                                    .ambient = ambient,
                                    .held = &op.waiting.lock,
                                    .more_held = {&events, 1}});
  {
    const spin_guard guard(op.waiting.lock);
    op.waiting.remove(mine);
  }
  slot_->cancel_wait(direction::read, turn);
  return woken_by;
}

std::ptrdiff_t ring::run(const file_call& call, wait_bound until) noexcept {
  operation op;
  if (!submit(&op, [&](io_uring_sqe& sqe) { prepare_call(sqe, call); })) return ring_declined;
  std::uint16_t ended = case_none;  // what ended the wait before the operation was over: seen, and still waiting
  bool again = false;
  for (;;) {
    const io_slot::word seen = slot_->readiness(direction::read);
    reap();
    {
      const spin_guard guard(op.waiting.lock);
      if (op.done) break;
    }
    // Not cleared if an event has come since `seen` was loaded; then wait() returns at once.
    slot_->exhausted(direction::read, seen);
    const bool deaf = ended != case_none;
    const auto woken_by = wait(op, deaf ? wait_bound{} : until, !deaf, again);
    again = true;
    if (woken_by == case_done || woken_by == case_turn) continue;
    ended = woken_by;
    cancel(op);
  }
  // Whoever else waits for events takes over.
  if (waiter* const next = slot_->pass_on(direction::read)) ready(*next);
  const bool cut_short = op.result == -ECANCELED || op.result == -EINTR;
  if (cut_short && ended != case_none) return ended_by(ended);
  // Not cancelled by us: the kernel could not start a thread for it, as when signals interrupt it again and again.
  return op.result == -ECANCELED ? ring_declined : op.result;
}

/// The rings of a runtime. Each worker makes its own at its first call.
class ring_set final : public scheduler_part {
 public:
  static ring_set& of(scheduler& home) {
    return static_cast<ring_set&>(home.part([] { return std::unique_ptr<scheduler_part>(new ring_set); }));
  }

  ring* mine(worker& w) noexcept {
    if (off_) return nullptr;
    place& at = places_[w.index];
    const spin_guard guard(at.lock);
    if (!std::exchange(at.tried, true)) {
      int error = 0;
      at.made = ring::make(w, error);
      if (error < 0) {
        log(asked_for_ ? log_level::warn : log_level::debug, "no io_uring: %s; files by helper threads",
            std::strerror(-error));
      }
    }
    return at.made.get();
  }

 private:
  struct place {
    spin_lock lock;  // never contended: only the worker looks, but its fibers do so one after the other
    std::unique_ptr<ring> made SENNIT_GUARDED_BY(lock);
    bool tried SENNIT_GUARDED_BY(lock) = false;
  };

  ring_set() : places_(this_worker()->home.workers().size()) {
    const char* const chosen = std::getenv("SENNIT_FILE_BACKEND");
    const std::string_view name = chosen != nullptr ? chosen : "";
    asked_for_ = name == "uring";
    off_ = name == "threads" || &this_worker()->home.outside() != &system_host();
  }

  bool off_ = false;
  bool asked_for_ = false;
  std::vector<place> places_;
};

}  // namespace

std::ptrdiff_t run_on_ring(worker& w, const file_call& call, wait_bound until) noexcept {
  ring* chosen = nullptr;
  try {
    chosen = ring_set::of(w.home).mine(w);
  } catch (const std::bad_alloc&) {
    return ring_declined;
  }
  return chosen != nullptr ? chosen->run(call, until) : ring_declined;
}

bool ring_works() noexcept {
  io_uring r{};
  if (io_uring_queue_init(2, &r, 0) < 0) return false;
  const bool works = has_all_operations(r);
  io_uring_queue_exit(&r);
  return works;
}

}  // namespace sennit::inline v0::detail
