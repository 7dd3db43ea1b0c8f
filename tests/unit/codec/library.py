#!/usr/bin/env python3
"""library: libkrpc as others get it. It needs nothing but libc (and libgcrypt where it was found), does not recur, has no
array of a size that comes with the input and no variable of its own, shows its own names alone, and can be used from
where it was installed: with pkg-config, with CMake, shared and static; each header alone, as C and as C++.

    library.py CMAKE GENERATOR

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
SOURCE = pathlib.Path(os.environ["SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["BUILD_DIR"])
CC = os.environ.get("CC", "cc")
CMAKE, GENERATOR = sys.argv[1], sys.argv[2]
HEADERS = sorted(path.name for path in (SOURCE / "codec/include/krpc").glob("*.h"))
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

# Of libc what touches only the memory it is given, and of libm the one function behind an estimate.
ALLOWED = {"memcmp", "memcpy", "memmove", "memset", "memchr", "strlen", "strcmp", "strncmp", "strcspn", "log"}
# What compilers and sanitizers add themselves.
ADDED = re.compile(r"_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__asan_|__ubsan_|__sanitizer_|__(mem|str)\w+_chk")
# A message and its a or r are walked by the same function, which so comes to itself once: test_message measures the stack.
TWO_LEVELS = re.compile(r"message_(decode|encode)\.c:")
OURS = re.compile(r"(krpc|bencode|peerwire|trackerwire)_\w+")

PROGRAM = """\
#include <krpc/message.h>

int main(void)
{
    static const uint8_t data[] = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    krpc_message m;

    krpc_message_decode(&m, data, sizeof data - 1, sizeof data - 1, NULL);
    return m.method == KRPC_METHOD_PING && krpc_message_probe(&m, data) == KRPC_PROBE_YES ? 0 : 1;
}
"""

CMAKELISTS = """\
cmake_minimum_required(VERSION 3.25)
project(foreign LANGUAGES C)
find_package(krpc 0.1 CONFIG REQUIRED)
foreach(kind krpc krpc-static)
  add_executable(with-${kind} program.c)
  target_link_libraries(with-${kind} PRIVATE krpc::${kind})
endforeach()
"""

failures = []


def check(good, what):
    if not good:
        failures.append(what)
        print(f"FAILED: {what}")


def run(command, **more):
    """What a command prints, both ways; an exit status that is not 0 ends the test."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **more)
    if done.returncode != 0:
        sys.exit(f"FAILED: {' '.join(map(str, command))}: {done.returncode}\n{done.stdout}")
    return done.stdout


def cached(name, build=BUILD):
    match = re.search(rf"^{name}:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.M)
    return match.group(1) if match else ""


def sanitizers():
    return [f"-fsanitize={cached('KRPC_SANITIZE')}"] if cached("KRPC_SANITIZE") else []


# ---- what it needs and what it shows ----

def undefined(library):
    """{member: symbols that it takes from elsewhere} of a static library."""
    defined, members, member = set(), {}, None
    for line in run(["nm", library]).splitlines():
        if line.endswith(":"):
            member = line[:-1]
            members[member] = set()
        elif " U " in line:
            members[member].add(line.split()[-1])
        elif line:
            defined.add(line.split()[-1])
    return {name: symbols - defined for name, symbols in members.items()}


def check_symbols(library):
    members = undefined(library)
    check(len(members) > 10, "the static library has its modules")
    for member, symbols in members.items():
        gcrypt = {symbol for symbol in symbols if symbol.startswith("gcry_")}
        check(not gcrypt or member == "bep44.c.o", f"{member} needs libgcrypt: {sorted(gcrypt)}")
        others = {symbol for symbol in symbols - gcrypt if symbol not in ALLOWED and not ADDED.match(symbol)}
        check(not others, f"{member} needs {sorted(others)}")


def check_exports(library):
    names = [line.split()[-1] for line in run(["nm", "-D", "--defined-only", library]).splitlines()]
    check("krpc_message_decode" in names, "the shared library shows krpc_message_decode")
    strange = [name for name in names if not OURS.fullmatch(name) and not ADDED.match(name)]
    check(not strange, f"the shared library shows {strange}")


# ---- how it is made ----

def circles(calls):
    """The functions from which a chain of calls leads back to them."""
    found = set()
    for start in calls:
        seen, open_ends = set(), set(calls[start])
        while open_ends:
            name = open_ends.pop()
            if name not in seen:
                seen.add(name)
                open_ends |= calls.get(name, set())
        if start in seen:
            found.add(start)
    return sorted(found)


def check_alone(work):
    """The codec alone, without GLib, Wireshark and libgcrypt; and what the compiler knows of its calls and its stack."""
    build = work / "alone"
    flags = [*STRICT, "-Wvla"]
    if "Free Software Foundation" in run([CC, "--version"]):
        flags = flags + ["-fcallgraph-info=su"]
    printed = run([CMAKE, "-S", SOURCE, "-B", build, "-G", GENERATOR, f"-DCMAKE_C_COMPILER={CC}",
                   "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_C_FLAGS={' '.join(flags)}", "-DBUILD_TESTING=OFF",
                   "-DKRPC_WITH_VALIDATOR=OFF", "-DKRPC_WITH_PLUGIN=OFF", "-DKRPC_WITH_GCRYPT=OFF"])
    check("NOT verified, built without libgcrypt" in printed, "without libgcrypt the configuration says so")
    run([CMAKE, "--build", build, "--target", "krpc-static"])
    check_symbols(build / "codec/libkrpc.a")
    check("gcry" not in run(["nm", build / "codec/libkrpc.a"]), "without libgcrypt nothing asks for it")

    for line in run(["size", "-A", build / "codec/libkrpc.a"]).splitlines():
        section = line.split()
        check(not section or section[0] not in (".data", ".bss") or section[1] == "0", f"a global variable: {line}")

    calls = {}
    for graph in build.rglob("*.ci"):
        text = graph.read_text()
        check("(dynamic)" not in text, f"{graph.name}: an array without a fixed size")
        for source, target in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(source, set()).add(target)
    if "-fcallgraph-info=su" in flags:
        check(len(calls) > 100, "the compiler wrote down who calls whom")
        recursion = [name for name in circles(calls) if not TWO_LEVELS.search(name)]
        check(not recursion, f"recursion: {recursion}")
        check(circles({"f": {"g"}, "g": {"h", "f"}, "h": set()}) == ["f", "g"], "a circle is found")


# ---- how it is used ----

def check_headers(prefix, work):
    include = prefix / "include"
    compilers = [([CC, "-x", "c", "-std=c11"], "C")]
    if shutil.which("c++"):
        compilers.append((["c++", "-x", "c++", "-std=c++17"], "C++"))
    for header in HEADERS:
        check((include / "krpc" / header).exists(), f"{header} is installed")
        source = work / "header.c"
        source.write_text(f"#include <krpc/{header}>\n#include <krpc/{header}>\ntypedef int something;\n")
        for compiler, language in compilers:
            done = subprocess.run([*compiler, *STRICT, f"-I{include}", "-fsyntax-only", source], capture_output=True,
                                  text=True)
            check(done.returncode == 0, f"{header} alone as {language}: {done.stderr}")


def check_pkg_config(prefix, work):
    env = dict(os.environ, PKG_CONFIG_PATH=str(next(prefix.rglob("pkgconfig"))))
    library = next(prefix.rglob("libkrpc.so")).parent
    check(run(["pkg-config", "--modversion", "krpc"], env=env).strip() == cached("CMAKE_PROJECT_VERSION"),
          "krpc.pc has the project's version")
    flags = run(["pkg-config", "--cflags", "--libs", "krpc"], env=env).split()
    run([CC, *STRICT, *sanitizers(), "-o", work / "shared", work / "program.c", *flags])
    run([work / "shared"], env=dict(os.environ, LD_LIBRARY_PATH=str(library)))

    flags = run(["pkg-config", "--static", "--cflags", "--libs", "krpc"], env=env).split()
    flags = [str(library / "libkrpc.a") if flag == "-lkrpc" else flag for flag in flags]
    run([CC, *STRICT, *sanitizers(), "-o", work / "static", work / "program.c", *flags])
    run([work / "static"])


def check_cmake(prefix, work):
    foreign = work / "foreign"
    foreign.mkdir()
    (foreign / "CMakeLists.txt").write_text(CMAKELISTS)
    shutil.copy(work / "program.c", foreign)
    run([CMAKE, "-S", foreign, "-B", foreign / "build", "-G", GENERATOR, f"-DCMAKE_PREFIX_PATH={prefix}",
         f"-DCMAKE_C_COMPILER={CC}", f"-DCMAKE_C_FLAGS={' '.join(sanitizers())}"])
    run([CMAKE, "--build", foreign / "build"])
    for kind in ["krpc", "krpc-static"]:
        run([foreign / "build" / f"with-{kind}"])


def main():
    if not all(shutil.which(tool) for tool in ["nm", "size", "pkg-config"]):
        print("skipped: binutils or pkg-config is not there")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        prefix = work / "prefix"
        (work / "program.c").write_text(PROGRAM)
        check_symbols(BUILD / "codec/libkrpc.a")
        check_exports(BUILD / "codec/libkrpc.so")
        check_alone(work)
        run([CMAKE, "--install", BUILD, "--component", "library", "--prefix", prefix])
        check_headers(prefix, work)
        check_pkg_config(prefix, work)
        check_cmake(prefix, work)
    print("failed" if failures else "everything holds")
    return 1 if failures else 0


sys.exit(main())
