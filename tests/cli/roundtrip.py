#!/usr/bin/env python3
"""roundtrip: every DHT message of every capture keeps the laws of fuzz/fuzz_message.c, first of all that a canonical
message encodes to its own bytes. The captures are those of samples, and those of the folder KRPCSCOPE_CAPTURES when it
is set.

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

SKIPPED = 77


def captures():
    folders = [os.environ["SAMPLES"]] + [os.environ[name] for name in ["KRPCSCOPE_CAPTURES"] if os.environ.get(name)]
    for folder in folders:
        yield from sorted(path for path in pathlib.Path(folder).rglob("*.pcap*") if path.suffix in (".pcap", ".pcapng"))


def messages(generate, capture, work):
    """The DHT messages of a capture; none of one that is compressed or of another format."""
    payloads = work / "payloads.bin"
    command = [sys.executable, generate, "--extract", capture, "--payloads", payloads]
    if subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
        return
    data = payloads.read_bytes()
    pos = 0
    while pos + 4 <= len(data):
        size = struct.unpack_from("<I", data, pos)[0]
        yield data[pos + 4:pos + 4 + size]
        pos += 4 + size


def main():
    replay = pathlib.Path(os.environ["BUILD_DIR"]) / "tests" / "fuzz_message"
    generate = pathlib.Path(os.environ["SOURCE_DIR"]) / "tests" / "bench" / "generate"
    if not replay.exists():
        print("skipped: fuzz_message was not built")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        inputs = work / "messages"
        inputs.mkdir()
        count = 0
        for capture in captures():
            for message in messages(generate, capture, work):
                (inputs / f"{count:06}").write_bytes(message)
                count += 1
            print(f"{count:6} messages up to {capture.name}")
        if count == 0:
            print("skipped: no captures")
            return SKIPPED
        return subprocess.run([replay, inputs]).returncode


sys.exit(main())
