/*
 * The fiber mutex (runtime/sync/mutex.hpp): word 0 free, 1 locked, 2 locked with waiters; a fast path of one
 * compare-exchange each way; a queue under its own lock; barging, and direct hand-off to who was bypassed LIMIT times.
 * Waiters may time out. Parking is abstracted to claimed[] and woken[]: park_unpark.pml is about that.
 *
 * Properties: mutual exclusion; everybody gets the mutex in the end; at most LIMIT bypasses; and whoever, holding the
 * mutex, finds to be the last user may destroy it after its unlock, though others are still inside their unlock().
 */
#define USERS 3
#define THREADS USERS
#define LIMIT 1
#define WORD 0
#define QLOCK 1               /* the lock of the wait queue */
#define CELLS 2
#include "store_buffer.pml"

chan waiters = [USERS] of { byte };  /* under QLOCK */

mtype = { NOBODY, UNLOCKER, TIMER };
mtype claimed[USERS] = NOBODY;  /* who won the compare-exchange on the fiber's state word */
bool woken[USERS], handed[USERS];
byte bypassed[USERS];         /* in the wait_node */
byte timeouts = 1;            /* how many waits may time out */

byte inside, users = USERS;   /* ghosts */
bool destroyed;

#define touch assert(!destroyed)

inline unlock(self) {
#ifdef WITHOUT_UNLOCK_EXCHANGE
  v = load(self, WORD);
  if
  :: v == 1 -> store(self, WORD, 0); v = 0; goto unlocked
  :: else -> v = 0
  fi;
#endif
  skip;
try_fast:
  if
  :: atomic { fence(self) && memory[WORD] == 1 -> touch; memory[WORD] = 0; goto unlocked }
  :: atomic { fence(self) && memory[WORD] != 1 -> touch; assert(memory[WORD] == 2) }
  fi;
  atomic { acquire_lock(self, QLOCK); touch }
next_waiter:
  if
  :: atomic { len(waiters) == 0 ->
       touch;
#ifdef WITHOUT_LAST_TOUCH
       /* Free it under the lock of the queue: the release of that lock may come after the end of the mutex. */
       store(self, WORD, 0)
     }
     atomic { touch; release_lock(self, QLOCK) }
     goto unlocked
#else
       store(self, WORD, 1)
     }
     /* All waiters timed out. The last access must be the one that frees the mutex, so leave the queue first. */
     atomic { touch; release_lock(self, QLOCK) }
     goto try_fast
#endif
  :: atomic { len(waiters) > 0 -> waiters?peer }
     if
     :: atomic { claimed[peer] == NOBODY && fence(self) -> claimed[peer] = UNLOCKER }
     :: atomic { claimed[peer] != NOBODY -> goto next_waiter }  /* the timer won */
     fi;
#ifndef WITHOUT_HAND_OFF
     if
     :: bypassed[peer] >= LIMIT ->
        handed[peer] = true;
        if
        :: len(waiters) > 0    /* stays 2 */
        :: len(waiters) == 0 -> store(self, WORD, 1)
        fi
     :: else -> store(self, WORD, 0)
     fi;
#else
     store(self, WORD, 0);
#endif
     /* The peer is a user until it has run, so the mutex lives; after the ready nothing of it is touched. */
     atomic { touch; release_lock(self, QLOCK) }
     atomic { fence(self) -> woken[peer] = true }
  fi;
unlocked:
  peer = 0
}

proctype user(byte me) {
  byte rounds, v, peer;
  bool last;
again:
  if
  :: atomic { fence(me) && memory[WORD] == 0 -> touch; memory[WORD] = 1; goto locked }
  :: memory[WORD] != 0
  fi;
queue_up:
  atomic { acquire_lock(me, QLOCK); touch }
  if
  :: atomic {
       fence(me) && memory[WORD] == 0 ->
#ifdef WITHOUT_RESTORE
       memory[WORD] = 1
#else
       memory[WORD] = (len(waiters) > 0 -> 2 : 1)  /* who took us from the queue left others there */
#endif
     };
     release_lock(me, QLOCK);
     goto locked
  :: atomic { fence(me) && memory[WORD] != 0 -> memory[WORD] = 2 }
  fi;
  atomic { waiters!me; claimed[me] = NOBODY; woken[me] = false }
  atomic { touch; release_lock(me, QLOCK) }  /* by the post-switch hook */
  if
  :: woken[me]
  :: atomic { timeouts > 0 && claimed[me] == NOBODY -> timeouts--; claimed[me] = TIMER }
  fi;
  atomic { acquire_lock(me, QLOCK); touch }
  if
  :: atomic { waiters??[eval(me)] -> waiters??eval(me) }
  :: else
  fi;
  atomic { touch; release_lock(me, QLOCK) }
  if
  :: claimed[me] == TIMER -> goto again  /* try_lock_for returned false; comes back later */
  :: handed[me] -> handed[me] = false; goto locked
  :: else -> bypassed[me]++; assert(bypassed[me] <= LIMIT); goto queue_up
  fi;
locked:
  atomic { bypassed[me] = 0; rounds++; assert(inside == 0); inside++ }
  if
  :: rounds == 2 -> atomic { users--; last = users == 0 }
  :: rounds < 2
  fi;
  inside--;
  unlock(me);
  if
  :: rounds < 2 -> goto again
  :: else
  fi;
  if
  :: last -> destroyed = true
  :: else
  fi
}

proctype monitor() {
  timeout -> assert(destroyed)
}

init {
  byte t;
  atomic {
    for (t : 0 .. USERS - 1) { run user(t) }
    for (t : 0 .. THREADS - 1) { run drain(t) }
    run monitor()
  }
}
