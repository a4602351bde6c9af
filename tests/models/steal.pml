/*
 * The bounded ring of a worker's run queue: the owner pushes and pops, thieves take half (runtime/queue/run_queue.hpp).
 *
 * Properties: each item comes out exactly once, and comes out as what went in. Indices run freely and wrap: they are
 * bytes here and start just below the wrap. (A compare-exchange that is late by a whole wrap, 2^32 operations in the
 * code, is assumed away.)
 */
#define THIEVES 2
#define OWNER THIEVES
#define THREADS (THIEVES + 1)
#define CAPACITY 4
#define ITEMS 6
#define START 253
#define HEAD CAPACITY         /* memory[0..CAPACITY-1] are the slots */
#define TAIL (CAPACITY + 1)
#define CELLS (CAPACITY + 2)
#define DEPTH 4
#include "store_buffer.pml"

byte taken[ITEMS + 1];        /* ghosts */
byte out;

inline take(v) {
  atomic { assert(v > 0 && taken[v] == 0); taken[v]++; out++ }
}

proctype owner() {
  byte item = 1, head, tail = START, v;
  do
  :: head = memory[HEAD];     /* acquire: the slots before it are free */
     if
     :: item <= ITEMS && ((tail - head) & 255) < CAPACITY ->
#ifdef WITHOUT_RELEASE
        store(OWNER, TAIL, tail + 1);
        store(OWNER, tail % CAPACITY, item);
#else
        store(OWNER, tail % CAPACITY, item);
        store(OWNER, TAIL, tail + 1);
#endif
        tail++;
        item++
     :: head != tail ->
        v = load(OWNER, head % CAPACITY);
        if
        :: atomic { fence(OWNER) && memory[HEAD] == head -> memory[HEAD] = head + 1; take(v) }
        :: atomic { fence(OWNER) && memory[HEAD] != head }
        fi;
        v = 0
     :: item > ITEMS && head == tail -> break
     fi;
     head = 0
  od
}

proctype thief(byte me) {
  byte tries, head, n, i;
  byte loot[CAPACITY];
  do
  :: tries == 2 -> break
  :: else ->
     tries++;
     head = memory[HEAD];
     n = (memory[TAIL] - head) & 255;
     /* The head may be older than the tail: then more than CAPACITY seem to be there, and the exchange would fail. */
     if
     :: n == 0 || n > CAPACITY
     :: else ->
        n = (n + 1) / 2;
        i = 0;
#ifdef WITHOUT_COPY_FIRST
        if
        :: atomic { fence(me) && memory[HEAD] == head -> memory[HEAD] = head + n }
        :: atomic { fence(me) && memory[HEAD] != head -> n = 0 }
        fi;
#endif
        do
        :: i < n -> loot[i] = memory[((head + i) & 255) % CAPACITY]; i++
        :: else -> break
        od;
        atomic {
          if
#ifdef WITHOUT_COPY_FIRST
          :: true
#else
          :: fence(me) && memory[HEAD] == head -> memory[HEAD] = head + n
          :: fence(me) && memory[HEAD] != head -> n = 0
#endif
          fi;
          i = 0;
          do
          :: i < n -> take(loot[i]); i++
          :: else -> break
          od
        }
        i = 0;
        loot[0] = 0;
        loot[1] = 0
     fi;
     head = 0;
     n = 0
  od
}

proctype monitor() {
  timeout -> assert(out == ITEMS)
}

init {
  byte t;
  atomic {
    memory[HEAD] = START;
    memory[TAIL] = START;
    for (t : 0 .. THIEVES - 1) { run thief(t) }
    run owner();
    for (t : 0 .. THREADS - 1) { run drain(t) }
    run monitor()
  }
}
