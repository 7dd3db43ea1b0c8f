#!/usr/bin/env python3
"""test_plugin.py: which packets the Wireshark plugin takes, what it shows of them, and that no packet breaks it.

RUN_TSHARK runs tshark with the plugin of PLUGIN_DIR, SAMPLES has captures, SOURCE_DIR is the tree, BUILD_DIR has tests/redissect
(redissect.c), KRPCSCOPE is the command. RANDOM_PAYLOADS says how many random payloads are tried (default 30000).
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import unittest
import xml.etree.ElementTree

from tshark_cli import (A, B, ID, OTHER, PING, PONG, SAMPLES, SOURCE, TSHARK, aggregate, capture, count, folder, frames, icmp_error,
                        ipv6, ipv4, statistics, table, tshark, udp)
from krpcscope_cli import findings, of_each

NUM_RANDOM = int(os.environ.get("RANDOM_PAYLOADS", "30000"))

HOSTILE = [
    b"", b"d", b"de", b"dd", b"d0:0:e", b"d" + b"l" * 60000, b"d" + b"d1:a" * 12000, b"d1:a" + b"l" * 300 + b"e" * 300 + b"e",
    b"d1:ad2:id99999999999:", b"d1:ad2:id20:" + ID, PING[:-1], PING + b"\0" * 900, PING + PING, PING[:40],
    b"d1:rd2:id20:" + ID + b"5:nodes%d:" % (26 * 2400) + bytes(26 * 2400) + b"e1:t2:aa1:y1:re",
    b"d1:rd2:id20:" + ID + b"5:nodes9:def456...e1:t2:aa1:y1:re",
    b"d1:rd2:id20:" + ID + b"6:valuesl" + b"6:abcdef" * 7000 + b"ee1:t2:aa1:y1:re",
    b"d1:rd2:id20:" + ID + b"6:valuesl" + b"0:" * 20000 + b"ee1:t2:aa1:y1:re",
    b"d1:rd2:id20:" + ID + b"6:nodes2l26:" + bytes(26) + b"38:" + bytes(38) + b"3:abcee1:t2:aa1:y1:re",
    b"d1:rd2:id20:" + ID + b"7:samples41:" + bytes(41) + b"e1:t2:aa1:y1:re",
    b"d1:rd4:BFpe256:" + bytes(256) + b"4:BFsd256:" + b"\xff" * 256 + b"4:BFse3:abc2:id20:" + ID + b"e1:t2:aa1:y1:re",
    b"d1:ad2:id20:" + ID + b"4:porti-99999999999999999999e1:vd1:ali1ei2eee" + b"e1:q3:put1:t2:aa1:y1:qe",
    b"d1:ad2:id20:" + ID + b"4:port4:68819:info_hashi5ee1:q13:announce_peer1:ti5e1:y1:qe",
    b"d1:ad2:id20:" + ID + b"".join(b"4:k%03d" % i + b"1:x" for i in range(900)) + b"e1:q4:ping1:t2:aa1:y1:qe",
    b"d1:ad2:id20:" + ID + b"4:wantl" + b"2:n4" * 9000 + b"ee1:q4:ping1:t2:aa1:y1:qe",
    b"d1:e4:oops1:t2:aa1:y1:ee", b"d1:eli201ee1:t0:1:y1:ee", b"d1:el1:x1:ye1:t2:aa1:y1:ee",
    b"d1:q4:\xff\xfe\x00\x801:t2:aa1:v9:\xf0\x9f\x8f\xb4\0\0\0\0\0" + b"1:ad2:id20:" + ID + b"e1:y1:qe",
    b"d2:ip5:abcde1:rd2:id20:" + ID + b"e1:t2:aa1:y1:re", b"d2:ip4:abcd1:rd2:id20:" + ID + b"e1:t2:aa1:y1:re",
    b"d2:ip18:" + bytes(18) + b"1:rd2:id20:" + ID + b"1:pi70000ee1:t2:aa1:y1:re",
    b"d1:y1:q" * 2000,
]


class Taking(unittest.TestCase):
    def test_any_order(self):
        packets = [PING, b"d1:y1:q1:q4:ping1:t2:ab1:ad2:id20:" + ID + b"ee",
                   b"d1:pi6999e1:ad2:id20:" + ID + b"e1:q4:ping1:t2:ac1:y1:qe", PONG]
        path = capture("order.pcap", [udp(A, B, p) for p in packets])
        self.assertEqual(frames(path, "krpc"), [1, 2, 3, 4])

    def test_text_is_refused(self):
        texts = [b"d2:ipsum dolor sit amet", b"d1:", b"d4:dorem ipsum", b"d8:announce3:abce", b"dolor", b"d1:xe"]
        path = capture("text.pcap", [udp(A, B, t) for t in texts])
        self.assertEqual(frames(path, "krpc"), [])

    def test_ports_of_others(self):
        ports = [53, 123, 161, 443, 1900, 3478, 5004, 5060, 5353, 4500, 1194, 69, 514, 13400, 2055]
        packets = [udp((A[0], 6881 + i), ("192.0.2.9", port), PING) for i, port in enumerate(ports)]
        path = capture("ports.pcap", packets)
        self.assertEqual(frames(path, "krpc"), list(range(1, len(ports) + 1)))

    def test_conversation_stays_open_for_others(self):
        dns = bytes.fromhex("1234010000010000000000000377777707657861") + b"mple\x03com\0\0\1\0\1"
        path = capture("mixed.pcap", [udp(A, ("192.0.2.9", 53), p) for p in (PING, dns, PING)])
        self.assertEqual(frames(path, "krpc"), [1, 3])
        self.assertEqual(frames(path, "dns"), [1, 2])  # the first message is found after it was dissected as DNS
        self.assertEqual(frames(path, "dns", "-2"), [2])

    def test_decode_as_of_another(self):
        path = capture("assigned.pcap", [udp(A, B, PING)])
        self.assertEqual(frames(path, "krpc", "-d", "udp.port==7000,data"), [])
        self.assertEqual(frames(path, "krpc", "-d", "udp.port==6881,data"), [])

    def test_decode_as_krpc(self):
        odd = b"d1:ad2:id20:" + ID + b"e1:x1:ye"
        path = capture("forced.pcap", [udp(A, B, odd), udp(A, B, b"\x41\x02abcdefgh")])
        self.assertEqual(frames(path, "krpc", "-d", "udp.port==7000,krpc"), [1])
        self.assertEqual(frames(path, "krpc", "-o", "krpc.udp.port:7000"), [1])

    def test_switched_off(self):
        """Each way to switch the plugin off leaves everything to Wireshark's own dissectors."""
        path = capture("built-in.pcap", [udp(A, B, PING), udp(A, (B[0], 53), PING)])
        self.assertEqual(frames(path, "bt-dht"), [])
        for options in (["-o", "krpc.supersede:FALSE"], ["--disable-heuristic", "krpc_udp"], ["--disable-protocol", "krpc"]):
            with self.subTest(options):
                self.assertEqual(frames(path, "bt-dht", *options), [1])
                self.assertEqual(frames(path, "krpc", *options), [])
                self.assertEqual(frames(path, "dns", *options), [2])

    def test_no_layer(self):
        """Items that come from other protocols' packets are no layer of them."""
        for name in ("natc-outside", "quoted-in-icmp", "peer-wire", "port-utp"):
            path = SAMPLES / f"{name}.pcapng"
            for more in ("", ",krpc.peerwire.reserved || krpc.advert.port"):
                text = tshark(path, "-q", "-z", "io,phs" + more)
                self.assertEqual([line for line in text.splitlines() if re.match(r" *krpc\.", line)], [], name)
            known = subprocess.run([TSHARK, "-G", "protocols"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
            self.assertEqual([line for line in known.splitlines() if "also read by KRPC" in line], [])

    def test_left_to_the_built_in(self):
        """What only BT-DHT accepts is its own, without a layer of KRPC, and does not bring it the messages that follow."""
        text = b"d2:ipsum dolor sit amet"
        packets = [udp(A, B, text), udp(A, B, PING), udp(A, (B[0], 7001), PING), udp(A, B, text), udp(B, A, PONG)]
        path = capture("left.pcap", packets)
        for options in ([], ["-2"]):
            rows = table(path, "frame.protocols", options=options)
            self.assertEqual([row[0].split(":")[-1] for row in rows], ["bt-dht", "krpc", "krpc", "bt-dht", "krpc"])
            self.assertEqual([row[0].split(":")[-2] for row in rows], ["udp"] * 5)

    def test_length_left_to_the_network_card(self):
        path = capture("offload.pcap", [ipv6(1, 2, 17, struct.pack("!HHHH", A[1], B[1], 0, 0) + PING)])
        self.assertEqual(frames(path, "krpc.y"), [1])

    def test_no_false_positives(self):
        rng = random.Random(7)
        packets = []
        for i in range(NUM_RANDOM):
            payload = rng.randbytes(rng.randrange(1, 200))
            if i % 10 == 0:
                payload = b"d%d" % rng.randrange(10) + payload
            packets.append(udp((f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}", rng.randrange(1024, 65536)), B, payload))
        self.assertEqual(frames(capture("random.pcap", packets), "krpc"), [])

    def test_other_protocols(self):
        path = SAMPLES / "other-protocols.pcapng"
        if path.exists():
            self.assertEqual(frames(path, "krpc"), [])


class Saying(unittest.TestCase):
    def test_links(self):
        path = capture("links.pcap", [udp(A, B, PING), udp(B, A, PONG), udp(A, B, PING.replace(b"2:aa", b"2:bb"))])
        fields = ("frame.number", "krpc.response_in", "krpc.response_to", "krpc.unanswered", "krpc.method")
        self.assertEqual(table(path, *fields), [["1", "", "", "", "ping"], ["2", "", "1", "", "ping"], ["3", "", "", "", "ping"]])
        self.assertEqual(table(path, *fields, options=["-2"]),
                         [["1", "2", "", "", "ping"], ["2", "", "1", "", "ping"], ["3", "", "", "1", "ping"]])

    def test_repeats(self):
        path = capture("repeats.pcap", [udp(A, B, PING), udp(A, B, PING), udp(B, A, PONG), udp(B, A, PONG)])
        fields = ("krpc.retransmission", "krpc.retransmit_request_in", "krpc.retransmit_response_in")
        for options in ([], ["-2"]):
            self.assertEqual(table(path, *fields, options=options), [["", "", ""], ["1", "1", ""], ["", "", ""], ["1", "", "3"]])

    def test_several_in_a_frame(self):
        """Each datagram in a frame has a record, and each query in a frame has its response."""
        hosts = [("192.0.2.1", 7000), ("192.0.2.2", 7000), ("192.0.2.3", 7000), ("192.0.2.1", 7001)]
        other = PING.replace(b"2:aa", b"2:bb"), PONG.replace(b"2:aa", b"2:bb")
        unknown = PONG.replace(b"2:aa", b"2:zz")
        queries = [udp(A, hosts[0], PING), udp(A, hosts[1], PING.replace(b"4:ping", b"9:find_node")), udp(A, hosts[2], PING),
                   udp(A, B, b"not KRPC"), udp(A, hosts[0], other[0]), udp(A, hosts[3], PING), udp(hosts[1], A, unknown)]
        path = capture("several.pcap", link=105, packets=[
            aggregate(*queries),
            aggregate(udp(A, hosts[2], other[0]), udp(hosts[2], A, PONG), udp(hosts[1], A, unknown)),
            aggregate(udp(hosts[0], A, PONG)),
            aggregate(udp(hosts[1], A, PONG), udp(hosts[0], A, other[1])),
            aggregate(udp(hosts[0], A, other[1])),
            aggregate(udp(hosts[3], A, PONG), udp(hosts[2], A, other[1]))])
        fields = ("krpc.response_in", "krpc.response_to", "krpc.unsolicited", "krpc.q", "krpc.method",
                  "krpc.retransmit_response_in")
        named = "ping,find_node,ping,ping,ping"
        expected = [["3,4,2,4,6", "", "1", named, named, ""], ["6", "1", "1", "ping", "ping,ping", ""], ["", "1", "", "", "ping", ""],
                    ["", "1,1", "", "", "find_node,ping", ""], ["", "1", "", "", "ping", "4"], ["", "1,2", "", "", "ping,ping", ""]]
        self.assertEqual(table(path, *fields, options=["-2"]), expected)
        self.assertEqual(table(path, *fields), [["", *row[1:]] for row in expected])

    def test_port_that_differs(self):
        announce = (b"d1:ad2:id20:" + ID + b"9:info_hash20:" + OTHER + b"4:porti6999e5:token2:xxe1:q13:announce_peer"
                    b"1:t2:aa1:v4:LT\x02\x001:y1:qe")
        seen = b"d2:ip6:\xcb\x00\x71\x09\x9f\xa1" + b"1:rd2:id20:" + OTHER + b"1:pi40865ee1:t2:aa1:y1:re"
        path = capture("differs.pcap", [udp(A, B, announce), udp(B, A, seen)])
        self.assertEqual(frames(path, "krpc.advert.mismatch", "-2"), [1, 2])
        info = tshark(path, "-2").splitlines()
        self.assertIn("announce_peer 6d6e6f70... from 61626364... \u2691 port 6999, seen as 40865", info[0])
        self.assertIn("\u2691 sees port 6881 as 40865", info[1])

    def test_flagged_verdicts(self):
        """A port with its bytes swapped is a mismatch, and so is a number that is no port."""
        path = SAMPLES / "swapped-values.pcapng"
        swapped = frames(path, 'krpc.advert.verdict == "byte-swapped"', "-2")
        self.assertNotEqual(swapped, [])
        self.assertEqual(frames(path, 'krpc.advert.verdict == "byte-swapped" && krpc.advert.mismatch', "-2"), swapped)
        announce = (b"d1:ad2:id20:" + ID + b"9:info_hash20:" + OTHER + b"4:porti%de5:token2:xxe1:q13:announce_peer1:t2:aa1:y1:qe")
        path = capture("flagged.pcap", [udp(A, B, announce % port) for port in (6881, 70000)])
        self.assertEqual(frames(path, "krpc.advert.mismatch", "-2"), [2])

    def test_icmp(self):
        query = udp(A, B, PING)
        packets = [query, icmp_error(B[0], A[0], 3, 3, query), icmp_error(B[0], A[0], 3, 3, query[:28]),
                   icmp_error(B[0], A[0], 11, 0, query[:60])]
        path = capture("icmp.pcap", packets)
        self.assertEqual(frames(path, "krpc && !krpc.quoted"), [1])
        self.assertEqual(frames(path, "krpc.quoted.query == 1 && krpc.rule.nat.port-unreachable", "-2")[:1], [2])
        self.assertEqual(frames(path, "krpc.quoted"), [2, 4])
        self.assertRegex(tshark(path, "-q", "-z", "krpc,tree"), r"Messages +1 ")

    def test_icmpv6(self):
        query = ipv6(1, 2, 17, struct.pack("!HHHH", A[1], B[1], 8 + len(PING), 0) + PING)
        packets = [query] + [ipv6(2, 1, 58, struct.pack("!BBHI", 1, code, 0, 0) + query) for code in (4, 3)]
        path = capture("icmpv6.pcap", packets)
        self.assertEqual(frames(path, "krpc.quoted.query == 1"), [2, 3])
        self.assertEqual(frames(path, "krpc.rule.nat.port-unreachable"), [2])

    def test_forgotten_adverts(self):
        """An advertisement that the tracker has evicted is still shown with its packet."""
        announce = (b"d1:ad2:id20:" + ID + b"9:info_hash20:" + OTHER + b"4:porti%de5:token2:xxe1:q13:announce_peer1:t2:%02d1:y1:qe")
        path = capture("forgotten.pcap", [udp(A, B, PING)] + [udp(A, B, announce % (7000 + i, i)) for i in range(60)])
        rows = table(path, "krpc.advert.port", options=["-2", "-o", "krpc.max_adverts:16"])
        self.assertEqual(rows, [[""]] + [[str(7000 + i)] for i in range(60)])

    def test_statistics(self):
        path = SAMPLES / "bep5.pcapng"
        for name, expected in [("krpc,tree", "find_node"), ("krpc,srt", "ping"), ("krpc,ports", "announce_peer"),
                               ("krpc,nat", "all hosts, by source port:"), ("krpc,nodes", "endpoints messages"), ("krpc_ports,tree", "announce_peer"), ("krpc_nat,tree", "Mapping"),
                               ("conv,krpc", "KRPC Conversations"), ("endpoints,krpc", "KRPC Endpoints")]:
            with self.subTest(name):
                self.assertIn(expected, "\n".join(statistics(path, name)))
        self.assertIn("filter", tshark(path, "-q", "-z", "krpc,ports,ip.src==203.0.113.5"))

    def test_kept(self):
        """The stored result of a packet is read correctly: negative numbers, and a response from another address."""
        path = capture("negative.pcap", [udp(A, B, b"d1:ad2:id20:" + ID + b"9:info_hash20:" + OTHER + b"4:porti-5e5:token2:xxe"
                                               b"1:q13:announce_peer1:t2:aa1:y1:qe")])
        self.assertIn("advertises port -5,", table(path, "_ws.expert.message", options=["-2"])[0][0])
        path = capture("elsewhere.pcap", [udp(A, B, PING), udp(("192.0.2.7", 7001), A, PONG)])
        self.assertEqual(frames(path, "krpc.response_to == 1", "-2"), [2])
        self.assertIn("query was sent to another address, port 7000", tshark(path, "-2"))

    def test_ends(self):
        """A message that was sent cut is distinguished from one that the capture cut, and bytes after a message are shown."""
        packets = [udp(A, B, PING), udp(A, B, PING[:40]), udp(A, B, PING + b"xx")]
        path = capture("ends.pcap", packets)
        self.assertEqual(table(path, "krpc.trailing"), [[""], [""], ["7878"]])
        self.assertRegex(tshark(path).splitlines()[1], r"\[cut\]$")
        path = capture("snapped.pcap", packets, 28 + 40)
        self.assertRegex(tshark(path).splitlines()[0], r"\[cut by the capture\]$")
        lines = [line.split(None, 3) for line in tshark(SAMPLES / "malformed.pcapng", "-q", "-z", "expert").splitlines()]
        groups = {words[3]: words[1] for words in lines if len(words) == 4 and words[2] == "KRPC"}
        self.assertEqual(groups["integer without digits"], "Malformed")
        self.assertEqual(groups["no client version v"], "Protocol")

    def test_response_times(self):
        """In the sample, responses come 30 milliseconds after the queries."""
        text = tshark(SAMPLES / "bep5.pcapng", "-q", "-z", "krpc,srt")
        self.assertRegex(text, r"ping +2 +0\.030000 +0\.030000 +0\.030000 +0\.060000")

    def test_places(self):
        """Bits of a handshake select their byte, and a finding is at the innermost value that it is about."""
        tree = xml.etree.ElementTree.fromstring(tshark(SAMPLES / "peer-wire.pcapng", "-T", "pdml", "-Y", "frame.number == 6"))
        prefix = "krpc.peerwire.reserved"
        pos = {field.get("name"): int(field.get("pos")) for field in tree.iter("field") if field.get("name").startswith(prefix)}
        self.assertEqual({name: place - pos[prefix] for name, place in pos.items()},
                         {prefix: 0, f"{prefix}.dht": 7, f"{prefix}.extended": 5, f"{prefix}.fast": 7, f"{prefix}.v2": 7})
        announce = (b"d1:ad2:id20:" + ID + b"9:info_hash20:" + OTHER + b"4:porti70000e5:token2:xxe1:q13:announce_peer1:t2:aa1:y1:qe")
        tree = xml.etree.ElementTree.fromstring(tshark(capture("places.pcap", [udp(A, B, announce)]), "-T", "pdml"))
        parent = {child: node for node in tree.iter() for child in node}
        found = [field for field in tree.iter("field") if field.get("name") == "krpc.rule.port.invalid"]
        self.assertEqual([parent[parent[field]].get("name") for field in found], ["krpc.port"])
        (port,) = [field for field in tree.iter("field") if field.get("name") == "krpc.port"]
        self.assertEqual([(parent[field].get("pos"), parent[field].get("size")) for field in found], [(port.get("pos"), port.get("size"))])

    def test_peers_of_both_families(self):
        values = b"6:valuesl6:\x0a\0\0\1\x1a\xe1" + b"18:" + bytes(15) + b"\1\x1a\xe2" + b"12:" + b"\x0a\0\0\2\0\7\x0a\0\0\3\0\x08" + b"e"
        path = capture("values.pcap", [udp(B, A, b"d1:rd2:id20:" + OTHER + values + b"e1:t2:aa1:y1:re")])
        self.assertEqual(table(path, "krpc.values.addr", "krpc.values.addr6", "krpc.values.port"),
                         [["10.0.0.1,10.0.0.2,10.0.0.3", "::1", "6881,6882,7,8"]])

    def test_expert_information(self):
        """Its lines are grouped by protocol and by the rule's text, which contains no placeholder."""
        known = subprocess.run([TSHARK, "-G", "fields"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        rules = [line.split("\t")[1] for line in known.splitlines() if "\tkrpc.rule." in line]
        self.assertIn("advertises port N but is seen on port M (Drexler 2007)", rules)
        self.assertEqual([text for text in rules if "{" in text], [])
        lines = tshark(SAMPLES / "natc-inside.pcapng", "-2", "-q", "-z", "expert,note,krpc.peerwire && !krpc.y").splitlines()
        found = [line.split(None, 3) for line in lines if "advertises port" in line]
        self.assertEqual({words[2] for words in found}, {"KRPC"})

    def test_expert_information_is_the_report(self):
        paths = [SAMPLES / f"{name}.pcapng" for name in ("natc-inside", "malformed", "quoted-in-icmp", "peer-wire", "port-utp")]
        for path, found in of_each(paths, "check").items():
            expected = collections.Counter(finding["message"] for finding in found)
            self.assertNotEqual(expected, {})
            shown = collections.Counter()
            for line in tshark(path, "-2", "-q", "-z", "expert").splitlines():
                words = line.split(None, 3)
                if len(words) == 4 and words[2] == "KRPC":
                    shown[words[3]] += int(words[0])
            with self.subTest(path.name):
                self.assertEqual(shown, expected)

    def test_peer_lists(self):
        path = SAMPLES / "peer-wire.pcapng"
        rows = table(path, "krpc.peerwire.pex.addr", "krpc.peerwire.pex.port", "krpc.peerwire.pex.dropped",
                     options=["-Y", "krpc.peerwire.pex.peer"])
        self.assertEqual(rows, [["192.0.2.9", "51413", ""]])
        pdml = tshark(path, "-T", "pdml", "-Y", "krpc.peerwire.holepunch")
        for name, size, value in (("addr", 4, "c0000209"), ("port", 2, "c8d5")):
            self.assertRegex(pdml, f'name="krpc.peerwire.holepunch.{name}"[^>]* size="{size}"[^>]* value="{value}"')

    def test_nodes_behind_nats(self):
        self.assertIn("rewritten 5", tshark(SAMPLES / "natc-inside.pcapng", "-q", "-z", "krpc,nat"))

    def test_counts(self):
        nodes = b"5:nodes52:" + bytes(52) + b"6:nodes6114:" + bytes(114)
        path = capture("counts.pcap", [udp(B, A, b"d1:rd2:id20:" + OTHER + nodes + b"e1:t2:aa1:y1:re")])
        self.assertIn(": 5 nodes", tshark(path))

    def test_checks_preference(self):
        path = SAMPLES / "malformed.pcapng"
        counts = [int(re.search(r"Findings in messages +(\d+)", tshark(path, "-o", f"krpc.checks:{least}", "-q", "-z", "krpc,tree"))[1])
                  for least in ("none", "error", "warn", "note")]
        self.assertEqual(counts[0], 0)
        self.assertEqual(counts, sorted(counts))
        self.assertLess(0, counts[1])


class Enduring(unittest.TestCase):
    def check(self, path):
        for options in ([], ["-2"]):
            text = tshark(path, "-V", *options)
            self.assertIsNone(re.search(r"Dissector bug|Malformed Packet: (?!BT-DHT)", text), path.name)
            for number, protocols, info in table(path, "frame.number", "frame.protocols", "_ws.col.Info", options=options):
                self.assertLessEqual(protocols.split(":").count("krpc"), 1, f"{path.name} frame {number}")
                if "bt-dht" not in protocols.split(":"):  # whose 4.4 leaves the column empty
                    self.assertNotEqual(info, "", f"{path.name} frame {number}")
            tshark(path, "-Y", "krpc.t || krpc.bfpe.estimate > 1 || krpc.advert.port || krpc.peerwire.port", *options)

    def test_hostile(self):
        """Whole, and cut at four lengths; each time from other hosts."""
        packets = []
        for i, snap in enumerate((65535, 28, 29, 60, 100)):
            a, b = (f"10.0.{i}.1", 6881), (f"192.0.2.{i + 1}", 7000)
            sent = [udp(a, b, PING), udp(b, a, PONG)] + [udp(a, b, p) if n % 2 else udp(b, a, p) for n, p in enumerate(HOSTILE)]
            packets += [(packet, snap) for packet in sent]
        self.check(capture("hostile.pcap", packets))

    def test_hostile_forced(self):
        path = capture("hostile-forced.pcap", [udp(A, B, p) for p in HOSTILE])
        for options in ([], ["-2"]):
            text = tshark(path, "-V", "-d", "udp.port==7000,krpc", *options)
            self.assertNotIn("Dissector bug", text)
            self.assertNotIn("Exception occurred", text)

    def test_mutated(self):
        rng = random.Random(11)
        seeds = [p for p in HOSTILE if 20 < len(p) < 1500] + [PING, PONG]
        packets = []
        for _ in range(4000):
            data = bytearray(rng.choice(seeds))
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.choice(b"0123456789:deil\0\xff") if rng.random() < 0.7 else rng.randrange(256)
            packets.append(udp(A, B, bytes(data[:rng.randrange(1, len(data) + 1)] if rng.random() < 0.2 else data)))
        self.check(capture("mutated.pcap", packets))


class Window(unittest.TestCase):
    """What Wireshark's window does with a capture: see redissect.c."""

    def parts(self, path):
        program = pathlib.Path(os.environ["BUILD_DIR"]) / "tests" / "redissect"
        run = subprocess.run([TSHARK, str(path)], stdout=subprocess.PIPE, env={**os.environ, "TSHARK": str(program)})
        self.assertEqual(run.returncode, 0)
        return dict(part.split("\n", 1) for part in re.split("^== ", run.stdout.decode("utf-8", "replace"), flags=re.M)[1:])

    def filters(self, path):
        """The conversation filters: by name, by frame."""
        found = collections.defaultdict(dict)
        for line in self.parts(path)["filters"].splitlines():
            frame, name, text = line.split("\t")
            found[name][int(frame)] = text
        return found

    def test_same_items(self):
        """After reading, redissecting, and redissecting during a live capture: packets look the same, and like in tshark."""
        for name in ("natc-inside", "quoted-in-icmp", "peer-wire", "token-broken"):
            path = pathlib.Path(folder.name) / f"{name}.pcap"
            subprocess.run(["editcap", "-F", "nsecpcap", str(SAMPLES / f"{name}.pcapng"), str(path)], check=True)
            parts, expected = self.parts(path), tshark(path, "-2", "-V")
            for part in ("read", "again", "live"):
                with self.subTest(f"{name} {part}"):
                    self.assertEqual(parts[part], expected)
            self.assertNotIn("Unanswered", parts["capturing"])

    def test_streams(self):
        """KRPC conversations have the stream numbers of the UDP conversations."""
        dns = bytes.fromhex("1234010000010000000000000377777707657861") + b"mple\x03com\0\0\1\0\1"
        packets = [udp((A[0], 5000), ("192.0.2.9", 53), dns), udp(A, B, PING), udp(B, A, PONG), udp(A, ("192.0.2.2", 7001), PING)]
        rows = [line.split("\t") for line in self.parts(capture("streams.pcap", packets))["streams"].splitlines()]
        self.assertEqual(rows, [["6881", "7000", "1", "2"], ["6881", "7001", "2", "1"]])

    def test_transaction_filter(self):
        lost = PING.replace(b"2:aa", b"2:bb")
        packets = [udp(A, B, PING), udp(B, A, PONG), udp(A, B, lost), icmp_error(B[0], A[0], 3, 3, udp(A, B, lost)),
                   udp(B, A, b"d4:dorem ipsum"), udp(B, A, PONG.replace(b"2:aa", b"2:zz"))]
        path = capture("transactions.pcap", packets)
        found = {frame: frames(path, text, "-2") for frame, text in self.filters(path)["KRPC transaction"].items()}
        self.assertEqual(found, {1: [1, 2], 2: [1, 2], 3: [3, 4], 4: [3, 4], 6: [6]})

    def test_node_filters(self):
        other = ("192.0.2.2", 6881)
        nodes = b"d1:rd2:id20:" + OTHER + b"5:nodes26:" + ID + b"\x0a\0\0\1\x1a\xe1" + b"e1:t2:aa1:y1:re"
        packets = [udp(A, B, PING), udp(B, A, nodes), udp(other, B, PING.replace(ID, b"x" * 20)), udp(A, B, b"not KRPC"),
                   udp(B, A, b"d1:eli203e3:bade1:t2:zz1:y1:ee")]
        path = capture("nodes.pcap", packets)
        filters = self.filters(path)
        found = {frame: frames(path, text) for frame, text in filters["KRPC host (address)"].items()}
        self.assertEqual(found, {1: [1, 2, 5], 2: [1, 2, 3, 5], 3: [3], 5: [1, 2, 3, 5]})
        found = {frame: frames(path, text) for frame, text in filters["KRPC node (endpoint)"].items()}
        self.assertEqual(found, {1: [1, 2, 5], 2: [1, 2, 3, 5], 3: [3], 5: [1, 2, 3, 5]})
        found = {frame: frames(path, text) for frame, text in filters["KRPC node (id)"].items()}
        self.assertEqual(found, {1: [1, 2], 2: [2], 3: [3], 5: [5]})

    def test_node_filter_ipv6(self):
        path = pathlib.Path(folder.name) / "ipv6.pcap"
        subprocess.run(["editcap", "-F", "nsecpcap", str(SAMPLES / "ipv6.pcapng"), str(path)], check=True)
        src = dict((int(row[0]), row[1]) for row in table(path, "frame.number", "ipv6.src", options=["-Y", "krpc"]))
        self.assertEqual(self.filters(path)["KRPC host (address)"],
                         {frame: f"(krpc || krpc.peerwire) && ipv6.addr == {host}" for frame, host in src.items()})


class Documented(unittest.TestCase):
    def test_tables(self):
        command = [sys.executable, str(SOURCE / "plugin" / "make-readme"), "--check"]
        if os.environ.get("PLUGIN_DIR"):
            command += ["--plugin-dir", os.environ["PLUGIN_DIR"]]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(run.returncode, 0, run.stdout.decode())

    def test_filters(self):
        text = (SOURCE / "plugin" / "README.md").read_text()
        text = text.split("<!-- filters -->")[1].split("<!-- end filters -->")[0]
        filters = [f.replace("\\|", "|") for f in re.findall(r"^\| `([^`]+)` \|", text, flags=re.M)]
        self.assertGreaterEqual(len(filters), 20)
        samples = ["natc-outside", "bep5", "malformed", "natb-outside", "token-lab", "natc-inside", "other-port"]
        found = collections.Counter()
        for sample in samples:
            found.update(count(SAMPLES / f"{sample}.pcapng", filters, "-2"))
        self.assertEqual([text for text in filters if found[text] == 0], [], "find nothing")

    def test_profile(self):
        """Wireshark accepts the filters, colours and columns of the profile."""
        profile = SOURCE / "plugin" / "profile" / "krpcscope"
        used = re.findall(r"@[^@]*@([^@]*)@\[", (profile / "colorfilters").read_text())
        used += [line.split('","')[2] for line in (profile / "dfilter_buttons").read_text().splitlines()]
        used += [line.split('","')[2] for line in (profile / "io_graphs").read_text().splitlines()]
        used += re.findall(r"%Cus:([^:]+):", (profile / "preferences").read_text())
        used = [text.replace("\\x22", '"') for text in used]
        self.assertGreater(len(used), 10)
        columns = re.findall(r'^\t"[^"]+", "%', (profile / "preferences").read_text(), flags=re.M)
        self.assertTrue(0 < len(columns) <= 8)
        self.assertEqual([text for text in used if "_ws.expert" in text], [], "these are about any protocol's packets")
        together = " || ".join(f"({text})" for text in used)
        tshark(SAMPLES / "bep5.pcapng", "-Y", together)  # which names what it does not know


if __name__ == "__main__":
    unittest.main()
