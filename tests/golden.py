#!/usr/bin/env python3
"""golden.py: the outputs of golden.list are what they were.

A line of golden.list is: NAME EXIT COMMAND..., where COMMAND begins with krpcscope or tshark and @X stands for samples/X.
The expected output is golden/NAME. `golden.py --update` rewrites them; read every line of the difference before it is
committed. SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import os
import pathlib
import re
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PROGRAMS = {"krpcscope": "KRPCSCOPE", "tshark": "RUN_TSHARK"}


def run(words):
    command = [os.environ[PROGRAMS[words[0]]]]
    # relative to the samples, so that no path of this machine is in the output
    command += [w[1:] if w.startswith("@") else w for w in words[1:]]
    env = dict(os.environ, NO_COLOR="1", COLUMNS="100")
    result = subprocess.run(command, cwd=os.environ["SAMPLES"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    lines = result.stdout.decode().splitlines(True)
    if "-V" in words:  # how Wireshark words its own protocols, writes a double and cuts bytes, differs from version to version
        lines = [re.sub("([0-9a-f]{72})(?:…|[0-9a-f]+)", r"\1…", x) for x in lines if x.startswith((" ", "\n", "BitTorrent")) and not re.search(r"\[(Time|Estimated addresses): ", x)]
    elif "sarif" in words or "junit" in words:  # all rules stand in each of these; `rules` holds them already
        lines = [x for x in lines if not x.startswith('{"id":') and not (x.startswith("    <testcase ") and x.endswith("/>\n"))]
    result.stdout = "".join(lines).encode()
    return result


def main():
    update, bad, count, names = "--update" in sys.argv, 0, 0, set()
    for line in (HERE / "golden.list").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, status, *words = shlex.split(line)
        names.add(name)
        if words[0] == "tshark" and not os.environ.get("PLUGIN_DIR"):
            continue
        count += 1
        result, path = run(words), HERE / "golden" / name
        if update:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(result.stdout)
        expected = path.read_bytes() if path.exists() else b""
        if result.returncode != int(status):
            bad += 1
            print(f"{name}: exit status {result.returncode}, expected {status}: {result.stderr.decode()}")
        if result.stdout != expected:
            bad += 1
            print(f"{name}: {' '.join(words)}")
            sys.stdout.writelines(difflib.unified_diff(
                expected.decode(errors="replace").splitlines(True), result.stdout.decode(errors="replace").splitlines(True),
                "expected", "now", n=1))
    for orphan in sorted({p.name for p in (HERE / "golden").iterdir()} - names):
        bad += 1
        print(f"golden/{orphan}: not in golden.list")
    print(f"{count} outputs, {bad} differences")
    sys.exit(1 if bad or not count else 0)


if __name__ == "__main__":
    main()
