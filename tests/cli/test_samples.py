#!/usr/bin/env python3
"""test_samples.py: each sample is small, says what to look at, has its line in README.md, and holds what they say.

samples/NAME.expected names every finding of NAME.pcapng: a rule, and the frames that it is found in. parity.py holds the
plugin to the same. `test_samples.py --update` writes these files again; read the difference before it is committed.
samples.list holds the frames that the README files and the captures' comments speak of, every one of them.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import difflib
import json
import os
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import textwrap

HERE = pathlib.Path(__file__).parent
SAMPLES = pathlib.Path(os.environ["SAMPLES"])
LARGEST = 200_000


def records(command, sample):
    run = subprocess.run([os.environ["KRPCSCOPE"], command, "--format", "ndjson", f"{sample}.pcapng"], cwd=SAMPLES,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode not in (0, 1) or run.stderr:
        sys.exit(f"{sample}: krpcscope {command}: {run.returncode} {run.stderr.decode()}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def findings(sample):
    """The text of NAME.expected."""
    rules = collections.defaultdict(set)
    for r in records("check", sample):
        if r["type"] == "finding":
            rules[r["rule"]].add(r["frame"])
    return "".join("\n".join(textwrap.wrap(f"{rule}: {' '.join(map(str, sorted(frames)))}", 118, subsequent_indent="  ")) + "\n"
                   for rule, frames in sorted(rules.items()))


def comment(path):
    """The section header's comment, and whether the file is pcapng."""
    data = path.read_bytes()
    kind, size = struct.unpack("<II", data[:8])
    if kind != 0x0A0D0D0A:
        return None
    at = 24
    while at + 4 <= size - 4:
        code, length = struct.unpack("<HH", data[at:at + 4])
        if code == 1:
            return data[at + 4:at + 4 + length].decode()
        at += 4 + length + -length % 4
    return None


def flatten(record, prefix=""):
    for key, value in record.items():
        if isinstance(value, dict):
            yield from flatten(value, prefix + key + ".")
        else:
            yield prefix + key, str(value)


def frames_of(sample):
    """{frame: [what is known of it as key=value, a set for each record]}"""
    known = collections.defaultdict(list)
    for command in ("decode", "ports", "check"):
        for r in records(command, sample):
            if "frame" in r:
                known[r["frame"]].append({f"{k}={v}" for k, v in flatten(r)} | {k for k, _ in flatten(r)})
    return known


def holds(word, known):
    return word in known or (word.endswith("*") and any(k.startswith(word[:-1]) for k in known))


def look_at_frames():
    bad, looked_at, cache = 0, collections.defaultdict(set), {}
    for line in (HERE / "samples.list").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        sample, frames, *wanted = shlex.split(line)
        if sample not in cache:
            cache[sample] = frames_of(sample)
        for frame in map(int, frames.split(",")):
            looked_at[sample].add(frame)
            yes, no = {w for w in wanted if w[0] != "!"}, {w[1:] for w in wanted if w[0] == "!"}
            known = cache[sample][frame]
            if (yes and not any(all(holds(w, k) for w in yes) for k in known)) or any(holds(w, k) for w in no for k in known):
                bad += 1
                print(f"{sample}, frame {frame}: not so: {' '.join(wanted)}")
    return bad, looked_at


def named(text):
    """The frames that a line of README.md or a comment speaks of: "frames 2, 9 and 12", "in 14", "(17, 20)"."""
    some = r"\d+(?:(?:, | and )\d+)*"
    found = re.finditer(rf"(?:\bframes?|\bin) ({some})\b(?!\.\d)|\(({some})\)", text, re.I)
    return {int(n) for match in found for n in re.findall(r"\d+", match[1] or match[2])}


def not_looked_at(names, readme, looked_at):
    """Each of these frames has a line in samples.list."""
    for name in names:
        for frame in sorted(named(comment(SAMPLES / f"{name}.pcapng") or "") - looked_at[name]):
            yield f"{name}: its comment speaks of frame {frame}"
    for cell, text in re.findall(r"^\|([^|]*)\|(?:.*\|)?([^|]*)\|$", readme, re.M):
        of_row = [looked_at[name] for name in cell.strip().split(", ") if name in names]
        for frame in sorted(named(text) - set().union(*of_row)) if of_row else []:
            yield f"README.md: {cell.strip()}: frame {frame}"


def main():
    update, bad = "--update" in sys.argv, 0
    readme = (SAMPLES / "README.md").read_text()
    names = sorted(p.stem for p in SAMPLES.glob("*.pcapng"))
    for name in names:
        path, expected = SAMPLES / f"{name}.pcapng", SAMPLES / f"{name}.expected"
        text = findings(name)
        if update:
            expected.write_text(text)
        before = expected.read_text() if expected.exists() else "(no such file)\n"
        if text != before:
            bad += 1
            sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), text.splitlines(True), expected.name, "now", n=0))
        if path.stat().st_size >= LARGEST:
            bad += 1
            print(f"{name}: {path.stat().st_size} bytes")
        if not comment(path):
            bad += 1
            print(f"{name}: no pcapng, or no comment")
        if not re.search(rf"^\|[^|]*\b{re.escape(name)}\b[^|]*\|", readme, re.M):
            bad += 1
            print(f"{name}: not in README.md")
    for orphan in {p.stem for p in SAMPLES.glob("*.expected")} - set(names):
        bad += 1
        print(f"{orphan}.expected: no such sample")
    wrong, looked_at = look_at_frames()
    frames = sum(map(len, looked_at.values()))
    for what in not_looked_at(names, readme, looked_at):
        bad += 1
        print(f"{what}, samples.list does not")
    print(f"{len(names)} samples, {frames} frames looked at: {bad + wrong} faults")
    sys.exit(1 if bad or wrong or not names or not frames else 0)


if __name__ == "__main__":
    main()
