#!/usr/bin/env python3
"""capture_differential.py: the reader of pcap and pcapng, compared with libwiretap record by record (capture_differential.c).

On every sample, every capture in the folder KRPCSCOPE_CAPTURES, the same as pcap with times in microseconds and nanoseconds
and in the other byte order, and on damaged copies of some of them. SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import struct
import subprocess
import sys

from command import CAPTURES, SAMPLES, folder

DAMAGED = ["bep5.pcapng", "snapped.pcapng"]
MUTATIONS = "60"


def packets(capture):
    """(seconds, microseconds, bytes, length on the wire) of each packet of a pcapng with one interface."""
    data, at = capture.read_bytes(), 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            _, high, low, caplen, wirelen = struct.unpack_from("<IIIII", data, at + 8)
            seconds, micros = divmod((high << 32 | low), 1000000)
            yield seconds, micros, data[at + 28:at + 28 + caplen], wirelen
        at += length


def write_pcap(path, capture, order, nanoseconds):
    magic, factor = (0xA1B23C4D, 1000) if nanoseconds else (0xA1B2C3D4, 1)
    with open(path, "wb") as out:
        out.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, 1))
        for seconds, micros, data, wirelen in packets(capture):
            out.write(struct.pack(order + "IIII", seconds % 2 ** 32, micros * factor, len(data), wirelen) + data)


def swap_pcapng(path, capture):
    """The same capture in the other byte order: packets and interfaces, without options."""
    data, at = capture.read_bytes(), 0
    with open(path, "wb") as out:
        while at < len(data):
            kind, length = struct.unpack_from("<II", data, at)
            body = b""
            if kind == 0x0A0D0D0A:
                body = struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, -1)
            elif kind == 1:
                body = struct.pack(">HHI", *struct.unpack_from("<HHI", data, at + 8))
            elif kind == 6:
                head = struct.unpack_from("<IIIII", data, at + 8)
                body = struct.pack(">IIIII", *head) + data[at + 28:at + 28 + (head[3] + 3) // 4 * 4]
            if body:
                out.write(struct.pack(">II", kind, 12 + len(body)) + body + struct.pack(">I", 12 + len(body)))
            at += length


def main():
    tool = pathlib.Path(os.environ["BUILD_DIR"]) / "tests" / "capture_differential"
    with folder() as where:
        made = []
        for name in DAMAGED[:1]:
            for order in "<>":
                for nanoseconds in (False, True):
                    made.append(where / f"{name}-{'big' if order == '>' else 'little'}-{nanoseconds}.pcap")
                    write_pcap(made[-1], SAMPLES / name, order, nanoseconds)
            made.append(where / f"{name}-swapped.pcapng")
            swap_pcapng(made[-1], SAMPLES / name)
        status = subprocess.run([tool, *CAPTURES]).returncode
        damaged = [SAMPLES / name for name in DAMAGED] + made
        status |= subprocess.run([tool, "--mutations", MUTATIONS, *damaged]).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
