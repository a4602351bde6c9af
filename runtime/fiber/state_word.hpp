#pragma once
// The wake word of a waiter, and every transition of it: nobody else touches its bits.
//
//   63..32 epoch   one per park; a waker that was made for an earlier park carries an older epoch and loses
//   31..16 case    who woke: the case of the wait_node that won, or case_timeout, case_stop, case_token
//   15..0  flags   below
//
//   active --publish--> parked --claim--> active (epoch + 1, case set)        any number of times
//   active --note-----> active, and the next publish is refused                  a stop_callback before the park
//   active --forget---> active, without the note                                 if there is no park after all
//   active --finish---> done
//
// Who may write: publish, forget and finish the owner alone; claim any waker that holds the lock of the queue (timer
// queue, scope) through which it found the waiter; claim_or_note a stop_callback that the owner has registered; stop,
// inspect and their counterparts anyone with a reference.
#include <bit>
#include <cstdint>
#include <thread>

#include "base/atomic.hpp"
#include "base/check.hpp"

namespace sennit::inline v0::detail {

inline constexpr std::uint16_t case_none = 0xffff;
inline constexpr std::uint16_t case_timeout = 0xfffe;
inline constexpr std::uint16_t case_stop = 0xfffd;   // ambient
inline constexpr std::uint16_t case_token = 0xfffb;  // a stop_token that was handed to the wait

class state_word {
 public:
  using word = std::uint64_t;
  enum flags : word {
    parked = 1,           // registers saved, may be claimed
    done = 2,             // the fiber has ended; its stack is gone
    interruptible = 4,    // this park is an ambient cancellation point
    stop = 8,             // ambient stop: sticky until clear_stop
    inspected = 16,       // an inspector reads the parked stack: a claim must not make it run yet
    ready_deferred = 32,  // claimed and readied while inspected: the inspector makes it run
    stop_seen = 64,       // a completion-based wait saw the stop and waits on for its terminal completion
    thread_ready = 128,   // a plain thread may go on: the waker's last access
    noted = 256,          // woken before it was parked: the case is set, publish refuses
  };

  [[nodiscard]] std::uint32_t epoch() const noexcept { return epoch_of(word_.load(relaxed)); }  // mm:wake-own
  /// After a park: which case won. Only the owner, while active.
  [[nodiscard]] std::uint16_t case_won() const noexcept {
    return case_of(word_.load(acquire));  // mm:wake-claim
  }
  [[nodiscard]] word peek() const noexcept { return word_.load(acquire); }  // mm:wake-peek

  /// Owner, from the post-switch hook, with all queue locks held: from here on wakers can claim. False if the park is
  /// interruptible and stop is set (the case is case_stop), or was noted as over: then nothing is published, and the
  /// owner must run again.
  [[nodiscard]] bool publish(bool may_interrupt) noexcept {
    word seen = word_.load(relaxed);  // mm:wake-own
    for (;;) {
      SENNIT_CHECK_SEEN((seen & (parked | done)) == 0, "only a running fiber can park; report this state", seen);
      const bool over = (seen & noted) != 0;
      const bool refuse = over || (may_interrupt && (seen & stop) != 0);
      const word next = refuse ? woken(seen, over ? case_of(seen) : case_stop)
                               : ((seen & ~word{interruptible | thread_ready | stop_seen}) | parked |
                                  (may_interrupt ? word{interruptible} : word{0}));
      // Release: whoever claims sees the saved registers and the linked nodes.
      if (word_.compare_exchange_weak(seen, next, release, relaxed)) return !refuse;  // mm:wake-publish
    }
  }

  /// A waker: true if the waiter was still in the park of `made_for`, without the flag `unless`: then the caller
  /// readies the waiter, once.
  [[nodiscard]] bool claim(std::uint32_t made_for, std::uint16_t which, word unless = 0) noexcept {
    word seen = word_.load(relaxed);  // mm:wake-claim
    for (;;) {
      if (epoch_of(seen) != made_for || (seen & (parked | unless)) != parked) return false;
      // Acquire: sees the saved registers. Release: the owner sees what the waker wrote before.
      if (word_.compare_exchange_weak(seen, woken(seen, which), acq_rel, relaxed)) return true;  // mm:wake-claim
    }
  }

  /// As claim(), by a waker that may come before the park of `made_for` is published, and is gone when the owner begins
  /// another one (a stop_callback): it then leaves a note. True only if the waiter was parked.
  [[nodiscard]] bool claim_or_note(std::uint32_t made_for, std::uint16_t which) noexcept {
    word seen = word_.load(relaxed);  // mm:wake-claim
    for (;;) {
      if (epoch_of(seen) != made_for || (seen & noted) != 0) return false;
      const bool found_parked = (seen & parked) != 0;
      const word next = found_parked ? woken(seen, which) : (with_case(seen, which) | noted);
      if (word_.compare_exchange_weak(seen, next, acq_rel, relaxed)) return found_parked;  // mm:wake-claim
    }
  }

  /// Owner, while active, when a callback that may note is gone: a note for a park that did not come would end the
  /// next.
  void forget_note() noexcept {
    if ((word_.load(relaxed) & noted) != 0) word_.fetch_and(~word{noted}, relaxed);  // mm:wake-own
  }

  /// Ambient stop: sets the bit; true if that claimed the waiter out of an interruptible park (then as claim()).
  [[nodiscard]] bool request_stop() noexcept {
    word seen = word_.fetch_or(stop, acq_rel) | stop;  // mm:wake-stop
    for (;;) {
      if ((seen & parked) == 0 || (seen & interruptible) == 0) return false;
      if (word_.compare_exchange_weak(seen, woken(seen, case_stop), acq_rel, relaxed)) return true;  // mm:wake-stop
    }
  }
  void clear_stop() noexcept { word_.fetch_and(~word{stop}, seq_cst); }                             // mm:wake-stop
  [[nodiscard]] bool stop_requested() const noexcept { return (word_.load(seq_cst) & stop) != 0; }  // mm:wake-stop

  /// A completion-based wait that is not interruptible notes that it saw the stop; true the first time.
  bool note_stop_seen() noexcept { return (word_.fetch_or(stop_seen, acq_rel) & stop_seen) == 0; }  // mm:wake-stop

  /// Inspector: true if the waiter is parked and stays off its stack until end_inspect(). Waits while another one
  /// looks, which is a matter of microseconds: each looks at one waiter at a time.
  [[nodiscard]] bool begin_inspect() noexcept {
    word seen = word_.load(relaxed);  // mm:wake-inspect
    while ((seen & parked) != 0) {
      if ((seen & inspected) != 0) {
        std::this_thread::yield();
        seen = word_.load(relaxed);  // mm:wake-inspect
        continue;
      }
      // Acquire: pairs with publish, so that the saved registers can be read.
      if (word_.compare_exchange_weak(seen, seen | inspected, acquire, relaxed)) return true;  // mm:wake-inspect
    }
    return false;
  }
  /// True if a waker deferred to us: the caller makes the waiter run.
  [[nodiscard]] bool end_inspect() noexcept {
    // One step for both bits: a defer_ready() before it is seen here, one after it sees the bit gone.
    const word seen = word_.fetch_and(~word{inspected | ready_deferred}, acq_rel);  // mm:wake-inspect
    return (seen & ready_deferred) != 0;
  }
  /// Waker that has claimed and is about to make the waiter run: false if an inspector reads its stack and will do it.
  /// The bit can only go away between claim and here, never come: only a parked waiter can be inspected.
  [[nodiscard]] bool may_run() noexcept {
    word seen = word_.load(relaxed);  // mm:wake-inspect
    for (;;) {
      if ((seen & inspected) == 0) return true;
      if (word_.compare_exchange_weak(seen, seen | ready_deferred, acq_rel, relaxed)) return false;  // mm:wake-inspect
    }
  }

  /// Plain threads: the waker's last access, and what the thread waits for before it touches the object again.
  void set_thread_ready() noexcept { word_.fetch_or(thread_ready, release); }  // mm:thread-ready
  [[nodiscard]] bool is_thread_ready() const noexcept {
    return (word_.load(acquire) & thread_ready) != 0;  // mm:thread-ready
  }
  /// For futex_wait: the half with case and flags.
  [[nodiscard]] const void* futex_address() const noexcept {
    static_assert(std::endian::native == std::endian::little);
    return word_.address();
  }
  [[nodiscard]] static std::uint32_t futex_value(word w) noexcept { return static_cast<std::uint32_t>(w); }

  void set_done() noexcept { word_.fetch_or(done, release); }                                // mm:wake-done
  [[nodiscard]] bool is_done() const noexcept { return (word_.load(acquire) & done) != 0; }  // mm:wake-done
  /// A recycled control block starts over: active, no stop; the epoch goes on, so old wakers lose.
  void restart() noexcept {
    const std::uint32_t next = epoch_of(word_.load(relaxed)) + 1;  // mm:wake-own
    word_.store(word{next} << 32, relaxed);                        // mm:wake-own
  }

 private:
  static constexpr std::uint32_t epoch_of(word w) noexcept { return static_cast<std::uint32_t>(w >> 32); }
  static constexpr std::uint16_t case_of(word w) noexcept { return static_cast<std::uint16_t>(w >> 16); }
  static constexpr word with_case(word seen, std::uint16_t which) noexcept {
    return (seen & ~(word{0xffff} << 16)) | (word{which} << 16);
  }
  static constexpr word woken(word seen, std::uint16_t which) noexcept {
    return (word{std::uint32_t(epoch_of(seen) + 1)} << 32) | (word{which} << 16) |
           (seen & 0xffff & ~word{parked | interruptible | noted});
  }

  atomic<word> word_{0};
};

}  // namespace sennit::inline v0::detail
