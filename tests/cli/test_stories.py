#!/usr/bin/env python3
"""test_stories.py: the stories of hosts behind NATs, in scenes made by hand: one for each kind of NAT.

What they say about reachability and advice is in unit/validator/test_host_text.c.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import importlib.util
import re
import unittest

from krpcscope_cli import SAMPLES, folder, links, out

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

    def out(self, command):
        make = links()
        with folder() as where:
            data = make.pcap(make.RAW, [])
            for time, packet in self.packets:
                data += make.struct.pack("<IIII", make.TIME + time, 0, len(packet), len(packet)) + packet
            (where / "x.pcap").write_bytes(data)
            return out(command, where / "x.pcap").decode()

    def told(self, command="nodes"):
        """Each story without the breaks of its lines, and without what it says about reachability and advice."""
        text = self.out(command)
        stories = []
        for line in text.partition("Nodes behind a NAT, or advertising another port:\n")[2].splitlines():
            if re.match("  [^ ]", line):
                stories.append([])
            stories[-1].append(line.strip())
        head = r"(.*?): (?:open|replies only|reachability unknown)[.,](?: .*?)? (?=(?:Others see|It leaves|It sends))"
        return [re.sub(r" (?:Advice \(|To see more:).*", "", re.sub(head, r"\1 ", " ".join(s))) for s in stories]


def seen(*endpoints, **more):
    """A scene in which the node inside asks one after the other, who see it there."""
    scene = Scene()
    for i, endpoint in enumerate(endpoints):
        scene.ask(INSIDE, OTHERS[i], endpoint, **more)
    return scene


class Stories(unittest.TestCase):
    """Each is what a person would say who has looked at all of it."""

    def check(self, scene, *sentences):
        self.assertEqual(scene.told(), [" ".join(sentences)])
        for command in "check", "ports":
            self.assertEqual(scene.told(command), scene.told())

    WHO = "192.168.1.2:6881 (libtorrent 2.0.11)"
    WHERE = WHO + " Others see it at 203.0.113.9:40001 (frames 2, 4)."
    REWRITES = "Its NAT rewrites the port, and uses the same one for every destination."
    SILENT = "It advertises no DHT port."

    def test_port_that_is_rewritten(self):
        self.check(seen(*[OUTSIDE] * 4), self.WHERE, self.REWRITES, self.SILENT)

    def test_port_that_is_kept(self):
        self.check(seen(*[("203.0.113.9", 6881)] * 4),
                   self.WHO, "Others see it at 203.0.113.9:6881 (frames 2, 4).", "Its NAT keeps the port.", self.SILENT)

    def test_too_few_to_say(self):
        said = seen(OUTSIDE).told()[0]
        said = re.sub(r" What its NAT does is unknown: [^.]*\.", "", said)
        self.assertEqual(said, f"{self.WHO} Others see it at 203.0.113.9:40001 (frame 2). {self.SILENT}")
        said = seen(OUTSIDE, ANOTHER).told()[0]
        self.assertIn(f"{self.WHO} Others see it at 203.0.113.9:40001 (frame 2) and 203.0.113.9:40002 (frame 4).", said)
        self.assertNotIn("for every destination", said)
        self.assertNotIn("different destinations", said)

    def test_many_ports(self):
        """Three are named, and how many more there are."""
        for num, more in ((3, ""), (4, ", and on 1 more outside port"), (7, ", and on 4 more outside ports")):
            scene = seen(*[("203.0.113.9", 40001 + i) for i in range(num)])
            shown = [f"203.0.113.9:{40001 + i} (frame {2 * i + 2})" for i in range(3)]
            places = ", ".join(shown) + more if num > 3 else f"{shown[0]}, {shown[1]} and {shown[2]}"
            self.assertIn(f"Others see it at {places}.", scene.told()[0])

    def test_what_it_advertises(self):
        self.check(seen(*[OUTSIDE] * 4, top={"p": 40001}), self.WHERE, self.REWRITES,
                   "In the key p it advertises port 40001 (4 times, first in frame 1), on which others see it.")
        self.check(seen(*[OUTSIDE] * 4, top={"p": 6881}), self.WHERE, self.REWRITES,
                   "In the key p it advertises port 6881 (4 times, first in frame 1), but others see it on port 40001 (frame 2) "
                   "and store that one instead.")
        scene = seen(OUTSIDE, OUTSIDE)
        scene.ask(INSIDE, OTHERS[2], OUTSIDE, top={"p": 6881}).ask(INSIDE, OTHERS[3], OUTSIDE)
        self.check(scene, self.WHERE, self.REWRITES,
                   "In the key p it advertises port 6881 (1 time, first in frame 5), but others see it on port 40001 (frame 6) "
                   "and store that one instead.")

    def test_two_nats(self):
        """Within the carrier's network it is seen in between."""
        scene = Scene()
        for i in range(2):
            scene.ask(INSIDE, (f"100.64.0.{50 + i}", 7000), ("100.64.0.5", 3000))
        for other in OTHERS[:4]:
            scene.ask(INSIDE, other, OUTSIDE)
        self.check(scene, self.WHO, "It leaves its own NAT as 100.64.0.5:3000 (frames 2, 4); after a second NAT others see it at "
                   "203.0.113.9:40001 (frames 6, 8).", self.REWRITES, self.SILENT)

    def test_who_gets_in(self):
        """Strangers, and long after anybody could have been sent to."""
        scene = seen(*[OUTSIDE] * 4)
        scene.now += 600
        for i in range(5):
            scene.ask((f"93.184.{i}.34", 1000), INSIDE)
        said = scene.told()[0].replace(" Its NAT lets in any host.", "") # the first line says it if it is open
        self.assertEqual(said, " ".join([self.WHERE, self.REWRITES, self.SILENT]))

    def test_nothing_to_tell(self):
        """A node that is seen where it is, and one that nobody sees."""
        public = ("93.184.216.34", 6881)
        scene = Scene()
        for other in OTHERS[:4]:
            scene.ask(public, other, public)
        self.assertEqual(scene.told(), [])
        self.assertEqual(seen(None, None).told(), [])

    def test_one_host(self):
        """Of a node that leaves its NAT at several addresses and ports, seen outside, there is one story. Another node at one
        of these addresses has its own."""
        scene = Scene()
        pool = [("203.0.113.9", 40001), ("203.0.113.9", 40002), ("203.0.113.10", 40001), ("203.0.113.11", 40001)]
        for i, outside in enumerate(pool):
            for other in OTHERS[i:i + 2]:
                scene.number += 1
                scene.send(outside, other, packets.query("ping", "b%d" % scene.number, packets.node_id("one node")))
        scene.send(("203.0.113.9", 50000), OTHERS[0], packets.query("ping", "zz", packets.node_id("another")))
        text = scene.out("reach")
        self.assertEqual(len(re.findall("^  [^ ].*: reachability unknown", text, re.M)), 2, text)
        joined = " ".join(text.split())
        self.assertIn("Others see it at 203.0.113.9:40001 (frame 1), 203.0.113.9:40002 (frame 3), 203.0.113.10:40001 (frame "
                      "5), and at 1 more outside endpoint.", joined)
        self.assertIn("203.0.113.9:50000 (libtorrent 2.0.11): reachability unknown", joined)


if __name__ == "__main__":
    unittest.main()
