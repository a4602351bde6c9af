"""Floors: a folder of runtime/ includes its own headers and those of strictly lower floors, public headers include only
the standard library and each other, and each third-party library is seen by the file, or by the folders, that are there
for it."""
import re

import source

FLOORS = {"base": 0, "context": 1, "stack": 1, "fiber": 2, "queue": 3, "poller": 3, "sched": 4, "sync": 5, "io": 5,
          "net": 6, "api": 7,
          "resolver": 7, "symbols": 7, "tls": 7, "inspector": 8}
# Headers beside the assembly (offsets, ABI switches) are for the one folder that declares what it implements.
ASSEMBLY_USER = "context"
THIRD_PARTY = {"spdlog": ("runtime/base/log.cpp",), "fmt": ("runtime/base/log.cpp",),
               "nlohmann": ("runtime/api/", "runtime/inspector/"),
               "boost": ("runtime/context/context_boost.cpp", "runtime/inspector/"),
               "ares.h": ("runtime/resolver/ares_channel.cpp",), "liburing.h": ("runtime/io/file_ring_uring.cpp",),
               "openssl": ("runtime/tls/",), "elfutils": ("runtime/symbols/",), "dwarf.h": ("runtime/symbols/",)}
# Public headers that are a bridge to a library: components, which sennit.hpp does not include.
BRIDGES = {"include/sennit/asio.hpp": "boost"}
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(path):
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if match := INCLUDE.match(line):
            yield number, match.group(1) == "<", match.group(2)


def allows(places, path):
    """Whether that is a file, or in a folder, that may see a library."""
    return any(path.as_posix().startswith(p) if p.endswith("/") else path.as_posix() == p for p in places)


def check_runtime(root, path):
    here = path.relative_to(root / "runtime").parts[0]
    if here not in FLOORS:
        yield f"{path}:1: no floor for runtime/{here}: give it one in tools/check_floors.py and docs/design.md"
        return
    for number, system, name in includes(path):
        folder = name.split("/")[0]
        where = f"{path}:{number}: {name}:"
        if not system and (root / "asm" / name).is_file():
            if here != ASSEMBLY_USER:
                yield f"{where} only {ASSEMBLY_USER}/ sees asm/; include context/context.hpp"
        elif not system and folder not in FLOORS:
            yield f"{where} name it from runtime/ (\"folder/file.hpp\") or, if public, as <sennit/...>"
        elif not system and folder != here and FLOORS[folder] >= FLOORS[here]:
            yield (f"{where} {here} (floor {FLOORS[here]}) must not see {folder} (floor {FLOORS[folder]}): "
                   "return the value to the caller instead of calling up")
        elif system and folder in THIRD_PARTY and not allows(THIRD_PARTY[folder], path.relative_to(root)):
            yield f"{where} only {' and '.join(THIRD_PARTY[folder])} sees {folder}"


def check_public(root, path):
    for number, system, name in includes(path):
        standard = system and re.fullmatch(r"[a-z_]+", name)
        bridge = system and BRIDGES.get(path.relative_to(root).as_posix()) == name.split("/")[0]
        if not standard and not bridge and not (system and (root / "include" / name).is_file()):
            yield f"{path}:{number}: {name}: a public header sees only std and other public headers, as <sennit/...>"


def check(root):
    for path in source.files(root, "runtime"):
        yield from check_runtime(root, path)
    for path in source.files(root, "include"):
        yield from check_public(root, path)


if __name__ == "__main__":
    source.main(check)
