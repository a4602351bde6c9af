"""What the checkers share: files of a tree, source lines without comments and strings, and how findings end a run."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
_NOT_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)


def files(root, *folders, suffixes=(".hpp", ".cpp", ".h")):
    """Paths below root/folder with one of the suffixes, sorted."""
    return sorted(p for f in folders for p in (root / f).rglob("*") if p.suffix in suffixes)


def code_lines(text):
    """The lines of text with comments and literals blanked out, so that line numbers stay."""
    return _NOT_CODE.sub(lambda m: "\n" * m.group().count("\n") or " ", text).split("\n")


def main(check):
    """Runs check(root) -> findings on the tree, or on the one named on the command line; exits 1 if there are any."""
    findings = list(check(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
    print("\n".join(findings), end="\n" if findings else "")
    sys.exit(1 if findings else 0)
