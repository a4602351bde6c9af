#pragma once
// The control block of a fiber: everything about it but its stack.
#include <cstring>
#include <exception>
#include <memory>
#include <source_location>
#include <string_view>
#include <utility>

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

/// The wait that a fiber is in, or was in last.
struct wait_record {
  timer_node timer;
  const void* object = nullptr;
  nanos since = 0;  // the worker's clock of its last poll, or exact if the wait is timed
};

/// Called when a fiber has left its stack for the last time, before its joiners are woken. May take the block's result.
using finish_fn = void (*)(void* owner, class fiber_block& f) noexcept;

/// Lives in a block_slab of its runtime: type-stable, never unmapped while the runtime lives. Written by the fiber
/// itself and, while it is not running, by whoever is about to run it; what others may touch says so. Kept alive by
/// references: one of the runtime until the fiber has ended, one per handle.
class alignas(64) fiber_block : public waiter {
 public:
  // First cache line: what a switch touches.
  context ctx;
  fiber_block* next = nullptr;  // link of whatever queue holds it
  stack memory;                 // bound at the first run

  // Second and third: a switch, a spawn, an end.
  nanos ambient_deadline = never;
  wait_kind wait_for = wait_kind::none;
  bool has_work : 1 = false;
  bool finish_given_up : 1 =
      false;                     // `finish` is called too if the fiber is given up: its owner is on no fiber's stack
  atomic<bool> detached{false};  // by whoever detaches, under joiners.lock
  atomic<bool> has_rare{false};  // of what is rare below anything was ever set; by whoever does
  std::uint8_t yields = 0;
  sennit::priority priority = sennit::priority::normal;
  stack_class stack_kind : 4 = stack_class::normal;  // of `memory`, once that is bound
  timed timing : 3 = timed::no;                      // written by whoever may write `next`
  bool time_next_slice : 1 = false;                  // the same
  std::uint8_t callbacks = 0;                        // inside so many request_stop(), or in_region: must not wait;
                                                     // and slice_is_timed
  std::uint16_t shields = 0;                         // > 0: ambient stop and deadline are suspended
  std::uint16_t pins = 0;                            // > 0: runs on `last` only
  atomic<std::uint32_t> refs{0};                     // 0: free
  worker* last = nullptr;                            // the worker that ran it last
  local_map* locals = nullptr;                       // its fiber_locals' values, from the first use or the spawn on
  spin_lock scope_lock;                              // guards `innermost` where another thread may look
  std::uint32_t forks = 0;                           // fork_generation() at the spawn
  scope_core* innermost = nullptr;                   // open scopes that this fiber owns, innermost first
  void* owner = nullptr;                             // for finish: the scope that it is a child of
  finish_fn finish = nullptr;
  fp_env fp{};
  std::uint64_t id = 0;
  std::source_location where;
  wait_queue joiners;  // its lock also guards stop_state

  // What it is to do, until its first run takes that to its stack; from then on, and in a free block, its waits.
  union {
    task work;  // if has_work
    wait_record wait;
  };

  // The last cache line: a fiber that is no scope's child, ends well and has no name never touches it.
  fiber_block* sibling_next = nullptr;  // children of one scope, guarded by that scope's lock
  fiber_block* sibling_prev = nullptr;
  // Rare: as in a new block unless has_rare.
  std::exception_ptr failure;
  sennit::stop_source stop_state{nostopstate};  // made when somebody asks for it
  char name_bytes[24] = {};
  exit_list exits;  // run by the fiber itself, after its work is gone

  fiber_block() noexcept : wait{} {}
  ~fiber_block() { drop_work(); }
  fiber_block(const fiber_block&) = delete;
  fiber_block& operator=(const fiber_block&) = delete;

  void give_work(task&& todo) noexcept {
    drop_work();  // of one that was given up
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

  void set_rare() noexcept { has_rare.store(true, relaxed); }  // mm:block-rare
  /// By who has dropped the last reference. The name stays until the next spawn, for who saw it run a moment ago.
  void forget_rare() noexcept {
    if (!has_rare.load(relaxed)) return;  // mm:block-rare: whoever set it has dropped a reference since
    failure = nullptr;
    stop_state = sennit::stop_source(nostopstate);
    exits = {};  // of one that was given up
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
    const bool named = has_rare.load(relaxed) && name_bytes[0] != '\0';  // mm:block-rare
    return named ? std::string_view(name_bytes) : std::string_view("fiber");
  }
  /// At the spawn, before anything else that is rare is set.
  void set_name(std::string_view text) noexcept {
    if (text.empty() && !has_rare.load(relaxed)) return;  // mm:block-rare: nor had its last fiber one
    has_rare.store(!text.empty(), relaxed);               // mm:block-rare
    const std::size_t n = text.copy(name_bytes, sizeof name_bytes - 1);
    name_bytes[n] = '\0';
  }
  /// The fiber whose timer this is.
  static fiber_block& of(timer_node& node) noexcept {
    return *reinterpret_cast<fiber_block*>(reinterpret_cast<std::byte*>(&node) - timer_offset());
  }

 private:
  static constexpr std::size_t timer_offset() noexcept;
};

constexpr std::size_t fiber_block::timer_offset() noexcept {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
  return offsetof(fiber_block, wait.timer);
#pragma GCC diagnostic pop
}

#if !SENNIT_ASAN && !SENNIT_TSAN
// 4096 bytes of stack, 520 of page tables and this are a parked fiber: together below 4.9 KiB. One cache line more, and
// below 5 KiB, where stop_source is sennit's own: two words, which std's is not.
static_assert(sizeof(fiber_block) <= (sizeof(stop_source) == sizeof(void*) ? 320 : 384));
#endif

}  // namespace sennit::inline v0::detail
