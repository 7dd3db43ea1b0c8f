#!/usr/bin/env python3
"""cut.py: a sample out of a capture of the lab.

    samples/lab/cut.py CAPTURE.pcap SAMPLE.pcapng --comment TEXT [--seconds FROM-TO] [--host ADDR[,ADDR]] [--flow N]
                       [--only krpc,icmp,tcp,utp]

Keeps DHT messages and ICMP, and of every other TCP or UDP flow the first N packets (default 12: handshakes and PORT come
first, pieces of files later), so that no flow has a hole. Reads classic pcap of Ethernet, writes pcapng with the comment.
SPDX-License-Identifier: MIT
"""
import argparse
import ipaddress
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from packets import block, option  # noqa: E402


def packets(path):
    data = pathlib.Path(path).read_bytes()
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    if struct.unpack(order + "I", data[:4])[0] != 0xA1B2C3D4 or struct.unpack(order + "I", data[20:24])[0] != 1:
        sys.exit(f"{path}: not a pcap file of Ethernet with microseconds")
    at = 24
    while at + 16 <= len(data):
        seconds, micros, kept, size = struct.unpack(order + "IIII", data[at:at + 16])
        yield seconds * 1_000_000 + micros, size, data[at + 16:at + 16 + kept]
        at += 16 + kept


def describe(frame):
    """(kind, flow, addresses) of a frame; kind is krpc, icmp, tcp or utp (any other UDP), None for what is not kept."""
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x0800:
        head = (frame[14] & 15) * 4
        protocol, src, dst, at = frame[23], frame[26:30], frame[30:34], 14 + head
    elif kind == 0x86DD:
        protocol, src, dst, at = frame[20], frame[22:38], frame[38:54], 54
    else:
        return None, None, ()
    addresses = (str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst)))
    if protocol in (1, 58):
        return ("icmp" if protocol == 1 or frame[at] == 1 else None), None, addresses
    if protocol not in (6, 17):
        return None, None, ()
    ends = sorted([(src, frame[at:at + 2]), (dst, frame[at + 2:at + 4])])
    if protocol == 6:
        return "tcp", (6, *ends), addresses
    payload = frame[at + 8:]
    is_krpc = payload[:1] == b"d" and payload[1:2].isdigit()
    return ("krpc" if is_krpc else "utp"), (17, *ends), addresses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("capture")
    parser.add_argument("sample")
    parser.add_argument("--comment", required=True)
    parser.add_argument("--seconds", default="0-100000")
    parser.add_argument("--host", default="")
    parser.add_argument("--flow", type=int, default=12)
    parser.add_argument("--only", default="krpc,icmp,tcp,utp")
    args = parser.parse_args()
    begin, end = (float(x) * 1_000_000 for x in args.seconds.split("-"))
    hosts, kinds, flows, first, kept = set(filter(None, args.host.split(","))), args.only.split(","), {}, None, 0
    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + option(1, args.comment.encode()) + option(0, b""))
    out += block(1, struct.pack("<HHI", 1, 0, 262144))
    for time, size, frame in packets(args.capture):
        first = time if first is None else first
        kind, flow, addresses = describe(frame)
        if kind not in kinds or not begin <= time - first < end or (hosts and not hosts & set(addresses)):
            continue
        if kind in ("tcp", "utp"):
            flows[flow] = flows.get(flow, 0) + 1
            if flows[flow] > args.flow:
                continue
        body = struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(frame), size)
        out += block(6, body + frame + b"\0" * (-len(frame) % 4))
        kept += 1
    pathlib.Path(args.sample).write_bytes(out)
    print(f"{args.sample}: {kept} frames, {len(out)} bytes")


if __name__ == "__main__":
    main()
