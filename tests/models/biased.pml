/*
 * Asymmetric Dekker between the owner of a run queue and its thieves: the owner's pop has no locked instruction and no
 * fence, the thief pays for both with membarrier(2). Not in the code yet; it is modelled before it is coded.
 *
 * Properties: owner and thief are never in the queue together, each item comes out exactly once. membarrier runs a
 * full barrier on the owner's thread: it returns only after the owner's buffer was empty once.
 */
#define THIEVES 2
#define OWNER THIEVES
#define THREADS (THIEVES + 1)
#define ITEMS 3
#define IN_OP 0               /* owner's flag: inside a pop */
#define GATE 1                /* thieves' flag: the owner must keep out */
#define HEAD 2
#define TAIL 3
#define CELLS 4
#define DEPTH 4
#include "store_buffer.pml"

bool stealing;                /* lock among the thieves, read-modify-write */
bool owner_inside, thief_inside, taken[ITEMS];  /* ghosts */
byte out;

#ifdef OWNER_FENCE            /* what to do where membarrier is missing: both sides pay */
#define owner_barrier fence(OWNER)
#else
#define owner_barrier skip
#endif
#if defined(WITHOUT_MEMBARRIER) || defined(OWNER_FENCE)
#define membarrier skip
#else
#define membarrier fence(OWNER)
#endif

inline take(n) {
  d_step { assert(!taken[n]); taken[n] = true; out++ }
}

proctype owner() {
  byte head, pushed;
  do
  :: pushed < ITEMS -> pushed++; store(OWNER, TAIL, pushed)
  :: out == ITEMS -> break
  :: load(OWNER, HEAD) != load(OWNER, TAIL) ->
     store(OWNER, IN_OP, 1);
     owner_barrier;
     if
     :: load(OWNER, GATE) == 0 ->
        atomic { assert(!thief_inside); owner_inside = true; head = load(OWNER, HEAD) }
        if
        :: head != load(OWNER, TAIL) -> take(head); store(OWNER, HEAD, head + 1)
        :: else
        fi;
        atomic { assert(!thief_inside); owner_inside = false; head = 0 }
        store(OWNER, IN_OP, 0)
     :: else ->
        store(OWNER, IN_OP, 0);
        load(OWNER, GATE) == 0
     fi
  od
}

proctype thief(byte me) {
  byte head, n;
  atomic { fence(me) && !stealing -> stealing = true }
  store(me, GATE, 1);
  fence(me);
  membarrier;
#ifndef WITHOUT_WAIT
  memory[IN_OP] == 0;
#endif
  atomic { assert(!owner_inside); thief_inside = true; head = memory[HEAD] }
  n = (memory[TAIL] - head + 1) / 2;
  store(me, HEAD, head + n);
  do
  :: n > 0 -> take(head); atomic { head++; n-- }
  :: else -> break
  od;
  atomic { assert(!owner_inside); thief_inside = false }
  store(me, GATE, 0);
  atomic { fence(me) -> stealing = false }
}

proctype monitor() {
  timeout -> assert(out == ITEMS)
}

init {
  byte t;
  atomic {
    for (t : 0 .. THIEVES - 1) { run thief(t) }
    run owner();
    for (t : 0 .. THREADS - 1) { run drain(t) }
    run monitor()
  }
}
