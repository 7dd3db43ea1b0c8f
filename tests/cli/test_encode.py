#!/usr/bin/env python3
"""test_encode.py: krpcscope encode: what each form of a value becomes, and what it says of lines that it cannot read.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import unittest

from command import folder, run

ID = b"abcdefghij0123456789"


def encoded(*lines, raw=False):
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    result = run("encode", *(["--raw"] if raw else []), input=text.encode())
    return result.returncode, result.stdout, result.stderr.decode()


class Values(unittest.TestCase):
    def check(self, record, message):
        self.assertEqual(encoded(record), (0, message.hex().encode() + b"\n", ""))

    def test_each_form(self):
        """A value of each kind, as decode writes it."""
        endpoint, six = {"ip": "192.0.2.1", "port": 6881}, {"ip": "2001:db8::1", "port": 258}
        v4, v6 = b"\xc0\0\2\1\x1a\xe1", bytes.fromhex("20010db8000000000000000000000001") + b"\1\2"
        node, node6 = {"id": ID.hex(), **endpoint}, {"id": ID.hex(), **six}
        forms = [
            ({"t": "6161", "y": "q"}, b"d1:t2:aa1:y1:qe"),
            ({"t": "6F6f"}, b"d1:t2:ooe"),
            ({"p": -9223372036854775808}, b"d1:pi-9223372036854775808ee"),
            ({"p": 9223372036854775807, "ro": 1}, b"d1:pi9223372036854775807e2:roi1ee"),
            ({"q": "gr\u00fc\u00df\n"}, b"d1:q7:gr\xc3\xbc\xc3\x9f\ne"),
            ({"q_hex": "ff"}, b"d1:q1:\xffe"),
            ({"ip": endpoint}, b"d2:ip6:" + v4 + b"e"),
            ({"ip": six}, b"d2:ip18:" + v6 + b"e"),
            ({"ip": {"ip": "192.0.2.1"}}, b"d2:ip4:" + v4[:4] + b"e"),
            ({"ip": {"ip": "192.0.2.1", "port": 0}}, b"d2:ip6:" + v4[:4] + b"\0\0e"),
            ({"r": {"nodes": [node, node], "nodes6": [node6]}},
             b"d1:rd5:nodes52:" + 2 * (ID + v4) + b"6:nodes638:" + ID + v6 + b"ee"),
            ({"r": {"nodes": [node, "0102"]}}, b"d1:rd5:nodes28:" + ID + v4 + b"\1\2ee"),
            ({"r": {"nodes2": [node, node6, "01"]}}, b"d1:rd6:nodes2l26:" + ID + v4 + b"38:" + ID + v6 + b"1:\1eee"),
            ({"r": {"values": [endpoint, six, "0102"]}}, b"d1:rd6:valuesl6:" + v4 + b"18:" + v6 + b"2:\1\2eee"),
            ({"r": {"samples": [ID.hex(), ID.hex()]}}, b"d1:rd7:samples40:" + 2 * ID + b"ee"),
            ({"a": {"want": ["n4", "n6"]}}, b"d1:ad4:wantl2:n42:n6eee"),
            ({"a": {"v": b"li1ee".hex()}}, b"d1:ad1:vli1eeee"),
            ({"e": {"code": 203, "message": "no"}}, b"d1:eli203e2:noee"),
            ({"e": {"code": 203, "message_hex": "ff00"}}, b"d1:eli203e2:\xff\0ee"),
            ({"e": {"code": -1}}, b"d1:eli-1eee"),
            ({"e": {"message": "no"}}, b"d1:el2:noee"),
            ({"r": {}}, b"d1:rdee"),
        ]
        for record, message in forms:
            with self.subTest(record):
                self.check(record, message)

    def test_order(self):
        """Members come in any order; the message has its keys sorted, a shorter one in front."""
        self.check({"y": "q", "a": {"token": "31", "id": "32", "implied_port": 1}, "t": "33"},
                   b"d1:ad2:id1:212:implied_porti1e5:token1:1e1:t1:31:y1:qe")
        self.check({"unknown": [{"key": b"pp".hex(), "value": b"i2e".hex()}, {"key": "", "value": b"i3e".hex()}], "p": 1},
                   b"d0:i3e1:pi1e2:ppi2ee")

    def test_unknown_goes_before_known(self):
        as_string = {"key": b"p".hex(), "value": b"1:x".hex()}
        self.check({"p": 7, "ro": 1, "unknown": [as_string]}, b"d1:p1:x2:roi1ee")
        self.check({"unknown": [as_string], "p": 7}, b"d1:p1:xe")

    def test_raw(self):
        """What could not be read goes back as it came; and --raw writes bytes, with nothing in between."""
        self.check({"type": "message", "q": "ping", "raw": "646531"}, b"de1")
        self.assertEqual(encoded({"raw": "00ff"}, {"t": "31"}, raw=True), (0, b"\0\xffd1:t1:1e", ""))

    def test_what_is_no_message(self):
        """Records of other types, what a message's record says beside its keys, and empty lines."""
        self.assertEqual(encoded({"type": "summary", "t": "zz"}, "", "  \t", {"frame": 1, "client": "x", "src_ip": "y"}),
                         (0, b"de".hex().encode() + b"\n", ""))

    def test_long_lines(self):
        """Thousands of values in one line."""
        num = 9000
        line = {"r": {"values": [{"ip": "192.0.2.1", "port": i} for i in range(num)]}}
        values = b"".join(b"6:\xc0\0\2\1" + i.to_bytes(2, "big") for i in range(num))
        self.check(line, b"d1:rd6:valuesl" + values + b"eee")


class Failures(unittest.TestCase):
    LINES = (
        ('{"y":"q"', "not JSON"), ("[]", "not a JSON object"), ("5", "not JSON"), ('"x"', "not a JSON object"),
        ('{"t":"6"}', "hex digits"), ('{"t":"6z"}', "hex digits"), ('{"t":"z6"}', "hex digits"), ('{"t":5}', "hex digits"),
        ('{"q":5}', "a string"), ('{"q":"\\ud800"}', "escape"), ('{"p":"1"}', "an integer"), ('{"p":1.5}', "an integer"),
        ('{"p":9223372036854775808}', "an integer"), ('{"p":null}', "an integer"),
        ('{"a":5}', "an object"), ('{"a":[]}', "an object"), ('{"a":{"foo":1}}', "'foo' is no key"),
        ('{"r":{"nodes":{}}}', "an array"), ('{"r":{"nodes":[{"ip":"1.2.3.4","port":1}]}}', "a node has an id"),
        ('{"r":{"nodes":[{"id":"6","ip":"1.2.3.4","port":1}]}}', "hex digits"), ('{"r":{"values":[5]}}', "hex digits"),
        ('{"r":{"samples":[{}]}}', "hex digits"), ('{"a":{"want":[4]}}', "a string"),
        ('{"ip":{"port":5}}', "ip and port"), ('{"ip":"1.2.3.4"}', "ip and port"),
        ('{"ip":{"ip":"1.2.3","port":5}}', "'1.2.3' is no address"),
        ('{"ip":{"ip":"1.2.3.4","port":65536}}', "an integer"), ('{"ip":{"ip":"1.2.3.4","port":-1}}', "an integer"),
        ('{"e":{"code":"x"}}', "an integer"), ('{"e":{"message":1}}', "a string"), ('{"e":{"message_hex":"f"}}', "hex digits"),
        ('{"unknown":[{"key":"61"}]}', "key and value"), ('{"unknown":[{"value":"61"}]}', "key and value"),
        ('{"unknown":[5]}', "key and value"), ('{"unknown":[{"key":"6","value":"31"}]}', "hex digits"),
        ('{"unknown":[{"key":"61","value":"3"}]}', "hex digits"), ('{"raw":"f"}', "hex digits"),
    )

    def test_each_line(self):
        """One line says which and why, and the others are encoded all the same."""
        for line, says in self.LINES:
            with self.subTest(line):
                status, stdout, stderr = encoded({"t": "31"}, "", line, {"t": "32"})
                self.assertEqual((status, stdout), (2, b"d1:t1:1e".hex().encode() + b"\n" + b"d1:t1:2e".hex().encode() + b"\n"))
                self.assertTrue(stderr.startswith("krpcscope: standard input:3: "), stderr)
                self.assertEqual(stderr.count("\n"), 1)
                self.assertIn(says, stderr)

    def test_names_the_file(self):
        with folder() as where:
            (where / "x.ndjson").write_text('{"t":"31"}\n{"t":"3"}\n')
            result = run("encode", where / "x.ndjson")
            self.assertEqual((result.returncode, result.stdout), (2, b"d1:t1:1e".hex().encode() + b"\n"))
            self.assertIn(f"{where}/x.ndjson:2: hex digits".encode(), result.stderr)


if __name__ == "__main__":
    unittest.main()
