#!/usr/bin/env python3
"""test_plugin_stock.py: the Wireshark plugin takes nothing away from what Wireshark shows by itself.

Each capture is read by tshark with the plugin and by tshark without it. The captures are the samples and those in the folder
KRPCSCOPE_CAPTURES. The environment is that of tshark_cli.py. SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import subprocess
import unittest

from tshark_cli import A, B, ID, OTHER, PING, PONG, SAMPLES, TSHARK, capture, frames, ipv4, table, tshark, udp
from krpcscope_cli import CAPTURES

WITHOUT = {**os.environ, "PLUGIN_DIR": ""}


def stock(path, *options):
    run = subprocess.run([TSHARK, "-r", str(path), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=WITHOUT)
    if run.returncode != 0:
        raise AssertionError(f"tshark {options} ends with {run.returncode}: {run.stderr.decode()}")
    return run.stdout.decode("utf-8", "replace")


def protocols(text):
    return [line.split("\t") for line in text.splitlines()]


class Stock(unittest.TestCase):
    def test_none_lost(self):
        """What Wireshark shows as BT-DHT is shown as KRPC or as BT-DHT; other packets that are not KRPC keep their layers."""
        fields = ("-T", "fields", "-e", "frame.number", "-e", "frame.protocols")
        total = 0
        for path in CAPTURES:
            with self.subTest(path.name):
                before = protocols(stock(path, *fields))
                after = protocols(tshark(path, *fields))
                self.assertEqual(len(before), len(after))
                for (number, was), (_, now) in zip(before, after):
                    if "bt-dht" in was.split(":"):
                        total += 1
                        self.assertTrue({"krpc", "bt-dht"} & set(now.split(":")), f"frame {number}: {was} became {now}")
                    if "krpc" not in now.split(":"):
                        self.assertEqual(now, was, f"frame {number}")
        self.assertGreater(total, 1000)

    def test_switched_off(self):
        """Then every line is the same, in one pass and in two."""
        for name in ("natc-outside", "quoted-in-icmp", "peer-wire", "other-protocols", "port-utp"):
            path = SAMPLES / f"{name}.pcapng"
            for passes in ([], ["-2"]):
                expected = stock(path, "-V", *passes)
                for options in (["-o", "krpc.supersede:FALSE"], ["--disable-protocol", "krpc"]):
                    with self.subTest(f"{name} {passes} {options}"):
                        self.assertEqual(tshark(path, "-V", *passes, *options), expected)

    def test_without_a_trace(self):
        """No heuristic of Wireshark's own is disabled, and only two protocols are new."""
        def run(what, env):
            return set(subprocess.run([TSHARK, "-G", what], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
                       .stdout.decode().splitlines())

        more = run("heuristic-decodes", os.environ) ^ run("heuristic-decodes", WITHOUT)
        self.assertEqual([line.split("\t")[:3] for line in more], [["udp", "krpc", "T"]])
        more = run("protocols", os.environ) ^ run("protocols", WITHOUT)
        self.assertEqual(sorted(line.split("\t")[2] for line in more), ["krpc", "krpc.peerwire"])


class Buffers(unittest.TestCase):
    """A message is dissected from each buffer that Wireshark hands over."""

    def test_lite(self):
        """UDP-Lite (RFC 3828), whose checksum covers the header."""
        path = capture("lite.pcap", [ipv4(A[0], B[0], 136, A[1].to_bytes(2, "big") + B[1].to_bytes(2, "big") + b"\0\x08\0\0" + PING)])
        self.assertEqual(frames(path, "krpc.y"), [1])

    def test_length_too_long(self):
        """A UDP length that goes past the end of the IP packet: the command does not read it, and Wireshark's own dissector does."""
        header = A[1].to_bytes(2, "big") + B[1].to_bytes(2, "big") + (80 + len(PING)).to_bytes(2, "big") + b"\0\0"
        path = capture("long.pcap", [ipv4(A[0], B[0], 17, header + PING)])
        self.assertEqual(frames(path, "bt-dht"), [1])
        self.assertEqual(frames(path, "krpc"), [])

    def test_socks(self):
        """A datagram to a SOCKS5 proxy (RFC 1928) and one from it: the other endpoint is the remote one."""
        def segment(src, dst, seq, ack, payload):
            return ipv4(src[0], dst[0], 6, struct.pack("!HHIIBBHHH", src[1], dst[1], seq, ack, 0x50, 24, 65535, 0, 0) + payload)

        host, proxy, relay = (A[0], 40000), ("192.0.2.9", 1080), ("192.0.2.9", 50000)
        client = (A[0], 44000)
        said = [(host, b"\5\1\0"), (proxy, b"\5\0"), (host, b"\5\3\0\1" + bytes(4) + struct.pack("!H", client[1])),
                (proxy, b"\5\0\0\1\xc0\0\2\x09" + struct.pack("!H", relay[1]))]
        packets, seq = [], {host: 1, proxy: 1}
        for sender, payload in said:
            other = proxy if sender == host else host
            packets.append(segment(sender, other, seq[sender], seq[other], payload))
            seq[sender] += len(payload)
        header = b"\0\0\0\1" + bytes(map(int, B[0].split("."))) + struct.pack("!H", B[1])
        packets += [udp(client, relay, header + PING), udp(relay, client, header + b"d2:ip6:" + bytes(4) + b"\1\1" + PONG[1:])]
        path = capture("socks.pcap", packets)
        for options in ([], ["-2"]):
            self.assertEqual(table(path, "krpc.response_to", "krpc.advert.destination_port", options=[*options, "-Y", "krpc"]),
                             [["", ""], ["5", str(client[1])]])

    def test_port_of_another(self):
        """The message is found after the other protocol, and before it from the next packet on, or when it is read again."""
        query = PING.replace(b"4:ping", b"9:find_node").replace(b"e1:q", b"6:target20:" + OTHER + b"e1:q")
        path = capture("port.pcap", [udp(A, (B[0], 53), query), udp((B[0], 53), A, PONG), udp(A, (B[0], 53), query.replace(ID, OTHER))])
        self.assertEqual(frames(path, "krpc.y"), [1, 2, 3])
        self.assertEqual(frames(path, "dns"), [1])
        self.assertEqual(frames(path, "krpc.y", "-2"), [1, 2, 3])
        self.assertEqual(frames(path, "dns", "-2"), [])


if __name__ == "__main__":
    unittest.main()
