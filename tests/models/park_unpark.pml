/*
 * Parking on two queues at once, and everybody who may end it (runtime/fiber/state_word.hpp, runtime/sched/park.cpp).
 *
 * One fiber parks PARKS times, each time with one wait_node on its stack per queue; queue 1 stands for the timers.
 * Two workers run it. A waker per queue, a stopper and an inspector come at any moment.
 *
 * Properties: exactly one ready per park; the fiber runs only where its registers were saved, on one worker, and not
 * while it is inspected; no node is touched after the park it belongs to is over; at the end nobody who came for the
 * current park was forgotten; the case that is reported did happen, in this park.
 */
#ifndef PARKS
#define PARKS 2
#endif
#define ATTEMPTS 2            /* of each waker */
#define QUEUES 2
#define WORKERS 2
#define WAKER WORKERS         /* thread ids: workers, a waker per queue, stopper, inspector */
#define STOPPER (WAKER + QUEUES)
#define INSPECTOR (STOPPER + 1)
#define THREADS (INSPECTOR + 1)
#define SAVED QUEUES          /* memory[q] is the lock of queue q; memory[SAVED] the epoch the stack pointer is of */
#define CELLS (QUEUES + 1)
#include "store_buffer.pml"

/* The state word of fiber/state_word.hpp. Each change is one read-modify-write. */
bool parked, stop, interruptible, inspected, ready_deferred;
byte epoch;                   /* of the current or coming park: a claim adds one */
byte cause;                   /* case of the node that won, or STOPPED */
#define STOPPED QUEUES

/* Under the lock of the queue. */
bool linked[QUEUES];
byte node_epoch[QUEUES];

byte ready = 1;               /* run queue; its own order is steal.pml's subject */
bool done;

bool running;                 /* ghosts */
#define NONE 255
byte alive = NONE;            /* epoch of the nodes that exist */
byte readied;                 /* number of times that the fiber was made ready */
byte popped[QUEUES] = NONE;   /* last epoch for which a waker of this queue came */

#ifdef WITHOUT_EPOCH
#define is_parked(e) parked
#else
#define is_parked(e) (parked && epoch == e)
#endif

inline claim(why) {
  assert(!running);
  parked = false;
  epoch++;
  cause = why;
  won = true
}

/* Exactly one ready per claim, by whoever won it, or by the inspector: his hold on the stack outlives a claim. */
inline make_ready() {
  atomic { assert(!parked && !running && readied + 1 == epoch); readied++; ready++ }
}

inline make_ready_or_defer(self) {
#ifdef WITHOUT_DEFERRAL
  make_ready();
#else
  if
  :: atomic { fence(self) && !inspected -> make_ready() }
  :: atomic { fence(self) && inspected -> ready_deferred = true }
  fi;
#endif
  won = false
}

proctype worker(byte me) {
  byte q, e;
  bool won;
end:
  do
  :: done -> break
  :: atomic { ready > 0 -> ready--; assert(!running && !inspected && !parked); running = true }
     /* The fiber is back on its stack. */
     assert(load(me, SAVED) == epoch);
     if
     :: epoch == 0            /* its first run */
     :: else ->
        assert(cause == STOPPED || popped[cause] == epoch - 1);
#ifndef WITHOUT_UNLINK
        for (q : 0 .. QUEUES - 1) {
          /* Also for a node that is out of the queue: its waker, or the hook, may still look at it under the lock. */
#ifdef WITHOUT_EVERY_LOCK
          if
          :: linked[q] -> acquire_lock(me, q); linked[q] = false; release_lock(me, q)
          :: else
          fi
#else
          acquire_lock(me, q);
          linked[q] = false;
          release_lock(me, q)
#endif
        }
#endif
        alive = NONE
     fi;
     if
     :: epoch == PARKS -> done = true; break
     :: else
     fi;
     /* park() */
     atomic { e = epoch; alive = e }
     for (q : 0 .. QUEUES - 1) {
       acquire_lock(me, q);
       atomic { linked[q] = true; node_epoch[q] = e }
     }
     running = false;
#ifndef WITHOUT_HOOK
     store(me, SAVED, e + 1); /* the switch; from here it is the post-switch hook, on the worker's own stack */
#endif
     /* publish() */
     if
     :: atomic { fence(me) && stop -> claim(STOPPED) }  /* an interruptible park that stop refuses */
     :: atomic { fence(me) && !stop -> parked = true; interruptible = true }
     :: atomic { fence(me) -> parked = true; interruptible = false }
     fi;
     for (q : 0 .. QUEUES - 1) {
       assert(alive == e);    /* the hook reads in the node which lock to release */
       release_lock(me, q)
     }
#ifdef WITHOUT_HOOK
     store(me, SAVED, e + 1);
#endif
     if
     :: won -> make_ready_or_defer(me)
     :: else
     fi;
     atomic { e = 0; q = 0 }
  od
}

/* Queue 0 claims under its lock, as wait_queue does; queue 1 with a copy {fiber, epoch} after it. */
proctype waker(byte me; byte q) {
  byte n, e;
  bool won;
  do
  :: n == ATTEMPTS -> break
  :: else ->
     n++;
     acquire_lock(me, q);
     if
     :: linked[q] ->
        atomic { assert(alive == node_epoch[q]); e = node_epoch[q]; linked[q] = false; popped[q] = e }
        if
        :: q == 1 -> release_lock(me, q)
        :: else -> assert(alive == e)
        fi;
        if
        :: atomic { fence(me) && is_parked(e) -> claim(q) }
        :: atomic { fence(me) && !is_parked(e) }  /* lost: the node is dropped */
        fi;
        if
        :: q == 0 -> assert(alive == e); release_lock(me, q)
        :: else
        fi;
        if
        :: won -> make_ready_or_defer(me)
        :: else
        fi;
        e = 0
     :: else -> release_lock(me, q)
     fi
  od
}

proctype stopper() {
  bool won;
  /* Not parked: the hook will see the bit. */
  stop = true;
  /* A compare-exchange loop: inspected may come and go, a waker may win. */
  if
  :: atomic { parked && interruptible -> claim(STOPPED) }
  :: atomic { !(parked && interruptible) }
  fi;
  if
  :: won -> make_ready_or_defer(STOPPER)
  :: else
  fi
}

proctype inspector() {
  bool again;
  if
  :: atomic { parked -> inspected = true }
     assert(load(INSPECTOR, SAVED) == alive + 1);  /* walks the stack */
     assert(!running);
     atomic { again = ready_deferred; inspected = false; ready_deferred = false }
#ifndef WITHOUT_INSPECTOR_READY
     if
     :: again -> make_ready()
     :: else
     fi
#endif
  :: true
  fi
}

proctype monitor() {
  timeout ->
  assert(parked || done);     /* who claimed has made it ready */
  assert(!(parked && interruptible && stop));
  assert(!parked || (popped[0] != epoch && popped[1] != epoch))
}

init {
  byte t;
  atomic {
    for (t : 0 .. WORKERS - 1) { run worker(t) }
    for (t : 0 .. QUEUES - 1) { run waker(WAKER + t, t) }
    run stopper();
    run inspector();
    for (t : 0 .. THREADS - 1) { run drain(t) }
    run monitor()
  }
}
