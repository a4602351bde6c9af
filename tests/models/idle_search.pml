/*
 * Idle workers: who pushes work, who searches, who sleeps (runtime/sched/idle_set.hpp).
 *
 * Property, at every point where nothing moves any more: if work is queued, no worker sleeps. Items may run for ever,
 * so this is about parallelism too, not only about lost work. Workers also wake by themselves (timer, I/O), at any
 * moment, a notifier in the middle of waking them included.
 */
#ifndef WORKERS               /* else given with all the others */
#define WORKERS 2
#define PUSHES 2              /* by the plain thread */
#define CHILDREN 1            /* by running items, to their worker's own queue */
#define SELF_WAKES 1
#define POLLED 0              /* fibers that a busy worker's own poll makes ready; as many times may an item yield */
#endif
#define INJECT WORKERS        /* queue that plain threads push to; queues 0..WORKERS-1 are the workers' own */
#define QUEUES (WORKERS + 1)
#define EXTERNAL WORKERS      /* thread ids: of the plain thread, and of the monitor */
#define MONITOR (WORKERS + 1)
#if POLLED
#define THREADS (WORKERS + 2)
#else
#define THREADS (WORKERS + 1)
#endif
#define CELLS QUEUES          /* memory[q] is the tail of queue q, a release store */
#include "store_buffer.pml"

byte head[QUEUES];            /* moved by compare-exchange */
byte searching;               /* the idle word {searching, awake}: read-modify-write only */
byte awake = WORKERS;
bool locked;                  /* of the list of sleepers */
bool listed[WORKERS];

mtype = { AWAKE, SLEEPING, NOTIFIED };
mtype sleep_word[WORKERS] = AWAKE;
bool eventfd[WORKERS];
bool stuck[WORKERS];          /* runs an item that never ends */

byte children = CHILDREN;
byte polled = POLLED;
byte yields = POLLED;
byte self_wakes;
byte pushed, taken, blocked;  /* ghosts */

#ifdef WITHOUT_NOTIFY_FENCE
#define notify_fence(self) skip
#else
#define notify_fence(self) fence(self)
#endif

/* Called after a push, and by searchers that hand over. A section under the lock is one step wherever it touches the
   idle word only once; here it reads the word, and then changes it. */
inline notify(self) {
  notify_fence(self);
  if
  :: searching == 0 && awake < WORKERS ->
     atomic { fence(self) && !locked -> locked = true; wake = searching == 0 && awake < WORKERS }
     atomic {
       if
       :: wake && listed[0] -> peer = 0
       :: wake && listed[1] -> peer = 1
#if WORKERS > 2
       :: wake && listed[2] -> peer = 2
#endif
       :: else -> assert(!wake)
       fi;
       if
       :: wake -> listed[peer] = false; searching++; awake++
       :: else
       fi;
       locked = false
     }
     if
     :: wake ->
        /* By now the peer may have woken by itself, seen that it was popped, searched, and be asleep again. */
        atomic { fence(self) -> asleep = sleep_word[peer] == SLEEPING; sleep_word[peer] = NOTIFIED; wake = false }
        if
        :: asleep -> atomic { eventfd[peer] = true; asleep = false }
        :: else
        fi;
        peer = 0
     :: else
     fi
  :: else
  fi
}

inline push(self, to) {
  pushed++;
  store(self, to, load(self, to) + 1);
  notify(self)
}

inline try_take(self, to) {
  if
  :: atomic { head[to] == load(self, to) -> found = false }
  :: atomic { head[to] != load(self, to) && fence(self) -> head[to]++; taken++; found = true }
  fi
}

proctype worker(byte me) {
  byte q, peer;
  bool found, searcher, last, wake, asleep;
  mtype old;
look:
  /* A poll on the way. What is alone in the own queue runs next, here, and nobody need know. What queues up behind
     something waits, but perhaps for less than a wake takes, as far as its worker can tell: that may be wrong, and then
     it is the monitor's to see. What it waits for may be a fiber that yielded, of which nobody was told either. */
#if POLLED
  if
  :: atomic { !searcher && polled > 0 -> polled--; pushed++; found = head[me] != load(me, me) }
     store(me, me, load(me, me) + 1);
     if
     :: found -> notify(me)
     :: true
     fi
  :: true
  fi;
#endif
  try_take(me, me);
  if
  :: found -> goto execute
  :: else
  fi;
  /* Become a searcher, unless half of those awake are, or the last search was in vain. The limit is a hint: two steps,
     not one. */
  if
  :: searcher
  :: !searcher && 2 * searching < awake -> atomic { fence(me) -> searching++; searcher = true }
  :: !searcher -> goto sleep
  fi;
  q = INJECT;
  do
  :: try_take(me, q);
     if
     :: found || q == 0 -> q = 0; break
     :: else -> q--
     fi
  od;
  if
  :: !found -> goto sleep
  :: else
  fi;
execute:
  if
  :: searcher ->
     atomic { fence(me) -> assert(searching > 0); searching--; last = searching == 0; searcher = false };
#ifndef WITHOUT_HAND_OVER
     if
     :: last -> notify(me)
     :: else
     fi
#endif
  :: else
  fi;
  if
  :: atomic { children > 0 -> children-- }; push(me, me)
  :: true
  fi;
  if
  :: goto look
#if POLLED
  :: atomic { yields > 0 -> yields--; pushed++ }
     store(me, me, load(me, me) + 1);
     goto look
#endif
  :: goto long_run
  fi;
long_run:
  stuck[me] = true;
end_long_run:
  false;                      /* the item never ends */
sleep:
  atomic {
    fence(me) && !locked ->
    assert(!listed[me] && awake > 0);
    listed[me] = true;
    awake--;
#ifdef WITHOUT_NON_SEARCHER_RECHECK
    last = searcher && searching == 1;
#else
    /* A worker that did not search checks too: the searcher it relied on may have found work and handed over to nobody,
       because all workers were still awake then. */
    last = searching == searcher;
#endif
    searching = searching - searcher;
    assert(searching <= awake);
    searcher = false
  }
#ifndef WITHOUT_RECHECK
  if
  :: last ->
     fence(me);
     q = INJECT;
     found = false;
     do
     :: atomic { found = head[q] != load(me, q) };
        if
        :: found || q == 0 -> q = 0; break
        :: else -> q--
        fi
     od;
     if
     :: found -> notify(me)   /* may pop this worker itself */
     :: else
     fi
  :: else
  fi;
#endif
  atomic { fence(me) -> old = sleep_word[me]; sleep_word[me] = SLEEPING };
  if
  :: old == NOTIFIED
  :: else ->
     blocked++;
end_epoll_wait:
     if
     :: atomic { eventfd[me] -> eventfd[me] = false; blocked-- }
     :: atomic { self_wakes > 0 -> self_wakes--; blocked--; old = AWAKE }
     fi
  fi;
  atomic { fence(me) -> sleep_word[me] = AWAKE };
  /* Only the list tells who woke us. The token may be a late one, from a notifier that popped us before this sleep. */
  atomic {
    fence(me) && !locked ->
    if
#ifdef WITHOUT_LIST_CHECK
    :: old == NOTIFIED -> searcher = true
    :: old != NOTIFIED && listed[me] -> listed[me] = false; awake++; assert(awake <= WORKERS)
#else
    :: listed[me] -> listed[me] = false; awake++; assert(awake <= WORKERS)
#endif
    :: else -> searcher = true
    fi;
    old = 0
  }
  goto look
}

proctype external() {
  byte n, peer;
  bool wake, asleep;
  do
  :: n < PUSHES -> push(EXTERNAL, INJECT); n++
  :: else -> break
  od
}

#if POLLED
/* A worker that does not switch and has work. Where a notify() would do nothing it is left out. */
proctype monitor() {
  byte peer;
  bool wake, asleep;
end_tick:
  do
  :: searching == 0 && awake < WORKERS &&
     (stuck[0] && head[0] != load(MONITOR, 0) || stuck[1] && head[1] != load(MONITOR, 1)) -> notify(MONITOR)
  od
}
#endif

/* timeout: no other process can take a step, store buffers are empty. */
proctype verdict() {
  timeout -> assert(taken == pushed || blocked == 0)
}

init {
  byte t;
  atomic {
    if
    :: self_wakes = 0
    :: self_wakes = SELF_WAKES
    fi;
    for (t : 0 .. WORKERS - 1) { run worker(t) }
    for (t : 0 .. THREADS - 1) { run drain(t) }
    run external();
#if POLLED && !defined(WITHOUT_MONITOR)
    run monitor();
#endif
    run verdict()
  }
}
