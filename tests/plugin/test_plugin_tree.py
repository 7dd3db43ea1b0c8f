#!/usr/bin/env python3
"""test_plugin_tree.py: what the Wireshark plugin shows of hand-made packets: tunnels, the peer wire, NATs.

The environment is that of tshark_cli.py.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct
import unittest
import xml.etree.ElementTree

from tshark_cli import A, B, ID, OTHER, PING, PONG, capture, frames, ipv4, table, tshark, udp

SYN, ACK = 2, 16
PORT = b"\0\0\0\3\x09\x1a\xe1"
HANDSHAKE = b"\x13BitTorrent protocol" + bytes(7) + b"\1" + ID + b"-LT20B0-abcdefghijkl"


def tcp(src, dst, seq, flags, payload=b""):
    return ipv4(src[0], dst[0], 6, struct.pack("!HHIIBBHHH", src[1], dst[1], seq, 1, 0x50, flags, 65535, 0, 0) + payload)


def extended(number, body):
    return struct.pack("!IBB", 2 + len(body), 20, number) + body


def both_speak(segments):
    """A connection: both sides use id 1 for ut_pex and 2 for ut_holepunch; then the first side sends these segments."""
    hello = HANDSHAKE + extended(0, b"d1:md12:ut_holepunchi2e6:ut_pexi1eee")
    packets = [tcp(A, B, 99, SYN), tcp(B, A, 99, SYN | ACK), tcp(B, A, 100, ACK, hello), tcp(A, B, 100, ACK, hello)]
    seq = 100 + len(hello)
    for segment in segments:
        packets.append(tcp(A, B, seq, ACK, segment))
        seq += len(segment)
    return packets


def pong_that_sees(endpoint, t=b"aa"):
    packed = bytes(map(int, endpoint[0].split("."))) + struct.pack("!H", endpoint[1])
    return b"d2:ip6:" + packed + PONG[1:].replace(b"2:aa", b"2:" + t)


def fields(path, *options):
    """Name, position in the frame and value of all fields, in the order of the tree."""
    tree = xml.etree.ElementTree.fromstring(tshark(path, "-T", "pdml", *options))
    return [(f.get("name"), int(f.get("pos")), f.get("show")) for f in tree.iter("field") if f.get("pos") is not None]


class Tunnels(unittest.TestCase):
    def test_tunnels_are_not_tracked(self):
        """VXLAN, with bytes that would be an announce to a tracker if no packet were found inside of it."""
        query = struct.pack("!HHHH", A[1], B[1], 8 + len(PING), 0) + PING
        options = bytes([17, 4]) + bytes(32) + b"\1\2" + b"\1\2" + bytes(2)
        inner = struct.pack("!IHBB", 6 << 28, len(options + query), 0, 64) + bytes(15) + b"\1" + bytes(15) + b"\2" + options + query
        payload = b"\x08\0\0\0\0\0\1\0" + b"\0\0\0\1\0\0" + b"\2\0\0\0\0\1" + b"\x86\xdd" + inner
        path = capture("tunnel.pcap", [udp(("192.0.2.7", 5000), ("192.0.2.8", port), payload) for port in (4789, 4788)])
        self.assertEqual(frames(path, "krpc.y"), [1])
        self.assertEqual(frames(path, "krpc.advert.channel"), [2])


class PeerWire(unittest.TestCase):
    def test_the_same_message_twice(self):
        """Each of two equal messages selects its own bytes."""
        path = capture("twice.pcap", [tcp(A, B, 99, SYN), tcp(A, B, 100, ACK, HANDSHAKE + PORT + PORT)])
        found = [(pos - 40, value) for name, pos, value in fields(path) if name == "krpc.peerwire.port"]
        self.assertEqual(found, [(len(HANDSHAKE) + 5, "6881"), (len(HANDSHAKE) + 12, "6881")])


    def shown(self, message, *names):
        """The values of these fields in the packet with that message."""
        return table(capture("one.pcap", both_speak([message])), *(f"krpc.peerwire.{name}" for name in names))[-1]

    def test_holepunch(self):
        names = [f"holepunch{name}" for name in ("", ".addr", ".addr6", ".port", ".error")]
        v4, v6 = b"\0\xc0\0\2\x09\xc8\xd5", b"\1" + bytes(15) + b"\7\x1a\xe1"
        self.assertEqual(self.shown(extended(2, b"\0" + v4), *names), ["rendezvous", "192.0.2.9", "", "51413", ""])
        self.assertEqual(self.shown(extended(2, b"\1" + v6 + bytes(4)), *names), ["connect", "", "::7", "6881", ""])
        self.assertEqual(self.shown(extended(2, b"\2" + v4 + b"\0\0\0\3"), *names), ["error", "192.0.2.9", "", "51413", "no support"])
        self.assertEqual(self.shown(extended(2, b"\2" + v4[:3]), *names), [""] * 5)

    def test_peers_that_came_and_went(self):
        six = bytes(15) + b"\7\x1a\xe1"
        pex = extended(1, b"d5:added12:\xc0\0\2\1\0\x0a\xc0\0\2\2\0\x0b7:added.f2:\x12\x046:added618:" + six +
                       b"8:added6.f1:\x017:dropped6:\xc0\0\2\3\0\x0ce")
        names = [f"pex.{name}" for name in ("addr", "addr6", "port", "flags", "dropped")]
        self.assertEqual(self.shown(pex, *names), ["192.0.2.1,192.0.2.2,192.0.2.3", "::7", "10,11,6881,12", "0x12,0x04,0x01,0x00", "1"])

    def test_extension_handshake(self):
        said = extended(0, b"d4:ipv616:" + bytes(15) + b"\7" + b"1:md6:ut_pexi3ee1:pi6999e4:reqqi250e"
                        b"1:v9:Client \xff16:yourip4:\xc0\0\2\x09e")
        names = ("kind", "extension", "client", "yourip.addr", "ipv6.addr6")
        shown = [text.replace(r"\\xff", r"\xff") for text in self.shown(said, *names)]  # Wireshark 4.4 quotes it once more
        self.assertEqual(shown, ["extended", "handshake", "Client \\xff1", "192.0.2.9", "::7"])

    def test_what_the_sender_can_do(self):
        bits = {"dht": 1, "fast": 4, "v2": 16, "extended": 16 << 16}
        for name, bit in bits.items():
            bytes_ = HANDSHAKE[:20] + struct.pack("!Q", bit) + HANDSHAKE[28:]
            path = capture("bits.pcap", [tcp(A, B, 99, SYN), tcp(A, B, 100, ACK, bytes_)])
            self.assertEqual([other for other in bits if frames(path, f"krpc.peerwire.reserved.{other} == 1")], [name])
            self.assertEqual(table(path, "krpc.peerwire.info_hash", "krpc.peerwire.peer_id")[-1], [ID.hex(), HANDSHAKE[48:].hex()])

    def test_entries_of_a_long_list(self):
        """Two hundred peers are shown, and the number of the others."""
        for num, more in ((200, ""), (201, "1"), (333, "133")):
            path = capture("pex.pcap", both_speak([extended(1, b"d5:added%d:" % (6 * num) + b"".join(
                b"\x0b\0" + struct.pack("!HH", i, 1000 + i) for i in range(num)) + b"e")]))
            row = table(path, "krpc.peerwire.pex.port", "krpc.peerwire.more", options=["-Y", "krpc.peerwire.extension == \"ut_pex\""])[0]
            self.assertEqual(row, [",".join(str(1000 + i) for i in range(200)), more])

    def test_messages_of_one_packet(self):
        """Sixty-four messages are shown, in their order."""
        ports = [struct.pack("!IBH", 3, 9, 1000 + i) for i in range(70)]
        path = capture("many.pcap", both_speak([b"".join(ports)]))
        self.assertEqual(table(path, "krpc.peerwire.port")[-1], [",".join(str(1000 + i) for i in range(64))])

    def test_where_a_message_lies(self):
        """It selects bytes of the packet that completes it, if that has them all; else of a separate data source."""
        other = struct.pack("!IBH", 3, 9, 6882)
        path = capture("pieces.pcap", both_speak([PORT + PORT[:3], PORT[3:] + other]))
        tree = xml.etree.ElementTree.fromstring(tshark(path, "-T", "pdml"))
        found = [[(int(f.get("pos")), f.get("show")) for f in packet.iter("field") if f.get("name") == "krpc.peerwire.port"]
                 for packet in tree.iter("packet")]
        self.assertEqual(found[-2:], [[(40 + 5, "6881")], [(5, "6881"), (40 + 4 + 5, "6882")]])
        self.assertEqual(tshark(path, "-V", "-x").count("Peer wire message ("), 1)


class Nats(unittest.TestCase):
    def shown(self, *seen):
        """The NAT in the first query of a node that other nodes, one after the other, see at these endpoints."""
        packets = []
        for i, endpoint in enumerate(seen):
            other, t = (("192.0.2.1", "198.51.100.2", "203.0.113.3")[i], 7000), b"a%d" % i
            packets += [udp(A, other, PING.replace(b"2:aa", b"2:" + t)), udp(other, A, pong_that_sees(endpoint, t))]
        wanted = ("port", "external.addr", "external.port", "external.observers")
        return table(capture("outside.pcap", packets), *(f"krpc.nat.{name}" for name in wanted), options=["-2"])[0]

    def test_outside_endpoints(self):
        """Each outside endpoint has its number of observers. A report that contradicts two others is not shown."""
        x, y = ("203.0.113.9", 40001), ("203.0.113.10", 40002)
        self.assertEqual(self.shown(x, x, y), ["rewritten", x[0], "40001", "2"])
        self.assertEqual(self.shown(x, y), ["rewritten", f"{x[0]},{y[0]}", "40001,40002", "1,1"])
        self.assertEqual(self.shown(A), ["", "", "", ""])

    def test_reachability(self):
        """A node in a LAN that strangers of two networks reach after five minutes, and one to which none sent a query."""
        near, far, third = ("192.0.2.1", 7000), ("198.51.100.2", 7000), ("203.0.113.3", 7000)
        asked = [udp(A, near, PING), udp(near, A, pong_that_sees(("203.0.113.9", 40001)))]
        strangers = [packet for i, other in enumerate((far, third)) for packet in (
            udp(other, A, PING.replace(ID, bytes([i]) * 20)), udp(A, other, PONG.replace(OTHER, ID)))]
        fields = [f"krpc.{name}" for name in ("reach.verdict", "reach.missing", "reach.frame", "reason", "advice", "advice.frame")]
        path = capture("reached.pcap", asked * 2 + strangers, seconds=(0, 0, 200, 200, 302, 302, 303, 303))
        first = table(path, *fields, options=["-2"])[0]
        self.assertEqual((first[0], first[1], first[4]), ("open", "port", "nothing-to-do"))
        self.assertEqual(set(first[2].split(",")), set(first[5].split(",")))
        self.assertLessEqual({"5", "7"}, set(first[2].split(",")))
        path = capture("not-reached.pcap", asked * 2, seconds=(0, 0, 200, 200))
        self.assertEqual(table(path, *fields, options=["-2"])[0], ["unknown", "nobody_tried", "", "one_witness", "not-enough-seen", ""])
        self.assertEqual(table(path, *fields, options=["-2", "-o", "krpc.nat:FALSE"])[0], [""] * 6)
        self.assertEqual(table(path, *fields, options=["-2"])[1], [""] * 6)  # a node elsewhere, about which nothing is known


if __name__ == "__main__":
    unittest.main()
