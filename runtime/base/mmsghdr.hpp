#pragma once
// Several messages for one call. The only file that knows which system has it.
#include <sys/socket.h>

#if defined(__APPLE__)
struct mmsghdr {
  msghdr msg_hdr;
  unsigned msg_len;
};
#endif
