"""Breaks one rule at a time and shows that a test fails. tests/mutants/NN_name.patch breaks rule NN of docs/testing.md;
its first lines say what to build and run:

    # target: test_sched            the executable
    # filter: park_test.*           GoogleTest filter (default: everything)
    # lane: jitter                  preset to build it with (default: release)
    # timeout: 60                   seconds after which the test counts as hung, which is a failure (default)
    # env: SENNIT_SCALE=1           environment of the run, any number of lines

usage: mutants.py [NN...]
Exits 1 if a mutant survives, does not apply or does not build, or if its test fails without it.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import source

IGNORED = shutil.ignore_patterns("build", ".git", ".cache", "__pycache__")
CMAKE_OPTIONS = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG", "-DSENNIT_WERROR=OFF",
                 "-DSENNIT_BUILD_BENCH=OFF", "-DSENNIT_INSTALL=OFF"]


class mutant:
    def __init__(self, patch):
        self.patch = patch
        self.name = patch.stem
        header = patch.read_text().split("\ndiff ")[0].split("\n--- ")[0]
        self.fields = dict(re.findall(r"^# (target|filter|lane|timeout): *(\S.*?) *$", header, re.M))
        self.env = tuple(tuple(e.split("=", 1)) for e in re.findall(r"^# env: *(\S+=\S*)", header, re.M))
        if "target" not in self.fields:
            sys.exit(f"{patch}: says no target; add a line '# target: test_...'")

    def __getattr__(self, field):
        return self.fields.get(field, {"filter": "*", "lane": "release", "timeout": "60"}[field])

    @property
    def target(self):
        return self.fields["target"]


class workshop:
    """A copy of the tree whose build directories stay from one mutant to the next, so that each costs its own files."""

    def __init__(self, root):
        self.root = root
        self.tree = root / "build" / "mutants" / "tree"
        self.configured = set()

    def restore(self):
        """Makes the copy equal the original; files that are equal already keep their time stamps."""
        wanted = set()
        for folder, subfolders, names in os.walk(self.root):
            ignored = IGNORED(folder, subfolders)
            subfolders[:] = [s for s in subfolders if s not in ignored]
            for name in names:
                original = pathlib.Path(folder, name)
                copy = self.tree / original.relative_to(self.root)
                wanted.add(copy)
                if not copy.is_file() or copy.read_bytes() != original.read_bytes():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(original, copy)
                    shutil.copymode(original, copy)
        for folder, subfolders, names in os.walk(self.tree):
            subfolders[:] = [s for s in subfolders if s != "build"]
            for stray in (pathlib.Path(folder, n) for n in names):
                if stray not in wanted:
                    stray.unlink()

    def apply(self, patch):
        # Without a repository around it git would look for one upwards and skip paths outside of it.
        env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(self.tree.parent)}
        return subprocess.run(["git", "apply", "--whitespace=nowarn", str(patch)], cwd=self.tree, env=env,
                              capture_output=True, text=True, check=False)

    def build(self, lane, target):
        if lane not in self.configured:
            result = self._quiet(["cmake", "--preset", lane, *CMAKE_OPTIONS])
            if result.returncode != 0:
                return result
            self.configured.add(lane)
        return self._quiet(["cmake", "--build", f"build/{lane}", "--target", target])

    def _quiet(self, command):
        return subprocess.run(command, cwd=self.tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, check=False)

    def run(self, m):
        """(what failed or None, output)"""
        build = self.tree / "build" / m.lane
        program = next((p for p in build.rglob(m.target) if p.is_file()), None)
        if program is None:
            return "no executable", f"{m.target} is not in {build}"
        env = {**os.environ, **environment(build), **dict(m.env)}
        command = [str(program), f"--gtest_filter={m.filter}", "--gtest_fail_fast"]
        process = subprocess.Popen(command, cwd=build, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, text=True, errors="replace", start_new_session=True)
        try:
            output, _ = process.communicate(timeout=float(m.timeout))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children too: tests may start servers
            output, _ = process.communicate()
            return f"hung in {last_started(output)}", output
        if process.returncode == 0:
            return ("no test matches the filter" if re.search(r"^\[==========\] Running 0 tests", output, re.M)
                    else None), output
        failed = re.search(r"^\[  FAILED  \] ([\w./]+)", output, re.M)
        if failed and process.returncode > 0:
            return failed.group(1), output
        how = signal.Signals(-process.returncode).name if process.returncode < 0 else f"exit {process.returncode}"
        return f"{how} in {last_started(output)}", output


def last_started(output):
    return (re.findall(r"^\[ RUN      \] (\S+)", output, re.M) or ["the test"])[-1]


def environment(build):
    """The lane's defaults, as ctest would set them."""
    text = (build / "lane_environment.cmake").read_text()
    return {k: v.strip('"') for k, v in re.findall(r"^lane_default\((\w+)\s+(\S+)\)", text, re.M) if k not in os.environ}


def judge(shop, m, baselines):
    """('killed by ...' or what is wrong, whether it was killed, output)"""
    key = (m.lane, m.target, m.filter, m.env)
    if key not in baselines:
        shop.restore()
        built = shop.build(m.lane, m.target)
        baselines[key] = ("does not build", built.stdout) if built.returncode != 0 else shop.run(m)
    wrong, output = baselines[key]
    if wrong:
        return f"BASELINE FAILS: {wrong}", False, output
    shop.restore()
    applied = shop.apply(m.patch)
    if applied.returncode != 0:
        return "DOES NOT APPLY", False, applied.stderr
    built = shop.build(m.lane, m.target)
    if built.returncode != 0:
        return "DOES NOT BUILD", False, built.stdout
    failed, output = shop.run(m)
    return (f"killed by {failed}", True, "") if failed else ("SURVIVED", False, output)


def main(root, numbers):
    mutants = [mutant(p) for p in sorted((root / "tests" / "mutants").glob("*.patch"))]
    mutants = [m for m in mutants if not numbers or m.name.split("_")[0] in numbers]
    if not mutants:
        sys.exit("no such mutant" if numbers else "no mutants in tests/mutants")
    mutants.sort(key=lambda m: (m.lane, m.name))  # one lane after the other
    shop, baselines, table = workshop(root), {}, []
    for m in mutants:
        started = time.monotonic()
        verdict, killed, output = judge(shop, m, baselines)
        line = f"{m.name.replace('_', ' ', 1):44} {verdict}"
        print(f"{line}  ({time.monotonic() - started:.0f} s)", flush=True)
        if not killed:
            print("\n".join("    " + text for text in output.split("\n")[-40:]), flush=True)
        table.append((m.name, killed, line))
    shop.restore()
    survivors = [line for _, killed, line in sorted(table) if not killed]
    print("\n" + "\n".join(line for *_, line in sorted(table)))
    print(f"mutants: {len(table) - len(survivors)} of {len(table)} killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(source.ROOT, set(sys.argv[1:])))
