"""claims.py: which port a receiver really sees, and what became of a port that was advertised."""
# SPDX-License-Identifier: MIT
import bisect
import datetime
import re

SCORED = ('match', 'mismatch', 'unknown')
STREAM = ('port_message', 'ltep_p', 'udp_tracker')
LATEST = 900   # seconds that an outcome can come later: as krpcscope has it
AT_HOME = 'to its own LAN, its own public address or another LAN'
NEAR = 0.2     # conntrack writes its line after the packet


def seconds(timestamp):
    m = re.match(r'(.*?)(\.\d+)?(Z|[+-]\d\d:?\d\d)$', timestamp)
    zone = '+0000' if m[3] == 'Z' else m[3].replace(':', '')
    return datetime.datetime.strptime(m[1] + zone, '%Y-%m-%dT%H:%M:%S%z').timestamp() + float(m[2] or 0)


class Claim:
    """One advert record: truth is {'match'} or {'mismatch'}, or None with the reason why it cannot be scored."""

    def __init__(self, truth, record, slack):
        self.world, self.record = truth, record
        self.when, self.near = seconds(record['timestamp']), NEAR + slack
        self.src, self.dst = (record['src_ip'], record['src_port']), (record['dest_ip'], record['dest_port'])
        self.port, self.channel = record.get('advertised_port', 0), record['channel']
        self.socket, self.real = None, self.src
        self.receivers = self.public_addresses()
        self.receiver_hosts = self.hosts(self.dst, record['proto'].lower())
        self.truth, self.reason = self.judge()

    def at_home(self):
        """Whether it stays in the LAN, turns round at the router, or goes to the LAN of another home, where it never comes."""
        sender, receiver = (self.way_out(e[0]) for e in (self.src, self.dst))
        if any(self.dst[0] in n.addresses for n in sender) or any(self.src[0] in n.addresses for n in receiver):
            return True
        return bool(sender and receiver) and (sender[0] is receiver[0] or not (sender[0] in receiver or receiver[0] in sender))

    def way_out(self, address):
        """The NATs between an inside address and the public segment, the innermost first."""
        way, nat = [], self.world.nat_of(address)
        while nat:
            way.append(nat)
            nat = self.world.nats.get(nat.uplink)
        return way

    def live(self, flows):
        return [f for f in flows if f.begin - self.near <= self.when <= f.end + self.near]

    def judge(self):
        verdict = self.record['verdict']
        if verdict not in SCORED:
            return None, 'verdict %s' % verdict
        if self.channel == 'lsd':
            return None, 'local service discovery'
        if self.at_home():
            return None, AT_HOME
        seen = self.stream() if self.channel in STREAM else self.datagram()
        if not seen:
            return None, self.socket and 'no mapping to this receiver at that time' or 'sender not known'
        equal = {p == self.port for p in seen}
        if len(equal) > 1:
            return None, 'seen on several ports at that time'
        host = self.world.host_of.get(self.socket[0] if self.socket else self.src[0])
        if verdict == 'unknown' and self.record.get('service') == 'peer' and host and host['dht_port'] != host['tcp_port']:
            return None, 'a program with another port for peers'
        return ({'match'} if True in equal else {'mismatch'}), None

    def datagram(self):
        """A KRPC message: the source port that the receiver gets."""
        flows = self.world.sockets['udp']
        if self.src in flows:
            owners = self.owners('udp', self.src) # between two NATs
            self.socket = next(iter(owners)) if len(owners) == 1 else self.src
            return {f.out[1] for f in self.live(flows[self.src]) if f.dst == self.dst}
        self.real = self.unmasked()
        owners = self.owners('udp', self.real)
        if len(owners) == 1:
            self.socket = next(iter(owners))
        elif not self.world.nat_of(self.real[0]) and not self.world.of_nat(self.real[0]):
            self.socket = self.real
        return {self.real[1]} if not self.world.nat_of(self.real[0]) else set()

    def unmasked(self):
        """The stranger behind an endpoint that the receiver's NAT made up."""
        real = {f.who for f in self.live(self.world.sockets['udp'].get(self.dst, ())) if f.came and f.dst == self.src}
        return next(iter(real)) if len(real) == 1 else self.src

    def owners(self, proto, outside):
        """The inside sockets that have this outside endpoint at that time, of the innermost NAT."""
        return {f.src for f in self.live(self.world.by_out[proto].get(outside, ())) if not self.world.of_nat(f.src[0])}

    def stream(self):
        """PORT and the extension handshake: the outside port of the sender's DHT socket, towards this receiver."""
        proto = self.record['proto'].lower()
        if proto == 'udp':
            self.real = self.unmasked()
        addresses = {s[0] for s in self.owners(proto, self.real)} if self.world.of_nat(self.real[0]) else {self.real[0]}
        hosts = [self.world.host_of[a] for a in addresses if a in self.world.host_of]
        if len(hosts) != 1 or len(addresses) != 1:
            return set()
        self.socket = next(iter(addresses)), int(hosts[0]['dht_port'])
        if self.world.is_public(self.socket):
            listening = self.channel == 'ltep_p' and proto == 'tcp' and self.real[1] == self.port
            return {self.port if listening else self.socket[1]}
        if self.channel == 'ltep_p' and proto == 'tcp': # a peer that names the very port on which it was called
            flows = self.live(self.world.sockets['tcp'].get((self.socket[0], int(hosts[0]['tcp_port'])), ()))
            if any(f.out[1] == self.port and self.src in (f.src, f.out) and f.who[0] in self.receivers for f in flows):
                return {self.port}
        flows = self.live(self.world.sockets['udp'].get(self.socket, ()))
        near = [f for f in flows if f.who[0] in self.receivers]
        near = [f for f in near if self.is_receiver(f.who)] or near
        ports = {f.out[1] for f in near or flows}
        return ports if near or len(ports) == 1 else set()

    def public_addresses(self):
        """The public addresses of the receiver."""
        way = self.way_out(self.dst[0])
        return way[-1].addresses if way else {self.dst[0]}

    # ---------------------------------------------------------------------------------------- what became of it

    def outcome(self):
        """(the outcomes that the whole public segment bears out, reason): none where nothing happened to the port."""
        if self.record['verdict'] == 'invalid' or not self.port:
            return None, 'no port'
        if self.at_home():
            return None, AT_HOME
        where = self.where()
        if not where:
            return None, 'no mapping at that time'
        words = set()
        for out in where:
            words |= self.borne_out((out[0], self.port), out)
        here = self.src[0], self.port # on the segment of the capture, which may be a carrier's
        if self.socket and any(s[0] != self.socket[0] for s in self.owners('udp', here) | self.forwarded(here)):
            words.add('other-node')
        return words, None

    def borne_out(self, named, source):
        """The outcomes for one public endpoint that was named, and the one that the sender has."""
        public, peer = self.world.public, self.record.get('service') == 'peer'
        sources = {source} | {f.out for f in self.world.sockets['udp'].get(self.socket, ())} - {named}
        used = self.by_receiver(public.asked, {named}) or peer and self.by_receiver(public.called, {named})
        given = self.by_receiver(public.handed_out, {named})
        used_source, given_source = self.by_receiver(public.asked, sources), self.by_receiver(public.handed_out, sources)
        if self.record.get('implied_port'):
            right, wrong = given_source or used_source, given
        else:
            right, wrong = used or given, given_source if self.channel == 'announce_peer' else used_source
        words = {'honoured'} if right else set()
        if wrong and named != source:
            words.add('not-honoured')
        tried = public.asked.get(named) or public.refused.get(named) or peer and public.called.get(named)
        if tried and not public.spoke.get(named) and not (peer and public.spoke_tcp.get(named)):
            words.add('dead')
        if self.socket and any(s[0] != self.socket[0] for s in self.owners('udp', named) | self.forwarded(named)):
            words.add('other-node')
        return words

    def by_receiver(self, events, endpoints):
        """Whether the receiver did so later."""
        return any(self.is_receiver(who) for e in endpoints if e in events for who in self.later(events[e]))

    def is_receiver(self, who):
        """Whether a public endpoint is of the receiver's host."""
        if who[0] not in self.receivers:
            return False
        return not self.receiver_hosts or bool(self.world.hosts_at(who) & self.receiver_hosts)

    def hosts(self, endpoint, proto):
        """The addresses of the host that has an endpoint; nothing where that is not known."""
        if self.world.nat_of(endpoint[0]) and not self.world.of_nat(endpoint[0]):
            return {endpoint[0]}
        return {f.src[0] for f in self.live(self.world.by_out[proto].get(endpoint, ())) if not self.world.of_nat(f.src[0])}

    def is_source_port(self):
        return all(out[1] == self.port for out in self.where())

    def later(self, events):
        """Who did so from then on; events are in the order of time."""
        for i in range(bisect.bisect_left(events, (self.when - self.near,)), len(events)):
            if events[i][0] > self.when + LATEST:
                return
            yield events[i][1]

    def forwarded(self, outside):
        return self.world.opened_by.get(outside, set())

    def where(self):
        """The public endpoints of the sender at that time."""
        if not self.world.nat_of(self.src[0]):
            return {self.real}
        socket = self.socket or self.src
        flows = self.live(self.world.sockets['udp'].get(socket, ()))
        return {f.out for f in flows if f.who[0] in self.receivers} or {f.out for f in flows}
