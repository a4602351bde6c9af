"""Runs the rungs as a user would, with curl, wrk and raw sockets as clients.

usage: rungs_test.py EXAMPLES_DIR [--emulator COMMAND] [unittest arguments, e.g. http_server]

Nothing here sleeps to synchronise: a server is ready when it has printed its address, and has ended when it is reaped.
"""

import ctypes
import json
import os
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

EXAMPLES = ""
EMULATOR = []
PATIENCE = 60  # seconds: after that something hangs


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a killed test leaves no server behind


def command(rung, *args):
    return [*EMULATOR, os.path.join(EXAMPLES, rung), *map(str, args)]


def run(*args, **kwargs):
    return subprocess.run(args, capture_output=True, text=True, timeout=PATIENCE, preexec_fn=die_with_parent, **kwargs)


class RungTest(unittest.TestCase):
    def output(self, rung, *args):
        """What the rung prints, once it has ended well."""
        done = run(*command(rung, *args))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def start(self, rung, *args, **environment):
        server = Server(rung, *args, **environment)
        self.addCleanup(server.kill)
        return server


class Server:
    """A rung that listens. Ready once constructed."""

    def __init__(self, rung, *args, **environment):
        self.log = tempfile.TemporaryFile("w+")  # a file: a pipe that nobody reads would fill up and stop the server
        self.process = subprocess.Popen(command(rung, "--port", 0, *args), stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, preexec_fn=die_with_parent, env={**os.environ, **environment})
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on (127\.0\.0\.1):(\d+)\n", line)
        if not found:
            self.kill()
            raise AssertionError(f"{rung} printed {line!r} where its address should be")
        self.host, self.port = found[1], int(found[2])
        self.url = f"http://{self.host}:{self.port}"

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=PATIENCE)

    def stop(self, number=signal.SIGTERM):
        """Sends the signal, waits for the end; returns (exit code, what was printed since the address, seconds)."""
        start = time.monotonic()
        self.process.send_signal(number)
        printed, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, printed, time.monotonic() - start

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        sys.stderr.write(self.logged())
        self.log.close()


def read_response(stream, head_only=False):
    """One HTTP response of a socket's file: (status, {lower-case header: value}, body)."""
    status = stream.readline()
    if not status:
        return None
    headers = {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, value = line.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    code = int(status.split()[1])
    length = 0 if head_only or code < 200 else int(headers.get("content-length", 0))
    return code, headers, stream.read(length).decode()


def read_all(stream):
    responses = []
    while (response := read_response(stream)) is not None:
        responses.append(response)
    return responses


class event_queue(RungTest):
    ANSWERS = [f"request-{i}" for i in (5, 4, 3, 2, 1)]

    def test_answers_come_in_the_order_of_their_delays(self):
        self.assertEqual(self.output("00_event_queue").split(), self.ANSWERS)

    def test_against_the_delay_server(self):
        server = self.start("08_delay_server")
        self.assertEqual(self.output("00_event_queue", "--port", server.port).split(), self.ANSWERS)

    def test_a_refused_connection_is_told(self):
        with socket.socket() as unused:  # bound and not listening: nobody else gets this port meanwhile
            unused.bind(("127.0.0.1", 0))
            done = run(*command("00_event_queue", "--port", unused.getsockname()[1]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("refused", done.stderr)


class switch(RungTest):
    def test_main_weaves_two_contexts(self):
        self.assertEqual(self.output("01_switch").splitlines(), [
            "animal ant", "number 1", "animal bee", "number 2", "animal cat", "number 3",
            "the animals are done, the numbers are suspended",
            "caught in main: thrown on the context's stack",
            "holding 42", "unwound", "end of main"])


class two_fibers(RungTest):
    def test_they_take_turns(self):
        lines = self.output("02_two_fibers").splitlines()
        self.assertEqual(len(lines), 10)
        for i in range(5):
            self.assertEqual(sorted(lines[2 * i : 2 * i + 2]), [f"tick {i + 1}", f"tock {i + 1}"])


class sleep(RungTest):
    def test_numbers_come_out_sorted(self):
        *numbers, took = self.output("03_sleep").splitlines()
        self.assertEqual(numbers, ["50", "100", "150", "200", "250", "300"])
        ms = int(re.fullmatch(r"took (\d+) ms", took)[1])
        self.assertGreaterEqual(ms, 300)
        self.assertLess(ms, 1050, "that is the sum")


class channel(RungTest):
    def test_sum(self):
        self.assertEqual(self.output("04_channel"), "the sum of the squares from 1 to 100 is 338350\n")


class echo(RungTest):
    def test_bytes_come_back(self):
        server = self.start("05_echo_server")
        for size in (0, 1, 3_000_000):
            printed = self.output("06_echo_client", "--port", server.port, "--bytes", size)
            self.assertEqual(printed, f"sent {size} bytes, got {size} back\n")

    def test_half_close_still_gets_the_rest(self):
        server = self.start("05_echo_server")
        with server.connect() as s:
            s.sendall(b"last words")
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(s.makefile("rb").read(), b"last words")

    def test_stops_on_both_signals_with_clients_connected(self):
        for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
            server = self.start("05_echo_server", "--workers", 1)
            with server.connect() as idle:
                idle.sendall(b"x")
                self.assertEqual(idle.recv(1), b"x")  # it is served: the stop finds it waiting
                code, printed, seconds = server.stop(number)
                self.assertEqual((code, printed), (0, f"stopping on {name}\n"))
                self.assertLess(seconds, 10)
                self.assertEqual(idle.recv(1), b"")

    def test_mistakes_are_told(self):
        server = self.start("05_echo_server")
        taken = run(*command("05_echo_server", "--port", server.port))
        self.assertEqual(taken.returncode, 1)
        self.assertIn("in use", taken.stderr)
        self.assertIn(str(server.port), taken.stderr)
        self.assertNotEqual(run(*command("05_echo_server", "--port", "99999")).returncode, 0)
        self.assertNotEqual(run(*command("05_echo_server", "--colour")).returncode, 0)
        self.assertIn("--port", run(*command("05_echo_server", "--help")).stdout)


class http_server(RungTest):
    def setUp(self):
        self.server = self.start("07_http_server")

    def exchange(self, data):
        """Sends bytes, ends our side, and reads all responses until the server closes."""
        with self.server.connect() as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            return read_all(s.makefile("rb"))

    def curl(self, *args):
        done = run("curl", "-sS", "--max-time", "30", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_curl(self):
        url = self.server.url
        self.assertEqual(self.curl(f"{url}/hello/you"), "hello, you\n")
        self.assertEqual(self.curl(f"{url}/hello/world"), "hello, whole world\n")
        self.assertEqual(self.curl(f"{url}/hello/a%20b"), "hello, a b\n")
        self.assertEqual(self.curl(f"{url}/files/a/b/c.txt?x=1"), "you asked for a/b/c.txt\n")
        self.assertIn("writes", self.curl(f"{url}/stats"))
        self.assertEqual(self.curl("--data", "some words", f"{url}/echo"), "some words")

    def test_curl_sends_a_large_body_in_chunks_and_waits_for_continue(self):
        body = "0123456789" * 100_000
        for header in ("Transfer-Encoding: chunked", "Expect: 100-continue"):
            done = run("curl", "-sS", "--max-time", "30", "-H", header, "--data-binary", "@-",
                       f"{self.server.url}/echo", input=body)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, body)

    def test_curl_reuses_the_connection(self):
        urls = [f"{self.server.url}/hello/{i}" for i in range(5)]
        connects = self.curl("-w", "%{num_connects}\n", *urls).splitlines()
        self.assertEqual(connects[0::2], [f"hello, {i}" for i in range(5)])
        self.assertEqual(connects[1::2], ["1", "0", "0", "0", "0"])

    def test_curl_closes_http_1_0_and_keeps_it_when_asked(self):
        urls = [f"{self.server.url}/hello/{i}" for i in range(2)]
        self.assertEqual(self.curl("-0", "-w", "%{num_connects}\n", *urls).splitlines()[1::2], ["1", "1"])
        kept = self.curl("-0", "-H", "Connection: keep-alive", "-w", "%{num_connects}\n", *urls)
        self.assertEqual(kept.splitlines()[1::2], ["1", "0"])

    def test_curl_head(self):
        head = self.curl("-I", f"{self.server.url}/hello/you").splitlines()
        self.assertEqual(head[0], "HTTP/1.1 200 OK")
        self.assertIn("Content-Length: 11", head)

    def test_head_sends_no_body(self):
        with self.server.connect() as s:
            stream = s.makefile("rb")
            s.sendall(b"HEAD /hello/you HTTP/1.1\r\nHost: a\r\n\r\nGET /hello/me HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(read_response(stream, head_only=True)[1]["content-length"], "11")
            self.assertEqual(read_response(stream)[2], "hello, me\n")

    def test_pipelining_answers_in_order(self):
        requests = b"".join(b"GET /hello/%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(500))
        answers = self.exchange(requests)
        self.assertEqual([body for _, _, body in answers], [f"hello, {i}\n" for i in range(500)])

    def test_one_byte_at_a_time(self):
        with self.server.connect() as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello":
                s.sendall(bytes([byte]))
            self.assertEqual(read_response(s.makefile("rb"))[2], "hello")

    def test_404_and_405_keep_the_connection(self):
        answers = self.exchange(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
                                b"DELETE /hello/you HTTP/1.1\r\nHost: a\r\n\r\n"
                                b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
                                b"GET /hello/you HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual([code for code, _, _ in answers], [404, 405, 405, 200])
        self.assertEqual(answers[1][1]["allow"], "GET, HEAD")
        self.assertEqual(answers[2][1]["allow"], "POST")

    def test_errors_are_answered_and_end_the_connection(self):
        follower = b"GET /hello/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        cases = {
            400: [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n",
                  b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                  b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n"],
            413: [b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n"],
            414: [b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"],
            431: [b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 40_000 + b"\r\n\r\n",
                  b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 200 + b"\r\n"],
            501: [b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
            505: [b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
        }
        for status, requests in cases.items():
            for request in requests:
                answers = self.exchange(request + follower)
                self.assertEqual([code for code, _, _ in answers], [status], request[:80])
                self.assertEqual(answers[0][1]["connection"], "close")

    def test_413_arrives_although_the_client_goes_on_sending(self):
        done = run("curl", "-sS", "--max-time", "30", "-H", "Expect:", "-o", "/dev/null", "-w", "%{http_code}",
                   "--data-binary", "@-", f"{self.server.url}/echo", input="x" * 3_000_000)
        self.assertEqual(done.stdout, "413", done.stderr)

    def test_wrk_sees_no_error(self):
        done = run("wrk", "-t", "2", "-c", "64", "-d", "2", f"{self.server.url}/hello/wrk")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)
        self.assertGreater(float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1]), 100, done.stdout)
        code, _, seconds = self.server.stop()
        self.assertEqual(code, 0)
        self.assertLess(seconds, 10)

    def test_stops_under_load(self):
        wrk = subprocess.Popen(["wrk", "-t", "1", "-c", "64", "-d", "30", f"{self.server.url}/hello/wrk"],
                               stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.addCleanup(wrk.wait)
        self.addCleanup(wrk.kill)
        while int(re.search(r"reads (\d+)", self.curl(f"{self.server.url}/stats"))[1]) < 1000:
            pass  # until the load is really there
        code, _, seconds = self.server.stop()
        self.assertEqual(code, 0)
        self.assertLess(seconds, 10)


class delay_server(RungTest):
    def setUp(self):
        self.server = self.start("08_delay_server")

    def test_total_is_the_longest_delay_not_the_sum(self):
        printed = self.output("08b_delay_client", "--port", self.server.port, "--requests", 100, "--longest", 1000)
        numbers = [int(n) for n in re.fullmatch(
            r"(\d+) answers; total (\d+) ms, longest delay (\d+) ms, sum of delays (\d+) ms\n", printed).groups()]
        self.assertEqual((numbers[0], numbers[2], numbers[3]), (100, 1000, 50_500))
        self.assertGreaterEqual(numbers[1], 1000)
        self.assertLess(numbers[1], 10_000)

    def test_answers_of_several_connections_come_in_the_order_of_their_delays(self):
        done = run("curl", "-sS", "--no-buffer", "--parallel", "--parallel-immediate", "--max-time", "30",
                   *[f"{self.server.url}/{ms}/after-{ms}%0A" for ms in (900, 300, 600)])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split(), ["after-300", "after-600", "after-900"])

    def test_answers_of_one_connection_come_in_the_order_of_the_requests(self):
        with self.server.connect() as s:
            s.sendall(b"".join(b"GET /%d/m%d HTTP/1.1\r\nHost: a\r\n\r\n" % (ms, ms) for ms in (200, 1, 100)))
            stream = s.makefile("rb")
            self.assertEqual([read_response(stream)[2] for _ in range(3)], ["m200", "m1", "m100"])

    def test_bad_delays_are_told(self):
        for path in ("x/a", "-1/a", "1.5/a", "99999999999/a", "600001/a"):
            done = run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{self.server.url}/{path}")
            self.assertEqual(done.stdout, "400", path)

    def test_wrk_sees_no_error(self):
        done = run("wrk", "-t", "2", "-c", "64", "-d", "2", f"{self.server.url}/20/hello")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)
        rate = float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1])
        self.assertGreater(rate, 64, done.stdout)  # one at a time would give at most 50
        self.assertLess(rate, 64 * 1000 / 20 * 1.05, done.stdout)  # nobody is answered early

    def test_stops_while_requests_sleep(self):
        with self.server.connect() as s, self.server.connect() as t:
            s.sendall(b"GET /1/ready HTTP/1.1\r\nHost: a\r\n\r\nGET /500000/never HTTP/1.1\r\nHost: a\r\n\r\n")
            t.sendall(b"GET /unfinished")
            self.assertEqual(read_response(s.makefile("rb"))[2], "ready")
            code, printed, seconds = self.server.stop()
            self.assertEqual((code, printed), (0, "stopping on SIGTERM\n"))
            self.assertLess(seconds, 10)


class threads_vs_fibers(RungTest):
    def test_prints_both_rows(self):
        printed = self.output("09_threads_vs_fibers", "--threads", 50, "--fibers", 1000)
        rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[1:]}
        self.assertEqual(sorted(rows), ["fibers", "threads"])
        for name, count in (("threads", 50), ("fibers", 1000)):
            self.assertEqual(int(rows[name][0]), count)
            self.assertGreater(float(rows[name][1]), 0)
            self.assertGreaterEqual(float(rows[name][3]), 100)
            self.assertLess(float(rows[name][3]), 10_000)


class graceful_shutdown(RungTest):
    def busy(self, server, path):
        """A connection whose first request is answered and whose second, for `path`, the server has read."""
        s = server.connect()
        self.addCleanup(s.close)
        s.sendall(b"GET /1/ready HTTP/1.1\r\nHost: a\r\n\r\nGET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path)
        stream = s.makefile("rb")
        self.addCleanup(stream.close)
        self.assertEqual(read_response(stream)[2], "ready")
        return stream

    def test_busy_requests_are_answered_and_idle_connections_closed(self):
        server = self.start("10_graceful_shutdown", "--drain", 30_000)
        busy = self.busy(server, b"/500/done")
        idle = self.busy(server, b"/1/served")
        self.assertEqual(read_response(idle)[2], "served")
        code, printed, seconds = server.stop()
        self.assertEqual(code, 0, printed)
        self.assertIn("1. no new connections\n", printed)
        self.assertTrue(printed.endswith("stopped, nothing is left\n"), printed)
        self.assertNotIn("3.", printed)
        self.assertLess(seconds, 20, "it waits for the busy, not for the deadline")
        status, headers, body = read_response(busy)
        self.assertEqual((status, headers["connection"], body), (200, "close", "done"))
        self.assertIsNone(read_response(idle))

    def test_at_the_deadline_the_rest_is_named_and_stopped(self):
        server = self.start("10_graceful_shutdown", "--drain", 100)
        busy = self.busy(server, b"/500000/never")
        code, printed, seconds = server.stop()
        self.assertEqual(code, 0, printed)
        self.assertIn("3. the deadline has passed\n   still busy: /500000/never\n", printed)
        self.assertTrue(printed.endswith("stopped, nothing is left\n"), printed)
        self.assertLess(seconds, 20)
        self.assertIsNone(read_response(busy))

    def test_who_ignores_the_stop_is_left_behind(self):
        # What a fiber owns that is left behind is never freed: a leak on purpose, which LSan need not report.
        quiet = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        server = self.start("10_graceful_shutdown", "--drain", 100, ASAN_OPTIONS=quiet)
        self.busy(server, b"/stubborn/500000/never")
        code, printed, seconds = server.stop()
        self.assertEqual(code, 1, printed)
        self.assertIn("   still busy: /stubborn/500000/never\n", printed)
        self.assertTrue(printed.endswith("4. stopped, and left behind what the log names\n"), printed)
        self.assertRegex(server.logged(), r"fiber \d+ 'session' .*did not end")
        self.assertNotIn("Sanitizer", server.logged())
        self.assertLess(seconds, 20)


class channels_select(RungTest):
    def test_primes_and_messages(self):
        for workers in (1, 2, 5):
            primes, *messages, total = self.output("11_channels_select", "--workers", workers, "--count", 100,
                                                   "--messages", 60).splitlines()
            self.assertEqual([int(n) for n in primes.split()],
                             [n for n in range(2, 542) if all(n % d for d in range(2, n))])
            self.assertEqual(total, "heard 60, sent 60", "a case that does not fire leaves no trace")
            self.assertEqual(len(messages), 60)
            heard = 0
            for name in ("ant", "bee", "cat"):
                said = [line for line in messages if line.startswith(name)]
                self.assertEqual(said, [f"{name} {i + 1}" for i in range(len(said))])
                heard += len(said)
            self.assertEqual(heard, 60)

    def test_nothing_wanted(self):
        self.assertEqual(self.output("11_channels_select", "--count", 0, "--messages", 0), "\nheard 0, sent 0\n")


class deadlines_and_stop(RungTest):
    def test_who_is_ended_by_what(self):
        for workers in (1, 2, 5):
            head, *rows, inner, outer, goodbye = self.output("12_deadlines_and_stop", "--workers", workers).splitlines()
            self.assertEqual(head.split(), ["scope(deadline)", "request_stop()", "stop_token"])
            self.assertEqual([row.split() for row in rows],
                             [[name, "deadline", "stop", "stop"]
                              for name in ("channel.receive", "sleep_for", "stream.read_some")])
            for line, limits in ((inner, "outer 10000 ms, inner 20 ms"), (outer, "outer 20 ms, inner 10000 ms")):
                ms = int(re.fullmatch(limits + r": deadline after (\d+) ms", line)[1])
                self.assertGreaterEqual(ms, 20)
                self.assertLess(ms, 10_000, "the tightest wins")
            self.assertEqual(goodbye, "goodbye: ended by stop, again by stop, then shielded")


class scope(RungTest):
    def fetch(self, *args):
        """(ms that the four took, ms until the failure was known)"""
        printed = self.output("13_scope", *args)
        found = re.fullmatch(r"four requests, \d+ at a time:\none\ntwo\nthree\nfour\nafter (\d+) ms\n"
                             r"one of four fails, all at once:\n"
                             r"GET /soon/never: HTTP/1.1 400 Bad Request\nafter (\d+) ms\n", printed)
        self.assertTrue(found, printed)
        return int(found[1]), int(found[2])

    def test_max_running_bounds_how_many_run_at_once(self):
        for most, least_ms in ((1, 600), (2, 300), (0, 200)):
            took, failed = self.fetch("--max-running", most)
            self.assertGreaterEqual(took, least_ms)
            self.assertLess(failed, 30_000, "the failure stops the siblings, which would wait a minute")

    def test_against_the_delay_server(self):
        server = self.start("08_delay_server")
        for workers in (1, 5):
            self.fetch("--port", server.port, "--workers", workers)

    def test_a_refused_connection_is_told(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            printed = self.output("13_scope", "--port", unused.getsockname()[1])
        self.assertEqual(printed.count("refused"), 2, printed)


class dining_philosophers(RungTest):
    def test_everybody_eats(self):
        for seats, workers in ((2, 1), (5, 2), (50, 5)):
            head, *rows, total = self.output("14_dining_philosophers", "--philosophers", seats, "--workers", workers,
                                             "--ms", 500).splitlines()
            self.assertEqual(head.split(), ["philosopher", "meals", "longest", "wait", "ms"])
            self.assertEqual([int(row.split()[0]) for row in rows], list(range(seats)))
            meals = [int(row.split()[1]) for row in rows]
            self.assertGreater(min(meals), 0, rows)
            found = re.fullmatch(r"(\d+) meals, fairness ([\d.]+)", total)
            self.assertEqual(int(found[1]), sum(meals))
            self.assertAlmostEqual(float(found[2]), sum(meals) ** 2 / seats / sum(m * m for m in meals), delta=0.001)

    def test_the_naive_deadlock_is_noticed(self):
        for seats, workers in ((2, 1), (5, 2), (50, 5)):
            printed = self.output("14_dining_philosophers", "--naive", "--philosophers", seats, "--workers", workers,
                                  "--ms", 50)
            found = re.fullmatch(r"deadlock: (\d+) philosophers held a fork and waited for another\n"
                                 r"noticed after (\d+) ms: (\d+) put their fork down, (\d+) then ate\n", printed)
            held, ms, put_down, ate = map(int, found.groups())
            self.assertEqual((held, put_down + ate), (seats, seats))
            self.assertGreaterEqual(ms, 50)
            self.assertGreater(put_down, 0)

    def test_one_cannot_dine(self):
        self.assertNotEqual(run(*command("14_dining_philosophers", "--philosophers", 1)).returncode, 0)


class actors(RungTest):
    def test_requests(self):
        for workers in (1, 2, 5):
            lines = self.output("15_actors", "--workers", workers).splitlines()
            of = {key: [line[len(key) + 3 :] for line in lines if line.startswith(f"[{key}] ")]
                  for key in ("main", "r1", "r2", "r3")}
            self.assertEqual(sum(map(len, of.values())), len(lines), "each line belongs to a request")
            for key, amount in (("r1", 30), ("r2", 50)):
                self.assertEqual(of[key][:2], [f"ann -{amount}", f"bob +{amount}"])
                self.assertEqual(sorted(of[key][2:]), ["told the payee", "told the payer"])
            self.assertEqual(of["r3"], ["refused: no money: bob"])
            self.assertEqual(sorted(of["main"]),
                             ["ann +100", "ann 20, bob 80", "bob failed (a change of 0) and is started again",
                              "no answer: broken promise"])


class file_server(RungTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.outside = os.path.join(folder.name, "root"), os.path.join(folder.name, "secret.txt")
        os.makedirs(os.path.join(self.root, "empty"))
        os.makedirs(os.path.join(self.root, "sub dir"))
        self.large = random.Random(1).randbytes(5_000_000)
        self.put("index.html", b"<p>the root\n")
        self.put("sub dir/index.html", b"<p>the sub dir\n")
        self.put("hello.txt", b"hello, world\n")
        self.put("nothing.css", b"")
        self.put("large.bin", self.large)
        with open(self.outside, "wb") as f:
            f.write(b"secret\n")
        os.symlink("hello.txt", os.path.join(self.root, "link.txt"))
        os.symlink(self.outside, os.path.join(self.root, "escape.txt"))
        os.symlink(folder.name, os.path.join(self.root, "escape"))
        os.mkfifo(os.path.join(self.root, "fifo"))
        self.server = self.start("18_file_server", "--root", self.root)
        self.url = self.server.url

    def put(self, name, content):
        with open(os.path.join(self.root, name), "wb") as f:
            f.write(content)

    def curl(self, *args):
        done = subprocess.run(["curl", "-sS", "--path-as-is", "--max-time", "30", *args], capture_output=True,
                              timeout=PATIENCE, preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def get(self, path, *args):
        """(status, {lower-case header: value}, body) as curl sees them."""
        head, _, body = self.curl("-i", *args, self.url + path).partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        return int(status.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body

    def test_files_and_their_types(self):
        for path, content_type, content in (
                ("/hello.txt", "text/plain; charset=utf-8", b"hello, world\n"),
                ("/hello.txt?x=1", "text/plain; charset=utf-8", b"hello, world\n"),
                ("/%68ello.txt", "text/plain; charset=utf-8", b"hello, world\n"),
                ("/link.txt", "text/plain; charset=utf-8", b"hello, world\n"),
                ("/nothing.css", "text/css; charset=utf-8", b""),
                ("/large.bin", "application/octet-stream", self.large),
                ("/", "text/html; charset=utf-8", b"<p>the root\n"),
                ("/sub%20dir/", "text/html; charset=utf-8", b"<p>the sub dir\n")):
            status, headers, body = self.get(path)
            self.assertEqual((status, headers["content-type"], body == content), (200, content_type, True), path)
            self.assertEqual(headers["content-length"], str(len(content)))
            self.assertEqual(headers["accept-ranges"], "bytes")

    def test_a_directory_without_its_slash_is_redirected(self):
        status, headers, _ = self.get("/sub%20dir")
        self.assertEqual((status, headers["location"]), (301, "/sub%20dir/"))
        self.assertEqual(self.curl("-L", self.url + "/sub%20dir"), b"<p>the sub dir\n")

    def test_what_is_not_there_or_not_to_be_had_is_404(self):
        for path in ("/nowhere", "/empty/", "/hello.txt/", "/sub%20dir/nowhere.html", "/fifo", "/escape.txt",
                     "/escape/", "/escape/secret.txt", "/../secret.txt", "/empty/../../secret.txt",
                     "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/empty/..", "/./hello.txt", "//hello.txt",
                     "//example.org/..", "/hello.txt%00", "/hello.txt%00.html", "/" + "a" * 300, "/" + "a/" * 3000):
            status, headers, body = self.get(path)
            self.assertEqual(status, 404, path)
            self.assertNotIn(b"secret\n", body)
        os.remove(os.path.join(self.root, "hello.txt"))
        self.assertEqual(self.get("/link.txt")[0], 404)

    def test_other_methods(self):
        for method in ("POST", "PUT", "DELETE"):
            status, headers, _ = self.get("/hello.txt", "-X", method)
            self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"))

    def test_head(self):
        for path in ("/large.bin", "/nowhere", "/sub%20dir"):
            head = self.get(path, "-I")
            whole = self.get(path)
            self.assertEqual(head[:2], whole[:2])
            self.assertEqual(head[2], b"")
        self.assertEqual(self.get("/large.bin", "-I", "-r", "0-4")[0], 200)

    def test_ranges(self):
        size = len(self.large)
        for asked, first, last in (("0-0", 0, 0), ("10-99", 10, 99), ("4999990-", 4999990, size - 1),
                                   ("-7", size - 7, size - 1), ("0-", 0, size - 1),
                                   ("1000-999999999999", 1000, size - 1), ("-99999999", 0, size - 1),
                                   ("100000-3000000", 100000, 3000000)):
            status, headers, body = self.get("/large.bin", "-r", asked)
            self.assertEqual((status, headers["content-range"]), (206, f"bytes {first}-{last}/{size}"), asked)
            self.assertTrue(body == self.large[first:last + 1], asked)
            self.assertEqual(headers["content-length"], str(last + 1 - first))
        for asked in (f"{size}-", f"{size + 10}-{size + 20}", "-0", "99999999999999999999-"):
            status, headers, _ = self.get("/large.bin", "-H", f"Range: bytes={asked}")
            self.assertEqual((status, headers.get("content-range")), (416, f"bytes */{size}"), asked)
        self.assertEqual(self.get("/nothing.css", "-r", "0-")[0], 416)
        for asked in ("bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,5-9", "lines=0-5", "bytes 0-5"):
            status, _, body = self.get("/hello.txt", "-H", f"Range: {asked}")
            self.assertEqual((status, body), (200, b"hello, world\n"), asked)

    def test_who_has_it_already_gets_304(self):
        _, headers, _ = self.get("/hello.txt")
        tag, date = headers["etag"], headers["last-modified"]
        for header in (f"If-None-Match: {tag}", f'If-None-Match: "other", W/{tag}', "If-None-Match: *",
                       f"If-Modified-Since: {date}", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"):
            for args in ([], ["-I"], ["-r", "0-3"]):
                status, head, body = self.get("/hello.txt", "-H", header, *args)
                self.assertEqual((status, body, head["etag"]), (304, b"", tag), header)
                self.assertNotIn("content-length", head)
        for header in ('If-None-Match: "other"', "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
                       "If-Modified-Since: yesterday"):
            self.assertEqual(self.get("/hello.txt", "-H", header)[0], 200, header)
        both = self.get("/hello.txt", "-H", 'If-None-Match: "other"', "-H", f"If-Modified-Since: {date}")
        self.assertEqual(both[0], 200)
        self.put("hello.txt", b"something else\n")
        self.assertEqual(self.get("/hello.txt", "-H", f"If-None-Match: {tag}")[0], 200)

    def test_a_range_only_if_nothing_changed(self):
        _, headers, _ = self.get("/hello.txt")
        for same in (headers["etag"], headers["last-modified"]):
            self.assertEqual(self.get("/hello.txt", "-r", "0-4", "-H", f"If-Range: {same}")[::2], (206, b"hello"))
        for other in ('"other"', "W/" + headers["etag"], "Thu, 01 Jan 1970 00:00:00 GMT"):
            self.assertEqual(self.get("/hello.txt", "-r", "0-4", "-H", f"If-Range: {other}")[0], 200)

    def test_pipelined_requests_keep_their_order_and_the_connection(self):
        with self.server.connect() as s:
            paths = ["/large.bin", "/hello.txt", "/nowhere", "/sub%20dir/", "/large.bin"]
            s.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % p.encode() for p in paths))
            s.shutdown(socket.SHUT_WR)
            stream = s.makefile("rb")
            bodies = []
            for _ in paths:
                self.assertTrue(stream.readline().startswith(b"HTTP/1.1 "))
                length = 0
                while (line := stream.readline()) != b"\r\n":
                    name, value = line.split(b":", 1)
                    length = int(value) if name.lower() == b"content-length" else length
                bodies.append(stream.read(length))
            self.assertEqual(stream.read(), b"")
            self.assertTrue(bodies[0] == self.large and bodies[4] == self.large)
            self.assertEqual((bodies[1], bodies[3]), (b"hello, world\n", b"<p>the sub dir\n"))

    def test_a_file_that_shrinks_ends_the_connection(self):
        huge = os.path.join(self.root, "huge.bin")
        with open(huge, "wb") as f:
            f.truncate(200_000_000)
        with self.server.connect() as s:
            s.sendall(b"GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            stream = s.makefile("rb")
            self.assertTrue(stream.readline().startswith(b"HTTP/1.1 200 "))
            os.truncate(huge, 1000)
            count = 0
            while piece := stream.read(100_000):
                count += len(piece)
            self.assertLess(count, 200_000_000)  # the length was told: the client knows that this is not all
        self.assertEqual(self.get("/hello.txt")[0], 200)

    def test_clients_that_do_not_read_or_leave_hold_up_nobody(self):
        silent = [self.server.connect() for _ in range(30)]
        for i, s in enumerate(silent):
            s.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n" * 4)
            if i % 3 == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
            else:
                self.addCleanup(s.close)
        self.assertTrue(self.get("/large.bin")[2] == self.large)
        code, printed, seconds = self.server.stop()
        self.assertEqual((code, printed), (0, "stopping on SIGTERM\n"))
        self.assertLess(seconds, 10)

    def test_wrk_sees_no_error(self):
        done = run("wrk", "-t", "2", "-c", "64", "-d", "2", f"{self.url}/hello.txt")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)

    def test_a_root_that_is_not_there_is_told(self):
        done = run(*command("18_file_server", "--port", 0, "--root", "/nothing"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nothing", done.stdout + done.stderr)


class udp_echo(RungTest):
    def connect(self, server):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.settimeout(PATIENCE)
        s.connect((server.host, server.port))
        return s

    def test_messages_come_back_to_who_sent_them(self):
        server = self.start("17_udp_echo")
        clients = [self.connect(server) for _ in range(3)]
        for round in range(200):  # no more under way than a receive buffer holds: none is lost on the loopback
            for number, client in enumerate(clients):
                client.send(b"%d of %d" % (round, number) + b"." * round)
            for number, client in enumerate(clients):
                self.assertEqual(client.recv(4096), b"%d of %d" % (round, number) + b"." * round)
        clients[0].send(b"")
        self.assertEqual(clients[0].recv(4096), b"", "an empty message is one too")
        clients[0].send(b"x" * 3000)  # does not fit, and is dropped
        clients[0].send(b"after")
        self.assertEqual(clients[0].recv(4096), b"after")
        code, printed, seconds = server.stop()
        self.assertEqual((code, printed), (0, "stopping on SIGTERM\n"))
        self.assertLess(seconds, 10)

    def test_the_client(self):
        server = self.start("17_udp_echo")
        self.assertEqual(self.output("17_udp_echo", "--port", server.port, "--send", "hello there"), "hello there\n")

    def test_a_port_where_nobody_listens_is_told(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        done = run(*command("17_udp_echo", "--port", port, "--send", "x"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("refused", done.stderr)


class process_pipeline(RungTest):
    def pipeline(self, *args, **kwargs):
        """(exit code, output, what became of each program, in order)"""
        done = run(*command("19_process_pipeline", *args), **kwargs)
        return done.returncode, done.stdout, done.stderr.splitlines()

    def test_programs_read_each_other(self):
        self.assertEqual(self.pipeline("seq 1 100", "grep 7", "wc -l"),
                         (0, "19\n", ["seq 1 100: exit 0", "grep 7: exit 0", "wc -l: exit 0"]))
        self.assertEqual(self.pipeline("cat", "tr a-z A-Z", input="some words\n")[:2], (0, "SOME WORDS\n"))
        code, printed, _ = self.pipeline("seq 1 200000", "cat", "cat", "cat")
        self.assertEqual((code, printed), (0, "".join(f"{i}\n" for i in range(1, 200_001))))

    def test_the_last_one_counts(self):
        self.assertEqual(self.pipeline("false", "true")[0], 0)
        code, printed, ends = self.pipeline("echo nothing", "grep something")
        self.assertEqual((code, printed, ends), (1, "", ["echo nothing: exit 0", "grep something: exit 1"]))

    def test_who_writes_to_nobody_is_ended_by_its_pipe(self):
        code, printed, ends = self.pipeline("yes", "head -n 2")
        self.assertEqual((code, printed), (0, "y\ny\n"))
        self.assertEqual(ends, [f"yes: signal {int(signal.SIGPIPE)}", "head -n 2: exit 0"])

    def test_when_the_time_is_up(self):
        code, printed, ends = self.pipeline("--timeout", 300, "echo early", "cat", "sleep 1000")
        self.assertEqual((code, printed), (124, ""))
        self.assertEqual(ends[2], f"sleep 1000: signal {int(signal.SIGTERM)}")
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
            script.write("trap '' TERM\nwhile :; do sleep 0.1; done\n")
            script.flush()
            code, _, ends = self.pipeline("--timeout", 2000, "--grace", 300, f"sh {script.name}")
            self.assertEqual((code, ends), (124, [f"sh {script.name}: signal {int(signal.SIGKILL)}"]))

    def test_a_program_that_is_not_there_is_told(self):
        code, _, ends = self.pipeline("sleep 1000", "no-such-program")
        self.assertEqual(code, 1)
        self.assertIn("no-such-program", ends[0])
        self.assertNotEqual(self.pipeline()[0], 0)


class chat(RungTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "chat")

    def serve(self, *args):
        return self.start("20_chat", "--unix", self.path, *args)

    def enter(self, s, name):
        """A client that is in the lobby."""
        self.addCleanup(s.close)
        stream = s.makefile("rwb", buffering=0)
        self.addCleanup(stream.close)
        self.assertEqual(stream.readline(), b"who are you?\n")
        stream.write(name.encode() + b"\n")
        self.assertEqual(stream.readline(), f"* {name} has joined lobby\n".encode())
        return stream

    def local(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        s.connect(self.path)
        return s

    def test_rooms_over_both_kinds_of_sockets(self):
        server = self.serve()
        ann = self.enter(server.connect(), "ann")
        bob = self.enter(self.local(), "bob")
        self.assertEqual(ann.readline(), b"* bob has joined lobby\n")
        ann.write(b"hello\n")
        for who in (ann, bob):
            self.assertEqual(who.readline(), b"ann: hello\n")
        bob.write(b"/join den\n")
        self.assertEqual(ann.readline(), b"* bob has left lobby\n")
        self.assertEqual(bob.readline(), b"* bob has joined den\n")
        ann.write(b"alone?\n/join den\n")
        self.assertEqual(ann.readline(), b"ann: alone?\n")
        for who in (ann, bob):
            self.assertEqual(who.readline(), b"* ann has joined den\n")
        bob.write(b"/quit\n")
        self.assertEqual(bob.readline(), b"bye\n")
        self.assertEqual(bob.readline(), b"")
        self.assertEqual(ann.readline(), b"* bob has left den\n")

    def test_a_slow_reader_has_to_go_and_holds_up_nobody(self):
        server = self.serve("--waiting", 10, "--grace", 100)
        slow = self.local()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.enter(slow, "slow")
        fast = self.enter(server.connect(), "fast")
        line = b"x" * 900 + b"\n"
        heard = b""
        while heard != b"* slow has left lobby\n":
            fast.write(line)
            while (heard := fast.readline()) not in (b"fast: " + line, b"* slow has left lobby\n"):
                self.assertNotEqual(heard, b"")
        self.assertIn("slow leaves: * too slow", self.logged_soon(server, "too slow"))

    def logged_soon(self, server, what):
        deadline = time.monotonic() + PATIENCE
        while what not in server.logged() and time.monotonic() < deadline:
            pass
        return server.logged()

    def test_everybody_is_told_of_the_end(self):
        server = self.serve("--workers", 2, "--grace", 20000)
        clients = [self.enter(server.connect(), f"t{i}") for i in range(3)]
        clients += [self.enter(self.local(), f"u{i}") for i in range(3)]
        code, printed, seconds = server.stop()
        self.assertEqual(code, 0, printed)
        self.assertIn("everybody has left\n", printed)
        self.assertNotIn("had to stop", printed)
        self.assertLess(seconds, 20)
        for stream in clients:
            *_, last = stream.readlines()
            self.assertEqual(last, b"* the server stops\n")
        self.assertFalse(os.path.exists(self.path))

    def test_who_never_says_his_name_is_stopped(self):
        server = self.serve("--grace", 100)
        silent = server.connect()
        self.addCleanup(silent.close)
        code, printed, _ = server.stop()
        self.assertEqual(code, 0, printed)
        self.assertIn("had to stop session #", printed)


class beast_websocket(RungTest):
    TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

    def open(self, server):
        s = server.connect()
        self.addCleanup(s.close)
        s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        stream = s.makefile("rb")
        self.addCleanup(stream.close)
        status, headers, _ = read_response(stream)
        self.assertEqual((status, headers["sec-websocket-accept"]), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))  # RFC 6455
        return s, stream

    def send(self, s, kind, payload):
        key = os.urandom(4)
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        s.sendall(bytes([0x80 | kind]) + length + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload)))

    def receive(self, stream):
        """(kind, payload) of a message, which may come in several frames."""
        first, payload = None, b""
        while True:
            head, length = stream.read(2)
            first = first or head
            if length == 126:
                length = int.from_bytes(stream.read(2), "big")
            payload += stream.read(length)
            if head & 0x80:
                return first & 15, payload

    def test_messages_come_back(self):
        server = self.start("21_beast_websocket")
        connections = [self.open(server) for _ in range(20)]
        for size in (0, 5, 125, 126, 60_000):
            for s, _ in connections:
                self.send(s, self.BINARY if size else self.TEXT, b"x" * size)
            for _, stream in connections:
                self.assertEqual(self.receive(stream), (self.BINARY if size else self.TEXT, b"x" * size))
        s, stream = connections[0]
        self.send(s, self.PING, b"there?")
        self.assertEqual(self.receive(stream), (self.PONG, b"there?"))
        self.send(s, self.CLOSE, (1000).to_bytes(2, "big"))
        self.assertEqual(self.receive(stream), (self.CLOSE, (1000).to_bytes(2, "big")))
        self.assertEqual(stream.read(), b"")

    def test_the_client(self):
        server = self.start("21_beast_websocket")
        self.assertEqual(self.output("21_beast_websocket", "--port", server.port, "--send", "hello"), "hello\n")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            done = run(*command("21_beast_websocket", "--port", unused.getsockname()[1], "--send", "x"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("refused", done.stderr)

    def test_bad_clients_hold_up_nobody_and_a_stop_ends_all(self):
        server = self.start("21_beast_websocket", "--workers", 1)
        silent = server.connect()
        self.addCleanup(silent.close)
        with server.connect() as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(read_response(plain.makefile("rb"))[0], 400)
        s, stream = self.open(server)
        self.send(s, self.TEXT, b"\xff")  # is no UTF-8
        self.assertEqual(self.receive(stream), (self.CLOSE, (1007).to_bytes(2, "big")))
        s, stream = self.open(server)
        self.send(s, self.TEXT, b"served")
        self.assertEqual(self.receive(stream), (self.TEXT, b"served"))
        code, printed, seconds = server.stop()
        self.assertEqual((code, printed), (0, "stopping on SIGTERM\n"))
        self.assertLess(seconds, 10)
        self.assertEqual(stream.read(), b"")


class https_server(RungTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.certificate, self.key = os.path.join(folder.name, "cert.pem"), os.path.join(folder.name, "key.pem")
        made = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                   "-keyout", self.key, "-out", self.certificate)
        self.assertEqual(made.returncode, 0, made.stderr)

    def serve(self):
        server = self.start("16_https_server", "--certificate", self.certificate, "--key", self.key)
        self.url = f"https://localhost:{server.port}"
        return server

    def curl(self, *args, trusted=True):
        trust = ["--cacert", self.certificate] if trusted else []
        return run("curl", "-sS", "--ipv4", "--max-time", "30", *trust, *args)

    def context(self):
        context = ssl.create_default_context(cafile=self.certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def test_curl(self):
        server = self.serve()
        answer = self.curl(f"{self.url}/")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertRegex(answer.stdout, r"\ATLS 1\.3, TLS_\w+\nprotocol http/1\.1\nname localhost\nnew session\n\Z")
        older = self.curl("--tls-max", "1.2", f"https://127.0.0.1:{server.port}/")
        self.assertRegex(older.stdout, r"\ATLS 1\.2, [\w-]+\nprotocol http/1\.1\nname \nnew session\n\Z")
        self.assertEqual(self.curl("-w", "%{http_code}", "-o", os.devnull, f"{self.url}/nothing").stdout, "404")

    def test_large_bodies_both_ways(self):
        self.serve()
        body = "0123456789" * 100_000
        done = run("curl", "-sS", "--ipv4", "--max-time", "30", "--cacert", self.certificate, "--data-binary", "@-",
                   f"{self.url}/echo", input=body)
        self.assertEqual((done.returncode, done.stdout == body), (0, True), done.stderr)

    def test_curl_reuses_the_connection(self):
        self.serve()
        connects = self.curl("-w", "%{num_connects}\n", "-o", os.devnull, f"{self.url}/", "-o", os.devnull, f"{self.url}/")
        self.assertEqual(connects.stdout, "1\n0\n")

    def test_who_does_not_trust_the_certificate_gets_nothing(self):
        server = self.serve()
        self.assertEqual(self.curl(f"{self.url}/", trusted=False).returncode, 60)
        self.assertEqual(self.curl("-k", f"{self.url}/", trusted=False).returncode, 0)
        other = f"other.test:{server.port}"
        self.assertEqual(self.curl("--resolve", f"{other}:127.0.0.1", f"https://{other}/").returncode, 60)

    def test_a_client_resumes_its_session(self):
        server = self.serve()
        context, session = self.context(), None
        for expected in ("new session\n", "session resumed\n"):
            with context.wrap_socket(server.connect(), server_hostname="localhost", session=session) as s:
                self.assertEqual(s.selected_alpn_protocol(), "http/1.1")
                s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answers = read_all(s.makefile("rb"))
                self.assertTrue(answers[0][2].endswith(expected), answers)
                session = s.session

    def test_bad_clients_hold_up_nobody(self):
        server = self.serve()
        silent = [server.connect() for _ in range(20)]
        for s in silent:
            self.addCleanup(s.close)
        with server.connect() as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while plain.recv(4096):  # an alert, then the end
                pass
        self.assertEqual(self.curl(f"{self.url}/").returncode, 0)
        code, printed, seconds = server.stop()
        self.assertEqual((code, printed), (0, "stopping on SIGTERM\n"))
        self.assertLess(seconds, 10)
        self.assertIn("no handshake: http request", server.logged())

    def test_files_that_are_missing_are_named(self):
        done = run(*command("16_https_server", "--port", 0, "--certificate", self.certificate, "--key", "/nothing.pem"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nothing.pem", done.stderr)


class StandsStill(RungTest):
    def hang(self, what, *patterns):
        """Waits until it has said all of these of itself, a dump asked for in between; what it said."""
        rung = subprocess.Popen(command("23_deadlock", "--what", what), stderr=subprocess.PIPE, text=True,
                                preexec_fn=die_with_parent)
        self.addCleanup(rung.stderr.close)
        self.addCleanup(rung.wait)
        self.addCleanup(rung.kill)
        said = ""
        for pattern in patterns:
            while not re.search(pattern, said):
                line = rung.stderr.readline()
                self.assertTrue(line, said)
                said += line
            if pattern == patterns[0]:
                rung.send_signal(signal.SIGQUIT)
        rung.send_signal(signal.SIGINT)
        self.assertEqual(rung.wait(PATIENCE), -signal.SIGINT)
        return said


class deadlock(StandsStill):
    def test_two_mutexes(self):
        said = self.hang("mutexes", r"circle:(\n.*spawned at.*){2}", r"'a to b': .*held by fiber",
                         r"'b to a': .*held by fiber")
        self.assertIn("deadlock in runtime 'sennit': 2 fibers wait for each other in a circle", said)
        waits = dict(re.findall(r"fiber (\d+) '[ab] to [ab]' waits for mutex at 0x\w+, held by fiber (\d+)", said))
        self.assertEqual(len(waits), 2, said)
        self.assertEqual({waits[f] for f in waits}, set(waits), said)


class all_asleep(StandsStill):
    """Not under an emulator: it has threads of its own, which might wake somebody for all that is known."""

    def test_a_message_that_nobody_sends(self):
        said = self.hang("channel", r"wake them:(\n.*spawned at.*){2}", r"'cook': .*channel receive")
        self.assertIn("2 fibers are all there are, and nothing is left that could wake them", said)
        cook = re.search(r"fiber (\d+) 'cook' waits for channel receive at 0x", said)
        self.assertIn(f"waits for join of fiber {cook[1]};", said)


class stall(RungTest):
    def test_who_computes_is_named_and_the_others_wait(self):
        done = run(*command("24_stall", "--ms", 300))
        self.assertEqual(done.returncode, 0, done.stderr)
        late = list(map(int, re.findall(r"^  .* (\d+) ms$", done.stdout, re.M)))
        self.assertEqual(len(late), 4, done.stdout)
        self.assertGreaterEqual(late[0], 250)  # as long as it computed
        reports = re.findall(r"worker 0 has run fiber '(\w+)' .* without a switch", done.stderr)
        self.assertEqual(reports[0], "collatz", done.stderr)


class inspector(RungTest):
    def test_a_busy_server_is_to_be_seen(self):
        server = self.start("22_inspector")
        end = time.monotonic() + PATIENCE
        while True:  # until all are where they wait
            with urllib.request.urlopen(server.url + "/state.json", timeout=PATIENCE) as answer:
                runtime, = json.loads(answer.read())["runtimes"]
            fibers = {}
            for g in runtime["groups"]:
                fibers[g["name"]] = fibers.get(g["name"], 0) + g["count"]
            if fibers.get("crowd") == 1000 and fibers.get("client") == 50 and fibers.get("producer") == 1:
                break
            self.assertLess(time.monotonic(), end, fibers)
        self.assertEqual((fibers["reader"], fibers["stage"]), (5, 4))
        self.assertIn(b"<title>sennit", urllib.request.urlopen(server.url, timeout=PATIENCE).read())
        code, printed, seconds = server.stop()
        self.assertEqual((code, printed), (0, "stopping on SIGTERM\n"), server.logged())
        self.assertLess(seconds, 10)


class two_runtimes(RungTest):
    def test_they_work_together(self):
        for workers in (1, 2, 5):
            printed = self.output("25_two_runtimes", "--workers", workers, "--blocks", 20, "--block-size", 5000)
            found = re.fullmatch(r"9592 primes below 100000, by block 9592\n"
                                 r"20 progress reports; halfway after block 10\n"
                                 r"(\d+) ticks meanwhile, the latest \d+ ms late\n"
                                 r"batch is gone: Operation not permitted\n", printed)
            self.assertTrue(found, printed)
            self.assertGreater(int(found[1]), 0)


if __name__ == "__main__":
    EXAMPLES = sys.argv.pop(1)
    if len(sys.argv) > 2 and sys.argv[1] == "--emulator":
        del sys.argv[1]
        EMULATOR = sys.argv.pop(1).split()
    unittest.main(verbosity=2)
