#include "io/helper_pool.hpp"

#include <chrono>
#include <utility>

#include <sennit/blocking.hpp>
#include <sennit/error.hpp>

#include "base/system.hpp"
#include "sched/current.hpp"
#include "sched/idle_thread.hpp"
#include "sched/park.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::chrono::seconds idle_exit{10};

}  // namespace

helper_pool& helper_pool::of(scheduler& home) {
  return static_cast<helper_pool&>(home.part([] { return std::unique_ptr<scheduler_part>(new helper_pool); }));
}

helper_pool::~helper_pool() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  work_.notify_all();
  ended_.wait(lock, [this] { return helpers_.empty(); });
  lock.unlock();
  if (left_.joinable()) left_.join();
}

void helper_pool::run(task&& work, const stop_token& stop) {
  throw_if_canceled(try_run(std::move(work), {.stop = &stop}));
}

std::uint16_t helper_pool::try_run(task&& work, wait_bound until) {
  const fiber_block* f = current_fiber();
  if (f != nullptr && f->shields == 0 && f->state.stop_requested()) return case_stop;
  job j;
  j.work = std::move(work);
  {
    // A std::mutex, held for a few instructions and never over a park.
    const std::lock_guard lock(mutex_);
    (last_ != nullptr ? last_->next : first_) = &j;
    last_ = &j;
    ++queued_;
    if (queued_ <= idle_) {
      work_.notify_one();
    } else if (helpers_.size() < max_helpers) {
      const blocked_signals guard;
      auto self = helpers_.end();
      try {
        self = helpers_.emplace(helpers_.end());
        *self = std::thread([this, self] { serve(self); });
      } catch (...) {
        if (self != helpers_.end()) helpers_.erase(self);
        // No thread to be had: those that there are will come to it.
        if (helpers_.empty()) {
          first_ = last_ = nullptr;
          queued_ = 0;
          throw;
        }
      }
    }
  }
  if (const auto woken_by = wait(j, &until); woken_by != 0) {
    if (withdraw(j)) return woken_by;
    // It runs on our stack's behalf: the wait goes on, deaf to stops.
    static_cast<void>(wait(j, nullptr));
  }
  if (j.failure != nullptr) std::rethrow_exception(j.failure);
  return 0;
}

std::uint16_t helper_pool::wait(job& j, const wait_bound* until) SENNIT_NO_ANALYSIS {  // park() releases the lock
  waiter& self = current_waiter();
  j.waiting.lock.lock();
  if (j.done) {
    j.waiting.lock.unlock();
    return 0;
  }
  wait_node node(self, 0);
  j.waiting.push_back(node);
  const auto woken_by = park(self, {.kind = wait_kind::helper,
                                    .object = &j,
                                    .until = until != nullptr ? *until : wait_bound{},
                                    .ambient = until != nullptr,
                                    .held = &j.waiting.lock});
  if (woken_by != 0) {
    const spin_guard guard(j.waiting.lock);
    j.waiting.remove(node);
  }
  return woken_by;
}

bool helper_pool::withdraw(job& j) {
  const std::lock_guard lock(mutex_);
  job* before = nullptr;
  for (job* at = first_; at != nullptr; before = at, at = at->next) {
    if (at != &j) continue;
    (before != nullptr ? before->next : first_) = j.next;
    if (last_ == &j) last_ = before;
    --queued_;
    return true;
  }
  return false;
}

void helper_pool::serve(helper self) noexcept {
  name_this_thread("sennit-helper");
  std::unique_lock lock(mutex_);
  for (;;) {
    if (job* j = first_) {
      first_ = j->next;
      if (first_ == nullptr) last_ = nullptr;
      --queued_;
      lock.unlock();
      try {
        j->work();
      } catch (...) {
        j->failure = std::current_exception();
      }
      j->waiting.lock.lock();
      j->done = true;
      waiter* const who = j->waiting.claim_waiter();
      j->waiting.lock.unlock();  // not claimed: the fiber takes the lock, sees done, and the job is gone
      if (who != nullptr) ready(*who);
      lock.lock();
      continue;
    }
    if (stopping_) break;
    ++idle_;
    const idle_thread idle;
    const bool called = work_.wait_for(lock, idle_exit, [this] { return first_ != nullptr || stopping_; });
    --idle_;
    if (!called) break;
  }
  std::thread before = std::exchange(left_, std::move(*self));
  helpers_.erase(self);
  ended_.notify_all();
  lock.unlock();  // the destructor may go on, and joins us
  if (before.joinable()) before.join();
}

void run_on_helper(task&& work, const stop_token& stop) {
  worker* w = this_worker();
  if (w == nullptr) return work();
  helper_pool::of(w->home).run(std::move(work), stop);
}

}  // namespace sennit::inline v0::detail
