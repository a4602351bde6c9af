"""Memory-model tags: every atomic operation carries `mm:NAME`, every NAME has one row in docs/memory-model.md, and
every row is used."""
import re

import source

TAG = re.compile(r"\bmm:([a-z0-9][a-z0-9-]*)")
OPERATION = re.compile(
    r"(?:\.|->)(?:load|store|exchange|compare_exchange_(?:weak|strong)|fetch_(?:add|sub|or|and))\s*\("
    r"|\batomic_thread_fence\s*\(")
DEFINITIONS = {
    "include/sennit/detail/atomic.hpp": "defines the operations",
}
ROW = re.compile(r"^\|\s*`?(?:mm:)?([a-z0-9][a-z0-9-]*)`?\s*\|")


def rows(document):
    """(line number, tag) of each row of the tables whose first column is headed `tag`."""
    in_table = False
    for number, line in enumerate(document.read_text().split("\n") if document.is_file() else [], 1):
        if re.match(r"^\|\s*tag\s*\|", line, re.I):
            in_table = True
        elif not line.startswith("|"):
            in_table = False
        elif in_table and (match := ROW.match(line)):
            yield number, match.group(1)


def check(root):
    document = root / "docs" / "memory-model.md"
    used = {}
    for path in source.files(root, "runtime", "include"):
        text = path.read_text()
        lines, code = text.split("\n"), source.code_lines(text)
        for number, line in enumerate(lines, 1):
            for tag in TAG.findall(line):
                used.setdefault(tag, f"{path}:{number}")
        if path.relative_to(root).as_posix() in DEFINITIONS:
            continue
        for index, line in enumerate(code):
            if not OPERATION.search(line):
                continue
            end = index
            while end < index + 3 and end + 1 < len(code) and not re.search(r"[;{}]\s*$", code[end]):
                end += 1  # the statement goes on: the tag may stand at its end
            if not any(TAG.search(text) for text in lines[max(0, index - 1):end + 1]):
                yield f"{path}:{index + 1}: atomic operation without a tag: add // mm:NAME and a row in {document.name}"
    seen = {}
    for number, tag in rows(document):
        if tag in seen:
            yield f"{document}:{number}: {tag} has a row already, at line {seen[tag]}"
        seen.setdefault(tag, number)
        if tag not in used:
            yield f"{document}:{number}: no line of code carries mm:{tag}: remove the row or tag the code"
    for tag, where in sorted(used.items()):
        if tag not in seen:
            yield f"{where}: mm:{tag} has no row in {document}"


if __name__ == "__main__":
    source.main(check)
