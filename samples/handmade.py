#!/usr/bin/env python3
"""handmade.py: the samples that no client sends. Run it to write them beside this file, or into a folder.

    samples/handmade.py [FOLDER]

Each function makes one capture; its docstring is the capture's comment. SPDX-License-Identifier: MIT
"""
import hashlib
import pathlib
import struct
import sys

from packets import (Capture, Raw, bencode, bep42_id, compact, error, node_id, query, response, tcp_packet, udp_packet,
                     unreachable)

ALICE = ("203.0.113.5", 6881)
BOB = ("198.51.100.7", 6881)
CAROL = ("192.0.2.9", 51413)
ALICE6 = ("2001:db8:a::5", 6881)
BOB6 = ("2001:db8:b::7", 6881)
A, B, C = node_id("alice"), node_id("bob"), node_id("carol")
TORRENT = node_id("torrent")
SAMPLES = {}


def sample(make):
    """Registers make(capture): its name, with hyphens, is the file's, its docstring the comment."""
    SAMPLES[make.__name__.replace("_", "-")] = make
    return make


def exchange(c, src, dst, question, answer, after=0.2):
    c.udp(src, dst, question, after)
    c.udp(dst, src, answer, 0.03)


@sample
def bep5(c):
    """The example packets of BEP 5, in order. Three have a nodes string of 9 bytes, which is no multiple of 26, one
    has an error in place of an answer; ids are text. Nothing here says anything about a NAT."""
    ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
    pong = b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"
    exchange(c, ALICE, BOB, ping, pong)
    exchange(c, ALICE, BOB, b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
             b"d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...e1:t2:aa1:y1:re")
    peers = b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe"
    exchange(c, ALICE, BOB, peers,
             b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re")
    exchange(c, ALICE, BOB, peers, b"d1:rd2:id20:abcdefghij01234567895:nodes9:def456...5:token8:aoeusnthe1:t2:aa1:y1:re")
    exchange(c, ALICE, BOB,
             b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e"
             b"5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe", pong)
    exchange(c, ALICE, BOB, ping, b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee")


@sample
def proposal_p(c):
    """The top-level key p of the 2007 post. Alice is behind a NAT that turns her port 6881 into 40865; 6881 is forwarded.
    Bob honours p: his query goes to 6881 and is answered. Carol ignores it: hers goes to 40865 and nobody answers.
    Frames 1, 2: p in a query and in a response. Frame 5: honoured. Frame 7: not honoured."""
    mangled = (ALICE[0], 40865)
    exchange(c, mangled, BOB, query("ping", "a1", A, top={"p": 6881}),
             response("a1", B, top={"p": 6881, "ip": compact(mangled)}))
    exchange(c, mangled, CAROL, query("ping", "a2", A, top={"p": 6881}), response("a2", C, version=b"UT\xa8\xc1"))
    exchange(c, BOB, ALICE, query("find_node", "b1", B, target=A), response("b1", A, nodes=C + compact(CAROL)), 5)
    c.udp(CAROL, mangled, query("ping", "c1", C, version=b"UT\xa8\xc1"), 2)


@sample
def proposal_contact(c):
    """The contact query of the 2007 post. Frame 1: Alice, seen on port 40865, asks Bob to try 6881. Frame 2: his ping to
    6881; frame 3: her answer. Frame 4: the same to Carol, who does not know the query: error 204. Frame 6: a port that
    cannot be."""
    mangled = (ALICE[0], 40865)
    c.udp(mangled, BOB, query("contact", "a1", A, port=6881), 0.1)
    c.udp(BOB, ALICE, query("ping", "b1", B), 0.04)
    c.udp(ALICE, BOB, response("b1", A), 0.03)
    exchange(c, mangled, CAROL, query("contact", "a2", A, port=6881), error("a2", 204, "Unknown query type."))
    c.udp(mangled, BOB, query("contact", "a3", A, port=70000), 1)


@sample
def key_order(c):
    """Complete messages that begin otherwise than detectors expect: with p, c, t, q, v, y or ro. Frames 3 to 7 are not
    sorted, which bencode demands; Wireshark's own dissector and Suricata take none of these frames for DHT."""
    c.udp(ALICE, BOB, bencode({"p": 6881, "r": {"id": A}, "t": "p1", "y": "r"}))
    c.udp(ALICE, BOB, bencode({"c": node_id("topic"), "q": "ping", "a": {"id": A}, "t": "c1", "y": "q"})[:-1] + b"e")
    for first in ("t", "q", "v", "y", "ro"):
        message = {"t": first + "1", "q": "ping", "v": b"LT\x01\x02", "y": "q", "ro": 1, "a": {"id": A}}
        message = {first: message[first], **message}
        c.udp(ALICE, BOB, bencode(message, sort=False))


@sample
def text_that_looks_like_bencode(c):
    """UDP payloads that begin with d and a digit and are not DHT. None of them may be taken for it."""
    for text in (b"d2:ipsum dolor sit amet", b"d1:a", b"d8:intervali1800e5:peers0:e", b"d4:spam4:eggse", b"d1:yi1ee",
                 b"d3:foo3:bare", b"d1:y1:qe", b"d20:aaaaaaaaaaaaaaaaaaaai1ee", b"d100:zzz", b"d0:0:e"):
        c.udp(("192.0.2.77", 40000), ("192.0.2.78", 40001), text)


MALFORMED = [
    ("cut in the middle of the id", b"d1:ad2:id20:abcdefghij012345"),
    ("cut before the last e", b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:q"),
    ("a length that nothing can hold", b"d1:ad2:id99999999999:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"),
    ("a byte that begins no token", b"d1:ad2:id20:abcdefghij0123456789ex1:q4:ping1:t2:aa1:y1:qe"),
    ("an integer with a leading zero", query("announce_peer", "m1", A, info_hash=TORRENT, port=Raw("i06881e"), token="tok")),
    ("minus zero", query("announce_peer", "m2", A, info_hash=TORRENT, port=Raw("i-0e"), token="tok")),
    ("an integer of more than 64 bits", query("put", "m3", A, seq=Raw("i99999999999999999999e"), v="x", token="tok")),
    ("an integer without digits", query("announce_peer", "m4", A, info_hash=TORRENT, port=Raw("ie"), token="tok")),
    ("an integer with letters", query("announce_peer", "m5", A, info_hash=TORRENT, port=Raw("i68x1e"), token="tok")),
    ("a length with a leading zero", Raw(b"d1:ad2:id020:abcdefghij0123456789e1:q4:ping1:t2:m61:y1:qe").data),
    ("keys out of order", b"d1:ad2:id20:abcdefghij0123456789e1:t2:m71:q4:ping1:y1:qe"),
    ("a key twice", b"d1:ad2:id20:abcdefghij01234567892:id20:zzzzzzzzzzzzzzzzzzzze1:q4:ping1:t2:m81:y1:qe"),
    ("a key that is an integer", b"d1:ad2:id20:abcdefghij0123456789i5e1:xe1:q4:ping1:t2:m91:y1:qe"),
    ("an empty key", b"d1:ad0:1:x2:id20:abcdefghij0123456789e1:q4:ping1:t3:m101:y1:qe"),
    ("a key without a value", b"d1:rd6:abcdefe1:t3:m111:v4:TR%=1:y1:re"),
    ("eleven lists in one another", query("put", "m12", A, v=Raw("l" * 11 + "e" * 11), token="tok")),
    ("six hundred tokens", query("put", "m13", A, v=[1] * 600, token="tok")),
    ("bytes behind the end", query("ping", "m14", A) + b"GARBAGE"),
    ("padding behind the end", query("ping", "m15", A) + b"\r\n\0\0"),
    ("no y", bencode({"a": {"id": A}, "q": "ping", "t": "m16"})),
    ("y is x", bencode({"a": {"id": A}, "q": "ping", "t": "m17", "y": "x"})),
    ("no t", bencode({"a": {"id": A}, "q": "ping", "y": "q"})),
    ("t of 40 bytes", query("ping", "t" * 40, A)),
    ("no q", bencode({"a": {"id": A}, "t": "m19", "y": "q"})),
    ("no arguments", bencode({"q": "ping", "t": "m20", "y": "q"})),
    ("an error that carries results too", bencode({"e": [201, "no"], "r": {"id": A}, "t": "m21", "y": "e"})),
    ("an unknown query", query("hello", "m22", A, target=TORRENT)),
    ("an unknown key", query("ping", "m23", A, top={"zz": "unheard of"})),
    ("an id that is a number", bencode({"a": {"id": 5}, "q": "ping", "t": "m24", "y": "q"})),
    ("an id of 19 bytes", query("ping", "m25", A[:19])),
    ("no id", bencode({"a": {}, "q": "ping", "t": "m26", "y": "q"})),
    ("an id of zeros", query("ping", "m27", bytes(20))),
    ("get_peers without its info-hash", query("get_peers", "m28", A)),
    ("a version that is none", query("ping", "m29", A, version=b".B.{")),
    ("implied_port 2", query("announce_peer", "m30", A, info_hash=TORRENT, port=6881, token="tok", implied_port=2)),
    ("port 0", query("announce_peer", "m31", A, info_hash=TORRENT, port=0, token="tok")),
    ("port -1", query("announce_peer", "m32", A, info_hash=TORRENT, port=-1, token="tok")),
    ("port 70000", query("announce_peer", "m33", A, info_hash=TORRENT, port=70000, token="tok")),
    ("port 1", query("announce_peer", "m34", A, info_hash=TORRENT, port=1, token="tok")),
    ("an error that is a string", bencode({"e": "go away", "t": "m35", "y": "e"})),
    ("an error whose code is a string", bencode({"e": ["201", "no"], "t": "m36", "y": "e"})),
    ("nodes of 27 bytes", response("m37", A, nodes=C + compact(CAROL) + b"x")),
    ("a peer of 5 bytes", response("m38", A, token="tok", values=[compact(CAROL), b"12345"])),
    ("peers joined into one string", response("m39", A, token="tok", values=[compact(CAROL) + compact(BOB)])),
    ("an id beside the body", error("m40", 201, "no", top={"id": A})),
    ("ro inside the arguments", query("ping", "m41", A, ro=1)),
    ("ro in a response", response("m42", A, top={"ro": 1})),
    ("ip inside the results", response("m43", A, ip=b"\xcb\x00\x71\x05")),
    ("ip in a query", query("ping", "m44", A, top={"ip": compact(BOB)})),
    ("ip without its port", response("m45", A, top={"ip": b"\xc6\x33\x64\x07"})),
    ("r.p and ip disagree", response("m46", A, top={"ip": compact(BOB)}, p=6882)),
    ("nodes2", response("m47", A, nodes2=[C + compact(CAROL)])),
    ("BFse for BFsd", response("m48", A, BFse=bytes(256), BFpe=bytes(256))),
    ("more than 1024 bytes", query("put", "m49", A, token="tok", v="x" * 990, salt="s" * 60)),
]


@sample
def malformed(c):
    """One deviation a frame; each frame's comment names it. Alice and Bob have spoken good DHT in frames 1 and 2, so that
    what is broken beyond recognition is known to be theirs."""
    exchange(c, ALICE, BOB, query("ping", "ok", A), response("ok", B))
    for what, payload in MALFORMED:
        c.udp(ALICE, BOB, payload, 0.01, comment=what)


@sample
def snapped(c):
    """A capture with a snap length of 96 bytes: the ends of messages are not there. That is not malformed, and nothing
    that their missing parts could settle is reported."""
    c.udp(ALICE, BOB, query("get_peers", "s1", A, info_hash=TORRENT), snap=96)
    c.udp(BOB, ALICE, response("s1", B, token="t" * 20, nodes=(C + compact(CAROL)) * 8), 0.03, snap=96)
    c.udp(ALICE, BOB, query("ping", "s2", A), snap=96)


@sample
def errors(c):
    """Every error code of BEP 5 and BEP 44, two that programs made up, and the query that led to each."""
    codes = [(201, "Generic Error"), (202, "Server Error"), (203, "Bad token"), (204, "Method Unknown"),
             (205, "message (v field) too big."), (206, "invalid signature"), (207, "salt (salt field) too big."),
             (301, "the CAS hash mismatched, re-read value and try again."), (302, "sequence number less than current."),
             (400, "verification not supported"), (999, "out of cheese")]
    for n, (code, text) in enumerate(codes):
        t = b"e%d" % n
        exchange(c, ALICE, BOB, query("announce_peer", t, A, info_hash=TORRENT, port=6881, token="tok"),
                 error(t, code, text))


def bloom(addresses):
    """BEP 33: a filter of 256 bytes."""
    bits = bytearray(256)
    for packed in addresses:
        digest = hashlib.sha1(packed).digest()
        for index in (digest[0] | digest[1] << 8, digest[2] | digest[3] << 8):
            index %= 2048
            bits[index // 8] |= 1 << index % 8
    return bytes(bits)


@sample
def bep33_scrape(c):
    """BEP 33: get_peers with scrape, answered with two bloom filters. The first holds the addresses of the BEP's own
    vector (192.0.2.0 to .255 and 2001:db8:: to 2001:db8::3e7): 1224.93 peers. An announce with seed. The last response
    has filters that nobody asked for."""
    first = [bytes([192, 0, 2, i]) for i in range(256)]
    first += [bytes.fromhex("20010db8") + bytes(10) + struct.pack("!H", i) for i in range(0x3E8)]
    exchange(c, ALICE, BOB, query("get_peers", "s1", A, info_hash=TORRENT, scrape=1, noseed=1),
             response("s1", B, token="tok", BFpe=bloom(first), BFsd=bloom(first[:10]), values=[compact(CAROL)]))
    exchange(c, ALICE, BOB, query("announce_peer", "s2", A, info_hash=TORRENT, port=6881, token="tok", seed=1),
             response("s2", B))
    exchange(c, ALICE, BOB, query("get_peers", "s3", A, info_hash=TORRENT),
             response("s3", B, token="tok", BFpe=bytes(256), BFsd=bytes(256), nodes=C + compact(CAROL)))


@sample
def bep42_ids(c):
    """BEP 42: the ids in frames 1, 2, 4, 5 and 6 fit their addresses, the one in frame 3 does not. ip tells Alice her own
    endpoint: 6 bytes, and 18 over IPv6."""
    good_a, good_b = bep42_id(ALICE[0], 1, "a"), bep42_id(BOB[0], 86, "b")
    exchange(c, ALICE, BOB, query("ping", "i1", good_a), response("i1", good_b, top={"ip": compact(ALICE)}))
    exchange(c, CAROL, BOB, query("ping", "i2", C), response("i2", good_b, top={"ip": compact(CAROL)}))
    good_a6, good_b6 = bep42_id(ALICE6[0], 3, "a6"), bep42_id(BOB6[0], 4, "b6")
    exchange(c, ALICE6, BOB6, query("ping", "i3", good_a6), response("i3", good_b6, top={"ip": compact(ALICE6)}))


@sample
def bep44_items(c):
    """BEP 44 with its published vectors: an immutable item, a mutable one, one with a salt. Frame 9's signature is wrong by
    one bit, and so is refused with 206; frame 11 is a put with a key but no signature, frame 13 one of 1001 bytes."""
    key = bytes.fromhex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
    sig1 = bytes.fromhex("305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
                         "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01")
    sig2 = bytes.fromhex("6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
                         "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08")
    immutable = bytes.fromhex("e5f96f6f38320f0f33959cb4d3d656452117aadb")
    mutable = bytes.fromhex("4a533d47ec9c7d95b1ad75f576cffc641853b750")
    salted = bytes.fromhex("411eba73b6f087ca51a3795d9c8c938d365e32c1")
    text = "Hello World!"
    nodes = C + compact(CAROL)
    exchange(c, ALICE, BOB, query("get", "g1", A, target=immutable), response("g1", B, token="tok", nodes=nodes, v=text))
    exchange(c, ALICE, BOB, query("get", "g2", A, target=mutable),
             response("g2", B, token="tok", nodes=nodes, v=text, k=key, seq=1, sig=sig1))
    exchange(c, ALICE, BOB, query("get", "g3", A, target=salted), response("g3", B, token="tok", nodes=nodes))
    exchange(c, ALICE, BOB, query("put", "p1", A, token="tok", v=text, k=key, seq=1, sig=sig2, salt="foobar", cas=0),
             response("p1", B))
    broken = bytes([sig1[0] ^ 1]) + sig1[1:]
    exchange(c, ALICE, BOB, query("put", "p2", A, token="tok", v=text, k=key, seq=1, sig=broken),
             error("p2", 206, "invalid signature"))
    exchange(c, ALICE, BOB, query("put", "p3", A, token="tok", v=text, k=key, seq=2), error("p3", 203, "missing sig"))
    exchange(c, ALICE, BOB, query("put", "p4", A, token="tok", v="x" * 997), error("p4", 205, "too big"))


@sample
def bep51_samples(c):
    """BEP 51: sample_infohashes with three samples, then with none (samples is there, and empty), then faults: 21 bytes,
    more samples than num."""
    nodes = C + compact(CAROL)
    three = b"".join(node_id("t%d" % i) for i in range(3))
    for t, results in (("x1", {"interval": 3600, "num": 120, "samples": three}),
                       ("x2", {"interval": 21600, "num": 0, "samples": b""}),
                       ("x3", {"interval": 3600, "num": 9, "samples": three[:21]}),
                       ("x4", {"interval": 3600, "num": 2, "samples": three}),
                       ("x5", {"interval": 3600, "num": 2})):
        exchange(c, ALICE, BOB, query("sample_infohashes", t, A, target=TORRENT), response(t, B, nodes=nodes, **results))


@sample
def utorrent_extras(c):
    """What only uTorrent does: vote (frames 1, 2), punch (frame 3: Bob asks Alice to open a hole for Carol) and the two
    bytes de that follow it (frame 4); and BEP 50's topic key, where get_peers is prohibited (frame 6)."""
    ut = b"UT\xab\x14"
    exchange(c, BOB, ALICE, query("vote", "v1", B, version=ut, target=TORRENT, token="tok", vote=4),
             response("v1", A, v=[1, 0, 2, 9, 4]))
    c.udp(BOB, ALICE, query("punch", "....", B, version=ut, ip=compact(CAROL)))
    c.udp(ALICE, CAROL, b"de", 0.02)
    topic = node_id("topic")
    c.udp(ALICE, BOB, query("ping", "c1", A, top={"c": topic}))
    c.udp(ALICE, BOB, query("get_peers", "c2", A, top={"c": topic}, info_hash=TORRENT))


@sample
def ipv6(c):
    """BEP 32 over IPv6: want, nodes6, peers of 18 bytes, ip of 18 bytes. Frame 4 tells Alice that her port is seen as
    40865: there are NATs for IPv6 too."""
    nodes6 = C + compact(("2001:db8:c::9", 51413))
    exchange(c, ALICE6, BOB6, query("find_node", "n1", A, target=TORRENT, want=["n4", "n6"]),
             response("n1", B, nodes=C + compact(CAROL), nodes6=nodes6, top={"ip": compact(ALICE6)}))
    exchange(c, ALICE6, BOB6, query("get_peers", "n2", A, info_hash=TORRENT),
             response("n2", B, token="tok", values=[compact(("2001:db8:d::1", 6881))], nodes6=nodes6,
                      top={"ip": compact((ALICE6[0], 40865))}, p=40865))
    exchange(c, ALICE6, BOB6, query("announce_peer", "n3", A, info_hash=TORRENT, port=6881, token="tok", implied_port=1),
             response("n3", B))


@sample
def swapped_values(c):
    """rTorrent's byte-swapped peers. Alice announces port 6881 (frame 3); Bob hands it on as 57626 (frame 6), which is
    6881 with its two bytes swapped."""
    rt = b"lt\x0d\x80"
    exchange(c, ALICE, BOB, query("get_peers", "w1", A, info_hash=TORRENT), response("w1", B, version=rt, token="tokentok"))
    exchange(c, ALICE, BOB, query("announce_peer", "w2", A, info_hash=TORRENT, port=6881, token="tokentok"),
             response("w2", B, version=rt))
    exchange(c, CAROL, BOB, query("get_peers", "w3", C, info_hash=TORRENT),
             response("w3", B, version=rt, token="tokenton", values=[compact((ALICE[0], 57626))]))


@sample
def token_broken(c):
    """A token broken by remapping. Frame 2 gives Alice a token while she is seen on port 40001; her NAT forgets the mapping
    and picks 40002; the announce in frame 3 carries the same token and is refused with 203 in frame 4: uTorrent, jech/dht,
    aria2 and mlDHT bind tokens to address and port."""
    before, after = (ALICE[0], 40001), (ALICE[0], 40002)
    a2 = b"A2\x00\x03"
    exchange(c, before, BOB, query("get_peers", "k1", A, info_hash=TORRENT),
             response("k1", B, version=a2, token=b"T" * 20, nodes=C + compact(CAROL)))
    exchange(c, after, BOB, query("announce_peer", "k2", A, info_hash=TORRENT, port=6881, token=b"T" * 20),
             error("k2", 203, "Announce_peer with wrong token", version=a2), 150)


@sample
def other_port(c):
    """Replies that come from elsewhere: frame 2 from another port than frame 1 was sent to, frame 4 from another address.
    Frame 5 asks once more what frame 3 asked; frame 7 answers nothing."""
    c.udp(ALICE, BOB, query("ping", "o1", A))
    c.udp((BOB[0], 40865), ALICE, response("o1", B), 0.03)
    question = query("ping", "o2", A)
    c.udp(ALICE, BOB, question)
    c.udp(("198.51.100.8", 6881), ALICE, response("o2", B), 0.03)
    c.udp(ALICE, BOB, question, 2)
    c.udp(BOB, ALICE, response("o2", B), 0.03)
    c.udp(BOB, ALICE, response("zz", B), 20)


@sample
def made_ids(c):
    """Ids that were made. Frames 1 to 8: eight hosts of one /24 whose ids begin alike, near a torrent's info-hash; the
    eighth completes the evidence. Frames 9 to 16: eight ids on one port, one after the other. Frames 17 to 23: seven more
    hosts whose ids share 28 bits, which is not enough."""
    def ping(address, number, near):
        c.udp(address, BOB, query("ping", "i%x" % number, near + bytes([number]) * (20 - len(near))), 2)
    for number in range(8):
        ping(("203.0.113.%d" % (40 + number), 6881), number, TORRENT[:4])
    for number in range(8):
        c.udp(ALICE, BOB, query("ping", "j%x" % number, node_id("one after the other %d" % number)), 20)
    for number in range(7):
        ping(("192.0.2.%d" % (40 + number), 6881), number, A[:4])


@sample
def carrier(c):
    """Five hosts at home behind a carrier's NAT, as the wire between the two NATs shows them: 100.64.7.2 is a carrier's
    address, and each is seen by two nodes on another port of one block, 20000 to 20999. Frame 2 names the carrier for the
    first host, frame 18 completes the block."""
    version = b"LT\x02\x0b"
    for number, port in enumerate((20311, 20907, 20004, 20566, 20420)):
        inside, outside = ("100.64.7.2", 1025 + number), ("203.0.113.77", port)
        for other, name in ((BOB, B), (CAROL, C)):
            transaction = "c%d%s" % (number, other[0][0])
            exchange(c, inside, other, query("find_node", transaction, node_id("home %d" % number), target=TORRENT),
                     response(transaction, name, version=version, nodes=C + compact(CAROL), top={"ip": compact(outside)}))


@sample
def quoted_in_icmp(c):
    """A query to a port where nobody listens, and the ICMP port unreachable that quotes it. The quoted query is not a
    message of its own. Frame 3: host unreachable, of the same kind."""
    packet = udp_packet(ALICE, BOB, query("ping", "u1", A))
    c.add(packet)
    c.add(unreachable(BOB[0], packet), 0.02)
    c.add(unreachable("203.0.113.1", udp_packet(ALICE, CAROL, query("get_peers", "u2", A, info_hash=TORRENT)), code=1))


def handshake(reserved, peer_id):
    return b"\x13BitTorrent protocol" + reserved + TORRENT + peer_id


def message(number, payload=b""):
    return struct.pack("!IB", 1 + len(payload), number) + payload


@sample
def peer_wire(c):
    """The peer wire over TCP: handshakes with the DHT bit, extension handshakes with p, yourip, ipv4, ipv6, PORT messages,
    ut_pex and ut_holepunch. Alice's PORT says 6881, which is where her DHT node is seen in frame 1. The last frames hold a
    PORT of 4 bytes and one split over two segments."""
    alice, bob = (ALICE[0], 51000), (BOB[0], 6890)
    exchange(c, ALICE, BOB, query("ping", "p1", A), response("p1", B, top={"ip": compact(ALICE)}))
    c.tcp_open(alice, bob)
    bits = bytes([0, 0, 0, 0, 0, 0x10, 0, 0x05])
    c.tcp(alice, bob, handshake(bits, b"-LT20B0-alicealice12"))
    c.tcp(bob, alice, handshake(bits, b"-TR3000-bobbobbobbob"))
    extensions = {"m": {"ut_pex": 1, "ut_holepunch": 4}, "v": "libtorrent/2.0.11", "p": 6881, "reqq": 500,
                  "yourip": b"\xc6\x33\x64\x07", "ipv6": bytes.fromhex("20010db8000a0000000000000000") + b"\0\5"}
    c.tcp(alice, bob, message(20, b"\0" + bencode(extensions)))
    c.tcp(bob, alice, message(20, b"\0" + bencode({"m": {"ut_pex": 2}, "v": "Transmission 3.00", "p": 6890, "reqq": 512,
                                                  "yourip": b"\xcb\x00\x71\x05", "ipv4": b"\xc6\x33\x64\x07"})))
    c.tcp(alice, bob, message(9, struct.pack("!H", 6881)))
    c.tcp(bob, alice, message(9, struct.pack("!H", 6890)))
    c.tcp(alice, bob, message(20, b"\2" + bencode({"added": compact(CAROL), "added.f": b"\x12", "dropped": b""})))
    c.tcp(bob, alice, message(20, b"\4" + struct.pack("!BB4sHI", 1, 0, b"\xc0\x00\x02\x09", 51413, 0)))
    c.tcp(alice, bob, message(9, b"\x1a\xe1\x00"), comment="PORT with three bytes of payload instead of two")
    port = message(9, struct.pack("!H", 6881))
    c.tcp(bob, alice, port[:4])
    c.tcp(bob, alice, port[4:], comment="the rest of a PORT message")


def stun():
    return struct.pack("!HHI", 1, 0, 0x2112A442) + b"abcdefghijkl"


@sample
def other_protocols(c):
    """What shares the network with DHT and must not be taken for it: DNS, uTP, STUN, QUIC, Teredo, NTP, SIP, RTP, and the
    UDP tracker protocol (whose announce in frame 12 carries a port, which is shown)."""
    here, there = ("203.0.113.20", 40000), "198.51.100.20"
    dns = b"\x64\x31\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
    c.udp(here, (there, 53), dns)
    utp = struct.pack("!BBHIIIHH", 0x41, 0, 25700, 1, 0, 65536, 1, 0)
    c.udp(here, (there, 6881), utp)
    c.udp(here, (there, 3478), stun())
    c.udp(here, (there, 443), b"\xc3\x00\x00\x00\x01\x08" + b"d1:ad2:i" + b"\x00" * 1180)
    inner = bytes.fromhex("6000000000143b40") + bytes(32) + bytes(20)
    c.udp(here, (there, 3544), inner)
    c.udp((here[0], 123), (there, 123), b"\x23\x02\x06\xe8" + bytes(44))
    c.udp((here[0], 5060), (there, 5060), b"OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n")
    c.udp(here, (there, 16384), b"\x80\x00\x64\x31" + bytes(8) + b"d1:rd" + bytes(155))
    connect = struct.pack("!QII", 0x41727101980, 0, 0x64313A61)
    c.udp(here, (there, 6969), connect)
    c.udp((there, 6969), here, struct.pack("!IIQ", 0, 0x64313A61, 0x64313A6164323A69), 0.03)
    c.udp(here, (there, 6969), struct.pack("!QII", 0x64313A6164323A69, 2, 7) + TORRENT)
    c.udp(here, (there, 6969), struct.pack("!QII20s20sQQQIIIiH", 0x64313A6164323A69, 1, 8, TORRENT, b"-LT20B0-alicealice12",
                                           0, 0, 0, 2, 0, 9, -1, 6881))
    c.udp((here[0], 6771), ("239.192.152.143", 6771),
          b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: " + TORRENT.hex().encode() +
          b"\r\n\r\n\r\n")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    for name, make in SAMPLES.items():
        capture = Capture(name, " ".join(make.__doc__.split()))
        make(capture)
        (folder / (name + ".pcapng")).write_bytes(capture.bytes())


if __name__ == "__main__":
    main()
