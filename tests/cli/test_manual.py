#!/usr/bin/env python3
"""test_manual.py: help, man page and completions say what the command does, and their examples work.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from command import CAPTURES, KRPCSCOPE, SOURCE, folder, out, records, run, sample

COMMANDS = ("check", "ports", "nodes", "decode", "compare", "encode", "explain", "rules")
VALIDATOR = SOURCE / "validator"
MAN = (VALIDATOR / "krpcscope.1.adoc").read_text()


def options(command):
    """Long names of the options that a command takes, by its help."""
    return set(re.findall(r"--([a-z-]+)", "\n".join(
        line.strip().split("  ")[0] for line in out(command, "--help").decode().split("Options:")[1].splitlines())))


class Help(unittest.TestCase):
    def test_help_and_version(self):
        text = out("--help").decode()
        self.assertTrue(text.startswith("Examples:\n"))
        self.assertLessEqual(max(map(len, text.splitlines())), 100)
        for command in COMMANDS:
            self.assertRegex(text, rf"\n  krpcscope {command}\b")
            self.assertIn("Options:", out(command, "--help").decode())
            self.assertNotRegex(out(command, "--help").decode(), r"(?m) $")
            formats = re.findall(r"(?m)--format=FORMAT +(.*)", out(command, "--help").decode())
            self.assertEqual(formats, {"check": ["text, ndjson, sarif, junit, html, eve"], "encode": []}.get(command, ["text, ndjson"]))
            self.assertEqual(out(command, "--help"), out("--help", command))
        self.assertEqual(out("-h"), out("--help"))
        version = out("--version").decode()
        for library in ("krpcscope", "libwiretap", "GLib", "libpcap version"):
            self.assertRegex(version, rf"(?m)^{library} \d+\.\d+\.\d+")

    def test_a_command_refuses_what_it_does_not_take(self):
        """And takes what it says."""
        everything = set().union(*map(options, COMMANDS))
        self.assertGreater(len(everything), 22)
        for command in COMMANDS:
            for option in everything - options(command):
                result = run(command, f"--{option}", "1")
                self.assertEqual(result.returncode, 2, (command, option))
                self.assertIn(f"--{option}".encode(), result.stderr)
            with folder() as where:  # of --output
                for option in options(command):
                    taken = run(command, f"--{option}", "1", cwd=where, stdin=subprocess.DEVNULL, timeout=60)
                    self.assertNotIn(b"Unknown option", taken.stderr)


class Manual(unittest.TestCase):
    def test_every_option_and_command(self):
        described = MAN[MAN.index("== OPTIONS"):MAN.index("== EXIT STATUS")]
        named = set(re.findall(r"(?m)^(?:\*-\w\*, )?\*--([a-z-]+)\*(?:, \*--)?", described)) | {"outside"}
        self.assertEqual(named, set().union(*map(options, COMMANDS)))
        commands = re.findall(r"(?m)^\*(\w+)\*::", MAN[MAN.index("== COMMANDS"):MAN.index("== OPTIONS")])
        self.assertEqual(commands, list(COMMANDS))

    def test_verdicts(self):
        """Each verdict that a record can have is in the list of verdicts, and no other."""
        schema = (VALIDATOR / "schema.json").read_text()
        text = MAN[MAN.index("== VERDICTS"):MAN.index("== RECORDS")]
        for verdict in re.findall(r"(?m)^\*([a-z-]+)\*::", text) + re.findall(r"\*([a-z-]+)\* \(", text):
            self.assertIn(f'"{verdict}"', schema)

    def test_page_can_be_made(self):
        if shutil.which("asciidoctor") is None:
            self.skipTest("no asciidoctor")
        made = subprocess.run(["asciidoctor", "-b", "manpage", "-o", "-", VALIDATOR / "krpcscope.1.adoc"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((made.returncode, made.stderr), (0, b""))
        self.assertIn(b"EXAMPLES", made.stdout)


    def test_every_record(self):
        schema = json.loads((VALIDATOR / "schema.json").read_text())
        listed = MAN[MAN.index("== RECORDS"):].partition("is one of:")[2].partition(".")[0]
        self.assertEqual(set(re.findall(r"\*(\w+)\*", listed)), set(schema["properties"]["type"]["enum"]))


class Examples(unittest.TestCase):
    """They are run as they are, but that the capture is not taken now, and that a frame number exists."""

    def works(self, line):
        line = re.sub(r"^tcpdump [^|]*\|", "cat trace.pcap |", line).replace("1234", "12")
        if "jq" in line and shutil.which("jq") is None:
            line = line.split("|")[0]
        with folder() as where:
            for name, source in (("trace.pcapng", "natc-inside.pcapng"), ("trace.pcap", "bep5.pcapng"), ("run.pcap", "bep5.pcapng"),
                                 ("lan.pcap", "natc-inside.pcapng"), ("wan.pcap", "natc-outside.pcapng")):
                shutil.copy(sample(source), where / name)
            path = os.pathsep.join([str(pathlib.Path(KRPCSCOPE).parent), os.environ["PATH"]])
            result = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env={**os.environ, "PATH": path})
            self.assertIn(result.returncode, (0, 1), (line, result.stderr))
            self.assertEqual(result.stderr, b"", line)
            made = set(os.listdir(where)) - {"trace.pcapng", "trace.pcap", "run.pcap", "lan.pcap", "wan.pcap"}
            self.assertTrue(result.stdout or made, line)
            for name in made:
                self.assertGreater((where / name).stat().st_size, 0, line)

    def test_of_the_man_page(self):
        lines = re.findall(r"(?m)^    (\S.*)$", MAN[MAN.index("== EXAMPLES"):MAN.index("== ENVIRONMENT")])
        self.assertGreater(len(lines), 9)
        for line in lines:
            self.works(line)

    def test_of_the_help(self):
        lines = out("--help").decode().split("\n\n")[0].splitlines()[1:]
        self.assertGreater(len(lines), 6)
        for line in lines:
            self.works(re.split(r"\s{2,}", line.strip())[0])


class Completions(unittest.TestCase):
    def complete(self, *words):
        """What bash offers for the last word."""
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _krpcscope; printf "%s\\n" "${COMPREPLY[@]}"')
        path = os.pathsep.join([str(pathlib.Path(KRPCSCOPE).parent), os.environ["PATH"]])
        with folder() as where:
            (where / "capture.pcap").touch()
            result = subprocess.run(["bash", "-c", script, "bash", VALIDATOR / "completions" / "krpcscope.bash", "krpcscope", *words], cwd=where,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PATH": path})
        self.assertEqual(result.stderr, b"", words)
        return set(result.stdout.decode().split())

    def test_bash(self):
        for command in COMMANDS:
            self.assertEqual(self.complete(command, "--"), {f"--{o}" for o in options(command)}, command)
        self.assertEqual(self.complete("--"), {f"--{o}" for o in options("check")})
        self.assertEqual(self.complete("--format", ""), {"text", "ndjson", "sarif", "junit", "html", "eve"})
        self.assertEqual(self.complete("ports", "--format", ""), {"text", "ndjson"})
        self.assertEqual(self.complete("--fail-on", ""), {"note", "warn", "error"})
        self.assertEqual(self.complete("ch"), {"check"})
        self.assertEqual(self.complete("ports", "cap"), {"capture.pcap"})
        self.assertEqual(self.complete("explain", "port.d"), {"port.differs-from-source", "port.dead"})
        self.assertEqual(self.complete("-d", "tcp"), {"tcp.port=="})
        self.assertEqual(self.complete("--anonymize", "cap"), set())
        rules = {r["rule"] for r in records("rules", "--format", "ndjson")}
        self.assertEqual(self.complete("explain", "") & rules, rules)

    def test_fish(self):
        text = (VALIDATOR / "completions" / "krpcscope.fish").read_text()
        self.assertEqual(set(re.findall(r"(?m)^complete .* -l ([a-z-]+)", text)), set().union(*map(options, COMMANDS)))
        self.assertEqual(set(re.findall(r"-a (\w+) -d", text)), set(COMMANDS))
        for option, formats in re.findall(r"-l (format) -x -a '([a-z ]+)'", text):
            self.assertLessEqual(set(formats.split()), {"text", "ndjson", "sarif", "junit", "html", "eve"})
        (of,) = re.findall(r"from ([a-z ]+)\" -s f -l format -x -a 'text ndjson'", text)
        self.assertEqual(of.split(), [c for c in COMMANDS if "format" in options(c) and c != "check"])

    def test_zsh(self):
        text = (VALIDATOR / "completions" / "_krpcscope").read_text()
        self.assertEqual(set(re.findall(r"--([a-z-]+)[\[}]", text)), set().union(*map(options, COMMANDS)))
        self.assertEqual(re.findall(r"'(\w+):[^']*'\n", text), list(COMMANDS))
        for names, takes in re.findall(r"(?ms)^    ([a-z |]+)\)$(.*?);;", text):
            for command in names.split(" | "):
                self.assertEqual("--format" in takes, "format" in options(command), command)

    def test_short_options(self):
        short = set(re.findall(r"(?m)^  -(\w), --", out("--help").decode()))
        self.assertEqual(short, {"f", "o", "d", "w", "q", "v", "h"})
        fish = (VALIDATOR / "completions" / "krpcscope.fish").read_text()
        self.assertEqual(set(re.findall(r" -s (\w) -l", fish)), short)
        zsh = (VALIDATOR / "completions" / "_krpcscope").read_text()
        self.assertEqual(set(re.findall(r"\{-(\w),--", zsh)), short)
        self.assertEqual(set(re.findall(r"(?m)^\*-(\w)\*, \*--", MAN)), short)


if __name__ == "__main__":
    if not CAPTURES:
        sys.exit("no captures to test with")
    unittest.main()
