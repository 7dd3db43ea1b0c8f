#!/usr/bin/env python3
"""golden.py: the outputs of ../golden/golden.list are the same as the files in ../golden.

A line of golden.list is FILE EXIT COMMAND...: FILE holds the expected output, EXIT the statuses that are right, COMMAND begins
with krpcscope or tshark, and @X is samples/X. Several commands, with && between them, have their outputs in one file, each after
a line with the command. A * in FILE stands for every sample, a + for each of SHOWN_IN_FULL.

`golden.py --update` writes the files; read every line of the difference before you commit it. test_formats.py runs the
comparison as a test. SPDX-License-Identifier: GPL-2.0-or-later
"""
import concurrent.futures
import difflib
import os
import pathlib
import re
import shlex
import sys

from krpcscope_cli import SAMPLES, in_samples

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
SHOWN_IN_FULL = ("malformed", "natc-inside", "proposal-p")


def jobs():
    """FILE, the right exit statuses, the command."""
    groups = {"*": sorted(p.stem for p in SAMPLES.glob("*.pcapng")), "+": SHOWN_IN_FULL}
    for line in (GOLDEN / "golden.list").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, status, *words = shlex.split(line)
        if words[0] == "tshark" and not os.environ.get("PLUGIN_DIR"):
            continue
        for group in groups:
            if group in name:
                for sample in groups[group]:
                    yield (name.replace(group, sample), {int(s) for s in status.split(",")},
                           [w.replace("@" + group, "@" + sample) for w in words])
                break
        else:
            yield name, {int(s) for s in status.split(",")}, words


def outputs(words):
    """Exit statuses, the output of all commands, and what they print on standard error."""
    commands = [[]]
    for word in words:
        if word == "&&":
            commands.append([])
        else:
            commands[-1].append(word)
    statuses, text, errors = set(), "", ""
    for command in commands:
        result = in_samples(*command)
        heading = "$ " + shlex.join(w.lstrip("@") for w in command) + "\n" if len(commands) > 1 else ""
        text += ("\n" if text else "") + heading + without_counts(command, result.stdout.decode())
        statuses.add(result.returncode)
        errors += result.stderr.decode()
    return statuses, text, errors


def without_counts(words, text):
    """Without what changes with every new rule or version (test_reports.py checks it), and what differs between Wiresharks."""
    lines = text.splitlines(True)
    if "-V" in words:  # how Wireshark words its own protocols, writes a double and cuts bytes
        lines = [re.sub("([0-9a-f]{72})(?:…|[0-9a-f]+)", r"\1…", x) for x in lines
                 if x.startswith((" ", "\n", "BitTorrent")) and not re.search(r"\[(Time|Estimated addresses): ", x)]
    elif "sarif" in words:
        lines = [re.sub(r'"ruleIndex":\d+,', "", x) for x in lines if not x.startswith('{"id":')]
        lines = [re.sub(r'"version":"\d+\.\d+\.\d+"(?=,"rules")', '"version":"X.Y.Z"', x) for x in lines]
    elif "junit" in words:  # the cases of rules that found nothing, and how many cases there are
        lines = [re.sub(r' tests="\d+"', "", x) for x in lines if not (x.startswith("    <testcase ") and x.endswith("/>\n"))]
    elif "html" in words:
        text = re.sub(r"<p>krpcscope \d+\.\d+\.\d+</p>", "<p>krpcscope X.Y.Z</p>", text)
        if "--verbose" not in words:  # html/style.html holds the style sheet
            text = re.sub("<style>.*</style>\n", "", text, flags=re.S)
        lines = [text]
    return "".join(lines)


def compare(path, now, update):
    """What is different, as lines to print."""
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(now)
    expected = path.read_text() if path.exists() else "(no such file)\n"
    return list(difflib.unified_diff(expected.splitlines(True), now.splitlines(True), "expected", "now", n=1))


def differences(update=False):
    """What is wrong, as lines to print, and the number of outputs that were compared."""
    wrong, todo = [], list(jobs())
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (name, right, words), (statuses, text, errors) in zip(todo, pool.map(lambda job: outputs(job[-1]), todo)):
            if not statuses <= right:
                wrong.append(f"golden/{name}: exit status {statuses - right}: {errors}\n")
            difference = compare(GOLDEN / name, text, update)
            if difference:
                wrong += [f"golden/{name}: {shlex.join(words)}\n", *difference]
    if os.environ.get("PLUGIN_DIR"):  # without it, the outputs of tshark look like orphans
        files = {str(p.relative_to(GOLDEN)) for p in GOLDEN.rglob("*") if p.is_file()}
        wrong += [f"golden/{orphan}: not in golden.list\n" for orphan in sorted(files - {job[0] for job in todo} - {"golden.list"})]
    return wrong, len(todo)


def main():
    wrong, compared = differences("--update" in sys.argv)
    sys.stdout.writelines(wrong)
    print(f"{compared} outputs: {'some differ' if wrong else 'none differs'}")
    sys.exit(1 if wrong or not compared else 0)


if __name__ == "__main__":
    main()
