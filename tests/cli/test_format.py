#!/usr/bin/env python3
"""test_format.py: all C is as clang-format-19 writes it, and no line of C or of a table is longer than 120 characters.

test_format.py [--fix] [FILE...]
--fix lets clang-format-19 rewrite the files, and wraps comments that are too long, but for comments after code.
A row of a table (*.def) may be longer: it is one line, so that the columns of the table can be read and compared.
SOURCE_DIR is the tree. Exit status 77 where clang-format-19 is missing; the lengths are checked there, too.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TREE = pathlib.Path(os.environ.get("SOURCE_DIR", pathlib.Path(__file__).parents[2]))
FOLDERS = ("codec", "tracker", "plugin", "validator", "cluster", "samples", "tests")
CLANG_FORMAT = "clang-format-19"
WIDTH = 120
ROW = re.compile(r'\s*(?:[A-Z_0-9]+\(|"|\{)')  # NAME(..., or the strings and braces of its next line


def files():
    found = [p for folder in FOLDERS for p in (TREE / folder).rglob("*") if p.suffix in (".c", ".h", ".def")]
    return sorted(p for p in found if p.is_file())


def too_long(path):
    """The numbers of the lines that are longer than WIDTH."""
    lines, is_table = path.read_text(encoding="utf-8").split("\n"), path.suffix == ".def"
    return [n for n, line in enumerate(lines, 1) if len(line) > WIDTH and not (is_table and ROW.match(line))]


def unformatted(paths):
    """The C files that clang-format changes, from its messages (FILE:LINE:COLUMN: error: ...)."""
    command = [CLANG_FORMAT, "--dry-run", "--Werror", *(str(p) for p in paths if p.suffix != ".def")]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    named = sorted(set(re.findall(r"^(.+?):\d+:\d+: error: ", done.stderr, re.MULTILINE)))
    assert bool(named) == (done.returncode != 0), done.stderr
    return named


def wrap(first, following, words):
    """Lines of these words, the first one after `first`, the others after `following`."""
    lines, line = [], first
    for word in words:
        is_empty = line in (first, following)
        if not is_empty and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line, is_empty = following, True
        line += word if is_empty else " " + word
    return lines + [line]


def wrap_comment(lines):
    """The lines of a comment that has its lines for itself. A paragraph with a line that is too long is wrapped. Empty and
    indented lines and the items of lists are no part of one, and stay as they are."""
    indent = re.match(r"\s*", lines[0])[0]
    following = indent + " * "

    def continues(line):
        return line.startswith(following) and not re.match(r"\s|$|[-*] |\d+[.)] ", line[len(following):])
    out, at = [], 0
    while at < len(lines):
        first = indent + "/* " if at == 0 else following
        starts = lines[at].startswith(first) and (at == 0 or continues(lines[at]))
        end = at + 1
        while starts and end < len(lines) and continues(lines[end]):
            end += 1
        paragraph = lines[at:end]
        if starts and any(len(line) > WIDTH for line in paragraph):
            text = " ".join(line[len(following):].rstrip() for line in paragraph)
            if text.endswith("*/"):
                text = text[:-2].rstrip() + "\0*/"  # the end stays with the last word
            paragraph = [line.replace("\0", " ") for line in wrap(first, following, text.split())]
        out += paragraph
        at = end
    return out


def fix(path):
    if path.suffix != ".def":
        subprocess.run([CLANG_FORMAT, "-i", str(path)], check=True)
    lines, out, at = path.read_text(encoding="utf-8").split("\n"), [], 0
    while at < len(lines):
        end = at + 1
        if lines[at].lstrip().startswith("/*"):
            while "*/" not in lines[end - 1] and end < len(lines):
                end += 1
            if lines[end - 1].rstrip().endswith("*/"):
                out += wrap_comment(lines[at:end])
                at = end
                continue
        out += lines[at:end]
        at = end
    path.write_text("\n".join(out), encoding="utf-8")


def check_itself():
    """Both checks find what is wrong in a file that has both, and --fix mends it."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "wrong.c"
        (path.parent / ".clang-format").write_bytes((TREE / ".clang-format").read_bytes())
        path.write_text("/* %s */\nint  x ;\n" % " ".join(["word"] * 40))
        assert too_long(path) == [1] and unformatted([path]), "a wrong file is not found"
        fix(path)
        assert not too_long(path) and not unformatted([path]), "--fix does not mend"
        assert path.read_text().count("word") == 40, "--fix loses words"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--fix"]
    chosen = [pathlib.Path(a).resolve() for a in arguments] or files()
    has_clang_format = shutil.which(CLANG_FORMAT) is not None
    if not chosen:
        sys.exit(f"no C in {TREE}")
    if "--fix" in sys.argv[1:]:
        for path in chosen if has_clang_format else sys.exit(f"{CLANG_FORMAT} is not installed"):
            fix(path)
    wrong = [f"{path}:{n}: longer than {WIDTH} characters" for path in chosen for n in too_long(path)]
    if has_clang_format:
        check_itself()
        wrong += [f"{path}: {CLANG_FORMAT} changes it" for path in unformatted(chosen)]
    print("".join(line + "\n" for line in wrong), end="")
    if wrong:
        sys.exit(f"{len(wrong)} to mend; {sys.argv[0]} --fix does most of it")
    if not has_clang_format:
        print(f"skipped: {CLANG_FORMAT} is not installed (Debian's package of that name); no line is too long")
        sys.exit(77)
    print(f"{len(chosen)} files")


if __name__ == "__main__":
    main()
