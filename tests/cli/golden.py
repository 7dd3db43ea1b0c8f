#!/usr/bin/env python3
"""golden.py: the outputs of golden.list are what they were.

A line of golden.list is: NAME EXIT COMMAND..., where COMMAND begins with krpcscope or tshark and @X stands for samples/X.
The expected output is golden/NAME. NAME<BYTES with a * stands for every sample whose output is not longer than that; of
what is longer, test_formats.py and test_reports.py hold every part to the other formats. `golden.py --update` rewrites the
files; read every line of the difference before it is committed. SPDX-License-Identifier: GPL-2.0-or-later
"""
import concurrent.futures
import difflib
import os
import pathlib
import re
import shlex
import subprocess
import sys

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
SAMPLES = pathlib.Path(os.environ["SAMPLES"])
PROGRAMS = {"krpcscope": "KRPCSCOPE", "tshark": "RUN_TSHARK"}
NO_LIMIT = 1 << 20


def jobs():
    """NAME, the longest output that is kept, the exit statuses that are right, the command."""
    samples = sorted(p.stem for p in SAMPLES.glob("*.pcapng"))
    for line in (GOLDEN / "golden.list").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, status, *words = shlex.split(line)
        name, _, largest = name.partition("<")
        if words[0] == "tshark" and not os.environ.get("PLUGIN_DIR"):
            continue
        for sample in samples if "*" in name else [""]:
            yield (name.replace("*", sample), int(largest or NO_LIMIT), {int(s) for s in status.split(",")},
                   [w.replace("@*", f"@{sample}") for w in words])


def cut(words, text):
    """Without what another golden output holds once for all of them, or what differs from one Wireshark to the other."""
    lines = text.splitlines(True)
    if "-V" in words:  # how Wireshark words its own protocols, writes a double and cuts bytes
        lines = [re.sub("([0-9a-f]{72})(?:…|[0-9a-f]+)", r"\1…", x) for x in lines if x.startswith((" ", "\n", "BitTorrent")) and not re.search(r"\[(Time|Estimated addresses): ", x)]
    elif "sarif" in words:  # `rules` holds the rules
        lines = [x for x in lines if not x.startswith('{"id":')]
    elif "junit" in words:  # `rules` holds their names: those that nothing broke
        lines = [x for x in lines if not (x.startswith("    <testcase ") and x.endswith("/>\n"))]
    elif "html" in words and "--verbose" not in words:  # `page` holds the style sheet
        lines = re.sub("<style>.*</style>\n", "", "".join(lines), flags=re.S).splitlines(True)
    return "".join(lines)


def run(job):
    words = job[-1]
    command = [os.environ[PROGRAMS[words[0]]]]
    # relative to the samples, so that no path of this machine is in the output
    command += [w[1:] if w.startswith("@") else w for w in words[1:]]
    env = dict(os.environ, NO_COLOR="1", COLUMNS="100")
    result = subprocess.run(command, cwd=SAMPLES, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    return result.returncode, cut(words, result.stdout.decode()).encode(), result.stderr.decode()


def compare(path, now, update):
    """What is different, as lines to print; now is None where no file should be."""
    if update and now is None:
        path.unlink(missing_ok=True)
    elif update:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(now)
    if now is None:
        return [f"golden/{path.name}: too long to be kept\n"] if path.exists() else []
    expected = path.read_bytes() if path.exists() else b"(no such file)\n"
    if expected == now:
        return []
    before, after = (x.decode(errors="replace").splitlines(True) for x in (expected, now))
    return list(difflib.unified_diff(before, after, "expected", "now", n=1))


def main():
    update, bad, kept, names = "--update" in sys.argv, 0, 0, set()
    todo = list(jobs())
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (name, largest, statuses, words), (status, output, said) in zip(todo, pool.map(run, todo)):
            names.add(name)
            fits = len(output) <= largest
            kept += fits
            if status not in statuses:
                bad += 1
                print(f"{name}: exit status {status}: {said}")
            difference = compare(GOLDEN / name, output if fits else None, update)
            if difference:
                bad += 1
                print(f"{name}: {' '.join(words)}")
                sys.stdout.writelines(difference)
    for orphan in sorted({p.name for p in GOLDEN.iterdir()} - names - {"golden.list"}) if os.environ.get("PLUGIN_DIR") else []:
        bad += 1
        print(f"golden/{orphan}: not in golden.list")
    print(f"{len(todo)} outputs, {kept} of them kept, {bad} differences")
    sys.exit(1 if bad or not kept else 0)


if __name__ == "__main__":
    main()
