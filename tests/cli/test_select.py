#!/usr/bin/env python3
"""test_select.py: --node, --info-hash, --port and --client give those records, of all, that are asked for, and no others.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import re
import unittest

from krpcscope_cli import out, records, sample

NAT, IPV6 = sample("natc-inside.pcapng"), sample("ipv6-lab.pcapng")


def ends(record, *prefixes):
    """The endpoints that a record names by these prefixes of its fields."""
    return [(record[f"{p}ip"], record[f"{p}port"]) for p in prefixes if f"{p}ip" in record]


def is_among(wanted, endpoints):
    ip, port = wanted
    return any(ip == e[0] and port in (0, e[1]) for e in endpoints)


def written(endpoint):
    ip, port = endpoint
    if port == 0:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


class Selecting(unittest.TestCase):
    def select(self, command, capture, kind, options, belongs):
        """Some records are given, some are not, and the ones that are given are those that belong."""
        everything = [r for r in records(command, "--format", "ndjson", capture) if r["type"] == kind]
        found = [r for r in records(command, "--format", "ndjson", *options, capture) if r["type"] == kind]
        self.assertEqual(found, [r for r in everything if belongs(r)])
        self.assertTrue(0 < len(found) < len(everything), (command, options, len(found)))
        return found


class Messages(Selecting):
    def check(self, options, belongs, capture=NAT):
        return self.select("decode", capture, "message", options, belongs)

    def test_node(self):
        for capture, wanted in ((NAT, ("172.16.0.12", 0)), (NAT, ("203.0.113.101", 8999)), (IPV6, ("2001:db8:0:21::1", 0)),
                                (IPV6, ("2001:db8:0:21::1", 6881))):
            with self.subTest(wanted):
                self.check(["--node", written(wanted)], lambda m: is_among(wanted, ends(m, "src_", "dest_")), capture)

    def test_node_id(self):
        messages = records("decode", "--format", "ndjson", NAT)
        known = lambda m: m.get("a", m.get("r", {})).get("id")
        wanted = known(messages[0])
        for text in (wanted, wanted.upper()):
            self.check(["--node", text], lambda m: known(m) == wanted)

    def test_info_hash(self):
        """What names it, and what answers that."""
        named = lambda m: {m.get("a", {}).get(key) for key in ("info_hash", "target")}
        messages = records("decode", "--format", "ndjson", NAT)
        for key in ("info_hash", "target"):
            wanted = next(m["a"][key] for m in messages if key in m.get("a", {}))
            asked = {m["frame"] for m in messages if wanted in named(m)}
            self.check(["--info-hash", wanted], lambda m: wanted in named(m) or m.get("request_frame") in asked)

    def test_port(self):
        """It comes from there, goes there, or names it as the sender's or the receiver's own."""
        says = lambda m: [m.get("p"), m.get("a", {}).get("port"), m.get("r", {}).get("p")]
        for capture, port in ((NAT, 8999), (NAT, 51413), (sample("proposal-p.pcapng"), None), (sample("bep5.pcapng"), None)): # None: all
            messages = records("decode", "--format", "ndjson", capture)
            named = {p for m in messages for p in says(m) if p is not None}
            for one in {port} if port is not None else named:
                with self.subTest(f"{capture.name} {one}"):
                    belongs = lambda m: one in (m["src_port"], m["dest_port"], *says(m))
                    found = records("decode", "--format", "ndjson", "--port", one, capture)
                    self.assertEqual([m["frame"] for m in found], [m["frame"] for m in messages if belongs(m)])

    def test_client(self):
        for text in ("aria2", "ARIA", "2.0", "rtorrent"):
            self.check(["--client", text], lambda m: text.lower() in m.get("client", "unknown").lower())

    def test_all_of_them(self):
        wanted = ("172.16.0.12", 6881)
        self.check(["--node", written(wanted), "--client", "aria2"],
                   lambda m: is_among(wanted, ends(m, "src_", "dest_")) and "aria2" in m.get("client", ""))
        self.check(["--node", "172.16.0.12", "--port", 8902],
                   lambda m: is_among(("172.16.0.12", 0), ends(m, "src_", "dest_")) and 8902 in (m["src_port"], m["dest_port"]))


class Adverts(Selecting):
    def check(self, options, belongs, capture=NAT):
        return self.select("ports", capture, "advert", options, belongs)

    def test_node(self):
        """Who says it, who is told, and where others see the one who says it."""
        for wanted in (("172.16.0.15", 0), ("198.51.100.11", 6881), ("192.0.2.103", 44828), ("192.0.2.103", 0)):
            with self.subTest(wanted):
                self.check(["--node", written(wanted)], lambda a: is_among(wanted, ends(a, "src_", "dest_", "observed_")))

    def test_others(self):
        adverts = records("ports", "--format", "ndjson", NAT)
        for name, option in (("node_id", "--node"), ("info_hash", "--info-hash")):
            for wanted in {a[name] for a in adverts if name in a}:
                self.check([option, wanted], lambda a: a.get(name) == wanted)
        for text in ("aria2", "libtorrent 2"):
            self.check(["--client", text], lambda a: text in a.get("client", "unknown"))

    def test_port(self):
        for port in (44828, 8999, 51413):
            ports = ("src_port", "advertised_port", "observed_port", "dht_port")
            self.check(["--port", port], lambda a: port in [a.get(name) for name in ports])


class Nodes(Selecting):
    def check(self, options, belongs, capture=NAT):
        return self.select("nodes", capture, "node", options, belongs)

    def test_node(self):
        """Where it is, or where others see it."""
        for wanted in (("172.16.0.15", 0), ("172.16.0.15", 8999), ("192.0.2.103", 44828), ("192.0.2.103", 0)):
            with self.subTest(wanted):
                self.check(["--node", written(wanted)],
                           lambda n: is_among(wanted, ends(n, "") + [e for x in n["nat"].get("external", []) for e in ends(x, "")]))

    def test_others(self):
        nodes = records("nodes", "--format", "ndjson", NAT)
        for wanted in {i for n in nodes for i in n["node_ids"]}: # an older one, too
            self.check(["--node", wanted], lambda n: wanted in n["node_ids"])
        for port in (8999, 44828):
            self.check(["--port", port], lambda n: port in [n["port"], *(x["port"] for x in n["nat"].get("external", []))])
        self.check(["--client", "aria2"], lambda n: "aria2" in n.get("client", "unknown"))

    def test_info_hash(self):
        """Who names it, or answers about it."""
        messages = records("decode", "--format", "ndjson", NAT)
        for wanted in {m["a"]["info_hash"] for m in messages if "info_hash" in m.get("a", {})}:
            asked = {m["frame"] for m in messages if wanted in (m.get("a", {}).get("info_hash"), m.get("a", {}).get("target"))}
            about = {e for m in messages if m["frame"] in asked or m.get("request_frame") in asked for e in ends(m, "src_")}
            self.check(["--info-hash", wanted], lambda n: (n["ip"], n["port"]) in about)


class Text(unittest.TestCase):
    """The same selection where people read it."""

    def stories(self, *words):
        told = out(*words, NAT).decode().partition("Nodes behind a NAT, or advertising another port:\n")[2]
        return set(re.findall(r"^  (\S+:\d+)(?: \(.*?\))?: (?:open|replies only|reachability unknown)[.,]", told, flags=re.M))

    def test_stories(self):
        """Of those that the selection is about, and no others."""
        adverts = records("ports", "--format", "ndjson", NAT)
        hashes = {a["info_hash"] for a in adverts if "info_hash" in a}
        for options in [["--info-hash", h] for h in hashes] + [["--node", "172.16.0.15"], ["--client", "aria2"], ["--port", "8999"], []]:
            wanted = {written((n["ip"], n["port"])) for n in records("nodes", "--format", "ndjson", *options, NAT)
                      if n.get("nat", {}).get("port") == "rewritten"}
            self.assertNotEqual(wanted, set())
            self.assertEqual(self.stories("nodes", *options), wanted, options)
            self.assertEqual(self.stories("ports", *options), wanted, options)

    def test_ports(self):
        """The table counts each advertisement once."""
        for options in ([], ["--client", "aria2"], ["--node", "203.0.113.101"]):
            counted = collections.Counter()
            for a in records("ports", "--format", "ndjson", *options, NAT):
                counted[a["channel"], a["advertised_port"], a["verdict"]] += 1
            found = collections.Counter()
            for line in out("ports", *options, NAT).decode().partition("\n\n")[0].splitlines()[1:]:
                row = re.match(r"\S+ +(\S+) +(\d+) +(\d+|-) +(\S+) +(\S+) +(\d+)  \d+", line)
                found[row[1], int(row[2]), row[4]] += int(row[6])
            self.assertEqual(found, counted)


class Mappings(unittest.TestCase):
    SIDES = ("--inside", sample("natc-inside.pcapng"), "--outside", sample("natc-outside.pcapng"))

    def select(self, *options):
        return [r for r in records("compare", "--format", "ndjson", *self.SIDES, *options) if r["type"] == "mapping"]

    def check(self, options, belongs):
        everything, found = self.select(), self.select(*options)
        self.assertEqual(found, [m for m in everything if belongs(m)], options)
        self.assertTrue(0 < len(found) < len(everything), options)

    def test_node(self):
        """On either side of the NAT."""
        for wanted in (("172.16.0.12", 0), ("172.16.0.15", 8999), ("192.0.2.103", 44828), ("192.0.2.103", 48118)):
            self.check(["--node", written(wanted)], lambda m: is_among(wanted, ends(m, "inside_", "outside_")))
        self.assertEqual(self.select("--node", "192.0.2.103:6881"), [])
        self.assertEqual(self.select("--node", "172.16.0.15:44828"), [])

    def test_port(self):
        for port in (8999, 44828):
            self.check(["--port", port], lambda m: port in (m["inside_port"], m["outside_port"]))

    def test_who_it_is(self):
        """By client and by id: those of the nodes that are found so."""
        for option, wanted in (("--client", "aria2"), ("--client", "libtorrent")):
            nodes = {(n["ip"], n["port"]) for n in records("nodes", "--format", "ndjson", option, wanted, self.SIDES[1])}
            self.check([option, wanted], lambda m: (m["inside_ip"], m["inside_port"]) in nodes)


if __name__ == "__main__":
    unittest.main()
