/*
 * select() and the wake word with its notes (runtime/sync/select.cpp, runtime/fiber/state_word.hpp,
 * runtime/sched/token_waker.hpp).
 *
 * Each of SELECTORS fibers selects again and again: on two queues of messages, on a stop, and on something without a
 * lock that may turn out to be ready while it is enlisted, or a deadline that has passed (then it does not park). A
 * poster per queue hands a message to whom it claims, or counts it. The stop comes at any moment, or never; its callback
 * takes no lock of a queue. The callbacks of std's stop_token are right: gone when their destructor has returned.
 *
 * Properties: exactly one case fires per select; no message is lost or taken twice; nobody sleeps while a case of his
 * can fire; no node and no callback is touched after its select; a note ends the park it was made for or none; no
 * deadlock. The hook's part in releasing the locks is park_unpark.pml's subject.
 */
#define posts(q) (1 + (q))     /* by the poster of queue q */
#define SELECTORS 2
#define QUEUES 2
#define POSTER SELECTORS      /* thread ids: selectors, a poster per queue, stopper */
#define STOPPER (POSTER + QUEUES)
#define THREADS (STOPPER + 1)
#define CELLS QUEUES          /* memory[q] is the lock of queue q: q is its address */
#include "store_buffer.pml"
#define NONE 255
#define STOP QUEUES           /* cases: the queues, the stop, the case without a lock */
#define OTHER (QUEUES + 1)

byte messages[QUEUES];        /* under the queue's lock */
chan waiting0 = [SELECTORS] of { byte };
chan waiting1 = [SELECTORS] of { byte };

typedef state_word {          /* each change is one read-modify-write */
  bool parked, noted;
  byte epoch, cause
};
state_word state[SELECTORS];
bool woken[SELECTORS];        /* made ready; a locked instruction */

bool stopped;                 /* the stop_token: guarded by its own lock */
bool registered[SELECTORS], calling[SELECTORS];
byte made_for[SELECTORS];     /* in the callback: the epoch */

bool alive[SELECTORS];        /* ghosts: the nodes and the callback exist */
bool ended[SELECTORS];
byte given[SELECTORS] = NONE; /* handed over by a poster */
byte posted[QUEUES], taken[QUEUES];
byte others = 1;              /* how often the case without a lock may fire */

#ifdef WITHOUT_EPOCH
#define same(s, e) (true || e)
#else
#define same(s, e) (state[s].epoch == e)
#endif

inline woken_by(s, why) { state[s].parked = false; state[s].noted = false; state[s].epoch++; state[s].cause = why }

/* state_word::claim_or_note(), by the callback. */
inline claim_or_note(self, s) {
  assert(alive[s]);
  if
  :: atomic { fence(self) && same(s, made_for[s]) && !state[s].noted && state[s].parked -> woken_by(s, STOP); won = true }
  :: atomic {
       fence(self) && same(s, made_for[s]) && !state[s].noted && !state[s].parked ->
       state[s].noted = true;
       state[s].cause = STOP
     }
  :: atomic { fence(self) && !(same(s, made_for[s]) && !state[s].noted) }
  fi
}
inline ready(self, s) { atomic { fence(self) -> assert(!woken[s]); woken[s] = true } }

/* try_fire() of all cases that have locks; those are held. */
inline look(q) {
  if
  :: fired == NONE && messages[q] > 0 -> messages[q]--; fired = q
  :: else
  fi
}
inline look_at_stop() {
  if
  :: fired == NONE && stopped -> fired = STOP
  :: else
  fi
}
#define first_of(me) 0
#ifdef WITHOUT_ADDRESS_ORDER
#undef first_of
#define first_of(me) (me % 2)
#endif

inline delist(q, queue) {
  atomic {
    acquire_lock(me, q);
    if
    :: queue??[eval(me)] -> queue??eval(me)
    :: else
    fi;
    release_lock(me, q)
  }
}

proctype selector(byte me) {
  byte fired = NONE;
  bool won, parks;
again:
  /* First look: a lock at a time. */
  atomic { acquire_lock(me, 0); look(0); release_lock(me, 0) }
  atomic { acquire_lock(me, 1); look(1); release_lock(me, 1) }
  look_at_stop();
  if
  :: fired != NONE -> goto done
  :: else
  fi;
  /* All locks. */
  acquire_lock(me, first_of(me));
  acquire_lock(me, 1 - first_of(me));
#ifndef WITHOUT_SECOND_LOOK
  atomic { look(0); look(1) }
  look_at_stop();
#endif
  if
  :: fired != NONE -> release_lock(me, 0); release_lock(me, 1); goto done
  :: else
  fi;
  atomic {
    assert(!waiting0??[eval(me)] && !waiting1??[eval(me)]);
    alive[me] = true;
    waiting0!me;
    waiting1!me;
    made_for[me] = state[me].epoch
  }
  if
  :: atomic { fence(me) && stopped -> state[me].noted = true; state[me].cause = STOP }  /* called by its constructor */
  :: atomic { !stopped -> registered[me] = true }
  fi;
  if
  :: atomic { others > 0 -> others--; parks = false }
  :: parks = true
  fi;
  if
  :: parks ->
     /* publish() */
     if
#ifdef WITHOUT_NOTE
     :: atomic { fence(me) -> state[me].parked = true; state[me].noted = false }
#else
     :: atomic { fence(me) && state[me].noted -> woken_by(me, state[me].cause); woken[me] = true }
     :: atomic { fence(me) && !state[me].noted -> state[me].parked = true }
#endif
     fi
  :: else -> fired = OTHER
  fi;
  release_lock(me, 0);
  release_lock(me, 1);
  if
  :: parks ->
end_parked:
     atomic {
       woken[me] ->
       assert(!state[me].parked && state[me].epoch == made_for[me] + 1);
       woken[me] = false;
       fired = state[me].cause;
       state[me].cause = 0
     }
  :: else
  fi;
#ifndef WITHOUT_UNLINK
  delist(0, waiting0);
  delist(1, waiting1);
#endif
  /* The callback's destructor. */
  atomic { !calling[me] -> registered[me] = false }
#ifndef WITHOUT_FORGET_NOTE
  if
  :: atomic { fence(me) && state[me].noted -> state[me].noted = false; state[me].cause = 0 }
  :: atomic { !state[me].noted }
  fi;
#endif
  alive[me] = false;
done:
  atomic {
    assert(!state[me].noted);     /* it would end the next park, whatever that waits for */
    if
    :: given[me] != NONE -> assert(fired == given[me]); given[me] = NONE
    :: else
    fi;
    if
    :: fired < QUEUES -> taken[fired]++
    :: fired == STOP -> assert(stopped); ended[me] = true; goto over
    :: else
    fi;
    fired = NONE;
    parks = false;
    state[me].epoch = 0;          /* nobody is left who knows the old one: fewer states */
    made_for[me] = 0
  }
  goto again;
over:
  skip
}

/* wait_queue::claim_front(). */
inline claim_front(queue) {
  do
  :: who == NONE && len(queue) > 0 ->
     queue?who;
     assert(alive[who]);
     if
     :: state[who].parked -> woken_by(who, q)
     :: else -> who = NONE        /* lost: the node is dropped */
     fi
  :: else -> break
  od
}

proctype poster(byte me; byte q) {
  byte n, who = NONE;
  do
  :: n == posts(q) -> break
  :: n < posts(q) ->
     atomic {
       acquire_lock(me, q);
       n++;
       posted[q]++;
       if
       :: q == 0 -> claim_front(waiting0)
       :: else -> claim_front(waiting1)
       fi;
       if
       :: who == NONE -> messages[q]++
       :: else -> assert(given[who] == NONE); given[who] = q
       fi;
       release_lock(me, q)
     }
     if
     :: who != NONE -> ready(me, who); who = NONE
     :: else
     fi
  od
}

/* request_stop(): one callback after the other, without the lock of the stop_token. */
proctype stopper() {
  byte s;
  bool won;
  if
  :: stopped = true
  :: goto no_stop
  fi;
  do
  :: s == SELECTORS -> break
  :: atomic { s < SELECTORS && registered[s] -> registered[s] = false; calling[s] = true }
     claim_or_note(STOPPER, s);
     if
     :: won -> ready(STOPPER, s); won = false
     :: else
     fi;
     calling[s] = false;
     s++
  :: atomic { s < SELECTORS && !registered[s] -> s++ }
  od;
no_stop:
  skip
}

proctype monitor() {
  byte s;
  timeout ->
  for (s : 0 .. SELECTORS - 1) {
    assert(ended[s] || state[s].parked);      /* else a deadlock */
    assert(ended[s] || !stopped);
    assert(ended[s] || messages[0] + messages[1] == 0)
  }
  for (s : 0 .. QUEUES - 1) {
    assert(posted[s] == messages[s] + taken[s])
  }
}

init {
  byte t;
  atomic {
    for (t : 0 .. SELECTORS - 1) { run selector(t) }
    for (t : 0 .. QUEUES - 1) { run poster(POSTER + t, t) }
    run stopper();
    for (t : 0 .. THREADS - 1) { run drain(t) }
    run monitor()
  }
}
