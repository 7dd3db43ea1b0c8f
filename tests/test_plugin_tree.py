#!/usr/bin/env python3
"""test_plugin_tree.py: what the Wireshark plugin shows of packets that are made by hand: tunnels, the peer wire, NATs.

The environment is that of test_plugin.py.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct
import unittest
import xml.etree.ElementTree

from test_plugin import A, B, ID, OTHER, PING, PONG, capture, frames, ipv4, table, tshark, udp

SYN, ACK = 2, 16
PORT = b"\0\0\0\3\x09\x1a\xe1"
HANDSHAKE = b"\x13BitTorrent protocol" + bytes(7) + b"\1" + ID + b"-LT20B0-abcdefghijkl"


def tcp(src, dst, seq, flags, payload=b""):
    return ipv4(src[0], dst[0], 6, struct.pack("!HHIIBBHHH", src[1], dst[1], seq, 1, 0x50, flags, 65535, 0, 0) + payload)


def pong_that_sees(endpoint, t=b"aa"):
    packed = bytes(map(int, endpoint[0].split("."))) + struct.pack("!H", endpoint[1])
    return b"d2:ip6:" + packed + PONG[1:].replace(b"2:aa", b"2:" + t)


def fields(path, *options):
    """Name, position in the frame and value of all fields, as they stand in the tree."""
    tree = xml.etree.ElementTree.fromstring(tshark(path, "-T", "pdml", *options))
    return [(f.get("name"), int(f.get("pos")), f.get("show")) for f in tree.iter("field") if f.get("pos") is not None]


class Tunnels(unittest.TestCase):
    def test_the_tunnel_is_no_part_of_the_story(self):
        """VXLAN, with bytes that would be an announcement to a tracker if no packet were found inside of it."""
        query = struct.pack("!HHHH", A[1], B[1], 8 + len(PING), 0) + PING
        options = bytes([17, 4]) + bytes(32) + b"\1\2" + b"\1\2" + bytes(2)
        inner = struct.pack("!IHBB", 6 << 28, len(options + query), 0, 64) + bytes(15) + b"\1" + bytes(15) + b"\2" + options + query
        payload = b"\x08\0\0\0\0\0\1\0" + b"\0\0\0\1\0\0" + b"\2\0\0\0\0\1" + b"\x86\xdd" + inner
        path = capture("tunnel.pcap", [udp(("192.0.2.7", 5000), ("192.0.2.8", port), payload) for port in (4789, 4788)])
        self.assertEqual(frames(path, "krpc.y"), [1])
        self.assertEqual(frames(path, "krpc.advert.channel"), [2])


class PeerWire(unittest.TestCase):
    def test_the_same_message_twice(self):
        """Each of two that are alike selects bytes of its own."""
        path = capture("twice.pcap", [tcp(A, B, 99, SYN), tcp(A, B, 100, ACK, HANDSHAKE + PORT + PORT)])
        found = [(pos - 40, value) for name, pos, value in fields(path) if name == "krpc.peerwire.port"]
        self.assertEqual(found, [(len(HANDSHAKE) + 5, "6881"), (len(HANDSHAKE) + 12, "6881")])


class Nats(unittest.TestCase):
    def shown(self, *seen):
        """What is shown with the first query of a node that others, one after the other, see at these endpoints."""
        packets = []
        for i, endpoint in enumerate(seen):
            other, t = (("192.0.2.1", "198.51.100.2", "203.0.113.3")[i], 7000), b"a%d" % i
            packets += [udp(A, other, PING.replace(b"2:aa", b"2:" + t)), udp(other, A, pong_that_sees(endpoint, t))]
        wanted = ("port", "external.addr", "external.port", "external.observers")
        return table(capture("outside.pcap", packets), *(f"krpc.nat.{name}" for name in wanted), options=["-2"])[0]

    def test_outside_endpoints(self):
        """Each with how many say so; and who is seen on two is behind a NAT, whatever is known of its ports."""
        x, y = ("203.0.113.9", 40001), ("203.0.113.10", 40002)
        self.assertEqual(self.shown(x, x, y), ["2", f"{x[0]},{y[0]}", "40001,40002", "2,1"])
        self.assertEqual(self.shown(x, y), ["0", f"{x[0]},{y[0]}", "40001,40002", "1,1"])
        self.assertEqual(self.shown(A), ["", "", "", ""])


if __name__ == "__main__":
    unittest.main()
