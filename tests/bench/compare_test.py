"""The comparison's driver with programs made here, and the real programs of this build with tiny counts.

usage: compare_test.py PROGRAMS_DIR [unittest arguments, e.g. numbers]
"""
import contextlib
import http.server
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import compare  # noqa: E402
import groups  # noqa: E402
import http_load  # noqa: E402
import plot  # noqa: E402
import publish  # noqa: E402

PROGRAMS = pathlib.Path()
FAKE_GROUPS = {
    "g": (groups.benchmark("one", "the one", "nothing"),
          groups.benchmark("two", "the two", "nothing", workers=2,
                           results=(("two_cpu", "us", "lower"), ("two_rate", "1/s", "higher")))),
    "h": (groups.benchmark("three", "the three", "nothing"),),
}


class numbers(unittest.TestCase):
    def test_summary(self):
        self.assertEqual(compare.summary([5, 1, 100]), {"median": 5, "min": 1, "max": 100})
        self.assertEqual(compare.summary([4, 1, 2, 3]), {"median": 2.5, "min": 1, "max": 4})

    def ratios(self, better, **values):
        r = compare.result("r", "u", better, {system: [v] for system, v in values.items()})
        return r["ratio_to_best_peer"], r["ratio_to_floor"]

    def test_ratios_to_the_best_peer_and_to_the_floor(self):
        self.assertEqual(self.ratios("lower", sennit=6, go=3, tokio=4, floor=2), (2, 3))
        self.assertEqual(self.ratios("higher", sennit=6, go=3, tokio=4, floor=12), (1.5, 0.5))

    def test_ratios_are_null_only_without_the_other(self):
        self.assertEqual(self.ratios("lower", sennit=6, floor=2), (None, 3))
        self.assertEqual(self.ratios("lower", sennit=6, go=3), (2, None))
        self.assertEqual(self.ratios("lower", go=3, floor=2), (None, None))

    def test_ratios_are_of_neighbours_in_time(self):
        r = compare.result("r", "u", "lower", {"sennit": [1, 20, 300], "go": [2, 40, 150], "floor": [4, 20, 0]})
        self.assertEqual(r["ratio_to_best_peer"], 0.5)
        self.assertEqual(r["ratio_to_floor"], 0.625)

    def test_the_floor_is_no_peer(self):
        r = compare.result("r", "u", "lower", {"sennit": [2], "go": [4], "floor": [1]})
        self.assertEqual(set(r["systems"]), {"sennit", "go"})
        self.assertEqual(r["floor"]["median"], 1)
        self.assertEqual(r["ratio_to_best_peer"], 0.5)

    def test_a_loop_written_by_hand_is_no_peer_either(self):
        r = compare.result("r", "u", "lower", {"sennit": [2], "go": [4], "io_uring": [1], "floor": [1]})
        self.assertEqual(set(r["systems"]), {"sennit", "go", "io_uring"})
        self.assertEqual(r["ratio_to_best_peer"], 0.5)

    def test_what_is_not_there_is_a_dash(self):
        self.assertEqual(compare.cell(None), "-")
        self.assertEqual(compare.cell({"median": 1234.5, "min": 0.5, "max": 20000.1}), "1234 (0.5..20000)")


class pictures(unittest.TestCase):
    def bars(self, **systems):
        """{system: (width of its bar, is a whisker drawn?)} of a picture with one panel."""
        r = compare.result("r", "ns", "lower", systems)
        root = xml.etree.ElementTree.fromstring(plot.svg("A & B", [r], compare.number))
        kind = "{http://www.w3.org/2000/svg}"
        widths = [float(rect.get("width")) for rect in root.iter(f"{kind}rect") if rect.get("class") != "card"]
        return widths, len(list(root.iter(f"{kind}path"))), [t.text for t in root.iter(f"{kind}text")]

    def test_bars_are_medians_to_scale(self):
        widths, whiskers, words = self.bars(sennit=[1, 2, 3], go=[2, 4, 8], floor=[1])
        self.assertEqual([round(w / widths[0], 1) for w in widths], [1, 2, 0.5])
        self.assertEqual(whiskers, 3)
        self.assertIn("A & B", words)
        for word in "sennit", "go", "floor", "2", "4", "r, ns (lower is better)":
            self.assertIn(word, words)

    def test_a_bar_that_is_much_too_long_is_cut_and_says_so(self):
        widths, whiskers, words = self.bars(sennit=[1], go=[1000])
        self.assertEqual(round(widths[1] / widths[0]), plot.MOST)
        self.assertEqual(whiskers, 1)
        self.assertIn("1000 \u226b", words)

    def test_without_sennit_and_with_nothing_but_zeros(self):
        self.assertEqual(len(self.bars(floor=[5])[0]), 1)
        self.assertEqual(len(self.bars(sennit=[0], go=[0])[0]), 2)

    def test_a_document_keeps_the_words_around_its_markers(self):
        old = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n"
        self.assertEqual(publish.replaced(old, "x", "new"), "a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n")
        self.assertEqual(publish.replaced("a\n", "x", "new"), "a\n\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\n")
        with self.assertRaises(ValueError):
            publish.replaced("<!-- bench:x -->", "x", "new")


class driver(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.log = self.folder / "log"
        self.log.touch()
        real, compare.groups.GROUPS = compare.groups.GROUPS, FAKE_GROUPS
        self.addCleanup(setattr, compare.groups, "GROUPS", real)
        peers, compare.PEERS = compare.PEERS, ("boost_fiber", "go", "tokio")
        self.addCleanup(setattr, compare, "PEERS", peers)
        for factor, name in enumerate(("sennit", "boost_fiber", "go", "tokio", "floor"), start=1):
            self.program(name, f'one) echo "one $(({factor} * ($(grep -c "{name} one" {self.log}) % 3 + 1)))" ;;',
                         f'two) echo "two_cpu {factor}"; echo "two_rate {factor}" ;;')

    def program(self, name, *cases, names="one two"):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n"
                        f'case $1 in\n--version) echo "{name} 1.0"; exit ;;\n'
                        f'--list) printf "%s\\n" {names}; exit ;;\nesac\n'
                        f'echo "{name} $1 $2 $(nproc)" >>{self.log}\ncase $1 in\n' + "\n".join(cases) + "\nesac\n")
        path.chmod(0o755)

    def run_compare(self, *arguments):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            compare.main([str(self.folder), *arguments])
        return out.getvalue()

    def fails(self, *arguments):
        with self.assertRaises(SystemExit) as caught:
            self.run_compare(*arguments)
        self.assertIsInstance(caught.exception.code, str)  # printed; the exit code is 1
        return caught.exception.code

    def test_repeats_are_interleaved_and_pinned(self):
        self.run_compare("--filter", "g/", "--quick")
        calls = [line.split() for line in self.log.read_text().splitlines()]
        order = ["sennit", "boost_fiber", "go", "tokio", "floor"] * 3
        for name, cpus in ("one", compare.cpus_for(1)), ("two", compare.cpus_for(2)):
            self.assertEqual([c[0] for c in calls if c[1] == name], order)
            self.assertEqual({c[3] for c in calls if c[1] == name}, {str(len(cpus))})
        self.assertEqual({c[2] for c in calls}, {"0.02"})

    def test_seven_repeats_of_at_least_200_ms(self):
        self.run_compare("--filter", "one")
        calls = [line.split() for line in self.log.read_text().splitlines()]
        self.assertEqual(sum(c[0] == "sennit" for c in calls), 7)
        self.assertEqual({c[2] for c in calls}, {"0.2"})

    def test_json(self):
        file = self.folder / "out.json"
        self.run_compare("--filter", "g/", "--quick", "--json", str(file))
        written = json.loads(file.read_text())
        one, cpu, rate = written["results"]
        self.assertEqual(one, {"name": "one", "unit": "ns", "better": "lower",
                               "systems": {name: {"median": 2 * f, "min": f, "max": 3 * f} for f, name in
                                           enumerate(("sennit", "boost_fiber", "go", "tokio"), start=1)},
                               "floor": {"median": 10, "min": 5, "max": 15},
                               "ratio_to_best_peer": 0.5, "ratio_to_floor": 0.2})
        self.assertEqual((cpu["name"], cpu["unit"], cpu["ratio_to_best_peer"]), ("two_cpu", "us", 0.5))
        self.assertEqual((rate["better"], rate["ratio_to_best_peer"]), ("higher", 0.25))
        self.assertEqual(written["missing"], {})
        self.assertEqual(written["versions"]["go"], "go 1.0")

    def test_tables_and_versions(self):
        out = self.run_compare("--filter", "two", "--quick")
        self.assertIn("tokio: tokio 1.0", out)
        self.assertRegex(out, r"\| two_cpu +\| us +\| 1 \(1\.\.1\) +\| 2 \(2\.\.2\)")
        self.assertIn("two: the two. Floor: nothing.", out)
        self.assertNotIn("the one", out)

    def test_a_server_is_measured_by_the_load(self):
        compare.groups.GROUPS = {"g": (groups.benchmark("one", "the one", "nothing", load="echo"),)}
        self.program("echo_load", f'*) echo "one 7"; echo load $(basename $1) $2 $3 >>{self.log} ;;')
        out = self.run_compare("--quick")
        self.assertRegex(out, r"\| one +\| ns +\| 7 \(7\.\.7\)")
        self.assertEqual(self.log.read_text().count("load tokio one 0.02"), 3)
        self.assertNotIn("tokio one 0.02 1", self.log.read_text())  # not by its own program

    def test_a_server_of_http_is_measured_by_its_load(self):
        real, compare.HTTP_LOAD = compare.HTTP_LOAD, self.folder / "load.py"
        self.addCleanup(setattr, compare, "HTTP_LOAD", real)
        compare.HTTP_LOAD.write_text(f"import sys\nprint('one 7')\nprint('load', *sys.argv[1:], file=open('{self.log}', 'a'))")
        compare.groups.GROUPS = {"g": (groups.benchmark("one", "the one", "nothing", load="http"),)}
        self.assertRegex(self.run_compare("--quick"), r"\| one +\| ns +\| 7 \(7\.\.7\)")
        self.assertEqual(self.log.read_text().count(f"load {self.folder}/tokio one 0.02"), 3)

    def test_docs_and_pictures(self):
        docs = self.folder / "docs"
        docs.mkdir()
        real, compare.DOCUMENT = compare.DOCUMENT, docs / "benchmarks.md"
        self.addCleanup(setattr, compare, "DOCUMENT", real)
        compare.DOCUMENT.write_text("# Benchmarks\n\nWords.\n")
        for _ in range(2):  # the second time finds its markers
            self.run_compare("--filter", "g/", "--quick", "--update-docs", "--svg", str(self.folder / "svg"))
            written = compare.DOCUMENT.read_text()
            for part in ("# Benchmarks\n\nWords.\n", "| two_cpu | us | 1 (1..1) | 2 (2..2) |", "![g](bench_g.svg)",
                         "- two: the two. Floor: nothing.", "| go | go 1.0 |", "`./dev bench --filter g/ --quick`"):
                self.assertEqual(written.count(part), 1, part)
        self.assertNotIn("bench:h", written)
        for picture in docs / "bench_g.svg", self.folder / "svg" / "g.svg":
            xml.etree.ElementTree.parse(picture)

    def test_a_missing_peer_is_named_and_the_rest_goes_on(self):
        (self.folder / "go").unlink()
        (self.folder / "go.missing").write_text("go is not installed\n")
        (self.folder / "tokio").unlink()
        file = self.folder / "out.json"
        out = self.run_compare("--filter", "one", "--quick", "--json", str(file))
        self.assertIn("go: missing: go is not installed", out)
        self.assertRegex(out, "tokio: missing: .*tokio was not built")
        written = json.loads(file.read_text())
        self.assertEqual(set(written["missing"]), {"go", "tokio"})
        self.assertEqual(set(written["results"][0]["systems"]), {"sennit", "boost_fiber"})
        self.assertEqual(written["results"][0]["ratio_to_best_peer"], 0.5)

    def test_a_benchmark_that_a_peer_has_no_means_for(self):
        self.program("tokio", "one) echo one 1 ;;", names="one")
        out = self.run_compare("--filter", "g/", "--quick")
        self.assertRegex(out, r"\| two_cpu +\| us .*\| 3 \(3\.\.3\) +\| - +\| 5")
        out = self.run_compare("--filter", "two", "--quick")
        self.assertNotRegex(out, r"\|.*tokio")  # a table has no column of who takes part in none of its lines

    def test_who_cannot_is_named_and_the_rest_goes_on(self):
        self.program("tokio", 'two) echo "two_cpu 1"; echo "cannot 4 GB, no more" ;;')
        file = self.folder / "out.json"
        out = self.run_compare("--filter", "two", "--quick", "--json", str(file))
        self.assertIn("Floor: nothing. tokio cannot: 4 GB, no more.", out)
        self.assertEqual(self.log.read_text().count("tokio two"), 1)  # not asked again
        written = json.loads(file.read_text())
        self.assertEqual(written["cannot"], {"two": {"tokio": "4 GB, no more"}})
        self.assertEqual(set(written["results"][0]["systems"]), {"sennit", "boost_fiber", "go"})

    def test_a_heavy_benchmark_is_measured_once_if_it_is_to_be_quick(self):
        compare.groups.GROUPS = {"g": (groups.benchmark("one", "the one", "nothing", heavy=True),)}
        for arguments, repeats in (["--quick"], 1), ([], 7):
            self.log.write_text("")
            self.run_compare(*arguments)
            self.assertEqual(self.log.read_text().count("sennit one"), repeats)

    def test_a_slow_peer_is_left_out_if_it_is_to_be_quick_and_named(self):
        compare.groups.GROUPS = {"g": (groups.benchmark("one", "the one", "nothing", slow=("go", "absent")),)}
        out = self.run_compare("--quick")
        self.assertRegex(out, "go cannot: be quick: .* without --quick it is measured")
        self.assertNotIn("absent", out)
        self.assertNotIn("go one", self.log.read_text())
        self.assertNotIn("cannot", self.run_compare())
        self.assertEqual(self.log.read_text().count("go one"), 7)

    def test_a_missing_sennit_or_floor_fails(self):
        for name in "floor", "sennit":
            (self.folder / name).unlink()
            self.assertIn(str(self.folder / name), self.fails("--quick"))

    def test_a_program_that_fails_stops_the_run_with_what_it_said(self):
        self.program("go", "one) echo why it failed >&2; exit 3 ;;")
        said = self.fails("--quick")
        for part in "go one 0.02", "exit code 3", "why it failed":
            self.assertIn(part, said)

    def test_a_program_that_crashes_fails(self):
        self.program("go", "one) kill -SEGV $$ ;;")
        self.assertIn("exit code -11", self.fails("--quick"))

    def test_a_program_that_hangs_fails(self):
        real, compare.PATIENCE = compare.PATIENCE, 0.5
        self.addCleanup(setattr, compare, "PATIENCE", real)
        self.program("go", "one) exec sleep 600 ;;")
        self.assertIn("no end after 0.5 s", self.fails("--quick"))

    def test_wrong_results_fail(self):
        for wrong in 'echo "other 1"', 'echo "one nan"', 'echo "one x"', 'echo "one"', 'echo "one -1"', "true":
            self.program("tokio", f"one) {wrong} ;;")
            self.assertIn("expected a number for each of ['one']", self.fails("--filter", "one", "--quick"), wrong)

    def test_a_filter_that_finds_nothing_fails(self):
        self.assertIn("g/one, g/two, h/three", self.fails("--filter", "four"))
        self.assertEqual(self.log.read_text(), "")


WRK = """Running 1s test @ http://127.0.0.1:34567/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   604.71us    1.05ms  18.34ms   92.13%
    Req/Sec   165.79k    12.90k  182.83k    80.00%
  164881 requests in 1.00s, 13.99MB read
{}Requests/sec: 164583.71
Transfer/sec:     13.97MB
"""


class http_server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body = http_load.BODY
    closes = False

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(self.body)))
        if self.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


class http_loads(unittest.TestCase):
    def test_what_wrk_says(self):
        self.assertEqual(http_load.requests_of(WRK.format("")), 164881)

    def test_an_error_that_wrk_has_seen(self):
        for wrong in ("Socket errors: connect 0, read 1, write 0, timeout 0", "Non-2xx or 3xx responses: 164881",
                      "Socket errors: connect 0, read 0, write 0, timeout 10"):
            with self.assertRaisesRegex(ValueError, f"^{wrong}$"):
                http_load.requests_of(WRK.format(f"  {wrong}\n"))

    def test_no_request_is_an_error_too(self):
        for said in "", WRK.format("").replace("164881", "0"), "unable to connect to 127.0.0.1:1 Connection refused\n":
            with self.assertRaisesRegex(ValueError, "no requests"):
                http_load.requests_of(said)

    def test_answers_are_checked(self):
        for body, closes in (http_load.BODY, False), (http_load.BODY, True), (b"Hello, Moon!!", False):
            handler = type("handler", (http_server,), {"body": body, "closes": closes})
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
                threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
                try:
                    if body == http_load.BODY and not closes:
                        http_load.check_answers(server.server_port)
                    else:
                        with self.assertRaisesRegex(ValueError, "not what a server must answer"):
                            http_load.check_answers(server.server_port)
                finally:
                    server.shutdown()

    def test_the_time_of_a_servers_children_counts(self):
        burn = "while :; do :; done & echo burning; wait"
        with subprocess.Popen(["sh", "-c", burn], stdout=subprocess.PIPE, text=True, start_new_session=True) as shell:
            try:
                self.assertEqual(shell.stdout.readline(), "burning\n")
                self.assertEqual(len(http_load.descendants(shell.pid)), 2)
                begin, end = http_load.cpu_seconds(shell.pid), time.monotonic() + 60
                while http_load.cpu_seconds(shell.pid) < begin + 0.1:
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.01)
            finally:
                os.killpg(shell.pid, signal.SIGKILL)

    def test_a_server_ends_and_one_that_says_no_port_is_refused(self):
        with http_load.started("/bin/echo", "PORT 7") as (_, port):
            self.assertEqual(port, 7)
        with self.assertRaisesRegex(ValueError, "/bin/echo no did not say PORT n, but 'no"):
            with http_load.started("/bin/echo", "no"):
                self.fail("started")


class programs(unittest.TestCase):
    """The real ones, with tiny counts: they run, and give the results that groups.py tells of."""

    def setUp(self):
        self.benchmarks = {b.name: b for all_ in groups.GROUPS.values() for b in all_}

    def run_all(self, name):
        program = compare.program(PROGRAMS / name)
        self.assertTrue(program.version)
        self.assertLessEqual(program.names, set(self.benchmarks))
        for bench in program.names:
            with self.subTest(bench):
                program.measure(self.benchmarks[bench], 0, compare.cpus_for(self.benchmarks[bench].workers))
        return program.names

    def test_sennit_has_every_benchmark(self):
        floors = compare.program(PROGRAMS / "floor").names
        of_the_floor = {name for name, b in self.benchmarks.items() if not b.floor and name in floors}
        self.assertEqual(self.run_all("sennit"), set(self.benchmarks) - of_the_floor)

    def test_floor(self):
        self.run_all("floor")

    def test_a_server_that_cannot_says_why(self):
        with tempfile.TemporaryDirectory() as scratch:
            (pathlib.Path(scratch) / "echo_load").symlink_to(PROGRAMS / "echo_load")
            path = pathlib.Path(scratch) / "server"
            path.write_text('#!/bin/sh\n[ "$1" != --serve ] || echo "cannot be here: no rings"\n')
            path.chmod(0o755)
            with self.assertRaisesRegex(compare.cannot, "^be here: no rings$"):
                compare.program(path).measure(self.benchmarks["echo_64"], 0, compare.cpus_for(1))

    def test_unknown_names_are_refused(self):
        for arguments in ["nothing", "0"], ["mutex_uncontended"], []:
            with self.assertRaisesRegex(compare.failed, "exit code 2\nusage: "):
                compare.call(PROGRAMS / "sennit", *arguments)


if __name__ == "__main__":
    PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
