"""The load of the group http: wrk, beside one server of a program of bench/peers. Prints `NAME VALUE`, the CPU time of
the server per request in microseconds, or `cannot REASON`.

usage: http_load.py SERVER NAME SECONDS

Starts `SERVER --serve-http` (http_64_bare: --serve-http-bare), which prints "PORT n"; it stays on the CPUs that this
process is started on, while wrk takes the others. wrk counts whole seconds: it runs for at least one, and, unless
SECONDS is below 0.1 (--quick), for one before that to warm up. An answer that is not what it must be ends this with an
exception.
"""
import contextlib
import http.client
import math
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

WORKLOADS = {"http_64": (64, "--serve-http"), "http_1000": (1000, "--serve-http"),
             "http_64_bare": (64, "--serve-http-bare")}  # connections, what the server is called by
BODY = b"Hello, World!"
PATIENCE = 10  # seconds, until a server that has said its port answers, or that was told to end has ended


def descendants(pid):
    """The process and all below it."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += descendants(int(child))
    return found


def cpu_seconds(pid):
    """CPU time of the process and of all below it, user and system, in the kernel's own resolution."""
    # The clock that clock_getcpuclockid(3) gives for a process; Python has no such call.
    return sum(time.clock_gettime((~process << 3) | 2) for process in descendants(pid))


def requests_of(said):
    """How many requests wrk says that it made. Throws ValueError if not all of them went well."""
    counted = re.search(r"^ *(\d+) requests in ", said, re.M)
    wrong = re.search(r"^ *(Socket errors: (?!connect 0, read 0, write 0, timeout 0).*|Non-2xx .*)$", said, re.M)
    if wrong or not counted or counted.group(1) == "0":
        raise ValueError(wrong.group(1) if wrong else f"wrk counted no requests: {said}")
    return int(counted.group(1))


def wrk(port, connections, seconds):
    return requests_of(subprocess.run(
        ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
         f"http://127.0.0.1:{port}/"], stdout=subprocess.PIPE, text=True, check=True).stdout)


def check_answers(port):
    """Two requests on one connection are answered with what they must be. A server may need a moment to come up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    end = time.monotonic() + PATIENCE
    while connection.sock is None:
        try:
            connection.connect()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
    used = connection.sock
    for _ in range(2):
        connection.request("GET", "/")
        answer = connection.getresponse()
        got = (answer.status, answer.getheader("Content-Type"), answer.read())
        if got != (200, "text/plain", BODY) or connection.sock is not used:
            raise ValueError(f"not what a server must answer, or the connection ended: {got}")
    connection.close()


@contextlib.contextmanager
def started(server, how):
    """(process ID, port) of the server; it ends with this process."""
    command = ["setpriv", "--pdeathsig", "TERM", server, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline()
            if not re.fullmatch(r"PORT \d+\n", said):
                raise ValueError(f"{server} {how} did not say PORT n, but {said!r}")
            yield process.pid, int(said.split()[1])
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def measure(server, name, seconds):
    connections, how = WORKLOADS[name]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with started(server, how) as (pid, port):
        with contextlib.suppress(OSError):  # there are no others
            os.sched_setaffinity(0, set(range(os.cpu_count())) - os.sched_getaffinity(0))
        check_answers(port)
        if seconds >= 0.1:
            wrk(port, connections, 1)
        begin = cpu_seconds(pid)
        count = wrk(port, connections, max(math.ceil(seconds), 1))
        print(name, f"{(cpu_seconds(pid) - begin) * 1e6 / count:.6g}")


def main(arguments):
    if len(arguments) != 3 or arguments[1] not in WORKLOADS:
        print("usage: http_load.py SERVER NAME SECONDS", file=sys.stderr)
        sys.exit(2)
    if shutil.which("wrk") is None:
        print("cannot be loaded: wrk is not installed")
        return
    measure(arguments[0], arguments[1], float(arguments[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
