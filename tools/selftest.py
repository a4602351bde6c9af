"""Each checker rejects what it is there to reject, and accepts what is right: small trees, made here."""
import pathlib
import tempfile
import unittest

import check_assembly
import check_floors
import check_headers
import check_host_seam
import check_memory_model
import check_native_only
import mutants


class fixture(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def accepts(self, check):
        self.assertEqual(list(check(self.root)), [])

    def rejects(self, check, *parts):
        findings = list(check(self.root))
        self.assertEqual(len(findings), 1, findings)
        for part in parts:
            self.assertIn(part, findings[0])


class assembly(fixture):
    ELF = """        .globl  sennit_switch_stack
        .hidden sennit_switch_stack
        .type   sennit_switch_stack, @function
sennit_switch_stack:                    // the one for ELF
        .cfi_startproc
        jnz     .Lslow
        ret
.Lslow:
        call    sennit_context_main
        .cfi_endproc
        .size   sennit_switch_stack, .-sennit_switch_stack
        .section .note.GNU-stack, "", @progbits
        .long   4
"""
    MACHO = """        .globl  _sennit_switch_stack
        .private_extern _sennit_switch_stack
_sennit_switch_stack:
        .cfi_startproc
        jnz     Lslow
        ret
Lslow:
        call    _sennit_context_main
        .cfi_endproc
"""

    def check(self, elf, macho):
        self.write("asm/switch_elf.S", elf)
        self.write("asm/switch_macho.S", macho)
        return check_assembly.check

    def test_twins_differ_in_spelling(self):
        self.accepts(self.check(self.ELF, self.MACHO))

    def test_other_instruction_is_rejected(self):
        self.rejects(self.check(self.ELF, self.MACHO.replace("jnz", "jz")), "switch_elf.S:6", "switch_macho.S:5")

    def test_missing_unwind_rule_is_rejected(self):
        self.rejects(self.check(self.ELF, self.MACHO.replace(".cfi_endproc", "")), "switch_macho.S ends")

    def test_visible_symbol_is_rejected(self):
        self.rejects(self.check(self.ELF, self.MACHO.replace(".private_extern", ".globl")), "hidden")

    def test_name_without_underscore_is_not_found_by_c(self):
        self.rejects(self.check(self.ELF, self.MACHO.replace("call    _", "call    ")), "call")

    def test_file_without_a_twin_is_rejected(self):
        self.write("asm/switch_elf.S", self.ELF)
        self.rejects(check_assembly.check, "no twin")


class floors(fixture):
    def test_lower_floors_are_seen(self):
        self.write("asm/frame.h", "")
        self.write("runtime/context/a.cpp", '#include <sys/mman.h>\n#include "base/b.hpp"\n#include "frame.h"\n')
        self.write("runtime/sched/a.cpp", '#include "sched/b.hpp"\n#include "queue/b.hpp"\n#include <sennit/a.hpp>\n')
        self.accepts(check_floors.check)

    def test_higher_floor_is_rejected(self):
        self.write("runtime/poller/a.cpp", '\n#include "sched/worker.hpp"\n')
        self.rejects(check_floors.check, "a.cpp:2", "must not see sched")

    def test_sibling_is_rejected(self):
        self.write("runtime/sync/a.hpp", '#include "io/retry.hpp"\n')
        self.rejects(check_floors.check, "must not see io")

    def test_relative_path_is_rejected(self):
        self.write("runtime/sync/a.hpp", '#include "b.hpp"\n')
        self.rejects(check_floors.check, "name it from runtime/")

    def test_unknown_folder_is_rejected(self):
        self.write("runtime/utils/a.hpp", "")
        self.rejects(check_floors.check, "no floor")

    def test_assembly_is_for_context_alone(self):
        self.write("asm/frame.h", "")
        self.write("runtime/sched/a.cpp", '#include "frame.h"\n')
        self.rejects(check_floors.check, "only context/")

    def test_spdlog_is_for_the_log_alone(self):
        self.write("runtime/base/log.cpp", "#include <spdlog/spdlog.h>\n")
        self.accepts(check_floors.check)
        self.write("runtime/sched/a.cpp", "#include <spdlog/spdlog.h>\n")
        self.rejects(check_floors.check, "a.cpp:1", "sees spdlog")

    def test_public_header_that_sees_runtime_is_rejected(self):
        self.write("include/sennit/a.hpp", "#include <vector>\n")
        self.write("include/sennit/b.hpp", "#include <sennit/a.hpp>\n")
        self.accepts(check_floors.check)
        self.write("include/sennit/b.hpp", '#include "base/check.hpp"\n')
        self.rejects(check_floors.check, "b.hpp:1", "only std")

    def test_public_header_that_sees_the_system_is_rejected(self):
        self.write("include/sennit/a.hpp", "#include <sys/socket.h>\n")
        self.rejects(check_floors.check, "only std")

    def test_a_bridge_sees_its_library_alone(self):
        self.write("include/sennit/asio.hpp", "#include <boost/asio/buffer.hpp>\n")
        self.accepts(check_floors.check)
        self.write("include/sennit/asio.hpp", "#include <ares.h>\n")
        self.rejects(check_floors.check, "only std")


class memory_model(fixture):
    TABLE = "| tag | atomic |\n|---|---|\n| `mm:ready` | x |\n"

    def test_tag_and_row_agree(self):
        self.write("docs/memory-model.md", self.TABLE)
        self.write("runtime/a.cpp", "x.load(acquire);  // mm:ready\n// mm:ready\ny->store(1,\n  release);\n"
                                    "x.compare_exchange_strong(a, b,\n  acquire, relaxed);  // mm:ready\n")
        self.accepts(check_memory_model.check)

    def test_operation_without_tag_is_rejected(self):
        self.write("docs/memory-model.md", self.TABLE)
        self.write("runtime/a.cpp", "x.load(acquire);  // mm:ready\n\nint i;\nx.fetch_add(1, relaxed);\n")
        self.rejects(check_memory_model.check, "a.cpp:4", "without a tag")

    def test_tag_without_row_is_rejected(self):
        self.write("docs/memory-model.md", self.TABLE)
        self.write("runtime/a.cpp", "x.load(acquire);  // mm:ready\nx.load(acquire);  // mm:other\n")
        self.rejects(check_memory_model.check, "a.cpp:2", "mm:other has no row")

    def test_row_without_tag_is_rejected(self):
        self.write("docs/memory-model.md", self.TABLE)
        self.rejects(check_memory_model.check, "memory-model.md:3", "no line of code")

    def test_second_row_is_rejected(self):
        self.write("docs/memory-model.md", self.TABLE + "| ready | again |\n")
        self.write("runtime/a.cpp", "x.load(acquire);  // mm:ready\n")
        self.rejects(check_memory_model.check, "has a row already")


class host_seam(fixture):
    def test_host_and_methods_are_accepted(self):
        self.write("runtime/base/host.cpp", "int n = ::read(fd, p, n);\nauto t = std::chrono::steady_clock::now();\n")
        self.write("runtime/io/a.cpp", 'h.recvmsg(fd);  // ::read(\ns.close();\nlog("::write(");\nh->open(p);\n')
        self.accepts(check_host_seam.check)

    def test_each_way_around_it_is_rejected(self):
        for code in ("::close(fd);", "return ::read(fd, p, n);", "epoll_wait(e, v, 1, 0);", "syscall(SYS_futex, p);",
                     "mmap(nullptr, n, 0, 0, -1, 0);", "std::chrono::steady_clock::now();", "clock_gettime(0, &t);",
                     "auto r = rand();", "std::random_device d;", "std::atomic<int> a;", "__atomic_load_n(p, 5);",
                     "std::this_thread::sleep_for(t);"):
            with self.subTest(code):
                self.write("runtime/io/a.cpp", f"\n{code}\n")
                self.rejects(check_host_seam.check, "a.cpp:2")


class native_only(fixture):
    def test_listed_with_its_reason(self):
        self.write("docs/testing.md", "| `a_test.one` | qemu has no guard pages |\n")
        self.write("tests/stack/a_native_test.cpp", "TEST(a_test, one) {\n")
        self.accepts(check_native_only.check)

    def test_unlisted_is_rejected(self):
        self.write("tests/stack/a_native_test.cpp", "TEST_F(a_test, one) {\n")
        self.rejects(check_native_only.check, "a_test.one has no row")

    def test_stale_row_is_rejected(self):
        self.write("docs/testing.md", "| `a_test.one` | reason |\n")
        self.rejects(check_native_only.check, "is no native-only test")

    def test_thirteen_are_rejected(self):
        names = [f"n{i}" for i in range(13)]
        self.write("docs/testing.md", "".join(f"| `a_test.{n}` | reason |\n" for n in names))
        self.write("tests/stack/a_native_test.cpp", "".join(f"TEST(a_test, {n}) {{}}\n" for n in names))
        self.rejects(check_native_only.check, "at most 12")


class headers(fixture):
    def check(self, root):
        return check_headers.check(root, (check_headers.GCC,))

    def test_header_that_needs_another_is_rejected(self):
        self.write("include/sennit/a.hpp", "#pragma once\n#include <vector>\ninline std::vector<int> v;\n")
        self.accepts(self.check)
        self.write("include/sennit/a.hpp", "#pragma once\ninline std::vector<int> v;\n")
        self.rejects(self.check, "a.hpp", "does not compile alone")

    def test_header_without_guard_is_rejected(self):
        self.write("runtime/base/a.hpp", "struct twice {};\n")
        self.rejects(self.check, "redefinition")


class mutation(fixture):
    """The runner on a tree of one rule and one test: the verdict for each kind of patch."""

    PATCH = """# target: test_rule
diff --git a/rule.cpp b/rule.cpp
--- a/rule.cpp
+++ b/rule.cpp
@@ -1 +1 @@
-int rule() { return 1; }
+int rule() { return %s; }
"""

    def setUp(self):
        super().setUp()
        self.write("CMakePresets.json", '{"version": 6, "configurePresets": [{"name": "release", "generator": "Ninja",'
                                        '"binaryDir": "${sourceDir}/build/release"}]}')
        self.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\nproject(p LANGUAGES CXX)\n"
                                     "file(WRITE ${CMAKE_BINARY_DIR}/lane_environment.cmake \"lane_default(RULE 1)\")\n"
                                     "add_executable(test_rule rule.cpp main.cpp)\n")
        self.write("rule.cpp", "int rule() { return 1; }\n")
        self.write("main.cpp", "#include <cstdlib>\nint rule();\n"
                               "int main() { return rule() == std::atoi(std::getenv(\"RULE\")) ? 0 : 1; }\n")

    def verdict(self, patch):
        self.write("tests/mutants/01_rule.patch", patch)
        broken = mutants.mutant(self.root / "tests/mutants/01_rule.patch")
        return mutants.judge(mutants.workshop(self.root), broken, {})[:2]

    def test_verdicts(self):
        self.assertEqual(self.verdict(self.PATCH % 2), ("killed by exit 1 in the test", True))
        self.assertEqual(self.verdict(self.PATCH % "1 + 0"), ("SURVIVED", False))
        self.assertEqual(self.verdict(self.PATCH % "nothing"), ("DOES NOT BUILD", False))
        self.assertEqual(self.verdict(self.PATCH.replace("return 1", "return 7") % 2), ("DOES NOT APPLY", False))
        self.assertEqual(self.verdict("# timeout: 0.2\n" + self.PATCH % "({ for (;;) asm(\"\"); 0; })"),
                         ("killed by hung in the test", True))
        self.assertEqual(self.verdict("# env: RULE=3\n" + self.PATCH % 2)[0], "BASELINE FAILS: exit 1 in the test")


if __name__ == "__main__":
    unittest.main()
