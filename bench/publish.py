"""Writes the comparison into docs/benchmarks.md: between <!-- bench:NAME --> and <!-- /bench:NAME -->, where NAME is
`machine` or a group. What is not there yet is added at the end; the words around are left alone."""
import os
import pathlib
import platform
import re

import plot


def replaced(document, name, content):
    """The document with this content between the markers of `name`."""
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    if document.count(begin) > 1 or document.count(begin) != document.count(end):
        raise ValueError(f"{begin} and {end} must be there once each, or not at all")
    part = f"{begin}\n{content.strip()}\n{end}"
    if begin not in document:
        return f"{document.rstrip()}\n\n{part}\n"
    before, rest = document.split(begin)
    return before + part + rest.split(end)[1]


def first_match(path, pattern, otherwise):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(), re.M)
    except OSError:
        found = None
    return found.group(1).strip() if found else otherwise


def machine():
    cpu = first_match("/proc/cpuinfo", "model name.*: (.*)$", platform.machine())
    return ", ".join((f"{os.cpu_count()} CPUs ({cpu})",
                      f"{platform.system()} {platform.release()}",
                      first_match("/etc/os-release", 'PRETTY_NAME="(.*)"', "an unknown distribution")))


def about(command, setup, versions, missing):
    """The section on how the tables came to be."""
    lines = ["## Side by side in one run", "", f"Command: `{command}`. Machine: {machine()}. {setup}", "",
             "| system | version |", "|---|---|"]
    lines += [f"| {name} | {version} |" for name, version in versions.items()]
    lines += [f"| {name} | missing: {why} |" for name, why in missing.items()]
    return "\n".join(lines)


def update(document, about_text, tables, results, number):
    """The sections of `tables`, {group: Markdown}, and their pictures beside the document."""
    words = replaced(document.read_text(), "machine", about_text)
    for group, markdown in tables.items():
        words = replaced(words, group, f"### {group}\n\n![{group}](bench_{group}.svg)\n\n{markdown}")
    document.write_text(words)
    draw(document.parent, "bench_", results, number)


def draw(folder, prefix, results, number):
    """A picture for each group of {group: results}."""
    folder.mkdir(parents=True, exist_ok=True)
    for group, of_group in results.items():
        picture = plot.svg(f"sennit beside other systems: {group}", of_group, number)
        (folder / f"{prefix}{group}.svg").write_text(picture)
