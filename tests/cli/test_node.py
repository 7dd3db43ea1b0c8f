#!/usr/bin/env python3
"""test_node.py: samples/lab/node, the reference implementation of docs/port-advertisement.rst, keeps what the draft promises.

The node runs with --script: its clock and its network are its standard input and output, so the test decides what
arrives and when, and minutes pass at once. Only the class Sockets uses real sockets and real time.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import ipaddress
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.environ["SAMPLES"])
from packets import bdecode, bencode, compact, error, node_id, query, response  # noqa: E402

PROGRAM = os.path.join(os.environ["BUILD_DIR"], "krpc-node")
WAIT = 600      # seconds of real time after which a test gives up; it decides nothing
MANY = 100_000  # seconds of the node's time in which something must happen; it asks a node a second, chosen at random
A_WHILE = 60    # seconds of the node's time in which something must not happen


def endpoint_text(ip, port):
    return "[%s]:%d" % (ip, port) if ":" in ip else "%s:%d" % (ip, port)


def is_query(message, method=None):
    return message[b"y"] == b"q" and method in (None, message[b"q"])


Sent = collections.namedtuple("Sent", "ms ip peer message data")  # by the node; peer is None for an unknown endpoint


class Peer:
    """An endpoint, the id of the node there, and the messages that have arrived."""

    ports = itertools.count(10001)

    def __init__(self, ip, name=None, version=b"LT\x02\x0b"):
        self.ip, self.port = ip, next(self.ports)
        self.id, self.version = node_id(name or ip), version
        self.inbox = []

    def endpoint(self):
        return compact((self.ip, self.port))

    def queries(self, method=None):
        """All queries that have arrived; the inbox is empty afterwards."""
        arrived, self.inbox = self.inbox, []
        return [m for m in arrived if is_query(m, method)]


class Node:
    """A running node with one bootstrap node that never answers, unless `boot` says otherwise."""

    def __init__(self, *options, boot=(), ip="127.0.0.1"):
        self.silent = Peer("::1" if ":" in ip else "127.200.0.1", "silent")
        self.peers, self.ms, self.sent = {}, 0, []
        boots = [word for b in boot or (self.silent,) for word in ("--boot", endpoint_text(b.ip, b.port))]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([PROGRAM, "--script", "--bind", endpoint_text(ip, 6881), *boots, *options],
                                        stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.know(*boot)

    def know(self, *peers):
        for p in peers:
            self.peers[ipaddress.ip_address(p.ip), p.port] = p

    def tell(self, line):
        """One line of the script. What the node sends goes to the inboxes, and to `sent`."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        while (said := self.process.stdout.readline()) != ".\n":
            assert said, self.process.stderr.read()
            ms, where, data = said.split()
            ip, port = where.rsplit(":", 1)
            ip, data = ip.strip("[]"), bytes.fromhex(data)
            peer = self.peers.get((ipaddress.ip_address(ip), int(port)))
            self.sent.append(Sent(int(ms), ip, peer, bdecode(data), data))
            if peer:
                peer.inbox.append(self.sent[-1].message)

    def send(self, peer, message):
        self.know(peer)
        self.tell("%d %s %s" % (self.ms, endpoint_text(peer.ip, peer.port), message.hex()))

    def wait(self, seconds=1):
        self.ms += round(seconds * 1000)
        self.tell("%d" % self.ms)

    def wait_until(self, seconds):
        """Seconds since the start."""
        self.wait(seconds - self.ms / 1000)

    def ask(self, peer, method, t="aa", top=None, **arguments):
        """The answer to a query. What arrived before it is dropped."""
        self.send(peer, query(method, t, peer.id, version=peer.version, top=top, **arguments))
        assert peer.inbox and not is_query(peer.inbox[-1]) and peer.inbox[-1][b"t"] == t.encode(), peer.inbox
        answer = peer.inbox[-1]
        peer.inbox.clear()
        return answer

    def first_query(self, peer):
        """The next query that arrives at this peer."""
        self.know(peer)
        for _ in range(MANY):
            while peer.inbox:
                message = peer.inbox.pop(0)
                if is_query(message):
                    return message
            self.wait()
        raise AssertionError("no query for %s" % peer.ip)

    def nodes(self, target, peer=None):
        """What find_node returns."""
        got = self.ask(peer or Peer("127.99.0.1"), "find_node", target=target)[b"r"]
        return got[b"nodes"]

    def end(self):
        """Its counters, after it has ended without a complaint."""
        out, err = self.process.communicate(timeout=WAIT)
        assert self.process.returncode == 0 and err == "", (self.process.returncode, err)
        last = out.splitlines()[-1].split()
        return {name: int(number) for name, number in zip(last[::2], last[1::2])}


class Case(unittest.TestCase):
    def node(self, *options, **more):
        node = Node(*options, **more)
        self.addCleanup(self.clean, node.process)
        return node

    def clean(self, process):
        if process.returncode is None:
            process.kill()
            process.communicate()

    def play(self, node, peers, until, seconds=MANY, **results):
        """The peers answer each query, until until(seen) is true or so many seconds have passed. Returns what they have seen,
        as (peer, message). results go into r; ip is the endpoint that they see, or says for each address which one."""
        seen, ip = [], results.pop("ip", None)
        node.know(*peers)
        for _ in range(seconds):
            while (waiting := [p for p in peers if p.inbox]):
                for p in waiting:
                    message = p.inbox.pop(0)
                    seen.append((p, message))
                    if is_query(message):
                        sees = ip[p.ip] if isinstance(ip, dict) else ip
                        top = {"ip": sees} if sees else None
                        node.send(p, response(message[b"t"], p.id, version=p.version, top=top, **results))
            if until(seen):
                break
            node.wait()
        return seen

    def circle(self, *addresses):
        return [Peer(a) for a in addresses]


def never(seen):
    return False


class Answers(Case):
    def setUp(self):
        self.one = self.node()
        self.peer = Peer("127.1.0.1")

    def test_ping(self):
        got = self.one.ask(self.peer, "ping", t="tt")
        self.assertEqual(set(got), {b"ip", b"r", b"t", b"v", b"y"})
        self.assertEqual(got[b"ip"], self.peer.endpoint())
        self.assertEqual(set(got[b"r"]), {b"id"})
        self.assertEqual(len(got[b"r"][b"id"]), 20)

    def test_transaction_ids(self):
        for t in ("", "x", "y" * 200):
            self.assertEqual(self.one.ask(self.peer, "ping", t=t)[b"r"].keys(), {b"id"})
        self.one.send(self.peer, bencode({"a": {"id": self.peer.id}, "q": "ping", "y": "q"}))
        self.one.send(self.peer, query("ping", "cut", self.peer.id)[:-1])
        for t in ("z" * 1180, "z" * 1300):  # an answer would be too long
            self.one.send(self.peer, query("ping", t, self.peer.id))
        self.assertFalse([m for m in self.peer.inbox if not is_query(m)])

    def test_only_nodes_that_answered_are_named(self):
        other = Peer("127.2.0.1")
        for p in self.peer, other:
            self.one.ask(p, "ping")
        self.assertEqual(self.one.nodes(other.id), b"")
        asked = self.one.first_query(other)
        self.one.send(other, response(asked[b"t"], other.id))
        self.one.ask(other, "ping")
        self.assertEqual(self.one.nodes(node_id("t")), other.id + other.endpoint())

    def test_an_answer_from_another_address(self):
        self.one.ask(self.peer, "ping")
        t, thief = self.one.first_query(self.peer)[b"t"], Peer("127.66.0.1")
        self.one.send(thief, response(t, thief.id))
        self.assertEqual(self.one.nodes(thief.id), b"")
        self.one.send(self.peer, response(t, self.peer.id))  # the node still waits for it
        self.assertEqual(self.one.nodes(thief.id), self.peer.id + self.peer.endpoint())

    def test_an_answer_without_a_node(self):
        """An answer with the node's own id, and an error from an endpoint whose id was not known, add no node."""
        own = self.one.ask(self.peer, "ping", t="me")[b"r"][b"id"]
        for answer in lambda t: response(t, own), lambda t: error(t, 201, "busy"):
            self.one.ask(self.peer, "ping")
            self.one.send(self.peer, answer(self.one.first_query(self.peer)[b"t"]))
            self.assertEqual(self.one.nodes(self.peer.id), b"")

    def test_its_own_id_in_nodes(self):
        """The node does not ask an endpoint that is named with its own id."""
        other = Peer("127.8.0.1")
        self.one.know(other)
        own = self.one.ask(self.peer, "ping")[b"r"][b"id"]
        asked = self.one.first_query(self.peer)
        self.one.send(self.peer, response(asked[b"t"], self.peer.id, nodes=own + other.endpoint()))
        self.one.wait(A_WHILE)
        self.assertTrue(self.peer.queries())
        self.assertFalse(other.inbox)

    def test_the_other_family(self):
        """A node of IPv6 neither answers over IPv4 nor asks there; and the other way round."""
        for ip, here, there, key in ("::", "::1", "127.0.0.1", "nodes"), ("127.0.0.1", "127.0.0.1", "::1", "nodes6"):
            node, peer, other = self.node(ip=ip), Peer(here), Peer(there)
            node.send(other, query("ping", "aa", other.id))
            node.ask(peer, "ping")
            asked = node.first_query(peer)
            node.send(peer, response(asked[b"t"], peer.id, **{key: other.id + other.endpoint()}))
            node.wait(A_WHILE)
            self.assertTrue(peer.queries())
            self.assertFalse(other.inbox)
            node.end()

    def test_an_answer_from_another_port(self):
        """A NAT can change the port of an answer. The node is where it was asked."""
        self.one.ask(self.peer, "ping")
        asked = self.one.first_query(self.peer)
        self.one.send(Peer(self.peer.ip), response(asked[b"t"], self.peer.id))
        self.assertEqual(self.one.nodes(self.peer.id), self.peer.id + self.peer.endpoint())

    def test_an_answer_that_comes_late_or_twice(self):
        self.one.ask(self.peer, "ping")
        asked = self.one.first_query(self.peer)
        lengths = [len(x) for x in (asked[b"t"], asked[b"a"][b"id"], asked[b"a"][b"target"])]
        self.assertEqual((asked[b"q"], lengths), (b"find_node", [4, 20, 20]))
        self.one.wait(16)  # an answer is waited for 15 seconds
        self.one.send(self.peer, response(asked[b"t"], self.peer.id))
        self.assertEqual(self.one.nodes(self.peer.id), b"")
        self.one.ask(self.peer, "ping")
        asked = self.one.first_query(self.peer)
        self.one.wait(14)
        for name in self.peer.id, node_id("double"):
            self.one.send(self.peer, response(asked[b"t"], name))
        self.assertEqual(self.one.nodes(self.peer.id), self.peer.id + self.peer.endpoint())

    def test_transaction_ids_are_random(self):
        """That of eleven differences between consecutive ids fewer than ten are distinct happens once in 10^16 runs."""
        self.one = self.node(boot=[self.peer])
        ids = [int.from_bytes(self.one.first_query(self.peer)[b"t"], "big") for _ in range(12)]
        self.assertGreaterEqual(len({b - a for a, b in zip(ids, ids[1:])}), 10, ids)

    def test_announce(self):
        torrent, neighbour, stranger = node_id("torrent"), Peer("127.1.0.1", "n"), Peer("127.1.0.2")
        got = self.one.ask(self.peer, "get_peers", info_hash=torrent)[b"r"]
        self.assertEqual(set(got), {b"id", b"nodes", b"token"})
        token = got[b"token"]
        self.assertEqual(len(token), 20)
        self.assertNotEqual(self.node().ask(self.peer, "get_peers", info_hash=torrent)[b"r"][b"token"], token)

        def announce(peer, **arguments):
            return self.one.ask(peer, "announce_peer", info_hash=torrent, **arguments)
        for faulty in ({"port": 6881}, {"port": 6881, "token": b"x" * 20}, {"port": 6881, "token": token[:19]},
                       {"port": 6881, "token": token + b"x"}, {"token": token}, {"port": 0, "token": token},
                       {"port": 65536, "token": token}, {"port": -1, "token": token},
                       {"implied_port": 0, "port": 0, "token": token}):
            self.assertEqual(announce(self.peer, **faulty)[b"e"][0], 203, faulty)
        self.assertEqual(announce(stranger, port=6881, token=token)[b"e"][0], 203)
        self.assertEqual(set(announce(self.peer, port=6881, token=token)[b"r"]), {b"id"})
        self.assertEqual(set(announce(neighbour, port=1, implied_port=1, token=token)[b"r"]), {b"id"})  # another port
        values = self.one.ask(stranger, "get_peers", info_hash=torrent)[b"r"][b"values"]
        self.assertEqual(values, [compact((self.peer.ip, 6881)), neighbour.endpoint()])
        self.assertNotIn(b"values", self.one.ask(stranger, "get_peers", info_hash=node_id("other"))[b"r"])

    def test_tokens_change(self):
        """A token changes every five minutes, and is good for five minutes more."""
        torrent = node_id("torrent")

        def token():
            return self.one.ask(self.peer, "get_peers", info_hash=torrent)[b"r"][b"token"]

        def is_good(token):
            return b"r" in self.one.ask(self.peer, "announce_peer", info_hash=torrent, port=1, token=token)
        first = token()
        self.one.wait_until(299.99)
        self.assertEqual(token(), first)
        self.one.wait_until(300)
        second = token()
        self.assertNotEqual(second, first)
        self.assertTrue(is_good(first) and is_good(second))
        self.one.wait_until(599.99)
        self.assertTrue(is_good(first) and is_good(second))
        self.one.wait_until(600)
        self.assertFalse(is_good(first))
        self.assertTrue(is_good(second))
        self.one.wait_until(900)
        self.assertFalse(is_good(second))

    def test_implied_port_is_not_p(self):
        torrent = node_id("torrent")
        token = self.one.ask(self.peer, "get_peers", info_hash=torrent)[b"r"][b"token"]
        more = {"implied_port": 1, "port": 1, "token": token, "top": {"p": 7777}}
        self.one.ask(self.peer, "announce_peer", info_hash=torrent, **more)
        values = self.one.ask(self.peer, "get_peers", info_hash=torrent)[b"r"][b"values"]
        self.assertEqual(values, [self.peer.endpoint()])

    def test_errors(self):
        for method, arguments, code in (
                ("hello", {}, 204), ("put", {"v": "x", "token": "t"}, 204), ("find_node", {}, 203), ("get_peers", {}, 203),
                ("announce_peer", {"port": 1}, 203), ("contact", {}, 203), ("contact", {"port": 0}, 203),
                ("contact", {"port": 65536}, 203), ("contact", {"port": -1}, 203), ("contact", {"implied_port": 1}, 203),
                ("contact", {"port": "6881"}, 203)):
            got = self.one.ask(self.peer, method, **arguments)
            self.assertEqual((got[b"y"], got[b"e"][0]), (b"e", code), (method, arguments))
            self.assertEqual(got[b"ip"], self.peer.endpoint())
        self.assertIn(b"nodes", self.one.ask(self.peer, "hello", target=node_id("t"))[b"r"])

    def test_contact_is_answered_as_ping(self):
        for more in {}, {"target": node_id("t")}:
            self.assertEqual(set(self.one.ask(self.peer, "contact", port=self.peer.port, **more)[b"r"]), {b"id"})


class Honours(Case):
    """What the p and contact of other nodes lead to."""

    def setUp(self):
        self.one = self.node()
        self.source, self.forwarded = Peer("127.1.0.1", "x"), Peer("127.1.0.1", "x")
        self.one.know(self.source, self.forwarded)

    def tried(self):
        """The transaction id of the one ping that the forwarded port got, at once."""
        pings = self.forwarded.queries(b"ping")
        self.assertEqual(len(pings), 1)
        return pings[0][b"t"]

    def try_once(self):
        """The answer goes to the source, the ping to the port; it is answered."""
        self.one.send(self.forwarded, response(self.tried(), self.source.id))

    def follows(self):
        """The node asks the forwarded port, and no other, and tells others of it."""
        self.one.wait()  # where the source has just been heard for the first time, it is asked once
        self.source.inbox.clear()
        seen = self.play(self.one, [self.forwarded], never, 30)
        self.assertTrue(seen)
        self.assertFalse(self.source.queries())
        self.assertEqual(self.one.nodes(self.source.id), self.source.id + self.forwarded.endpoint())

    def not_followed(self):
        asked = self.one.first_query(self.source)
        self.one.send(self.source, response(asked[b"t"], self.source.id))
        self.one.wait(A_WHILE // 2)  # it is still in the table then
        self.assertTrue(self.source.queries())
        self.assertFalse(self.forwarded.queries())
        self.assertEqual(self.one.nodes(self.source.id), self.source.id + self.source.endpoint())
        self.assertEqual(self.one.end()["verified"], 0)

    def test_p_of_a_query(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.try_once()
        self.follows()
        self.one.ask(self.source, "ping")  # a query without p means nothing
        self.follows()
        self.assertEqual(self.one.end()["verified"], 1)

    def test_contact(self):
        self.assertIn(b"r", self.one.ask(self.source, "contact", port=self.forwarded.port))
        self.try_once()
        for _ in range(3):
            self.follows()  # more than a minute passes, so another ping would be allowed
        self.one.ask(self.source, "contact", port=self.forwarded.port)
        self.follows()
        count = self.one.end()
        self.assertEqual((count["verified"], count["tried"]), (1, 1))

    def test_p_of_a_response_and_of_an_error(self):
        for make in (lambda t: response(t, self.source.id, top={"p": self.forwarded.port}),
                     lambda t: error(t, 201, "busy", top={"p": self.forwarded.port})):
            self.setUp()
            self.one.ask(self.source, "ping")
            asked = self.one.first_query(self.source)
            self.one.send(self.source, response(asked[b"t"], self.source.id))  # now it is known
            self.one.send(self.source, make(self.one.first_query(self.source)[b"t"]))
            self.try_once()
            self.follows()
            self.one.end()

    def test_ipv6(self):
        self.source, self.forwarded = Peer("::1", "x"), Peer("::1", "x")
        self.one, other = self.node(ip="::1"), Peer("::1", "other")
        self.one.know(self.forwarded)
        got = self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.assertEqual(got[b"ip"], self.source.endpoint())
        self.try_once()
        self.assertTrue(self.one.first_query(self.forwarded))
        got = self.one.ask(other, "find_node", target=self.source.id)[b"r"]
        self.assertEqual(got[b"nodes6"], self.source.id + self.forwarded.endpoint())
        self.assertNotIn(b"nodes", got)
        self.one.end()

    def test_a_port_that_answers_no_more(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.try_once()
        self.follows()
        for _ in range(MANY):  # the source is still heard, so it gets its place back
            self.one.send(self.source, query("ping", "aa", self.source.id))
            self.one.wait()
            if self.source.queries():
                break
        else:
            self.fail("the source is not asked")
        self.forwarded.inbox.clear()
        for _ in range(MANY):  # the port did answer once, so it is tried again
            self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
            if self.forwarded.queries():
                break
            self.one.wait()
        else:
            self.fail("the port is not tried again")
        self.one.end()

    def test_another_node_answers(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.one.send(self.forwarded, response(self.tried(), node_id("neighbour")))
        self.not_followed()

    def test_another_port_answers(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.one.send(self.source, response(self.tried(), self.source.id))
        self.not_followed()

    def test_another_transaction_is_answered(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        t = self.tried()
        for other in bytes([t[0] ^ 1]) + t[1:], t[:3] + bytes([t[3] ^ 1]), t[:3], t[:1], b"", t + b"x":
            self.one.send(self.forwarded, response(other, self.source.id))
        self.not_followed()

    def test_an_error_is_no_proof(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.one.send(self.forwarded, error(self.tried(), 201, "busy"))
        self.not_followed()

    def test_hearsay_is_asked(self):
        """The node names no endpoint that it only heard of: it asks there first. Another node than the named may answer."""
        gossip = Peer("127.5.0.1")
        self.one.ask(gossip, "ping")
        named = b"".join(node_id(n) + p.endpoint() for n, p in (("other", self.source), ("y", self.forwarded)))
        self.one.send(gossip, response(self.one.first_query(gossip)[b"t"], gossip.id, nodes=named))
        for p in self.source, self.forwarded:
            self.assertNotIn(p.endpoint(), self.one.nodes(self.source.id))
            asked = self.one.first_query(p)
            self.assertNotIn(p.endpoint(), self.one.nodes(self.source.id))
            self.one.send(p, response(asked[b"t"], p.id))
            self.assertIn(p.id + self.source.endpoint(), self.one.nodes(self.source.id))
        self.one.end()

    def test_every_bootstrap_node_is_asked(self):
        """However many nodes one of them names."""
        boots = self.circle("127.1.0.1", "127.2.0.1")
        node = self.node(boot=boots)
        named = b"".join(node_id("x%d" % n) + compact(("127.3.0.1", 9)) for n in range(60))
        for _ in range(3):
            self.play(node, boots[:1], lambda seen: len(seen) >= 20, nodes=named)
            boots[1].inbox.clear()
            self.play(node, boots[:1], lambda seen: boots[1].inbox, nodes=named)
            self.assertTrue(boots[1].inbox)
        node.end()

    def test_hearsay_does_not_move_a_node(self):
        self.one.ask(self.source, "ping")
        self.one.send(self.source, response(self.one.first_query(self.source)[b"t"], self.source.id))
        gossip = Peer("127.5.0.1")
        self.one.ask(gossip, "ping")
        asked = self.one.first_query(gossip)
        self.one.send(gossip, response(asked[b"t"], gossip.id, nodes=self.source.id + self.forwarded.endpoint()))
        self.one.wait(A_WHILE // 2)
        self.assertTrue(self.source.queries())
        self.assertFalse(self.forwarded.queries())
        self.assertIn(self.source.id + self.source.endpoint(), self.one.nodes(self.source.id))

    def test_another_address_does_not_move_a_node(self):
        self.one.ask(self.source, "ping")
        self.one.send(self.source, response(self.one.first_query(self.source)[b"t"], self.source.id))
        thief, elsewhere = Peer("127.66.0.1", "x"), Peer("127.66.0.1", "x")
        self.one.know(elsewhere)
        self.one.ask(thief, "ping", top={"p": elsewhere.port})
        for asked in elsewhere.queries(b"ping"):
            self.one.send(elsewhere, response(asked[b"t"], self.source.id))
        self.one.wait(A_WHILE // 2)
        self.assertTrue(self.source.queries())
        self.assertFalse(elsewhere.queries())
        self.assertEqual(self.one.nodes(self.source.id), self.source.id + self.source.endpoint())


class Limits(Case):
    """What p and contact do not lead to."""

    def tried(self, node):
        return node.end()["tried"]

    def test_ports_that_are_none(self):
        node, peer, victim = self.node(), Peer("127.1.0.1"), Peer("127.2.0.1")
        ports = 0, 65536, 65536 + 6881, 70000, -1, -2**63, 2**63 - 1, 1, 53, 80, 1023, "6881", [6881]
        for n, port in enumerate(ports):
            claimant = Peer("127.3.0.%d" % (n + 1))
            node.ask(claimant, "ping", top={"p": port})
            node.ask(claimant, "contact", port=port, t="cc")
        node.ask(peer, "ping", top={"p": peer.port})                          # the source port
        node.ask(peer, "ping", p=victim.port)                                 # inside a: an unknown key
        node.ask(peer, "ping", top={"p": victim.port, "ro": 1})               # read-only
        node.ask(peer, "contact", port=victim.port, t="cc", top={"ro": 1})
        node.send(peer, response(node.first_query(peer)[b"t"], peer.id, top={"p": victim.port, "ro": 1}))
        self.assertEqual(self.tried(node), 0)

    def test_lowest_and_highest_port(self):
        node = self.node()
        for n, port in enumerate((1024, 65535)):
            node.ask(Peer("127.3.0.%d" % (n + 1)), "ping", top={"p": port})
        self.assertEqual(self.tried(node), 2)

    def test_addresses_that_are_not_global(self):
        """A node of the whole internet pings none of them; one of the loopback network does."""
        for ip, tried in ("0.0.0.0", 0), ("127.0.0.1", 1):
            node = self.node(ip=ip)
            node.ask(Peer("127.3.0.1"), "ping", top={"p": 6881})
            self.assertEqual(self.tried(node), tried)

    def test_ignore(self):
        node, peer, other = self.node("--ignore"), Peer("127.1.0.1"), Peer("127.1.0.1")
        node.ask(peer, "ping", top={"p": other.port})
        node.ask(peer, "contact", port=other.port, t="cc")
        self.assertEqual(self.tried(node), 0)

    def test_only_the_address_that_it_came_from(self):
        node, peer, victim = self.node(), Peer("127.1.0.1"), Peer("127.2.0.1")
        node.know(victim)
        where = victim.endpoint()
        for n, more in enumerate(({"ip": where}, {"a": where}, {"values": [where]}, {"nodes": victim.id + where})):
            node.ask(peer, "contact", t="c%d" % n, port=victim.port, top={"ip": where}, **more)
        top = {"p": victim.port, "r": {"id": peer.id, "nodes": victim.id + where}}
        node.ask(peer, "ping", nodes=victim.id + where, top=top)
        node.send(peer, response("zz", peer.id, nodes=victim.id + where, values=[where], top={"ip": where}))
        node.wait(A_WHILE)
        self.assertFalse(victim.inbox)
        self.assertEqual(self.tried(node), 1)

    def test_one_ping_for_an_address(self):
        """An address gets one ping a minute, however many ports are claimed; the neighbouring address is another."""
        node, peers = self.node(), [Peer("127.1.0.1", "n%d" % n) for n in range(40)] + [Peer("127.1.0.2")]
        for second in range(179):
            for n, p in enumerate(peers):
                port = peers[n - 1].port
                by_contact, by_p = {"port": port}, {"top": {"p": port}}
                node.send(p, query("contact", "aa", p.id, **by_contact) if n % 2 else query("ping", "aa", p.id, **by_p))
            node.wait()
        one = [(ms, "127.1.0.1") for ms in (0, 60_000, 120_000)]
        self.assertEqual(sorted(self.pings(node)), sorted(one + [(0, "127.1.0.2")]))  # its one claim did not answer
        self.assertEqual(self.tried(node), 4)

    def pings(self, node):
        return [(s.ms, s.ip) for s in node.sent if is_query(s.message, b"ping")]

    def test_ten_in_a_second(self):
        pairs = [(Peer("127.1.%d.1" % n, "n%d" % n), Peer("127.1.%d.1" % n)) for n in range(60)]
        node = self.node()
        node.know(*(port for _, port in pairs))
        for seconds, tried in (0, 10), (0.999, 10), (1, 20):
            node.wait_until(seconds)
            for source, port in pairs:
                node.ask(source, "contact", port=port.port)
            self.assertEqual(len(self.pings(node)), tried)
        self.assertEqual(self.tried(node), 20)

    def test_a_port_that_did_not_answer(self):
        """It is tried again after 15 minutes; another port of that address after one minute."""
        node, peer, port, other = self.node(), Peer("127.1.0.1"), Peer("127.1.0.1"), Peer("127.1.0.1")
        node.know(port, other)
        for seconds, claimed, is_tried in ((0, port, True), (1, port, False), (59.999, other, False), (60, other, True),
                                           (120, port, False), (899.999, port, False), (900, port, True)):
            node.wait_until(seconds)
            node.ask(peer, "contact", port=claimed.port)
            self.assertEqual(len(claimed.queries(b"ping")), is_tried, (seconds, claimed.port))
        node.end()

    def test_no_amplifier(self):
        node, peer, port = self.node(), Peer("127.1.0.1"), Peer("127.1.0.1")
        node.know(port)
        question = query("contact", "aa", peer.id, port=port.port)
        node.send(peer, question)
        out = {s.peer: len(s.data) for s in node.sent if s.peer}
        print("contact: %d bytes in, %d + %d out" % (len(question), out[peer], out[port]), file=sys.stderr)
        self.assertLess(out[peer] + out[port], 2 * len(question))
        self.assertLess(out[peer], len(question))
        port.inbox.clear()
        node.wait(A_WHILE)
        self.assertFalse(port.inbox)  # the ping is not repeated
        node.end()


class Says(Case):
    """When the node says p, and sends contact."""

    def says_p(self, seen):
        return any(b"p" in m for _, m in seen)

    def contacts(self, seen):
        return [(p, m) for p, m in seen if is_query(m, b"contact")]

    def contacts_sent(self, node):
        return [(s.ms, s.peer) for s in node.sent if is_query(s.message, b"contact")]

    def test_seen_on_another_port_by_three_networks(self):
        for results in {"ip": compact(("192.0.2.1", 40001))}, {"p": 40001}:
            peers = self.circle("127.1.1.1", "127.1.2.1", "127.1.3.1")
            node = self.node("--contact-port", "6881", boot=peers)
            seen = self.play(node, peers, self.says_p, **results)
            self.assertTrue(self.says_p(seen))
            self.assertEqual(seen[-1][1][b"p"], 6881)
            self.assertEqual(seen[-1][1][b"y"], b"q")
            stranger = Peer("127.9.0.1")
            got = node.ask(stranger, "ping")
            self.assertEqual((got[b"p"], got[b"ip"]), (6881, stranger.endpoint()))
            self.assertNotIn(b"p", got[b"r"])
            self.assertEqual(node.ask(stranger, "hello")[b"p"], 6881)
            node.end()

    def never(self, node, peers, **results):
        """Within a hundred seconds, in which each peer is asked, the node says nothing."""
        seen = self.play(node, peers, never, 100, **results)
        self.assertEqual({p for p, _ in seen}, set(peers))
        self.assertFalse(self.says_p(seen))
        self.assertNotIn(b"p", node.ask(Peer("127.9.0.1"), "ping"))
        self.assertEqual(node.end()["contacts"], 0)

    def test_two_networks_are_not_enough(self):
        peers = self.circle("127.1.0.1", "127.1.0.2", "127.1.0.3", "127.2.0.1")
        self.never(self.node("--contact-port", "6881", boot=peers), peers, ip=compact(("192.0.2.1", 40001)))

    def test_seen_on_the_forwarded_port(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1", "127.4.0.1")
        node = self.node("--contact-port", "6881", "--silence", "60", "--no-contact", boot=peers)
        self.never(node, peers, ip=compact(("192.0.2.1", 6881)))

    def test_as_many_see_the_forwarded_port(self):
        peers = self.circle(*("127.%d.0.1" % n for n in range(1, 7)))
        node = self.node("--contact-port", "6881", "--after", "20")  # all of them have answered by then
        for p in peers:
            node.ask(p, "ping")
        ports = {p.ip: compact(("192.0.2.1", 40001 if n % 2 else 6881)) for n, p in enumerate(peers)}
        self.never(node, peers, ip=ports)

    def test_seen_on_ports_that_are_none(self):
        for port in -25535, 65536 + 40001:
            peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
            self.never(self.node("--contact-port", "6881", boot=peers), peers, p=port)

    def test_three_nodes_are_no_silence(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
        self.never(self.node("--contact-port", "6881", "--silence", "1", boot=peers), peers)

    def test_no_port_no_word(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1", "127.4.0.1")
        self.never(self.node("--silence", "1", boot=peers), peers, ip=compact(("192.0.2.1", 40001)))

    def test_no_p(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
        self.never(self.node("--contact-port", "6881", "--no-p", boot=peers), peers, ip=compact(("192.0.2.1", 40001)))

    def test_after(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
        node = self.node("--contact-port", "6881", "--after", "200", boot=peers)
        results = {"ip": compact(("192.0.2.1", 40001))}
        self.assertFalse(self.says_p(self.play(node, peers, never, 200, **results)))
        self.assertTrue(self.says_p(self.play(node, peers, never, 2, **results)))

    def test_only_a_node_that_was_asked_has_a_vote(self):
        node, peers = self.node("--contact-port", "6881"), self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
        for p in peers:
            node.ask(p, "ping", top={"ip": compact(("192.0.2.1", 40001))})
            node.send(p, response("zz", p.id, p=40001, top={"ip": compact(("192.0.2.1", 40001))}))
        node.wait(A_WHILE)
        self.assertNotIn(b"p", node.ask(Peer("127.9.0.1"), "ping"))
        node.end()

    def test_silence(self):
        """p, and contact to one node a second of those that answer, to each once; after ten in ten minutes no more."""
        peers = self.circle(*("127.%d.0.1" % (n + 1) for n in range(14)))
        mutes = self.circle(*("127.100.%d.1" % n for n in range(5)))
        node, questions = self.node("--contact-port", "6881", "--silence", "10"), dict.fromkeys(mutes, 0)
        for p in mutes + peers:
            node.ask(p, "ping")
        while min(questions.values()) < 2:  # they answer the first one
            node.ask(Peer("127.50.0.1"), "ping", top={"ro": 1})
            self.assertEqual(self.contacts(self.play(node, peers, never, 2)), [])
            for p in mutes:
                for asked in p.queries():
                    questions[p] += 1
                    if questions[p] == 1:
                        node.send(p, response(asked[b"t"], p.id))
        node.ask(Peer("127.50.0.2"), "ping", top={"ro": 1})
        last = node.ms
        seen = self.play(node, peers, lambda seen: len(self.contacts(seen)) >= 10)
        self.assertEqual({m[b"a"][b"port"] for _, m in self.contacts(seen)}, {6881})
        self.assertEqual({set(m[b"a"]) == {b"id", b"port"} for _, m in self.contacts(seen)}, {True})
        self.assertTrue(self.says_p(seen))
        times = [ms for ms, _ in self.contacts_sent(node)]
        self.assertGreaterEqual(times[0], last + 10_000)
        self.assertGreaterEqual(min(b - a for a, b in zip(times, times[1:])), 1000)
        self.play(node, peers, never, 500)
        sent = self.contacts_sent(node)
        self.assertLess(node.ms, sent[0][0] + 600_000)
        self.assertEqual((len(sent), len({p for _, p in sent})), (10, 10))
        self.assertFalse({p for _, p in sent} & set(mutes))
        self.assertEqual(node.end()["contacts"], 10)

    def test_contact_goes_to_nodes_that_have_just_answered(self):
        """At most a minute ago; each query is answered at once here."""
        peers = self.circle(*("127.4.%d.1" % n for n in range(200)))
        node, asked = self.node("--contact-port", "6881", "--silence", "100", "--no-p"), set()
        while len(asked) < 200:
            for p in set(peers) - asked:
                node.send(p, query("ping", "aa", p.id))
            asked |= {p for p, m in self.play(node, peers, never, 30) if is_query(m)}
        self.play(node, peers, lambda seen: len(self.contacts_sent(node)) >= 10)
        for n, contact in enumerate(node.sent):
            if is_query(contact.message, b"contact"):
                before = [s.ms for s in node.sent[:n] if s.peer is contact.peer and is_query(s.message)]
                self.assertLessEqual(contact.ms - before[-1], 60_000)
        self.assertEqual(node.end()["contacts"], 10)

    def test_ten_minutes_later(self):
        """Contact goes to the rest of the nodes, and to none twice."""
        peers = self.circle(*("127.%d.0.1" % (n + 1) for n in range(12)))
        node = self.node("--contact-port", "6881", "--silence", "60")
        for p in peers:
            node.ask(p, "ping")
        self.play(node, peers, lambda seen: len(self.contacts_sent(node)) >= 12)
        self.play(node, peers, never, 1300)
        sent = self.contacts_sent(node)
        self.assertEqual(len({p for _, p in sent}), 12)
        self.assertGreaterEqual(sent[10][0] - sent[0][0], 600_000)
        self.assertEqual(node.end()["contacts"], 12)

    def test_contact_off(self):
        peers = self.circle(*("127.%d.0.1" % n for n in range(1, 6)))
        node = self.node("--contact-port", "6881", "--silence", "10", "--no-contact", boot=peers)
        self.assertTrue(self.says_p(self.play(node, peers, self.says_p)))
        self.play(node, peers, never, A_WHILE)
        self.assertEqual(node.end()["contacts"], 0)

    def test_after_a_minute_a_mapping_is_gone(self):
        """The node asks the peer after a second, which opens a mapping for a minute. A later query is unsolicited."""
        for seconds, unsolicited in (60.999, 1), (61, 2):
            node, peer = self.node(), Peer("127.1.0.1")
            node.ask(peer, "ping")
            node.wait_until(1)
            self.assertEqual(len(peer.queries()), 1)
            node.wait_until(seconds)
            node.ask(peer, "ping", top={"ro": 1})
            self.assertEqual(node.end()["unsolicited"], unsolicited)

    def test_a_node_of_the_table(self):
        """It is asked again and again, so its queries prove nothing, but those from another port of it do."""
        node, peer = self.node(), Peer("127.1.0.1")
        node.ask(peer, "ping")
        self.play(node, [peer], lambda seen: len(seen) >= 3)
        node.ask(peer, "ping")
        self.assertEqual(node.nodes(peer.id, Peer("127.9.0.1")), peer.id + peer.endpoint())
        node.ask(Peer("127.1.0.1"), "ping", top={"ro": 1})
        self.assertEqual(node.end()["unsolicited"], 3)

    def test_fifty_nodes(self):
        """All nodes that a response names are asked, in that order; find_node returns the nearest eight that answered."""
        boot, peers, target = Peer("127.1.0.1"), self.circle(*("127.2.%d.1" % n for n in range(50))), node_id("target")
        node, named = self.node(boot=[boot]), b"".join(p.id + p.endpoint() for p in peers)
        node.send(boot, response(node.first_query(boot)[b"t"], boot.id, nodes=named))
        unknown = b"".join(node_id("x%d" % n) + compact(("127.3.0.1", 9)) for n in range(50))
        first = []

        def all_asked(seen):
            first.extend(p for p, _ in seen if p in peers and p not in first)
            return len(first) == len(peers)
        self.play(node, [boot] + peers, all_asked, nodes=unknown)
        self.assertEqual(first, peers)
        for p in peers:
            node.ask(p, "ping")
        got = node.nodes(target, peers[0])
        distance = lambda x: int.from_bytes(x, "big") ^ int.from_bytes(target, "big")  # noqa: E731
        nearest = sorted((p.id for p in [boot] + peers), key=distance)
        self.assertEqual([got[n:n + 20] for n in range(0, len(got), 26)], nearest[:8])
        self.assertEqual(node.end()["unsolicited"], 0)

    def test_a_query_ends_the_silence(self):
        """A query from an endpoint that was sent nothing does; those of nodes that the node has asked do not."""
        for solicited in False, True:
            peers = self.circle(*("127.%d.0.1" % n for n in range(1, 6)))
            node = self.node("--contact-port", "6881", "--silence", "40", "--no-p", boot=peers)
            seen = []
            for n in range(25):
                seen += self.play(node, peers, never, 4)
                asking = peers[0] if solicited else Peer("127.50.%d.1" % n, "asking")
                node.send(asking, query("ping", "qq", asking.id, top={"ro": 1}))
            self.assertEqual(bool(self.contacts(seen)), solicited)
            node.end()


class Ipv6Networks(Case):
    def test_one_ping_for_a_network_of_64_bits(self):
        node = self.node(ip="2001:db8:ff::1")
        for a in "0:1::1", "0:1::2", "0:2::1":
            node.ask(Peer("2001:db8:" + a), "ping", top={"p": 6881})
        self.assertEqual(node.end()["tried"], 2)

    def test_a_vote_for_a_network_of_48_bits(self):
        for enough, addresses in (False, ("0:1::1", "0:2::1", "0:3::1", "1::1")), (True, ("0:1::1", "1::1", "2::1")):
            peers = [Peer("2001:db8:" + a) for a in addresses]
            node = self.node("--contact-port", "6881", boot=peers, ip="2001:db8:ff::1")
            seen = self.play(node, peers, never, 200, ip=compact(("2001:db8::1", 40001)))
            self.assertEqual({p for p, _ in seen}, set(peers))
            self.assertEqual(b"p" in node.ask(peers[0], "ping"), enough)
            node.end()


class Hostile(Case):
    def test_mutations(self):
        seed = random.Random(42)
        node, peer = self.node("--contact-port", "6881"), Peer("127.1.0.1")
        ids, place = node_id("torrent"), peer.endpoint()
        top = {"ip": place, "p": 6881}
        stock = [query("ping", "aa", peer.id, top={"p": peer.port}), query("find_node", "aa", peer.id, target=ids),
                 query("get_peers", "aa", peer.id, info_hash=ids), query("contact", "aa", peer.id, port=6881),
                 query("announce_peer", "aa", peer.id, info_hash=ids, port=6881, token=b"x" * 8, implied_port=1),
                 response("aa", peer.id, nodes=peer.id + place, values=[place], p=6881, token="t", top=top),
                 error("aa", 203, "no", top={"p": 6881}), bencode({"y": "q"}), b"", b"d", b"de", b"d1:ad2:id20:"]
        for n in range(6000):
            data = bytearray(seed.choice(stock))
            for _ in range(seed.choice((0, 1, 1, 2, 5))):
                at = seed.randrange(len(data) + 1)
                how = seed.randrange(4)
                if how == 0:
                    more = (b"i-1e", b"9:", b"d", b"l", b"e", b"0", b"i99999999999999999999e", seed.randbytes(3))
                    data[at:at] = seed.choice(more)
                elif how == 1:
                    del data[at:at + seed.randrange(8)]
                elif how == 2 and at < len(data):
                    data[at] = seed.randrange(256)
                else:
                    data[at:] = data[at:at + 10] * seed.randrange(60)
            node.send(peer, bytes(data[:1400]) if n % 10 else seed.randbytes(seed.randrange(1400)))
            if n % 10 == 0:
                node.wait(0.2)
            for asked in peer.queries():  # the node's own queries: the stock answers them, too
                stock[5] = response(asked[b"t"], peer.id, nodes=peer.id + place, values=[place], p=6881, top=top)
                stock[6] = error(asked[b"t"], 203, "no", top={"p": 6881})
        self.assertIn(b"r", node.ask(peer, "ping", t="end"))
        print("mutations: %s" % node.end(), file=sys.stderr)

    def test_full_tables(self):
        """More nodes and peers than it keeps."""
        node, peers = self.node(), [Peer("127.7.1.%d" % (n % 200 + 1), "n%d" % n) for n in range(280)]
        asked = set()
        while len(asked) < 275:
            for p in peers:
                if p.id not in asked:
                    node.send(p, query("ping", "aa", p.id))
            asked |= {p.id for p, m in self.play(node, peers, never, 30) if is_query(m)}
        token = node.ask(peers[0], "get_peers", info_hash=node_id("torrent"))[b"r"][b"token"]
        for n in range(100):
            got = node.ask(peers[0], "announce_peer", info_hash=node_id("torrent"), port=1000 + n, token=token)
            self.assertIn(b"r", got)
        got = node.ask(peers[0], "get_peers", info_hash=node_id("torrent"))[b"r"]
        self.assertEqual(len(got[b"values"]), 32)
        self.assertEqual(len(got[b"nodes"]), 8 * 26)
        self.assertEqual(node.end()["nodes"], 256)


class Sockets(Case):
    """The node as it is: with a socket, in real time. What must come is waited for as long as it takes."""

    def socket(self, ip):
        try:
            s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((ip, 0))
        except OSError:
            self.skipTest("no %s here" % ip)
        s.settimeout(WAIT)
        self.addCleanup(s.close)
        return s

    def start(self, ip, boot):
        """A node on a free port of ip, and that port."""
        with self.socket(ip) as s:
            port = s.getsockname()[1]
        words = [PROGRAM, "--bind", endpoint_text(ip, port), "--boot", endpoint_text(*boot.getsockname()[:2])]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.clean, process)
        self.assertEqual(process.stdout.readline(), "listening\n")
        return process, port

    def test_both_families(self):
        """It answers, and asks its bootstrap node and the nodes that ask it. A node of ::1 is not reached over IPv4."""
        for ip in "127.0.0.1", "::1":
            boot, peer = self.socket(ip), self.socket(ip)
            process, port = self.start(ip, boot)
            if ip == "::1":
                self.socket("127.0.0.1").sendto(query("ping", "x4", node_id("x4")), ("127.0.0.1", port))
            peer.sendto(query("ping", "aa", node_id("peer")), (ip, port))
            data, source = peer.recvfrom(2048)
            self.assertEqual((bdecode(data)[b"ip"], source[:2]), (compact(peer.getsockname()[:2]), (ip, port)))
            for s in peer, boot:
                self.assertEqual(bdecode(s.recvfrom(2048)[0])[b"q"], b"find_node")
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=WAIT)
            self.assertEqual((err, process.returncode), ("", 0))
            self.assertEqual(out, "nodes 0 unsolicited 1 tried 0 verified 0 contacts 0\n")

    def test_taken_port(self):
        taken = self.socket("127.1.0.1")
        words = [PROGRAM, "--bind", "127.1.0.1:%d" % taken.getsockname()[1], "--boot", "127.0.0.1:2"]
        done = subprocess.run(words, stderr=subprocess.PIPE, text=True, timeout=WAIT)
        self.assertEqual((done.returncode, "bind" in done.stderr), (2, True))


class Options(Case):
    def test_usage(self):
        good = ["--bind", "127.0.0.1:1", "--boot", "127.0.0.1:2"]
        for bad in ([], good[:2], good[2:], good + ["--what"], good + ["x"], good + ["--contact-port"],
                    good + ["--contact-port", "x"], good + ["--contact-port", "65536"], good + ["--contact-port", "-1"],
                    ["--bind", "127.0.0.1", *good[2:]], ["--bind", "[::1:1", *good[2:]], ["--bind", "::1:1", *good[2:]],
                    ["--bind", "127.0.0.1:0", *good[2:]], ["--bind", "127.0.0.1:65536", *good[2:]],
                    [*good[:2], "--boot", "127.0.0.1:2,"], good[:2] + good[2:] * 9):
            done = subprocess.run([PROGRAM, *bad], capture_output=True, text=True, timeout=WAIT)
            self.assertEqual(done.returncode, 2, bad)
            self.assertIn("usage:", done.stderr, bad)

    def test_a_script_with_an_error(self):
        words = [PROGRAM, "--script", "--bind", "127.0.0.1:1", "--boot", "127.0.0.1:2"]
        for script in "x\n", "5\n4\n", "0 here 00\n", "0 127.0.0.1:0 00\n":
            done = subprocess.run(words, input=script, capture_output=True, text=True, timeout=WAIT)
            self.assertEqual(done.returncode, 2, script)
            self.assertIn("not a time, or a time and a packet: " + script.splitlines()[-1], done.stderr)


if __name__ == "__main__":
    unittest.main()
