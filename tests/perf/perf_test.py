"""perf record -g unwinds a fiber's stack, to the fiber's bottom and no further.

usage: perf_test.py PERF PROGRAM
"""
import os
import re
import subprocess
import sys
import tempfile

PERF, PROGRAM = sys.argv[1:3]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


with tempfile.TemporaryDirectory() as folder:
    data = os.path.join(folder, "perf.data")
    run(PERF, "record", "-q", "-e", "cpu-clock:u", "-F", "2000", "-g", "-o", data, PROGRAM)
    script = run(PERF, "script", "-i", data, "-F", "ip,sym")

stacks = [re.findall(r"^\s+[0-9a-f]+ (.+)$", block, re.M) for block in re.split(r"\n\s*\n", script)]
inside = [s for s in stacks if s and s[0].endswith("innermost")]
assert len(inside) > 100, f"{len(inside)} of {len(stacks)} samples are in the loop\n{script[:3000]}"
for caller in ("of_the_first", "of_the_second"):
    # The caller of a function without a frame of its own, as the innermost one may be, is not in these stacks.
    of_it = [s for s in inside if any(f.endswith(caller) for f in s[1:3]) and s[-1] == "sennit_context_bottom"]
    assert len(of_it) > len(inside) / 4, f"{caller}: {len(of_it)} of {len(inside)}\n{script[:3000]}"
whole = [s for s in inside if s[-1] == "sennit_context_bottom"]
assert len(whole) > 0.95 * len(inside), f"{len(whole)} of {len(inside)} end at the fiber's bottom\n{script[:3000]}"
