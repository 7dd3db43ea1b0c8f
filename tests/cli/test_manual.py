#!/usr/bin/env python3
"""test_manual.py: help, man page and completions say what the command does, and their examples work.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import contextlib
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import unittest

from krpcscope_cli import CAPTURES, KRPCSCOPE, SOURCE, folder, out, records, run, sample

COMMANDS = ("check", "reach", "ports", "nodes", "decode", "compare", "encode", "explain", "rules")
VALIDATOR = SOURCE / "validator"
GENERATED = pathlib.Path(os.environ["BUILD_DIR"]) / "validator" / "generated"  # from validator/options/options.def
MAN = (GENERATED / "krpcscope.1.adoc").read_text()

FORMATS = {c: ["text", "ndjson"] for c in COMMANDS if c != "encode"}
FORMATS["check"] = ["text", "ndjson", "sarif", "junit", "html", "eve"]


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
            formats = re.findall(r"(?m)--format=FORMAT +Output format: (.*)", out(command, "--help").decode())
            self.assertEqual(formats, [", ".join(FORMATS[command])] if command in FORMATS else [])
            self.assertEqual(out(command, "--help"), out("--help", command))
        self.assertEqual(out("-h"), out("--help"))
        version = out("--version").decode()
        for library in ("krpcscope", "libwiretap", "GLib"):
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
                    taken = run(command, f"--{option}", "1", cwd=where, stdin=subprocess.DEVNULL, timeout=600)
                    self.assertNotIn(b"Unknown option", taken.stderr)


class Manual(unittest.TestCase):
    def test_every_option_and_command(self):
        listed = MAN[MAN.index("== OPTIONS"):MAN.index("== EXIT STATUS")]
        takers = {}
        for name, text in re.findall(r"(?ms)^(?:\*-\w\*, )?\*--([a-z-]+)\*.*?::\n(.*?)\n\n", listed):
            self.assertGreater(len(text), 15, name)
            only = re.search(r"\nOnly for (.*)\.$", text)
            takers[name] = set(re.findall(r"\*(\w+)\*", only[1]) if only else COMMANDS)
        for command in COMMANDS:
            self.assertEqual({name for name, of in takers.items() if command in of}, options(command), command)
        commands = re.findall(r"(?m)^\*(\w+)\*::", MAN[MAN.index("== COMMANDS"):MAN.index("== OPTIONS")])
        self.assertEqual(commands, list(COMMANDS))
        self.assertEqual(set(re.findall(r"\*(\w+)\*", MAN[MAN.index("== SYNOPSIS"):MAN.index("== DESCRIPTION")])),
                         {"krpcscope", *COMMANDS})

    def test_values(self):
        """The paragraph of an option names all of its values, and the program takes no other."""
        listed = MAN[MAN.index("== OPTIONS"):MAN.index("== EXIT STATUS")]
        for option, values in (("format", FORMATS["check"]), ("color", ["auto", "always", "never"]), ("threads", ["1", "2"]),
                               ("fail-on", ["note", "warn", "error"])):
            text = listed[listed.index(f"*--{option}*"):].split("\nOnly for")[0].split("\n\n")[0]
            for value in values:
                self.assertIn(f"*{value}*", text, option)
                self.assertIn(run("check", f"--{option}", value, sample("bep5.pcapng")).returncode, (0, 1))
            result = run("check", f"--{option}", "3", sample("bep5.pcapng"))
            self.assertEqual((result.returncode, result.stdout), (2, b""))
            self.assertRegex(result.stderr.decode(), rf"^krpcscope: --{option} 3: \w+ takes (one of )?{values[0]}")
        for command, formats in FORMATS.items():
            for value in set(FORMATS["check"]) - set(formats):
                self.assertEqual(run(command, "--format", value, "port.dead").stderr.decode(),
                                 f"krpcscope: --format {value}: {command} takes one of text, ndjson\n")

    def test_verdicts(self):
        """Each verdict that a record can have is in the list of verdicts, and no other."""
        schema = (VALIDATOR / "schema.json").read_text()
        text = MAN[MAN.index("== VERDICTS"):MAN.index("== RECORDS")]
        for verdict in re.findall(r"(?m)^\*([a-z-]+)\*::", text) + re.findall(r"\*([a-z-]+)\* \(", text):
            self.assertIn(f'"{verdict}"', schema)

    def test_page_can_be_made(self):
        if shutil.which("asciidoctor") is None:
            self.skipTest("no asciidoctor")
        made = subprocess.run(["asciidoctor", "-b", "manpage", "-o", "-", GENERATED / "krpcscope.1.adoc"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((made.returncode, made.stderr), (0, b""))
        self.assertIn(b"EXAMPLES", made.stdout)
        # Markup that AsciiDoc did not understand.
        text = made.stdout.decode()
        text = text[text.index('.SH "OPTIONS"'):text.index('.SH "EXIT STATUS"')]
        self.assertEqual(re.findall(r"(?m)^.*(?:\*|(?<!\w)_|_(?!\w)).*", text), [])

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
        lines = re.findall(r"(?m)^    (\S.*)$", MAN[MAN.index("== EXAMPLES"):MAN.index("== A SERVICE")])
        self.assertGreater(len(lines), 9)
        for line in lines:
            self.works(line)

    def test_of_the_help(self):
        lines = out("--help").decode().split("\n\n")[0].splitlines()[1:]
        self.assertGreater(len(lines), 6)
        for line in lines:
            self.works(re.split(r"\s{2,}", line.strip())[0])


FILES = ("capture.pcap", "capture.pcapng.gz", "notes.txt", "records.ndjson", "plain", "folder/plain")
CAPTURE_NAMES = {"capture.pcap", "capture.pcapng.gz", "folder/"}

ZSHRC = r"""
fpath=($GENERATED $fpath)
autoload -Uz compinit
compinit -u -D
LISTMAX=100000 # matches that are shown without a question
compadd() { # writes what is offered, but not where the caller asks what would be
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        local -a offered
        builtin compadd -O offered "$@"
        print -rl -- $offered >>offered
    fi
    builtin compadd "$@"
}
ask() {
    for BUFFER in "${(@f)$(<questions)}"; do
        CURSOR=$#BUFFER
        print -r -- "== $BUFFER" >>offered
        zle list-choices
    done
    exit
}
zle -N zle-line-init ask
"""


class Completions(unittest.TestCase):
    """The shells are run, and say what they offer for the last word of a line."""

    maxDiff = None

    @contextlib.contextmanager
    def place(self):
        with folder() as where:
            for name in FILES:
                (where / name).parent.mkdir(exist_ok=True)
                (where / name).touch()
            path = os.pathsep.join([str(pathlib.Path(KRPCSCOPE).parent), os.environ["PATH"]])
            yield where, {**os.environ, "PATH": path, "HOME": str(where), "GENERATED": str(GENERATED), "TERM": "xterm"}

    def bash(self, lines):
        script = """
            source "$GENERATED/krpcscope.bash"
            while IFS= read -r line; do
                read -ra COMP_WORDS <<<"${line//=/ = }"
                [[ $line == *[\\ =] ]] && COMP_WORDS+=("")
                COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                _krpcscope
                printf '== %s\\n' "$line"
                for word in "${COMPREPLY[@]}"; do
                    [ ! -d "$word" ] || word+=/ # readline adds it
                    printf '%s\\n' "$word"
                done
            done"""
        with self.place() as (where, env):
            result = subprocess.run(["bash", "-c", script], cwd=where, env=env, input="\n".join(lines) + "\n", text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def fish(self, lines):
        script = 'source "$GENERATED/krpcscope.fish"; while read -l line; echo "== $line"; complete -C "$line"; end'
        with self.place() as (where, env):
            result = subprocess.run(["fish", "--no-config", "-c", script], cwd=where, env=env, input="\n".join(lines) + "\n",
                                    text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return re.sub(r"(?m)\t.*$", "", re.sub(r"(?m)^--[a-z-]+=(?=.)", "", result.stdout))

    def zsh(self, lines):
        """Only its line editor completes, and it needs a terminal."""
        with self.place() as (where, env):
            (where / ".zshrc").write_text(ZSHRC)
            (where / "questions").write_text("\n".join(lines) + "\n")
            try:
                child, terminal = pty.fork()
            except OSError as error:
                raise unittest.SkipTest(f"zsh completes only on a terminal: {error}") from error
            if child == 0:
                os.chdir(where)
                os.execvpe("zsh", ["zsh", "-i"], {**env, "ZDOTDIR": str(where)})
            with contextlib.suppress(OSError):  # EIO at its end
                while os.read(terminal, 65536):
                    pass
            os.close(terminal)
            os.waitpid(child, 0)
            offered = (where / "offered").read_text()
            return re.sub(r"(?m)^(folder)$", r"\1/", re.sub(r"(?m)^(questions|offered|-\w)\n", "", offered))

    def asked(self):
        """Lines, and what is offered for their last word."""
        slugs = {r["rule"] for r in records("rules", "--format", "ndjson")}
        yield "krpcscope ", CAPTURE_NAMES | set(COMMANDS)
        yield "krpcscope ch", {"check"}
        yield "krpcscope --", {f"--{o}" for o in options("check")}
        for command in COMMANDS:
            yield f"krpcscope {command} --", {f"--{o}" for o in options(command)}
            yield f"krpcscope --color never -q {command} --", {f"--{o}" for o in options(command)}
            if command in FORMATS:
                yield f"krpcscope {command} --format ", set(FORMATS[command])
                yield f"krpcscope {command} -f ", set(FORMATS[command])
                yield f"krpcscope {command} --format=n", {"ndjson"}
        yield "krpcscope --client ports --format ", set(FORMATS["check"])  # no command: the value of --client
        yield "krpcscope --fail-on ", {"note", "warn", "error"}
        yield "krpcscope --color=", {"auto", "always", "never"}
        yield "krpcscope nodes --threads ", {"1", "2"}
        yield "krpcscope -d tcp", {"tcp.port=="}
        yield "krpcscope ports cap", {"capture.pcap", "capture.pcapng.gz"}
        yield "krpcscope ports ", CAPTURE_NAMES
        yield "krpcscope ports capture.pcap folder/", {"folder/plain"}
        yield "krpcscope compare --inside ", CAPTURE_NAMES
        yield "krpcscope compare --outside=", CAPTURE_NAMES
        yield "krpcscope encode ", {"records.ndjson", "folder/"}
        yield "krpcscope -o no", {"notes.txt"}
        yield "krpcscope -o ", {name for name in FILES if "/" not in name} | {"folder/"}
        yield "krpcscope --write n", {"notes.txt"}  # no pcapng file begins with n
        yield "krpcscope --anonymize cap", set()
        yield "krpcscope explain port.d", {"port.differs-from-source", "port.dead"}
        yield "krpcscope explain ", slugs | CAPTURE_NAMES
        yield "krpcscope explain capture.pcap ", set()  # a frame number

    def check(self, shell, complete):
        if shutil.which(shell) is None:
            self.skipTest(f"no {shell}")
        questions = dict(self.asked())
        answers = {line: set(words.split()) for line, words in re.findall(r"(?ms)^== (.*?)$(.*?)(?=^== |\Z)", complete(list(questions)))}
        self.assertEqual(set(answers), set(questions))
        for line, expected in questions.items():
            got = {w.rpartition("/")[2] or w for w in answers[line]} if line.endswith("folder/") else answers[line]
            if shell == "zsh":  # does not offer an option again, and offers options where nothing else fits
                expected = expected - set(re.sub(r" -q ", " --quiet ", line).split())
                got = got if expected else {word for word in got if not word.startswith("--")}
            self.assertEqual(got, {"plain"} if line.endswith("folder/") else expected, (shell, line))

    def test_bash(self):
        self.check("bash", self.bash)

    def test_fish(self):
        self.check("fish", self.fish)

    def test_zsh(self):
        self.check("zsh", self.zsh)

    def test_short_options(self):
        short = set(re.findall(r"(?m)^  -(\w), --", out("--help").decode()))
        self.assertEqual(short, {"f", "o", "d", "w", "q", "v", "h"})
        self.assertEqual(set(re.findall(r" -s (\w) -l", (GENERATED / "krpcscope.fish").read_text())), short)
        self.assertEqual(set(re.findall(r"\{-(\w)\+?,--", (GENERATED / "_krpcscope").read_text())), short)
        self.assertEqual(set(re.findall(r"(?m)^\*-(\w)\*, \*--", MAN)), short)

    def test_every_marker_was_replaced(self):
        for name in ("krpcscope.1.adoc", "krpcscope.bash", "_krpcscope", "krpcscope.fish"):
            self.assertEqual(re.findall(r"@\w+@", (GENERATED / name).read_text()), [], name)


if __name__ == "__main__":
    if not CAPTURES:
        sys.exit("no captures to test with")
    unittest.main()
