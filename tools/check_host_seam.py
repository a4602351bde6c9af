"""The host seam: runtime/ and include/ reach sockets, files, poll, clock and random only through the runtime's host
table, and use no atomics but detail::atomic, so that faults can be injected and time simulated."""
import fnmatch
import re

import source

# Calls with names of their own are found anywhere; those that other things are called too (read, close, ...) where
# they are written as this project writes system calls: ::read(...).
_ANYWHERE = """accept4 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 kqueue kevent eventfd
    timerfd_create timerfd_settime signalfd recvfrom recvmsg recvmmsg sendto sendmsg sendmmsg sendfile splice preadv
    pwritev preadv2 pwritev2 socketpair getsockopt setsockopt getsockname getpeername getaddrinfo getnameinfo ppoll
    pselect fcntl ioctl openat ftruncate fsync fdatasync lseek fstat fstatat posix_spawn posix_spawnp pidfd_open"""
_GLOBAL = """socket bind listen accept connect shutdown send recv read write readv writev pread pwrite open creat close
    pipe pipe2 dup dup2 dup3 poll select stat lstat unlink rename mkdir"""


def _calls(names, prefix):
    return prefix + r"(?:" + "|".join(names.split()) + r")\s*\("


_NOT_MEMBER = r"(?<![\w.>:])(?:::)?"
RULES = {
    "system call": re.compile(_calls(_ANYWHERE, _NOT_MEMBER) + "|" + _calls(_GLOBAL, r"(?<![\w>:])::")),
    "raw syscall": re.compile(_NOT_MEMBER + r"syscall\s*\("),
    "memory mapping": re.compile(_calls("mmap munmap mprotect madvise process_madvise mremap", _NOT_MEMBER)),
    "clock": re.compile(r"_clock::now\s*\(|" + _calls(
        "clock_gettime gettimeofday nanosleep clock_nanosleep usleep", _NOT_MEMBER)
        + r"|(?<![\w>:])::(?:time|sleep)\s*\(|std::this_thread::sleep|__rdtsc"),
    "random": re.compile(_calls("rand srand random srandom rand_r drand48 getrandom getentropy arc4random", _NOT_MEMBER)
                         + r"|std::random_device|std::mt19937|std::rand\b"),
    "std::atomic": re.compile(r"std::atomic|__atomic_|__sync_"),
}

# (rule, file, why it may)
ALLOWED = [
    ("*", "runtime/base/host*", "the default host: the seam itself"),
    ("*", "runtime/base/system_*.cpp", "what the systems have under names of their own, below the host"),
    ("std::atomic", "include/sennit/detail/atomic.hpp", "defines detail::atomic"),
    ("std::atomic", "runtime/base/atomic.hpp", "the StoreLoad fence"),
    ("raw syscall", "runtime/base/futex*.cpp", "futex has no libc wrapper; it parks threads, which no host simulates"),
    ("raw syscall", "runtime/base/membarrier*.cpp", "membarrier has no libc wrapper; part of the memory model"),
    ("system call", "runtime/base/check.cpp", "reports from any state, with one write to stderr"),
    ("system call", "runtime/base/unique_fd.*", "closes what the host opened, also after the runtime is gone"),
    ("memory mapping", "runtime/stack/*", "stacks are address space, not I/O"),
    ("raw syscall", "runtime/stack/guard*.cpp", "process_madvise, and the probe whether the kernel can read a page"),
    ("system call", "runtime/stack/overflow*.cpp", "reports from a signal handler"),
    ("system call", "runtime/poller/poller_*.cpp", "the poller is replaced as a whole, beside the host"),
    ("system call", "runtime/poller/waker_*.cpp", "the waker is replaced with its poller"),
    ("system call", "runtime/net/address.cpp", "getaddrinfo: the system's resolver, on a helper thread"),
    ("system call", "runtime/net/socket.cpp", "fcntl on a descriptor that the program hands over"),
    ("system call", "runtime/io/foreign_fd.cpp", "dup of a foreign descriptor, which the poller needs"),
    ("system call", "runtime/sched/current.cpp", "closes the flag of a plain thread, a waker of its own"),
    ("system call", "runtime/base/raw_line.hpp", "reports from signal handlers"),
    ("clock", "runtime/base/log.cpp", "the time of day of a message that is kept"),
    ("clock", "runtime/inspector/*.cpp", "a component above all runtimes: when it looked last"),
    ("*", "runtime/sched/thread_use_*.cpp", "what the kernel gives to a worker thread: for reports, never for decisions"),
    ("std::atomic", "include/sennit/stop_token.hpp", "a public header that stands in for std's"),
]


def check(root):
    for path in source.files(root, "runtime", "include"):
        name = path.relative_to(root).as_posix()
        rules = [(rule, pattern) for rule, pattern in RULES.items()
                 if not any(fnmatch.fnmatch(rule, r) and fnmatch.fnmatch(name, f) for r, f, _ in ALLOWED)]
        for number, line in enumerate(source.code_lines(path.read_text()), 1):
            for rule, pattern in rules:
                if match := pattern.search(line):
                    yield (f"{path}:{number}: {rule}: {match.group().strip()}: go through the runtime's host "
                           "(base/host.hpp) or detail::atomic; tools/check_host_seam.py lists the exceptions")


if __name__ == "__main__":
    source.main(check)
