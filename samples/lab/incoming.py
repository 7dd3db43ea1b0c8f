#!/usr/bin/env python3
"""incoming.py: the queries of others that arrived at a NAT for each host behind it, before and after it said its port.

    samples/lab/incoming.py DIR          DIR is a run of the lab; KRPCSCOPE names the program (default: krpcscope)

By the forwarded port; by a mapping, which is a port that the host had just written to the same asker from; and dropped: to
such a port when it was closed, or open for another node. What was let in is what the NAT's other side shows.
SPDX-License-Identifier: MIT
"""
import collections
import csv
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys


def messages(capture):
    out = subprocess.run([os.environ.get("KRPCSCOPE", "krpcscope"), "decode", "--format", "ndjson", str(capture)],
                         stdout=subprocess.PIPE, check=True).stdout
    for record in map(json.loads, out.splitlines()):
        record["time"] = datetime.datetime.strptime(record["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        yield record


def owners(log):
    """Whose each outside port was, of those that the NAT chose: {port: inside addresses}."""
    ports = collections.defaultdict(set)
    for line in log.read_text().splitlines():
        if "[NEW]" in line and " udp " in line:
            ends = re.findall(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)", line)
            ports[int(ends[1][3])].add(ends[0][0])
    return ports


def count(folder, nat, hosts, outside):
    """{(host, after, how): number}, and when each host began to say its port and when it first sent anything."""
    inside = list(messages(folder / f"nat{nat}-inside.pcap"))
    ports, said, begun = owners(folder / f"nat{nat}-conntrack.log"), {}, {}
    delivered = collections.Counter()
    for m in inside:
        begun.setdefault(m["src_ip"], m["time"])
        if "p" in m or m.get("q") == "contact":
            said.setdefault(m["src_ip"], m["time"])
        if m["y"] == "q":
            delivered[m["src_ip"], m["dest_ip"], m["t"], m["q"]] += 1
    counts = collections.Counter()
    for m in messages(folder / f"nat{nat}-outside.pcap"):
        if m["y"] != "q" or m["dest_ip"] != outside:
            continue
        forwarded = [h for h in hosts if h["forwarded"] == str(m["dest_port"])]
        for h in forwarded or [h for h in hosts if h["ipv4"] in ports[m["dest_port"]]]:
            key = m["src_ip"], h["ipv4"], m["t"], m["q"]
            how = "forwarded" if forwarded else "mapping" if delivered[key] else "dropped"
            delivered[key] -= delivered[key] > 0
            counts[h["host"], m["time"] >= said.get(h["ipv4"], float("inf")), how] += 1
    return counts, said, begun, inside[-1]["time"]


def main():
    folder = pathlib.Path(sys.argv[1])
    with open(folder / "hosts.tsv") as f:
        hosts = list(csv.DictReader(f, delimiter="\t"))
    with open(folder / "nats.tsv") as f:
        nats = list(csv.DictReader(f, delimiter="\t"))
    print("%-12s %-22s %10s %8s %8s" % ("host", "", "forwarded", "mapping", "dropped"))
    for nat in nats:
        here = [h for h in hosts if h["place"] == nat["nat"]]
        counts, said, begun, end = count(folder, nat["nat"], here, nat["outside"])
        for h in here:
            first, then = begun.get(h["ipv4"], end), said.get(h["ipv4"])
            parts = [(False, "%.0f s" % (end - first))] if then is None else [
                (False, "%.0f s before" % (then - first)), (True, "%.0f s after" % (end - then))]
            for after, when in parts:
                print("%-12s %-22s %10d %8d %8d" % (h["host"], when, *(counts[h["host"], after, how] for how in (
                    "forwarded", "mapping", "dropped"))))


if __name__ == "__main__":
    main()
