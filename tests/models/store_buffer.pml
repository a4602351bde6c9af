/*
 * Total store order for Promela, which by itself is sequentially consistent and so would not miss a dropped fence.
 *
 * Each thread has a FIFO of stores that nobody else sees yet; a drain process per thread moves the oldest of them to
 * memory at any moment. A load sees the thread's own newest store, else memory. fence() is the condition that the own
 * buffer is empty; a locked instruction (read-modify-write) is `atomic { fence(me) -> ... memory[cell] ... }`.
 *
 * The model defines THREADS and CELLS (and DEPTH, 2 or 4) and runs one drain(t) per thread. Variables outside memory[]
 * are either written by locked instructions alone, or protected by a lock (the FIFO makes them visible before the
 * unlock is), or ghosts of the proof.
 */
#ifndef DEPTH
#define DEPTH 2
#endif

typedef store_buffer {
  byte count;
  byte cell[DEPTH];
  byte value[DEPTH]
};
byte memory[CELLS];
store_buffer buffer[THREADS];

#define newest(t, i, a, older) ((buffer[t].count > i && buffer[t].cell[i] == (a)) -> buffer[t].value[i] : (older))
#define newest2(t, a) newest(t, 1, a, newest(t, 0, a, memory[a]))
#if DEPTH == 2
#define load(t, a) newest2(t, a)
#elif DEPTH == 4
#define load(t, a) newest(t, 3, a, newest(t, 2, a, newest2(t, a)))
#else
#error "DEPTH is 2 or 4"
#endif

/* Full barrier: executable once everything that thread t stored is visible. */
#define fence(t) (buffer[t].count == 0)

#define store(t, a, v) \
  atomic { \
    buffer[t].count < DEPTH -> \
    buffer[t].value[buffer[t].count] = v; \
    buffer[t].cell[buffer[t].count] = a; \
    buffer[t].count++ \
  }

/* A spin lock in one cell: taken by a locked instruction, released by a plain store. */
#define acquire_lock(t, a) atomic { fence(t) && memory[a] == 0 -> memory[a] = 1 }
#define release_lock(t, a) store(t, a, 0)

proctype drain(byte t) {
  byte i;
end:
  do
  :: d_step {
       buffer[t].count > 0 ->
       memory[buffer[t].cell[0]] = buffer[t].value[0];
       buffer[t].count--;
       i = 0;
       do
       :: i < DEPTH - 1 ->
          buffer[t].cell[i] = buffer[t].cell[i + 1];
          buffer[t].value[i] = buffer[t].value[i + 1];
          i++
       :: else -> break
       od;
       buffer[t].cell[DEPTH - 1] = 0;
       buffer[t].value[DEPTH - 1] = 0;
       i = 0
     }
  od
}
