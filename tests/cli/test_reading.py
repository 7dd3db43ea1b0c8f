#!/usr/bin/env python3
"""test_reading.py: what is read out of frames and files: relayed datagrams, announces over HTTP, UDP with wrong lengths,
directories of captures, and clocks that differ.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import unittest

from krpcscope_cli import Failing, folder, links, out, records, run, sample

CLIENT, PROXY, THIRD = "192.168.1.5", "192.0.2.80", "203.0.113.5"


def write(path, packets):
    """A capture of IP packets, a tenth of a second apart."""
    make = links()
    data = make.pcap(make.RAW, [])
    for n, packet in enumerate(packets):
        data += make.struct.pack("<IIII", make.TIME + n // 10, n % 10 * 100000, len(packet), len(packet)) + packet
    path.write_bytes(data)
    return path


def messages(path):
    return [r for r in records("decode", "--format", "ndjson", path) if r["type"] == "message"]


class Relayed(unittest.TestCase):
    def setUp(self):
        make = self.make = links()
        header = b"\0\0\0\1" + make.packed(THIRD) + b"\x1a\xe1"
        self.exchange = [make.message(CLIENT, PROXY, 6881, 1085, header + make.PING),
                         make.message(PROXY, CLIENT, 1085, 6881, header + make.PONG)]

    def control(self, reply):
        make = self.make
        return [make.ip(a, b, make.TCP, make.tcp(a, b, *ports, seq, ack, 0x18, data)) for a, b, ports, seq, ack, data in (
            (CLIENT, PROXY, (40000, 1080), 101, 501, b"\5\1\0"), (PROXY, CLIENT, (1080, 40000), 501, 104, b"\5\0"),
            (CLIENT, PROXY, (40000, 1080), 104, 503, b"\5\3\0\1\0\0\0\0\0\0"),
            (PROXY, CLIENT, (1080, 40000), 503, 114, reply))]

    def check(self, path):
        found = messages(path)
        self.assertEqual([(m["src_ip"], m["src_port"], m["dest_ip"], m["dest_port"]) for m in found],
                         [(CLIENT, 6881, THIRD, 6881), (THIRD, 6881, CLIENT, 6881)])
        self.assertEqual(found[1]["request_frame"], found[0]["frame"])

    def test_the_third_party_is_the_other_end(self):
        with folder() as where:
            for name, packets in (("control", self.control(b"\5\0\0\1" + self.make.packed(PROXY) + b"\x04\x3d")),
                                  ("no-address", self.control(b"\5\0\0\1\0\0\0\0\x04\x3d")), ("datagrams", [])):
                self.check(write(where / f"{name}.pcap", packets + self.exchange))

    def test_a_host_name_is_not_read(self):
        make = self.make
        with folder() as where:
            named = make.message(CLIENT, PROXY, 6881, 1085, b"\0\0\0\3\x0brouter.test\x1a\xe1" + make.PING)
            path = write(where / "named.pcap", [named])
            self.assertEqual(messages(path), [])
            self.assertIn("SOCKS5 with a host name", out("check", path).decode())


class Announced(unittest.TestCase):
    def test_over_http(self):
        """The port in an announce over HTTP is compared with the DHT's as that over UDP is."""
        make = links()
        request = (b"GET /announce?info_hash=%61bcdefghij0123456789&peer_id=-lt0D80-012345678901&port=51413&left=0 HTTP/1.1\r\n"
                   b"Host: tracker.test\r\n\r\n")
        segment = make.ip(CLIENT, PROXY, make.TCP, make.tcp(CLIENT, PROXY, 40000, 80, 1, 1, 0x18, request))
        with folder() as where:
            path = write(where / "http.pcap", [make.message(CLIENT, THIRD, 6881, 6881, make.PING), segment])
            found = [r for r in records("ports", "--format", "ndjson", path) if r["type"] == "advert"]
        self.assertEqual([(a["channel"], a["frame"], a["advertised_port"], a["info_hash"]) for a in found],
                         [("http_tracker", 2, 51413, b"abcdefghij0123456789".hex())])


class Lengths(unittest.TestCase):
    def test_udp_beyond_its_datagram(self):
        make = links()
        with folder() as where:
            path = write(where / "beyond.pcap", [make.ip(CLIENT, THIRD, make.UDP, make.udp_with_length(
                CLIENT, THIRD, 6881, 6882, make.PING, length)) for length in (8 + len(make.PING) + 1, 65535)])
            self.assertEqual([m["q"] for m in messages(path)], ["ping", "ping"])
            self.assertNotIn("malformed", out("check", path).decode())


class Paths(Failing):
    def setUp(self):
        make = links()
        self.data = make.pcap(make.RAW, make.exchange(make.A4, make.B4))

    def files(self, *words):
        return [r["file"] for r in records("decode", "--format", "ndjson", *words) if r["type"] == "message" and r["y"] == "q"]

    def test_a_directory(self):
        """All captures in it, by their names or their first bytes, ordered by numbers; nothing of a folder in it."""
        with folder() as where:
            for name in ("x.pcap10", "x.pcap9", "x.pcap", "b.cap", "x.pcap010", ".hidden.pcap"):
                (where / name).write_bytes(self.data)
            (where / "notes.txt").write_text("no capture")
            (where / "empty.pcap").touch()
            (where / "sub.pcap").mkdir()
            (where / "sub.pcap" / "y.pcap").write_bytes(self.data)
            names = ["b.cap", "x.pcap", "x.pcap9", "x.pcap010", "x.pcap10"]
            self.assertEqual(self.files(where), [str(where / name) for name in names])
            self.assertEqual(self.files("--merge", where), [str(where / name) for name in names])
            self.assertEqual(self.files(where / "x.pcap9", where / "sub.pcap"),
                             [str(where / "x.pcap9"), str(where / "sub.pcap" / "y.pcap")])

    def test_a_pattern(self):
        with folder() as where:
            for name in ("wan_2.pcap", "wan_10.pcap", "lan_1.pcap", "wan_[1].pcap"):
                (where / name).write_bytes(self.data)
            self.assertEqual(self.files(where / "wan_?*.pcap"),
                             [str(where / name) for name in ("wan_2.pcap", "wan_10.pcap", "wan_[1].pcap")])
            self.assertEqual(self.files(where / "wan_[1].pcap", where / "lan_1.pcap"),
                             [str(where / "wan_[1].pcap"), str(where / "lan_1.pcap")])

    def test_nothing_there(self):
        with folder() as where:
            self.fails("check", where, says=f"{where}: no captures in this directory")
            self.fails("check", where / "*.pcap", says=f"{where}/*.pcap: no file matches")


def shifted(path, capture, seconds):
    """The capture with all its times moved, in pcapng's ticks of the sample: nanoseconds or microseconds."""
    make, data, at, ticks = links(), bytearray(capture.read_bytes()), 0, 10**6
    while at < len(data):
        kind, size = make.struct.unpack_from("<II", data, at)
        if kind == 1:
            ticks = 10**9 if b"\x09\0\x01\0\x09" in data[at:at + size] else 10**6
        if kind == 6:
            high, low = make.struct.unpack_from("<II", data, at + 12)
            time = (high << 32 | low) + round(seconds * ticks)
            make.struct.pack_into("<II", data, at + 12, time >> 32, time & 0xffffffff)
        at += size
    path.write_bytes(data)
    return path


class Cut(unittest.TestCase):
    def test_at_each_byte(self):
        """A pcapng file cut in its first 4 KiB: between two blocks it is shorter, elsewhere one line says where it ends."""
        make, data, at, ends = links(), sample("natc-inside.pcapng").read_bytes(), 0, set()
        while at <= 4096:
            kind, size = make.struct.unpack_from("<II", data, at)
            at += size
            ends.add(at)
        with folder() as where:
            paths = [where / f"{n:04}.pcapng" for n in range(4097)]
            for n, path in enumerate(paths):
                path.write_bytes(data[:n])
            result = run("check", "--quiet", *paths)
        lines = {int(line.split(b".pcapng: ")[0][-4:]): line.split(b".pcapng: ")[1].decode() for line in result.stderr.splitlines()}
        self.assertEqual(len(lines), result.stderr.count(b"\n"))
        self.assertEqual(result.returncode, 2)
        self.assertEqual(set(range(4097)) - set(lines), ends & set(range(300, 4097)))
        for n, line in lines.items():
            self.assertRegex(line, r"^(empty|not a capture file, or cut short inside the file header|cut short inside the file header|"
                             r"cut short in the middle of a packet, (before the first frame|after frame \d+))$", n)


class Compressed(unittest.TestCase):
    def test_cut_or_damaged_at_each_byte(self):
        """At most one line for each, and the program goes on."""
        with folder() as where:
            paths = []
            for name in ("gzip.pcap.gz", "zstd.pcap.zst", "lz4.pcap.lz4"):
                [data] = [data for of, data in links().captures() if of == name]
                for n in range(len(data)):
                    for part in (data[:n], data[:n] + bytes([data[n] ^ 0xff]) + data[n + 1:]):
                        paths.append(where / f"{len(paths):04}.{name}")
                        paths[-1].write_bytes(part)
            result = run("check", "--quiet", *paths)
        self.assertEqual(result.returncode, 2)
        for line in result.stderr.decode().splitlines():
            self.assertTrue(line.startswith(f"krpcscope: {where}"), line)
        self.assertLessEqual(result.stderr.count(b"\n"), len(paths))


class Clocks(Failing):
    INSIDE, OUTSIDE = sample("natc-inside.pcapng"), sample("natc-outside.pcapng")

    def compare(self, outside, *words):
        return run("compare", "--format", "ndjson", *words, "--inside", self.INSIDE, "--outside", outside)

    def test_compare(self):
        expected = self.compare(self.OUTSIDE)
        self.assertEqual(expected.stderr, b"")
        with folder() as where:
            late = shifted(where / "late.pcapng", self.OUTSIDE, 3600)
            found = self.compare(late)
            self.assertRegex(found.stderr.decode(), rf"^krpcscope: {late} has the packets of {self.INSIDE} 3600\.0\d\d s later "
                             r"\(median of \d+\): the clocks differ, and --shift \S+=-3600\.0\d\d corrects it\n$")
            self.assertEqual(found.stdout.count(b'"pair"'), expected.stdout.count(b'"pair"')) # found at that difference
            said = found.stderr.decode().split("--shift ")[1].split()[0]
            self.assertEqual(self.compare(late, "--shift", said).stdout.count(b'"pair"'), expected.stdout.count(b'"pair"'))
            corrected = self.compare(late, "--shift", "late.pcapng=-3600")
            self.assertEqual((corrected.stdout, corrected.stderr), (expected.stdout, b""))
            early = shifted(where / "early.pcapng", self.OUTSIDE, -0.9)
            self.assertIn(f"--shift {self.INSIDE}=-0.".encode(), self.compare(early).stderr)

    def test_merge(self):
        with folder() as where:
            late = shifted(where / "late.pcapng", self.OUTSIDE, 12.5)
            found = run("check", "--quiet", "--merge", self.INSIDE, late)
            self.assertIn(b"12.5", found.stderr)
            self.assertEqual(found.stderr.count(b"\n"), 1)
            self.assertEqual(run("check", "--quiet", "--merge", "--shift", f"{late}=-12.5", self.INSIDE, late).stderr, b"")
            self.assertEqual(run("check", "--quiet", "--merge", self.INSIDE, sample("bep5.pcapng")).stderr, b"")

    def test_wrong_values(self):
        for value in ("3", "=3", "x=", "x=3s", "x=1e300", "x=nan"):
            self.fails("check", "--shift", value, self.INSIDE, says=f"--shift {value}: it takes FILE=SECONDS")
        self.fails("check", "--quiet", "--shift", "other.pcap=3", self.INSIDE, says="--shift other.pcap=3: no capture has this name")


if __name__ == "__main__":
    unittest.main()
