#!/usr/bin/env python3
"""test_anonymize.py: nothing of the originals is left under --anonymize, and everything else is as it was.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import base64
import ipaddress
import json
import pathlib
import re
import sys
import tempfile
import unittest

from command import CAPTURES, findings, folder, links, out, records, run, sample


class Anonymize(unittest.TestCase):
    def originals(self, capture):
        """Every address and every id of a capture, as text and as bytes."""
        addresses, ids = set(), set()

        def walk(value):
            if isinstance(value, dict):
                for key, item in value.items():
                    if key in ("ip", "src_ip", "dest_ip", "observed_ip") and isinstance(item, str):
                        addresses.add(item)
                    elif key in ("id", "target", "info_hash", "node_id") and isinstance(item, str) and len(item) == 40:
                        ids.add(item)
                    walk(item)
            elif isinstance(value, list):
                for item in value:
                    if isinstance(item, str) and re.fullmatch("[0-9a-f]{40}", item):
                        ids.add(item)
                    walk(item)

        for command in ("decode", "ports", "nodes"):
            for record in records(command, "--format", "ndjson", capture):
                record.pop("raw", None)
                walk(record)
        keep = lambda a: a.is_multicast or a.is_loopback or a.is_unspecified or int(a) >> (a.max_prefixlen - 8) in (0, 255)
        addresses = {a for a in addresses if not keep(ipaddress.ip_address(a))}
        return addresses, {i for i in ids if set(i) != {"0"}}

    def test_nothing_is_left(self):
        for capture in CAPTURES:
            with self.subTest(capture=capture.name), tempfile.TemporaryDirectory() as folder:
                addresses, ids = self.originals(capture)
                written = pathlib.Path(folder) / "w.pcapng"
                key = ["--anonymize", "a key for this test"]
                text = out("check", *key, "--quiet", "--write", written, capture)
                for words in (["check"], ["check", "--format", "html"], ["decode"], ["decode", "--verbose"],
                              ["decode", "--format", "ndjson"], ["ports", "--format", "ndjson"], ["nodes", "--format", "ndjson"],
                              ["ports"], ["nodes"], ["check", "--format", "eve"], ["check", "--format", "sarif"]):
                    text += out(*words, *key, capture)
                text = text.replace(str(capture).encode(), b"")
                raw = written.read_bytes()
                for address in addresses:
                    pattern = rb"(?<![0-9a-f.:])" + re.escape(address.encode()) + rb"(?![0-9a-f.:]*[0-9a-f])"
                    self.assertIsNone(re.search(pattern, text), address)
                    self.assertNotIn(ipaddress.ip_address(address).packed, raw, address)
                for one in ids:
                    self.assertNotIn(one.encode(), text)
                    self.assertNotIn(bytes.fromhex(one), raw, one)

    def test_same_verdicts(self):
        for capture in CAPTURES:
            for command, members in (("check", ("frame", "rule", "offset", "length", "message")),
                                     ("ports", ("frame", "channel", "advertised_port", "verdict", "honoured"))):
                plain, anonymous = (
                    [tuple(r.get(m) for m in members) for r in records(command, "--format", "ndjson", *more, capture)]
                    for more in ([], ["--anonymize", "k"]))
                self.assertEqual(plain, anonymous, (capture.name, command))

    def test_same_findings_in_what_is_written(self):
        """Those that one message can tell, and that are not about ids and addresses."""
        of_several = ("krpc.retransmission", "krpc.wrong-t-length", "krpc.unsolicited-response", "krpc.duplicate-response",
                      "krpc.late-response", "krpc.incomplete-response", "krpc.read-only-answers")

        def told(capture, frames=None):
            return {(frames[f["frame"] - 1] if frames else f["frame"], f["rule"], f["offset"], f["length"]) for f in findings(capture)
                    if f["rule"].split(".")[0] in ("bencode", "krpc") and f["rule"] not in of_several}

        for capture in CAPTURES:
            with self.subTest(capture=capture.name), folder() as where:
                written = where / "w.pcapng"
                out("check", "--quiet", "--anonymize", "k", "--write", written, capture)
                frames = [int(n) for n in re.findall(rb"(?s)\x01\x00..frame (\d+)\n", written.read_bytes())]
                self.assertEqual(told(written, frames), told(capture))

    def test_key(self):
        capture = sample("bep5.pcapng")
        one, same, other = (out("decode", "--anonymize", key, capture) for key in ("a", "a", "b"))
        self.assertEqual(one, same)
        self.assertNotEqual(one, other)
        self.assertEqual(run("decode", "--anonymize", "", capture).returncode, 2)



class Secrets:
    """A capture with something secret in every place that can hold it, and each frame has a finding."""
    ADDRESSES = ["81.2.69.142", "93.184.216.34", "145.97.39.155", "2.125.160.216", "89.160.20.112", "67.43.156.1",
                 "175.16.199.3", "202.196.224.9", "2a02:ff80::1234", "2a00:1450:4001:81b::200e"]
    IDS = [bytes(range(n, n + 20)) for n in (0x21, 0x41, 0x61, 0x81, 0xa1, 0xc1)]
    STRINGS = [b"Secret.Torrent.Name", b"-XX0001-secretpeerid", b"SecretClient/7.7", b"sEcReTtOkEn", b"secret-salt", b"secret value",
               b"secret-cookie", b"secret error for 81.2.69.142", b"secretunknown", b"secrettrailing", b"secret-dns-name", b"8005550199"]

    def __init__(self):
        make = self.make = links()
        packed = make.packed
        text = lambda b: b"%d:%s" % (len(b), b)
        src, dst, third, fourth, *_ = self.ADDRESSES
        six, other_six = self.ADDRESSES[-2:]
        ids = self.IDS
        v = b"1:v4:LT\x01\x02"
        compact = lambda a, port=6881: packed(a) + port.to_bytes(2, "big")
        node = ids[1] + compact(third)
        node6 = ids[2] + compact(six)
        self.krpc = [
            b"d1:ad2:id20:" + ids[0] + b"9:info_hash20:" + ids[3] + b"4:name19:" + self.STRINGS[0] + b"4:porti1e5:token11:" +
            self.STRINGS[3] + b"e1:q13:announce_peer1:t2:aa1:y1:qe",
            b"d2:ip6:" + compact(src) + b"1:rd2:id20:" + ids[1] + b"5:nodes26:" + node + b"6:nodes638:" + node6 + b"5:token11:" +
            self.STRINGS[3] + b"6:valuesl6:" + compact(fourth) + b"18:" + compact(other_six) + b"ee1:t2:aa1:y1:re",
            b"d1:ad2:id20:" + ids[0] + b"4:salt11:" + self.STRINGS[4] + b"1:v12:" + self.STRINGS[5] + b"e1:q3:put1:t2:ab1:y1:qe",
            b"d1:eli203e" + text(self.STRINGS[7]) + b"e1:t2:ab" + v + b"1:y1:exx" + self.STRINGS[9],
            b"d1:ad2:id20:" + ids[0] + b"6:target20:" + ids[4] + b"4:what" + text(self.STRINGS[8]) + b"e1:q9:find_node1:t2:ac1:y1:qe",
            b"d1:rd2:id20:" + ids[1] + b"7:samples40:" + ids[3] + ids[5] + b"e1:t2:ad1:y1:re",
            b"d1:ad2:id20:" + ids[0] + b"2:ip4:" + packed(third) + b"4:porti70000e2:id20:" + ids[0] + b"e1:q5:punch1:t2:ae1:y1:qe",
            b"d1:rd2:id20:" + ids[1] + b"5:nodes27:" + node + b"x6:nodes2l26:" + node + b"ee1:t2:ad1:y1:re",
            b"d1:ad2:id20:" + ids[0] + b"e1:q4:ping1:t2:ae1:y1:qe" + self.STRINGS[11],
            (b"d1:ad2:id20:" + ids[0] + b"9:info_hash20:" + ids[3] + b"4:name19:" + self.STRINGS[0])[:-3],
        ]
        ltep = (b"d4:ipv44:" + packed(third) + b"4:ipv616:" + packed(six) + b"1:md6:ut_pexi1ee1:pi6882e1:v16:" + self.STRINGS[2] +
                b"6:yourip4:" + packed(fourth) + b"e")
        pex = b"d5:added12:" + compact(third) + compact(fourth) + b"7:added.f2:\0\0e"
        message = lambda body: len(body).to_bytes(4, "big") + body
        self.wire = [b"\x13BitTorrent protocol" + b"\0" * 5 + b"\x10\0\x05" + ids[3] + self.STRINGS[1], message(b"\x14\0" + ltep),
                     message(b"\x14\x01" + pex), message(b"\x09\0\0"), message(b"\x07\0\0\0\0\0\0\0\0" + self.STRINGS[0])]
        self.src, self.dst, self.six, self.other_six = src, dst, six, other_six
        self.lsd = (b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 0\r\nInfohash: " + ids[3].hex().upper().encode() +
                    b"\r\ncookie: " + self.STRINGS[6] + b"\r\n\r\n\r\n")
        self.announce = ((0x41727101980).to_bytes(8, "big") + b"\0\0\0\1tran" + ids[3] + self.STRINGS[1] + b"\0" * 24 + b"\0\0\0\2" +
                         packed(third) + b"key!" + b"\xff\xff\xff\xff" + b"\0\0")

    def frames(self):
        make, src, dst = self.make, self.src, self.dst
        outer = self.ADDRESSES[6], self.ADDRESSES[7]
        udp = lambda a, b, payload, sport=6881, dport=6882: make.message(a, b, sport, dport, payload)
        yield from (udp(src, dst, m) for m in self.krpc)
        yield from (udp(self.six, self.other_six, m) for m in self.krpc)
        seq = 1000
        for piece in self.wire:
            yield make.ipv4(src, dst, make.TCP, make.tcp(src, dst, 6881, 50000, seq, 1, 0x18, piece))
            seq += len(piece)
        yield udp(src, "239.192.152.143", self.lsd, 6771, 6771)
        yield udp(src, dst, self.announce, 6881, 6969)
        yield make.icmp_error(dst, src, udp(src, dst, self.krpc[0]))
        for inside in (udp(src, dst, self.krpc[0]), udp(self.six, self.other_six, self.krpc[1])):
            yield make.ipv4(*outer, make.GRE, make.gre(inside))
            yield make.ipv4(*outer, make.IPIP if inside[0] >> 4 == 4 else make.IPV6, inside)
            yield make.message(*outer, 40000, 4789, make.vxlan(inside))
        yield from make.fragments4(udp(dst, src, self.krpc[1] ), 64)
        yield udp(src, dst, b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\x0f" + self.STRINGS[10] + b"\0\0\1\0\1", 5353, 53)

    def bytes_that_must_not_be_there(self):
        for address in self.ADDRESSES:
            packed = self.make.packed(address)
            yield packed
            yield packed[::-1]
            yield packed.hex().encode()
            yield address.encode()
            yield ipaddress.ip_address(address).exploded.encode()
        for secret in self.IDS + self.STRINGS:
            yield secret
            yield secret.hex().encode()
            yield secret.hex().upper().encode()
            yield base64.b32encode(secret).rstrip(b"=")


class Everywhere(unittest.TestCase):
    COMMANDS = (["check"], ["check", "--each"], ["check", "--format", "ndjson"], ["check", "--format", "sarif"],
                ["check", "--format", "junit"], ["check", "--format", "html"], ["check", "--format", "eve"], ["ports"],
                ["ports", "--verbose"], ["ports", "--format", "ndjson"], ["nodes"], ["nodes", "--verbose"],
                ["nodes", "--format", "ndjson"], ["decode"], ["decode", "--verbose"], ["decode", "--format", "ndjson"])

    def captures(self, where):
        secrets = Secrets()
        frames = list(secrets.frames())
        make = secrets.make
        (where / "x.pcap").write_bytes(make.pcap(make.ETHERNET, [make.ethernet(f) for f in frames]))
        (where / "cut.pcap").write_bytes(make.pcap(make.ETHERNET, [make.ethernet(f) for f in frames], snaplen=130))
        (where / "sll.pcap").write_bytes(make.pcap(make.SLL2, [make.struct.pack(">HHIHBB8s", make.ethertype(f), 0, 2, 1, 4, 6, b"secretma") + f
                                                               for f in frames]))
        return secrets, [where / "x.pcap", where / "cut.pcap", where / "sll.pcap"]

    def test_nothing_is_left(self):
        with folder() as where:
            secrets, captures = self.captures(where)
            plain = b"".join(out(*words, captures[0]) for words in self.COMMANDS)
            forbidden = [b for b in secrets.bytes_that_must_not_be_there()] + [b"secretma"]
            self.assertGreater(sum(b in plain for b in forbidden), 25, "without a key it is there")
            for capture in captures:
                for words in self.COMMANDS:
                    text = out(*words, "--anonymize", "k", capture)
                    for one in forbidden:
                        self.assertNotIn(one, text, (capture.name, words))
                written = where / "w.pcapng"
                out("check", "--quiet", "--anonymize", "k", "--write", written, capture)
                raw = written.read_bytes()
                for one in forbidden:
                    self.assertNotIn(one, raw, capture.name)
                self.assertNotIn(capture.name.encode(), raw)
                self.assertGreater(len(findings(written)), 20)

    def test_most_frames_are_written(self):
        """Those with findings, but for ICMP errors: their quote would have to be taken apart."""
        with folder() as where:
            secrets, (capture, *_) = self.captures(where)
            found = sorted({f["frame"] for f in findings(capture)})
            written = where / "w.pcapng"
            out("check", "--quiet", "--anonymize", "k", "--write", written, capture)
            comments = [int(n) for n in re.findall(rb"(?s)\x01\x00..frame (\d+)\n", written.read_bytes())]
            icmp = [n for n, f in enumerate(secrets.frames(), 1) if f[9] == secrets.make.ICMP]
            self.assertEqual(comments, [n for n in found if n not in icmp])

    def test_consistent(self):
        """One address is one address everywhere: in the output of each command and in what is written."""
        with folder() as where:
            secrets, (capture, *_) = self.captures(where)
            plain, hidden = ([json.loads(line) for line in out("decode", "--format", "ndjson", *key, capture).splitlines()]
                             for key in ([], ["--anonymize", "k"]))
            addresses = {}
            for a, b in zip(plain, hidden):
                for name in ("src_ip", "dest_ip"):
                    self.assertEqual(addresses.setdefault(a[name], b[name]), b[name])
                self.assertEqual([a.get(n) for n in ("t", "y", "q", "v", "src_port", "dest_port", "timestamp")],
                                 [b.get(n) for n in ("t", "y", "q", "v", "src_port", "dest_port", "timestamp")])
            self.assertEqual(len(set(addresses.values())), len(addresses))
            self.assertEqual(hidden[1]["ip"]["ip"], addresses[secrets.src])
            nodes = {n["ip"] for n in records("nodes", "--format", "ndjson", "--anonymize", "k", capture)}
            self.assertLessEqual(nodes, set(addresses.values()))
            written = where / "w.pcapng"
            out("check", "--quiet", "--anonymize", "k", "--write", written, capture)
            raw = written.read_bytes()
            self.assertIn(secrets.make.packed(addresses[secrets.src]), raw)
            self.assertIn(bytes.fromhex(hidden[0]["a"]["info_hash"]), raw)

    def test_prefixes(self):
        """Two addresses share as many bits as before."""
        make = links()
        addresses = ["81.2.69.%d" % n for n in (*range(16, 32), 130, 200)] + ["81.2.70.1", "81.200.1.1", "9.1.1.1", "130.1.1.1"]
        frames = [make.ethernet(make.message(a, "93.184.216.34", 1000, 2000, make.PING)) for a in addresses]
        with folder() as where:
            (where / "x.pcap").write_bytes(make.pcap(make.ETHERNET, frames))
            hidden = [r["src_ip"] for r in records("decode", "--format", "ndjson", "--anonymize", "k", where / "x.pcap")]
        shared = lambda a, b: 32 - (int(ipaddress.ip_address(a)) ^ int(ipaddress.ip_address(b))).bit_length()
        for i, a in enumerate(addresses):
            for j, b in enumerate(addresses):
                self.assertEqual(shared(a, b), shared(hidden[i], hidden[j]), (a, b))

    def test_checksums(self):
        """Of the new headers: right for IPv4, and none for UDP."""
        with folder() as where:
            secrets, (capture, *_) = self.captures(where)
            written = where / "w.pcapng"
            out("check", "--quiet", "--anonymize", "k", "--write", written, capture)
            data, at, num_frames = written.read_bytes(), 0, 0
            while at < len(data):
                kind, size = secrets.make.struct.unpack_from("<II", data, at)
                if kind == 6:
                    captured, sent = secrets.make.struct.unpack_from("<II", data, at + 20)
                    frame = data[at + 28:at + 28 + captured]
                    num_frames += 1
                    if frame[0] == 0x45:
                        self.assertEqual(secrets.make.checksum(frame[:20]), 0)
                        self.assertEqual(int.from_bytes(frame[2:4], "big"), sent)
                        if frame[9] == secrets.make.UDP:
                            self.assertEqual(frame[26:28], b"\0\0")
                    else:
                        self.assertEqual(frame[0], 0x60)
                        self.assertEqual(int.from_bytes(frame[4:6], "big"), sent - 40)
                at += size
            self.assertGreater(num_frames, 20)


if __name__ == "__main__":
    if not CAPTURES:
        sys.exit("no captures to test with")
    unittest.main()
