"""The inspector as its users meet it: by HTTP, by raw sockets, in a terminal, and in a browser.

usage: inspector_test.py PROGRAM SENNIT-TOP [--browser CHROMIUM --pictures FOLDER]
"""
import contextlib
import fcntl
import http.client
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import prometheus_client.parser
import pyte

PROGRAM = TOP = BROWSER = PICTURES = ""
PATIENCE = 60
NAME = 'a "<i>" & b'


class Inspected(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.addCleanup(self.end)
        self.host, port = self.process.stdout.readline().strip().rsplit(":", 1)
        self.port = int(port)

    def end(self):
        said, complaints = self.process.communicate(timeout=PATIENCE)
        self.assertEqual(self.process.returncode, 0, complaints)

    def get(self, target, method="GET", **headers):
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)) as c:
            c.request(method, target, headers=headers)
            answer = c.getresponse()
            return answer, answer.read()

    def body(self, target):
        answer, body = self.get(target)
        self.assertEqual(answer.status, 200, (target, body[:200]))
        return body

    def state(self, until):
        """The state once it is as `until` wants it: fibers take a moment to get where they wait."""
        end = time.monotonic() + PATIENCE
        while not until(state := json.loads(self.body("/state.json"))):
            self.assertLess(time.monotonic(), end, state)
        return state

    def raw(self, data):
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as s:
            s.sendall(data)
            got = b""
            try:
                while more := s.recv(65536):
                    got += more
            except ConnectionResetError:
                pass
            return got


def groups_of(state):
    return {g["name"]: g for r in state["runtimes"] if r["name"] == NAME for g in r["groups"]}


def all_wait(state):
    g = groups_of(state)
    return g.get("crowd", {}).get("count") == 1500 and g.get("wanter", {}).get("waits_for") == "mutex"


class Answers(Inspected):
    def test_the_page_and_its_files_forbid_everything_foreign(self):
        for path, kind in (("/", "text/html"), ("/inspector.js", "text/javascript"), ("/inspector.css", "text/css")):
            answer, body = self.get(path)
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.headers["Content-Type"].startswith(kind))
            self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
            self.assertNotRegex(body.decode(), r"https?://(?!www\.w3\.org/2000/svg)")

    def test_the_state_has_everybody(self):
        state = self.state(all_wait)
        self.assertEqual([r["name"] for r in state["runtimes"]], [NAME])
        self.assertEqual(state["pid"], self.process.pid)
        runtime = state["runtimes"][0]
        self.assertEqual(len(runtime["workers"]), 2)
        self.assertEqual(runtime["fibers"], 1505)
        groups = groups_of(state)
        self.assertEqual(groups["crowd"]["waits_for"], "event")
        self.assertEqual(len(groups["crowd"]["ids"]), 10)
        self.assertEqual(groups["wanter"]["waits_for_fiber"], groups["holder"]["ids"][0])
        self.assertRegex(groups["holder"]["spawned_at"], r"inspected\.cpp:\d+$")
        self.assertIn("<img src=x onerror=", groups)
        switches = sum(w["switches"] for w in runtime["workers"])
        later = self.state(lambda s: sum(w["switches"] for w in s["runtimes"][0]["workers"]) > switches)
        self.assertGreater(later["at_ns"], state["at_ns"])

    def test_what_is_expensive_is_one_look_for_all(self):
        begin = time.monotonic()
        looks = {json.loads(self.body("/state.json"))["at_ns"] for _ in range(50)}
        self.assertLessEqual(len(looks), (time.monotonic() - begin) / 0.2 + 2)

    def test_the_other_formats(self):
        self.state(all_wait)
        self.assertIn(b"1500 fibers 'crowd': waiting for up to", self.body("/fibers.txt"))
        self.assertEqual(len(json.loads(self.body("/fibers.json"))["runtimes"]), 2)
        families = {f.name: f for f in prometheus_client.parser.text_string_to_metric_families(self.body("/metrics").decode())}
        of = {"runtime": NAME}
        self.assertIn(("sennit_fibers", of, 1505), [s[:3] for s in families["sennit_fibers"].samples])
        buckets = [s for s in families["sennit_slice_seconds"].samples if s.labels == of | {"le": s.labels.get("le")}]
        self.assertEqual([b.value for b in buckets], sorted(b.value for b in buckets))
        self.assertEqual(buckets[-1].labels["le"], "+Inf")
        self.assertIn(("sennit_slice_seconds_count", of, buckets[-1].value), [s[:3] for s in families["sennit_slice_seconds"].samples])
        answer, body = self.get("/state.json", "HEAD")
        self.assertEqual((answer.status, body), (200, b""))
        self.assertGreater(int(answer.headers["Content-Length"]), 1000)

    def test_a_trace(self):
        self.state(all_wait)
        answer, body = self.get("/trace.json?ms=50&runtime=a+%22%3Ci%3E%22%20%26%20b")
        self.assertEqual(answer.status, 200, body)
        self.assertIn("attachment", answer.headers["Content-Disposition"])
        events = json.loads(body)["traceEvents"]
        self.assertIn("yielder", {e["name"] for e in events if e["ph"] == "X"})
        for target, status in (("?ms=x", 400), ("?ms=999999", 400), ("?runtime=nobody", 404), ("?runtime=%zz&ms=1", 200)):
            self.assertEqual(self.get("/trace.json" + target)[0].status, status, target)


class BadInput(Inspected):
    def test_foreign_names_and_methods_are_refused(self):
        for host, status in (("evil.example", 403), ("evil.example:80", 403), ("127.0.0.1.evil.example", 403),
                             ("localhost:1", 200), ("[::1]:5", 200), ("10.1.2.3", 200)):
            self.assertEqual(self.get("/", Host=host)[0].status, status, host)
        self.assertEqual(self.get("/nothing")[0].status, 404)
        self.assertEqual(self.get("/", "DELETE")[0].status, 405)

    def test_nonsense_is_refused_and_does_no_harm(self):
        for data in (b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000 + b"\r\n",
                     b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"):
            got = self.raw(data)
            self.assertRegex(got[:20], rb"^(HTTP/1\.\d 400|$)", data[:40])
        self.body("/")

    def test_silent_clients_hold_up_nobody(self):
        silent = [socket.create_connection((self.host, self.port)) for _ in range(25)]
        self.body("/state.json")
        for s in silent:
            s.close()

    def test_many_at_once(self):
        for _ in range(20):
            clients = [socket.create_connection((self.host, self.port), timeout=PATIENCE) for _ in range(100)]
            for c in clients:
                c.sendall(b"GET /state.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            for c in clients:
                self.assertTrue(c.recv(15).startswith(b"HTTP/1.1 200"))
                c.close()
        with open(f"/proc/{self.process.pid}/status") as status:
            resident = int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])
        self.assertLess(resident, 200_000)


class Terminal(Inspected):
    def setUp(self):
        super().setUp()
        self.state(all_wait)

    def start(self, *arguments):
        # Its screen is what a terminal makes of its output.
        self.screen = pyte.Screen(100, 40)
        self.stream = pyte.ByteStream(self.screen)
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.top = subprocess.Popen([TOP, *arguments], stdin=slave, stdout=slave, stderr=slave,
                                    env={**os.environ, "TERM": "linux"}, start_new_session=True)
        os.close(slave)
        self.addCleanup(self.top.wait)
        self.addCleanup(self.top.kill)

    def shows(self, *patterns):
        end = time.monotonic() + PATIENCE
        while not all(re.search(p, "\n".join(self.screen.display), re.M) for p in patterns):
            self.assertLess(time.monotonic(), end, "\n".join(self.screen.display))
            if select.select([self.master], [], [], 1)[0]:
                self.stream.feed(os.read(self.master, 65536))

    def press(self, keys):
        os.write(self.master, keys.encode())

    def test_shows_chooses_filters_and_ends(self):
        self.start(f"{self.host}:{self.port}")
        self.shows(rf"^process {self.process.pid}, runtime '{re.escape(NAME)}' \(1 of 1\)", r"^1 505 fibers +1 505 stacks in use",
                   r"^worker 0  \[#* *\] +\d+ % .*switches/s", r"^ +1 500  crowd +event .*KiB")
        self.press("/WANTER\n")
        self.shows(r"^ +fibers  name .*\n +1  wanter +mutex .*\n *\n", r"^only wanter")
        self.press("\n")
        self.shows(r"waits for fiber \d+", r"spawned at .*inspected\.cpp:\d+", r"#0 ")
        self.press("/\x7f\n\x1b[B")
        self.shows(r"^ +1  <img src=x onerror=")
        self.press("q")
        self.assertEqual(self.top.wait(PATIENCE), 0)

    def test_says_that_nobody_answers(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % nobody.getsockname()[1]
            self.start(address)
            self.shows(rf"no answer from http://{address}: .*refused")
            once = subprocess.run([TOP, "--once", address], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual((once.returncode, once.stdout), (1, ""))
            self.assertIn("refused", once.stderr)

    def test_once_is_for_files(self):
        once = subprocess.run([TOP, "--once", f"{self.host}:{self.port}"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(once.returncode, 0, once.stderr)
        self.assertRegex(once.stdout, r"\n +1 500  crowd +event")
        self.assertRegex(once.stdout, r"\nworker 1 ")


class Page(Inspected):
    def browse(self, *options):
        with tempfile.TemporaryDirectory() as profile:
            return subprocess.run(
                [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}",
                 "--window-size=1280,1400", "--virtual-time-budget=6000", *options, f"http://{self.host}:{self.port}/"],
                capture_output=True, text=True, timeout=PATIENCE)

    def test_shows_everybody_and_runs_nothing_of_a_name(self):
        self.state(all_wait)
        page = self.browse("--dump-dom")
        self.assertIn(f"process {self.process.pid}", page.stdout, page.stderr)
        self.assertRegex(page.stdout, r'<td class="number">1\u202f500</td><td>crowd</td><td>event</td>')
        self.assertIn("<td>&lt;img src=x onerror=</td>", page.stdout)
        self.assertNotIn("<img", page.stdout)
        self.assertEqual(page.stdout.count('class="worker"'), 2)
        self.assertRegex(page.stdout, r"<text[^>]*>wanter #\d+</text>")
        self.assertNotRegex(page.stderr, r"CONSOLE.*(Error|Refused)")
        if PICTURES:
            os.makedirs(PICTURES, exist_ok=True)
            picture = os.path.join(PICTURES, "inspector.png")
            self.browse(f"--screenshot={picture}")
            self.assertGreater(os.path.getsize(picture), 10_000)


if __name__ == "__main__":
    PROGRAM, TOP = sys.argv[1:3]
    del sys.argv[1:3]
    for option in ("--browser", "--pictures"):
        if option in sys.argv:
            at = sys.argv.index(option)
            value = sys.argv[at + 1]
            del sys.argv[at:at + 2]
            BROWSER, PICTURES = (value, PICTURES) if option == "--browser" else (BROWSER, value)
    if not BROWSER:
        del Page
    unittest.main(verbosity=2)
