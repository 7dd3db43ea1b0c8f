#!/usr/bin/env python3
"""frame_mutations.py: every kind of frame that links.py makes, cut at every length and with bytes turned at random.

No crash, no sanitizer's report, and one line a frame. What the capture cut is said to be cut, or what is left of it is whole:
it is never malformed, and never another datagram. SPDX-License-Identifier: GPL-2.0-or-later
"""
import random
import struct
import subprocess
import sys
import unittest

from command import FRAME_DUMP, folder, links, run

MAGICS = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}


def frames(data):
    """The link type and the frames of a pcap file; whole ones only."""
    order = MAGICS.get(data[:4])
    if order is None:
        return None, []
    at, found = 24, []
    while at < len(data):
        captured, sent = struct.unpack_from(order + "II", data, at + 8)
        if captured == sent:
            found.append(data[at + 16:at + 16 + captured])
        at += 16 + captured
    return struct.unpack_from(order + "I", data, 20)[0], found


def pcap(linktype, records):
    out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, linktype)
    for number, (frame, sent) in enumerate(records):
        out += struct.pack("<IIII", 1167609600 + number, 0, len(frame), sent) + frame
    return out


class Mutations(unittest.TestCase):
    def kinds(self):
        for name, data in links().captures():
            linktype, found = frames(data)
            if found:
                yield name, linktype, found

    def dump(self, where, linktype, records):
        (where / "x.pcap").write_bytes(pcap(linktype, records))
        result = subprocess.run([FRAME_DUMP, where / "x.pcap"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        lines = [line.split("\t") for line in result.stdout.decode().splitlines()]
        self.assertEqual([int(line[0]) for line in lines], list(range(1, len(records) + 1)))
        return [line[1:] for line in lines]

    def test_cut_at_every_length(self):
        num_cut = 0
        with folder() as where:
            for name, linktype, found in self.kinds():
                for frame in found[:4]:
                    (whole,) = self.dump(where, linktype, [(frame, len(frame))])
                    cut = self.dump(where, linktype, [(frame[:n], len(frame)) for n in range(len(frame))])
                    for n, line in enumerate(cut):
                        with self.subTest(name=name, captured=n):
                            self.assertNotEqual(line[0], "malformed")
                            if line[0] == "datagram" and whole[0] == "datagram" and line[1:6] == whole[1:6]:
                                self.assertEqual(line[6], whole[6], "its length is that of the header")
                                self.assertTrue(whole[7].startswith(line[7]))
                            num_cut += line[0] == "cut"
                    # Nearly every frame here begins with headers, which cannot be told before they are there.
                    self.assertEqual(cut[0][0], "cut", name)
        self.assertGreater(num_cut, 3000)

    def test_the_summary_says_cut(self):
        make = links()
        frame = make.ethernet(make.message(make.A4, make.B4, 1000, 2000, make.PING))
        with folder() as where:
            (where / "x.pcap").write_bytes(pcap(make.ETHERNET, [(frame[:n], len(frame)) for n in range(len(frame))]))
            headers = 14 + 20 + 8
            text = run("check", where / "x.pcap").stdout.decode()
            self.assertRegex(text, rf"packets +{len(frame)} in .*: .*{len(frame) - headers} UDP, {headers} cut too short\n")
            self.assertNotIn("malformed", text)
            self.assertRegex(text, rf"bencode\.snapped +{len(make.PING) - 12} times")  # fewer bytes are not known as KRPC

    def test_bytes_turned(self):
        chance = random.Random(5)
        with folder() as where:
            for name, linktype, found in self.kinds():
                records = []
                for frame in found * 12:
                    bytes_ = bytearray(frame)
                    for _ in range(chance.randrange(1, 6)):
                        at = chance.randrange(min(len(bytes_), 120))
                        bytes_[at] = chance.choice((bytes_[at] ^ 1 << chance.randrange(8), chance.randrange(256), 0, 255))
                    sent = len(bytes_) + chance.choice((0, 0, 0, 1, 100))
                    records.append((bytes(bytes_[:chance.choice((len(bytes_), chance.randrange(len(bytes_) + 1)))]), sent))
                with self.subTest(name=name):
                    self.dump(where, linktype, records)
                    for command in (["check", "--format", "ndjson"], ["decode"], ["ports"], ["nodes"],
                                    ["check", "--anonymize", "k", "--write", where / "w.pcapng"]):
                        result = run(*command, where / "x.pcap")
                        self.assertIn(result.returncode, (0, 1), result.stderr)
                        self.assertEqual(result.stderr, b"")


if __name__ == "__main__":
    unittest.main()
