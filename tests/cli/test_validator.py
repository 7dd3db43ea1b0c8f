#!/usr/bin/env python3
"""test_validator.py: the promises of the command line, on every sample.

Records fit validator/schema.json, encode undoes decode, two threads print what one does, the reports are well-formed,
every failure is one clear line and exit status 2, and --write writes the frames with findings.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import struct
import sys
import tempfile
import unittest

from krpcscope_cli import (CAPTURES, FRAME_DUMP, SOURCE, Checker, Failing, by_severities, dump, dump_each, findings, folder, links, of_each,
                           out, records, run, sample, write_links)

try:
    import jsonschema
except ImportError:
    jsonschema = None


class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = json.loads((SOURCE / "validator" / "schema.json").read_text())
        cls.own = Checker(cls.schema)
        cls.library = jsonschema and jsonschema.Draft202012Validator(cls.schema)

    def fits(self, words):
        seen = set()
        for record in records(*words):
            self.own.check(record, self.schema, record["type"])
            # The library is thorough but slow: it sees one of each kind.
            kind = (record["type"], tuple(sorted(record)))
            if self.library and kind not in seen:
                seen.add(kind)
                self.library.validate(record)

    def test_schema_is_a_schema(self):
        if jsonschema:
            jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_every_record_of_every_capture(self):
        for command in ("check", "decode", "ports", "nodes", "reach"):
            with self.subTest(command=command):
                self.fits([command, "--format", "ndjson", *CAPTURES])
                self.fits([command, "--format", "ndjson", sample("natc-inside.pcapng")])

    def test_rules_and_several_files(self):
        self.fits(["rules", "--format", "ndjson"])
        self.fits(["explain", "--format", "ndjson", "krpc.wrong-type"])
        self.fits(["explain", "--format", "ndjson", "krpc.unsolicited-response"])
        self.fits(["explain", "--format", "ndjson", sample("malformed.pcapng"), 2])
        self.fits(["explain", "--format", "ndjson", sample("peer-wire.pcapng"), 1])
        self.fits(["nodes", "--merge", "--format", "ndjson", *CAPTURES])

    def test_compare(self):
        sides = [p for p in CAPTURES if "inside" in p.name]
        for inside in sides:
            outside = inside.with_name(inside.name.replace("inside", "outside"))
            if outside.exists():
                self.fits(["compare", "--format", "ndjson", "--inside", inside, "--outside", outside])

    def test_hex(self):
        self.fits(["decode", "--format", "ndjson", "--hex", b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe".hex()])


class RoundTrip(unittest.TestCase):
    def test_encode_undoes_decode(self):
        if not FRAME_DUMP.exists():
            self.skipTest("frame_dump was not built")
        decoded = out("decode", "--format", "ndjson", *CAPTURES)
        messages = [json.loads(line) for line in decoded.splitlines()]
        encoded = run("encode", input=decoded).stdout.decode().splitlines()
        self.assertEqual(len(messages), len(encoded))
        dumped = {str(capture): frames for capture, frames in dump_each(CAPTURES).items()}
        for message, text in zip(messages, encoded):
            fields = dumped[message["file"]][message["frame"]]
            self.assertEqual((fields[2], fields[8]), ("udp", text), (message["file"], message["frame"]))

    def test_without_raw(self):
        """Canonical messages come back from their members alone, in whatever order these are."""
        canonical = [r for r in records("decode", "--format", "ndjson", *CAPTURES) if "raw" not in r]
        lines = "".join(json.dumps(dict(reversed(r.items()))) + "\n" for r in canonical).encode()
        plain = "".join(json.dumps(r) + "\n" for r in canonical).encode()
        self.assertGreater(len(canonical), 100)
        self.assertEqual(run("encode", input=lines).stdout, run("encode", input=plain).stdout)

    def test_raw_bytes(self):
        message = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
        line = out("decode", "--format", "ndjson", "--hex", message.hex())
        self.assertEqual(run("encode", "--raw", input=line).stdout, message)

    def test_bad_lines(self):
        result = run("encode", input=b'{"type":"message","a":{"port":"x"}}\nnonsense\n{"type":"finding"}\n')
        self.assertEqual((result.returncode, result.stdout, result.stderr.count(b"\n")), (2, b"", 2))
        self.assertIn(b"standard input:2:", result.stderr)


class Threads(unittest.TestCase):
    def test_two_print_what_one_prints(self):
        for words in (["check"], ["decode", "--format", "ndjson"], ["ports"], ["nodes", "--format", "ndjson"],
                      ["check", "--format", "sarif"], ["check", "--merge"], ["check", "--each"]):
            with self.subTest(words=words):
                one, two = run(*words, "--threads", 1, *CAPTURES), run(*words, "--threads", 2, *CAPTURES)
                self.assertEqual(one.stdout, two.stdout)
                self.assertEqual(one.returncode, two.returncode)


class Reports(unittest.TestCase):
    def test_each(self):
        lines = out("check", "--each", *CAPTURES).decode().splitlines()
        found = [f for f in records("check", "--format", "ndjson", *CAPTURES) if f["type"] == "finding"]
        self.assertEqual(lines, [f"{f['file']}:{f['frame']}:{f['offset']}: {f['severity']}: {f['rule']}: {f['message']}" for f in found])

    def test_frames_of_several_files(self):
        """The first six frames of each rule, with the file's name where it changes."""
        some = [sample("swapped-values.pcapng"), sample("bep5.pcapng")]
        found = {}
        for capture in some:
            for finding in findings(capture):
                found.setdefault(finding["rule"], []).append((str(capture), finding["frame"]))
        text = " ".join(out("check", *some).decode().split())
        self.assertTrue(any(len(frames) > 6 for frames in found.values()))
        self.assertTrue(any(len({name for name, _ in frames[:6]}) == 2 for frames in found.values()))
        for rule, frames in found.items():
            before, parts = None, []
            for name, frame in frames[:6]:
                parts.append(f"{frame}" if name == before else f"{name}:{frame}")
                before = name
            more = ", ..." if len(frames) > 6 else ""
            self.assertRegex(text, rf"{re.escape(rule)} {len(frames)} times? .*?frames? {re.escape(', '.join(parts) + more)}")

    def test_versions_of_one_name(self):
        """rTorrent writes 0.13.8 in two ways."""
        make = links()
        ping = lambda v: b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:v4:" + v + b"1:y1:qe"
        with folder() as where:
            messages = [ping(b"lt\x0d\x80")] * 2 + [ping(b"lt\x0d\x08")] * 3 + [ping(b"LT\2\0")]
            (where / "x.pcap").write_bytes(make.pcap(make.ETHERNET, [
                make.ethernet(make.message(make.A4, make.B4, 1000, 2000 + n, m)) for n, m in enumerate(messages)]))
            summary = records("check", "--format", "ndjson", where / "x.pcap")[-1]
            self.assertEqual(summary["clients"], {"rTorrent libTorrent 0.13.8": 5, "libtorrent 2.0.0": 1})
            self.assertIn(b"messages from rTorrent libTorrent 0.13.8 (5), libtorrent 2.0.0 (1)\n", out("check", where / "x.pcap"))

    def test_fail_on(self):
        for severities, capture in by_severities().items():
            for level, counted in (("note", {"note", "warn", "error"}), ("warn", {"warn", "error"}), ("error", {"error"})):
                for quiet in ([], ["--quiet"]):
                    result = run("check", "--fail-on", level, *quiet, capture)
                    self.assertEqual(result.returncode, 1 if severities & counted else 0, (capture.name, level))
                    self.assertFalse(quiet and result.stdout)

    def test_terminal_safe(self):
        """Control characters that a message holds never reach the terminal."""
        for words in (["check"], ["check", "--each"], ["decode", "--verbose"], ["ports"], ["nodes"]):
            text = out(*words, *CAPTURES)
            self.assertFalse(re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", text), words)
            text.decode()


class Explain(unittest.TestCase):
    def test_every_rule(self):
        for rule in records("rules", "--format", "ndjson"):
            text = out("explain", rule["rule"]).decode()
            self.assertIn(rule["severity"], text)
            self.assertIn(rule["spec"], text)
            self.assertIn(rule["explanation"].split(" ")[-1], text)
            self.assertEqual(text.count("\nExample:"), 1, rule["rule"])
            example = text[text.index("\nExample:"):]
            self.assertRegex(example, r"\n  0000  ([0-9a-f]{2} )+")
            (place,) = re.findall(rf"\n  1 {rule['severity']} {re.escape(rule['rule'])}: .*\n$", example)
            marked = re.search(r"\(bytes? (\d+)(?: to (\d+))?\) \[", place)
            if marked:
                first, last = int(marked[1]), int(marked[2] or marked[1])
                self.assertEqual(len(re.findall(r"1\^", example)), last - first + 1, rule["rule"])
            else:
                self.assertNotIn("1^", example)

    def test_every_rule_as_a_record(self):
        single = {}
        for rule in records("rules", "--format", "ndjson"):
            self.assertNotIn("{", rule["message"])
            text = out("explain", rule["rule"]).decode()
            self.assertIn(rule["message"], " ".join(text.split()))
            (record,) = records("explain", "--format", "ndjson", rule["rule"])
            example = record.pop("example")
            self.assertEqual(record, rule)
            what = text[text.index("\nExample:") + 9:text.index("\n  0000")]
            self.assertEqual(example.get("what", "").split(), what.split())
            self.assertEqual(example["payload"], "".join(re.findall(r"(?m)^  [0-9a-f]{4}  ((?:[0-9a-f]{2} )+)", text)).replace(" ", ""))
            self.assertGreater(len(example["findings"]), 0)
            for number, finding in enumerate(example["findings"], 1):
                first, last = finding["offset"], finding["offset"] + finding["length"] - 1
                place = f" (byte {first})" if finding["length"] == 1 else f" (bytes {first} to {last})" if finding["length"] else ""
                self.assertIn(f"\n  {number} {rule['severity']} {rule['rule']}: {finding['message']}{place} [{rule['spec']}]\n", text)
            if "what" not in example:
                single[rule["rule"]] = example
        self.check_single(single)

    def check_single(self, examples):
        """An example without an explanation is a message that breaks the rule by itself, in a capture too."""
        self.assertGreater(len(examples), 50)
        make = links()
        messages = [make.message(make.A4, make.B4, 6881, 2000 + n, bytes.fromhex(e["payload"])) for n, e in enumerate(examples.values())]
        found = collections.defaultdict(list)
        with folder() as where:
            (where / "x.pcap").write_bytes(make.pcap(make.ETHERNET, [make.ethernet(m) for m in messages]))
            for f in findings("--decode-as", "udp.port==6881", where / "x.pcap"):
                found[f["frame"], f["rule"]].append({key: f[key] for key in ("message", "offset", "length")})
        for frame, (rule, example) in enumerate(examples.items(), 1):
            self.assertEqual(found[frame, rule], example["findings"], rule)

    def test_a_frame(self):
        capture = sample("malformed.pcapng")
        findings = [r for r in records("check", "--format", "ndjson", capture) if r["type"] == "finding"]
        for finding in findings:
            text = out("explain", capture, finding["frame"]).decode()
            self.assertIn(finding["rule"], text)
            self.assertIn(finding["message"], text)

    def test_a_frame_as_records(self):
        for name in ("malformed", "peer-wire", "quoted-in-icmp", "proposal-p"):
            capture = sample(f"{name}.pcapng")
            messages = {r["frame"]: r for r in records("decode", "--format", "ndjson", capture)}
            found = collections.defaultdict(list)
            for finding in findings(capture):
                found[finding["frame"]].append(finding)
            for frame in sorted(set(messages) | set(found))[:40]:
                own = records("explain", "--format", "ndjson", capture, frame)
                message = messages.get(frame)
                if message:
                    self.assertEqual(own.pop(0), message)
                payload = own.pop(0)
                self.assertEqual(own, found[frame])
                self.assertEqual((payload["type"], payload["frame"]), ("payload", frame))
                for key in ("timestamp", "src_ip", "src_port", "dest_ip", "dest_port", "proto"):
                    self.assertEqual({r[key] for r in [payload, *own]}, {payload[key]})
                text = out("explain", capture, frame).decode()
                self.assertEqual(payload["payload"], "".join(re.findall(r"(?m)^  [0-9a-f]{4}  ((?:[0-9a-f]{2} )+)", text)).replace(" ", ""))
                size = len(payload["payload"]) // 2
                self.assertIn(f"{payload['proto']} payload of frame {frame}, {size} byte{'s'[size == 1:]}:\n", text)

    def test_what_is_not_there(self):
        for words in (["explain", "no.such-rule"], ["explain", sample("bep5.pcapng"), "99999"],
                      ["explain", sample("bep5.pcapng"), "0"], ["explain", sample("bep5.pcapng"), "x"]):
            result = run(*words)
            self.assertEqual((result.returncode, result.stdout, result.stderr.count(b"\n")), (2, b"", 1), words)
        self.assertIn(b"unknown rule", run("explain", "no.such-rule").stderr)
        self.assertIn(b"explain CAPTURE FRAME", run("explain", sample("bep5.pcapng")).stderr)
        self.assertIn(b"no frame 13; the last frame is 12", run("explain", sample("bep5.pcapng"), 13).stderr)
        self.assertEqual(run("explain", sample("bep5.pcapng"), 12).returncode, 0)
        make = links()
        with folder() as where:
            (where / "x.pcap").write_bytes(make.pcap(make.ETHERNET, [make.ethernet(b"arp", 0x0806)]))
            self.assertIn(b"frame 1 has no UDP", run("explain", where / "x.pcap", 1).stderr)


class Selection(unittest.TestCase):
    def test_filters(self):
        capture = sample("bep5.pcapng")
        messages = records("decode", "--format", "ndjson", capture)
        first = messages[0]
        picked = records("decode", "--format", "ndjson", "--node", f"{first['src_ip']}:{first['src_port']}", capture)
        self.assertEqual(picked, [m for m in messages if (first["src_ip"], first["src_port"]) in
                                  ((m["src_ip"], m["src_port"]), (m["dest_ip"], m["dest_port"]))])
        picked = records("decode", "--format", "ndjson", "--filter", f"src port {first['src_port']}", capture)
        self.assertEqual([m["frame"] for m in picked], [m["frame"] for m in messages if m["src_port"] == first["src_port"]])
        self.assertEqual(records("decode", "--format", "ndjson", "--client", "no such client", capture), [])

    def test_max_nodes(self):
        """Each node beyond the limit is counted, and the user is told. A node that was dropped must not speak again: which one
        is dropped depends on the key of the tables, and it would count once more."""
        make, num = links(), 17
        with folder() as where:
            capture = where / "x.pcap"
            capture.write_bytes(make.pcap(make.RAW, [make.message(f"198.51.100.{n + 1}", "203.0.113.7", 6881, 6881, make.PING)
                                                     for n in range(num)]))
            for most, dropped in ((num, 0), (num - 1, 1)):
                said = records("check", "--format", "ndjson", "--max-nodes", most, capture)[-1]
                self.assertEqual((said["nodes"]["total"], said["dropped"]["nodes"]), (most, dropped))
                told = re.findall(r"^  dropped +(.*)$", out("check", "--max-nodes", most, capture).decode(), flags=re.M)
                self.assertEqual(told, ["1 node (see --max-nodes)"] if dropped else [])

    def test_filter_on_every_link(self):
        """As in tcpdump, a filter names the tags before an IP header, and does not see into tunnels."""
        ports = {"vlan": "vlan and udp port 6881", "qinq": "vlan and vlan and udp port 6881", "pppoe": "pppoes and udp port 6881",
                 "mpls": "mpls and mpls and udp port 6881"}
        plain = ("ethernet", "sll", "sll2", "raw", "null-little-endian", "null-big-endian", "loop", "ppp", "ppp-hdlc", "chdlc",
                 "pppoe-alone", "ipv4-options", "nanoseconds", "big-endian", "interfaces.pcapng", "snoop.snoop", "erf.erf")
        with folder() as where:
            paths = write_links(where, lambda name: name in plain or name in ports)
            captures = list(paths.values())
            everything = of_each(captures, "decode")
            on_plain = of_each([paths[name] for name in plain], "decode", "--filter", "udp port 6881")
            for name, path in paths.items():
                with self.subTest(name=name):
                    self.assertTrue(everything[path])
                    mine = on_plain[path] if name in plain else records("decode", "--format", "ndjson", "--filter", ports[name], path)
                    self.assertEqual(mine, everything[path])
            self.assertEqual(records("decode", "--format", "ndjson", "--filter", "udp port 6880", *captures), [])
            total = records("check", "--format", "ndjson", "--filter", "udp port 6880", *captures)[-1]["packets"]
            self.assertEqual(total["filtered"], total["total"])
            self.assertEqual(len(paths), len(plain) + len(ports))


class Endace(unittest.TestCase):
    """Each ERF record names the type of its frame."""

    def test_types(self):
        make = links()
        ip = make.message(make.A4, make.B4, 6881, 6882, make.PING)
        six = make.message(make.A6, make.B6, 6881, 6882, make.PING)
        frames = [(2, b"\0\0" + make.ethernet(ip)), (11, b"\0\0" + make.ethernet(six)), (16, b"\0\0" + make.ethernet(ip)),
                  (20, b"\0\0" + make.ethernet(ip)), (1, b"\xff\x03" + make.ppp(ip)), (22, ip), (23, six), (5, ip)]
        with folder() as where:
            for n, (kind, body) in enumerate(frames):
                record = make.struct.pack("<Q", make.TIME << 32) + make.struct.pack(">BBHHH", kind, 4, 16 + len(body), 0, len(body)) + body
                path = where / f"{n}.erf"
                path.write_bytes(record * 3)
                found = records("decode", "--format", "ndjson", path)
                self.assertEqual([m["q"] for m in found], ["ping"] * 3 if kind != 5 else [], kind)
                packets = records("check", "--format", "ndjson", path)[-1]["packets"]
                self.assertEqual((packets["udp"], packets["unsupported"]), (0, 3) if kind == 5 else (3, 0), kind)


class Merge(unittest.TestCase):
    def test_by_time(self):
        """A capture whose packets are dealt out to two files is whole again when they are merged, in either order."""
        make = links()
        with folder() as where:
            frames = [make.ethernet(f) for f in make.exchange(make.A4, make.B4) * 8]
            times = [make.TIME + n for n in range(len(frames))]
            def pcap(name, picked):
                body = make.pcap(make.ETHERNET, [])
                for n in picked:
                    body += make.struct.pack("<IIII", times[n], 0, len(frames[n]), len(frames[n])) + frames[n]
                (where / name).write_bytes(body)
            pcap("whole.pcap", range(16))
            pcap("a.pcap", [n for n in range(16) if n % 3])
            pcap("b.pcap", range(0, 16, 3))
            (whole,) = (records("check", "--format", "ndjson", where / "whole.pcap")[-1:])
            for names in (("a.pcap", "b.pcap"), ("b.pcap", "a.pcap")):
                paths = [where / n for n in names]
                times_seen = [r["timestamp"] for r in records("decode", "--format", "ndjson", "--merge", *paths)]
                self.assertEqual(times_seen, sorted(times_seen))
                self.assertEqual(len(times_seen), 16)
                merged = records("check", "--format", "ndjson", "--merge", *paths)[-1]
                for name in ("packets", "messages", "findings", "nodes", "duration_s"):
                    self.assertEqual(merged[name], whole[name], name)
                one_by_one = records("check", "--format", "ndjson", *paths)[-1]
                self.assertNotEqual(one_by_one["messages"]["matched"], whole["messages"]["matched"])
                counts = {"a.pcap": 10, "b.pcap": 6}
                self.assertEqual([r["file"] for r in records("decode", "--format", "ndjson", *paths)],
                                 [str(path) for path in paths for _ in range(counts[path.name])])


class DecodeAs(unittest.TestCase):
    def adverts(self, frames, *words):
        make = links()
        with folder() as where:
            (where / "a.pcap").write_bytes(make.pcap(make.ETHERNET, [make.ethernet(f) for f in frames]))
            return [(r["frame"], r["advertised_port"]) for r in records("ports", "--format", "ndjson", *words, where / "a.pcap")
                    if r["channel"] == "port_message"]

    def test_tcp(self):
        """A connection whose start is not in the capture: one PORT message, and later two messages in a row."""
        make = links()
        noise = bytes(range(1, 256)) * 5
        port = lambda n: b"\0\0\0\x03\x09" + n.to_bytes(2, "big")
        payloads = [port(6881)] + [noise] * 60 + [b"??" + port(6882) + port(6883)]
        frames, seq = [], 77
        for payload in payloads:
            frames.append(make.ipv4(make.A4, make.B4, make.TCP, make.tcp(make.A4, make.B4, 7000, 50000, seq, 1, 0x18, payload)))
            seq += len(payload)
        self.assertEqual(self.adverts(frames), [])
        both = [(1, 6881), (len(frames), 6882), (len(frames), 6883)]
        for rule in ("tcp.port==7000", "tcp.port==50000", "tcp.port==7000,bittorrent"):
            self.assertEqual(self.adverts(frames, "--decode-as", rule), both, rule)
        self.assertEqual(self.adverts(frames, "-d", "tcp.port==1", "-d", "tcp.port==7000"), both)
        for rule in ("tcp.port==7001", "udp.port==7000"):
            self.assertEqual(self.adverts(frames, "--decode-as", rule), [], rule)

    def test_udp(self):
        """A dictionary that is not recognized as KRPC, on either end's port."""
        make = links()
        with folder() as where:
            frame = make.ethernet(make.message(make.A4, make.B4, 7000, 8000, b"d3:foo3:bare"))
            (where / "a.pcap").write_bytes(make.pcap(make.ETHERNET, [frame]))
            for words, num in (([], 0), (["-d", "udp.port==7000"], 1), (["-d", "udp.port==8000,krpc"], 1),
                               (["-d", "udp.port==7001"], 0), (["-d", "tcp.port==7000"], 0)):
                self.assertEqual(len(records("decode", "--format", "ndjson", *words, where / "a.pcap")), num, words)


class Failures(Failing):
    def test_options(self):
        some = sample("bep5.pcapng")
        for words, says in ((["--frob", some], "--frob"), (["--format", "xml", some], "xml"), (["decode"], "--hex"),
                            (["ports", "--format", "sarif", some], "ports"), (["check", "--fail-on", "x", some], "x"),
                            (["--threads", "9", some], "9"), (["--decode-as", "sctp.port==1", some], "sctp"),
                            (["--decode-as", "udp.port==65536", some], "65536"), (["--decode-as", "udp.port==", some], "udp.port=="),
                            (["--decode-as", "udp.port==53,dns", some], "dns"), (["--decode-as", "tcp.port==1,krpc", some], "bittorrent"),
                            (["-d", "udp.port==1"] * 17 + [some], "at most 16"), (["check", "--node", "1.2.3.4", some], "--node"),
                            (["--anonymize", "", some], "--anonymize"), (["--max-nodes", "-1", some], "--max-nodes"),
                            (["--threads", "x", some], "threads"), (["--port", "1", some], "--port"),
                            (["rules", some], str(some)), (["explain"], "SLUG"), (["encode", some, some], str(some)),
                            (["frobnicate"], "frobnicate"), (["--output"], "output"), (["check"], "CAPTURE"), (["check", "--"], "CAPTURE"), (["decode", "--hex", "64", some], "--hex"), (["decode", "--hex", "6465", "--anonymize", "x"], "no effect"),
                            (["decode", "--hex", "6465", "--port", "0"], "no effect"), (["decode", "--hex", "6465", "--node", "1.2.3.4"], "no effect"),
                            (["decode", "--hex", "6465", "--client", "x"], "no effect"), (["decode", "--hex", "6465", "--merge"], "no effect"),
                            (["decode", "--hex", "6465", "--info-hash", "0" * 40], "no effect"),
                            (["explain", "bencode.cut", "--filter", "udp"], "no effect"),
                            (["explain", "bencode.cut", "--decode-as", "udp.port==1"], "no effect"),
                            (["explain", "bencode.cut", "--max-nodes", "1"], "no effect"),
                            (["nodes", "--node", "999.1.1.1", some], "999"), (["compare", "--inside", some], "--outside"),
                            (["decode", "--hex", "d1z"], "hex"), (["decode", "--hex", "d1:a"], "hex"),
                            (["--filter", "udp prt 1", some], "udp prt 1"), (["--color", "blue", some], "blue"),
                            (["ports", "--port", "65536", some], "65536"), (["ports", "--port", "-1", some], "-1"), (["ports", "--info-hash", "12", some], "12"),
                            (["--each", "--format", "ndjson", some], "--each"), (["encode", "/nonexistent"], "/nonexistent")):
            with self.subTest(words=words):
                self.assertEqual(self.fails(*words, says=says).stdout, b"")

    def test_names_with_a_dash(self):
        """An argument after -- is a capture even if it starts with a dash; without a capture there are examples."""
        with folder() as where:
            (where / "--quiet").write_bytes(sample("bep5.pcapng").read_bytes())
            self.assertEqual(run("check", "--", "--quiet", cwd=where).stdout.count(b"--quiet"), 1)
            self.assertEqual(run("check", "--quiet", "--", "--quiet", cwd=where).stdout, b"")
        for words in ([], ["--"]):
            result = run(*words)
            self.assertEqual((result.returncode, result.stdout), (2, b""))
            self.assertTrue(result.stderr.startswith(b"Examples:"))
            self.assertIn(b"no capture given", result.stderr)

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            whole = sample("bep5.pcapng").read_bytes()
            (folder / "empty").write_bytes(b"")
            (folder / "cut").write_bytes(whole[:-7])
            (folder / "foreign").write_text("this is no capture\n" * 99)
            (folder / "folder").mkdir()
            good = json.loads(out("check", "--format", "ndjson", sample("bep5.pcapng")).splitlines()[-1])
            for bad, says in (("missing", "missing"), ("empty", "empty"), ("cut", "cut"), ("foreign", "not a capture"),
                              ("folder", "no captures in this directory"), ("x*", "no file matches")):
                with self.subTest(bad=bad):
                    # The other file is processed too, before it and after it.
                    for words in ([folder / bad, sample("bep5.pcapng")], [sample("bep5.pcapng"), folder / bad]):
                        result = self.fails("check", "--format", "ndjson", *words, says=says)
                        self.assertIn(str(folder / bad).encode(), result.stderr)
                        summary = json.loads(result.stdout.splitlines()[-1])
                        self.assertGreaterEqual(summary["messages"]["total"], good["messages"]["total"])

    def test_nothing_in_it(self):
        make = links()
        with folder() as where:
            (where / "a.pcap").write_bytes(make.pcap(make.ETHERNET, []))
            lines = [line.split(None, 1) for line in out("check", where / "a.pcap").decode().splitlines()[1:]]
            self.assertEqual(lines, [["packets", "none"], ["DHT", "no messages"], ["nodes", "none"], ["findings", "none"]])
            for command, text in (("ports", b"No port was advertised.\n"), ("nodes", b"No DHT nodes found.\n"), ("decode", b"")):
                self.assertEqual(out(command, where / "a.pcap"), text)
                self.assertEqual(out(command, "--format", "ndjson", where / "a.pcap"), b"")

    def test_nothing_half_written(self):
        with tempfile.TemporaryDirectory() as folder:
            target = pathlib.Path(folder) / "out.json"
            out("check", "--format", "ndjson", "-o", target, sample("bep5.pcapng"))
            self.assertEqual(target.read_bytes(), out("check", "--format", "ndjson", sample("bep5.pcapng")))
            self.assertEqual(os.listdir(folder), ["out.json"])
            self.fails("check", "-o", pathlib.Path(folder) / "no" / "such", sample("bep5.pcapng"), says="such")
            self.fails("check", "--write", pathlib.Path(folder) / "no" / "such", sample("bep5.pcapng"), says="such")
            self.assertEqual(os.listdir(folder), ["out.json"])

    def test_standard_input(self):
        capture = sample("bep5.pcapng")
        self.assertEqual(run("decode", "-", input=capture.read_bytes()).stdout, out("decode", capture))


class Write(unittest.TestCase):
    def test_frames_with_findings(self):
        """Of each capture, in order, every frame that has a finding; its comment names the frame and holds its findings."""
        found = of_each(CAPTURES, "check")
        frames = [(capture.name, frame) for capture in CAPTURES for frame in sorted({f["frame"] for f in found[capture]})]
        with folder() as where:
            written = where / "w.pcapng"
            out("check", "--quiet", "--write", written, *CAPTURES)
            again = records("check", "--format", "ndjson", written)[-1]
            self.assertEqual(again["packets"]["total"], len(frames))
            data = written.read_bytes()
            for capture in CAPTURES:
                for f in found[capture]:
                    self.assertIn(f"{f['severity']} {f['rule']}: {f['message']}".encode(), data, capture.name)
            self.assertEqual(self.comments(data), [f"frame {frame} of {name}" for name, frame in frames])
            self.shown_by_tshark(written, frames)

    def comments(self, data):
        """The first line of the comment of each packet of a pcapng file, in this machine's byte order."""
        found, at = [], 0
        while at < len(data):
            kind, size = struct.unpack_from("=II", data, at)
            if kind == 6:
                option = at + 28 + (struct.unpack_from("=I", data, at + 20)[0] + 3) // 4 * 4
                code, length = struct.unpack_from("=HH", data, option)
                self.assertEqual(code, 1)
                found.append(data[option + 4:option + 4 + length].decode().partition("\n")[0])
            at += size
        return found

    def shown_by_tshark(self, written, frames):
        tshark = os.environ.get("TSHARK")
        if tshark:
            result = subprocess.run([tshark, "-r", written, "-T", "fields", "-e", "frame.comment"], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, check=True)
            told = [line for line in result.stdout.decode(errors="replace").splitlines() if line.startswith("frame ")]
            self.assertEqual(len(told), len(frames))
            for line, (name, frame) in zip(told, frames):
                self.assertTrue(line.startswith(f"frame {frame} of {name}"), line)

    def test_every_link(self):
        """What is written is read again as the same frames of the same link types."""
        with folder() as where:
            paths = write_links(where)
            written = where / "w.pcapng"
            out("check", "--quiet", "--write", written, *paths.values())
            found, before, after = of_each(list(paths.values()), "check"), dump_each(paths.values()), dump(written)
            number = 0
            for name, path in paths.items():
                for frame in sorted({r["frame"] for r in found[path]}):
                    number += 1
                    # of a datagram in fragments, only the last one is there
                    if before[path][frame][1] == "datagram" and not name.startswith("fragment"):
                        self.assertEqual(after[number][1:], before[path][frame][1:], (name, frame))
            self.assertEqual(len(after), number)

    def test_many_findings(self):
        """More findings than a comment can hold: the file has every frame."""
        make = links()
        keys = b"".join(b"1:%c" % (0x7a - n % 26) + b"i01e" for n in range(1500))
        message = b"d1:ad2:id20:abcdefghij0123456789" + keys + b"e1:q4:ping1:t2:aa1:y1:qe"
        frames = [make.ethernet(make.message(make.A4, make.B4, 1000, 2000, m)) for m in (message, make.PING)]
        with folder() as where:
            (where / "x.pcap").write_bytes(make.pcap(make.ETHERNET, frames))
            out("check", "--quiet", "--write", where / "w.pcapng", where / "x.pcap")
            self.assertGreater(len([r for r in records("check", "--format", "ndjson", where / "x.pcap")]), 1500)
            self.assertEqual({n: f[1:] for n, f in dump(where / "w.pcapng").items()},
                             {n: f[1:] for n, f in dump(where / "x.pcap").items()})


if __name__ == "__main__":
    if not CAPTURES:
        sys.exit("no captures to test with")
    unittest.main()
