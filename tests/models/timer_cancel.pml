/*
 * Deadlines of parked fibers (runtime/sched/park.cpp, worker::poll_locked, runtime/queue/timer_queue.hpp).
 *
 * A fiber parks PARKS times, with a deadline or without; its timer goes into the heap of the worker that it parked on,
 * by the post-switch hook, under the heap's lock. A stop may end the park first: the fiber, on whichever worker it runs
 * again, then takes its timer out of that heap. After any park it may end; another fiber then gets the control block,
 * and the timer node in it. Each worker polls its heap, and a monitor the heap of either (a stuck worker's); each under
 * the poll token of the heap's owner. All deadlines are due as soon as somebody looks.
 *
 * Properties: a deadline ends its own park, never a later one nor one of the block's next fiber; it is not lost; the
 * node is in one heap at most, and is not touched once the fiber went on; a heap is changed by one at a time.
 */
#ifndef PARKS
#define PARKS 3
#endif
#define STOPS 2
#define WORKERS 2
#define MONITOR WORKERS       /* thread ids: workers, monitor, stopper */
#define STOPPER (MONITOR + 1)
#define THREADS (STOPPER + 1)
#define HEAP 0                /* memory[HEAP + w] is the lock of w's heap, memory[NEXT + w] its next_, memory[TOKEN + w] */
#define NEXT (HEAP + WORKERS)
#define TOKEN (NEXT + WORKERS)
#define CELLS (TOKEN + WORKERS)
#include "store_buffer.pml"
#define NONE 255

mtype = { TIMEOUT, STOPPED };
bool parked;                  /* the state word: each change is one read-modify-write */
byte epoch;
mtype cause;

byte node_epoch;              /* in the control block, under the lock of the heap that it is in */
byte linked = NONE;           /* the heap */

bool timed;                   /* on the fiber's stack */
byte armed_on;
bool in_park;

byte ready = 1;               /* run queue; its own order is steal.pml's subject */
bool done;

bool running;                 /* ghosts */
bool armed;                   /* the node is the heap's, until the fiber goes on */
byte inside[WORKERS];
bool lost;

inline claim(why) { assert(!running); parked = false; epoch++; cause = why; won = true }

inline enter_heap(w) { atomic { inside[w]++; assert(inside[w] == 1) } }
inline leave_heap(w) { inside[w]-- }

/* worker::poll_locked(w), by the owner or the monitor; what it made ready goes to a queue when the locks are free. */
inline poll(self, w) {
  if
  :: atomic { fence(self) && memory[TOKEN + w] == 0 -> memory[TOKEN + w] = 1 }
     if
     :: load(self, NEXT + w) == 0
     :: else ->
        acquire_lock(self, HEAP + w);
        enter_heap(w);
        if
        :: linked == w ->
           atomic { assert(armed); e = node_epoch }
           atomic { assert(linked == w); linked = NONE }
           store(self, NEXT + w, 0);
           leave_heap(w);
#if defined(CLAIM_AFTER_UNLOCK) || defined(WITHOUT_LOCKED_CLAIM)
           release_lock(self, HEAP + w);
#endif
           if
#ifdef WITHOUT_EPOCH
           :: atomic { fence(self) && parked -> assert(e == epoch); claim(TIMEOUT) }
           :: atomic { fence(self) && !parked }
#elif defined(WITHOUT_LOCKED_CLAIM)
           :: atomic { fence(self) && parked && epoch == node_epoch -> assert(e == epoch); claim(TIMEOUT) }
           :: atomic { fence(self) && !(parked && epoch == node_epoch) }
#else
           :: atomic { fence(self) && parked && epoch == e -> claim(TIMEOUT) }
           :: atomic { fence(self) && !(parked && epoch == e) }
#endif
           fi;
#if !defined(CLAIM_AFTER_UNLOCK) && !defined(WITHOUT_LOCKED_CLAIM)
           release_lock(self, HEAP + w)
#endif
        :: else -> leave_heap(w); release_lock(self, HEAP + w)
        fi
     fi;
     release_lock(self, TOKEN + w);
     if
     :: won -> atomic { fence(self) -> ready++; won = false }
     :: else
     fi;
     e = 0
  :: memory[TOKEN + w] != 0
  fi
}

/* Back in park_fiber(), on some worker. */
inline disarm(self) {
#if defined(WITHOUT_REMOVAL)
  skip
#elif defined(WITHOUT_REMOVAL_LOCK)
  enter_heap(armed_on);
  linked = (linked == armed_on -> NONE : linked);
  leave_heap(armed_on)
#else
#ifdef WITHOUT_ITS_OWN_HEAP
  armed_on = self;
#endif
  acquire_lock(self, HEAP + armed_on);
  enter_heap(armed_on);
  if
  :: linked != NONE -> atomic { assert(linked == armed_on); linked = NONE } store(self, NEXT + armed_on, 0)
  :: else                     /* popped: whoever did it has let the lock go */
  fi;
  leave_heap(armed_on);
  release_lock(self, HEAP + armed_on)
#endif
}

inline run_fiber(self) {
  if
  :: in_park && timed && cause != TIMEOUT -> disarm(self)
  :: else
  fi;
  atomic { in_park = false; armed = false; timed = false; cause = 0 }
  if
  :: epoch >= PARKS -> done = true
  :: else ->
     if
     :: epoch > 0 && epoch < PARKS - 1 -> epoch++  /* it ends; the next one gets the block: restart() */
     :: true
     fi;
     if
     :: timed = true; armed_on = self
     :: timed = false
     fi;
     atomic { in_park = true; running = false; t = timed }
     /* The post-switch hook. */
     if
     :: t ->
        acquire_lock(self, HEAP + self);
        enter_heap(self);
        atomic { assert(linked == NONE); armed = true; node_epoch = epoch; linked = self }
        store(self, NEXT + self, 1);
        leave_heap(self);
#ifdef WITHOUT_LOCK_UNTIL_PUBLISHED
        release_lock(self, HEAP + self)
#endif
     :: else
     fi;
     atomic { fence(self) -> parked = true }
     /* Nothing of the fiber is touched from here on; without a timer, or without its lock, it may be gone. */
#ifndef WITHOUT_LOCK_UNTIL_PUBLISHED
     if
     :: t -> release_lock(self, HEAP + self)
     :: else
     fi;
#endif
     t = false
  fi
}

proctype worker(byte me) {
  byte e;
  bool t, won;
end:
  do
  :: done -> break
  :: atomic { ready > 0 -> ready--; assert(!running && !parked); running = true }
     run_fiber(me)
  :: load(me, NEXT + me) != 0 -> poll(me, me)
  od
}

proctype monitor() {
  byte e, w;
  bool won;
end:
  do
  :: done -> break
  :: atomic { memory[NEXT] != 0 -> w = 0 } poll(MONITOR, w)
  :: atomic { memory[NEXT + 1] != 0 -> w = 1 } poll(MONITOR, w); w = 0
  od
}

proctype stopper() {
  byte n;
  bool won;
  do
  :: n == STOPS -> break
  :: atomic { n < STOPS && parked -> claim(STOPPED); n++ }
     atomic { ready++; won = false }
  :: n < STOPS -> n++
  od
}

proctype judge() {
  timeout ->
  assert(done || (parked && !timed));  /* who has a deadline wakes */
  assert(!done || linked == NONE)
}

init {
  byte t;
  atomic {
    for (t : 0 .. WORKERS - 1) { run worker(t) }
    run monitor();
    run stopper();
    for (t : 0 .. THREADS - 1) { run drain(t) }
    run judge()
  }
}
