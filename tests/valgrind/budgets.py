"""Counts the instructions of the hot paths in user mode, under valgrind, and fails where one takes more than its budget.
A count is that of twice as many operations less that of as many, so that start and end are not in it. It is the same
on every machine but for what the compiler makes of the code: budgets are a tenth above what g++ 12 gives. Whoever makes
a path shorter lowers its budget.

usage: budgets.py VALGRIND VERBS
"""
import re
import subprocess
import sys

BUDGETS = {  # instructions an operation
    "yield": 235,
    "handoff": 520,
    "spawn_and_join": 1375,
    "mutex": 58,
    "contended_mutex": 698,
    "condition_variable": 605,
    "channel": 179,
    "read_ready": 418,
    "echo": 4610,
}
OPERATIONS = 20_000


def instructions(valgrind, program, verb, count):
    ran = subprocess.run(
        [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program, verb, str(count)],
        capture_output=True, text=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", ran.stderr)
    if ran.returncode != 0 or not found:
        sys.exit(f"{verb}: exit status {ran.returncode}\n{ran.stderr}")
    return int(found[1].replace(",", ""))


def main(valgrind, program):
    over = 0
    for verb, budget in BUDGETS.items():
        once, twice = (instructions(valgrind, program, verb, n) for n in (OPERATIONS, 2 * OPERATIONS))
        cost = (twice - once) / OPERATIONS
        over += cost > budget
        print(f"{verb:16} {cost:8.1f} of {budget}{'  OVER' if cost > budget else ''}")
    return 1 if over else 0


sys.exit(main(*sys.argv[1:]))
