"""table.py: scores as a table of Markdown, and in tests/bench/README.md."""
# SPDX-License-Identifier: MIT
import collections
import datetime
import re

from .verdicts import KINDS, RESULTS

BEGIN, END = '<!-- score -->\n', '<!-- end of score -->\n'


def cell(score, kind):
    numbers = [score.count[kind, r] for r in RESULTS]
    return '{} / {} / {}'.format(*('**%d**' % n if r == 'false' and n else n for r, n in zip(RESULTS, numbers))) if any(numbers) else '-'


def table(rows):
    """rows: [(scenario, view, Score)]"""
    lines = ['| scenario | view | ' + ' | '.join(KINDS) + ' | false | elsewhere | not scored |',
             '|---|---|' + '---:|' * (len(KINDS) + 3)]
    for scenario, view, score in rows:
        lines.append('| %s | %s | %s | %d | %d | %d |' % (scenario, view, ' | '.join(cell(score, k) for k in KINDS), score.false(),
                                                       score.elsewhere.total(), score.not_scored.total()))
    return '\n'.join(lines)


def shares(rows):
    """For each view and kind: of all that was printed, how much was scored, decided, right."""
    lines = ['| view | verdict | right | false | unknown | decided | not scored |', '|---|---|---:|---:|---:|---:|---:|']
    for view in dict.fromkeys(v for _, v, _ in rows):
        scores = [s for _, v, s in rows if v == view]
        for kind in KINDS:
            right, false, unknown = (sum(s.count[kind, r] for s in scores) for r in RESULTS)
            left = sum(n for s in scores for (k, _), n in s.not_scored.items() if k == kind)
            known = right + false + unknown
            if known + left:
                lines.append('| %s | %s | %d | %d | %d | %s | %d |' % (view, kind, right, false, unknown,
                                                                       '%.3f' % ((right + false) / known) if known else '-', left))
    return '\n'.join(lines)


def reasons(rows):
    count = collections.Counter()
    for _, _, score in rows:
        count += score.not_scored
    total = count.total()
    scored = sum(s.count.total() + s.elsewhere.total() for _, _, s in rows)
    lines = ['Scored are %d of %d verdicts, %.1f %%. Not scored:' % (scored, scored + total, 100 * scored / max(1, scored + total)), '',
             '| verdict | why it cannot be scored | number |', '|---|---|---:|']
    lines += ['| %s | %s | %d |' % (kind, why, n) for (kind, why), n in sorted(count.items(), key=lambda x: (KINDS.index(x[0][0]), -x[1]))]
    return '\n'.join(lines)


def update(path, rows, program):
    text = open(path, encoding='utf-8').read()
    body = '%s, %s\n\n%s\n\n%s\n\n%s\n' % (datetime.date.today().isoformat(), program, table(rows), shares(rows), reasons(rows))
    if BEGIN not in text or END not in text:
        raise SystemExit('score: %s has no place for the table' % path)
    text = re.sub(re.escape(BEGIN) + '.*' + re.escape(END), lambda _: BEGIN + body + END, text, flags=re.S)
    open(path, 'w', encoding='utf-8').write(text)
