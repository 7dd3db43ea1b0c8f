#!/usr/bin/env python3
"""parity.py: tshark with the plugin and krpcscope report the same of every sample, from one run of tshark for each pass.

  messages   the frames that hold one
  findings   in two passes, the set of (frame, rule); and the text of each finding is among the frame's expert items
  passes     in one pass, the same without the findings that follow from all packets; and the fields that are final when a
             packet is first seen

More captures: every one in the folder that KRPCSCOPE_CAPTURES names. Exit 1 on a difference.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import sys
import xml.etree.ElementTree

from tshark_cli import tshark
from krpcscope_cli import CAPTURES, of_each

PREFIX = "krpc.rule."
FINAL = {"krpc.y", "krpc.q", "krpc.id", "krpc.response_to", "krpc.time", "krpc.distance", "krpc.client", "krpc.advert.port",
         "krpc.advert.channel", "krpc.quoted.query", "krpc.peerwire.port"}

# The rules of tracker/feed/conclude.c: a later packet may take their findings back.
CONCLUDED = {"port.differs-from-source", "port.dead", "port.honoured", "port.not-honoured", "port.other-node", "nat.port-rewritten",
             "nat.endpoint-dependent", "nat.remapped", "nat.carrier", "nat.port-block"}


class Seen:
    """What one run of tshark shows of a capture."""

    def __init__(self, path, *options):
        self.messages, self.rules, self.fields, self.ours = set(), set(), set(), set()
        self.texts = collections.defaultdict(collections.Counter)
        for packet in xml.etree.ElementTree.fromstring(tshark(path, *options, "-T", "pdml")).iter("packet"):
            fields = [(f.get("name", ""), f.get("show")) for f in packet.iter("field")]
            frame = int(next(show for name, show in fields if name == "num"))
            names, protocols = {name for name, _ in fields}, {proto.get("name") for proto in packet.iter("proto")}
            if "krpc" in protocols and "krpc.quoted" not in names:
                self.messages.add(frame)
            self.rules |= {(frame, name[len(PREFIX):]) for name in names if name.startswith(PREFIX)}
            if {"krpc", "krpc.peerwire"} & (protocols | names):
                self.ours.add(frame)
                self.fields |= {(frame, *item) for item in collections.Counter(f for f in fields if f[0] in FINAL).items()}
            self.texts[frame].update(show for name, show in fields if name == "_ws.expert.message")

    def items(self):
        """The expert items of packets with KRPC or peer wire messages, and their number."""
        return {(frame, text, n) for frame in self.ours for text, n in self.texts[frame].items()}


def compare(path, what, left, right):
    """Prints what only one of two sets has; true where they are the same."""
    for only, items in ((what[0], left - right), (what[1], right - left)):
        for frame, *item in sorted(items, key=str):
            print(f"{path}: frame {frame}: {' '.join(map(str, item)) or 'a message'}: only {only}")
    return left == right


def main():
    good, total, num_messages, num_concluded = True, 0, 0, 0
    messages, findings = of_each(CAPTURES, "decode"), of_each(CAPTURES, "check")
    for path in CAPTURES:
        once, twice = Seen(path), Seen(path, "-2")
        both, passes = ("krpcscope", "tshark"), ("in one pass", "in two passes")
        concluded = [f for f in findings[path] if f["rule"] in CONCLUDED]
        good &= compare(path, both, {(m["frame"],) for m in messages[path]}, {(frame,) for frame in once.messages})
        good &= compare(path, both, {(f["frame"], f["rule"]) for f in findings[path]}, twice.rules)
        texts = collections.Counter((f["frame"], f["message"]) for f in findings[path])
        shown = collections.Counter({(frame, text): n for frame, text, n in twice.items()})
        good &= compare(path, both, set(texts - shown), set())
        good &= compare(path, passes, once.rules, {item for item in twice.rules if item[1] not in CONCLUDED})
        for finding in concluded:
            once.texts[finding["frame"]][finding["message"]] += 1
        good &= compare(path, passes, once.items(), twice.items())
        good &= compare(path, passes, once.fields, twice.fields)
        num_concluded += len(concluded)
        total += len(findings[path])
        num_messages += len(once.messages)
    print(f"{len(CAPTURES)} captures, {num_messages} messages, {total} findings, {num_concluded} of them from all packets: "
          f"{'the same' if good else 'NOT the same'}")
    if 0 in (num_messages, total, num_concluded):
        sys.exit("nothing was compared")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
