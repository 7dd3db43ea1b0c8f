#!/usr/bin/env python3
"""test_hours.py: what a capture that goes on for hours needs: snapshots, output files by time, metrics.

KRPCSCOPE is the command, SAMPLES the folder of captures.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from krpcscope_cli import KRPCSCOPE, Failing, findings, folder, links, out, records, run, sample

NAT = sample("natc-inside.pcapng")
NUM_PACKETS = 830


def split_snapshots(found):
    """The records of each snapshot, and its own record first."""
    parts = []
    for record in found:
        if record["type"] == "snapshot":
            parts.append([])
        parts[-1].append(record)
    return parts


def ends_of_periods(seconds):
    """How many packets of NAT there are before each multiple of a time, and at the end."""
    make, data, at, numbers = links(), NAT.read_bytes(), 0, []
    while at < len(data):
        kind, size = make.struct.unpack_from("<II", data, at)
        if kind == 6:
            high, low = make.struct.unpack_from("<II", data, at + 12)
            numbers.append((high << 32 | low) // 10**6 // seconds)
        at += size
    assert numbers == sorted(numbers) and len(numbers) == NUM_PACKETS
    return [n for n in range(1, NUM_PACKETS) if numbers[n - 1] != numbers[n]] + [NUM_PACKETS]


def cut(path, capture, num_packets):
    """The capture up to that packet."""
    make, data, at = links(), capture.read_bytes(), 0
    while at < len(data):
        kind, size = make.struct.unpack_from("<II", data, at)
        num_packets -= kind == 6
        if num_packets < 0:
            break
        at += size
    path.write_bytes(data[:at])
    return path


class Snapshots(Failing):
    def test_each_is_what_a_shorter_capture_gives(self):
        for command in ("nodes", "ports"):
            parts = split_snapshots(records(command, "--format", "ndjson", "--every", "10s", NAT))
            self.assertEqual([part[0]["packets"] for part in parts], ends_of_periods(10))
            self.assertEqual(parts[-1][0]["packets"], NUM_PACKETS)
            self.assertEqual(parts[-1][1:], records(command, "--format", "ndjson", NAT))
            with folder() as where:
                for part in parts[:-1:2]:
                    shorter = cut(where / "cut.pcapng", NAT, part[0]["packets"])
                    self.assertEqual(part[1:], records(command, "--format", "ndjson", shorter), (command, part[0]))

    def test_check(self):
        """The findings of a whole run, in their order, and a summary after each snapshot."""
        found = records("check", "--format", "ndjson", "--every", "30s", NAT)
        summaries = [r for r in found if r["type"] == "summary"]
        self.assertEqual([r["packets"]["total"] for r in summaries], [r["packets"] for r in found if r["type"] == "snapshot"])
        seen = iter([r for r in found if r["type"] == "finding"])
        self.assertEqual([f for f in findings(NAT) if f not in seen], [])  # all of them, in this order
        for one in (1, 2):
            self.assertEqual(records("check", "--format", "ndjson", "--every", "30s", "--threads", one, NAT), found)
        text = out("check", "--every", "30s", NAT).decode()
        self.assertEqual(len(re.findall(r"(?m)^=== 2026-11-22T\S+, after \d+ packets$", text)), len(summaries))
        self.assertEqual(text.count("\nSummary of "), len(summaries))
        self.assertTrue(text.endswith(out("check", NAT).decode()))

    def test_quiet(self):
        for words in (["--format", "ndjson"], []):
            self.assertEqual(run("check", "--quiet", "--every", "10s", *words, NAT).stdout, b"")

    def test_each_replaces_the_last_in_a_file(self):
        with folder() as where:
            path = where / "nodes.ndjson"
            out("nodes", "--format", "ndjson", "--every", "30s", "-o", path, NAT)
            self.assertEqual(path.read_text(), out("nodes", "--format", "ndjson", NAT).decode())
            self.assertEqual(os.listdir(where), ["nodes.ndjson"])

    def test_a_signal(self):
        """A snapshot at once, while the pipe is silent; a signal to end shows the last result."""
        for threads in (1, 2):
            with folder() as where:
                path = where / "nodes.txt"
                with path.open("wb") as to, subprocess.Popen([KRPCSCOPE, "nodes", "--threads", str(threads), "-"], stdin=subprocess.PIPE,
                                                             stdout=to, stderr=subprocess.PIPE) as process:
                    process.stdin.write(NAT.read_bytes())
                    process.stdin.flush()
                    for n in (1, 2):
                        self.until(lambda: self.ask(process, path, n))
                    process.terminate()
                    said = process.communicate(timeout=60)[1]
                    self.assertEqual((process.returncode, said),
                                     (2, b"krpcscope: interrupted: the result covers only the packets read so far\n"))
                parts = re.split(r"(?m)^=== .*, after (\d+) packets\n\n", path.read_text())
                whole = out("nodes", NAT).decode()
                self.assertEqual({(parts[n], parts[n + 1].rstrip("\n")) for n in range(len(parts) - 2, len(parts), 2)},
                                 {(str(NUM_PACKETS), whole.rstrip("\n"))})

    def ask(self, process, path, n):
        """Signals that come before the packets give other snapshots, so it asks until there is one over all of them."""
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        return path.read_text().count(f", after {NUM_PACKETS} packets") >= n

    def until(self, condition):
        end = time.monotonic() + 120
        while not condition():
            self.assertLess(time.monotonic(), end)

    def test_wrong_values(self):
        for value in ("0", "0s", "-1s", "1x", "s", "1 h", "1hh", "99999999d", "1e3", ""):
            self.fails("nodes", "--every", value, NAT, says=f"--every {value}: it takes a time such as 60s, 5m, 1h or 1d")
            self.fails("nodes", "--rotate", value, "-o", "x%H", NAT, says=f"--rotate {value}: it takes a time")
        self.fails("check", "--every", "1h", "--format", "sarif", NAT, says="--every needs -o with this format")
        for words in ([], ["-o", "-"], ["-o", "nodes"], ["-o", "%Y/nodes"]):
            self.fails("nodes", "--rotate", "1h", *words, NAT, says="--rotate needs -o with a file name for strftime(3)")
        self.fails("check", "--rotate", "1h", "-o", "x%H", "--format", "html", NAT, says="--rotate takes the formats text, ndjson and eve")

    def test_a_reader_that_goes_away(self):
        result = subprocess.run(f"'{KRPCSCOPE}' nodes --every 1s '{NAT}' | head -c 1 >'{os.devnull}'", shell=True,
                                stderr=subprocess.PIPE)
        self.assertLessEqual(result.stderr.count(b"\n"), 1, result.stderr)


class Files(Failing):
    def test_named_by_time(self):
        """The last file has what one file has; each of the others what the result was then."""
        with folder() as where:
            pattern = where / "nodes-%Y%m%d-%H%M%S.ndjson"
            out("nodes", "--format", "ndjson", "--rotate", "30s", "-o", pattern, NAT)
            names = sorted(os.listdir(where))
            self.assertEqual(len(names), len(ends_of_periods(30)))
            self.assertEqual((names[0], names[-1]), ("nodes-20261122-204630.ndjson", "nodes-20261122-204730.ndjson"))
            whole = records("nodes", "--format", "ndjson", NAT)
            self.assertEqual([json.loads(line) for line in (where / names[-1]).read_text().splitlines()], whole)
            parts = split_snapshots(records("nodes", "--format", "ndjson", "--every", "30s", NAT))
            for name, part in zip(names, parts, strict=True):
                self.assertEqual([json.loads(line) for line in (where / name).read_text().splitlines()], part[1:])

    def test_streams(self):
        """What is written as it comes is in one file after the other."""
        with folder() as where:
            out("decode", "--format", "ndjson", "--rotate", "10s", "-o", where / "m-%H%M%S", NAT)
            names = sorted(os.listdir(where))
            self.assertEqual(len(names), len(ends_of_periods(10)))
            self.assertEqual("".join((where / name).read_text() for name in names), out("decode", "--format", "ndjson", NAT).decode())
            for name in names:
                for line in (where / name).read_text().splitlines():
                    at = json.loads(line)["timestamp"]
                    self.assertEqual(at[11:18].replace(":", "") + "0", name[2:])


class Metrics(Failing):
    def read(self, path):
        text = path.read_text()
        self.assertNotRegex(text, r"\d+\.\d+\.\d+\.\d+")
        named, found = set(), {}
        for line in text.splitlines():
            head = re.fullmatch(r"# (?:HELP|TYPE) (krpcscope_[a-z_]+) .+", line)
            if head:
                named.add(head[1])
                continue
            name, labels, value = re.fullmatch(r"(krpcscope_[a-z_]+)(\{.+\})? ([0-9.]+)", line).groups()
            self.assertIn(name, named)
            self.assertNotIn(name + (labels or ""), found)
            found[name + (labels or "")] = float(value)
        return found

    def test_values(self):
        with folder() as where:
            path = where / "krpcscope.prom"
            out("check", "--metrics", path, NAT)
            found = self.read(path)
            [summary] = [r for r in records("check", "--format", "ndjson", NAT) if r["type"] == "summary"]
            self.assertEqual(found["krpcscope_packets_total"], summary["packets"]["total"])
            self.assertEqual(found["krpcscope_messages_total"], summary["messages"]["total"])
            self.assertEqual(found["krpcscope_responses_total"], summary["messages"]["responses"])
            by_rule = {re.search('rule="([^"]+)"', name)[1]: value for name, value in found.items() if "findings_total" in name}
            self.assertEqual({rule: value for rule, value in by_rule.items() if value}, summary["findings"])
            self.assertEqual({port: found[f'krpcscope_nodes{{port="{port}"}}'] for port in summary["nodes"]["port"]}, summary["nodes"]["port"])
            self.assertEqual(os.listdir(where), ["krpcscope.prom"])
            if shutil.which("promtool"):
                checked = subprocess.run(["promtool", "check", "metrics"], stdin=path.open(), capture_output=True)
                self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, b"", b""))

    def test_several_captures(self):
        with folder() as where:
            path = where / "krpcscope.prom"
            for words in ([], ["--merge"]):
                out("nodes", "--metrics", path, *words, NAT, sample("bep5.pcapng"))
                self.assertEqual(self.read(path)["krpcscope_packets_total"], NUM_PACKETS + 12)

    def test_a_place_that_cannot_be_written(self):
        """The result is written nevertheless."""
        result = run("nodes", "--metrics", "/nonexistent/x.prom", sample("bep5.pcapng"))
        self.assertEqual((result.returncode, result.stdout), (2, out("nodes", sample("bep5.pcapng"))))
        self.assertEqual(result.stderr, b"krpcscope: /nonexistent/x.prom: cannot write: No such file or directory\n")


if __name__ == "__main__":
    unittest.main()
