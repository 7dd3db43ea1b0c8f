#!/usr/bin/env python3
"""test_plugin_messages.py: how the Wireshark plugin shows each kind of value, unusual values, and more items than a tree holds.

The environment is that of tshark_cli.py.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import hashlib
import json
import unittest
import xml.etree.ElementTree

from tshark_cli import A, B, ID, OTHER, SAMPLES, capture, frames, table, tshark, udp
from krpcscope_cli import CAPTURES

END = b"1:t2:aa1:v4:LT\2\x081:y1:"


def response(body, top=b""):
    return b"d" + top + b"1:rd2:id20:" + OTHER + body + b"e" + END + b"re"


def query(method, body, top=b""):
    return b"d" + top + b"1:ad2:id20:" + ID + body + b"e1:q%d:%s" % (len(method), method) + END + b"qe"


def endpoint(n):
    return b"\xc0\0\2\1" + n.to_bytes(2, "big")


class Fields(unittest.TestCase):
    def each_from_another_host(self, messages):
        return capture("messages.pcap", [udp((f"192.0.2.{i + 1}", 7000), A, message) for i, message in enumerate(messages)])

    def check(self, names, *cases):
        """Each case is a message and what these fields hold in it; one run for all."""
        path = self.each_from_another_host([message for message, _ in cases])
        rows = table(path, *(f"krpc.{name}" for name in names))
        for (message, expected), row in zip(cases, rows, strict=True):
            with self.subTest(message[:200]):
                self.assertEqual(row, expected)

    def shown(self, messages, *names):
        return table(self.each_from_another_host(messages), *(f"krpc.{name}" for name in names))

    def line(self, message, text):
        """The lines of the tree with this text."""
        return [line.strip() for line in tshark(capture("message.pcap", [udp(B, A, message)]), "-V").splitlines() if text in line]

    def test_nodes(self):
        node, node6 = ID + endpoint(7), OTHER + bytes(15) + b"\1\0\x08"
        both = f"{ID.hex()},{OTHER.hex()}"
        self.check(
            ("nodes.id", "nodes.addr", "nodes.addr6", "nodes.port", "nodes6.id", "nodes6.addr6", "nodes6.port", "remainder"),
            (response(b"5:nodes52:" + node + OTHER + endpoint(9)), [both, "192.0.2.1,192.0.2.1", "", "7,9", "", "", "", ""]),
            (response(b"5:nodes29:" + node + b"xyz" + b"6:nodes638:" + node6),
             [ID.hex(), "192.0.2.1", "", "7", OTHER.hex(), "::1", "8", "78797a"]),
            (response(b"6:nodes2l26:" + node + b"38:" + node6 + b"3:abce"), [both, "192.0.2.1", "::1", "7,8", "", "", "", "616263"]))

    def test_peers(self):
        six = bytes(15) + b"\1\0\x08"
        self.check(
            ("values.addr", "values.addr6", "values.port", "remainder"),
            (response(b"6:valuesl6:" + endpoint(7) + b"18:" + six + b"3:abce"), ["192.0.2.1", "::1", "7,8", "616263"]),
            (response(b"6:valuesl24:" + b"".join(map(endpoint, (1, 2, 3, 4))) + b"e"), [",".join(["192.0.2.1"] * 4), "", "1,2,3,4", ""]))
        self.assertEqual(self.line(response(b"6:valuesl6:" + endpoint(7) + b"i5e6:" + endpoint(8) + b"e"), "Peers"), ["Peers: 2"])

    def test_endpoints(self):
        """An address with a port, without one, and what is neither."""
        self.check(
            ("ip.addr", "ip.addr6", "ip.port", "remainder"),
            (response(b"", b"2:ip6:" + endpoint(7)), ["192.0.2.1", "", "7", ""]),
            (response(b"", b"2:ip18:" + bytes(15) + b"\1\0\x08"), ["", "::1", "8", ""]),
            (response(b"", b"2:ip4:" + endpoint(7)[:4]), ["192.0.2.1", "", "", ""]),
            (response(b"", b"2:ip16:" + bytes(15) + b"\1"), ["", "::1", "", ""]),
            (response(b"", b"2:ip5:abcde"), ["", "", "", "6162636465"]))

    def test_samples(self):
        self.check(("samples.info_hash", "remainder"),
                   (response(b"7:samples43:" + ID + OTHER + b"xyz"), [f"{ID.hex()},{OTHER.hex()}", "78797a"]))

    def test_distance(self):
        """The number of leading bits that an id has in common with the target."""
        for differs, bits in ((0x80, 0), (1, 7)):
            target = bytes([OTHER[0] ^ differs]) + OTHER[1:]
            packets = [udp(A, B, query(b"find_node", b"6:target20:" + target)), udp(B, A, response(b"5:nodes26:" + target + endpoint(1)))]
            for options in ([], ["-2"], ["-Y", "krpc.distance"]):  # for a table, in two passes, and for a filter
                rows = table(capture("distance.pcap", packets), "krpc.distance", "krpc.nodes.distance", options=options)
                self.assertEqual(rows[-1], [str(bits), "160"], options)

    def test_bloom(self):
        """A bloom filter of the right length has an estimate: of an empty one, and of a full one."""
        full = b"\xff" * 255 + b"\xfe"
        estimates, wrong = self.shown([response(b"4:BFpe256:" + bytes(256) + b"4:BFsd256:" + full),
                                       response(b"4:BFpe255:" + bytes(255))], "bfpe.estimate", "bfsd.estimate")
        none, many = map(float, estimates)
        self.assertLess(none, 1)
        self.assertGreater(many, 5000)
        self.assertEqual(wrong, ["", ""])

    def test_items(self):
        """The text of a BEP 44 item, and its target where the message has all that it is made of."""
        cases = []
        for value, text in ((b"5:hello", '"hello"'), (b"i-7e", "-7"), (b"3:\xff\xfea", "0xfffe61"),
                            (b"d1:ali1e1:xe1:bi0ee", '{"a": [1, "x"], "b": 0}')):
            cases.append((query(b"put", b"5:token1:t1:v" + value), [text, hashlib.sha1(value).hexdigest()]))
            cases.append((response(b"1:v" + value), [text, hashlib.sha1(value).hexdigest()]))
        key, sig = bytes(range(32)), b"3:seqi1e3:sig64:" + bytes(64)
        self.check(
            ("item.text", "item.target"), *cases,
            (query(b"put", b"1:k32:" + key + sig + b"5:token1:t1:v1:x"), ['"x"', hashlib.sha1(key).hexdigest()]),
            (query(b"put", b"1:k32:" + key + b"4:salt3:abc" + sig + b"5:token1:t1:v1:x"), ['"x"', hashlib.sha1(key + b"abc").hexdigest()]),
            (response(b"1:k32:" + key + sig + b"1:v1:x"), ['"x"', ""]))

    def test_flags_and_numbers(self):
        self.assertRegex(self.line(query(b"ping", b"", b"2:roi7e"), "(7)")[-1], r": True \(7\)$")
        self.assertEqual(self.line(query(b"ping", b"", b"2:roi1e"), "True (1)"), [])
        self.check(("error.code", "error.message", "want"), (b"d1:eli201e3:abce" + END + b"ee", ["201", "abc", ""]),
                   (query(b"find_node", b"6:target20:" + OTHER + b"4:wantl2:n42:n6e"), ["", "", "n4,n6"]))
        self.assertEqual(len(self.line(b"d1:eli201e3:abce" + END + b"ee", "201 (generic error)")), 1)

    def test_wrong_types(self):
        path = capture("wrong.pcap", [udp(A, B, b"d1:ad2:id20:" + ID + b"4:port3:abc5:tokeni5ee1:q13:announce_peer" + END + b"qe")])
        self.assertEqual(table(path, "krpc.wrong"), [["port,token"]])
        text = tshark(path, "-V")
        self.assertRegex(text, r"port \(.*\) is a string")
        self.assertRegex(text, r"token \(.*\) is an integer")

    def test_unknown_keys(self):
        cases = [(response(b"1:xi5e1:y3:abc"), ["x,y", "693565,333a616263", ""])]
        for num, more in ((64, ""), (65, "1"), (90, "26")):
            keys = [b"k%02d" % i for i in range(num)]
            cases.append((response(b"".join(b"3:%s1:a" % key for key in keys)),
                          [",".join(key.decode() for key in keys[:64]), ",".join(["313a61"] * 64), more]))
        self.check(("unknown.key", "unknown.value", "more"), *cases)

    def test_positions_of_findings(self):
        """Findings are at the innermost value that they are about: a number, or a whole dictionary."""
        rows = [(b"d1:ad2:id20:" + ID + b"e1:q4:ping1:rd2:id20:" + ID + b"e" + END + b"qe", {"krpc.extra-body": "krpc.r"}),
                (b"d1:rd2:id20:" + ID + b"2:id20:" + ID + b"e" + END + b"re", {"bencode.duplicate-key": "krpc.r"}),
                (b"d1:el4:oopsi201ee" + END + b"ee", {"krpc.error-form": "krpc.e"}),
                (b"d1:eli999e4:oopse" + END + b"ee", {"krpc.unknown-error-code": "krpc.error.code"}),
                (b"d1:ad3:fooi01e2:id20:" + ID + b"e1:q4:ping" + END + b"qe",
                 {"krpc.unknown-key": "krpc.unknown.key", "bencode.leading-zero": "krpc.unknown.key"})]
        for message, expected in rows:
            tree = xml.etree.ElementTree.fromstring(tshark(capture("positions.pcap", [udp(A, B, message)]), "-T", "pdml"))
            parent = {child: node for node in tree.iter() for child in node}
            expert = [field for field in tree.iter("field") if (field.get("name") or "").startswith("krpc.rule.")]
            found = {field.get("name")[len("krpc.rule."):]: parent[parent[field]].get("name") for field in expert}
            self.assertEqual(found, expected)

    def test_more_than_a_tree_holds(self):
        """What is not shown is counted, in a list as in a string of nodes."""
        lists = ((b"6:valuesl" + b"6:abcdef" * 7000 + b"e", "values.port", 7000),
                 (b"5:nodes%d:" % (26 * 2200) + (ID + b"abcdef") * 2200, "nodes.port", 2200),
                 (b"7:samples60000:" + ID * 3000, "samples.info_hash", 3000),
                 (b"6:nodes2l" + (b"26:" + ID + b"abcdef") * 2200 + b"e", "nodes.port", 2200))
        fields = ["values.port", "nodes.port", "samples.info_hash", "more"]
        for (_, field, num), row in zip(lists, self.shown([response(body) for body, _, _ in lists], *fields), strict=True):
            count = len(row[fields.index(field)].split(","))
            self.assertEqual(count + int(row[-1]), num)
            self.assertTrue(300 < count <= 2000, count)


class Output(unittest.TestCase):
    """The output that programs read."""

    def test_keys(self):
        """In -T ek no key of ours is twice in an object, also where Wireshark groups items by their parents, as 4.0 does."""
        def unique(pairs):
            again = [key for key, n in collections.Counter(key for key, _ in pairs).items() if n > 1 and key.startswith("krpc")]
            self.assertEqual(again, [])
            return dict(pairs)

        seen = set()
        nodes = b"5:nodes26:" + ID + endpoint(7) + b"6:nodes638:" + OTHER + bytes(15) + b"\1\0\x08"
        blooms = b"4:BFpe256:" + bytes(256) + b"4:BFsd256:" + bytes(256)
        made = [query(b"find_node", b"6:target20:" + OTHER), response(blooms + nodes)]
        packets = [udp(A, B, made[0]), udp(B, A, made[1])]
        for path in [capture("keys.pcap", packets), *CAPTURES]:
            for line in tshark(path, "-2", "-T", "ek").splitlines():
                layers = json.loads(line, object_pairs_hook=unique).get("layers", {})
                seen.update(key for name, layer in layers.items() if name.startswith("krpc") for key in layer)
        self.assertGreater(len(seen), 150)

    def test_words(self):
        """Words are strings, in each kind of output."""
        path = SAMPLES / "natc-outside.pcapng"
        words = {"krpc.method": "get_peers", "krpc.bep42": "invalid", "krpc.advert.channel": "port_message",
                 "krpc.advert.service": "dht", "krpc.advert.basis": "claimed", "krpc.advert.verdict": "mismatch",
                 "krpc.advert.later": "honoured"}
        nat = {"krpc.nat.port": "rewritten", "krpc.nat.mapping": "endpoint_dependent", "krpc.nat.filtering": "unknown"}
        for capture_of, expected in ((path, words), (SAMPLES / "natb-inside.pcapng", nat)):
            rows = table(capture_of, *expected, options=["-2"])
            for column, (name, word) in enumerate(expected.items()):
                values = {value for row in rows for value in row[column].split(",")} - {""}
                self.assertIn(word, values, name)
                self.assertEqual([value for value in values if value.isdigit()], [], name)
        rows = table(SAMPLES / "malformed.pcapng", "krpc.finding.severity", "_ws.expert.message")
        self.assertEqual({word for row in rows for word in row[0].split(",")} - {""}, {"note", "warn", "error"})
        self.assertEqual([row for row in rows if bool(row[0]) != bool(row[1])], [])
        text = tshark(path, "-2", "-T", "json", "-Y", "frame.number == 281")
        self.assertIn('"krpc.advert.channel": "port_message"', text)
        self.assertIn('"krpc.advert": "port_message:', text)


class Kept(unittest.TestCase):
    """The results of the first pass over a packet are shown in later passes."""

    def test_thousands_of_packets(self):
        packets = []
        for i in range(3500):
            t = b"%04d" % i
            packets += [udp(A, B, query(b"get_peers", b"9:info_hash20:" + OTHER).replace(b"1:t2:aa", b"1:t4:" + t)),
                        udp(B, A, response(b"5:token2:xx").replace(b"1:t2:aa", b"1:t4:" + t))]
        rows = table(capture("thousands.pcap", packets), "krpc.response_in", "krpc.response_to", "krpc.method", "krpc.distance", options=["-2"])
        self.assertEqual(rows, [row for n in range(1, 7001, 2) for row in ([str(n + 1), "", "get_peers", ""], ["", str(n), "get_peers", "160"])])

    def test_thousands_of_findings(self):
        """One packet has thousands of findings, between two packets with a few."""
        many = response(b"6:valuesl" + b"3:abc" * 9000 + b"e")
        few = response(b"6:valuesl3:abce")
        path = capture("findings.pcap", [udp(B, A, few), udp(B, A, many), udp(B, A, few)])
        for options in ([], ["-2"]):
            rows = table(path, "_ws.expert.message", options=options)
            self.assertEqual([row[0].count("peer of 3 bytes; 6 or 18 are expected") for row in rows], [1, 9000, 1], options)


if __name__ == "__main__":
    unittest.main()
