#!/usr/bin/env python3
"""test_reading.py: what is read out of frames and files: relayed datagrams, announces over HTTP, UDP with wrong lengths.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import unittest

from krpcscope_cli import folder, links, out, records

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


if __name__ == "__main__":
    unittest.main()
