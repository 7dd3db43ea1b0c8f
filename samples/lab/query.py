#!/usr/bin/python3
"""query.py: small KRPC programs of the lab: a quiet node, a crawler, a swarm to crawl, and the probes from outside.

  query.py quiet ADDR PORT --ask EPS --every FROM-TO     asks one of EPS every FROM to TO seconds, and answers
  query.py crawl ADDR PORT --ask EPS --rate N            asks every node that it hears of, N queries a second
  query.py swarm PORTS ADDR...                           a node on each port (FROM-TO) of each address, which answers
  query.py probe DIR --round N --nats NAMES              asks every outside endpoint of the homes, once from each network

EPS is host:port,host:port...  ADDR 0.0.0.0 lets the kernel choose the source address by destination.

probe runs in a namespace with the addresses of PROBE_NETWORKS, and uses the Nth of each: no home has ever sent anything to
it.  Where to ask it reads from hosts.tsv in DIR (forwarded ports) and from the connection tracking of the NATs as it is now.
It appends to DIR/probes.tsv who asked, where, which inside socket the NAT has there, and after how many milliseconds the
answer came ("-": none in two seconds).
"""
# SPDX-License-Identifier: MIT
import argparse
import csv
import os
import random
import re
import selectors
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.dont_write_bytecode = True  # it runs as root
from packets import bdecode, bencode, compact  # noqa: E402

PROBE_NETWORKS = ('198.18.1.', '198.18.129.', '198.19.65.')
PROBE_NETWORKS6 = ('2001:db8:f001::', '2001:db8:f002::', '2001:db8:f003::')
PROBE_WAIT = 2.0
PROBE_MOST = 3  # outside endpoints of one socket that are asked in one round
FLOW = re.compile(r'src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)')


def endpoints(text):
    return [(host, int(port)) for host, port in (x.rsplit(':', 1) for x in text.split(',') if x)]


def bound(address, port=0):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    s.bind((address, port))
    return s


class Node:
    """One socket with an id: asks find_node, answers every query."""

    def __init__(self, address, port):
        self.socket, self.id, self.turn = bound(address, port), os.urandom(20), 0
        self.known = []  # endpoints in compact form, for answers

    def ask(self, endpoint, more=None):
        self.turn += 1
        self.send({b'a': {b'id': self.id, b'target': os.urandom(20)}, b'q': b'find_node', b't': self.turn.to_bytes(4, 'big'),
                   b'v': b'LB\0\1', b'y': b'q', **(more or {})}, endpoint)

    def send(self, message, endpoint):
        try:
            self.socket.sendto(bencode(message), endpoint)
        except OSError:
            pass  # such as the ICMP error to an earlier datagram

    def take(self):
        """The next message that is no query, with its sender; None where there is none. Answers a query."""
        try:
            data, sender = self.socket.recvfrom(4096)
        except OSError:
            return None
        message, sender = bdecode(data), sender[:2]
        if not message or message.get(b'y') != b'q':
            return message and (message, sender)
        reply = {b'id': self.id, b'nodes': b''.join(random.sample(self.known, min(8, len(self.known))))}
        if message.get(b'q') == b'get_peers':
            reply[b'token'] = b'lab'
        self.send({b'ip': compact(sender), b'r': reply, b't': message.get(b't', b''), b'v': b'LB\0\1', b'y': b'r'}, sender)
        return None


def quiet(o):
    node, to = Node(o.address, o.port), endpoints(o.ask)
    least, most = map(float, o.every.split('-'))
    due, choose = time.monotonic() + 1, random.Random(o.port)
    poll = selectors.DefaultSelector()
    poll.register(node.socket, selectors.EVENT_READ)
    while True:
        if time.monotonic() >= due:
            due = time.monotonic() + choose.uniform(least, most)
            node.ask(choose.choice(to))
        if poll.select(max(0, due - time.monotonic())):
            node.take()


def crawl(o):
    node, queue = Node(o.address, o.port), endpoints(o.ask)
    seen, poll = set(queue), selectors.DefaultSelector()
    poll.register(node.socket, selectors.EVENT_READ)
    while True:
        end = time.monotonic() + 1 / o.rate
        if not queue:
            queue = list(seen)
        node.ask(queue.pop(0))
        while (left := end - time.monotonic()) > 0:
            got = node.take() if poll.select(left) else None
            reply = got and got[0].get(b'r')
            nodes = reply.get(b'nodes', b'') if isinstance(reply, dict) else b''
            for i in range(0, len(nodes) - 25, 26):
                endpoint = socket.inet_ntoa(nodes[i + 20:i + 24]), int.from_bytes(nodes[i + 24:i + 26], 'big')
                if endpoint not in seen and endpoint[1]:
                    seen.add(endpoint)
                    queue.append(endpoint)


def swarm(o):
    first, last = map(int, o.ports.split('-'))
    poll, known = selectors.DefaultSelector(), []
    for address in o.addresses:
        for port in range(first, last + 1):
            node = Node(address, port)
            node.known = known
            known.append(node.id + compact((address, port)))
            poll.register(node.socket, selectors.EVENT_READ, node)
    while True:
        for key, _ in poll.select():
            key.data.take()


def tracked(nats):
    """The outside endpoints of each inside socket that spoke from there, as the NATs have it now: {outside: (inside, NAT)}."""
    found, count = {}, {}
    for nat in nats:
        for family in 'ipv4', 'ipv6':
            text = subprocess.run(['ip', 'netns', 'exec', 'nat' + nat, 'conntrack', '-L', '-p', 'udp', '-f', family],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
            for line in text.splitlines():
                ends = FLOW.findall(line)
                if len(ends) != 2:
                    continue
                (ip, to, port, to_port), (back, outside, back_port, outside_port) = ends
                key = outside, outside_port
                if (back, back_port) != (to, to_port) or ('.' in ip and ip == outside) or key in found:
                    continue  # it came in, or is the router's own
                if count.get((ip, port), 0) < PROBE_MOST:
                    found[key] = (ip, port), nat
                    count[ip, port] = count.get((ip, port), 0) + 1
    return found


def probe(o):
    targets = {}
    with open(os.path.join(o.dir, 'nats.tsv'), encoding='ascii') as f:
        nats = {x['nat']: x for x in csv.DictReader(f, delimiter='\t')}
    outer = [n for n in o.nats.split(',') if nats[n]['uplink'] == 'inet']
    for outside, (inside, nat) in tracked(outer).items():
        targets[outside] = inside, nat, 'mapping'
    with open(os.path.join(o.dir, 'hosts.tsv'), encoding='ascii') as f:
        for h in csv.DictReader(f, delimiter='\t'):
            if h['forwarded'] != '-' and h['place'] in outer:
                targets[nats[h['place']]['outside'], h['forwarded']] = (h['ipv4'], h['dht_port']), h['place'], 'forward'
    asked, poll = [], selectors.DefaultSelector()
    for (ip, port), owner in targets.items():
        for network in PROBE_NETWORKS6 if ':' in ip else PROBE_NETWORKS:
            node = Node('%s%d' % (network, o.round), 0)
            record = {'node': node, 'at': time.time(), 'to': (ip, port), 'owner': owner, 'ms': '-'}
            asked.append(record)
            poll.register(node.socket, selectors.EVENT_READ, record)
            node.ask((ip, int(port)), {b'ro': 1})
    end = time.time() + PROBE_WAIT
    while (left := end - time.time()) > 0:
        for key, _ in poll.select(left):
            got, record = key.data['node'].take(), key.data
            if got and record['ms'] == '-' and got[0].get(b't') == (1).to_bytes(4, 'big'):
                record['ms'] = '%.2f' % (1000 * (time.time() - record['at']))
    with open(os.path.join(o.dir, 'probes.tsv'), 'a', encoding='ascii') as f:
        for r in asked:
            inside, nat, how = r['owner']
            ip, port = r['node'].socket.getsockname()[:2]
            print('%.6f' % r['at'], ip, port, *r['to'], nat, *inside, how, r['ms'], sep='\t', file=f)


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    commands = p.add_subparsers(dest='command', required=True)
    for name in 'quiet', 'crawl':
        c = commands.add_parser(name)
        c.add_argument('address')
        c.add_argument('port', type=int)
        c.add_argument('--ask', required=True)
        c.add_argument('--every', default='5-20')
        c.add_argument('--rate', type=float, default=20)
    c = commands.add_parser('swarm')
    c.add_argument('ports')
    c.add_argument('addresses', nargs='+')
    c = commands.add_parser('probe')
    c.add_argument('dir')
    c.add_argument('--round', type=int, required=True)
    c.add_argument('--nats', required=True)
    o = p.parse_args()
    {'quiet': quiet, 'crawl': crawl, 'swarm': swarm, 'probe': probe}[o.command](o)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        pass
