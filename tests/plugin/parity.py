#!/usr/bin/env python3
"""parity.py: tshark with the plugin and the validator report the same set of (frame, rule) on every sample.

KRPCSCOPE_CAPTURES names a folder with more captures. Also compares one pass with two passes. Exit status 1: a difference.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

PREFIX = "krpc.rule."


def captures():
    folders = [os.environ["SAMPLES"]] + ([os.environ["KRPCSCOPE_CAPTURES"]] if os.environ.get("KRPCSCOPE_CAPTURES") else [])
    for folder in folders:
        yield from sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix in (".pcap", ".pcapng"))


def by_validator(path):
    run = subprocess.run([os.environ["KRPCSCOPE"], "check", "--format", "ndjson", str(path)], stdout=subprocess.PIPE)
    if run.returncode not in (0, 1):
        sys.exit(f"{path}: krpcscope check ends with {run.returncode}")
    records = (json.loads(line) for line in run.stdout.splitlines())
    return {(r["frame"], r["rule"]) for r in records if r["type"] == "finding"}


def by_plugin(path, *options):
    command = [os.environ["RUN_TSHARK"], *options, "-T", "pdml", "-r", str(path)]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode != 0:
        sys.exit(f"{path}: tshark ends with {run.returncode}: {run.stderr.decode()}")
    found = set()
    for packet in xml.etree.ElementTree.fromstring(run.stdout).iter("packet"):
        frame = int(next(f.get("show") for f in packet.iter("field") if f.get("name") == "num"))
        for field in packet.iter("field"):
            if field.get("name", "").startswith(PREFIX):
                found.add((frame, field.get("name")[len(PREFIX):]))
    return found


def compare(path, what, left, right):
    for frame, rule in sorted(left - right):
        print(f"{path}: frame {frame}: {rule}: only {what[0]}")
    for frame, rule in sorted(right - left):
        print(f"{path}: frame {frame}: {rule}: only {what[1]}")
    return left == right


def main():
    good, count, total = True, 0, 0
    for path in captures():
        validator, plugin, twice = by_validator(path), by_plugin(path), by_plugin(path, "-2")
        good &= compare(path, ("krpcscope", "tshark"), validator, plugin)
        good &= compare(path, ("in one pass", "in two passes"), plugin, twice)
        count += 1
        total += len(validator)
    print(f"{count} captures, {total} findings: {'the same' if good else 'NOT the same'}")
    if count == 0 or total == 0:
        sys.exit("nothing was compared")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
