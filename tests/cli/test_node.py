#!/usr/bin/env python3
"""test_node.py: the reference implementation of docs/port-advertisement.rst, samples/lab/node, keeps every promise.

Plain UDP sockets on the loopback network play its peers: 127.x.y.z are as many addresses as one likes. Where the draft
speaks of minutes, --speed lets them pass faster. SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.environ["SAMPLES"])
from packets import bencode, compact, error, node_id, query, response  # noqa: E402

PROGRAM = os.path.join(os.environ["BUILD_DIR"], "krpc-node")
PATIENCE = 30  # seconds until something that must come is missed
QUIET = 0.4    # seconds without anything, after which nothing more is expected


def bdecode(data):
    def value(at):
        c = data[at:at + 1]
        if c == b"i":
            end = data.index(b"e", at)
            return int(data[at + 1:end]), end + 1
        if c in (b"l", b"d"):
            items, at = [], at + 1
            while data[at:at + 1] != b"e":
                item, at = value(at)
                items.append(item)
            return (items if c == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
        colon = data.index(b":", at)
        end = colon + 1 + int(data[at:colon])
        return data[colon + 1:end], end
    return value(0)[0]


def open_socket(ip):
    s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((ip, 0))
    return s


def free_port(ip="127.0.0.1"):
    with open_socket(ip) as s:
        return s.getsockname()[1]


def endpoint_text(ip, port):
    return "[%s]:%d" % (ip, port) if ":" in ip else "%s:%d" % (ip, port)


class Peer:
    """A socket, and the id of whoever speaks through it."""

    opened = []

    def __init__(self, ip, name=None, version=b"LT\x02\x0b"):
        self.socket = open_socket(ip)
        self.ip, self.port = self.socket.getsockname()[:2]
        self.id, self.version = node_id(name or ip), version
        self.opened.append(self.socket)

    @classmethod
    def close_all(cls):
        while cls.opened:
            cls.opened.pop().close()

    def get(self, seconds):
        """The next message and where it came from; None when there is none in that time."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return None
        data, source = self.socket.recvfrom(2048)
        return bdecode(data), source


class Node:
    """A running node with one bootstrap peer that never answers, unless `boot` says otherwise."""

    def __init__(self, *options, boot=(), ip="127.0.0.1"):
        self.address = (ip, free_port(ip))
        self.silent = Peer("::1" if ":" in ip else "127.200.0.1", "silent")
        boots = [word for b in boot or (self.silent,) for word in ("--boot", endpoint_text(b.ip, b.port))]
        command = [PROGRAM, "--bind", endpoint_text(*self.address), *boots, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # it listens

    def send(self, peer, message):
        peer.socket.sendto(message, self.address)

    def ask(self, peer, method, t="aa", top=None, **arguments):
        """The answer to a query, and the queries that came in before it."""
        self.send(peer, query(method, t, peer.id, version=peer.version, top=top, **arguments))
        return self.answer(peer, t)

    def answer(self, peer, t="aa"):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            got = peer.get(0.1)
            if got and got[0][b"y"] != b"q" and got[0][b"t"] == t.encode():
                assert got[1][:2] == self.address
                return got[0]
        raise AssertionError("no answer")

    def end(self):
        """Its counters, after it has ended without a complaint."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        self.process.stdout = self.process.stderr = None
        assert self.process.returncode == 0 and err == "", (self.process.returncode, err)
        last = out.splitlines()[-1].split()
        return {name: int(number) for name, number in zip(last[::2], last[1::2])}


def first_query(peer, seconds=PATIENCE):
    """The next query that comes in that time; with 0 seconds, one that is there already."""
    end = time.monotonic() + seconds
    while (got := peer.get(min(0.05, seconds))) or time.monotonic() < end:
        if got and got[0][b"y"] == b"q":
            return got[0]
    return None


def pings_at(peers, seconds=QUIET):
    """(peer, message) of every ping that arrives until nothing has come for so long."""
    found = []
    while True:
        ready = select.select([p.socket for p in peers], [], [], seconds)[0]
        if not ready:
            return found
        for p in peers:
            if p.socket in ready:
                message = p.get(0)[0]
                if message[b"y"] == b"q" and message[b"q"] == b"ping":
                    found.append((p, message))


class Case(unittest.TestCase):
    def node(self, *options, **kw):
        node = Node(*options, **kw)
        self.addCleanup(Peer.close_all)
        self.addCleanup(node.process.communicate)
        self.addCleanup(node.process.kill)
        return node

    def play(self, node, peers, until, seconds=PATIENCE, **results):
        """The peers answer; returns all messages that came when until(messages) is true, or all after so many seconds.
        results go into r; ip is the endpoint that they see, or says for each address which one."""
        seen, end = [], time.monotonic() + seconds
        ip = results.pop("ip", None)
        while time.monotonic() < end and not until(seen):
            for s in select.select([p.socket for p in peers], [], [], 0.05)[0]:
                peer = next(p for p in peers if p.socket is s)
                message = peer.get(0)[0]
                seen.append((peer, message))
                if message[b"y"] == b"q":
                    sees = ip[peer.ip] if isinstance(ip, dict) else ip
                    node.send(peer, response(message[b"t"], peer.id, version=peer.version, top={"ip": sees} if sees else None, **results))
        return seen


class Answers(Case):
    def setUp(self):
        self.one = self.node()
        self.peer = Peer("127.1.0.1")

    def tearDown(self):
        self.one.end()

    def test_ping(self):
        got = self.one.ask(self.peer, "ping", t="tt")
        self.assertEqual(set(got), {b"ip", b"r", b"t", b"v", b"y"})
        self.assertEqual(got[b"ip"], compact((self.peer.ip, self.peer.port)))
        self.assertEqual(set(got[b"r"]), {b"id"})
        self.assertEqual(len(got[b"r"][b"id"]), 20)

    def test_transaction_ids(self):
        for t in ("", "x", "y" * 200):
            self.assertEqual(self.one.ask(self.peer, "ping", t=t)[b"r"].keys(), {b"id"})
        self.one.send(self.peer, bencode({"a": {"id": self.peer.id}, "q": "ping", "y": "q"}))
        self.one.send(self.peer, query("ping", "cut", self.peer.id)[:-1])
        for t in ("z" * 1180, "z" * 1300):  # no room for an answer
            self.one.send(self.peer, query("ping", t, self.peer.id))
        self.assertFalse([m for m in iter(lambda: self.peer.get(QUIET), None) if m[0][b"y"] != b"q"])

    def test_nodes_are_those_who_answered(self):
        other = Peer("127.2.0.1")
        for p in self.peer, other:
            self.one.ask(p, "ping")
        self.assertEqual(self.one.ask(self.peer, "find_node", target=other.id)[b"r"][b"nodes"], b"")
        asked = first_query(other)
        self.one.send(other, response(asked[b"t"], other.id))
        self.one.ask(other, "ping")
        self.assertEqual(self.one.ask(self.peer, "find_node", target=node_id("t"))[b"r"][b"nodes"],
                         other.id + compact((other.ip, other.port)))

    def test_an_answer_from_another_address(self):
        self.one.ask(self.peer, "ping")
        t, thief = first_query(self.peer)[b"t"], Peer("127.66.0.1")
        self.one.send(thief, response(t, thief.id))
        self.assertEqual(self.one.ask(thief, "find_node", target=thief.id)[b"r"][b"nodes"], b"")
        self.one.send(self.peer, response(t, self.peer.id))  # it is still waited for
        self.assertEqual(self.one.ask(thief, "find_node", target=thief.id)[b"r"][b"nodes"],
                         self.peer.id + compact((self.peer.ip, self.peer.port)))

    def test_mirrors(self):
        """Whoever says the node's own id, and whoever names nobody while nobody was meant, is no node."""
        self.one.end()
        self.one = self.node("--speed", "20")
        for answer in lambda t: response(t, self.one.ask(self.peer, "ping", t="me")[b"r"][b"id"]), lambda t: error(t, 201, "busy"):
            self.one.ask(self.peer, "ping")
            self.one.send(self.peer, answer(first_query(self.peer)[b"t"]))
            self.assertEqual(self.one.ask(Peer("127.9.0.1"), "find_node", target=self.peer.id)[b"r"][b"nodes"], b"")
        self.one.ask(self.peer, "ping")
        itself, other = self.one.ask(self.peer, "ping")[b"r"][b"id"], Peer("127.8.0.1")
        self.one.send(self.peer, response(first_query(self.peer)[b"t"], self.peer.id, nodes=itself + compact((other.ip, other.port))))
        self.assertTrue(first_query(self.peer))
        self.assertIsNone(first_query(other, QUIET * 2))

    def test_the_other_family(self):
        """A node of IPv6 neither answers over IPv4 nor asks there; and the other way round."""
        for ip, here, there, key in ("::", "::1", "127.0.0.1", "nodes"), ("127.0.0.1", "127.0.0.1", "::1", "nodes6"):
            try:
                node, peer, other = self.node("--speed", "20", ip=ip), Peer(here), Peer(there)
            except OSError:
                self.skipTest("no IPv6 here")
            node.address = here, node.address[1]
            other.socket.sendto(query("ping", "aa", other.id), (there, node.address[1]))
            node.ask(peer, "ping")
            node.send(peer, response(first_query(peer)[b"t"], peer.id, **{key: other.id + compact((other.ip, other.port))}))
            self.assertTrue(first_query(peer))
            self.assertIsNone(other.get(QUIET))
            node.end()

    def test_an_answer_from_another_port(self):
        """That a NAT can do. The node is where it was asked."""
        self.one.ask(self.peer, "ping")
        self.one.send(Peer(self.peer.ip), response(first_query(self.peer)[b"t"], self.peer.id))
        self.assertEqual(self.one.ask(Peer("127.9.0.1"), "find_node", target=self.peer.id)[b"r"][b"nodes"],
                         self.peer.id + compact((self.peer.ip, self.peer.port)))

    def test_an_answer_that_comes_late_or_twice(self):
        self.one.end()
        self.one, other = self.node("--speed", "100"), Peer("127.9.0.1")
        self.one.ask(self.peer, "ping")
        asked = first_query(self.peer)
        self.assertEqual((asked[b"q"], len(asked[b"t"]), len(asked[b"a"][b"id"]), len(asked[b"a"][b"target"])), (b"find_node", 4, 20, 20))
        time.sleep(0.2)  # 20 s of its time
        self.one.send(self.peer, response(asked[b"t"], self.peer.id))
        self.assertEqual(self.one.ask(other, "find_node", target=self.peer.id)[b"r"][b"nodes"], b"")
        while self.peer.get(0):
            pass
        self.one.ask(self.peer, "ping")
        t = first_query(self.peer)[b"t"]
        for name in self.peer.id, node_id("double"):
            self.one.send(self.peer, response(t, name))
        self.assertEqual(self.one.ask(other, "find_node", target=self.peer.id)[b"r"][b"nodes"],
                         self.peer.id + compact((self.peer.ip, self.peer.port)))

    def test_nobody_guesses_a_transaction_id(self):
        self.one.end()
        self.one = self.node("--speed", "100", boot=[self.peer])
        ids = [int.from_bytes(first_query(self.peer)[b"t"], "big") for _ in range(12)]
        self.assertEqual(len({b - a for a, b in zip(ids, ids[1:])}), 11, ids)

    def test_announce(self):
        torrent, neighbour, stranger = node_id("torrent"), Peer("127.1.0.1", "n"), Peer("127.1.0.2")
        got = self.one.ask(self.peer, "get_peers", info_hash=torrent)[b"r"]
        self.assertEqual(set(got), {b"id", b"nodes", b"token"})
        token = got[b"token"]
        self.assertEqual(len(token), 20)
        self.assertNotEqual(self.node().ask(self.peer, "get_peers", info_hash=torrent)[b"r"][b"token"], token)
        announce = lambda who, **a: self.one.ask(who, "announce_peer", info_hash=torrent, **a)  # noqa: E731
        for faulty in ({"port": 6881}, {"port": 6881, "token": b"x" * 20}, {"port": 6881, "token": token[:19]}, {"port": 6881, "token": token + b"x"}, {"token": token},
                       {"port": 0, "token": token}, {"port": 65536, "token": token}, {"port": -1, "token": token},
                       {"implied_port": 0, "port": 0, "token": token}):
            self.assertEqual(announce(self.peer, **faulty)[b"e"][0], 203, faulty)
        self.assertEqual(announce(stranger, port=6881, token=token)[b"e"][0], 203)
        self.assertEqual(set(announce(self.peer, port=6881, token=token)[b"r"]), {b"id"})
        self.assertEqual(set(announce(neighbour, port=1, implied_port=1, token=token)[b"r"]), {b"id"})  # another port
        values = self.one.ask(stranger, "get_peers", info_hash=torrent)[b"r"][b"values"]
        self.assertEqual(values, [compact((self.peer.ip, 6881)), compact((neighbour.ip, neighbour.port))])
        self.assertNotIn(b"values", self.one.ask(stranger, "get_peers", info_hash=node_id("other"))[b"r"])

    def test_tokens_change(self):
        """Every five minutes, and one is good for as long again."""
        self.one.end()
        self.one = self.node("--speed", "300")
        torrent, tokens, end = node_id("torrent"), [], time.monotonic() + PATIENCE
        while len(tokens) < 3 and time.monotonic() < end:
            token = self.one.ask(self.peer, "get_peers", info_hash=torrent)[b"r"][b"token"]
            if token in tokens[:1] or not tokens:
                first = time.monotonic()
            if token not in tokens:
                tokens.append(token)
                got = self.one.ask(self.peer, "announce_peer", info_hash=torrent, port=1, token=tokens[max(0, len(tokens) - 2)])
                self.assertIn(b"r", got)
            time.sleep(0.02)
        self.assertGreaterEqual(time.monotonic() - first, 1)  # the second one was good for five minutes
        announce = lambda n: self.one.ask(self.peer, "announce_peer", info_hash=torrent, port=1, token=tokens[n])  # noqa: E731
        self.assertEqual(announce(0)[b"e"][0], 203)
        time.sleep(2)  # ten minutes
        self.assertEqual(announce(2)[b"e"][0], 203)

    def test_implied_port_is_not_p(self):
        torrent = node_id("torrent")
        token = self.one.ask(self.peer, "get_peers", info_hash=torrent)[b"r"][b"token"]
        self.one.ask(self.peer, "announce_peer", info_hash=torrent, implied_port=1, port=1, token=token, top={"p": 7777})
        self.assertEqual(self.one.ask(self.peer, "get_peers", info_hash=torrent)[b"r"][b"values"],
                         [compact((self.peer.ip, self.peer.port))])

    def test_errors(self):
        for method, arguments, code in (("hello", {}, 204), ("put", {"v": "x", "token": "t"}, 204), ("find_node", {}, 203),
                                        ("get_peers", {}, 203), ("announce_peer", {"port": 1}, 203), ("contact", {}, 203),
                                        ("contact", {"port": 0}, 203), ("contact", {"port": 65536}, 203),
                                        ("contact", {"port": -1}, 203), ("contact", {"implied_port": 1}, 203), ("contact", {"port": "6881"}, 203)):
            got = self.one.ask(self.peer, method, **arguments)
            self.assertEqual((got[b"y"], got[b"e"][0]), (b"e", code), (method, arguments))
            self.assertEqual(got[b"ip"], compact((self.peer.ip, self.peer.port)))
        self.assertIn(b"nodes", self.one.ask(self.peer, "hello", target=node_id("t"))[b"r"])

    def test_contact_is_answered_as_ping(self):
        for more in {}, {"target": node_id("t")}:
            self.assertEqual(set(self.one.ask(self.peer, "contact", port=self.peer.port, **more)[b"r"]), {b"id"})


class Honours(Case):
    """What p and contact of others lead to."""

    def setUp(self):
        self.one = self.node("--speed", "20")
        self.source, self.forwarded = Peer("127.1.0.1", "x"), Peer("127.1.0.1", "x")

    def nodes_named(self):
        return self.one.ask(Peer("127.99.0.1"), "find_node", target=self.source.id)[b"r"][b"nodes"]

    def try_once(self):
        """The answer goes to the source, the ping to the port; it is answered."""
        asked = pings_at([self.forwarded])
        self.assertEqual(len(asked), 1)
        self.one.send(self.forwarded, response(asked[0][1][b"t"], self.source.id))

    def follows(self):
        """From now on the node asks the forwarded port, and no other, and tells others of it."""
        while self.source.get(0):
            pass
        end, asked = time.monotonic() + QUIET, 0
        while time.monotonic() < end or (asked == 0 and time.monotonic() < end + PATIENCE):
            got = first_query(self.forwarded, 0.05)
            if got:
                self.one.send(self.forwarded, response(got[b"t"], self.source.id))
                asked += 1
        self.assertGreater(asked, 0)
        self.assertIsNone(first_query(self.source, 0))
        self.assertEqual(self.nodes_named(), self.source.id + compact((self.forwarded.ip, self.forwarded.port)))

    def test_p_of_a_query(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.try_once()
        self.follows()
        self.one.ask(self.source, "ping")  # without p: means nothing
        self.follows()
        self.assertEqual(self.one.end()["verified"], 1)

    def test_contact(self):
        self.one = self.node("--speed", "60")
        self.assertIn(b"r", self.one.ask(self.source, "contact", port=self.forwarded.port))
        asked = pings_at([self.forwarded], 0.1)
        self.assertEqual(len(asked), 1)
        self.one.send(self.forwarded, response(asked[0][1][b"t"], self.source.id))
        for _ in range(3):
            self.follows()  # for more than a minute, 1 s here: there is nothing left to try
        self.one.ask(self.source, "contact", port=self.forwarded.port)
        self.follows()
        count = self.one.end()
        self.assertEqual((count["verified"], count["tried"]), (1, 1))

    def test_p_of_a_response_and_of_an_error(self):
        for make in (lambda t: response(t, self.source.id, top={"p": self.forwarded.port}),
                     lambda t: error(t, 201, "busy", top={"p": self.forwarded.port})):
            self.setUp()
            self.one.ask(self.source, "ping")
            self.one.send(self.source, response(first_query(self.source)[b"t"], self.source.id))  # so that it is known
            self.one.send(self.source, make(first_query(self.source)[b"t"]))
            self.try_once()
            self.follows()
            self.one.end()

    def test_ipv6(self):
        try:
            self.source, self.forwarded = Peer("::1", "x"), Peer("::1", "x")
        except OSError:
            self.skipTest("no IPv6 here")
        self.one, other = self.node("--speed", "20", ip="::1"), Peer("::1", "other")
        got = self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.assertEqual(got[b"ip"], compact(("::1", self.source.port)))
        asked = pings_at([self.forwarded])
        self.one.send(self.forwarded, response(asked[0][1][b"t"], self.source.id))
        self.assertTrue(first_query(self.forwarded))
        got = self.one.ask(other, "find_node", target=self.source.id)[b"r"]
        self.assertEqual(got[b"nodes6"], self.source.id + compact(("::1", self.forwarded.port)))
        self.assertNotIn(b"nodes", got)
        self.one.end()

    def test_a_port_that_answers_no_more(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.try_once()
        self.follows()
        end = time.monotonic() + PATIENCE  # the source goes on, so it takes the place again
        while not first_query(self.source, 0) and time.monotonic() < end:
            self.one.send(self.source, query("ping", "aa", self.source.id))
            time.sleep(0.05)
        self.assertLess(time.monotonic(), end)
        while self.forwarded.get(0):
            pass
        while not first_query(self.forwarded, 0) and time.monotonic() < end:  # it did answer, so it is tried again
            self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
            time.sleep(0.05)
        self.assertLess(time.monotonic(), end)
        self.one.end()

    def test_another_node_answers(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        asked = pings_at([self.forwarded])[0][1]
        self.one.send(self.forwarded, response(asked[b"t"], node_id("neighbour")))
        self.not_followed()

    def test_another_port_answers(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        asked = pings_at([self.forwarded])[0][1]
        self.one.send(self.source, response(asked[b"t"], self.source.id))
        self.not_followed()

    def test_another_transaction_is_answered(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        t = pings_at([self.forwarded])[0][1][b"t"]
        for other in bytes([t[0] ^ 1]) + t[1:], t[:3] + bytes([t[3] ^ 1]), t[:3], t[:1], b"", t + b"x":
            self.one.send(self.forwarded, response(other, self.source.id))
        self.not_followed()

    def test_an_error_is_no_proof(self):
        self.one.ask(self.source, "ping", top={"p": self.forwarded.port})
        self.one.send(self.forwarded, error(pings_at([self.forwarded])[0][1][b"t"], 201, "busy"))
        self.not_followed()

    def not_followed(self):
        asked = first_query(self.source)
        self.one.send(self.source, response(asked[b"t"], self.source.id))
        self.assertTrue(first_query(self.source))
        self.assertIsNone(first_query(self.forwarded, QUIET))
        self.assertEqual(self.nodes_named(), self.source.id + compact((self.source.ip, self.source.port)))
        self.assertEqual(self.one.end()["verified"], 0)

    def test_hearsay_is_asked(self):
        """Nobody hands on what he only heard of: such an endpoint is asked first, and the right node or another may answer."""
        gossip = Peer("127.5.0.1")
        self.one.ask(gossip, "ping")
        named = b"".join(node_id(n) + compact((p.ip, p.port)) for n, p in (("other", self.source), ("y", self.forwarded)))
        self.one.send(gossip, response(first_query(gossip)[b"t"], gossip.id, nodes=named))
        for p in self.source, self.forwarded:
            self.assertNotIn(compact((p.ip, p.port)), self.nodes_named())
            asked = first_query(p)
            self.assertNotIn(compact((p.ip, p.port)), self.nodes_named())
            self.one.send(p, response(asked[b"t"], p.id))
            self.assertIn(p.id + compact((self.source.ip, self.source.port)), self.nodes_named())
        self.one.end()

    def test_every_bootstrap_node_is_asked(self):
        """However many nodes one of them names."""
        boots = Peer("127.1.0.1"), Peer("127.2.0.1")
        node = self.node("--speed", "20", boot=boots)
        nobody = b"".join(node_id("x%d" % n) + compact(("127.3.0.1", 9)) for n in range(60))
        for _ in range(3):
            self.play(node, boots[:1], lambda seen: len(seen) >= 20, nodes=nobody)
            while boots[1].get(0):
                pass
            self.play(node, boots[:1], lambda seen: select.select([boots[1].socket], [], [], 0)[0], nodes=nobody)
            self.assertTrue(boots[1].get(0))
        node.end()

    def test_hearsay_moves_nobody(self):
        self.one.ask(self.source, "ping")
        self.one.send(self.source, response(first_query(self.source)[b"t"], self.source.id))
        gossip = Peer("127.5.0.1")
        self.one.ask(gossip, "ping")
        self.one.send(gossip, response(first_query(gossip)[b"t"], gossip.id,
                                       nodes=self.source.id + compact((self.forwarded.ip, self.forwarded.port))))
        self.assertTrue(first_query(self.source))
        self.assertIsNone(first_query(self.forwarded, QUIET))
        self.assertIn(self.source.id + compact((self.source.ip, self.source.port)), self.nodes_named())

    def test_nobody_moves_a_node_of_another_address(self):
        self.one.ask(self.source, "ping")
        self.one.send(self.source, response(first_query(self.source)[b"t"], self.source.id))
        thief, elsewhere = Peer("127.66.0.1", "x"), Peer("127.66.0.1", "x")
        self.one.ask(thief, "ping", top={"p": elsewhere.port})
        for _, asked in pings_at([elsewhere]):
            self.one.send(elsewhere, response(asked[b"t"], self.source.id))
        self.assertTrue(first_query(self.source))
        self.assertIsNone(first_query(elsewhere, QUIET))
        self.assertEqual(self.nodes_named(), self.source.id + compact((self.source.ip, self.source.port)))


class Limits(Case):
    """What p and contact do not lead to."""

    def tried(self, node):
        return node.end()["tried"]

    def test_ports_that_are_none(self):
        node, peer, victim = self.node("--speed", "200"), Peer("127.1.0.1"), Peer("127.2.0.1")
        for n, port in enumerate((0, 65536, 65536 + 6881, 70000, -1, -2**63, 2**63 - 1, 1, 53, 80, 1023, "6881", [6881])):
            claimant = Peer("127.3.0.%d" % (n + 1))
            node.ask(claimant, "ping", top={"p": port})
            node.ask(claimant, "contact", port=port, t="cc")
        node.ask(peer, "ping", top={"p": peer.port})                          # where it is seen anyway
        node.ask(peer, "ping", p=victim.port)                                 # inside a: an unknown key
        node.ask(peer, "ping", top={"p": victim.port, "ro": 1})               # read-only
        node.ask(peer, "contact", port=victim.port, t="cc", top={"ro": 1})
        node.send(peer, response(first_query(peer)[b"t"], peer.id, top={"p": victim.port, "ro": 1}))
        self.assertEqual(self.tried(node), 0)

    def test_lowest_and_highest_port(self):
        node = self.node("--speed", "200")
        for n, port in enumerate((1024, 65535)):
            node.ask(Peer("127.3.0.%d" % (n + 1)), "ping", top={"p": port})
        self.assertEqual(self.tried(node), 2)

    def test_addresses_that_are_not_global(self):
        """A node that speaks with the whole internet pings none of them, but one of the loopback network does."""
        for ip, tried in ("0.0.0.0", 0), ("127.0.0.1", 1):
            node = self.node("--speed", "200", ip=ip)
            node.address = "127.0.0.1", node.address[1]
            node.ask(Peer("127.3.0.1"), "ping", top={"p": 6881})
            self.assertEqual(self.tried(node), tried)

    def test_ignore(self):
        node, peer, other = self.node("--speed", "200", "--ignore"), Peer("127.1.0.1"), Peer("127.1.0.1")
        node.ask(peer, "ping", top={"p": other.port})
        node.ask(peer, "contact", port=other.port, t="cc")
        self.assertEqual(self.tried(node), 0)

    def test_only_the_address_that_it_came_from(self):
        node, peer, victim = self.node("--speed", "200"), Peer("127.1.0.1"), Peer("127.2.0.1")
        where = compact((victim.ip, victim.port))
        for n, more in enumerate(({"ip": where}, {"a": where}, {"values": [where]}, {"nodes": victim.id + where})):
            node.ask(peer, "contact", t="c%d" % n, port=victim.port, top={"ip": where}, **more)
        node.ask(peer, "ping", nodes=victim.id + where, top={"p": victim.port, "r": {"id": peer.id, "nodes": victim.id + where}})
        node.send(peer, response("zz", peer.id, nodes=victim.id + where, values=[where], top={"ip": where}))
        self.assertIsNone(victim.get(QUIET * 2))
        self.assertEqual(self.tried(node), 1)

    def test_one_ping_for_an_address(self):
        """In a minute, at this speed 3 s, whatever its ports and whoever says it; a neighbour of the address is another."""
        node, peers = self.node("--speed", "20"), [Peer("127.1.0.1", "n%d" % n) for n in range(40)] + [Peer("127.1.0.2")]
        begun = time.monotonic()
        while time.monotonic() - begun < 2:
            for n, p in enumerate(peers):
                port = peers[n - 1].port
                node.send(p, query("contact", "aa", p.id, port=port) if n % 2 else query("ping", "aa", p.id, top={"p": port}))
            for p in peers:
                node.answer(p)
            time.sleep(0.1)
        minutes = 1 + int((time.monotonic() - begun) / 3)
        tried = self.tried(node)
        self.assertGreaterEqual(tried, 2)
        self.assertLessEqual(tried, 2 * minutes)

    def test_ten_in_a_second(self):
        node, pairs = self.node(), [(Peer("127.1.%d.1" % n, "n%d" % n), Peer("127.1.%d.1" % n)) for n in range(60)]
        begun = time.monotonic()
        for source, port in pairs:
            node.send(source, query("contact", "aa", source.id, port=port.port))
        for source, _ in pairs:
            node.answer(source)
        tried = len(pings_at([port for _, port in pairs], 0.1))
        self.assertGreaterEqual(tried, 10)
        self.assertLessEqual(tried, 10 * (1 + int(time.monotonic() - begun)))
        node.end()

    def test_a_port_that_did_not_answer(self):
        """15 minutes, at this speed 0.9 s; another port of that address after a minute, 0.06 s."""
        node, peer, port, other = self.node("--speed", "1000"), Peer("127.1.0.1"), Peer("127.1.0.1"), Peer("127.1.0.1")
        begun, counts = time.monotonic(), {port: 0, other: 0}
        while (counts[port] < 3 or counts[other] < 1) and time.monotonic() - begun < PATIENCE:
            node.send(peer, query("contact", "aa", peer.id, port=port.port if counts[port] == 0 or counts[other] else other.port))
            while peer.get(0.005):
                pass
            for p in counts:
                while (got := p.get(0)) is not None:
                    counts[p] += got[0][b"q"] == b"ping"
        self.assertEqual(counts[other], 1)
        self.assertEqual(counts[port], 3)
        self.assertGreaterEqual(time.monotonic() - begun, 2 * 0.9)
        node.end()

    def test_no_amplifier(self):
        node, peer, port = self.node(), Peer("127.1.0.1"), Peer("127.1.0.1")
        question = query("contact", "aa", peer.id, port=port.port)
        node.send(peer, question)
        answered, tried = peer.socket.recv(2048), port.socket.recv(2048)
        print("contact: %d bytes in, %d + %d out" % (len(question), len(answered), len(tried)), file=sys.stderr)
        self.assertLess(len(answered) + len(tried), 2 * len(question))
        self.assertLess(len(answered), len(question))
        self.assertIsNone(port.get(QUIET))  # and it is not repeated
        node.end()


class Says(Case):
    """When the node says p, and sends contact."""

    def circle(self, *addresses):
        return [Peer(a) for a in addresses]

    def says_p(self, seen):
        return any(b"p" in m for _, m in seen)

    def test_seen_on_another_port_by_three_networks(self):
        for results in {"ip": compact(("192.0.2.1", 40001))}, {"p": 40001}:
            peers = self.circle("127.1.1.1", "127.1.2.1", "127.1.3.1")
            node = self.node("--contact-port", "6881", "--speed", "10", boot=peers)
            seen = self.play(node, peers, self.says_p, **results)
            self.assertTrue(self.says_p(seen))
            self.assertEqual(seen[-1][1][b"p"], 6881)
            self.assertEqual(seen[-1][1][b"y"], b"q")
            stranger = Peer("127.9.0.1")
            got = node.ask(stranger, "ping")
            self.assertEqual((got[b"p"], got[b"ip"]), (6881, compact((stranger.ip, stranger.port))))
            self.assertNotIn(b"p", got[b"r"])
            self.assertEqual(node.ask(stranger, "hello")[b"p"], 6881)
            node.end()

    def never(self, node, peers, rounds, **results):
        count = len(self.play(node, peers, lambda seen: len(seen) >= rounds * len(peers), **results))
        self.assertGreaterEqual(count, rounds * len(peers))
        self.assertNotIn(b"p", node.ask(Peer("127.9.0.1"), "ping"))
        self.assertEqual(node.end()["contacts"], 0)

    def test_two_networks_are_not_enough(self):
        peers = self.circle("127.1.0.1", "127.1.0.2", "127.1.0.3", "127.2.0.1")
        self.never(self.node("--contact-port", "6881", "--speed", "20", boot=peers), peers, 4, ip=compact(("192.0.2.1", 40001)))

    def test_seen_on_the_forwarded_port(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1", "127.4.0.1")
        node = self.node("--contact-port", "6881", "--speed", "20", "--silence", "1", "--no-contact", boot=peers)
        self.never(node, peers, 4, ip=compact(("192.0.2.1", 6881)))

    def test_as_many_see_the_forwarded_port(self):
        peers = self.circle(*("127.%d.0.1" % n for n in range(1, 7)))
        node = self.node("--contact-port", "6881", "--after", "20", "--speed", "20")
        for p in peers:
            node.ask(p, "ping")
        ports = {p.ip: compact(("192.0.2.1", 40001 if n % 2 else 6881)) for n, p in enumerate(peers)}
        self.never(node, peers, 8, ip=ports)

    def test_seen_on_ports_that_are_none(self):
        for port in -25535, 65536 + 40001:
            peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
            self.never(self.node("--contact-port", "6881", "--speed", "20", boot=peers), peers, 4, p=port)

    def test_three_nodes_are_no_silence(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
        self.never(self.node("--contact-port", "6881", "--speed", "20", "--silence", "1", boot=peers), peers, 8)

    def test_no_port_no_word(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1", "127.4.0.1")
        self.never(self.node("--speed", "20", "--silence", "1", boot=peers), peers, 4, ip=compact(("192.0.2.1", 40001)))

    def test_no_p(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
        self.never(self.node("--contact-port", "6881", "--no-p", "--speed", "20", boot=peers), peers, 4,
                   ip=compact(("192.0.2.1", 40001)))

    def test_after(self):
        peers = self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
        self.never(self.node("--contact-port", "6881", "--after", "1000000", "--speed", "20", boot=peers), peers, 4,
                   ip=compact(("192.0.2.1", 40001)))

    def test_who_was_not_asked_has_no_vote(self):
        node, peers = self.node("--contact-port", "6881", "--speed", "20"), self.circle("127.1.0.1", "127.2.0.1", "127.3.0.1")
        for p in peers:
            node.ask(p, "ping", top={"ip": compact(("192.0.2.1", 40001))})
            node.send(p, response("zz", p.id, p=40001, top={"ip": compact(("192.0.2.1", 40001))}))
        time.sleep(QUIET)
        self.assertNotIn(b"p", node.ask(Peer("127.9.0.1"), "ping"))
        node.end()

    def contacts(self, seen):
        return [(p, m) for p, m in seen if m[b"y"] == b"q" and m[b"q"] == b"contact"]

    def test_silence(self):
        """p, and contact to one node a second of those that answer, to each once; after ten in ten minutes no more."""
        peers, mutes = self.circle(*("127.%d.0.1" % (n + 1) for n in range(14))), self.circle(*("127.100.%d.1" % n for n in range(5)))
        node, questions = self.node("--contact-port", "6881", "--silence", "10", "--speed", "10"), {p.ip: 0 for p in mutes}
        for p in mutes + peers:
            node.ask(p, "ping")
        while min(questions.values()) < 2:  # they answer the first one
            node.ask(Peer("127.50.0.1"), "ping", top={"ro": 1})
            self.assertEqual(self.contacts(self.play(node, peers, lambda seen: False, 0.2)), [])
            for p in mutes:
                while (asked := first_query(p, 0)) is not None:
                    questions[p.ip] += 1
                    if questions[p.ip] == 1:
                        node.send(p, response(asked[b"t"], p.id))
        seen = self.play(node, peers, lambda seen: self.contacts(seen))
        begun = time.monotonic()
        seen += self.play(node, peers, lambda seen: len(self.contacts(seen)) >= 9)
        self.assertGreaterEqual(time.monotonic() - begun, 8 / 10)
        self.assertEqual({m[b"a"][b"port"] for _, m in self.contacts(seen)}, {6881})
        self.assertEqual({set(m[b"a"]) == {b"id", b"port"} for _, m in self.contacts(seen)}, {True})
        self.assertTrue(self.says_p(seen))
        seen += self.play(node, peers, lambda seen: False, 4)  # 40 s of its time: more, if there were no limit
        self.assertEqual(len(self.contacts(seen)), 10)
        self.assertEqual(len({p.id for p, _ in self.contacts(seen)}), 10)
        for p in mutes:
            while (asked := first_query(p, 0)) is not None:
                self.assertNotEqual(asked[b"q"], b"contact")
        self.assertEqual(node.end()["contacts"], 10)

    def test_contact_goes_to_those_who_have_just_answered(self):
        """At most a minute ago, in which at most twice sixty were asked; most of the two hundred were not."""
        peers, asked, end = self.circle(*("127.4.%d.1" % n for n in range(200))), [], time.monotonic() + PATIENCE
        node = self.node("--contact-port", "6881", "--silence", "100", "--speed", "100", "--no-p")
        while len(set(asked)) < 200 and time.monotonic() < end:
            for p in set(peers) - set(asked):
                node.send(p, query("ping", "aa", p.id))
            asked += [p for p, m in self.play(node, peers, lambda seen: False, 0.3) if m[b"y"] == b"q"]
        seen = self.play(node, peers, lambda seen: len(self.contacts(seen)) >= 10)
        for p, m in seen:
            if m.get(b"q") == b"contact":
                self.assertLess(asked[::-1].index(p), 130)
            asked.append(p)
        self.assertEqual(node.end()["contacts"], 10)

    def test_ten_minutes_later(self):
        """At this speed 1.2 s: contact goes to the rest of the nodes, and to none twice."""
        peers = self.circle(*("127.%d.0.1" % (n + 1) for n in range(12)))
        node = self.node("--contact-port", "6881", "--silence", "60", "--speed", "500")
        for p in peers:
            node.ask(p, "ping")
        seen = self.play(node, peers, lambda seen: self.contacts(seen))
        begun = time.monotonic()
        seen += self.play(node, peers, lambda seen: len(self.contacts(seen)) >= 10)
        self.assertGreaterEqual(time.monotonic() - begun, 1)
        seen += self.play(node, peers, lambda seen: len(self.contacts(seen)) >= 1)
        seen += self.play(node, peers, lambda seen: False, 2)
        self.assertEqual(len({p.id for p, _ in self.contacts(seen)}), 12)
        self.assertEqual(node.end()["contacts"], 12)

    def test_contact_off(self):
        peers = self.circle(*("127.%d.0.1" % n for n in range(1, 6)))
        node = self.node("--contact-port", "6881", "--silence", "10", "--no-contact", "--speed", "20", boot=peers)
        self.assertTrue(self.says_p(self.play(node, peers, self.says_p)))
        self.assertEqual(node.end()["contacts"], 0)

    def test_after_a_minute_a_mapping_is_gone(self):
        """0.6 s here: who asks again before came by what our own query opened, who asks later did not."""
        node, peer = self.node("--speed", "100"), Peer("127.1.0.1")
        for wait in 0, 0.2, 1:
            time.sleep(wait)
            node.ask(peer, "ping")
        self.assertEqual(node.end()["unsolicited"], 2)

    def test_a_node_of_the_table(self):
        """Such a one is asked again and again, so its queries prove nothing, but those from another port do."""
        node, peer = self.node("--speed", "20"), Peer("127.1.0.1")
        node.ask(peer, "ping")
        self.play(node, [peer], lambda seen: len(seen) >= 3)
        node.ask(peer, "ping")
        self.assertEqual(node.ask(Peer("127.9.0.1"), "find_node", target=peer.id)[b"r"][b"nodes"],
                         peer.id + compact((peer.ip, peer.port)))
        node.ask(Peer("127.1.0.1"), "ping", top={"ro": 1})
        self.assertEqual(node.end()["unsolicited"], 3)

    def test_fifty_nodes(self):
        """Whoever is named first is asked first. In a minute about a third gets nothing, but all are in the table."""
        boot, peers, target = Peer("127.1.0.1"), self.circle(*("127.2.%d.1" % n for n in range(50))), node_id("target")
        node, named = self.node("--speed", "100", boot=[boot]), b"".join(p.id + compact((p.ip, p.port)) for p in peers)
        node.send(boot, response(first_query(boot)[b"t"], boot.id, nodes=named))
        nobody = b"".join(node_id("x%d" % n) + compact(("127.3.0.1", 9)) for n in range(50))
        self.play(node, [boot] + peers, lambda seen: False, 2.5, nodes=nobody)
        for p in peers:
            node.send(p, query("ping", "aa", p.id))
        for p in peers:
            node.answer(p)
        got = node.ask(peers[0], "find_node", target=target)[b"r"][b"nodes"]
        distance = lambda x: int.from_bytes(x, "big") ^ int.from_bytes(target, "big")  # noqa: E731
        self.assertEqual([got[n:n + 20] for n in range(0, len(got), 26)], sorted((p.id for p in [boot] + peers), key=distance)[:8])
        self.assertEqual(node.end()["unsolicited"], 0)

    def test_somebody_asks_by_himself(self):
        """A query from where nothing was sent to ends the silence; those of whom we have asked do not count."""
        for solicited in False, True:
            peers = self.circle(*("127.%d.0.1" % n for n in range(1, 6)))
            node = self.node("--contact-port", "6881", "--silence", "40", "--no-p", "--speed", "20", boot=peers)
            seen, end, n = [], time.monotonic() + 5, 0
            while time.monotonic() < end and not self.contacts(seen):
                seen += self.play(node, peers, lambda seen: False, 0.2)
                asking = peers[0] if solicited else Peer("127.50.%d.1" % (n % 250), "asking")
                node.send(asking, query("ping", "qq", asking.id, top={"ro": 1}))
                n += 1
            self.assertEqual(bool(self.contacts(seen)), solicited)
            node.end()


class Ipv6Networks(Case):
    """In a namespace of its own the loopback network has addresses of several networks."""

    @unittest.skipIf("IN_NAMESPACE" in os.environ, "that is the test below")
    def test_in_a_namespace(self):
        enter = ["unshare", "--user", "--map-root-user", "--net", "sh", "-ec", """
            ip link set lo up
            for a in ff::1 0:1::1 0:1::2 0:2::1 0:3::1 1::1 2::1; do ip addr add 2001:db8:$a/128 dev lo nodad; done
            exec "$@" """, "sh"]
        try:
            subprocess.run([*enter, "true"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("no namespaces here")
        done = subprocess.run([*enter, sys.executable, __file__, "Ipv6Networks"], env=dict(os.environ, IN_NAMESPACE="1"),
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Ran 3 tests", done.stderr)

    @unittest.skipUnless("IN_NAMESPACE" in os.environ, "by the test above")
    def test_one_ping_for_a_network_of_64_bits(self):
        node = self.node(ip="2001:db8:ff::1")
        for a in "0:1::1", "0:1::2", "0:2::1":
            node.ask(Peer("2001:db8:" + a), "ping", top={"p": 6881})
        self.assertEqual(node.end()["tried"], 2)

    @unittest.skipUnless("IN_NAMESPACE" in os.environ, "by the test above")
    def test_a_vote_for_a_network_of_48_bits(self):
        for enough, addresses in (False, ("0:1::1", "0:2::1", "0:3::1", "1::1")), (True, ("0:1::1", "1::1", "2::1")):
            peers = [Peer("2001:db8:" + a) for a in addresses]
            node = self.node("--contact-port", "6881", "--speed", "20", boot=peers, ip="2001:db8:ff::1")
            self.play(node, peers, lambda seen: len(seen) >= 40, ip=compact(("2001:db8::1", 40001)))
            self.assertEqual(b"p" in node.ask(peers[0], "ping"), enough)
            node.end()


class Hostile(Case):
    def test_mutations(self):
        seed = random.Random(42)
        node, peer = self.node("--contact-port", "6881", "--speed", "5"), Peer("127.1.0.1")
        ids, place = node_id("torrent"), compact((peer.ip, peer.port))
        stock = [query("ping", "aa", peer.id, top={"p": peer.port}), query("find_node", "aa", peer.id, target=ids),
                 query("get_peers", "aa", peer.id, info_hash=ids), query("contact", "aa", peer.id, port=6881),
                 query("announce_peer", "aa", peer.id, info_hash=ids, port=6881, token=b"x" * 8, implied_port=1),
                 response("aa", peer.id, nodes=peer.id + place, values=[place], p=6881, token="t", top={"ip": place, "p": 6881}),
                 error("aa", 203, "no", top={"p": 6881}), bencode({"y": "q"}), b"", b"d", b"de", b"d1:ad2:id20:"]
        for n in range(6000):
            data = bytearray(seed.choice(stock))
            for _ in range(seed.choice((0, 1, 1, 2, 5))):
                at = seed.randrange(len(data) + 1)
                how = seed.randrange(4)
                if how == 0:
                    data[at:at] = seed.choice((b"i-1e", b"9:", b"d", b"l", b"e", b"0", b"i99999999999999999999e", seed.randbytes(3)))
                elif how == 1:
                    del data[at:at + seed.randrange(8)]
                elif how == 2 and at < len(data):
                    data[at] = seed.randrange(256)
                else:
                    data[at:] = data[at:at + 10] * seed.randrange(60)
            node.send(peer, bytes(data[:1400]) if n % 10 else seed.randbytes(seed.randrange(1400)))
            while (got := peer.get(0.02 if n % 100 == 0 else 0)) is not None:  # its own questions: the stock answers them, too
                if got[0][b"y"] == b"q":
                    t = got[0][b"t"]
                    stock[5] = response(t, peer.id, nodes=peer.id + place, values=[place], p=6881, top={"ip": place, "p": 6881})
                    stock[6] = error(t, 203, "no", top={"p": 6881})
        self.assertIn(b"r", node.ask(peer, "ping", t="end"))
        print("mutations: %s" % node.end(), file=sys.stderr)

    def test_full_tables(self):
        """More nodes and peers than it keeps."""
        node, peers = self.node("--speed", "100"), [Peer("127.7.1.%d" % (n % 200 + 1), "n%d" % n) for n in range(280)]
        asked, end = set(), time.monotonic() + PATIENCE
        while len(asked) < 275 and time.monotonic() < end:
            for p in peers:
                if p.id not in asked:
                    node.send(p, query("ping", "aa", p.id))
            asked |= {p.id for p, m in self.play(node, peers, lambda seen: False, 0.3) if m[b"y"] == b"q"}
        token = node.ask(peers[0], "get_peers", info_hash=node_id("torrent"))[b"r"][b"token"]
        for n in range(100):
            self.assertIn(b"r", node.ask(peers[0], "announce_peer", info_hash=node_id("torrent"), port=1000 + n, token=token))
        got = node.ask(peers[0], "get_peers", info_hash=node_id("torrent"))[b"r"]
        self.assertEqual(len(got[b"values"]), 32)
        self.assertEqual(len(got[b"nodes"]), 8 * 26)
        self.assertEqual(node.end()["nodes"], 256)


class Options(Case):
    def test_usage(self):
        good = ["--bind", "127.0.0.1:1", "--boot", "127.0.0.1:2"]
        for bad in ([], good[:2], good[2:], good + ["--what"], good + ["x"], good + ["--contact-port"], good + ["--contact-port", "x"],
                    good + ["--contact-port", "65536"], good + ["--contact-port", "-1"], good + ["--speed", "0"],
                    ["--bind", "127.0.0.1", *good[2:]], ["--bind", "[::1:1", *good[2:]], ["--bind", "::1:1", *good[2:]],
                    ["--bind", "127.0.0.1:0", *good[2:]], ["--bind", "127.0.0.1:65536", *good[2:]],
                    [*good[:2], "--boot", "127.0.0.1:2,"], good[:2] + good[2:] * 9):
            done = subprocess.run([PROGRAM, *bad], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 2, bad)
            self.assertIn("usage:", done.stderr, bad)

    def test_taken_port(self):
        peer = Peer("127.1.0.1")
        done = subprocess.run([PROGRAM, "--bind", "127.1.0.1:%d" % peer.port, "--boot", "127.0.0.1:2"], stderr=subprocess.PIPE,
                              text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, "bind" in done.stderr), (2, True))


if __name__ == "__main__":
    unittest.main()
