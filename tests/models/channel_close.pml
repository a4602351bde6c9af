/*
 * A channel that is closed while others send, receive, give up, and end it (runtime/sync/channel_core.cpp): a ring of
 * no or one message, the queues of waiting senders and receivers, all under one lock; messages are handed over directly;
 * whoever has claimed a waiter readies it after the lock is free, close() by a chain through the claimed nodes.
 *
 * SENDERS send one message each, RECEIVERS receive until the end; TIMEOUTS waits are ended by a deadline or a stop, of
 * senders for good. The last user destroys the channel as soon as its own call has returned. A sender is no user any
 * more when its message was received, the closer when somebody can know that the channel is closed: both may still be
 * inside send() and close(). Parking is abstracted to claimed[] and woken[]: park_unpark.pml is about that.
 *
 * Properties: a message is received once and its send has succeeded, or never and it has not; after the close no send
 * succeeds, and what is buffered is received; messages come in order; nobody sleeps for ever; no touch of the destroyed
 * channel nor of a node whose wait is over; and the two facts that channel_core.cpp relies on.
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef CLOSERS
#define CLOSERS 1             /* 0: a receiver stops when all messages have come */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 2
#endif
#define WAITERS (SENDERS + RECEIVERS)
#if SENDERS > 3 || RECEIVERS > 2
#error "see sender_waits"
#endif
#define CLOSER WAITERS        /* thread ids: senders, whose message is their id; receivers; closer */
#define THREADS (WAITERS + CLOSERS)
#define LOCK 0                /* spin lock of the senders' queue, which guards everything */
#define CELLS 1
#include "store_buffer.pml"
#define NONE 255

/* Under LOCK. */
bool closed;
byte capacity;                /* 0 or 1 */
chan ring = [2] of { byte };
chan senders = [SENDERS] of { byte };
chan receivers = [RECEIVERS] of { byte };
#define room (len(ring) < capacity)

mtype = { NOBODY, WAKER, TIMER };
mtype claimed[WAITERS];       /* who won the compare-exchange on the waiter's state word */
bool woken[WAITERS];
byte timeouts = TIMEOUTS;

/* In the node, on the waiter's stack: written by who claimed it, before the waiter is readied. */
bool node_closed[WAITERS];
byte slot[WAITERS] = NONE;    /* of a receiver; in a sender's is its id */

bool alive[WAITERS];          /* ghosts: the node exists */
byte users = THREADS;
bool destroyed;
mtype = { DELIVERED, CLOSED, TIMED_OUT };
mtype result[SENDERS];        /* of send() */
byte received[SENDERS];
chan order = [SENDERS] of { byte };  /* of all that were sent and not yet taken */

#define touch assert(!destroyed)

/* What happens under the lock is one atomic step, up to the store that frees it: nobody else looks at any of it, and a
   timer that claims in between might as well have come before. */
inline lock(self) { acquire_lock(self, LOCK); touch }

/* The facts that hold whenever the lock is free; who lost its claim may still be queued. */
#define waits(i) (alive[i] && claimed[i] == NOBODY)
#define sender_waits (waits(0) || (SENDERS > 1 && waits(1)) || (SENDERS > 2 && waits(2)))
#define receiver_waits (waits(SENDERS) || (RECEIVERS > 1 && waits(SENDERS + 1)))
inline unlock(self) {
  touch;
  assert(!sender_waits || !room);
  assert(!receiver_waits || (len(ring) == 0 && !sender_waits));
  release_lock(self, LOCK)
}

/* wait_queue::claim_front(): n is the waiter, or NONE. The locked instruction finds the buffer empty. */
inline claim_front(queue, n) {
  do
  :: n == NONE && len(queue) > 0 ->
     queue?n;
     assert(alive[n]);        /* also of one that lost: it takes the lock before its node goes */
     if
     :: claimed[n] == NOBODY -> claimed[n] = WAKER
#ifndef WITHOUT_CLAIM
     :: else -> n = NONE
#else
     :: claimed[n] != NOBODY && closed -> n = NONE
     :: claimed[n] != NOBODY && !closed
#endif
     fi
  :: else -> break
  od
}

/* ready(): a locked instruction on some run queue. */
inline ready(self, n) {
  if
  :: n != NONE -> atomic { fence(self) -> woken[n] = true; n = NONE }
  :: else
  fi
}
/* A message leaves the ring or its sender for a receiver. */
inline take(n) {
  do
  :: order?[eval(n)] -> order?eval(n); break
  :: else -> order?b; assert(claimed[b] == TIMER || result[b] == TIMED_OUT)
  od;
  b = 0
}

inline forget(self) { claimed[self] = 0; woken[self] = false; node_closed[self] = false }

/* park_in(): queued under the lock, ... */
inline enlist(self, queue) {
  queue!self;
  claimed[self] = NOBODY;
  alive[self] = true
}
/* ... and after the post-switch hook has released the lock. */
inline wait(self, queue) {
  if
  :: woken[self]
  :: atomic { timeouts > 0 && claimed[self] == NOBODY -> timeouts--; claimed[self] = TIMER }
  fi;
  if
  :: claimed[self] == TIMER ->
#ifndef WITHOUT_REMOVE
     atomic {
       lock(self);
       if
       :: queue??[eval(self)] -> queue??eval(self)
       :: else
       fi;
       unlock(self)
     }
#endif
  :: else
  fi;
  alive[self] = false
}

/* The locks are free before anybody can know that they are no longer needed; an unlock still under way would hit what
   comes to lie there. */
inline destroy(self) {
  atomic {
    touch;
    assert(len(senders) == 0 && len(receivers) == 0);
    b = 0;
    do
    :: b == THREADS -> break
    :: else -> assert(b == self || buffer[b].count == 0); b++
    od;
    b = 0;
    destroyed = true
  }
}
inline leave(self) {
  atomic { fence(self) -> users--; last = users == 0 }  /* a count that a release decrements */
  if
  :: last -> destroy(self)
  :: else
  fi
}

proctype sender(byte me) {
  byte peer = NONE, b;
  bool last;
  atomic {
    lock(me);
    if
    :: closed -> result[me] = CLOSED
    :: else ->
       order!me;
       claim_front(receivers, peer);
       if
       :: peer != NONE ->     /* direct hand-over */
          take(me);
          slot[peer] = me;
          result[me] = DELIVERED
       :: peer == NONE && room -> ring!me; result[me] = DELIVERED
       :: else -> enlist(me, senders)
       fi
    fi;
#ifndef WITHOUT_UNLOCK_FIRST
    unlock(me)
#endif
  }
  ready(me, peer);
#ifdef WITHOUT_UNLOCK_FIRST
  atomic { unlock(me) }
#endif
  if
  :: !alive[me]
  :: else ->
     wait(me, senders);
     atomic {
       result[me] = (claimed[me] == TIMER -> TIMED_OUT : (node_closed[me] -> CLOSED : DELIVERED));
       forget(me)
     }
  fi;
  if
  :: result[me] == DELIVERED  /* whoever receives the message knows that we are gone */
  :: else -> leave(me)
  fi
}

proctype receiver(byte me) {
  byte peer = NONE, message = NONE, b;
  bool last, over;
again:
  atomic {
    lock(me);
    if
#ifdef WITHOUT_DRAIN
    :: closed -> over = true
    :: !closed && len(ring) > 0 ->
#else
    :: len(ring) > 0 ->
#endif
       ring?message;
#ifndef WITHOUT_REFILL
       claim_front(senders, peer);
       if
       :: peer != NONE -> assert(!closed); ring!peer
       :: else
       fi
#endif
    :: else ->
       claim_front(senders, peer);
       if
       :: peer != NONE ->     /* rendezvous */
          assert(!closed);
          message = peer
       :: peer == NONE && closed -> over = true
       :: else -> enlist(me, receivers)
       fi
    fi;
    if
    :: message != NONE -> take(message)
    :: else
    fi;
#ifndef WITHOUT_UNLOCK_FIRST
    unlock(me)
#endif
  }
  ready(me, peer);
#ifdef WITHOUT_UNLOCK_FIRST
  atomic { unlock(me) }
#endif
  if
  :: !alive[me]
  :: else ->
     wait(me, receivers);
     atomic {
       if
       :: claimed[me] == TIMER -> skip  /* receive_for returned; comes back later */
       :: claimed[me] != TIMER && node_closed[me] -> over = true
       :: else -> message = slot[me]; slot[me] = NONE
       fi;
       forget(me)
     }
  fi;
  if
  :: atomic {
       message != NONE ->
       received[message]++;
       users--;
       message = NONE;
#if CLOSERS == 0
       over = users == RECEIVERS
#endif
     }
  :: else
  fi;
  if
  :: over -> leave(me)
  :: else -> goto again
  fi
}

inline claim_all(queue) {
  do
  :: claim_front(queue, peer);
     if
     :: peer != NONE -> node_closed[peer] = true; chain!peer; peer = NONE
     :: else -> break
     fi
  od
}

proctype closer() {
  byte peer = NONE, next = NONE;
  chan chain = [WAITERS] of { byte };  /* linked through the nodes */
  atomic {
    lock(CLOSER);
    closed = true;
#ifndef WITHOUT_SENDERS
    claim_all(senders);
#endif
#ifndef WITHOUT_RECEIVERS
    claim_all(receivers);
#endif
    users--;                  /* from here on somebody can know */
#ifndef WITHOUT_CLOSE_UNLOCK_FIRST
    unlock(CLOSER)
#endif
  }
  do
  :: atomic { len(chain) > 0 -> chain?peer; next = peer; assert(alive[next]) }
     ready(CLOSER, peer);
#ifdef WITHOUT_NEXT_FIRST
     assert(alive[next]);     /* the link is read behind ready() */
#endif
     next = NONE
  :: else -> break
  od;
#ifdef WITHOUT_CLOSE_UNLOCK_FIRST
  atomic { unlock(CLOSER) }
#endif
}

proctype monitor() {
  byte s;
  timeout ->
  for (s : 0 .. SENDERS - 1) {
    assert(received[s] == (result[s] == DELIVERED -> 1 : 0))
  }
  assert(users == 0);
  assert(destroyed)
}

init {
  byte t;
  atomic {
    if
    :: capacity = 0
    :: capacity = 1
    fi;
    for (t : 0 .. WAITERS - 1) {
      if
      :: t < SENDERS -> run sender(t)
      :: else -> run receiver(t)
      fi
    }
#if CLOSERS > 0
    run closer();
#endif
    for (t : 0 .. THREADS - 1) { run drain(t) }
    run monitor()
  }
}
