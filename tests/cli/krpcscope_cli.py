"""krpcscope_cli.py: what the tests of the command line share: to run krpcscope, and the captures to run it on.

Starting a program that is built with sanitizers costs far more than what most tests ask of it. So out() and records()
remember what a command printed about files that did not change since, and of_each() asks about many captures in one run.

KRPCSCOPE is the command, RUN_TSHARK tshark with the plugin, SAMPLES the folder of captures, KRPCSCOPE_CAPTURES one with more.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import contextlib
import functools
import importlib.util
import ipaddress
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

KRPCSCOPE = os.environ["KRPCSCOPE"]
SAMPLES = pathlib.Path(os.environ["SAMPLES"])
SOURCE = pathlib.Path(os.environ.get("SOURCE_DIR", pathlib.Path(__file__).parents[2]))
FRAME_DUMP = pathlib.Path(os.environ.get("BUILD_DIR", ".")) / "tests" / "frame_dump"
FOLDERS = [SAMPLES] + [pathlib.Path(p) for p in [os.environ.get("KRPCSCOPE_CAPTURES")] if p]
CAPTURES = [p for f in FOLDERS for p in sorted(f.rglob("*")) if p.suffix in (".pcap", ".pcapng")]


def run(*words, **more):
    more.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([KRPCSCOPE, *map(str, words)], stderr=subprocess.PIPE, **more)


@functools.cache
def in_samples(program, *words):
    """Run krpcscope or tshark in the folder of samples; @X is the sample X, so that no path of this machine is in the output."""
    command = [{"krpcscope": KRPCSCOPE, "tshark": os.environ.get("RUN_TSHARK")}[program]]
    command += [w[1:] if w.startswith("@") else w for w in words]
    return subprocess.run(command, cwd=SAMPLES, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, NO_COLOR="1", COLUMNS="100"))


@functools.lru_cache(1000)
def remembered(words, stamps):
    return run(*words)


def stamp(word):
    """What changes when the file of this name does; None where there is no such file."""
    try:
        found = os.stat(word)
        return found.st_ino, found.st_mtime_ns, found.st_size
    except (OSError, ValueError):
        return None


def out(*words):
    """Standard output of a run that succeeds."""
    words = tuple(map(str, words))
    if {"--write", "-o", "--output", "-"} & set(words):
        result = run(*words)
    else:
        result = remembered(words, tuple(map(stamp, words)))
    assert result.returncode in (0, 1), (words, result.stderr)
    assert result.stderr == b"", (words, result.stderr)
    return result.stdout


def records(*words):
    return [json.loads(line) for line in out(*words).splitlines()]


def of_each(captures, *words):
    """The records of each capture but for the summary, from one run over all of them: the member file says whose they are."""
    found = {str(capture): [] for capture in captures}
    for record in records(*words, "--format", "ndjson", *captures):
        if record["type"] != "summary":
            found[record.pop("file", str(captures[0]))].append(record)
    return {capture: found[str(capture)] for capture in captures}


def findings(*words):
    return [r for r in records("check", "--format", "ndjson", *words) if r["type"] == "finding"]


def by_severities():
    """One capture for each set of severities that the findings of a capture have: what --fail-on depends on."""
    found = {}
    for capture, of_it in of_each(CAPTURES, "check").items():
        found.setdefault(frozenset(f["severity"] for f in of_it), capture)
    assert len(found) >= 3
    return found


# Rules whose findings follow from all packets: their client is that of the sender at the end of the capture.
CONCLUSIONS = {"nat.carrier", "nat.endpoint-dependent", "nat.port-block", "nat.port-rewritten", "nat.remapped", "port.dead",
               "port.differs-from-source", "port.honoured", "port.not-honoured", "port.other-node"}


def sent_by(found, messages):
    """The clients that sent what the findings are about, as reports name them; None where no client is known."""
    by_frame, senders = {m["frame"]: m for m in messages}, collections.Counter()
    by_source = {(m["src_ip"], m["src_port"]): m for m in messages if len(m.get("v", "")) == 8}
    for f in found:
        message = by_frame.get(f["frame"], {})
        if f["rule"] in CONCLUSIONS:
            message = by_source.get((f["src_ip"], f["src_port"]), {}) if f["proto"] == "UDP" else {}
        known = len(message.get("v", "")) == 8
        senders[(message["v"], message["client"]) if known else ("", "unknown")] += 1
    first = sorted(list(senders.items())[:8], key=lambda item: -item[1])
    shown = [f"{client} ({count:,})" for (_, client), count in first]
    others = sum(list(senders.values())[8:])
    return None if set(senders) == {("", "unknown")} else ", ".join(shown + ([f"others ({others:,})"] if others else []))


def sample(name):
    return next(p for p in CAPTURES if p.name == name)


def links():
    """samples/links.py as a module: it makes packets and captures."""
    spec = importlib.util.spec_from_file_location("links", SAMPLES / "links.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_links(where, wanted=lambda name: True):
    """Writes the captures of links.py to a folder: their paths by name."""
    paths = {}
    for name, data in links().captures():
        if wanted(name):
            paths[name] = where / (name if "." in name else name + ".pcap")
            paths[name].write_bytes(data)
    return paths


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


def dump_each(captures):
    """What the frame reader sees in each capture: the fields of each line of frame_dump, by frame."""
    result = subprocess.run([FRAME_DUMP, *captures], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (0, b""), result
    parts = re.split("^== .*\n", os.fsdecode(result.stdout), flags=re.M)[-len(captures):]
    return {capture: {int(line.split("\t")[0]): line.split("\t") for line in part.splitlines()}
            for capture, part in zip(captures, parts, strict=True)}


def dump(capture):
    return dump_each([capture])[capture]


class Checker:
    """The part of JSON Schema that the schemas here use; the library jsonschema may not be installed."""

    def __init__(self, schema):
        self.schema = schema

    def check(self, value, schema, where):
        if "$ref" in schema:
            self.check(value, self.schema["$defs"][schema["$ref"].rsplit("/", 1)[1]], where)
        kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
        if "type" in schema:
            assert isinstance(value, kinds[schema["type"]]), (where, value)
            assert schema["type"] == "boolean" or not isinstance(value, bool), (where, value)
        assert "const" not in schema or value == schema["const"], (where, value)
        assert "enum" not in schema or value in schema["enum"], (where, value)
        if isinstance(value, str):
            assert "pattern" not in schema or re.search(schema["pattern"], value), (where, value)
            assert len(value) >= schema.get("minLength", 0), (where, value)
        if isinstance(value, (int, float)):
            assert schema.get("minimum", value) <= value <= schema.get("maximum", value), (where, value)
        if isinstance(value, list):
            assert len(value) >= schema.get("minItems", 0), (where, value)
            assert not schema.get("uniqueItems") or len({json.dumps(v, sort_keys=True) for v in value}) == len(value), where
            for item in value:
                self.check(item, schema.get("items", {}), where + "[]")
        if isinstance(value, dict):
            self.check_object(value, schema, where)
        if "oneOf" in schema:
            assert sum(self.fits(value, s, where) for s in schema["oneOf"]) == 1, (where, value)
        for part in schema.get("allOf", []):
            if "if" not in part or self.fits(value, part["if"], where):
                self.check(value, part.get("then", part), where)

    def check_object(self, value, schema, where):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name in schema.get("required", []):
            assert name in value, (where, "without", name)
        for name, item in value.items():
            assert name in properties or rest is not False, (where, name)
            self.check(item, properties.get(name, rest), f"{where}.{name}")

    def fits(self, value, schema, where):
        try:
            self.check(value, schema, where)
            return True
        except AssertionError:
            return False


class Failing(unittest.TestCase):
    def fails(self, *words, says, **more):
        """Exit status 2, and one line on standard error that names the thing."""
        result = run(*words, **more)
        self.assertEqual(result.returncode, 2, (words, result.stderr))
        self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith(b"krpcscope: "), result.stderr)
        self.assertIn(says.encode(), result.stderr)
        return result


def peers(response):
    """The peers of values, None without that key: items of 6 or 18 bytes, and those of strings that hold several."""
    wrong = [bytes.fromhex(x["value"]) for x in response.get("unknown", []) if bytes.fromhex(x["key"]) == b"values"]
    if "values" not in response and not wrong:
        return None
    found = []
    for value in response.get("values", []) + [x.split(b":", 1)[1].hex() for x in wrong if x[:1].isdigit()]:
        if isinstance(value, dict):
            found.append(value)
            continue
        raw = bytes.fromhex(value)
        size = len(raw) if len(raw) in (6, 18) else 6 if len(raw) % 6 == 0 else 0
        for at in range(0, len(raw) if size else 0, size or 1):
            one = raw[at:at + size]
            found.append({"ip": str(ipaddress.ip_address(one[:-2])), "port": int.from_bytes(one[-2:], "big")})
    return found
