#!/usr/bin/env python3
"""test_decode.py: krpcscope decode --hex: how values of each kind are shown, and that even odd ones come back from JSON.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import re
import unittest

from krpcscope_cli import run

ID = b"abcdefghij0123456789"
END = b"1:t2:aa1:v4:LT\2\x081:y1:"


def decode(message, *options):
    result = run("decode", "--hex", message.hex() if isinstance(message, bytes) else message, *options)
    assert (result.returncode, result.stderr) == (0, b""), (message, result.stderr)
    return result.stdout.decode()


def response(body, top=b""):
    return b"d" + top + b"1:rd2:id20:" + ID + body + b"e" + END + b"re"


class Hex(unittest.TestCase):
    def test_what_stands_between_digits(self):
        wanted = decode(b"d1:y1:qe")
        for text in ("64 31 3a 79 31 3A 71 65", "64:31:3a:79:31:3a:71:65", "64-31-3a-79-31-3a-71-65",
                     "0x64, 0x31, 0x3a, 0X79,31,3a 7165",
                     "0x64313a79313a7165", " 64\n31\t3a79313a7165 "):
            self.assertEqual(decode(text), wanted, text)

    def test_what_does_not(self):
        for text, says in (("646", "odd number"), ("64x5", "'x'"), ("60x5", "'x'"), ("64.65", "'.'"), ("64 g0", "'g'")):
            result = run("decode", "--hex", text)
            self.assertEqual((result.returncode, result.stdout), (2, b""), text)
            self.assertIn(says.encode(), result.stderr)


class Summary(unittest.TestCase):
    """The first line: what is said, about what, and what the sender sees."""

    def first(self, message):
        return decode(message).splitlines()[0]

    def test_sees_you(self):
        self.assertIn("  sees you at port 6881  ", self.first(response(b"1:pi6881e")))
        self.assertIn("  sees you at 192.0.2.1:6881  ", self.first(response(b"1:pi5e", b"2:ip6:\xc0\0\2\1\x1a\xe1")))
        self.assertNotIn("sees you", self.first(response(b"")))

    def test_kinds(self):
        query = b"d1:ad2:id20:" + ID + b"6:target20:" + ID[::-1] + b"e1:q%d:%s" + END + b"qe"
        self.assertRegex(self.first(query % (9, b"find_node")), r"^find_node\? .*39383736")
        self.assertRegex(self.first(query % (3, b"\x1bxy")), r"^\\x1bxy\?")
        self.assertEqual(len(re.match(r"x*", self.first(query % (70, b"x" * 70)))[0]), 60)
        self.assertRegex(self.first(b"d1:eli203e5:wronge" + END + b"ee"), '^error.*203.*"wrong"')

    def test_counts(self):
        self.assertIn("2 nodes", self.first(response(b"5:nodes52:" + 2 * (ID + b"abcdef"))))
        self.assertIn("1 peer ", self.first(response(b"6:valuesl6:abcdefe")))


class Details(unittest.TestCase):
    """One line for each key, under its place in the message."""

    def details(self, message):
        found = {}
        for line in decode(message).splitlines()[1:]:
            row = re.match(r" {8}(\S+) +(.*)", line)
            more = re.match(r" {22}(\S.*)", line)
            if more:
                found[name] += "\n" + more[1]
            elif row:
                name = row[1]
                found[name] = row[2].strip()
        return found

    def test_each_kind(self):
        message = response(b"5:nodes54:" + ID + b"\xc0\0\2\1\x1a\xe1" + ID[::-1] + b"\xc0\0\2\2\0\1" + b"xy" + b"1:pi6881e"
                           b"7:samples40:" + ID + ID[::-1] + b"5:token4:\xff\0ab"
                           b"6:valuesl6:\xc0\0\2\3\0\7" + b"18:" + bytes(15) + b"\1\0\x08" + b"e",
                           b"2:ip4:\xc0\0\2\x09")
        found = self.details(message)
        first, last = ID.hex(), ID[::-1].hex()
        self.assertEqual(found["r.id"], first)
        self.assertEqual(found["r.nodes"], f"{first} 192.0.2.1:6881\n{last} 192.0.2.2:1 (and 2 bytes left over)")
        self.assertEqual(found["r.samples"], f"{first}\n{last}")
        self.assertEqual(found["r.token"], "ff006162")
        self.assertEqual(found["r.values"], "192.0.2.3:7  [::1]:8")
        self.assertEqual(found["v"], "4c540208 (libtorrent 2.0.8)")
        self.assertEqual(found["t"], "6161")
        self.assertRegex(found["r.p"], "^6881 +: the receiver's source port")
        self.assertRegex(found["ip"], r"^192\.0\.2\.9 ")

    def test_odd_ones(self):
        found = self.details(response(b"6:nodes2l26:" + ID + b"\xc0\0\2\1\0\7" + b"3:abci7ee"
                                      b"6:valuesl6:\xc0\0\2\3\0\7i5e4:\xc0\0\2\x043:xyze",
                                      b"2:ip3:abc"))
        self.assertEqual(found["ip"].split()[0], "616263")
        self.assertEqual(found["r.nodes2"], f"{ID.hex()} 192.0.2.1:7\nabc\ni7e")
        self.assertEqual(found["r.values"], "192.0.2.3:7  693565  192.0.2.4\n78797a")

    def test_long_lists(self):
        """Forty are shown, three in a line, and how many more there are."""
        for num in (40, 41, 99):
            found = self.details(response(b"6:valuesl" + b"".join(b"6:\xc0\0\2\1" + i.to_bytes(2, "big") for i in range(num)) + b"e"))
            lines = found["r.values"].split("\n")
            self.assertEqual(len(lines), 14)
            self.assertEqual([len(line.split("  ")) for line in lines[:13]], [3] * 13)
            self.assertEqual(lines[13], "192.0.2.1:39" + (f" and {num - 40} more" if num > 40 else ""))

    def test_wrong_types(self):
        found = self.details(b"d1:ad2:idi5e4:port3:abce1:q4:ping" + END + b"qe")
        self.assertRegex(found["a.id"], "of the wrong type: 5")
        self.assertRegex(found["a.port"], "of the wrong type: abc")


class Json(unittest.TestCase):
    """However odd a value is, JSON holds all of it, and encode makes the same message of that."""

    MESSAGES = (
        response(b"", b"2:ip3:abc"), response(b"", b"2:ip0:"), response(b"", b"2:ip4:abcd"), response(b"", b"2:ip16:" + bytes(16)),
        response(b"6:valuesl6:abcdefi5e4:abcde"), response(b"6:valuesl4:abcd3:xyz0:e"), response(b"6:valuesle"),
        response(b"6:valuesld1:a1:bee"),
        response(b"6:nodes2l26:" + ID + b"abcdef3:abci7ee"), response(b"6:nodes2l38:" + ID + bytes(18) + b"1:xe"),
        response(b"5:nodes27:" + ID + b"abcdefg"), response(b"5:nodes0:"), response(b"7:samples21:" + ID + b"x"),
        response(b"1:vi-5e"), response(b"1:v3:abc"), response(b"1:v12:abcdefghijkl"), response(b"1:v0:"),
        response(b"1:vd1:a1:be"), response(b"1:vli1ei2ee"),
        b"d1:ad2:id20:" + ID + b"4:wantl2:n42:n6e1:xi5ee1:q9:find_node" + END + b"qe",
        b"d1:ad2:id20:" + ID + b"4:wantl2:\xff\xfe2:n6ee1:q9:find_node" + END + b"qe",
        b"d1:ad2:id20:" + ID + b"4:wantl2:n4i6eee1:q9:find_node" + END + b"qe",
        b"d1:ad2:id20:" + ID + b"e1:q4:\xff\xfeab" + END + b"qe", b"d1:ad2:id20:" + ID + b"e1:q4:\"\\\n\x01" + END + b"qe",
        b"d1:eli203e3:\xffabe" + END + b"ee", b"d1:eli203e3:abci5ee" + END + b"ee", b"d1:ele" + END + b"ee", b"d1:eli203ee" + END + b"ee",
        b"d1:el3:abce" + END + b"ee", b"d1:e3:abc" + END + b"ee", b"d0:1:x1:ad2:id20:" + ID + b"3:fooli1eee1:q4:ping" + END + b"qe",
        b"d1:ad2:idi5e4:port3:abce1:q4:ping" + END + b"qe", b"d1:ai5e1:q4:ping" + END + b"qe", b"d1:pi-1e1:q4:ping2:roi7e" + END + b"qe",
    )

    def test_comes_back(self):
        for message in self.MESSAGES:
            with self.subTest(message):
                lines = decode(message, "--format", "ndjson")
                for line in lines.splitlines(): # findings, too
                    json.loads(line)
                result = run("encode", input=lines.encode())
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertEqual(bytes.fromhex(result.stdout.decode()), message)


if __name__ == "__main__":
    unittest.main()
