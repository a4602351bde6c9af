#pragma once
#pragma GCC system_header  // the struct and the function have one name
// kqueue for Linux, as far as poller_kqueue.cpp and its tests need it: names and values are those of macOS, the
// contract is kevent(2) as its manuals (macOS, FreeBSD) have it. kqueue_double.cpp implements it; each statement that
// it keeps is a test of tests/poller/kqueue_double_test.cpp. Not here: NOTE_LOWAT, EVFILT_SIGNAL, PROC, AIO, and VNODE.
#include <stdint.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_TIMER (-7)
#define EVFILT_USER (-10)
#define EVFILT_EXCEPT (-15)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define NOTE_OOB 0x00000002  // EVFILT_EXCEPT

#define NOTE_TRIGGER 0x01000000  // EVFILT_USER, from here on
#define NOTE_FFNOP 0x00000000
#define NOTE_FFAND 0x40000000
#define NOTE_FFOR 0x80000000
#define NOTE_FFCOPY 0xc0000000
#define NOTE_FFCTRLMASK 0xc0000000
#define NOTE_FFLAGSMASK 0x00ffffff

#define NOTE_SECONDS 0x00000001  // EVFILT_TIMER, whose unit is a millisecond without one of these
#define NOTE_USECONDS 0x00000002
#define NOTE_NSECONDS 0x00000004

struct kevent {
  uintptr_t ident;
  int16_t filter;
  uint16_t flags;
  uint32_t fflags;
  intptr_t data;
  void* udata;
};

extern "C" {
int kqueue(void);
int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events, int event_count,
           const struct timespec* timeout);
}
