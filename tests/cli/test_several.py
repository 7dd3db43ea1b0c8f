#!/usr/bin/env python3
"""test_several.py: several captures at once: taken as one by time, compared, or one of them not there.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import re
import unittest

from command import findings, folder, links, out, records, run, sample


def packets_of(capture):
    """Time and bytes of the packets of a pcapng file with one interface, whose times are in microseconds or finer."""
    make, data, at, found = links(), capture.read_bytes(), 0, []
    while at < len(data):
        kind, size = make.struct.unpack_from("<II", data, at)
        if kind == 6:
            high, low, captured = make.struct.unpack_from("<III", data, at + 12)
            found.append((high << 32 | low, data[at + 28:at + 28 + captured]))
        at += size
    return found


class Merged(unittest.TestCase):
    def test_frames_of_their_own_files(self):
        """A capture that was dealt out to two files: the same findings, each with its file's name and frames."""
        make, whole = links(), packets_of(sample("bep5.pcapng"))
        with folder() as where:
            names = [where / "whole.pcap", where / "a.pcap", where / "b.pcap"]
            place, num = {}, {}
            for name in names:
                name.write_bytes(make.pcap(make.RAW, []))
            for n, (time, packet) in enumerate(whole, 1):
                record = make.struct.pack("<IIII", time // 10**6, time % 10**6, len(packet), len(packet)) + packet
                part = names[1] if n % 3 else names[2]
                num[part] = num.get(part, 0) + 1
                place[n] = part, num[part]
                for name in (names[0], part):
                    with name.open("ab") as file:
                        file.write(record)
            expected = []
            for f in findings(names[0]):
                text = re.sub(r"frame (\d+)", lambda m: "frame {0.name}:{1}".format(*place[int(m[1])]), f["message"])
                expected.append((str(place[f["frame"]][0]), place[f["frame"]][1], f["rule"], text, f["offset"]))
            found = [(f["file"], f["frame"], f["rule"], f["message"], f["offset"]) for f in findings("--merge", names[1], names[2])]
            self.assertEqual(found, expected)
            self.assertTrue(any("frame" in f[3] for f in found))
            self.assertIn(" of the merged captures: ", out("check", "--merge", names[1], names[2]).decode())
            lines = out("check", "--each", "--merge", names[1], names[2]).decode().splitlines()
            self.assertEqual([line.split(": ")[0] for line in lines], [f"{f[0]}:{f[1]}:{f[4]}" for f in expected])


    def test_a_late_answer(self):
        """The query is in one file, and its answer, 20 seconds later, in the other: its frame is that of the first file."""
        make = links()
        query, answer = make.exchange(make.A4, make.B4)
        with folder() as where:
            for name, times, packet in (("a.pcap", (1, 2, 3), query), ("b.pcap", (23,), answer)):
                data = make.pcap(make.RAW, [])
                for time in times:
                    sent = packet if time in (3, 23) else packet.replace(b"1:t2:aa", b"1:t2:b%d" % time)
                    data += make.struct.pack("<IIII", make.TIME + time, 0, len(sent), len(sent)) + sent
                (where / name).write_bytes(data)
            late = [f for f in findings("--merge", where / "a.pcap", where / "b.pcap") if f["rule"] == "krpc.late-response"]
            self.assertEqual([(f["file"], f["frame"], f["message"]) for f in late],
                             [(str(where / "b.pcap"), 1, "answers frame a.pcap:3 after 20000 ms; libtorrent waits 15 s")])


class Compared(unittest.TestCase):
    def test_nothing_in_common(self):
        sides = "--inside", sample("bep5.pcapng"), "--outside", sample("natc-outside.pcapng")
        self.assertIn("No packet matches: check that the files are the two sides of one NAT, captured at the same time.", out("compare", *sides).decode())
        self.assertEqual([r for r in records("compare", "--format", "ndjson", *sides) if r["type"] in ("pair", "mapping")], [])
        sides = "--inside", sample("natc-inside.pcapng"), "--outside", sample("natc-outside.pcapng")
        self.assertNotIn("No packet matches", out("compare", *sides).decode())

    def test_counts(self):
        """Each packet is one of a pair or alone, and a mapping counts its pairs."""
        sides = sample("natc-inside.pcapng"), sample("natc-outside.pcapng")
        found = records("compare", "--format", "ndjson", "--inside", sides[0], "--outside", sides[1])
        pairs, mappings = [[r for r in found if r["type"] == kind] for kind in ("pair", "mapping")]
        self.assertEqual(sum(m["packets_out"] + m["packets_in"] for m in mappings), len(pairs))
        for m in mappings:
            mine = [p for p in pairs if all(p[k] == m[k] for k in ("proto", "inside_ip", "inside_port", "outside_ip", "outside_port"))]
            self.assertEqual(m["packets_out"], len([p for p in mine if p["direction"] == "out"]))
            self.assertEqual(m["remotes"], len({(p["remote_ip"], p["remote_port"]) for p in mine}))
            self.assertEqual((m["inside_frame"], m["outside_frame"]), (mine[0]["inside_frame"], mine[0]["outside_frame"]))
        for name, which in (("inside_frame", 0), ("outside_frame", 1)):
            used = [p[name] for p in pairs]
            self.assertEqual(len(set(used)), len(used), "a packet of two pairs")
        text = " ".join(out("compare", "--inside", sides[0], "--outside", sides[1]).decode().split())
        self.assertEqual(int(re.search(r"([\d,]+) packets? found on both sides", text)[1].replace(",", "")), len(pairs))


    def test_more_mappings_than_fit(self):
        """What finds no room is counted, on standard error; the pairs are all there."""
        make = links()
        num, limit = 16390, 16384
        with folder() as where:
            sides = where / "inside.pcap", where / "outside.pcap"
            for path, host in zip(sides, ("10.0.0.1", "192.0.2.1")):
                query = lambda n: make.PING.replace(b"abcdefghij", b"%010d" % n)
                path.write_bytes(make.pcap(make.RAW, [make.message(host, "198.51.100.7", 1024 + n, 6881, query(n)) for n in range(num)]))
            for kind in ("text", "ndjson"):
                result = run("compare", "--format", kind, "--inside", sides[0], "--outside", sides[1])
                self.assertEqual(result.stderr.decode(), f"krpcscope: more than {limit} mappings: {num - limit} packets "
                                                         "of other mappings are not in the result\n")
                self.assertEqual(result.returncode, 0)
            found = [record["type"] for record in map(json.loads, result.stdout.splitlines())]
            self.assertEqual((found.count("pair"), found.count("mapping")), (num, limit))


class Missing(unittest.TestCase):
    def test_page_says_so(self):
        told = b"Some captures could not be read."
        some = sample("bep5.pcapng")
        for words, missing in (([some], False), ([some, some], False), (["--merge", some, some], False), ([some, "/nonexistent"], True)):
            result = run("check", "--format", "html", *words)
            self.assertEqual(told in result.stdout, missing, words)
            self.assertEqual(result.returncode, 2 if missing else 0, words)


if __name__ == "__main__":
    unittest.main()
