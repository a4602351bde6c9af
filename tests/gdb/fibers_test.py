"""sennit-gdb.py on a live process, and on its core file.

usage: fibers_test.py GDB SCRIPT PROGRAM
"""
import glob
import os
import re
import resource
import subprocess
import sys
import tempfile
import unittest

GDB = SCRIPT = PROGRAM = ""
LOOK = ["info fibers", "fiber apply all bt", "echo ==receiver\\n", "python import re",
        # one fiber by its id, which the list above told
        "python ids = dict((n, i) for i, n in re.findall(r\"fiber (\\d+) '(\\w+)'\", gdb.execute('info fibers', to_string=True)))",
        "python gdb.execute('fiber ' + ids['receiver'] + ' bt 4')",
        "python gdb.execute('fiber ' + ids['locker'] + ' up 2')",
        "echo ==thread\\n", "bt 1"]


def gdb(*commands, of=()):
    done = subprocess.run(
        [GDB, "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set pagination off", "-ex", "set width 0",
         *(part for c in commands for part in ("-ex", c)), PROGRAM, *of], capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


class Fibers(unittest.TestCase):
    def check(self, said):
        states = dict(re.findall(r"^  fiber \d+ '(\w+)': ([a-z]+)", said, re.M))
        self.assertEqual(states, {"main": "running", "locker": "waiting", "receiver": "waiting", "later": "runnable"}, said)
        self.assertRegex(said, r"'locker': waiting, mutex at 0x[0-9a-f]+ for \d+\.\d s; spawned at \S*fibers\.cpp:\d+\n")
        self.assertRegex(said, r"'receiver': waiting, channel receive at 0x")
        # Each backtrace from the wait to the entry, with gdb's own numbers.
        for name, function in (("locker", "wants_the_mutex"), ("receiver", "wants_a_message")):
            block = re.search(rf"\nfiber \d+ '{name}': waiting.*\n((?:.+\n)+)", said)[1]
            self.assertRegex(block, rf"^#1 .*sennit_switch_stack(?s:.*){function}(?s:.*)sennit_context_bottom")
            numbers = [int(n) for n in re.findall(r"^#(\d+) ", block, re.M)]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)), block)
            self.assertNotIn("look_here", block)
        running = re.search(r"\nfiber \d+ 'main': running\n((?:.+\n)+)", said)[1]
        self.assertRegex(running, r"#\d+ .*(look_here |operator\(\)).*fibers\.cpp:\d+")
        self.assertIn("it has not begun", re.search(r"\nfiber \d+ 'later': runnable\n(.*)", said)[1])
        self.assertRegex(said, r"==receiver\n#1 ")

    def test_live(self):
        said = gdb(f"source {SCRIPT}", "info fibers", "break look_here", "run", *LOOK, "print m", "print c", "print f",
                   "continue")
        self.assertIn("no runtime", said)  # before it ran
        self.check(said)
        self.assertRegex(said, r"\n==thread\n#0 +look_here ")  # afterwards gdb is where it was
        self.assertRegex(said, r"\$\d+ = .*held by fiber \d+ 'main', wanted by \{fiber \d+ 'locker'\}")
        self.assertRegex(said, r"\$\d+ = .*0 messages, capacity 3, \{fiber \d+ 'receiver'\} waiting to receive")
        self.assertRegex(said, r"\$\d+ = .*fiber \d+ 'locker': waiting, mutex at")
        self.assertIn("exited normally", said)

    def test_in_a_core_file(self):
        with tempfile.TemporaryDirectory() as folder:
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            subprocess.run([os.path.abspath(PROGRAM), "abort"], cwd=folder, timeout=300,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unlimited))
            cores = glob.glob(os.path.join(folder, "core*"))
            with open("/proc/sys/kernel/core_pattern") as pattern:
                self.assertEqual(len(cores), 1, f"a core file is needed, and kernel.core_pattern is {pattern.read()}")
            said = gdb(f"source {SCRIPT}", *LOOK, of=["-core", cores[0]])
            self.check(said)
            self.assertRegex(said, r"\n==thread\n#0 .*(raise|abort|kill)")

    def test_static_probes(self):
        said = gdb(f"source {SCRIPT}", "info probes stap sennit", "break -probe-stap sennit:leave", "condition 1 $_probe_arg2 == 2",
                   "run", "echo ==\\n", "info fibers", "print $_probe_arg0", "print $_probe_arg1")
        self.assertEqual(set(re.findall(r"^stap +sennit +(\w+)", said, re.M)),
                         {"spawn", "run", "leave", "ready", "steal", "poll", "stall"}, said)
        # The first one that leaves for a mutex.
        fiber, = re.findall(r"fiber (\d+) 'locker': running", said)
        self.assertRegex(said, rf"\$1 = {fiber}\n\$2 = 0\n")

    def test_mistakes_are_told(self):
        said = gdb(f"source {SCRIPT}", "break look_here", "run", "fiber 999999 bt", "fiber", "fiber 1 2 3")
        self.assertIn("no fiber 999999: see `info fibers`", said)
        self.assertIn("fiber ID COMMAND, or fiber apply all COMMAND", said)


if __name__ == "__main__":
    GDB, SCRIPT, PROGRAM = sys.argv[1:4]
    del sys.argv[1:4]
    unittest.main(verbosity=2)
