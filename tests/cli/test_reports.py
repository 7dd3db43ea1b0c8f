#!/usr/bin/env python3
"""test_reports.py: the reports for other programs fit their schemas and contain every finding, on every sample.

The rules here are those of the published schemas of SARIF 2.1.0, JUnit and EVE, as far as krpcscope uses them; like the
schemas, they forbid every other member. The indexes and counts of rules, which golden.py leaves out, are compared with the
rules here.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import html.parser
import json
import os
import pathlib
import re
import sys
import unittest
import urllib.parse
import xml.etree.ElementTree

from krpcscope_cli import (CAPTURES, CONCLUSIONS, Checker, by_severities, dump_each, findings, folder, links, of_each, out, peers,
                           records, run, sample, sent_by, write_links)


def closed(required, **properties):
    return {"type": "object", "additionalProperties": False, "required": required.split(), "properties": properties}


def listed(items, **more):
    return {"type": "array", "items": items, **more}


TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 0}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
ANYTHING = {"type": "object"}
MESSAGE = closed("text", text=TEXT)
# A reference of RFC 3986: nothing that has to be escaped, and no scheme by accident.
URI = {"type": "string", "pattern": r"^(file:///)?([A-Za-z0-9._~/-]|%[0-9A-F]{2})+$"}
ARTIFACT_LOCATION = closed("uri", uri=URI)
REGION = closed("byteOffset byteLength", byteOffset=COUNT, byteLength=COUNT)
RULE = closed("id shortDescription help", id=TEXT, shortDescription=MESSAGE, help=MESSAGE,
              defaultConfiguration=closed("level", level=LEVEL), properties=ANYTHING)
RESULT = closed(
    "message ruleId ruleIndex level locations", ruleId=TEXT, ruleIndex=COUNT, level=LEVEL, message=MESSAGE,
    locations=listed(closed("physicalLocation", physicalLocation=closed(
        "artifactLocation", artifactLocation=ARTIFACT_LOCATION, region=REGION)), minItems=1),
    properties=ANYTHING)
SARIF = closed(
    "version runs", **{"$schema": {"const": "https://json.schemastore.org/sarif-2.1.0.json"}},
    version={"const": "2.1.0"},
    runs=listed(closed(
        "tool", tool=closed("driver", driver=closed("name", name=TEXT, version=TEXT,
                                                    rules=listed(RULE, uniqueItems=True))),
        results=listed(RESULT), artifacts=listed(closed("", location=ARTIFACT_LOCATION), uniqueItems=True),
        invocations=listed(closed("executionSuccessful", executionSuccessful={"type": "boolean"})),
        columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]})))


class Sarif(unittest.TestCase):
    def log(self, *words):
        log = json.loads(out("check", "--format", "sarif", *words))
        Checker(SARIF).check(log, SARIF, "log")
        return log["runs"][0]

    def results(self, captures):
        """The results of each capture, from one run over all of them."""
        log, found = self.log(*captures), {}
        places = [artifact["location"] for artifact in log["artifacts"]]
        self.assertEqual([pathlib.Path(urllib.parse.unquote(place["uri"].removeprefix("file://"))) for place in places], list(captures))
        by_place = dict(zip((place["uri"] for place in places), captures, strict=True))
        for result in log["results"]:
            (location,) = result["locations"]
            found.setdefault(by_place[location["physicalLocation"]["artifactLocation"]["uri"]], []).append(result)
        return {capture: found.get(capture, []) for capture in captures}

    def test_schema(self):
        log, all_found = self.log(*CAPTURES), of_each(CAPTURES, "check")
        rules = log["tool"]["driver"]["rules"]
        self.assertEqual(len({r["id"] for r in rules}), len(rules))
        for result in log["results"]:
            self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
        self.assertIs(log["invocations"][0]["executionSuccessful"], True)
        for capture, results in self.results(CAPTURES).items():
            with self.subTest(capture=capture.name):
                self.assertEqual([self.said(r) for r in results], [self.expected(f) for f in all_found[capture]])

    def test_one_capture(self):
        capture = sample("natc-inside.pcapng")
        log = self.log(capture)
        self.assertEqual([self.said(r) for r in log["results"]], [self.expected(f) for f in findings(capture)])
        (artifact,) = log["artifacts"]
        for result in log["results"]:
            self.assertEqual(result["locations"][0]["physicalLocation"]["artifactLocation"], artifact["location"])

    def said(self, result):
        return result["ruleId"], result["level"], result["message"]["text"], result["properties"]

    def expected(self, f):
        end = lambda side: ("[%s]:%d" if ":" in f[side + "_ip"] else "%s:%d") % (f[side + "_ip"], f[side + "_port"])
        level = {"warn": "warning"}.get(f["severity"], f["severity"])
        return f["rule"], level, f"frame {f['frame']}: {f['message']}", {
            "frame": f["frame"], "offset": f["offset"], "length": f["length"], "src": end("src"), "dest": end("dest")}

    def test_rules(self):
        levels = {"note": "note", "warn": "warning", "error": "error"}
        texts = [re.split(" {2,}", line) for line in out("rules").decode().splitlines()[1:]]
        self.assertEqual([(r["id"], r["shortDescription"]["text"], r["help"]["text"], r["defaultConfiguration"]["level"],
                           r["properties"]["specification"]) for r in self.log(CAPTURES[0])["tool"]["driver"]["rules"]],
                         [(r["rule"], text[-1], r["explanation"], levels[r["severity"]], r["spec"])
                          for r, text in zip(records("rules", "--format", "ndjson"), texts, strict=True)])

    def bytes_of(self, captures):
        """For each capture, how many results name bytes of the file, which are those that the finding is about, and how many
        do not."""
        counts, dumped = {}, dump_each(captures)
        for capture, results in self.results(captures).items():
            raw, num_with, num_without = capture.read_bytes(), 0, 0
            for result in results:
                region = result["locations"][0]["physicalLocation"].get("region")
                if region is None:
                    num_without += 1
                    continue
                place = result["properties"]
                fields = dumped[capture][place["frame"]]
                payload = bytes.fromhex(fields[9].split(" ")[-1] if fields[2] == "icmp" else fields[8])
                end = place["offset"] + place["length"]
                expected = payload if end == 0 else payload[place["offset"]:end]
                self.assertEqual(raw[region["byteOffset"]:][:region["byteLength"]], expected, (capture.name, result))
                self.assertEqual(region["byteLength"], len(expected))
                num_with += 1
            counts[capture] = num_with, num_without
        return counts

    def test_bytes_of_the_file(self):
        """All but those that follow from all packets: their packets are gone."""
        counts = {capture: (len(found), sum(f["rule"] in CONCLUSIONS for f in found)) for capture, found in of_each(CAPTURES, "check").items()}
        self.assertEqual(self.bytes_of(CAPTURES), {capture: (num - without, without) for capture, (num, without) in counts.items()})

    def test_bytes_of_every_link_and_format(self):
        """A result names bytes of the file only if the file contains them as they were sent."""
        not_there = ("gzip.pcap.gz", "zstd.pcap.zst", "lz4.pcap.lz4", "snoop.snoop", "erf.erf")
        with folder() as where:
            paths = write_links(where)
            counts = self.bytes_of(list(paths.values()))
            for name, path in paths.items():
                with self.subTest(name=name):
                    with_bytes, without = counts[path]
                    if name in not_there or (name.startswith("fragment") and without):
                        self.assertEqual(with_bytes, 0)
                    else:
                        self.assertEqual(without, 0)

    def test_simple_packet_block(self):
        """pcapng's other packet block has a shorter header and no interface."""
        make = links()
        frame = make.ethernet(make.message(make.A4, make.B4, 1000, 2000, make.PING))
        whole = make.pcapng([(0, frame)], [make.ETHERNET])
        begin = whole.index(b"\x06\0\0\0", 28)
        body = make.struct.pack("<I", len(frame)) + frame + b"\0" * (-len(frame) % 4)
        block = make.struct.pack("<II", 3, len(body) + 12) + body + make.struct.pack("<I", len(body) + 12)
        with folder() as where:
            (where / "simple.pcapng").write_bytes(whole[:begin] + block)
            ((num_with, num_without),) = self.bytes_of([where / "simple.pcapng"]).values()
            self.assertGreater(num_with, 0)
            self.assertEqual(num_without, 0)

    def test_names_of_files(self):
        with folder() as where:
            path = where / "a b:100%?#ü.pcapng"
            path.write_bytes(sample("bep5.pcapng").read_bytes())
            log = self.log(path)
            uri = log["artifacts"][0]["location"]["uri"]
            self.assertTrue(uri.startswith("file:///") and uri.endswith("a%20b%3A100%25%3F%23%C3%BC.pcapng"), uri)


class JUnit(unittest.TestCase):
    """The schema of Jenkins' xUnit plugin, which the others take after."""
    ATTRIBUTES = {"testsuites": {"name", "time", "tests", "failures", "disabled", "errors"},
                  "testsuite": {"name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp",
                                "hostname", "id", "package"},
                  "testcase": {"name", "classname", "time", "status", "assertions"},
                  "failure": {"message", "type"}, "error": {"message", "type"}, "system-out": set()}
    CHILDREN = {"testsuites": {"testsuite"}, "testsuite": {"testcase"},
                "testcase": {"failure", "error", "system-out"}, "failure": set(), "error": set(), "system-out": set()}
    REQUIRED = {"testsuite": {"name", "tests"}, "testcase": {"name", "classname"}}

    def fits(self, element):
        self.assertLessEqual(set(element.keys()), self.ATTRIBUTES[element.tag])
        self.assertGreaterEqual(set(element.keys()), self.REQUIRED.get(element.tag, set()))
        for name in ("tests", "failures", "errors"):
            self.assertRegex(element.get(name, "0"), r"^\d+$")
        self.assertRegex(element.get("time", "0"), r"^\d+(\.\d+)?$")
        for child in element:
            self.assertIn(child.tag, self.CHILDREN[element.tag])
            self.fits(child)

    def said(self, case):
        failure = case.find("failure")
        return (case.get("classname"), case.get("name"), None if failure is None else (failure.get("message"), failure.get("type"), failure.text),
                case.findtext("system-out"))

    def expected(self, capture, counted):
        """Every rule is a case, in the order of the rules."""
        for_rule, cases = {}, []
        for f in findings(capture):
            for_rule.setdefault(f["rule"], []).append(f)
        for rule in records("rules", "--format", "ndjson"):
            found, failure, passed = for_rule.get(rule["rule"], []), None, None
            frames = list(dict.fromkeys(f["frame"] for f in found))
            if found and found[0]["severity"] in counted:
                where = ", ".join(map(str, frames[:6])) + (", ..." if len(frames) > 6 else "")
                failure = (found[0]["message"], found[0]["severity"],
                           f"{len(found)} in {'frame' if len(frames) == 1 else 'frames'} {where} ({found[0]['spec']})")
            elif found:
                passed = f"{len(found)} {'time' if len(found) == 1 else 'times'}"
            cases.append(("krpcscope." + rule["rule"].split(".")[0], rule["rule"], failure, passed))
        return cases

    def test_schema(self):
        some = by_severities().values()
        for fail_on, counted, captures in (("note", ("note", "warn", "error"), CAPTURES), ("warn", ("warn", "error"), some),
                                           ("error", ("error",), some)):
            for capture in captures:
                with self.subTest(capture=capture.name, fail_on=fail_on):
                    root = xml.etree.ElementTree.fromstring(
                        out("check", "--format", "junit", "--fail-on", fail_on, capture))
                    self.fits(root)
                    (suite,) = root
                    cases = [self.said(case) for case in suite]
                    self.assertEqual(cases, self.expected(capture, counted))
                    failed = sum(failure is not None for _, _, failure, _ in cases)
                    self.assertEqual([suite.get(name) for name in ("tests", "failures", "errors")], [str(len(cases)), str(failed), "0"])
                    summary = records("check", "--format", "ndjson", capture)[-1]
                    self.assertEqual((suite.get("name"), suite.get("time")), (str(capture), f"{summary['duration_s']:.3f}"))
                    for name in ("tests", "failures", "errors"):
                        self.assertEqual(root.get(name), suite.get(name))

    def test_what_could_not_be_read(self):
        root = xml.etree.ElementTree.fromstring(run("check", "--format", "junit", "/no/such/file", sample("bep5.pcapng")).stdout)
        self.fits(root)
        self.assertEqual((root.get("errors"), len(root.findall(".//error"))), ("1", 1))


HEX = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
INTEGER = {"type": "integer"}
ADDRESS = {"type": "string", "pattern": r"^(\d+(\.\d+){3}|[0-9a-f:]+(:\d+(\.\d+){3})?)$"}
PORT = {"type": "integer", "minimum": 0, "maximum": 65535}
PEERS = listed(closed("ip port", ip=ADDRESS, port=PORT))
NODES = listed(closed("id ip port", id=HEX, ip=ADDRESS, port=PORT))
EVENT = closed(
    "timestamp flow_id pcap_cnt event_type src_ip src_port dest_ip dest_port proto bittorrent_dht",
    timestamp={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+0000$"},
    flow_id={"type": "integer", "minimum": 0, "maximum": 2 ** 53}, pcap_cnt=COUNT, pcap_filename=TEXT,
    event_type={"const": "bittorrent_dht"}, src_ip=ADDRESS, src_port=PORT, dest_ip=ADDRESS, dest_port=PORT,
    proto={"const": "UDP"},
    bittorrent_dht=closed(
        "transaction_id", transaction_id=HEX, client_version=HEX, request_type={"type": "string"},
        error=closed("num", num=INTEGER, msg={"type": "string"}),
        request=closed("", id=HEX, target=HEX, info_hash=HEX, token=HEX, implied_port=INTEGER, port=INTEGER),
        response=closed("", id=HEX, nodes=NODES, nodes6=NODES, values=PEERS, token=HEX)))


class Eve(unittest.TestCase):
    def test_schema(self):
        named = {}
        for event in records("check", "--format", "eve", *CAPTURES):
            named.setdefault(event["pcap_filename"], []).append(event)
        for capture, messages in of_each(CAPTURES, "decode").items():
            with self.subTest(capture=capture.name):
                self.compare(messages, named.pop(str(capture), []))
        self.assertEqual(named, {})
        capture = sample("natc-inside.pcapng")
        self.compare(records("decode", "--format", "ndjson", capture), records("check", "--format", "eve", capture))

    def compare(self, messages, events):
        self.assertEqual([m["frame"] for m in messages], [e["pcap_cnt"] for e in events])
        flows = {}
        for message, event in zip(messages, events):
            Checker(EVENT).check(event, EVENT, "event")
            self.holds(message, event["bittorrent_dht"])
            for name in ("timestamp", "src_ip", "src_port", "dest_ip", "dest_port", "proto"):
                self.assertEqual(event[name], message[name], name)
            ends = frozenset(((event["src_ip"], event["src_port"]), (event["dest_ip"], event["dest_port"])))
            self.assertEqual(flows.setdefault(ends, event["flow_id"]), event["flow_id"])
        self.assertEqual(len(set(flows.values())), len(flows))

    def holds(self, message, dht):
        self.assertEqual(dht.get("request_type"), message.get("q", dht.get("request_type")))
        self.assertEqual("error" in dht, "code" in message.get("e", {}))
        self.assertEqual(dht.get("response", {}).get("values"), peers(message.get("r", {})))
        self.assertEqual(dht["transaction_id"], message.get("t", ""))
        self.assertEqual(dht.get("client_version"), message.get("v"))
        for eve, own, names in (("request", "a", ("id", "target", "info_hash", "token", "implied_port", "port")),
                                ("response", "r", ("id", "token"))):
            self.assertEqual(eve in dht, own in message)
            for name in names:
                self.assertEqual(dht.get(eve, {}).get(name), message.get(own, {}).get(name), name)
        for name, size in (("nodes", 26), ("nodes6", 38)):
            odd = message.get("r", {}).get(name + "_hex") # of a wrong length: the nodes that are whole
            if odd is None:
                self.assertEqual(dht.get("response", {}).get(name) or [], message.get("r", {}).get(name) or [])
            else:
                self.assertEqual([n["id"] for n in dht["response"].get(name, [])],
                                 [odd[at:at + 40] for at in range(0, len(odd) - 2 * size + 1, 2 * size)])
        error = message.get("e", {})
        if "code" in error:
            self.assertEqual(dht["error"]["num"], error["code"])
            self.assertEqual(dht["error"].get("msg"), error.get("message", dht["error"].get("msg")))


class Page(html.parser.HTMLParser):
    """Every element that is opened is closed, in order; collects what is in it."""
    VOID = {"meta", "br", "hr", "img", "link", "input"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts, self.rows, self.pre = [], [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag in ("p", "summary") and "td" in self.open:
            self.rows[-1][-1] += "|"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.getpos())
        if tag == "summary":
            self.rows[-1][-1] += "|"

    def handle_data(self, data):
        self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
        elif self.open and self.open[-1] == "pre":
            self.pre += data


class Html(unittest.TestCase):
    def page(self, *words):
        text = out("check", "--format", "html", *words).decode()
        self.assertTrue(text.startswith("<!DOCTYPE html>\n") and text.endswith("</html>\n"))
        page = Page(text)
        self.assertEqual(page.open, [])
        # The page loads nothing and runs no script.
        for tag, attributes in page.tags:
            self.assertNotIn(tag, ("script", "link", "img", "iframe", "object", "embed", "base", "form"))
            self.assertFalse({a for a in attributes if a.startswith("on") or a in ("src", "href", "action")}, tag)
        self.assertNotIn("url(", text)
        self.assertNotIn("@import", text)
        return page

    def test_every_capture(self):
        for capture in CAPTURES:
            with self.subTest(capture=capture.name):
                page = self.page(capture)
                self.assertEqual(page.rows, self.overview(capture) + self.adverts(capture, page.rows) + self.rules(capture))
                told = out("check", capture).decode().partition("Nodes behind a NAT, or advertising another port:\n")
                self.assertEqual(page.pre, "\n" + "".join(told[1:]) if told[1] else "")
                self.assertEqual([t for t in page.texts if t == str(capture)], [str(capture)])  # and in the title
                self.assertIn(f"{capture} - krpcscope", page.texts)

    def overview(self, capture):
        s = records("check", "--format", "ndjson", capture)[-1]
        m, n = s["messages"], s["nodes"]
        rows = [("packets", s["packets"]["total"]), ("DHT messages", m["total"]), ("queries", m["queries"]),
                ("responses", m["responses"]), ("errors", m["errors"]), ("unanswered queries", m["unanswered"]),
                ("nodes", n["total"]), ("nodes behind a NAT or advertising another port", n["natted"]),
                ("PORT messages over TCP", m["port_messages_tcp"]), ("PORT messages over uTP", m["port_messages_utp"]),
                ("dropped for lack of memory", sum(s["dropped"].values()) - s["dropped"]["fragmented"])]
        return [[label, f"{count:,}"] for label, count in rows if count]

    def rules(self, capture):
        for_rule, messages = {}, of_each(CAPTURES, "decode")[capture]
        explanations = {r["rule"]: r["explanation"] for r in records("rules", "--format", "ndjson")}
        for f in findings(capture):
            for_rule.setdefault(f["rule"], []).append(f)
        rows = [["", "Rule", "Specification", "Times", "Frames"]] if for_rule else []
        for rule in records("check", "--format", "ndjson", capture)[-1]["findings"]:
            found = for_rule[rule]
            frames, who = list(dict.fromkeys(f["frame"] for f in found)), sent_by(found, messages)
            rows.append([found[0]["severity"], f"|{rule} {found[0]['message']}|{explanations[rule]}" + (f"|Sent by {who}" if who else ""),
                         found[0]["spec"], f"{len(found):,}", ", ".join(map(str, frames[:6])) + (", ..." if len(frames) > 6 else "")])
        return rows

    def adverts(self, capture, rows):
        """The columns are named in the heading: each verdict once."""
        said = records("check", "--format", "ndjson", capture)[-1]["adverts"]
        heading = next(r for r in rows if r[0] == "Channel")
        verdicts = {verdict for counts in said.values() for verdict in counts}
        self.assertTrue(verdicts <= set(heading[1:]) and len(set(heading)) == len(heading), heading)
        return [heading] + [[channel] + [f"{counts.get(v, 0):,}" for v in heading[1:]] for channel, counts in said.items()]


class Hostile(unittest.TestCase):
    """Names and strings from captures are plain text in every format."""
    STRINGS = [b"<script>alert(1)</script>", b"\"'><b>&amp;", b"]]>", b"\xff\xfe\x00\x01\x1b[31m", b"\xef\xbf\xbe\xef\xbf\xbf",
               b"\xed\xa0\x80", b"\xc2\x85\xe2\x80\xae\n\r\t", b"\\u0000\\\"", b"</pre>"]

    def capture(self, where):
        make = links()
        text = lambda b: b"%d:%s" % (len(b), b)
        messages = []
        for hostile in self.STRINGS:
            messages += [b"d1:ad2:id20:abcdefghij0123456789e1:q" + text(hostile) + b"1:t2:aa1:v" + text(hostile) + b"1:y1:qe",
                         b"d1:eli999e" + text(hostile) + b"e1:t" + text(hostile) + b"1:v4:" + hostile[:4].ljust(4) + b"1:y1:ee",
                         b"d1:ad2:id20:abcdefghij0123456789" + text(hostile) + text(hostile) + b"e1:q4:ping1:t2:aa" +
                         text(hostile) + b"i1e1:y1:qe"]
        path = where / "<i>&\"'].pcap"
        path.write_bytes(make.pcap(make.ETHERNET, [make.ethernet(make.message(make.A4, make.B4, 6881, 6882, m)) for m in messages]))
        return path, len(messages)

    def test_every_format(self):
        with folder() as where:
            path, num_messages = self.capture(where)
            page = Page(out("check", "--format", "html", path).decode())
            self.assertEqual(page.open, [])
            self.assertFalse({"script", "b", "i"} & {tag for tag, _ in page.tags})
            junit = out("check", "--format", "junit", path)
            suite = xml.etree.ElementTree.fromstring(junit)[0]
            self.assertEqual(suite.get("name"), str(path))
            # Characters that XML forbids; Python's parser accepts some of them.
            self.assertFalse(re.search("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", junit.decode()))
            Checker(SARIF).check(json.loads(out("check", "--format", "sarif", path)), SARIF, "log")
            events = records("check", "--format", "eve", path)
            self.assertEqual(len(events), num_messages)
            for event in events:
                Checker(EVENT).check(event, EVENT, "event")
            for words in (["check"], ["check", "--each"], ["decode", "--verbose"], ["nodes"], ["explain", "EXTRA"]):
                words = ["explain", path, 1] if words[0] == "explain" else [*words, path]
                text = out(*words)
                self.assertFalse(re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]", text), words)
                text.decode()


    def test_names_that_are_no_text(self):
        """A file's name can be any bytes."""
        with folder() as where:
            path = os.fsencode(where) + b"/\xff\x1b[31m\n\xc3.pcapng"
            with open(path, "wb") as file:
                file.write(sample("swapped-values.pcapng").read_bytes())
            words = [os.fsdecode(path), str(sample("bep5.pcapng"))]
            for command in (["check"], ["decode"], ["ports"], ["nodes"], ["check", "--merge"], ["decode", "--merge"]):
                named = [r for r in records(*command, "--format", "ndjson", *words) if "\ufffd" in r.get("file", "")]
                self.assertTrue(named, command)
            summary = records("check", "--format", "ndjson", words[0])[-1]
            self.assertEqual(summary["files"], [str(where) + "/\ufffd\x1b[31m\n\ufffd.pcapng"])
            self.assertIn("\ufffd", records("check", "--format", "eve", *words)[0]["pcap_filename"])
            log = json.loads(out("check", "--format", "sarif", *words))
            self.assertTrue(log["runs"][0]["artifacts"][0]["location"]["uri"].endswith("/%FF%1B%5B31m%0A%C3.pcapng"))
            for command in (["check"], ["check", "--each"], ["check", "--format", "html"], ["check", "--format", "junit"],
                            ["decode"], ["ports"], ["nodes"], ["ports", "--merge"], ["nodes", "--merge"], ["ports", "--verbose"],
                            ["nodes", "--verbose"], ["decode", "--verbose"], ["check", "--merge"]):
                text = out(*command, *words)
                text.decode()
                self.assertNotIn(b"\x1b", text, command)
            os.truncate(path, os.path.getsize(path) - 7)
            self.assertRegex(run("check", words[0]).stderr, rb"^krpcscope: .*/\\xff\\x1b\[31m \\xc3.pcapng: .*\n$")


if __name__ == "__main__":
    if not CAPTURES:
        sys.exit("no captures to test with")
    unittest.main()
