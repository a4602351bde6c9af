#pragma once
// The control block of a fiber: everything about it but its stack.
#include <bit>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <string_view>
#include <utility>

#include <sennit/detail/fiber_owner.hpp>
#include <sennit/detail/task.hpp>
#include <sennit/detail/wait_queue.hpp>
#include <sennit/fiber.hpp>
#include <sennit/stop_token.hpp>

#include "context/context.hpp"
#include "context/tsan_section.hpp"
#include "fiber/exit_list.hpp"
#include "fiber/timer_node.hpp"
#include "fiber/waiter.hpp"
#include "stack/stack.hpp"

namespace sennit::inline v0::detail {

class local_map;
class scope_core;
class worker;

/// What a parked fiber waits for, for whoever looks from outside.
enum class wait_kind : std::uint8_t {
  none,
  sleep,
  mutex,
  shared_mutex,
  condition,
  semaphore,
  latch,
  barrier,
  once,
  channel_send,
  channel_receive,
  event,
  future,
  wait_group,
  scope,
  join,
  read,
  write,
  descriptor,
  helper,
  select,
  stack,
  timer
};
inline constexpr std::size_t wait_kinds = static_cast<std::size_t>(wait_kind::timer) + 1;

/// Whether this wait or yield of a fiber is timed; its `wait.since` is exact then.
enum class timed : std::uint8_t {
  no,
  waiting,  // since then
  ready,    // since then
};

/// In fiber_block::callbacks: it is inside preemptible(); its slice is timed.
inline constexpr std::uint8_t in_region = 0x40;
inline constexpr std::uint8_t slice_is_timed = 0x80;

/// The wait that a fiber is in, or was in last, and how it ended.
struct wait_record {
  timer_node timer;
  const void* object = nullptr;
  nanos since = 0;                       // the worker's clock of its last poll, or exact if the wait is timed
  std::exception_ptr failure = nullptr;  // if fiber_block::failed()
};

/// What few fibers have. Made when it is first needed; stays with the block, for its later fibers.
struct rare_record {
  char name[24] = {};
  sennit::stop_source stop{nostopstate};  // made when somebody asks for it; under joiners.lock
};

/// Lives in a block_slab of its runtime: type-stable, never unmapped while the runtime lives. Written by the fiber
/// itself and, while it is not running, by whoever is about to run it; what others may touch says so. Kept alive by
/// references: one of the runtime until the fiber has ended, one per handle.
class alignas(64) fiber_block : public waiter {
 public:
  // First cache line: all that a switch and a yield touch.
  context ctx;
  worker* last = nullptr;     // the worker that ran it last
  std::byte* slot = nullptr;  // of its stack, which is bound at the first run
  std::uint16_t pins = 0;     // > 0: runs on `last` only
  wait_kind wait_for = wait_kind::none;
  bool has_work : 1 = false;
  bool is_child : 1 = false;  // of a scope, which is the owner, on some fiber's stack
  atomic<std::uint8_t> rarities{0};
  sennit::priority priority = sennit::priority::normal;
  stack_class stack_kind : 4 = stack_class::normal;  // of the stack that it gets or has
  timed timing : 3 = timed::no;                      // written by whoever may write `next`
  bool time_next_slice : 1 = false;                  // the same
  std::uint8_t callbacks = 0;                        // inside so many request_stop(), or in_region: must not wait;
                                                     // and slice_is_timed

  // Second: a spawn, a wait.
  fiber_block* next = nullptr;  // link of whatever queue holds it, but the ready queue
  nanos ambient_deadline = never;
  std::uint16_t shields = 0;     // > 0: ambient stop and deadline are suspended
  atomic<bool> detached{false};  // by whoever detaches, under joiners.lock
  std::uint8_t yields = 0;
  atomic<std::uint32_t> refs{0};    // 0: free
  local_map* locals = nullptr;      // its fiber_locals' values, from the first use or the spawn on
  spin_lock scope_lock;             // guards `innermost` where another thread may look
  std::uint32_t forks = 0;          // fork_generation() at the spawn
  scope_core* innermost = nullptr;  // open scopes that this fiber owns, innermost first
  fiber_owner* owner = nullptr;     // told when it has ended
  exit_list exits;                  // run by the fiber itself, after its work is gone

  // Third: a spawn, an end.
  std::uint64_t id = 0;
  std::source_location where;
  wait_queue joiners;
  fiber_block* sibling_next = nullptr;  // children of one scope, guarded by that scope's lock
  fiber_block* sibling_prev = nullptr;
  atomic<rare_record*> rare{nullptr};

  // Fourth: what it is to do, until its first run takes that to its stack; then, and in a free block, its waits.
  union {
    task work;  // if has_work
    wait_record wait;
  };

  fiber_block() noexcept : wait{} {}
  ~fiber_block() {
    drop_work();
    std::destroy_at(&wait);
    delete rare.load(relaxed);  // mm:block-rare
  }
  fiber_block(const fiber_block&) = delete;
  fiber_block& operator=(const fiber_block&) = delete;

  [[nodiscard]] stack memory() const noexcept { return {slot, stack_kind}; }
  void set_memory(stack s) noexcept {
    slot = s.slot;
    stack_kind = s.cls;
  }
  /// What it begins with, kept where a context that has not begun has no stack pointer.
  void set_fp(fp_env fp) noexcept { ctx.sp = std::bit_cast<void*>(fp.bits); }
  [[nodiscard]] fp_env fp() const noexcept { return {std::bit_cast<std::uint64_t>(ctx.sp)}; }

  void give_work(task&& todo) noexcept {
    drop_work();  // of one that was given up
    std::destroy_at(&wait);
    std::construct_at(&work, std::move(todo));
    has_work = true;
  }
  [[nodiscard]] task take_work() noexcept {
    has_work = false;
    task taken(std::move(work));  // leaves nothing to destroy
    std::construct_at(&wait);
    return taken;
  }
  void drop_work() noexcept {
    if (!has_work) return;
    has_work = false;
    std::destroy_at(&work);
    std::construct_at(&wait);
  }

  /// A hint that its cache lines of these numbers are written soon. Inlined, since gcc 12 takes a function of nothing
  /// but prefetches for one without effect.
  template <std::size_t First, std::size_t End>
  [[gnu::always_inline]] void fetch() const noexcept {
    const auto* const lines = reinterpret_cast<const std::byte*>(this);
    [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
      (__builtin_prefetch(lines + (First + I) * 64, 1), ...);
    }(std::make_index_sequence<End - First>());
  }

  /// Its rare_record, which is in use from now on; nullptr without memory. By whoever holds a reference.
  [[nodiscard]] rare_record* make_rare() noexcept {
    rarities.fetch_or(rarity_record, relaxed);  // mm:block-rare
    rare_record* found = rare.load(acquire);    // mm:block-rare
    if (found != nullptr) return found;
    auto* const made = new (std::nothrow) rare_record;
    if (made == nullptr || rare.compare_exchange_strong(found, made, acq_rel, acquire)) return made;  // mm:block-rare
    delete made;
    return found;
  }
  /// nullptr: nothing in it was set for this fiber.
  [[nodiscard]] rare_record* if_rare() const noexcept {
    const bool used = (rarities.load(relaxed) & rarity_record) != 0;  // mm:block-rare
    return used ? rare.load(acquire) : nullptr;                       // mm:block-rare
  }
  /// Under joiners.lock, by the fiber itself or for one that never runs.
  void fail(std::exception_ptr&& why) noexcept {
    wait.failure = std::move(why);
    rarities.fetch_or(rarity_failure, relaxed);  // mm:block-rare
  }
  [[nodiscard]] bool failed() const noexcept {
    return (rarities.load(relaxed) & rarity_failure) != 0;  // mm:block-rare
  }
  /// Why it failed, if it did and nobody has taken that. Under joiners.lock, or by who knows that it has ended.
  [[nodiscard]] std::exception_ptr failure() const noexcept { return failed() ? wait.failure : nullptr; }
  [[nodiscard]] std::exception_ptr take_failure() noexcept {
    return failed() ? std::exchange(wait.failure, nullptr) : nullptr;
  }
  /// By who has dropped the last reference. The name stays until the next spawn, for who saw it run a moment ago.
  void forget_rare() noexcept {
    if (rarities.load(relaxed) == 0) return;  // mm:block-rare: whoever set it has dropped a reference since
    if (failed()) wait.failure = nullptr;
    if (rare_record* const r = if_rare()) r->stop = sennit::stop_source(nostopstate);
  }
  /// At the spawn, before anything that is rare is set.
  void begin_rare() noexcept {
    if (rarities.load(relaxed) == 0) return;  // mm:block-rare
    if (rare_record* const r = if_rare()) r->name[0] = '\0';
    rarities.store(0, relaxed);  // mm:block-rare
  }

  /// A reference for whoever finds the block in the slab; false if nobody has one, so that it is nobody's.
  [[nodiscard]] bool hold() noexcept {
    std::uint32_t seen = refs.load(relaxed);  // mm:block-refs
    while (seen != 0) {
      if (refs.compare_exchange_weak(seen, seen + 1, acquire, relaxed)) return true;  // mm:block-refs
    }
    return false;
  }

  /// Asked by whoever has it in hand while it does not run; TSan knows no edge back to the fiber, which writes it.
  [[nodiscard]] SENNIT_NO_TSAN bool pinned() const noexcept { return pins != 0; }
  /// The same. May run next on whichever worker readies it.
  [[nodiscard]] SENNIT_NO_TSAN bool may_run_next() const noexcept {
    return pins == 0 && priority != sennit::priority::low;
  }
  /// One test for both: they are in one byte.
  [[nodiscard]] SENNIT_NO_TSAN bool clock_is_wanted() const noexcept { return timing != timed::no || time_next_slice; }
  SENNIT_NO_TSAN void ask_for_clock() noexcept { time_next_slice = true; }
  /// What it is inside of, and must not wait.
  [[nodiscard]] std::uint8_t must_not_wait() const noexcept {
    return static_cast<std::uint8_t>(callbacks & ~slice_is_timed);
  }
  [[nodiscard]] SENNIT_NO_TSAN bool wait_is_timed() const noexcept { return timing == timed::waiting; }
  [[nodiscard]] SENNIT_NO_TSAN bool urgent() const noexcept { return pins == 0 && priority == sennit::priority::high; }
  [[nodiscard]] std::string_view name() const noexcept {
    const rare_record* const r = if_rare();
    return r != nullptr && r->name[0] != '\0' ? std::string_view(r->name) : std::string_view("fiber");
  }
  /// The fiber whose timer this is.
  static fiber_block& of(timer_node& node) noexcept {
    return *reinterpret_cast<fiber_block*>(reinterpret_cast<std::byte*>(&node) - timer_offset());
  }

 private:
  static constexpr std::size_t timer_offset() noexcept;
  static constexpr std::uint8_t rarity_record = 1;
  static constexpr std::uint8_t rarity_failure = 2;
};

constexpr std::size_t fiber_block::timer_offset() noexcept {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
  return offsetof(fiber_block, wait.timer);
#pragma GCC diagnostic pop
}

#if !SENNIT_ASAN && !SENNIT_TSAN
// 4096 bytes of stack, 520 of page tables and this are a parked fiber: together below 4.9 KiB.
static_assert(sizeof(fiber_block) == 256);
#endif

}  // namespace sennit::inline v0::detail
