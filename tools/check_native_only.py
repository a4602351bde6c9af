"""Native-only tests (files *_native_test.cpp): at most 12, each a row with its reason in docs/testing.md."""
import re

import source

LIMIT = 12
TEST = re.compile(r"^TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\s*\)", re.M)
ROW = re.compile(r"^\|\s*`(\w+\.\w+)`\s*\|\s*\S[^|]*\|\s*$", re.M)


def check(root):
    document = root / "docs" / "testing.md"
    tests = [f"{suite}.{case}" for path in source.files(root, "tests") if path.stem.endswith("_native_test")
             for suite, case in TEST.findall(path.read_text())]
    rows = ROW.findall(document.read_text() if document.is_file() else "")
    if len(tests) > LIMIT:
        yield f"{document}: {len(tests)} native-only tests, at most {LIMIT}: make the others run in every lane"
    for test in sorted(set(tests) - set(rows)):
        yield f"{document}: native-only test {test} has no row with its reason"
    for row in sorted(set(rows) - set(tests)):
        yield f"{document}: {row} is no native-only test"


if __name__ == "__main__":
    source.main(check)
