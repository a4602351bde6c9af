"""threads.cpp moved to sennit is fibers.cpp: by at most ten lines, and its clients do not notice.

usage: classic_test.py BINARY-DIR [unittest arguments]
"""

import contextlib
import difflib
import os
import pathlib
import socket
import subprocess
import sys
import unittest

BINARIES = ""
PATIENCE = 60  # seconds: after that something hangs


class Server:
    def __init__(self, name):
        self.process = subprocess.Popen([os.path.join(BINARIES, name)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def connect(self):
        return Client(self.port)

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.replies = self.socket.makefile()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.replies.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def receive(self):
        return self.replies.readline().rstrip()

    def ask(self, line):
        self.send(line + "\n")
        return self.receive()


def conversation(server):
    with server.connect() as a, server.connect() as b:
        a.send("await late\n")
        said = [b.ask(line) for line in ("get x", "set x 1", "get x", "set x 2 words", "get x", "nonsense", "do x",
                                         "set late now")]
        said.append(a.receive())
        a.send("set y 7\nget y\nget")  # two lines and a part of one
        return [*said, a.ask(" x"), a.receive(), a.receive()]


class ClassicTest(unittest.TestCase):
    def test_ten_lines_move_it(self):
        here = pathlib.Path(__file__).parent
        before, after = ((here / name).read_text().splitlines() for name in ("threads.cpp", "fibers.cpp"))
        changed = [line for line in difflib.unified_diff(before, after, n=0, lineterm="")
                   if not line.startswith(("---", "+++", "@@"))]
        for sign in "+-":
            lines = [line for line in changed if line.startswith(sign) and line[1:].strip()]
            self.assertLessEqual(len(lines), 10, "\n".join(lines))

    def test_both_say_the_same(self):
        said = {}
        for name in ("threads", "fibers"):
            with Server(f"classic_{name}") as server:
                said[name] = conversation(server)
        self.assertEqual(said["threads"], ["none", "ok", "1", "ok", "2 words", "error: no name",
                                           "error: set, get or await", "ok", "now", "ok", "7", "2 words"])
        self.assertEqual(said["threads"], said["fibers"])

    def test_a_thousand_wait_on_few_threads(self):
        with Server("classic_fibers") as server:
            with server.connect() as first:
                first.ask("get nothing")  # its workers run
            few = server.threads()
            with contextlib.ExitStack() as open_ones:
                waiting = [open_ones.enter_context(server.connect()) for _ in range(1000)]
                for client in waiting:
                    client.send("get nothing\nawait go\n")
                for client in waiting:
                    self.assertEqual(client.receive(), "none")
                self.assertEqual(open_ones.enter_context(server.connect()).ask("set go !"), "ok")
                for client in waiting:
                    self.assertEqual(client.receive(), "!")
            self.assertLessEqual(server.threads(), few)


if __name__ == "__main__":
    BINARIES = sys.argv.pop(1)
    unittest.main()
