"""verdicts.py: every verdict that krpcscope prints about NATs, counted as right, false or unknown."""
# SPDX-License-Identifier: MIT
import collections
import json
import os
import subprocess
import sys

from . import wire
from .claims import Claim

ABOUT_SOCKETS = ('port', 'addresses', 'mapping', 'filtering', 'external', 'reach', 'advice')
KINDS = (*ABOUT_SOCKETS, 'advert', 'then', 'compare')
RESULTS = ('right', 'false', 'unknown')


def words(answers):
    """Words and endpoints, to be read."""
    return ' or '.join(sorted(a if isinstance(a, str) else '%s:%d' % a for a in answers)) or 'none of it'


class Score:
    """Counts of one scenario and view. elsewhere: unknown verdicts about sockets that are not of the view's own homes."""

    def __init__(self):
        self.count = collections.Counter()
        self.elsewhere = collections.Counter()
        self.not_scored = collections.Counter()
        self.lines = []

    def add(self, kind, who, said, truth, own=True, reason='no truth'):
        """said: the word that was printed; None or 'unknown' for none. truth: the set of right words, or None."""
        if truth is None:
            self.not_scored[kind, reason] += 1
        elif said in (None, 'unknown'):
            if not own:
                self.elsewhere[kind] += said is not None
            else:
                self.count[kind, 'unknown'] += 1
                self.lines.append('unknown %s of %s, is %s' % (kind, who, words(truth)))
        elif said in truth:
            self.count[kind, 'right'] += 1
        else:
            self.count[kind, 'false'] += 1
            self.lines.append('FALSE %s of %s: %s, is %s' % (kind, who, words([said]), words(truth)))

    def merge(self, other):
        self.count += other.count
        self.elsewhere += other.elsewhere
        self.not_scored += other.not_scored
        self.lines += other.lines

    def false(self):
        return sum(n for (_, result), n in self.count.items() if result == 'false')


def run(program, command, files):
    if command == 'compare':
        files = ['--inside', files[0], '--outside', files[1]]
    elif len(files) > 1:
        files = ['--merge', *files]
    done = subprocess.run([program, command, '--format', 'ndjson', '--quiet', *files], stdout=subprocess.PIPE, check=False)
    if done.returncode > 1:
        sys.exit('score: %s %s: status %d' % (program, command, done.returncode))
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


class View:
    """Captures that krpcscope is given together: one or both sides of one NAT, or of all of them merged."""

    def __init__(self, truth, name, sides, files):
        self.truth, self.sides, self.files = truth, sides, files
        self.nats = [truth.nats[name]] if name in truth.nats else list(truth.nats.values())
        self.span, self.speakers = [float('inf'), 0.0], set()
        for path in files:
            for r in wire.read(path):
                self.span = [min(self.span[0], r.us / 1e6), max(self.span[1], r.us / 1e6)]
                p = wire.packet(r.frame)
                if p and p.proto == 'udp' and wire.is_krpc(p.payload):
                    self.speakers.add(p.src)
        self.own = {s for s in self.speakers if self.is_own(s)}

    def is_own(self, endpoint):
        """A socket of the view's own homes: where the inside is captured the inside one, else the outside one."""
        for n in self.nats:
            if 'inside' in self.sides and n.inside(endpoint[0]):
                return endpoint[0] not in n.routers
            if self.sides == ('outside',) and (endpoint[0] in n.addresses or (':' in endpoint[0] and n.inside(endpoint[0]))):
                return True
        return False


def union(answers):
    """Of several sockets behind one endpoint; None where one of them cannot be scored, or there is none."""
    answers = list(answers)
    return set().union(*answers) if answers and None not in answers else None


class Scorer:
    def __init__(self, truth, view, slack=0.0):
        self.truth, self.view, self.slack, self.score = truth, view, slack, Score()
        self.span = view.span[0] - slack, view.span[1] + slack
        behind = len(view.nats) == 1 and view.nats[0].uplink in truth.nats and 'outside' in view.sides
        self.layer = view.nats[0] if behind else None

    def judge(self, nodes, adverts, mappings=()):
        claims = [Claim(self.truth, a, self.slack) for a in adverts if a.get('type') == 'advert']
        wrong = collections.defaultdict(set)
        for c in claims:
            if c.truth == {'mismatch'} and c.socket and (c.real[0], c.port) not in self.truth.can_be_asked(c.socket) and \
                    c.port not in {p for _, p in self.truth.can_be_asked(c.socket)}:
                wrong[c.socket].add(c.port)
        seen = set()
        for n in nodes:
            if n.get('type') == 'node':
                seen.add((n['ip'], n['port']))
                self.node(n, wrong)
        for s in sorted(self.view.own - seen): # evidence, and no record of it
            self.node({'ip': s[0], 'port': s[1], 'nat': {}}, wrong)
        for c in claims:
            self.claim(c)
        if len(self.view.sides) == 2:
            self.compare([m for m in mappings if m.get('type') == 'mapping'])
        return self.score

    def node(self, n, wrong):
        here, nat, own = (n['ip'], n['port']), n['nat'], (n['ip'], n['port']) in self.view.own
        name, sockets = '%s:%d' % here, sorted(self.truth.who((n['ip'], n['port'])))
        add = self.score.add
        for kind in 'port', 'addresses', 'mapping', 'filtering':
            answer = union(getattr(self.truth, kind)(s, self.span) for s in sockets)
            if answer is not None and self.layer and kind != 'filtering': # both sides of a NAT that is behind another
                answer |= set().union(*(getattr(self.truth, kind)(s, self.span, self.layer) or set() for s in sockets))
            add(kind, name, nat.get(kind), answer, own, 'no flow that shows it' if sockets else 'endpoint not known')
        external = union(self.truth.external(s) for s in sockets)
        if external is not None:
            external = external | {here}
        for e in nat.get('external') or ():
            add('external', name, (e['ip'], e['port']), external, own, 'endpoint not known')
        if not nat.get('external') and own:
            add('external', name, None, external, own, 'endpoint not known')
        reach = n.get('reach') or {}
        add('reach', name, reach.get('verdict'), union(self.truth.reach(s) for s in sockets), own, 'not asked from outside')
        for e in reach.get('open') or ():
            add('reach', name, (e['ip'], e['port']), union(self.truth.can_be_asked(s) for s in sockets), own, 'endpoint not known')
        self.advice(n.get('advice') or (), name, sockets, wrong, own)

    def advice(self, items, name, sockets, wrong, own):
        said = [i for i in items if i['slug'] != 'not-enough-seen']
        if not said:
            if own:
                self.score.add('advice', name, None, {'any'} if sockets else None, own, 'endpoint not known')
        for i in said:
            answers = [self.truth.advice(i['slug'], s, self.span, wrong[s]) for s in sockets]
            if not answers or None in answers:
                self.score.add('advice', name, i['slug'], None, own, 'no truth about %s' % i['slug'])
                continue
            right = True in answers
            if right and i.get('port') and i['slug'] in ('nothing-to-do', 'forwarded-but-rewritten'):
                right = i['port'] in {p for s in sockets for _, p in self.truth.can_be_asked(s)}
            self.score.add('advice', name, i['slug'], {i['slug']} if right else {'not so'}, own)

    def compare(self, mappings):
        """One for each row of compare, and unknown for each own socket without one."""
        for m in mappings:
            inside, outside = (m['inside_ip'], m['inside_port']), (m['outside_ip'], m['outside_port'])
            name = '%s %s:%d' % (m['proto'], *inside)
            untouched = {inside} if self.truth.is_public(inside) else set()
            self.score.add('compare', name, outside, self.truth.outs[m['proto'].lower()].get(inside, untouched))
        for s in sorted(self.view.own - {(m['inside_ip'], m['inside_port']) for m in mappings if m['proto'] == 'UDP'}):
            self.score.add('compare', 'UDP %s:%d' % s, None, self.truth.outs['udp'].get(s), True, 'no flow that shows it')

    def claim(self, c):
        r = c.record
        who = 'frame %s, %s %s from %s:%d to %s:%d' % (r.get('frame'), c.channel, c.port, *c.src, *c.dst)
        self.score.add('advert', who, r['verdict'], c.truth, True, c.reason)
        words, reason = c.outcome()
        said = r.get('honoured', 'unknown')
        if words is not None and said == 'unknown' and (not words or c.is_source_port()):
            words, reason = None, 'the source port itself' if words else 'nothing happened to the port'
        self.score.add('then', who, said, words, True, reason)


def views(truth):
    """Each vantage of a run: its name, its sides and its captures, as they are there."""
    names = [n for n in (*truth.nats, 'all')]
    for name in names:
        prefix = name if name == 'all' else 'nat' + name
        for sides in ('inside',), ('outside',), ('inside', 'outside'):
            files = [os.path.join(truth.folder, '%s-%s.pcap' % (prefix, s)) for s in sides]
            if all(map(os.path.exists, files)):
                yield name, sides, files


def score_run(truth, program, slack=0.0, nat=None):
    """{view: Score}; the view is inside, outside or both, over all NATs of the run."""
    found = {}
    for name, sides, files in views(truth):
        if nat not in (None, name):
            continue
        view = View(truth, name, sides, files)
        if not view.speakers:
            continue
        mappings = run(program, 'compare', files) if len(files) == 2 else ()
        score = Scorer(truth, view, slack).judge(run(program, 'nodes', files), run(program, 'ports', files), mappings)
        score.lines = ['%s: %s' % (name, line) for line in score.lines]
        found.setdefault('both' if len(sides) == 2 else sides[0], Score()).merge(score)
    return found
