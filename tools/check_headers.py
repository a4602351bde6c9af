"""Self-sufficient headers: each compiles alone and twice in a row, with clang; the public ones also with libc++, which
lacks std::stop_token. (With g++ every lane compiles them.)"""
import concurrent.futures
import os
import shutil
import subprocess

import source

FLAGS = "-xc++ -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror".split()
GCC, CLANG = ["g++"], ["clang++-19"]
LIBCXX = [*CLANG, "-stdlib=libc++"]
# Asio 1.74 uses std::result_of, which libc++ does not have under C++20.
NOT_WITH_LIBCXX = {"sennit/asio.hpp"}


def compile_alone(root, compiler, header, includes):
    text = f'#include "{header}"\n#include "{header}"\n'
    command = [*compiler, *FLAGS, *(f"-I{root / i}" for i in includes), "-"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return f"{header}: does not compile alone with {' '.join(compiler)}:\n{result.stderr}"
    return None


def check(root, compilers=(CLANG, LIBCXX)):
    missing = [c[0] for c in compilers if not shutil.which(c[0])]
    if missing:
        yield f"not installed: {' '.join(sorted(set(missing)))}"
        return
    public = source.files(root, "include", suffixes=(".hpp",))
    internal = source.files(root, "runtime", suffixes=(".hpp",))
    exempt = {root / "include" / name for name in NOT_WITH_LIBCXX}
    jobs = [(c, h, ("include",)) for c in compilers for h in public if c is not LIBCXX or h not in exempt]
    jobs += [(compilers[0], h, ("include", "runtime", "asm")) for h in internal]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(lambda job: compile_alone(root, *job), jobs))


if __name__ == "__main__":
    source.main(check)
