#!/usr/bin/env python3
"""test_formats.py: the outputs for people say the same as the NDJSON of the same command: all of it, in the same order, no more.

For every sample, the lines and tables of check, decode, ports and nodes, the list of rules, and Wireshark's packet list are
rebuilt here from NDJSON. test_reports.py does the same for SARIF, JUnit, HTML and EVE. What a rebuilt output cannot show,
golden.py compares with files that were read by a person. SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import concurrent.futures
import datetime
import functools
import ipaddress
import json
import os
import re
import sys
import unittest

import golden
from krpcscope_cli import SAMPLES, SOURCE, in_samples, of_each, peers as peers_of, sent_by

DAMAGED = {"bencode.bad-length", "bencode.bad-byte"}  # decoding stops there
NAMES = sorted(p.stem for p in SAMPLES.glob("*.pcapng"))


@functools.cache
def out(name, *words):
    result = in_samples("krpcscope", *words, f"@{name}.pcapng")
    assert result.returncode in (0, 1) and result.stderr == b"", (name, words, result)
    return result.stdout.decode()


@functools.cache
def records_of_all(command):
    return of_each([SAMPLES / f"{name}.pcapng" for name in NAMES], command)


@functools.cache
def records(name, command):
    if command != "check":
        return records_of_all(command)[SAMPLES / f"{name}.pcapng"]
    return [json.loads(line) for line in out(name, command, "--format", "ndjson").splitlines()]  # with its own summary


def findings(name):
    return records(name, "check")[:-1]


def summary(name):
    return records(name, "check")[-1]


def endpoint(ip, port):
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def source(record):
    return endpoint(record["src_ip"], record["src_port"])


def destination(record):
    return endpoint(record["dest_ip"], record["dest_port"])


def one_line(text):
    return " ".join(text.split())


def plural(count, word):
    """As in "1 query", "2 queries"; names of queries and words without a plural stay what they are."""
    first, rest = (word.split(" ", 1) + [""])[:2]
    if count == 1 and "_" not in first and len(first) > 3:
        first = first[:-3] + "y" if first.endswith("ies") else first[:-1] if re.search("[^s]s$", first) else first
    return f"{count:,} {first} {rest}".strip()


def parts(*counts):
    return ", ".join(plural(count, word) for count, word in counts if count)


def table(text):
    """The heading and the rows of a table, as cells, up to the text below it."""
    return [re.split(" {2,}", line.strip()) for line in text.partition("\n\n")[0].splitlines()]


def stories(text):
    """The stories of hosts, each in one line."""
    told = text.partition("Nodes behind a NAT, or advertising another port:\n")[2]
    return [one_line(t) for t in re.split(r"^  (?=\S)", told, flags=re.M)[1:]]


def short(story):
    """What check tells too: all before the advice, and which advice."""
    return re.split(r" (?:Advice \(|To see more: )", story)[0], re.findall(r" Advice \(([a-z-]+)", story)


def every_sample(test):
    def all_of_them(self):
        for name in NAMES:
            with self.subTest(sample=name):
                test(self, name)
    return all_of_them


class Formats(unittest.TestCase):
    maxDiff = None


def setUpModule():
    """Runs each command on each sample, as many at a time as there are processors; the tests find the results remembered."""
    commands = [["krpcscope", *words] for words in (["check"], ["check", "--format", "ndjson"], ["decode"], ["ports"], ["nodes"])]
    todo = [[*words, f"@{name}.pcapng"] for words in commands for name in NAMES]
    if os.environ.get("PLUGIN_DIR"):
        todo += [["tshark", "-2", "-r", f"@{name}.pcapng", "-Y", "krpc"] for name in NAMES]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda words: in_samples(*words), todo))


class Golden(unittest.TestCase):
    def test_files(self):
        """golden.py --update writes them."""
        wrong, compared = golden.differences()
        self.assertEqual("".join(wrong), "")
        self.assertGreater(compared, len(NAMES))


class Rules(unittest.TestCase):
    def test_a_row_a_rule(self):
        rules = [json.loads(line) for line in in_samples("krpcscope", "rules", "--format", "ndjson").stdout.splitlines()]
        text = in_samples("krpcscope", "rules").stdout.decode()
        self.assertEqual(table(text), [["rule", "severity", "source", "finding"]] + [
            [r["rule"], r["severity"], r["spec"], r["message"]] for r in rules])
        defined = re.findall(r'^RULE\(\w+,\s*"([^"]+)"', (SOURCE / "codec/include/krpc/rules.def").read_text(), re.M)
        self.assertEqual([r["rule"] for r in rules], defined)


class Check(Formats):
    def test_a_line_a_finding(self):
        said = in_samples("krpcscope", "check", "--each", *(f"@{name}.pcapng" for name in NAMES)).stdout.decode().splitlines()
        for name in NAMES:
            with self.subTest(sample=name):
                expected = [f"{name}.pcapng:{f['frame']}:{f['offset']}: {f['severity']}: {f['rule']}: {f['message']}" for f in findings(name)]
                self.assertEqual([line for line in said if line.startswith(f"{name}.pcapng:")], expected)
        self.assertEqual(len(said), sum(len(findings(name)) for name in NAMES))

    def rule(self, name, found):
        """What is said of one rule: how often, the first one, the first six frames, who sent it."""
        first, count = found[0], len(found)
        frames = list(dict.fromkeys(f["frame"] for f in found))
        who = sent_by(found, records(name, "decode"))
        text = f"{first['severity']} {first['rule']} {count:,} {'time' if count == 1 else 'times'} {first['spec']} "
        text += ("such as: " if count > 1 else "") + first["message"]
        text += f" {'frame' if len(frames) == 1 else 'frames'} {', '.join(map(str, frames[:6]))}" + (", ..." if len(frames) > 6 else "")
        if who:
            text += (" " if ", " in who else "; ") + f"sent by {who}"
        return text

    def test_verbose_explains(self):
        rules = in_samples("krpcscope", "rules", "--format", "ndjson").stdout
        head, summary, rest = out("malformed", "check", "--verbose").partition("\nSummary of")
        said, kept = {}, []
        for line in head.splitlines():
            self.assertLessEqual(len(line), 100)
            if line.startswith(8 * " "):
                said[rule] = f"{said.get(rule, '')} {line.strip()}".strip()
                continue
            kept.append(line + "\n")
            rule = line.split()[1] if line[0] != " " else rule
        self.assertEqual("".join(kept) + summary + rest, out("malformed", "check"))
        explanations = {r["rule"]: r["explanation"] for r in map(json.loads, rules.splitlines())}
        self.assertEqual(said, {rule: explanations[rule] for rule in said})
        self.assertEqual(set(said), {f["rule"] for f in findings("malformed")})

    def head(self, name):
        s = summary(name)
        p, m, n = s["packets"], s["messages"], s["nodes"]
        yield f"Summary of {name}.pcapng"
        yield f"packets {p['total']:,}" + (f" in {s['duration_s']:.1f} s" if s["duration_s"] else "") + ": " + (parts(
            (p["udp"], "UDP"), (p["tcp"], "TCP"), (p["icmp"], "ICMP"), (p["fragments"], "fragments"), (p["other"], "other")))
        yield "DHT no messages" if m["total"] == 0 else f"DHT {plural(m['total'], 'messages')}: " + (parts(
            (m["queries"], "queries"), (m["responses"], "responses"), (m["errors"], "errors"), (m["others"], "without a type"),
            (m["unanswered"], "queries unanswered")))
        if m["queries"]:
            yield "queries " + parts(*((count, q if q != "none" else "without a name") for q, count in s["queries"].items()))
        if m["peerwire"]:
            yield "peers " + parts((m["peerwire"], "peer wire messages"), (m["port_messages_tcp"], "PORT over TCP"),
                                   (m["port_messages_utp"], "PORT over uTP"))
        if s["clients"]:
            shown = [f"{client} ({count:,})" for client, count in list(s["clients"].items())[:6]]
            more = len(s["clients"]) - len(shown)
            yield "clients messages from " + ", ".join(shown) + (f" and {more} more" if more else "")
        natted = "" if not n["natted"] else f", {n['natted']} behind a NAT or advertising another port"
        known = n["port"]["unknown"] < n["total"]
        yield f"nodes {n['total'] or 'none':{',' if n['total'] else ''}}{natted}" + ("; source port " + parts(
            *((n["port"][kind], kind) for kind in ("preserved", "rewritten", "mixed", "unknown"))) if known else "")
        for number, (channel, verdicts) in enumerate(s["adverts"].items()):
            yield ("advertised " if number == 0 else "") + f"{channel} {sum(verdicts.values()):,} " + parts(
                *((count, verdict) for verdict, count in verdicts.items()))
        later = s["honoured"]
        if s["adverts"]:
            yield "outcome " + parts((later["honoured"], "honoured"), (later["not-honoured"], "not honoured"),
                                      (later["dead"], "not answered"), (later["other-node"], "answered by another node"),
                                      (later["unknown"], "not used"))
        yield "findings " + (parts((s["severities"]["error"], "errors"), (s["severities"]["warn"], "warnings"),
                                   (s["severities"]["note"], "notes")) or "none")

    @every_sample
    def test_rules_and_summary(self, name):
        by_rule = collections.defaultdict(list)
        for f in findings(name):
            by_rule[f["rule"]].append(f)
        said = [self.rule(name, by_rule.pop(rule)) for rule in summary(name)["findings"]]
        self.assertEqual(by_rule, {})
        text = out(name, "check").partition("\nNodes behind a NAT, or advertising another port:\n")[0]
        self.assertEqual(one_line(text), " ".join(said + list(self.head(name))))

    @every_sample
    def test_summary_counts_the_records(self, name):
        s, found, said, nodes = summary(name), findings(name), records(name, "decode"), records(name, "nodes")
        adverts = records(name, "ports")
        count = lambda values: dict(collections.Counter(values))
        without_zeros = lambda counts: {k: v for k, v in counts.items() if v}
        self.assertEqual(s["findings"], count(f["rule"] for f in found))
        self.assertEqual(without_zeros(s["severities"]), count(f["severity"] for f in found))
        self.assertEqual(s["messages"]["total"], len(said))
        self.assertEqual(s["messages"]["matched"], sum("request_frame" in m for m in said))
        kinds = count(m.get("y") for m in said)
        self.assertEqual([s["messages"][k] for k in ("queries", "responses", "errors")], [kinds.get(k, 0) for k in "qre"])
        self.assertEqual(s["messages"]["others"], len(said) - sum(kinds.get(k, 0) for k in "qre"))
        self.assertEqual(s["clients"], count(m.get("client", "unknown") for m in said))
        self.assertEqual(sum(s["queries"].values()), s["messages"]["queries"])
        for q in set(s["queries"]) - {"none", "unknown"}:
            self.assertEqual(s["queries"][q], sum((m.get("y"), m.get("q")) == ("q", q) for m in said), q)
        self.assertEqual({(c, v): n for c, counts in s["adverts"].items() for v, n in counts.items()},
                         count((a["channel"], a["verdict"]) for a in adverts))
        self.assertEqual(without_zeros(s["honoured"]), count(a["honoured"] for a in adverts))
        self.assertEqual(s["nodes"]["total"], len(nodes))
        for what in "port", "mapping":
            self.assertEqual(without_zeros(s["nodes"][what]), count(n["nat"][what] for n in nodes))
        self.assertEqual(set(s["dropped"].values()), {0})
        self.assertIs(s["exact"], True)

    @every_sample
    def test_stories(self, name):
        """check tells the first three of those that nodes tells, and how many there are."""
        all_told, natted = stories(out(name, "nodes")), summary(name)["nodes"]["natted"]
        self.assertEqual(len(all_told), natted)
        more = [f"... and {natted - 3} more: krpcscope nodes"] if natted > 3 else []
        self.assertEqual([short(s) for s in stories(out(name, "check"))], [short(s) for s in all_told[:3] + more])
        self.assertEqual([short(s) for s in stories(out(name, "ports"))], [short(s) for s in all_told])

    @every_sample
    def test_reach(self, name):
        """Its records are those of nodes, of all hosts or of those inside. Each story is about one of them, and none says to
        send to a port that the record does not call open."""
        told, nodes = records(name, "reach"), records(name, "nodes")
        self.assertEqual(told, [n for n in nodes if n in told])
        names = {endpoint(n["ip"], n["port"]) for n in told} | {n["ip"] for n in told}
        ports = {o["port"] for n in told for o in n["reach"]["open"]}
        text = out(name, "reach", "--verbose")
        stories = [one_line(t) for t in re.split(r"^  (?=\S)", text, flags=re.M)[1:]]
        self.assertEqual(bool(stories), bool(nodes))
        for story in stories:
            self.assertIn(re.match(r"(?:Node [0-9a-f]{8} at )?(\S+?)(?: \(.*?\))?: (?:open|replies only|reachability unknown)[.,]", story)[1], names)
            if head := re.match(r".*?: open\. (Hosts .*?)\. (?:Others see|It )", story):
                self.assertLessEqual({int(p) for p in re.findall(r" on (?:port |\S+:)(\d+) ", head[1])}, ports)


class Decode(Formats):
    def query(self, m):
        a, announce = m.get("a", {}), m.get("q") == "announce_peer"
        for key in "target", "info_hash":
            if len(a.get(key, "")) == 40:
                yield f"{key} {a[key][:8]}"
        if "port" in a:
            yield ("peer port " if announce else "port ") + self.port(a["port"], m)
        if a.get("implied_port", 0):
            yield "implied_port"

    def response(self, m):
        r = m.get("r", {})
        peers = peers_of(r)
        if peers is not None:
            yield f"{len(peers)} {'peer' if len(peers) == 1 else 'peers'}"
        for key, size, one, many in (("nodes", 52, "node", "nodes"),
                                     ("nodes6", 76, "IPv6 node", "IPv6 nodes"), ("samples", 40, "sample", "samples")):
            count = len(r[key]) if key in r else len(r[key + "_hex"]) // size if key + "_hex" in r else None
            if count is not None:
                yield f"{count} {one if count == 1 else many}"
        yield from (word for key, word in (("v", "item"), ("token", "token")) if key in r)

    def port(self, port, m):
        return f"{port}" + (f" (sent from {m['src_port']})" if port != m["src_port"] else "")

    def seen(self, m):
        ip, r = m.get("ip", {}), m.get("r", {})
        if "port" in ip:
            same_port, same = ip["port"] == m["dest_port"], ip == {"ip": m["dest_ip"], "port": m["dest_port"]}
            other = "invalid port" if ip["port"] == 0 else "another address" if same_port else "another port"
            yield "sees you there" if same else f"sees you at {endpoint(**ip)} ({other})"
        elif ip:
            yield f"sees you at {ip['ip']} (no port)"
        elif "p" in r:
            yield f"sees you at port {r['p']}"

    def type(self, m):
        """By y, and where that is missing or cut off by the body."""
        body = "query" if "a" in m or "q" in m else "response" if "r" in m else "error" if "e" in m else "unknown"
        return {"q": "query", "r": "response", "e": "error"}.get(m.get("y"), body)

    def kind(self, m):
        kind = self.type(m)
        if kind == "query" and "q" in m:
            kind = m["q"][:60] + "?"
        e = m.get("e", {})
        if kind == "error":
            kind += (f" {e['code']}" if "code" in e else "") + (f" \"{e['message'][:60]}\"" if "message" in e else "")
        if "request_frame" in m:
            kind += f" to {m['request_q']} of frame {m['request_frame']}, {m['rtt_ms']:.1f} ms"
        return kind

    def line(self, m, found):
        words = [f"{m['frame']}", m["timestamp"][11:26], f"{source(m)} -> {destination(m)}", self.kind(m)]
        words += self.query(m) if self.type(m) == "query" else self.response(m) if self.type(m) == "response" else []
        words += [f"contact port {self.port(m['p'], m)}"] if "p" in m else []
        words += self.seen(m)
        ids = [m[body]["id"] for body in "ar" if len(m.get(body, {}).get("id", "")) == 40]
        words += [f"id {ids[0][:8]}"] if ids else []
        words += [m["client"]] if "client" in m else []
        words += ["read-only"] if m.get("ro", 0) else []
        words += ["[cut]"] if {"bencode.cut", "bencode.snapped"} & found else ["[damaged]"] if DAMAGED & found else []
        return one_line(" ".join(words))

    @every_sample
    def test_a_line_a_message(self, name):
        found = collections.defaultdict(set)
        for f in findings(name):
            found[f["frame"]].add(f["rule"])
        self.assertEqual([one_line(x) for x in out(name, "decode").splitlines()],
                         [self.line(m, found[m["frame"]]) for m in records(name, "decode")])


class Ports(Formats):
    CHANNELS = re.findall(r'^CHANNEL\(\w+, *"(\w+)"', (SOURCE / "codec/include/krpc/channels.def").read_text(), re.M)

    LOCAL = [ipaddress.ip_network(n) for n in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
        "::/127", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")]

    def is_global(self, ip):
        return not any(ip in network for network in self.LOCAL if network.version == ip.version)

    def hosts(self, name):
        """For each endpoint outside a NAT the first one of its host: with an id in common, in one network or where others see it."""
        place = lambda ip: ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", False) if self.is_global(ip) else ip
        owners, parent = {}, {}

        def root(e):
            while parent[e] != e:
                e = parent[e]
            return e

        for n in records(name, "nodes"):
            me = (n["ip"], n["port"])
            parent[me] = me
            for ip in [n["ip"]] + [e["ip"] for e in n["nat"]["external"]]:
                for node_id in n["node_ids"]:
                    parent[root(me)] = root(owners.setdefault((node_id, place(ipaddress.ip_address(ip))), me))
        return {e: root(e) for e in parent if self.is_global(ipaddress.ip_address(e[0]))}

    def rows(self, name):
        """A row is what a host said in the same way with the same outcome: by host, purpose, channel, port and frame."""
        hosts, joined = self.hosts(name), {}
        for (ip, port), said, seen, frames in self.rows_of_endpoints(name):
            joined.setdefault((hosts.get((ip, port), ("alone", ip, port)), said), []).append((ip, port, seen, frames))
        for (_, (channel, port, verdict, later, _)), group in joined.items():
            ip, seen = group[0][0], {seen for _, _, seen, _ in group} - {"-"}
            who = endpoint(*group[0][:2]) if group[0][1] else ip
            if len(group) > 1:
                who = f"{ip} ({len(group)} {'ports' if len({ip for ip, *_ in group}) == 1 else 'endpoints'})"
            frames = sorted(f for *_, frames in group for f in frames) if len(group) > 1 else group[0][3]
            yield [who, channel, port, "several" if len(seen) > 1 else seen.pop() if seen else "-", verdict, later, f"{len(frames)}",
                   ", ".join(map(str, frames[:2]))]

    def rows_of_endpoints(self, name):
        groups = collections.defaultdict(list)
        for a in records(name, "ports"):
            host = ipaddress.ip_address(a["src_ip"])
            groups[(host.version, host, a.get("dht_port", 0), a["service"], self.CHANNELS.index(a["channel"]), a.get("advertised_port", -1)),
                   a["verdict"], a["honoured"], a["implied_port"]].append(a)
        for key, group in sorted(groups.items(), key=lambda item: (item[0][0], item[1][0]["frame"])):
            (_, ip, port, _, channel, says), verdict, later, implied = key
            seen = [a.get("observed_port", a.get("dht_port")) for a in group
                    if "observed_port" in a or (a["verdict"] == "mismatch" and a.get("dht_port"))]
            says = f"{says}" if "advertised_port" in group[0] else "-"
            yield ((str(ip), port), (self.CHANNELS[channel], says, verdict, "-" if later == "unknown" else later, implied),
                   f"{seen[-1]}" if seen else "-", [a["frame"] for a in group])

    @every_sample
    def test_a_row_a_host_and_port(self, name):
        expected = list(self.rows(name))
        heading = ["node", "channel", "port", "seen on", "verdict", "outcome", "times", "frames"]
        self.assertEqual(table(out(name, "ports")), [heading] + expected if expected else [["No port was advertised."]])


    @every_sample
    def test_what_a_record_says(self, name):
        messages = {m["frame"]: m for m in records(name, "decode")}
        time = lambda r: datetime.datetime.strptime(r["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
        for a in records(name, "ports"):
            m, effective = messages.get(a["frame"], {}), a.get("effective_port")
            self.assertEqual(a["source_port"], a["src_port"])
            if a["verdict"] == "implied":
                self.assertIn(effective, (None, a["src_port"], a.get("observed_port")), a)
            else:
                self.assertEqual(effective, None if a["verdict"] == "invalid" else a["advertised_port"], a)
            if a["channel"] in ("p", "contact", "announce_peer"):
                body = m.get("a", m.get("r", {}))
                self.assertEqual(a["advertised_port"], m["p"] if a["channel"] == "p" else body["port"], a)
                for key, value in (("node_id", body.get("id")), ("info_hash", body.get("info_hash")), ("client", m.get("client"))):
                    self.assertIn(a.get(key), (None, value), a)
            if "observed_port" in a:
                m = messages[a["observed_frame"]]
                seen = [m.get("ip"), {"ip": a["observed_ip"], "port": m.get("r", {}).get("p")}]
                self.assertIn({"ip": a["observed_ip"], "port": a["observed_port"]}, seen, a)
            if a.get("honoured_frame") in messages:
                later = (time(messages[a["honoured_frame"]]) - time(a)).total_seconds() * 1000
                self.assertAlmostEqual(a["honoured_ms"], max(0, later), places=2, msg=a)  # 0: it was seen before


class Nodes(Formats):
    MAPPING = {"endpoint_independent": "one", "endpoint_dependent": "many", "unknown": "-"}

    def short(self, client):
        return client if len(client) <= 20 else client[:21].rpartition(" ")[0]

    def reach(self, reach):
        words = {"unknown": "-", "replies_only": "replies only", "open": "open"}[reach["verdict"]]
        return f"{words} {','.join(str(o['port']) for o in reach['open'])}" if words == "open" and reach["open"] else words

    def row(self, node):
        ids, nat, sent = node["node_ids"], node["nat"], node["messages"]
        outside = nat["external"]
        more = lambda count: f" +{count - 1}" if count > 1 else ""
        return [endpoint(node["ip"], node["port"]), self.short(node.get("client", "unknown")),
                ids[0][:8] + more(node["num_node_ids"]) if ids else "-",
                str(sent["queries"] + sent["responses"] + sent["errors"]), "-" if nat["port"] == "unknown" else nat["port"],
                self.MAPPING[nat["mapping"]], nat["addresses"] if nat["addresses"] != "unknown" else "-", self.reach(node["reach"]),
                endpoint(outside[0]["ip"], outside[0]["port"]) + more(nat["num_external"]) if outside else "-"]

    @every_sample
    def test_nodes_count_the_messages(self, name):
        said = collections.Counter((m["src_ip"], m["src_port"], m.get("y")) for m in records(name, "decode"))
        asked = collections.Counter((m["dest_ip"], m["dest_port"]) for m in records(name, "decode") if m.get("y") == "q")
        for node in records(name, "nodes"):
            counts, place = node["messages"], (node["ip"], node["port"])
            self.assertEqual([counts[kind] for kind in ("queries", "responses", "errors")], [said[*place, y] for y in "qre"], place)
            self.assertEqual(counts["queries_received"], asked[place], place)

    @every_sample
    def test_a_row_a_node(self, name):
        expected = [self.row(n) for n in records(name, "nodes")]
        heading = ["node", "client", "id", "sent", "port", "mappings", "addresses", "reach", "seen by others at"]
        self.assertEqual(table(out(name, "nodes")), [heading] + expected if expected else [["No DHT nodes found."]])


@unittest.skipUnless(os.environ.get("PLUGIN_DIR"), "without the plugin")
class Packets(Formats):
    """Wireshark's packet list. It speaks of what was quoted in ICMP too, and there as any Wireshark does."""
    LINE = re.compile(r" *(\d+) +([\d.]+) +(\S+) → (\S+) +(\S+) (\d+) (.*)")

    @staticmethod
    @functools.cache
    def lines(name):
        result = in_samples("tshark", "-2", "-r", f"@{name}.pcapng", "-Y", "krpc")
        return [Packets.LINE.fullmatch(line).groups() for line in result.stdout.decode().splitlines()]

    def kind(self, m):
        a, r, e = m.get("a"), m.get("r"), m.get("e")
        method = "" if m.get("request_q", "unknown") == "unknown" else m["request_q"] + " "
        if m.get("y") == "q" or (m.get("y") not in ("r", "e") and (a is not None or "q" in m)):
            target = [x for x in ((a or {}).get("target", ""), (a or {}).get("info_hash", "")) if len(x) == 40]
            return m.get("q", "query") + (f" {target[0][:8]}..." if target else "")
        if m.get("y") == "r" or (m.get("y") != "e" and r is not None):
            return method + "response"
        if m.get("y") == "e" or e is not None:
            return method + "error" + (f" {e['code']}" if "code" in e else "") + (f" \"{e['message']}\"" if "message" in e else "")
        return "message without a type"

    def brings(self, m):
        r = m.get("r", {})
        count = lambda key, size: len(r.get(key, [])) + len(r.get(key + "_hex", "")) // size
        counts = [(count("nodes", 52) + count("nodes6", 76), "node"), (len(peers_of(r) or []), "peer"), (count("samples", 40), "info-hash")]
        words = [f"{n} {word}" + ("" if n == 1 else "es" if word == "info-hash" else "s") for n, word in counts if n]
        words += [word for key, word in (("token", "token"), ("v", "item"), ("BFsd", "BFsd"), ("BFpe", "BFpe")) if key in r]
        return ": " + ", ".join(words) if words else ""

    def advert(self, a):
        says, verdict = a.get("advertised_port"), a["verdict"]
        implied = "implied port" + (f" {a['effective_port']}" if "effective_port" in a else "")
        if says is None:
            return implied
        seen = a.get("observed_port", a.get("dht_port", says))
        more = {"mismatch": f", seen as {seen}" if seen != says else "", "implied": f", {implied}", "match": "", "unknown": ""}
        flag = "⚑ " if verdict in ("mismatch", "invalid", "byte-swapped", "contradicts") else ""
        return flag + f"port {says}" + more.get(verdict, f", {verdict}")

    def ports(self, m, adverts, found):
        said, texts = [], []
        for a in adverts:
            same = [b for b in said if b["service"] == a["service"]]
            if not same or (a["channel"] != "implied_port" and all(b["advertised_port"] != a["advertised_port"] for b in same)):
                said.append(a)
                texts.append(self.advert(a))
        if texts:
            yield "; ".join(texts)
        if "nat.reply-from-other-port" in found:
            yield "⚑ query was sent to " + found["nat.reply-from-other-port"].split("sent to ")[1]
        if "nat.reply-from-other-address" in found:
            yield f"⚑ query was sent to another address, port {m['src_port']}"
        ports = [p for p in (m.get("ip", {}).get("port"), m.get("r", {}).get("p")) if p not in (None, m["dest_port"])]
        if ports:
            yield f"⚑ sees port {m['dest_port']} as {ports[0]}"

    def info(self, m, adverts, found):
        ids = [m[body]["id"] for body in "ar" if len(m.get(body, {}).get("id", "")) == 40]
        kind = 'punch probe ("de")' if "krpc.punch-probe" in found else self.kind(m)
        text = kind + (f" from {ids[0][:8]}..." if ids else "") + (self.brings(m) if m.get("y") == "r" else "")
        text = " ".join([text, *self.ports(m, adverts, found)])
        if "bencode.cut" in found:
            return text + " [cut]"
        if "bencode.snapped" in found:
            return text + " [cut by the capture]"
        return text + (" [malformed]" if DAMAGED & set(found) else "")

    @every_sample
    def test_a_line_a_message(self, name):
        adverts, found = collections.defaultdict(list), collections.defaultdict(dict)
        for a in records(name, "ports"):
            adverts[a["frame"]].append(a)
        for f in findings(name):
            found[f["frame"]][f["rule"]] = f["message"]
        expected = [(str(m["frame"]), m["src_ip"], m["dest_ip"], self.info(m, adverts[m["frame"]], found[m["frame"]]))
                    for m in records(name, "decode")]
        said = [(number, src, dst, re.sub(r"(\[malformed) at byte \d+", r"\1", info))
                for number, _, src, dst, protocol, _, info in self.lines(name) if protocol == "KRPC"]
        self.assertEqual(said, expected)
        others = {protocol for _, _, _, _, protocol, _, _ in self.lines(name)} - {"KRPC"}
        self.assertLessEqual(others, {"ICMP", "ICMPv6"} if summary(name)["messages"]["quoted"] else set())


if __name__ == "__main__":
    if not NAMES:
        sys.exit("no samples to test with")
    unittest.main()
