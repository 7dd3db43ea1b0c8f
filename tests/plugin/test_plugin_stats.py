#!/usr/bin/env python3
"""test_plugin_stats.py: Wireshark's statistics and the command count the same in the same capture.

The environment is that of tshark_cli.py.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import functools
import re
import unittest

from tshark_cli import SAMPLES, statistics, table
from krpcscope_cli import findings, of_each, out, records
from parity import CONCLUDED

NAMES = ("natc-inside", "natb-inside", "natd-outside", "bep5", "errors", "port-utp", "contact-lab", "malformed")
PATHS = [SAMPLES / f"{name}.pcapng" for name in NAMES]


@functools.cache
def all_records(command):
    return of_each(PATHS, command)


def messages(path):
    return all_records("decode")[path]


def nodes(path):
    return all_records("nodes")[path]


def summary(path):
    return records("check", "--format", "ndjson", path)[-1]


def endpoint(record):
    return f"[{record['ip']}]:{record['port']}" if ":" in record["ip"] else f"{record['ip']}:{record['port']}"


def counted(values):
    return {key: count for key, count in values.items() if count != 0}


def tree(path, name, *options):
    """The counts of a statistics tree, by the names from the root to the leaf."""
    found, above = {}, []
    for line in statistics(path, name, *options):
        row = re.match(r"( *)(\S.*?) {2,}(\d+) {6,}", line)
        if row:
            above = above[:len(row[1])] + [row[2]]
            found[tuple(above)] = int(row[3])
    return found


def under(found, *above):
    """The counts one level below."""
    return counted({key[-1]: count for key, count in found.items() if key[:-1] == above})


REACHED = ("natc-inside", "natcrowd-inside", "natten-outside", "natpool-outside", "nattwo-outside", "natcgn-inside", "nataddr-inside")


@functools.cache
def nodes_of(path):
    return [node for node in records("nodes", "--format", "ndjson", path) if node["type"] == "node"]


def host_rows(path):
    """The rows of -z krpc,nodes by host: number of endpoints, verdict, and the advice with its frames."""
    rows = {}
    for line in statistics(path, "krpc,nodes"):
        row = re.match(r"(\S+:\d+) .*? (\d+) +(\d+) (endpoint_\w+|unknown) +(open|replies_only|unknown)", line)
        advice = re.match(r"    advice ([a-z-]+)(?:, frames? ([\d, ]+))?$", line)
        if row:
            name = row[1]
            rows[name] = (int(row[2]), row[5], [])
        elif advice:
            rows[name][2].append((advice[1], sorted(int(n) for n in (advice[2] or "").split(", ") if n)))
    return rows


def stories(path):
    """The verdict and the advice of each host that krpcscope reach names by its endpoint."""
    told, verdicts = {}, {": open": "open", ": replies only": "replies_only", ": reachability unknown": "unknown"}
    for story in re.split(r"^  (?=\S)", out("reach", path).decode(), flags=re.M)[1:]:
        story = " ".join(story.split())
        name = re.match(r"(\S+:\d+)(?: \(.*?\))?(: open|: replies only|: reachability unknown)", story)
        if name:
            advice = re.findall(r"Advice \(([a-z-]+)(?:; frames? ([\d, ]+))?\):", story)
            told[name[1]] = (verdicts[name[2]], [(slug, [int(n) for n in text.split(", ") if n]) for slug, text in advice])
    return told


class Trees(unittest.TestCase):
    def test_messages(self):
        for path in PATHS:
            with self.subTest(path.name):
                found, said, heard = tree(path, "krpc,tree"), summary(path), messages(path)
                asked = {m["frame"]: m["q"] for m in heard if "q" in m}
                answered = [asked.get(m.get("request_frame"), "a query that was not captured") for m in heard if m.get("y") == "r"]
                kinds = {"q": "query", "r": "response", "e": "error"}
                self.assertEqual(under(found, "Messages"), collections.Counter(kinds.get(m.get("y"), "unknown") for m in heard))
                self.assertEqual(found[("Messages",)], said["messages"]["total"])
                named = {"no method name" if name == "none" else name: n for name, n in said["queries"].items()}
                self.assertEqual(under(found, "Queries"), named)
                self.assertEqual(under(found, "Responses to"), collections.Counter(answered))
                self.assertEqual(under(found, "Clients"), said["clients"])
                self.assertEqual(found[("Errors",)], said["messages"]["errors"])

    def test_errors(self):
        path = SAMPLES / "errors.pcapng"
        said = collections.Counter(m["e"]["code"] for m in messages(path) if "code" in m.get("e", {}))
        found = under(tree(path, "krpc,tree"), "Errors")
        self.assertEqual(collections.Counter({int(name.split()[0]): n for name, n in found.items() if name[0] in "-0123456789"}), said)
        self.assertIn("201 generic error", found)

    def test_findings(self):
        seen = set()
        for path in PATHS:
            with self.subTest(path.name):
                frames = {m["frame"] for m in messages(path)}
                found = [f for f in findings(path) if f["frame"] in frames]
                self.assertEqual(under(tree(path, "krpc,tree", "-2"), "Findings in messages"), collections.Counter(f["rule"] for f in found))
                warned = collections.Counter(f["rule"] for f in found if f["severity"] != "note")
                self.assertEqual(under(tree(path, "krpc,tree", "-2", "-o", "krpc.checks:warn"), "Findings in messages"), warned)
                once, missing = tree(path, "krpc,tree"), {f["rule"] for f in found} & CONCLUDED
                said = collections.Counter(f["rule"] for f in found if f["rule"] not in CONCLUDED)
                self.assertEqual(under(once, "Findings in messages"), said)
                self.assertTrue(any("use tshark -2" in key[0] for key in once))
                self.assertFalse(any("use tshark -2" in key[0] for key in tree(path, "krpc,tree", "-2")))
                seen |= missing
        self.assertNotEqual(seen, set())

    def test_adverts(self):
        for path in PATHS:
            with self.subTest(path.name):
                found, said = tree(path, "krpc_ports,tree"), summary(path)
                channels = {name: sum(verdicts.values()) for name, verdicts in said["adverts"].items()}
                self.assertEqual(under(found, "Advertisements"), channels)
                self.assertEqual(found[("Advertisements",)], sum(channels.values()))
                for name, verdicts in said["adverts"].items():
                    self.assertEqual(under(found, "Advertisements", name), verdicts)
                self.assertEqual(under(found, "Outcomes"), counted(said["honoured"]))

    def test_senders(self):
        for path in PATHS:
            with self.subTest(path.name):
                known = {endpoint(node): node["nat"] for node in nodes(path)}
                senders = [endpoint({"ip": m["src_ip"], "port": m["src_port"]}) for m in messages(path)]
                ports = collections.Counter(known[sender]["port"] for sender in senders)
                mappings = collections.Counter(known[sender]["mapping"] for sender in senders)
                judged = collections.Counter((known[sender]["port"], sender) for sender in senders if known[sender]["port"] != "unknown")
                found = tree(path, "krpc_nat,tree")
                self.assertEqual(under(found, "Source port"), ports)
                self.assertEqual(under(found, "Mapping"), mappings)
                self.assertEqual(found[("Source port",)], sum(ports.values()))
                self.assertEqual({key[1:]: n for key, n in found.items() if len(key) == 3}, judged)


class Tables(unittest.TestCase):
    def test_findings(self):
        """In one pass, too, with the findings that follow from all packets."""
        for path in PATHS:
            with self.subTest(path.name):
                heard = {m["frame"] for m in messages(path)}
                said = collections.Counter((f["rule"], f["severity"]) for f in findings(path) if f["frame"] in heard)
                rows = [line.split() for line in statistics(path, "krpc,findings")]
                self.assertEqual({(row[0], row[1]): int(row[2]) for row in rows if len(row) == 3 and row[2].isdigit()}, said)

    def test_ports(self):
        for path in PATHS:
            with self.subTest(path.name):
                said, found, became = summary(path), {}, collections.Counter()
                for line in statistics(path, "krpc,ports"):
                    row = re.match(r"(\S+) +(\d+)  ([^;]*);?(.*)", line)
                    if row:
                        found[row[1]] = {name: int(n) for name, n in re.findall(r"(\S+) (\d+)", row[3])}
                        became.update({name: int(n) for name, n in re.findall(r"(\S+) (\d+)", row[4])})
                        self.assertEqual(sum(found[row[1]].values()), int(row[2]))
                self.assertEqual(found, said["adverts"])
                self.assertEqual(became, {name: n for name, n in counted(said["honoured"]).items() if name != "unknown"})

    def test_nats(self):
        """The outside endpoints of hosts with evidence of a NAT, with their frames; and the number of hosts of each kind."""
        for path in PATHS:
            with self.subTest(path.name):
                said, shown, seen = nodes(path), [], []
                for line in statistics(path, "krpc,nat"):
                    row = re.match(r"    seen as (\S+) by (\d+) observers?, frames? (\d+(?:, \d+)*)$", line)
                    if row:
                        seen.append((shown[-1][0], row[1], int(row[2]), [int(n) for n in row[3].split(", ")]))
                    elif re.match(r"\S+:\d+ ", line):
                        words = re.split(r" {2,}| (?=rewritten|preserved|unknown |mixed)", line.strip())
                        shown.append((words[0], words[1], *" ".join(words[2:]).split()))
                    elif line.startswith("all hosts, by source port:"):
                        counts = {name: int(n) for name, n in re.findall(r"(\w+) (\d+)", line)}
                by_name = {endpoint(n): n for n in said}
                for name, client, port, mapping, addresses, filtering, reach, *_ in shown:
                    nat = by_name[name]["nat"]
                    self.assertEqual((port, mapping, addresses, filtering), (nat["port"], nat["mapping"], nat["addresses"], nat["filtering"]))
                    self.assertEqual(reach, by_name[name]["reach"]["verdict"])
                    self.assertEqual(client, by_name[name].get("client", "unknown client"))
                wanted = [(name, endpoint(e), e["observers"], e["frames"])
                          for name, *_ in shown for e in by_name[name]["nat"].get("external", [])]
                self.assertEqual(seen, wanted)
                rows = host_rows(path)
                self.assertEqual(sum(counts.values()), len(rows))
                self.assertEqual({n for n, *_ in shown} >= {endpoint(n) for n in said if n["nat"]["port"] != "unknown"}, True)

    def test_hosts(self):
        """The hosts of krpcscope reach, with the same verdict, and the same advice with the same frames."""
        verdicts, slugs = set(), set()
        for path in [SAMPLES / f"{name}.pcapng" for name in REACHED]:
            with self.subTest(path.name):
                rows = host_rows(path)
                told = stories(path)
                self.assertNotEqual(told, {})
                for name, (verdict, advice) in told.items():
                    self.assertEqual(rows[name][1], verdict, name)
                    self.assertEqual([item for item in rows[name][2] if item[0] != "not-enough-seen"], advice, name)
                    verdicts.add(verdict)
                    slugs |= {slug for slug, _ in advice}
                self.assertEqual(sum(n for n, *_ in rows.values()), len(nodes_of(path)))
        self.assertEqual(verdicts, {"unknown", "replies_only"})
        self.assertGreater(len(slugs), 3)

    def test_response_times(self):
        for path in PATHS:
            with self.subTest(path.name):
                heard = messages(path)
                asked = {m["frame"]: m["q"] for m in heard if "q" in m}
                times = collections.defaultdict(list)
                for m in heard:
                    if "rtt_ms" in m:
                        times[asked[m["request_frame"]]].append(m["rtt_ms"] / 1000)
                rows = [re.match(r" +\d+  (\w+) +(\d+) +(\S+) +(\S+) ", line) for line in statistics(path, "krpc,srt")]
                found = {row[1]: (int(row[2]), float(row[3]), float(row[4])) for row in rows if row}
                self.assertEqual(found.keys(), times.keys())
                for name, (calls, least, most) in found.items():
                    self.assertEqual(calls, len(times[name]))
                    self.assertAlmostEqual(least, min(times[name]), places=5)
                    self.assertAlmostEqual(most, max(times[name]), places=5)

    def test_conversations(self):
        """Frames and bytes in both directions, between addresses: tshark shows no ports."""
        path = SAMPLES / "bep5.pcapng"
        size = {int(n): int(length) for n, length in table(path, "frame.number", "frame.len")}
        talks, ends = collections.defaultdict(lambda: [0, 0, 0, 0]), collections.defaultdict(lambda: [0] * 6)
        for m in messages(path):
            src, dst, length = (m["src_ip"], m["src_port"]), (m["dest_ip"], m["dest_port"]), size[m["frame"]]
            key, way = ((src, dst), 2) if (dst, src) not in talks else ((dst, src), 0)
            talks[key][way] += 1
            talks[key][way + 1] += length
            for who, at in ((src, 2), (dst, 4)):
                ends[who][0] += 1
                ends[who][1] += length
                ends[who][at] += 1
                ends[who][at + 1] += length
        rows = [re.match(r"(\S+) +<-> (\S+) +(\d+) (\d+) bytes +(\d+) (\d+) bytes", line) for line in statistics(path, "conv,krpc")]
        found = sorted((row[1], row[2], *map(int, row.groups()[2:])) for row in rows if row)
        self.assertEqual(found, sorted((a[0], b[0], *numbers) for (a, b), numbers in talks.items()))
        rows = [line.replace(" bytes", "").split() for line in statistics(path, "endpoints,krpc") if re.match(r"\d+\.\d+\.", line)]
        self.assertEqual(sorted((row[0], *map(int, row[1:])) for row in rows), sorted((who[0], *n) for who, n in ends.items()))


if __name__ == "__main__":
    unittest.main()
