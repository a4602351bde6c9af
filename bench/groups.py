"""The workloads of the comparison, by group: the one place that says what each measures. The programs in bench/peers
follow these definitions; a workload that a system has no means for is left out there and shown as "-"."""
from dataclasses import dataclass


@dataclass(frozen=True)
class benchmark:
    name: str
    what: str  # the workload, what one operation is, and how a system's closest means differ
    floor: str  # what the floor program does instead; empty: it alone does this
    unit: str = "ns"
    better: str = "lower"
    workers: int = 1  # as many CPUs are the program's
    results: tuple = ()  # (name, unit, better) of each number, where one run gives several
    load: str = ""  # the program is a server, which a load measures: "echo", echo_load; "http", http_load.py
    heavy: bool = False  # a repeat takes about a second or more, whatever it is asked for: --quick makes one
    slow: tuple = ()  # peers whose repeat takes about ten seconds or more: --quick leaves them out, and says so

    def __post_init__(self):
        if not self.results:
            object.__setattr__(self, "results", ((self.name, self.unit, self.better),))


def memory(name, what, slow=()):
    return benchmark(
        name, what, "a page each", heavy=True, slow=slow,
        results=((f"{name}_bytes", "bytes", "lower"), (f"{name}_maps", "maps", "lower"),
                 (f"{name}_create", "us", "lower")))


def echo(name, what, *more_results, heavy=False):
    return benchmark(name, what, "epoll_wait, recv, send: a loop over one epoll set, level-triggered", load="echo",
                     heavy=heavy, results=((name, "ns", "lower"), *more_results))


def http(name, connections, what="", floor="an epoll loop that looks for the empty line that ends a request"):
    return benchmark(name, f"GET / with a body of 13 bytes, {connections} connections that are kept{what}", floor,
                     unit="us", load="http", heavy=True)


GROUPS = {
    # What the machine's own verbs take, for whoever wants to judge the rest. The floor's program alone has them.
    "floors": (
        benchmark("call_ret", "a call of a function through a pointer, and its return", ""),
        benchmark("bare_switch", "a switch between two stacks: the bare assembly loop", ""),
        benchmark("getppid", "a system call that does next to nothing", ""),
        benchmark("page_fault", "the first write to a page of anonymous memory", ""),
        benchmark("eventfd_wake", "from a write to an eventfd until a thread that sleeps in its read is back; median",
                  "", workers=2),
    ),
    "sched": (
        benchmark(
            "switch",
            "from one stack to another that is known, without a scheduler; per switch. sennit: switch_context; "
            "boost_fiber: Boost.Context's fiber",
            "a bare switch"),
        benchmark(
            "yield_2",
            "two fibers that yield in turn, both in the same loop; per yield. The time of this and the next three "
            "begins when all fibers have started. asio_coroutines: post themselves; st: sleep for no time; threads: "
            "sched_yield",
            "a bare switch"),
        benchmark(
            "yield_2_sites_8",
            "yield_2 with eight calls of yield in the loop: returns are harder to predict",
            "a bare switch"),
        benchmark("yield_1k", "1000 fibers that yield in turn; per yield",
                  "bare switches around as many stacks, a page each"),
        benchmark("yield_100k", "100 000 fibers that yield in turn; per yield",
                  "bare switches around as many stacks, a page each",
                  heavy=True),
        benchmark(
            "spawn_join",
            "spawn a fiber that does nothing and join it. Go: a WaitGroup, as in all that follow",
            "a call through a pointer"),
        benchmark(
            "spawn_wave_1k",
            "spawn 1000 fibers that do nothing, then wait for all; per fiber. sennit: a wait_group; asio_coroutines: a "
            "counter and a timer; the others: each is joined. Boost.Fiber's stacks: 8 KiB from its pool",
            "a call through a pointer"),
        benchmark(
            "spawn_1m",
            "the same with a million at once, the second time in the process; per fiber, and the most memory that the "
            "process has had",
            "a call through a pointer; a process that does nothing else",
            results=(("spawn_1m", "ns", "lower"), ("spawn_1m_peak", "MiB", "lower")), heavy=True,
            slow=("boost_fiber",)),
        benchmark(
            "skynet_1m",
            "a fiber spawns ten, each of them ten, to a million leaves, which give their numbers to be summed up on "
            "the way back; the second time in the process. Boost.Fiber: a child runs at once, as in its own skynet",
            "the recursion by calls", unit="ms", heavy=True, slow=("boost_fiber",)),
        benchmark(
            "yield_1k_2_workers",
            "yield_1k on a runtime of two workers; wall time per yield of both together. Boost.Fiber: work_stealing, "
            "stacks from malloc",
            "bare switches in two threads", workers=2),
        benchmark(
            "skynet_1m_2_workers", "skynet_1m on a runtime of two workers",
            "the recursion by calls in one thread", unit="ms", workers=2, heavy=True, slow=("boost_fiber",)),
        benchmark(
            "wake_2_workers",
            "a plain thread spawns a fiber on a runtime of one worker, which is awake because another fiber yields "
            "all the time: from before the spawn until the fiber runs; median. Go has no plain threads, the others that "
            "are left out no spawn from outside",
            "from a store until a thread that does nothing but look sees it", workers=2),
        benchmark(
            "spawn_across",
            "a fiber of a runtime of one worker spawns a fiber on another such runtime, whose worker is awake because a "
            "fiber yields there all the time, and keeps its own worker until that one runs: from before the spawn until "
            "then; median. tokio: two runtimes of current_thread. Go has one scheduler and can not say where: the "
            "goroutine that yields takes from a channel what it is to spawn. Left out: a worker that sleeps, and others "
            "that spawn at the same time",
            "from a store until a thread that does nothing but look sees it", workers=2),
        benchmark(
            "steal_2_workers",
            "a runtime of two workers, of which one has nothing to do; the fiber on the other makes a second one "
            "runnable, and computes for 100 us before that and after it until that one has begun: the time from one to "
            "the other, 99 in 100 are not above. First the second fiber is spawned, then it is there and waits for a "
            "semaphore (Go: a channel). Who has not begun after 10 ms is let begin by yields where it is: tokio does "
            "not steal what a task has made runnable last. Other work of the machine is in it",
            "from a write to an eventfd until a thread that sleeps in its read is back, 99 in 100", workers=2,
            results=(("steal_spawned_p99", "us", "lower"), ("steal_woken_p99", "us", "lower"))),
    ),
    "memory": (
        memory("memory_100k",
               "100 000 fibers that are parked: by how much resident memory and page tables of the process have grown, "
               "per fiber; by how many maps; time to create each and have it run until it parks. sennit: a stack of "
               "256 KiB with its guard; Boost.Fiber: 8 KiB from its pool, no guard; pth, st: 16 KiB; threads: what the "
               "system gives them, without the kernel's own stacks; tokio, asio_coroutines: no stack"),
        memory("memory_1m", "the same with a million", slow=("boost_fiber",)),
    ),
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
            "mutex_contended_2_workers",
            "eight fibers on a runtime of two workers: lock one mutex, add one, unlock; wall time per pair of all together. "
            "Which of the two workers gets it how often is the system's",
            "lock pairs of two threads, as exchanges of one lock", workers=2),
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
            results=(("sleep_10k_cpu", "us", "lower"), ("sleep_10k_oversleep", "us", "lower")), heavy=True),
        benchmark(
            "sleep_100k", "sleep_10k with 100 000 fibers that sleep 1 to 1000 ms twice",
            "one thread with a heap of deadlines and clock_nanosleep",
            results=(("sleep_100k_cpu", "us", "lower"), ("sleep_100k_oversleep", "us", "lower")), heavy=True),
        benchmark(
            "ping_pong_2_workers",
            "channel_unbuffered_round_trip on a runtime of two workers; the fibers run where the scheduler puts them. "
            "Boost.Fiber: work_stealing, with suspend: it does not spin",
            "two bare switches",
            workers=2),
    ),
    "echo": (
        echo("echo_1",
             "a server that echoes, one connection, 64 bytes there and back: CPU time of the server per message, and the "
             "median of the time until a message is back. The load is a process of its own, which never sleeps, the "
             "same for all servers. These run on one thread, with TCP_NODELAY, and read 8 KiB at once. io_uring (in echo_64 "
             "and echo_1000): a loop written by hand, beside the floor's, and no peer",
             ("echo_1_p50", "us", "lower")),
        echo("echo_64", "64 connections, each with one message of 64 bytes under way. io_uring: multishot accept and "
                        "receives, into 1024 buffers of 8 KiB that the kernel takes in turn; a system call sends for "
                        "all and waits for all; for one message under way alone"),
        echo("echo_1000", "1000 connections, each with one message of 64 bytes under way", heavy=True),
        echo("echo_9900", "9900 connections, each with one message of 64 bytes under way", heavy=True),
        benchmark(
            "idle_9900",
            "9900 connections that have had a message there and back, and wait: by how much resident memory and page "
            "tables of the server have grown, for each; without what the kernel holds for a socket. The server is told "
            "to spare memory: a buffer is taken when there is something to read (sennit: wait_readable, and a pool; "
            "Asio: async_wait; tokio: readable). Go has no such wait: 512 bytes",
            "64 bytes for a session, and one buffer for all", unit="bytes", load="echo", heavy=True),
        benchmark(
            "tail_64",
            "64 connections, messages of 64 bytes: how many a second are answered if each connection has one under way, "
            "then the latencies of an open loop at 50 % and at 80 % of that: messages are sent when they are due, "
            "whatever is back, and their time counts from when they were due (no coordinated omission). At least "
            "0.25 s each. The rate is the server's own: who does more a second is asked for more",
            "the epoll loop of the others", load="echo", heavy=True,
            results=(("tail_64_capacity", "1/s", "higher"),
                     *((f"tail_64_at_{part}_{quantile}", "us", "lower")
                       for part in (50, 80) for quantile in ("p50", "p99", "p999")))),
        benchmark(
            "echo_64_scaling",
            "echo_64 on one worker, then on two, of a server that shares two CPUs with the load, which has none of its "
            "own; CPU time of the server per message. sennit: tcp_server, which has a listener for each worker",
            "the epoll loop of the others: one thread, then two with a listener each", workers=2, load="echo",
            results=(("echo_64_1_worker", "ns", "lower"), ("echo_64_2_workers", "ns", "lower"))),
        echo("echo_64_pipelined", "64 connections, each with 16 messages of 64 bytes under way"),
        echo("echo_64_4k", "64 connections, each with one message of 4 KiB under way"),
    ),
    "http": (
        http("http_64", 64,
             "; CPU time of the server per request, of all its processes. The load is wrk with one thread: a "
             "connection has one request under way, with one header; nobody checks the body but once before; wrk sleeps "
             "when nothing is back, and who wakes it pays. All servers parse the whole request and answer with the "
             "headers that they send by themselves, so that the answers are of different length. "
             "sennit: the parser, the router and the session, with its deadlines, of examples/07_http_server; beast: "
             "async_read and async_write of string bodies, no deadlines; Go: net/http without deadlines; nginx: return "
             "200. All on one thread; a repeat takes at least a second, after another to warm up",
             "an epoll loop that looks for the empty line that ends a request, and at nothing else"),
        http("http_1000", 1000),
        http("http_64_bare", 64, "; sennit looks at a request as little as the floor does, so that the ratio is of the "
                                 "input and output alone. No peer has this"),
    ),
    # What it costs to look at a runtime. No peer has the like.
    "observe": (
        benchmark("traced_yield", "two fibers that yield in turn, and the same while a trace records; per yield",
                  "", results=(("yield_untraced", "ns", "lower"), ("yield_traced", "ns", "lower"))),
        benchmark("metrics_read", "write_metrics() of a runtime of two workers; time of each", ""),
        benchmark("dump_10k", "10 000 fibers wait in one place: the time of a dump of them as JSON, and for how long at "
                  "most a fiber that yields all the time beside it was held up, whatever else the machine does included",
                  "", workers=2, heavy=True,
                  results=(("dump_10k", "ms", "lower"), ("dump_10k_held_up", "ms", "lower"))),
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
            "accept, receive a byte, send it back, close: 16 connections at a time, each with its byte under way at "
            "once; CPU per connection, with TCP_NODELAY set on each. libuv: uv_try_write. Left out: what the client "
            "pays, and connections that stay in TIME_WAIT, which are the server's",
            "an epoll loop: accept4 until nobody is left, recv when there is something", load="echo"),
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
