"""The workloads of the comparison, by group: the one place that says what each measures. The programs in bench/peers
follow these definitions; a workload that a system has no means for is left out there and shown as "-"."""
from dataclasses import dataclass


@dataclass(frozen=True)
class benchmark:
    name: str
    what: str  # the workload, what one operation is, and how a system's closest means differ
    floor: str  # what the floor program does instead
    unit: str = "ns"
    better: str = "lower"
    workers: int = 1  # as many CPUs are the program's
    results: tuple = ()  # (name, unit, better) of each number, where one run gives several

    def __post_init__(self):
        if not self.results:
            object.__setattr__(self, "results", ((self.name, self.unit, self.better),))


GROUPS = {
    "sync": (
        benchmark(
            "channel_unbuffered_round_trip",
            "two fibers, two unbuffered channels: send there, receive back; per round trip. tokio has no unbuffered "
            "channel: mpsc with room for one, where a send does not wait",
            "two bare switches"),
        benchmark(
            "channel_buffered64_message",
            "one sender, one receiver, a channel of 64; per message. Boost.Fiber's channel of 64 holds 63",
            "two lock pairs: one for the push, one for the pop"),
        benchmark(
            "mutex_uncontended",
            "lock and unlock a mutex that nobody else wants; per pair",
            "one lock pair: an exchange to lock, an exchange to unlock"),
        benchmark(
            "lock_yield_unlock_1000",
            "1000 fibers: lock one mutex, yield, unlock; per cycle",
            "a bare switch and a lock pair"),
        benchmark(
            "semaphore_handoff",
            "two fibers, two semaphores: acquire mine, release yours; per handoff. Go: channels with room for one, its "
            "idiom; Boost.Fiber has none",
            "a bare switch"),
        benchmark(
            "condition_variable_handoff",
            "two fibers, a mutex, a condition variable: wait for my turn, give the turn, notify; per handoff. tokio "
            "has no condition variable: a std mutex, and a Notify for each side",
            "a bare switch and a lock pair"),
        benchmark(
            "select_4_one_ready",
            "one fiber, four channels with room for one: try_send to the next, then select a receive of the four; per "
            "both. Boost.Fiber has no select",
            "two lock pairs: one for the send, one for the receive"),
        benchmark(
            "sleep_10k",
            "10 000 fibers sleep 1 to 100 ms (random, fixed seed) five times; CPU per sleep, spawns included, and "
            "median lateness; a sleep that ends early fails the run. tokio's timers count milliseconds",
            "one thread with a heap of deadlines and clock_nanosleep",
            results=(("sleep_10k_cpu", "us", "lower"), ("sleep_10k_oversleep", "us", "lower"))),
        benchmark(
            "ping_pong_2_workers",
            "channel_unbuffered_round_trip on a runtime of two workers; the fibers run where the scheduler puts them. "
            "Boost.Fiber: work_stealing, with suspend: it does not spin",
            "two bare switches",
            workers=2),
    ),
    # The load comes from a process of its own, the same for all; what is measured is the CPU time of the server.
    "io": (
        benchmark(
            "tls_echo",
            "64 TLS 1.3 connections, messages of 512 bytes, each answered with itself; CPU per message",
            "OpenSSL on the sockets of an epoll loop, with read-ahead"),
        benchmark(
            "udp_echo",
            "datagrams of 64 bytes, answered with themselves, 64 under way; batches of up to 64; CPU per datagram",
            "recvmmsg and sendmmsg in an epoll loop"),
        benchmark(
            "tcp_churn",
            "accept, receive a byte, send a byte, close; CPU per connection",
            "an epoll loop: accept4 until nobody is left, recv when there is something"),
        benchmark(
            "tcp_accept",
            "the connections of tcp_churn to a tcp_server, which has a listener for each worker: one worker, then two; "
            "CPU per connection. The load has no CPU of its own",
            "the epoll loop of tcp_churn: one thread, then two with a listener each",
            workers=2,
            results=(("tcp_accept_1_worker", "ns", "lower"), ("tcp_accept_2_workers", "ns", "lower"))),
        benchmark(
            "file_read_4k",
            "read_at of 4 KiB of a file that is in the page cache; time per read",
            "pread"),
    ),
}
