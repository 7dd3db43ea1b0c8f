#!/usr/bin/env python3
"""test_terminal.py: where the output goes: a terminal, a pipe whose reader goes away, a disk that is full; and signals.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import array
import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

from krpcscope_cli import CAPTURES, KRPCSCOPE, Failing, folder, out, run, sample

WAIT = 600     # seconds after which a test gives up; on a busy machine everything takes long
FIRST = 1.05   # progress is shown by the first packet that comes a second after the start
EVERY = 0.25   # and again after 0.2 s
CLEAR = b"\r\x1b[K"
COMMANDS = (["check"], ["check", "--each"], ["check", "--format", "ndjson"], ["check", "--format", "sarif"],
            ["check", "--format", "junit"], ["check", "--format", "html"], ["check", "--format", "eve"], ["ports"],
            ["nodes"], ["reach"], ["decode"], ["decode", "--format", "ndjson"], ["ports", "--format", "ndjson"])


def threads(process):
    """The state of each thread of a process, and how often it has slept and been woken."""
    found = {}
    for status in pathlib.Path(f"/proc/{process.pid}/task").glob("*/status"):
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        switches = lines["voluntary_ctxt_switches"], lines["nonvoluntary_ctxt_switches"]
        found[status.parent.name] = lines["State"].split()[0], *switches
    return found


def wait_for_reader(process):
    """Until the process has read all that was written to its standard input, is done with it, and waits for more: the pipe
    is empty, and all threads sleep and have not run in between."""
    process.stdin.flush()
    unread, end = array.array("i", [0]), time.monotonic() + WAIT
    while time.monotonic() < end:
        fcntl.ioctl(process.stdin, termios.FIONREAD, unread)
        before = threads(process)
        if unread[0] == 0 and {state for state, *_ in before.values()} == {"S"} and threads(process) == before:
            return
        time.sleep(0.002)
    raise AssertionError(f"not read in {WAIT} s: {before}")


class Terminal:
    """krpcscope with a terminal for standard error, and for standard output where told."""

    def __init__(self, *words, columns=80, output=False, env=None, **more):
        try:
            self.fd, child = pty.openpty()
        except OSError as error:  # a bare chroot has no /dev/pts
            raise unittest.SkipTest(f"no pseudo-terminal here: {error}")
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        self.process = subprocess.Popen([KRPCSCOPE, *map(str, words)], stderr=child, stdout=child if output else subprocess.PIPE,
                                        env={**clean, **(env or {})}, **more)
        os.close(child)
        self.seen = b""

    def read(self):
        """All until the other end is closed."""
        while select.select([self.fd], [], [], WAIT)[0]:
            try:
                some = os.read(self.fd, 65536)
            except OSError:  # closed at the other end
                return
            if not some:
                return
            self.seen += some
        raise AssertionError(f"nothing in {WAIT} s")

    def feed(self, some, seconds):
        """The process reads and shows this. Then so many seconds pass."""
        self.process.stdin.write(some)
        wait_for_reader(self.process)
        time.sleep(seconds)

    def end(self, last=b""):
        if self.process.stdin:
            self.process.stdin.write(last)
            self.process.stdin.close()
        self.read()
        if self.process.stdout:
            self.process.stdout.read()
            self.process.stdout.close()
        os.close(self.fd)
        return self.process.wait()


class Progress(unittest.TestCase):
    def slowly(self, *words, **more):
        """A capture over a pipe, in pieces, for long enough that there is something to show."""
        bytes_ = sample("bep5.pcapng").read_bytes()
        terminal = Terminal(*words, "-", stdin=subprocess.PIPE, **more)
        terminal.feed(bytes_[:-600], FIRST)
        for at in range(len(bytes_) - 600, len(bytes_), 60):
            terminal.feed(bytes_[at:at + 60], EVERY)
        return terminal

    def test_shown_and_cleared(self):
        for columns in (80, 30):
            terminal = self.slowly("check", columns=columns)
            terminal.end()
            lines = terminal.seen.split(CLEAR)
            self.assertEqual(lines[0], b"")
            self.assertEqual(lines[-1], b"", "cleared at the end")
            self.assertGreater(len(lines), 2)
            for line in lines[1:-1]:
                self.assertLess(len(line), columns)
                self.assertRegex(line, rb"^(standard input|standar\.\.\.)?(  )?\d+ packets  \d+/s$" if columns == 80 else rb"\d+ packets")

    def test_not_over_the_result(self):
        """With the result on the same terminal, the line is gone before the result comes."""
        terminal = self.slowly("check", output=True, env={"NO_COLOR": "1"})
        terminal.end()
        before, after = terminal.seen.rsplit(b"Summary of ", 1)
        self.assertNotIn(b"/s", before.rsplit(CLEAR, 1)[1])
        self.assertNotIn(CLEAR, after)

    def test_not_between_the_lines(self):
        """A result that comes in pieces is not written after the line either."""
        captures = [sample("natc-inside.pcapng")] * 8
        terminal = Terminal("decode", "-", *captures, stdin=subprocess.PIPE, output=True)
        whole = sample("bep5.pcapng").read_bytes()
        terminal.feed(whole[:-600], FIRST)
        terminal.end(whole[-600:])
        self.assertGreater(terminal.seen.count(b"->"), 4000)
        lines = [part for part in terminal.seen.split(CLEAR) if re.search(rb"\d+ packets  ", part)]
        self.assertTrue(lines)
        for line in lines:
            self.assertNotIn(b"->", line)

    def test_quiet(self):
        terminal = self.slowly("check", "--quiet")
        terminal.end()
        self.assertEqual(terminal.seen, b"")

    def test_nothing_when_it_is_fast(self):
        """A run of less than a second shows nothing. On a busy machine a few attempts may take longer, or all of them."""
        for _ in range(10):
            start = time.monotonic()
            terminal = Terminal("check", sample("bep5.pcapng"))
            terminal.end()
            if time.monotonic() - start < 1:
                self.assertEqual(terminal.seen, b"")
                return
        self.skipTest("each run took more than a second")

    def test_nothing_without_a_terminal(self):
        whole = sample("bep5.pcapng").read_bytes()
        with subprocess.Popen([KRPCSCOPE, "check", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
            process.stdin.write(whole[:-600])
            wait_for_reader(process)
            time.sleep(FIRST)
            self.assertEqual(process.communicate(whole[-600:])[1], b"")


class Colour(unittest.TestCase):
    def colours(self, *words, **more):
        terminal = Terminal("check", *words, sample("malformed.pcapng"), output=True, **more)
        terminal.end()
        return b"\x1b[1;31m" in terminal.seen

    def test_where_a_person_looks(self):
        self.assertTrue(self.colours())
        self.assertTrue(self.colours("--color", "auto"))
        self.assertTrue(self.colours(env={"NO_COLOR": ""}))
        self.assertFalse(self.colours(env={"NO_COLOR": "1"}))
        self.assertFalse(self.colours("--color", "never"))
        self.assertTrue(self.colours("--color", "always", env={"NO_COLOR": "1"}))

    def test_elsewhere(self):
        for words in (["check"], ["check", "--each"], ["decode", "--verbose"], ["ports", "--verbose"], ["nodes", "--verbose"]):
            capture = sample("natc-inside.pcapng")
            self.assertNotIn(b"\x1b", out(*words, capture), words)
            self.assertNotIn(b"\x1b", out(*words, "--color", "never", capture), words)
            coloured = out(*words, "--color", "always", capture)
            self.assertIn(b"\x1b", coloured, words)
            self.assertEqual(re.sub(rb"\x1b\[[0-9;]*m", b"", coloured), out(*words, capture), words)
        self.assertIn(b"\x1b", out("rules", "--color", "always"))
        self.assertIn(b"\x1b", out("explain", "bencode.cut", "--color", "always"))

    def test_not_in_records(self):
        for format_ in ("ndjson", "sarif", "junit", "html", "eve"):
            self.assertNotIn(b"\x1b", out("check", "--format", format_, "--color", "always", sample("malformed.pcapng")))

    def test_not_into_a_file(self):
        with folder() as where:
            terminal = Terminal("check", "-o", where / "r", sample("malformed.pcapng"), output=True)
            terminal.end()
            self.assertNotIn(b"\x1b", (where / "r").read_bytes())
            self.assertEqual(terminal.seen, b"")

    def test_a_screen(self):
        """The summary fits one: 24 lines of 100 columns."""
        for capture in CAPTURES:
            text = out("check", capture).decode()
            summary = text[text.index("Summary of"):].replace(str(capture), "x").split("\n\n")[0].splitlines()
            self.assertLess(len(summary), 24, capture.name)
            self.assertLessEqual(max(map(len, summary)), 100, capture.name)


class Pipe(Failing):
    def test_closed(self):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as closed:
            for words in COMMANDS:
                self.fails(*words, sample("natc-inside.pcapng"), says="standard output: closed by its reader", stdout=closed)
            self.fails("rules", says="closed", stdout=closed)
            self.fails("explain", "bencode.cut", says="closed", stdout=closed)
            self.fails("encode", input=out("decode", "--format", "ndjson", sample("bep5.pcapng")), says="closed", stdout=closed)

    def test_head(self):
        """A reader that has enough: what it read was right, and reading ends long before the captures do."""
        captures = [str(sample("natc-inside.pcapng"))] * 40
        process = subprocess.Popen([KRPCSCOPE, "decode", "--format", "ndjson", *captures], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = process.stdout.readline()
        process.stdout.close()
        self.assertEqual(json.loads(line)["frame"], 1)
        self.assertEqual(process.stderr.read(), b"krpcscope: standard output: closed by its reader before all output was written\n")
        process.stderr.close()
        self.assertEqual(process.wait(), 2)


class Live(unittest.TestCase):
    """What comes through a pipe is shown as it comes."""

    def test_nothing_waits_for_more(self):
        capture = sample("bep5.pcapng").read_bytes()
        for words in (["decode"], ["decode", "--threads", "2"], ["decode", "--format", "ndjson"], ["check", "--each"]):
            with self.subTest(words=words):
                with subprocess.Popen([KRPCSCOPE, *words, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
                    child.stdin.write(capture[:900])
                    child.stdin.flush()
                    shown = select.select([child.stdout], [], [], WAIT)[0]
                    self.assertTrue(shown, f"nothing in {WAIT} s, with the pipe still open")
                    first = os.read(child.stdout.fileno(), 1 << 16)
                    child.stdin.write(capture[900:])
                    child.stdin.close()
                    rest = child.stdout.read()
                self.assertEqual(first + rest, run(*words, "-", input=capture).stdout)


class Disk(Failing):
    def test_full(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        for words in COMMANDS:
            self.fails(*words, "-o", "/dev/full", sample("natc-inside.pcapng"), says="/dev/full: cannot write: No space left")
            with open("/dev/full", "wb") as full:
                self.fails(*words, sample("natc-inside.pcapng"), says="standard output: cannot write: No space left", stdout=full)
        self.fails("check", "--write", "/dev/full", "-o", os.devnull, sample("natc-inside.pcapng"), says="/dev/full")
        self.fails("rules", "-o", "/dev/full", says="/dev/full")

    def limited(self, *words, says):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
        return self.fails(*words, sample("natc-inside.pcapng"), says=says, preexec_fn=limit)

    def test_nothing_half_written(self):
        """A file that was there stays; one that was not does not come; and nothing is left beside it."""
        for words in COMMANDS + (["check", "--quiet", "--write"],):
            option = [] if "--write" in words else ["-o"]
            with self.subTest(words=words), folder() as where:
                self.limited(*words, *option, where / "new", says=f"{where}/new: cannot write: File too large")
                self.assertEqual(os.listdir(where), [])
                (where / "old").write_bytes(b"what was there")
                self.limited(*words, *option, where / "old", says="old: cannot write")
                self.assertEqual(os.listdir(where), ["old"])
                self.assertEqual((where / "old").read_bytes(), b"what was there")

    def test_one_fails_the_other_does_not(self):
        with folder() as where:
            result = self.limited("check", "--format", "ndjson", "--write", where / "w", says=f"{where}/w")
            self.assertEqual(json.loads(result.stdout.splitlines()[-1])["type"], "summary")
            self.assertEqual(os.listdir(where), [])

    def test_full_file_system(self):
        with folder() as where:
            script = f"mount -t tmpfs -o size=8k none '{where}' && '{KRPCSCOPE}' decode -f ndjson -o '{where}/x' '{sample('natc-inside.pcapng')}'; echo $?; ls -A '{where}'"
            result = subprocess.run(["unshare", "-rm", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if b"mount" in result.stderr or b"unshare" in result.stderr:
                self.skipTest("no file system of its own here")
            self.assertEqual(result.stdout, b"2\n")
            self.assertRegex(result.stderr, rb"^krpcscope: .*/x: cannot write: No space left on device \(free some space.*\n$")

    def test_rights(self):
        """The file gets the rights of any new file, or keeps those that it has."""
        with folder() as where:
            old = os.umask(0o027)
            out("decode", "-o", where / "x", sample("bep5.pcapng"))
            os.umask(old)
            self.assertEqual((where / "x").stat().st_mode & 0o777, 0o640)
            (where / "x").chmod(0o604)
            out("decode", "-o", where / "x", sample("bep5.pcapng"))
            self.assertEqual((where / "x").stat().st_mode & 0o777, 0o604)

    def test_link(self):
        """What a symbolic link points to is replaced, not the link."""
        with folder() as where:
            (where / "there").mkdir()
            (where / "there" / "x").write_bytes(b"old")
            (where / "x").symlink_to("there/x")
            out("decode", "-o", where / "x", sample("bep5.pcapng"))
            self.assertTrue((where / "x").is_symlink())
            self.assertEqual((where / "there" / "x").read_bytes(), out("decode", sample("bep5.pcapng")))


class Signals(unittest.TestCase):
    def interrupted(self, *words, number=signal.SIGINT, name="-"):
        child = subprocess.Popen([KRPCSCOPE, *map(str, words), *([name] if name else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdin.write(sample("bep5.pcapng").read_bytes())
        wait_for_reader(child)
        child.send_signal(number)
        stdout, stderr = child.communicate(timeout=WAIT)
        self.assertEqual(child.returncode, 2, words)
        self.assertRegex(stderr, rb"^krpcscope: interrupted.*\n$", words)
        self.assertEqual(stderr.count(b"\n"), 1)
        return stdout

    def test_what_was_found_so_far(self):
        marks = {"text": b"(incomplete: interrupted)", "html": b"Incomplete: reading was interrupted", "sarif": b'"executionSuccessful":false',
                 "junit": b"<error", "ndjson": b'"partial":true'}
        for format_, mark in marks.items():
            self.assertIn(mark, self.interrupted("check", "--format", format_), format_)
            self.assertNotIn(mark, run("check", "--format", format_, sample("bep5.pcapng")).stdout, format_)
        for threads in (1, 2):
            text = self.interrupted("check", "--threads", threads)
            self.assertIn(b"packets     12 in", text)
        for words in (["ports"], ["nodes"], ["decode"], ["check", "--each"], ["check", "--format", "eve"]):
            self.assertTrue(self.interrupted(*words), words)

    def test_other_signals(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            self.assertIn(b"(incomplete: interrupted)", self.interrupted("check", number=number))

    def test_file(self):
        with folder() as where:
            self.interrupted("check", "-o", where / "x", "--write", where / "w")
            self.assertIn("(incomplete: interrupted)", (where / "x").read_text())
            self.assertEqual(sorted(os.listdir(where)), ["w", "x"])

    def test_explain(self):
        self.assertEqual(self.interrupted("explain", "-", 99, name=None), b"")


if __name__ == "__main__":
    if not CAPTURES:
        sys.exit("no captures to test with")
    unittest.main()
