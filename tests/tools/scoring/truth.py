"""truth.py: what is true in a run of the lab, by the kernel's connection tracking, the forward rules and the probes."""
# SPDX-License-Identifier: MIT
import collections
import csv
import functools
import glob
import ipaddress
import math
import os
import re

from . import wire

FLOW = re.compile(r'src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)')
CARRIERS = ipaddress.ip_network('100.64.0.0/10')
LINE = re.compile(r'\[([\d.]+)\]\s+\[(NEW|DESTROY)\]\s+(udp|tcp)\s')
# A flow that an inside socket began: src and dst as the LAN sees them, out is the outside source port. A flow that came in
# (came is true): src is the inside socket, dst is the stranger as the LAN sees it, who the stranger, out where it asked.
Flow = collections.namedtuple('Flow', 'src dst out who begin end came')


def rows(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding='ascii') as f:
        return list(csv.DictReader(f, delimiter='\t'))


def read_log(path):
    """[(protocol, Flow)] of a conntrack log."""
    live, done = {}, []
    with open(path, encoding='ascii', errors='replace') as f:
        for line in f:
            head, ends = LINE.match(line), FLOW.findall(line)
            if not head or len(ends) != 2:
                continue
            when, what, proto = float(head[1]), head[2], head[3]
            src, dst, back_src, back_dst = (e for pair in (ends[0], ends[1]) for e in ((pair[0], int(pair[2])), (pair[1], int(pair[3]))))
            key = proto, src, dst
            if key in live: # also where the end of the one before was not logged
                done.append((proto, live.pop(key)._replace(end=when)))
            if what == 'DESTROY':
                continue
            if back_src == dst:
                live[key] = Flow(src, dst, back_dst, dst, when, math.inf, False)
            else:
                live[key] = Flow(back_src, back_dst, dst, src, when, math.inf, True)
    return done + [(key[0], flow) for key, flow in live.items()]


class Nat:
    def __init__(self, row, folder, events):
        self.name, self.kind, self.uplink = row['nat'], row['kind'].split('+'), row['uplink']
        self.lan = [ipaddress.ip_network(row[k]) for k in ('lan', 'lan6') if row[k] != '-']
        self.outside = row['outside']
        self.moves = [e for e in events if e['nat'] == self.name]
        self.addresses = {row['outside']} | {e[k] for e in self.moves for k in ('old', 'new')}
        self.routers = {str(next(net.hosts())) for net in self.lan}
        logs = [p for end in ('', '6') for p in [os.path.join(folder, 'nat%s-conntrack%s.log' % (self.name, end))] if os.path.exists(p)]
        flows = [x for log in logs for x in read_log(log) if self.inside(x[1].src[0])]
        self.addresses |= {f.out[0] for _, f in flows if not f.came and f.out[0] != f.src[0] and not self.inside(f.out[0])}
        self.hairpin = {f.src for _, f in flows if not f.came and f.dst[0] in self.addresses}
        self.hairpin |= {f.who for _, f in flows if f.came and self.inside(f.who[0])}
        self.flows = {'udp': [], 'tcp': []}
        for proto, f in flows:
            if f.dst[0] in self.addresses or self.inside(f.dst[0]) or self.inside(f.who[0]):
                continue
            for e in self.moves: # a mapping ends where the router restarts
                if f.begin < float(e['time']) < f.end:
                    f = f._replace(end=float(e['time']))
            self.flows[proto].append(f)
        self.beyond = self.flows

    @functools.lru_cache(None)
    def inside(self, address):
        ip = ipaddress.ip_address(address)
        return any(ip.version == net.version and ip in net for net in self.lan)

    def translates(self, version):
        return any(':' in a for a in self.addresses) if version == 6 else True

    def follow(self, outer):
        """The flows as they leave the outer NAT."""
        self.beyond = {}
        for proto, flows in self.flows.items():
            further = collections.defaultdict(list)
            for f in outer.flows[proto]:
                further[f.src, f.dst].append(f)
            self.beyond[proto] = [f._replace(out=g.out, begin=max(f.begin, g.begin), end=min(f.end, g.end)) for f in flows
                                  for g in further[f.out, f.dst] if g.begin <= f.end + 1 and f.begin <= g.end + 1]
            if not outer.translates(6):
                self.beyond[proto] += [f for f in flows if ':' in f.src[0]]


class Truth:
    """A whole run. Every question about an endpoint is answered with the set of right words; None: it cannot be scored."""

    def __init__(self, folder):
        self.folder = folder
        events = []
        if os.path.exists(os.path.join(folder, 'events.tsv')):
            with open(os.path.join(folder, 'events.tsv'), encoding='ascii') as f:
                events = [dict(zip(('time', 'nat', 'what', 'old', 'new'), line.rstrip('\n').split('\t'))) for line in f]
        self.nats = {r['nat']: Nat(r, folder, events) for r in rows(os.path.join(folder, 'nats.tsv'))}
        self.hosts = rows(os.path.join(folder, 'hosts.tsv'))
        self.host_of = {h[k]: h for h in self.hosts for k in ('ipv4', 'ipv6') if h[k] != '-'}
        for n in self.nats.values():
            if n.uplink in self.nats:
                n.follow(self.nats[n.uplink])
        self.sockets = {'udp': collections.defaultdict(list), 'tcp': collections.defaultdict(list)}  # as seen from the public side
        self.by_out = {'udp': collections.defaultdict(list), 'tcp': collections.defaultdict(list)}   # of every NAT, by outside endpoint
        self.outs = {'udp': collections.defaultdict(set), 'tcp': collections.defaultdict(set)}       # of every NAT, by inside socket
        self.made_up = collections.defaultdict(set)  # endpoints that a NAT invented for a stranger: who it is
        for n in self.nats.values():
            for proto in 'udp', 'tcp':
                for f in n.beyond[proto]:
                    self.sockets[proto][f.src].append(f)
                for f in n.beyond[proto] + (n.flows[proto] if n.beyond is not n.flows else []):
                    self.outs[proto][f.src].add(f.out)
                    if f.out != f.src:
                        self.by_out[proto][f.out].append(f)
                    if f.came and f.dst != f.who:
                        self.made_up[f.dst].add(f.who)
        self.probes = rows(os.path.join(folder, 'probes.tsv'))
        self.open_ports, self.closed = collections.defaultdict(set), set()
        self.read_probes()
        self.opened_by = collections.defaultdict(set)
        for socket, opened in self.open_ports.items():
            for outside in opened:
                self.opened_by[outside].add(socket)
        inet = os.path.join(folder, 'inet.pcap')
        self.public = wire.Public([inet] if os.path.exists(inet) else sorted(glob.glob(os.path.join(folder, 'nat*-outside.pcap'))))

    def read_probes(self):
        for h in self.hosts:
            if h['forwarded'] != '-':
                self.open_ports[h['ipv4'], int(h['dht_port'])].add((self.nats[h['place']].outside, int(h['forwarded'])))
        for p in self.probes:
            outside, inside, when = (p['to_ip'], int(p['to_port'])), (p['inside_ip'], int(p['inside_port'])), float(p['time'])
            sockets = {inside} | {f.src for f in self.by_out['udp'].get(outside, ()) if f.begin <= when + 1 and when <= f.end}
            for s in sockets:
                if p['ms'] != '-':
                    self.open_ports[s].add(outside)
                elif p['how'] == 'mapping':
                    self.closed.add(s)

    # ---------------------------------------------------------------------------------------- who is it

    @functools.lru_cache(None)
    def nat_of(self, address):
        return next((n for n in self.nats.values() if n.inside(address)), None)

    @functools.lru_cache(None)
    def of_nat(self, address):
        """The NAT that has this outside address."""
        return next((n for n in self.nats.values() if address in n.addresses and ':' not in address), None)

    @functools.lru_cache(None)
    def who(self, endpoint):
        """The inside sockets that an endpoint is; the endpoint itself where it is public; nothing where that is not known."""
        if endpoint in self.sockets['udp'] or self.nat_of(endpoint[0]):
            return {endpoint}
        if endpoint in self.by_out['udp']:
            return {f.src for f in self.by_out['udp'][endpoint]}
        if endpoint in self.made_up:
            return set().union(*(self.who(x) for x in self.made_up[endpoint] if x != endpoint))
        return self.opened_by.get(endpoint) or (set() if self.of_nat(endpoint[0]) else {endpoint})

    @functools.lru_cache(None)
    def hosts_at(self, endpoint):
        """The addresses of the hosts that have ever had an endpoint, by UDP or TCP."""
        return {s[0] for s in self.who(endpoint)} | {f.src[0] for f in self.by_out['tcp'].get(endpoint, ())}

    def is_public(self, socket):
        return not self.nat_of(socket[0])

    def flows(self, socket, span, came=False, nat=None):
        """Its flows in a span of time, as they leave the last NAT, or as they leave this one."""
        flows = [f for f in nat.flows['udp'] if f.src == socket] if nat else self.sockets['udp'].get(socket, ())
        return [f for f in flows if f.begin <= span[1] and f.end >= span[0] and (came or not f.came)]

    # ---------------------------------------------------------------------------------------- one socket

    def port(self, socket, span, nat=None):
        if self.is_public(socket):
            return {'preserved'}
        flows = self.flows(socket, span, nat=nat)
        kept = {f.out[1] == socket[1] for f in flows}
        if not kept:
            return None
        words = {'mixed' if len(kept) == 2 else 'preserved' if True in kept else 'rewritten'}
        # its own queries to one that came in by a forwarded port leave from that port
        if {f.out[1] == socket[1] for f in self.flows(socket, span, True, nat)} - kept:
            words.add('mixed')
        return words

    def addresses(self, socket, span, nat=None):
        if self.is_public(socket):
            return {'one'}
        flows = self.flows(socket, span, nat=nat)
        if len({f.out[0] for f in flows}) < 2:
            return {'one'} if flows else None
        return {'several' if overlap(flows, lambda f: f.out[0]) else 'changed'}

    def mapping(self, socket, span, nat=None):
        if self.is_public(socket):
            return {'endpoint_independent'}
        flows = self.flows(socket, span, nat=nat)
        if overlap(flows, lambda f: f.out):
            return {'endpoint_dependent'}
        return {'endpoint_independent'} if len({f.dst[0] for f in flows}) > 1 else None

    def filtering(self, socket, span):
        if self.is_public(socket):
            return {'endpoint_independent'}
        nat = self.nat_of(socket[0])
        dependent = {'endpoint_dependent', 'address_dependent' if 'by-address' in nat.kind else 'address_and_port_dependent'}
        open_ports, own = self.open_ports.get(socket, set()), {f.out for f in self.flows(socket, span)}
        if not open_ports:
            return None if 'open' in nat.kind else dependent
        # with two outside ports each has its own filtering
        return {'endpoint_independent'} if own <= open_ports else {'endpoint_independent'} | dependent

    def external(self, socket):
        if self.is_public(socket):
            return {socket}
        return self.outs['udp'].get(socket, set()) | self.open_ports.get(socket, set())

    def reach(self, socket):
        if self.is_public(socket) or self.open_ports.get(socket):
            return {'open'}
        nat = self.nat_of(socket[0])
        return {'replies_only'} if socket in self.closed or not {'open', 'forward', 'shifted'} & set(nat.kind) else None

    def can_be_asked(self, socket):
        return {socket} if self.is_public(socket) else self.open_ports.get(socket, set())

    def turns_round(self, nat, socket):
        """Whether a host behind this NAT sends to the outside address of a NAT further out, which its own LAN has too."""
        outer, addresses = self.nats.get(nat.uplink), set()
        while outer:
            addresses |= outer.addresses
            outer = self.nats.get(outer.uplink)
        return any(f.dst[0] in addresses for f in nat.flows['udp'] + nat.flows['tcp'] if f.src[0] == socket[0])

    def advice(self, slug, socket, span, wrong_claims):
        """Whether an advice is right for a socket; None: it cannot be scored. wrong_claims: {port} that it named in vain."""
        nat = self.nat_of(socket[0])
        if nat is None:
            return slug == 'nothing-to-do' if slug != 'announces-wrong-port' else bool(wrong_claims)
        opened = self.can_be_asked(socket)
        neighbours = {s for s in self.sockets['udp'] if s[1] == socket[1] and s[0] != socket[0] and nat.inside(s[0])}
        answers = {
            'nothing-to-do': bool(opened) and not wrong_claims,
            'forward-port': not opened,
            'closed-to-strangers': not opened,
            'forwarded-but-rewritten': bool(opened) and any(f.out not in opened for f in self.flows(socket, span)),
            'depends-on-destination': self.mapping(socket, span) == {'endpoint_dependent'},
            'carrier-nat': nat.uplink in self.nats or any(n.subnet_of(CARRIERS) for n in nat.lan if n.version == 4),
            'port-collision': bool(neighbours) and 'preserve' in nat.kind and bool({'mixed', 'rewritten'} & (self.port(socket, span) or set())),
            'several-addresses': self.addresses(socket, span) == {'several'},
            'address-changed': self.addresses(socket, span) == {'changed'},
            'hairpin': any(s[0] == socket[0] for s in nat.hairpin) or self.turns_round(nat, socket),
            'announces-wrong-port': bool(wrong_claims),
        }
        return answers.get(slug)


def overlap(flows, key):
    """Whether two flows that existed at the same time differ in something."""
    moments = sorted([(f.begin, 1, i) for i, f in enumerate(flows)] + [(f.end, 0, i) for i, f in enumerate(flows)])
    alive = collections.Counter()
    for _, begins, i in moments:
        alive[key(flows[i])] += 1 if begins else -1
        if sum(1 for n in alive.values() if n > 0) > 1:
            return True
    return False
