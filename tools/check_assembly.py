"""Each assembly file for ELF has a twin for Mach-O: the same instructions, unwind rules, labels and visibility. Only the
spelling of names and directives differs."""
import itertools
import re

import source

# What an object format has of its own: types and sizes of symbols, from the first further section on notes, and the
# place that gdb's commands unwind suspended fibers from.
_OF_THE_FORMAT = re.compile(r"\.(?:type|size)\b|.*sennit_switch_suspended\b")
_SPELLING = {
    "_elf": [(re.compile(r"\.hidden\b"), "hidden"), (re.compile(r"\.L(?=\w)"), "local_")],
    "_macho": [(re.compile(r"\.private_extern\b"), "hidden"), (re.compile(r"(?<![\w.])L(?=[a-z]\w*)"), "local_"),
               (re.compile(r"(?<!\w)sennit_"), "not_of_c_"), (re.compile(r"(?<!\w)_(?=sennit_)"), "")],
}


def statements(path, object_format):
    """(line number, what it says in either format)."""
    for number, line in enumerate(source.code_lines(path.read_text()), 1):
        line = " ".join(line.split())
        if line.startswith(".section"):
            return
        if not line or _OF_THE_FORMAT.match(line):
            continue
        for spelling, common in _SPELLING[object_format]:
            line = spelling.sub(common, line)
        yield number, line


def check(root):
    for elf in sorted((root / "asm").glob("*_elf.S")):
        twin = elf.with_name(elf.name.replace("_elf.S", "_macho.S"))
        if not twin.is_file():
            yield f"{elf}:1: no twin {twin.name} for macOS"
            continue
        for ours, theirs in itertools.zip_longest(statements(elf, "_elf"), statements(twin, "_macho")):
            if ours is None or theirs is None or ours[1] != theirs[1]:
                here = f"{elf}:{ours[0]}: {ours[1]}" if ours else f"{elf}: the end"
                there = f"{twin.name}:{theirs[0]} has: {theirs[1]}" if theirs else f"{twin.name} ends"
                yield f"{here}: {there}: change both"
                break


if __name__ == "__main__":
    source.main(check)
