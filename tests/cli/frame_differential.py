#!/usr/bin/env python3
# frame_differential.py: compares the frame reader with tshark, frame by frame.
#
# frame_differential.py [--dump FRAME_DUMP] [--links LINKS_PY] [CAPTURE...]
# compares on every capture that links.py makes, and on those named: whether there is a UDP datagram, a TCP segment or
# an ICMP message, the addresses and ports of the innermost one, and its payload byte by byte. ctest says where things
# are by BUILD_DIR, SAMPLES and TSHARK. Exit status 77 where there is no tshark.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import argparse
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
TSHARK = os.environ.get("TSHARK") or "tshark"
COLUMNS = ["frame.number", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport",
           "udp.payload", "udp.length", "udp.length.bad", "tcp.srcport", "tcp.dstport", "tcp.payload", "tcp.len", "icmp.type",
           "icmpv6.type"]
# What lies above UDP and TCP must not make new datagrams of its own (BitTorrent may carry anything).
OPTIONS = ["-n", "-o", "ip.defragment:TRUE", "-o", "ipv6.defragment:TRUE", "-o", "tcp.desegment_tcp_streams:FALSE"]


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return result.stdout.splitlines()


def from_tshark(capture):
    command = [TSHARK, "-r", capture, *OPTIONS, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"]
    for column in COLUMNS:
        command += ["-e", column]
    for line in run(command):
        values = [value.split("|") if value else [] for value in line.split("\t")]
        yield int(values[0][0]), innermost(dict(zip(COLUMNS, values)))


def layers_of(field):
    """The layers of a frame. Wireshark 4.4 dissects the IP after MPLS, but does not list it: packet-mpls.c calls it by its
    first nibble with add_proto_name false."""
    layers = field["frame.protocols"][0].split(":") if field["frame.protocols"] else []
    if "mpls" in layers:
        missing = [ip for ip in ("ip", "ipv6") if len(field[ip + ".src"]) > layers.count(ip)]
        after = layers.index("mpls") + 1
        layers[after:after] = missing[:1]
    return layers


def innermost(field):
    """The last datagram of a frame, as tshark lists its layers: (protocol, src, sport, dst, dport, length, payload)."""
    num_seen = {"ip": 0, "ipv6": 0, "udp": 0, "tcp": 0}
    addresses, found = None, None
    for layer in layers_of(field):
        if layer in ("ip", "ipv6"):
            at = num_seen[layer]
            num_seen[layer] += 1
            if at >= min(len(field[layer + ".src"]), len(field[layer + ".dst"])):
                return None
            addresses = (field[layer + ".src"][at], field[layer + ".dst"][at])
            found = None
        elif layer in ("udp", "udplite", "tcp"): # UDP-Lite has UDP's fields
            layer = "tcp" if layer == "tcp" else "udp"
            at = num_seen[layer]
            num_seen[layer] += 1
            found = transport(field, layer, at, addresses)
        elif layer in ("icmp", "icmpv6"):
            # What follows is the quote, or nothing.
            return ("icmp", addresses[0], "0", addresses[1], "0", None, None)
    return found


def transport(field, layer, at, addresses):
    if at >= min(len(field[layer + ".srcport"]), len(field[layer + ".dstport"])) or addresses is None:
        return None
    length, payload = None, None
    # A length beyond the IP datagram is not that of the payload.
    if layer == "udp" and at < len(field["udp.length"]) and not field["udp.length.bad"]:
        length = int(field["udp.length"][at]) - 8
    # The field is missing for an empty datagram, so it can be counted only where each has one.
    if layer == "udp" and len(field["udp.payload"]) == len(field["udp.srcport"]):
        payload = field["udp.payload"][at]
    if layer == "tcp" and at < len(field["tcp.len"]):
        length = int(field["tcp.len"][at])
        if len(field["tcp.payload"]) == len(field["tcp.srcport"]):
            payload = field["tcp.payload"][at]
    return (layer, addresses[0], field[layer + ".srcport"][at], addresses[1], field[layer + ".dstport"][at], length,
            payload)


def from_dump(dump, capture):
    for line in run([dump, capture]):
        values = line.split("\t")
        if values[1] != "datagram":
            yield int(values[0]), values[1], None
            continue
        protocol, src, sport, dst, dport, length, payload = values[2:9]
        if protocol == "icmp":
            length = payload = None
        yield int(values[0]), values[1], (protocol, src, sport, dst, dport, length and int(length), payload)


def same(theirs, ours):
    if theirs is None or ours is None:
        return theirs is ours
    if theirs[:5] != ours[:5]:
        return False
    return (theirs[5] is None or theirs[5] == ours[5]) and (theirs[6] is None or theirs[6] == ours[6])


# Fragments that contradict one another: tshark puts them together nevertheless, and RFC 5722 asks to drop them.
REFUSED = ("fragments-conflicting.pcap", "fragments-two-ends.pcap")


def compare(dump, capture):
    """The number of frames, and a line for each that differs."""
    theirs = {} if os.path.basename(capture) in REFUSED else dict(from_tshark(capture))
    differences, num_frames = [], 0
    for number, status, ours in from_dump(dump, capture):
        num_frames += 1
        if not same(theirs.pop(number, None), ours):
            differences.append("frame %d (%s): %s" % (number, status, ours))
    differences += ["frame %d: only tshark has it" % number for number, what in theirs.items() if what is not None]
    return num_frames, differences


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dump", default=os.path.join(os.environ.get("BUILD_DIR", "build"), "tests", "frame_dump"))
    parser.add_argument("--links", default=os.path.join(os.environ.get("SAMPLES", "samples"), "links.py"))
    parser.add_argument("capture", nargs="*")
    arguments = parser.parse_args()
    if shutil.which(TSHARK) is None:
        print("frame_differential: no tshark here")
        return SKIPPED

    num_passed = num_failed = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        subprocess.run([sys.executable, arguments.links, folder], check=True)
        captures = sorted(glob.glob(os.path.join(folder, "*"))) + arguments.capture
        results = pool.map(lambda capture: compare(arguments.dump, capture), captures)
        for capture, (num_frames, differences) in zip(captures, results):
            good = num_frames > 0 and not differences
            num_passed += good
            num_failed += not good
            if not good:
                print("%s: %d frames, %d differ" % (os.path.basename(capture), num_frames, len(differences)))
                print("".join("  %s\n" % line for line in differences[:10]), end="")
    print("%d passed, %d failed" % (num_passed, num_failed))
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main())
