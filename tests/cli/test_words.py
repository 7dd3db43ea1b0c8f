#!/usr/bin/env python3
"""test_words.py: what users and readers of the sources read has none of the words that make it hard to read.

KRPCSCOPE is the command, SAMPLES the folder of captures, SOURCE_DIR the tree.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import re
import unittest

from krpcscope_cli import SOURCE, out, sample

# Each word with what to write instead.
WORDS = {
    r"nobody|no-?one\s+else": "no node, nothing",
    r"somebody(?:'s|\s+else)?|anybody|everybody": "a node, another node, any node, all nodes",
    r"whoever|whomever": "any node that",
    r"whatever|wherever|whichever": "any",
    r"(?:(?:passed|passes|passing)\s+(?:\w+\s+)?|pass\s+\w+\s+)over(?!\s+(?:TCP|uTP|UDP))": "skip",
    r"anew": "again",
    r"(?:held|holds?|holding)\s+against": "compared with",
    r"(?:the|its|\w+'s)\s+begin": "start",
    r"(?:give|gives|gave|given|giving)\s+way": "evict",
    r"what\s+there\s+is\s+to": "say what",
    r"(?:here|there)\s+(?:must\s+)?stands?|stands?\s+(?:here|there)": "is",
    r"in\s+front\s+of": "before",
    r"(?:hand|hands|handed|handing)\s+on": "pass on",
    r"of\s+(?:its|their)\s+own": "its own",
    r"he|him|his|himself|she|her": "it, its",
}
PATTERN = re.compile("|".join(rf"(?P<w{i}>\b(?:{word})\b)" for i, word in enumerate(WORDS)), re.IGNORECASE)

# Globs from the root of the tree. Each finds a file.
CHECKED = [
    "*.md",
    "dev",
    "docs/*",
    "codec/*.md",
    "codec/*.[ch]",
    "codec/include/krpc/*",
    "tracker/include/tracker/*",
    "plugin/*.md",
    "plugin/*.[ch]",
    "plugin/own_fields.def",
    "plugin/profile/krpcscope/*",
    "samples/*.md",
    "samples/lab/*.md",
    "samples/lab/node/*",
    "validator/*.adoc",
    "validator/*.json",
    "validator/*.c",
    "validator/*/*.[ch]",
    "validator/*/*.def",
    "validator/completions/*",
    "tests/*/README.md",
]
# What the command prints. The lines of captures and slugs are part of it.
CHECKED_OUTPUTS = [
    ["--help"],
    *([command, "--help"] for command in ("check", "reach", "ports", "nodes", "decode", "compare", "encode", "explain", "rules")),
    ["rules"],
    ["rules", "--format", "ndjson"],  # with the explanations
    *(["check", "--verbose", f"{name}.pcapng"] for name in ("natc-inside", "p-lab", "malformed", "token-lab")),
    ["check", "--format", "html", "natc-inside.pcapng"],
    *([command, "--verbose", f"{name}.pcapng"] for command in ("ports", "nodes", "reach") for name in ("natb-inside", "swapped-values")),
    ["decode", "--verbose", "bep5.pcapng"],
    ["compare", "--verbose", "--inside", "natc-inside.pcapng", "--outside", "natc-outside.pcapng"],
]


def findings(text, first_line=1):
    """The words in a text, each with its line and what to write instead."""
    for match in PATTERN.finditer(text):
        line = first_line + text.count("\n", 0, match.start())
        yield line, " ".join(match.group().split()), list(WORDS.values())[int(match.lastgroup[1:])]


class Words(unittest.TestCase):
    def check(self, name, text, first_line=1):
        found = [f'{name}:{line}: "{word}" (write: {instead})' for line, word, instead in findings(text, first_line)]
        if found:
            self.fail("\n" + "\n".join(found))

    def test_files(self):
        for pattern in CHECKED:
            paths = sorted(SOURCE.glob(pattern))
            self.assertTrue(paths, pattern)
            for path in paths:
                with self.subTest(file=str(path.relative_to(SOURCE))):
                    self.check(path.relative_to(SOURCE), path.read_text())

    def test_outputs(self):
        for words in CHECKED_OUTPUTS:
            with self.subTest(command=words):
                arguments = [sample(word) if word.endswith(".pcapng") else word for word in words]
                self.check(f"krpcscope {' '.join(words)}", out(*arguments).decode())

    def test_each_word_is_found(self):
        """And its neighbours are not."""
        text = ("Nobody asked.\nsomebody else\nwhoever asks\nwhatever it is\nthey pass it\nover, passed over\nanew\nheld against\n"
                "the begin of\ngives way\nwhat there is to say\nhere stands an integer\nin\nfront of\nhanded on\nof its own\nhe says\n")
        lines = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17]
        self.assertEqual([line for line, _, _ in findings(text)], lines)
        self.assertEqual(len({instead for _, _, instead in findings(text)}), len(WORDS))
        good = "The beginning, the other, renewed, overtake, in the front office, passed over UDP, withhold, the hash."
        self.assertEqual(list(findings(good)), [])


if __name__ == "__main__":
    unittest.main()
