"""Measures sennit beside other systems in one run: repeats interleaved (A B C D A B C D), on pinned CPUs.

usage: compare.py DIR [--filter REGEX] [--json FILE] [--svg FOLDER] [--update-docs] [--quick]

DIR holds the programs: sennit and floor (built by CMake), and of the peers those that bench/peers/build could build.
bench/peers/README.md says how a program is called and what the JSON file holds; bench/groups.py what is measured.
--update-docs writes the tables and pictures into docs/benchmarks.md (publish.py).
Exits 1, with the command and its output, if a program fails.
"""
import argparse
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys

import groups
import publish

PEERS = ("boost_fiber", "asio_callbacks", "asio_coroutines", "beast", "libuv", "pth", "st", "threads", "go", "tokio",
         "nginx", "io_uring")
LOOPS = ("io_uring",)  # what one would write by hand: measured as the peers are, but none of them
PATIENCE = 120  # seconds: after that a program hangs
HTTP_LOAD = pathlib.Path(__file__).with_name("http_load.py")
DOCUMENT = pathlib.Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


class failed(Exception):
    """A program did not do what it must."""


class cannot(Exception):
    """A system cannot do a workload here, and said why."""


def call(*command):
    """What a program prints, as lines."""
    shown = " ".join(map(str, command))
    try:
        # Looked up at its first call, a library's function takes 3 KiB of whatever stack that comes on: Boost.Fiber's
        # have 8.
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False,
                              env={**os.environ, "LD_BIND_NOW": "1"})
    except subprocess.TimeoutExpired:
        raise failed(f"{shown}: no end after {PATIENCE} s") from None
    except OSError as e:
        raise failed(f"{shown}: {e}") from None
    if done.returncode != 0:
        raise failed(f"{shown}: exit code {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout.splitlines()


class program:
    """One system's program."""

    def __init__(self, path):
        self.path = path
        self.version = " ".join(call(path, "--version"))
        self.names = set(call(path, "--list"))

    def measure(self, bench, seconds, cpus):
        """{result: value} of one repeat."""
        load = {"": [], "echo": [self.path.with_name("echo_load")],
                "http": [sys.executable, "-B", HTTP_LOAD]}[bench.load]
        lines = call("taskset", "-c", ",".join(map(str, cpus)), *load, self.path, bench.name, str(seconds))
        if lines[-1:] and lines[-1].startswith("cannot "):
            raise cannot(lines[-1].removeprefix("cannot "))
        try:
            values = {name: float(value) for name, value in map(str.split, lines)}
        except ValueError:
            values = {}
        expected = [name for name, _, _ in bench.results]
        if sorted(values) != sorted(expected) or not all(math.isfinite(v) and v >= 0 for v in values.values()):
            raise failed(f"{self.path} {bench.name}: expected a number for each of {expected}, got {lines}")
        return values


def find_programs(folder):
    """({name: program}, {name: why it is missing}). Without sennit and the floor there is nothing to compare."""
    programs, missing = {}, {}
    for name in ("sennit", *PEERS, "floor"):
        path = folder / name
        reason = folder / f"{name}.missing"
        if name in PEERS and not path.is_file():
            missing[name] = reason.read_text().strip() if reason.is_file() else f"{path} was not built"
        else:
            programs[name] = program(path)
    return programs, missing


def chosen(pattern):
    """{group: benchmarks} whose "group/benchmark" the pattern finds."""
    found = {group: [b for b in all_ if re.search(pattern, f"{group}/{b.name}")]
             for group, all_ in groups.GROUPS.items()}
    return {group: some for group, some in found.items() if some}


def cpus_for(workers):
    """The last CPUs that are ours: the first ones serve most interrupts."""
    return sorted(os.sched_getaffinity(0))[-workers:]


def measure(bench, programs, repeats, seconds, quick=False):
    """({result: {system: [value of each repeat]}}, {system: why it cannot}); systems without the benchmark are left
    out."""
    takes_part = {name: p for name, p in programs.items() if bench.name in p.names}
    values = {result: {} for result, _, _ in bench.results}
    unable = {name: "be quick: a repeat takes about ten seconds or more; without --quick it is measured"
              for name in bench.slow if quick and name in takes_part}
    for _ in range(1 if bench.heavy and quick else repeats):
        for name, p in takes_part.items():
            if name in unable:
                continue
            try:
                for result, value in p.measure(bench, seconds, cpus_for(bench.workers)).items():
                    values[result].setdefault(name, []).append(value)
            except cannot as e:
                unable[name] = str(e)
                for of_result in values.values():
                    of_result.pop(name, None)
    return values, unable


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(ours, other):
    """The median of the repeats' quotients: what a repeat of one system is divided by ran beside it, on a machine that
    is as busy."""
    quotients = [a / b for a, b in zip(ours or (), other or ()) if b]
    return statistics.median(quotients) if quotients else None


def result(name, unit, better, values):
    """One result of the JSON file: `better` says which side of 1 is good for a ratio."""
    systems = {system: summary(v) for system, v in values.items()}
    floor = systems.pop("floor", None)
    ours = values.get("sennit")
    peers = [v for system, v in values.items() if system not in ("sennit", "floor", *LOOPS)]
    best = (min if better == "lower" else max)(peers, key=statistics.median, default=None)
    return {"name": name, "unit": unit, "better": better, "systems": systems, "floor": floor,
            "ratio_to_best_peer": ratio(ours, best), "ratio_to_floor": ratio(ours, values.get("floor"))}


def number(value):
    return "-" if value is None else f"{value:.0f}" if value >= 999.5 else f"{value:.3g}"


def cell(s):
    return f"{number(s['median'])} ({number(s['min'])}..{number(s['max'])})" if s else "-"


def table(group, results, programs):
    """The rows of a table; columns are the systems that take part."""
    takes_part = {system for r in results for system in r["systems"]}
    systems = [name for name in programs if name in takes_part]
    rows = [(group, "unit", *systems, "floor", "to best peer", "to floor")]
    for r in results:
        rows.append((r["name"], r["unit"], *(cell(r["systems"].get(s)) for s in systems), cell(r["floor"]),
                     number(r["ratio_to_best_peer"]), number(r["ratio_to_floor"])))
    return rows


def explanations(benches, unable):
    """What each line of a table means, and who cannot do it."""
    return [f"{b.name}: {b.what}." + (f" Floor: {b.floor}." if b.floor else "")
            + "".join(f" {system} cannot: {why}." for system, why in unable.get(b.name, {}).items()) for b in benches]


def markdown(rows):
    """The rows without padding, for a file that is not read as it is."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def padded(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def compare(options):
    repeats, seconds = (3, 0.02) if options.quick else (7, 0.2)
    plan = chosen(options.filter)
    if not plan:
        raise failed(f"--filter {options.filter} finds none of: "
                     + ", ".join(f"{g}/{b.name}" for g, all_ in groups.GROUPS.items() for b in all_))
    programs, missing = find_programs(options.folder)
    versions = {name: p.version for name, p in programs.items()}
    for name, version in versions.items():
        print(f"{name}: {version}")
    for name, why in missing.items():
        print(f"{name}: missing: {why}")
    setup = (f"{'quick: ' * options.quick}medians of {repeats} interleaved repeats (min..max) of at least {seconds} s"
             f"{', one of what takes a second' * options.quick}; CPUs {cpus_for(1)} for one "
             f"worker, {cpus_for(2)} for two; ratios: sennit by the other in each repeat, their median")
    print(setup + "\n", flush=True)
    results, tables, unable = {}, {}, {}
    for group, benches in plan.items():
        results[group] = []
        for bench in benches:
            print(f"{group}/{bench.name} ...", file=sys.stderr, flush=True)
            values, why = measure(bench, programs, repeats, seconds, options.quick)
            if why:
                unable[bench.name] = why
            results[group] += [result(name, unit, better, values[name]) for name, unit, better in bench.results]
        rows, notes = table(group, results[group], programs), explanations(benches, unable)
        print("\n".join([padded(rows), "", *notes, ""]), flush=True)
        tables[group] = "\n".join([markdown(rows), "", *(f"- {note}" for note in notes)])
    if options.json:
        everything = {"results": sum(results.values(), []), "versions": versions, "missing": missing, "cannot": unable}
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    if options.svg:
        publish.draw(options.svg, "", results, number)
    if options.update_docs:
        command = "./dev bench" + f" --filter {options.filter}" * bool(options.filter) + " --quick" * options.quick
        publish.update(DOCUMENT, publish.about(command, f"{setup[0].upper()}{setup[1:]}.", versions, missing), tables, results, number)


def main(arguments):
    parser = argparse.ArgumentParser(prog="compare.py", description="sennit beside other systems, in one run")
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR", help="where the programs are")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only benchmarks whose group/name it finds")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--svg", type=pathlib.Path, metavar="FOLDER", help="draw each group there")
    parser.add_argument("--update-docs", action="store_true", help="write tables and pictures into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="3 short repeats instead of 7, or one of what takes long")
    try:
        compare(parser.parse_args(arguments))
    except failed as e:
        sys.exit(f"compare.py: {e}")


if __name__ == "__main__":
    main(sys.argv[1:])
