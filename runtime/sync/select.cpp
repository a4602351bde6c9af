// Go's algorithm (runtime/select.go): look at the cases in a random order; if none can fire, take all their locks in
// the order of their addresses, look again, queue up in each, and park, which releases the locks. Whoever claims one of
// the nodes decides; it finds them all queued, so that no case is chosen before the others could have been.
#include <poll.h>

#include <algorithm>
#include <array>
#include <functional>

#include <sennit/select.hpp>

#include "base/check.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/worker.hpp"

namespace sennit::inline v0::detail {
namespace {

constexpr std::size_t most_cases = 60'000;

/// Room for `n` values of T: on the stack if they are few.
template <class T>
class scratch {
 public:
  explicit scratch(std::size_t n) {
    if (n > few_.size()) many_.resize(n);
    all_ = std::span(n > few_.size() ? many_.data() : few_.data(), n);
  }
  [[nodiscard]] std::span<T> all() noexcept { return all_; }

 private:
  std::array<T, 8> few_;
  std::vector<T> many_;
  std::span<T> all_;
};

class selection {
 public:
  explicit selection(std::span<select_case* const> cases) : cases_(cases), order_(cases.size()), locks_(cases.size()) {
    // Fisher and Yates, inside out. What is left of a random number after one draw serves the next ones, as long as the
    // draws so far leave it 16 bits: then each order is equally likely to some parts in 100 000.
    constexpr std::uint64_t most_outcomes = 1U << 16U;
    random_source& random = current_random();
    const auto order = order_.all();
    std::uint64_t bits = 0;
    std::uint64_t outcomes = most_outcomes;
    for (std::uint32_t i = 0; i < order.size(); ++i) {
      outcomes *= i + 1;
      if (outcomes >= most_outcomes) {
        bits = random.next();
        outcomes = i + 1;
      }
      bits = (bits & 0xffffffff) * (i + 1);
      const auto j = static_cast<std::uint32_t>(bits >> 32);
      order[i] = order[j];
      order[j] = static_cast<std::uint16_t>(i);
    }
  }

  /// The case that fired; none(): all must be looked at again.
  std::size_t once() {
    if (const std::size_t fired = first_ready(); fired != none()) return fired;
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      if (cases_[i]->is_otherwise()) return i;
    }
    struct finishing {
      selection& of;
      ~finishing() {
        for (select_case* c : of.cases_) c->finish();
      }
    } const guard{*this};
    for (select_case* c : cases_) c->prepare();
    return wait();
  }
  [[nodiscard]] std::size_t none() const noexcept { return cases_.size(); }

 private:
  std::size_t first_ready() {
    waiter* wake = nullptr;
    for (const std::uint16_t i : order_.all()) {
      spin_lock* const lock = cases_[i]->lock();
      if (!fires(*cases_[i], lock, wake)) continue;
      if (wake != nullptr) ready(*wake);
      return i;
    }
    return none();
  }

  static bool fires(select_case& c, spin_lock* lock, waiter*& wake) {
    if (lock == nullptr) return c.try_fire(wake);
    const spin_guard guard(*lock);
    return c.try_fire(wake);
  }

  std::size_t wait() SENNIT_NO_ANALYSIS {  // park() releases the locks
    waiter& self = current_waiter();
    find_polled(self);
    const std::span<spin_lock*> locks = sorted_locks();
    for (spin_lock* lock : locks) lock->lock();
    const auto unlock_all = [locks]() SENNIT_NO_ANALYSIS {
      for (spin_lock* lock : locks) lock->unlock();
    };
    waiter* wake = nullptr;
    for (const std::uint16_t i : order_.all()) {
      if (!cases_[i]->try_fire(wake)) continue;
      unlock_all();
      if (wake != nullptr) ready(*wake);
      return i;
    }
    park_plan plan{.kind = wait_kind::select, .object = this, .more_held = locks};
    std::size_t timed = none();
    bool all_wait = true;
    for (std::size_t i = 0; i < cases_.size() && all_wait; ++i) {
      if (cases_[i]->deadline() < plan.until.deadline) {
        plan.until.deadline = cases_[i]->deadline();
        timed = i;
      }
      all_wait = cases_[i]->enlist(self, static_cast<std::uint16_t>(i));
    }
    std::uint16_t woken_by = case_none;
    if (all_wait) {
      woken_by = polled_.empty() ? park(self, plan) : park_polling(static_cast<thread_waiter&>(self), plan, polled_);
    } else {
      unlock_all();
    }
    // A waker may be popping a node of ours right now: it loses the claim, but reads the node under the lock.
    for (select_case* c : cases_) delist(*c);
    if (woken_by < cases_.size()) return cases_[woken_by]->claimed() ? woken_by : none();
    if (woken_by == case_timeout) return cases_[timed]->claimed() ? timed : none();
    throw_if_canceled(woken_by);
    return none();  // a plain thread's poll: the next look tells
  }

  /// What a plain thread has to poll for; empty for a fiber, whose worker does it.
  void find_polled(waiter& self) {
    polled_.clear();
    if (self.is_fiber()) return;
    for (const select_case* c : cases_) {
      if (const pollfd p = c->polled(); p.fd >= 0) polled_.push_back(p);
    }
    if (polled_.empty()) return;
    if (static_cast<thread_waiter&>(self).wake_fd() < 0) {
      throw_if(std::make_error_code(std::errc::too_many_files_open), "sennit: no eventfd for a select of descriptors");
    }
    polled_.emplace_back();
  }

  static void delist(select_case& c) noexcept {
    spin_lock* const lock = c.lock();
    if (lock == nullptr) return c.delist();
    const spin_guard guard(*lock);
    c.delist();
  }

  /// Each once: a channel may be in several cases.
  std::span<spin_lock*> sorted_locks() {
    const auto all = locks_.all();
    std::size_t n = 0;
    for (select_case* c : cases_) {
      if (spin_lock* const lock = c->lock()) all[n++] = lock;
    }
    const auto used = all.first(n);
    std::ranges::sort(used, std::less<>());
    return {used.begin(), std::ranges::unique(used).begin()};
  }

  const std::span<select_case* const> cases_;
  scratch<std::uint16_t> order_;
  scratch<spin_lock*> locks_;
  std::vector<pollfd> polled_;
};

}  // namespace

pollfd select_case::polled() const noexcept { return {-1, 0, 0}; }

std::size_t select_among(std::span<select_case* const> cases) {
  SENNIT_CHECK(!cases.empty() && cases.size() <= most_cases,
               "select() takes 1 to 60000 cases: without any it would wait for ever");
  selection s(cases);
  for (;;) {
    if (const std::size_t fired = s.once(); fired != s.none()) return fired;
  }
}

}  // namespace sennit::inline v0::detail
