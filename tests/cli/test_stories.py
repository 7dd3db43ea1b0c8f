#!/usr/bin/env python3
"""test_stories.py: the paragraphs about nodes behind NATs, in scenes made by hand: one for each kind of NAT.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import importlib.util
import unittest

from command import SAMPLES, folder, links, out

spec = importlib.util.spec_from_file_location("packets", SAMPLES / "packets.py")
packets = importlib.util.module_from_spec(spec)
spec.loader.exec_module(packets)

INSIDE, OUTSIDE, ANOTHER = ("192.168.1.2", 6881), ("203.0.113.9", 40001), ("203.0.113.9", 40002)
OTHERS = [(f"{net}.1", 7000) for net in ("192.0.2", "198.51.100", "8.8.4", "9.9.9", "1.1.1", "5.5.5", "77.1.1")]


class Scene:
    def __init__(self):
        self.packets, self.now, self.number = [], 0, 0

    def send(self, src, dst, payload):
        self.now += 1
        self.packets.append((self.now, packets.udp_packet(src, dst, payload)))

    def ask(self, who, whom, sees=None, **more):
        """A ping and its answer, in which the other one may say where it sees who asks."""
        self.number += 1
        t, answer = "a%d" % self.number, {"top": {"ip": packets.compact(sees)}} if sees else {}
        self.send(who, whom, packets.query("ping", t, packets.node_id(who[0]), **more))
        self.send(whom, who, packets.response(t, packets.node_id(whom[0]), **answer))
        return self

    def told(self, command="nodes"):
        """Without the breaks of its lines."""
        make = links()
        with folder() as where:
            data = make.pcap(make.RAW, [])
            for time, packet in self.packets:
                data += make.struct.pack("<IIII", make.TIME + time, 0, len(packet), len(packet)) + packet
            (where / "x.pcap").write_bytes(data)
            text = out(command, where / "x.pcap").decode()
        return " ".join(text.partition("Nodes behind a NAT, or advertising another port:")[2].split())


def seen(*endpoints, **more):
    """A scene in which the node inside asks one after the other, who see it there."""
    scene = Scene()
    for i, endpoint in enumerate(endpoints):
        scene.ask(INSIDE, OTHERS[i], endpoint, **more)
    return scene


class Stories(unittest.TestCase):
    """Each is what a person would say who has looked at all of it."""

    def check(self, scene, *sentences):
        self.assertEqual(scene.told(), " ".join(sentences))
        self.assertEqual(scene.told("check"), scene.told())

    WHERE = "192.168.1.2:6881 (libtorrent 2.0.11) is seen by others at 203.0.113.9:40001 (frames 2, 4)."
    REWRITES = ("Its NAT rewrites the port, and uses the same one for every destination: 40001 is the port to send to, "
                "6881 is not.")
    SILENT = "It advertises no DHT port."

    def test_port_that_is_rewritten(self):
        self.check(seen(*[OUTSIDE] * 4), self.WHERE, self.REWRITES, self.SILENT)

    def test_port_that_is_kept(self):
        self.check(seen(*[("203.0.113.9", 6881)] * 4),
                   "192.168.1.2:6881 (libtorrent 2.0.11) is seen by others at 203.0.113.9:6881 (frames 2, 4).",
                   "Its NAT keeps the port: others must send to that port.", self.SILENT)

    def test_too_few_to_say(self):
        self.check(seen(OUTSIDE, OUTSIDE), self.WHERE, self.SILENT)
        self.check(seen(OUTSIDE, ANOTHER), "192.168.1.2:6881 (libtorrent 2.0.11) is seen by others at 203.0.113.9:40001 (frame 2) and "
                   "203.0.113.9:40002 (frame 4).", self.SILENT)

    def test_many_ports(self):
        """Three are named, and how many more there are."""
        for num, more in ((3, ""), (4, " and on 1 more port"), (7, " and on 4 more ports")):
            scene = seen(*[("203.0.113.9", 40001 + i) for i in range(num)])
            shown = [f"203.0.113.9:{40001 + i} (frame {2 * i + 2})" for i in range(3)]
            places = ", ".join(shown) + more if num > 3 else f"{shown[0]}, {shown[1]} and {shown[2]}"
            self.assertIn(f"is seen by others at {places}.", scene.told())

    def test_what_it_advertises(self):
        for port, judged in ((6881, "but is seen on another port"), (40001, "which is right")):
            self.check(seen(*[OUTSIDE] * 4, top={"p": port}), self.WHERE, self.REWRITES,
                       f"In the key p it advertises port {port} (4 times, first in frame 1), {judged}.")
        scene = seen(OUTSIDE, OUTSIDE)
        scene.ask(INSIDE, OTHERS[2], OUTSIDE, top={"p": 6881}).ask(INSIDE, OTHERS[3], OUTSIDE)
        self.check(scene, self.WHERE, self.REWRITES,
                   "In the key p it advertises port 6881 (1 time, first in frame 5), but is seen on another port.")

    def test_two_nats(self):
        """Within the carrier's network it is seen in between."""
        scene = Scene()
        for i in range(2):
            scene.ask(INSIDE, (f"100.64.0.{50 + i}", 7000), ("100.64.0.5", 3000))
        for other in OTHERS[:4]:
            scene.ask(INSIDE, other, OUTSIDE)
        self.check(scene, "192.168.1.2:6881 (libtorrent 2.0.11) leaves its own NAT as 100.64.0.5:3000 (frames 2, 4); after a second "
                   "NAT it is seen by others at 203.0.113.9:40001 (frames 6, 8).",
                   "Its NAT rewrites the port, and uses the same one for every destination: others must send to the second "
                   "NAT's port.", self.SILENT)

    def test_who_gets_in(self):
        """Strangers, and long after anybody could have been sent to."""
        scene = seen(*[OUTSIDE] * 4)
        scene.now += 600
        for i in range(5):
            scene.ask((f"93.184.{i}.34", 1000), INSIDE)
        self.check(scene, self.WHERE, self.REWRITES, "Its NAT lets in any host.", self.SILENT)

    def test_nothing_to_tell(self):
        """A node that is seen where it is, and one that nobody sees."""
        public = ("93.184.216.34", 6881)
        scene = Scene()
        for other in OTHERS[:4]:
            scene.ask(public, other, public)
        self.assertEqual(scene.told(), "")
        self.assertEqual(seen(None, None).told(), "")


if __name__ == "__main__":
    unittest.main()
