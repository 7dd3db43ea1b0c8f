#!/usr/bin/env python3
"""false_positives.py: what is taken as KRPC that is none, and what is none that should have been taken.

  none       a million random payloads (random_payloads.c), and the samples of other protocols
  all        each datagram of the samples, and of the captures in the folder that KRPCSCOPE_CAPTURES names, that a strict
             reader of bencode finds to be a message: tshark with the plugin and krpcscope decode take it

Exit 1 on a difference. SPDX-License-Identifier: GPL-2.0-or-later
"""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parents[1]
OTHERS = ["other-protocols.pcapng", "text-that-looks-like-bencode.pcapng"]
RANDOM = 1000000
MAX_DEPTH = 64


def load(name):
    loader = importlib.machinery.SourceFileLoader(name, str(HERE / "bench" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


bench = load("generate")


# ---- bencode, strictly ----

class Bad(Exception):
    pass


def digits(data, pos, end):
    stop = data.find(end, pos, pos + 20)
    text = data[pos:stop] if stop >= 0 else b""
    if not text.isdigit() or (len(text) > 1 and text[:1] == b"0"):
        raise Bad
    return int(text), stop + 1


def string(data, pos):
    size, pos = digits(data, pos, b":")
    if pos + size > len(data):
        raise Bad
    return data[pos:pos + size], pos + size


def value(data, pos, depth=0):
    kind = data[pos:pos + 1]
    if depth > MAX_DEPTH:
        raise Bad
    if kind == b"i":
        sign = -1 if data[pos + 1:pos + 2] == b"-" else 1
        number, pos = digits(data, pos + 1 + (sign < 0), b"e")
        if sign < 0 and number == 0:
            raise Bad
        return sign * number, pos
    if kind == b"l":
        items, pos = [], pos + 1
        while data[pos:pos + 1] != b"e":
            item, pos = value(data, pos, depth + 1)
            items.append(item)
        return items, pos + 1
    if kind == b"d":
        entries, last, pos = {}, None, pos + 1
        while data[pos:pos + 1] != b"e":
            key, pos = string(data, pos)
            if last is not None and key <= last:
                raise Bad
            last = key
            entries[key], pos = value(data, pos, depth + 1)
        return entries, pos + 1
    return string(data, pos)


def is_message(payload):
    """A complete dictionary with a transaction id, a type, and the body that the type promises."""
    try:
        message, end = value(payload, 0)
    except Bad:
        return False
    if end != len(payload) or not isinstance(message, dict) or not isinstance(message.get(b"t"), bytes):
        return False
    kind = message.get(b"y")
    if kind == b"q":
        return isinstance(message.get(b"q"), bytes) and isinstance(message.get(b"a"), dict)
    if kind == b"r":
        return isinstance(message.get(b"r"), dict)
    return kind == b"e" and isinstance(message.get(b"e"), list)


# ---- what the programs take ----

def by_plugin(path):
    command = [os.environ["RUN_TSHARK"], "-n", "-r", str(path), "-Y", "krpc && !krpc.quoted", "-T", "fields", "-e",
               "frame.number"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode != 0:
        sys.exit(f"{path}: tshark ends with {run.returncode}: {run.stderr.decode()}")
    return {int(frame) for frame in run.stdout.split()}


def by_validator(path):
    run = subprocess.run([os.environ["KRPCSCOPE"], "decode", "--format", "ndjson", str(path)], stdout=subprocess.PIPE)
    if run.returncode not in (0, 1):
        sys.exit(f"{path}: krpcscope decode ends with {run.returncode}")
    records = (json.loads(line) for line in run.stdout.splitlines())
    return {r["frame"] for r in records if r["type"] == "message"}


def programs():
    yield "krpcscope", by_validator
    if os.environ.get("PLUGIN_DIR"):
        yield "tshark", by_plugin


def packets(path):
    with open(path, "rb") as file:
        return enumerate(list(bench.records(file.read())), 1)


def expected(path):
    return {frame for frame, (link, packet) in packets(path) if is_message(bench.udp_payload(link, packet))}


def check_none():
    tool = os.path.join(os.environ["BUILD_DIR"], "tests", "random_payloads")
    run = subprocess.run([tool, str(RANDOM)], stdout=subprocess.PIPE, text=True)
    print(run.stdout, end="")
    good = run.returncode == 0
    for name in OTHERS:
        path = pathlib.Path(os.environ["SAMPLES"]) / name
        for program, taken in programs():
            for frame in sorted(taken(path)):
                print(f"{name}: frame {frame}: {program} takes it, and it is no message")
                good = False
    return good


def check_all():
    folders = [os.environ["SAMPLES"]] + [p for p in [os.environ.get("KRPCSCOPE_CAPTURES")] if p]
    good, captures, messages = True, 0, 0
    for path in sorted(p for f in folders for p in pathlib.Path(f).rglob("*") if p.suffix in (".pcap", ".pcapng")):
        there = expected(path)
        if path.name in OTHERS or not there:
            continue
        captures += 1
        messages += len(there)
        for program, taken in programs():
            for frame in sorted(there - taken(path)):
                print(f"{path}: frame {frame}: a message, but not for {program}")
                good = False
    print(f"{messages} messages in {captures} captures: {'all taken' if good else 'NOT all taken'}")
    return good and messages > 0


if __name__ == "__main__":
    results = [check_none(), check_all()]
    sys.exit(0 if all(results) else 1)
