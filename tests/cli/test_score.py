#!/usr/bin/env python3
"""test_score.py: the score of a hand-made run, where it is known what is right, false and unknown.

One NAT, 192.0.2.1, and after a restart at second 50 192.0.2.9. Four hosts are behind it: `open` has its port forwarded, `moody`
gets another port for every destination, `mover` kept its port before the restart and not after it, `mute` sends KRPC and is
never printed. A program of the test's own prints the verdicts instead of krpcscope. Then the impairments: each is the
same every time, and does to the captures what its name says.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import datetime
import ipaddress
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

SCORE = pathlib.Path(__file__).resolve().parents[1] / "tools" / "score"
sys.path[:0] = [os.environ["SAMPLES"], str(SCORE.parent)]
import packets  # noqa: E402
from scoring import impair, wire  # noqa: E402

NOW = packets.EPOCH_US // 1_000_000
OPEN, MOODY, MOVER, MUTE = ("192.168.1.11", 6881), ("192.168.1.12", 6882), ("192.168.1.13", 6883), ("192.168.1.14", 6884)
OPEN6, ONE6 = ("2001:db8:1:1::11", 6881), ("2001:db8:0:1::1", 6881)
ONE, TWO = ("198.51.100.1", 6881), ("203.0.113.1", 6881)
OUT = "192.0.2.1"
# inside socket, remote, outside source, from and to second
FLOWS = [
    (OPEN, ONE, (OUT, 6881), 1, None), (OPEN, TWO, (OUT, 6881), 2, None),
    (MOODY, ONE, (OUT, 40001), 3, None), (MOODY, TWO, (OUT, 40002), 4, None),
    (MOVER, ONE, (OUT, 6883), 5, 51), (MOVER, TWO, (OUT, 6883), 6, 52),  # the kernel says it late: the restart ended them
    (MOVER, ONE, ("192.0.2.9", 50003), 51, None), (MOVER, TWO, ("192.0.2.9", 50003), 52, None),
    (MUTE, ONE, (OUT, 6884), 7, None),
    (OPEN6, ONE6, OPEN6, 8, None),
]
# second, sender and receiver inside, sender and receiver outside, and what is sent: a ping or a reply
PACKETS = [(f[3], f[0], f[1], f[2], f[1]) for f in FLOWS] + [
    (20, ONE, OPEN, ONE, (OUT, 6881)),                  # asks the port that was said
    (21, ONE, MOODY, ONE, (OUT, 40001)),                # goes on with the source port
    (60, ONE, MOVER, ONE, ("192.0.2.9", 50003)),        # the same after the restart
] + [(f[3] + 0.02, f[1], f[0], f[1], f[2], "r") for f in FLOWS[:6]]
PUBLIC = [(30, TWO, (OUT, 7777)), (31, TWO, (OUT, 6884))]  # queries that the NAT drops: no one is at 7777


def frame(src, dst, kind="q"):
    body = {"id": packets.node_id(src[0])}
    data = packets.bencode({"a": body, "q": "ping", "t": "aa", "y": "q"} if kind == "q" else {"r": body, "t": "aa", "y": "r"})
    udp = struct.pack("!HHHH", src[1], dst[1], 8 + len(data), 0) + data
    a, b = (ipaddress.ip_address(x[0]).packed for x in (src, dst))
    if len(a) == 4:
        return bytes(12) + b"\x08\x00" + struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + a + b + udp
    return bytes(12) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + a + b + udp


def make_run(folder):
    def tsv(name, head, *lines):
        (folder / name).write_text("".join("\t".join(map(str, x)) + "\n" for x in (head, *lines)))
    tsv("nats.tsv", ("nat", "kind", "outside", "outside6", "lan", "lan6", "uplink"),
        ("x", "preserve+forward", OUT, "-", "192.168.1.0/24", "2001:db8:1:1::/64", "inet"))
    head = ("host", "place", "role", "ipv4", "ipv6", "dht_port", "tcp_port", "forwarded")
    tsv("hosts.tsv", head, ("x-open", "x", "lt", OPEN[0], OPEN6[0], 6881, 6881, 6881), *(
        (name, "x", "lt", s[0], "-", s[1], s[1], "-") for name, s in (("moody", MOODY), ("mover", MOVER), ("mute", MUTE))), *(
        (name, "pub", "lt", s[0], "-", s[1], s[1], "-") for name, s in (("one", ONE), ("two", TWO))))
    tsv("events.tsv", (NOW + 50, "x", "restart", OUT, "192.0.2.9"))
    tsv("probes.tsv", ("time", "from_ip", "from_port", "to_ip", "to_port", "nat", "inside_ip", "inside_port", "how", "ms"),
        (NOW + 15, "198.18.1.1", 5000, OUT, 6881, "x", *OPEN, "forward", 1.5),
        (NOW + 15, "198.18.1.1", 5001, OUT, 40001, "x", *MOODY, "mapping", "-"),
        (NOW + 15, "198.18.1.1", 5002, OUT, 6884, "x", *MUTE, "mapping", "-"))
    logs = {4: [], 6: []}
    for src, dst, out, begin, end in FLOWS:
        ends = f"src={src[0]} dst={dst[0]} sport={src[1]} dport={dst[1]} [UNREPLIED] src={dst[0]} dst={out[0]} sport={dst[1]} dport={out[1]}"
        for what, when in ("NEW", begin), ("DESTROY", end):
            if when is not None:
                logs[6 if ":" in src[0] else 4].append((when, f"[{NOW + when}.000100]\t[{what}] udp      17 30 {ends}\n"))
    (folder / "natx-conntrack.log").write_text("".join(line for _, line in sorted(logs[4])))
    (folder / "natx-conntrack6.log").write_text("".join(line for _, line in sorted(logs[6])))
    for name, part in ("natx-inside", slice(1, 3)), ("natx-outside", slice(3, 5)), ("inet", slice(3, 5)):
        events = [(p[0], frame(*p[part], *p[5:])) for p in PACKETS] + [(t, frame(*ends)) for t, *ends in PUBLIC] * (name == "inet")
        wire.write(folder / f"{name}.pcap", [wire.Record(int((NOW + when) * 1_000_000), len(data), data) for when, data in sorted(events)])


# ---------------------------------------------------------------------------------------------------- what is printed

def node(where, advice=(), reach=None, opened=(), external=(), **nat):
    record = {"type": "node", "ip": where[0], "port": where[1],
              "nat": {**nat, "external": [{"ip": e[0], "port": e[1], "observers": 1, "frames": [1]} for e in external]}}
    if reach:
        record["reach"] = {"verdict": reach, "open": [{"ip": e[0], "port": e[1], "from_sites": 2, "frames": [1]} for e in opened]}
    return {**record, "advice": [{"slug": a, **({"port": p} if p else {}), "text": "", "frames": [1]} for a, p in advice]}


def advert(second, src, dst, port, verdict, then="unknown", channel="p", proto="UDP", **more):
    at = datetime.datetime.fromtimestamp(NOW + second, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000+0000")
    return {"type": "advert", "frame": second, "timestamp": at, "src_ip": src[0], "src_port": src[1], "dest_ip": dst[0],
            "dest_port": dst[1], "proto": proto, "channel": channel, "service": "dht", "advertised_port": port,
            "implied_port": False, "verdict": verdict, "honoured": then, **more}


INSIDE = [
    node(OPEN, port="preserved", addresses="one", mapping="endpoint_independent", filtering="endpoint_independent",   # 4 right
         external=[(OUT, 6881), ("192.168.1.1", 6881)],                                       # right, false: the router's LAN address
         reach="open", opened=[(OUT, 6881), (OUT, 40001)],                                    # right, right, false
         advice=[("nothing-to-do", 6881), ("forward-port", 0)]),                              # right, false
    node(MOODY, port="preserved", addresses="several", mapping="endpoint_independent", filtering="endpoint_independent",  # 4 false
         external=[(OUT, 40001), (OUT, 40002)],                                               # 2 right
         reach="open",                                                                        # false
         advice=[("depends-on-destination", 0), ("carrier-nat", 0)]),                         # right, false
    node(MOVER, port="mixed", addresses="changed", mapping="endpoint_independent", filtering="unknown",  # 3 right, unknown
         reach="replies_only",                                                                # not asked from outside: not scored
         advice=[("address-changed", 0)]),                                                    # right; external: unknown
    node(OPEN6, port="preserved", addresses="unknown", mapping="unknown", filtering="unknown",  # right, unknown, not scored, unknown
         external=[OPEN6], reach="open", advice=[("not-enough-seen", 0)]),                    # right, not scored, unknown
    node(ONE, port="unknown", mapping="endpoint_dependent", filtering="unknown", external=[ONE]),  # elsewhere, false, elsewhere, right
    # MUTE: port, addresses, filtering, external, reach, advice unknown; mapping not scored, as it spoke to one remote only
]
INSIDE_ADVERTS = [
    advert(10, OPEN, ONE, 6881, "match", "honoured"),                   # right, right
    advert(11, MOODY, ONE, 6882, "match", "dead"),                      # false, false: asked at 40001, and nothing tried 6882
    advert(12, MOODY, ONE, 6882, "mismatch", "not-honoured"),           # right, right
    advert(13, MOVER, ONE, 6883, "match"),                              # right; the port is the source port: not scored
    advert(55, MOVER, ONE, 6883, "match", "honoured"),                  # false, false: after the restart it is another one
    advert(56, MOVER, ONE, 6883, "unknown"),                            # unknown; asked at 50003: unknown
    advert(14, ONE, OPEN, 6881, "unknown"),                             # unknown; nothing asked it: not scored
    advert(15, OPEN, ONE, 6999, "implied"),                             # not scored; the outcome is honoured: unknown
    advert(16, MUTE, TWO, 6884, "match"),                               # no mapping to there: not scored; nothing happened: not scored
]
OUTSIDE = [
    node((OUT, 40001), port="unknown", mapping="endpoint_independent"),  # unknown, false
    node((OUT, 40002), port="unknown", mapping="endpoint_dependent"),    # unknown, right: each record counts
]
OUTSIDE_ADVERTS = [
    advert(30, (OUT, 40002), TWO, 7777, "mismatch", "dead"),            # right, right
    advert(31, (OUT, 40001), ONE, 6884, "mismatch", "other-node"),      # right, right
]
BOTH = [node(OPEN, port="rewritten")]                                    # false
COMPARE = [{"type": "mapping", "proto": "UDP", "inside_ip": i[0], "inside_port": i[1], "outside_ip": o[0], "outside_port": o[1]} for i, o in (
    (OPEN, (OUT, 6881)), (MOODY, (OUT, 40002)), (MOODY, (OUT, 40003)), (ONE, (OUT, 6881)))]  # 2 right, 2 false; the other 3 unknown
WANTED = { # view: {kind: (right, false, unknown)}
    "inside": {"port": (3, 1, 1), "addresses": (2, 1, 2), "mapping": (2, 2, 0), "filtering": (1, 1, 3), "external": (5, 1, 2),
               "reach": (2, 2, 1), "advice": (3, 2, 2), "advert": (3, 2, 2), "then": (2, 2, 2)},
    # own are six outside endpoints, four of them without a record, and the IPv6 socket
    "outside": {"port": (0, 0, 7), "addresses": (0, 0, 7), "mapping": (1, 1, 3), "filtering": (0, 0, 7), "external": (0, 0, 7),
                "reach": (0, 0, 4), "advice": (0, 0, 7), "advert": (2, 0, 0), "then": (2, 0, 0)},
    "both": {"port": (0, 1, 4), "addresses": (0, 0, 5), "mapping": (0, 0, 3), "filtering": (0, 0, 5), "external": (0, 0, 5),
             "reach": (0, 0, 3), "advice": (0, 0, 5), "advert": (0, 0, 0), "then": (0, 0, 0), "compare": (2, 2, 3)},
}
ELSEWHERE = {"inside": 2, "outside": 0, "both": 0}
NOT_SCORED = {"inside": {"mapping": 2, "reach": 2, "advert": 2, "then": 3}, "outside": {"mapping": 2, "reach": 3},
              "both": {"mapping": 2, "reach": 2}}

FAKE = """#!%s
import sys
view = "both" if {"--merge", "--outside"} & set(sys.argv) else "inside" if sys.argv[-1].endswith("inside.pcap") else "outside"
sys.stdout.write(open("%s/%%s-%%s" %% (sys.argv[1], view)).read())
"""


def score(folder, program, *options):
    run = subprocess.run([sys.executable, SCORE, *options, folder], stdout=subprocess.PIPE, text=True,
                         env={**os.environ, "KRPCSCOPE": str(program)})
    return run.returncode, run.stdout


def cells(text):
    """{view: ({kind: (right, false, unknown)}, false, elsewhere, not scored)} of the table."""
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    found = {}
    for row in rows[1:]:
        if len(row) != 15:
            break
        numbers = [tuple(int(n.strip(" *")) for n in c.split("/")) if c != "-" else (0, 0, 0) for c in row[2:12]]
        found[row[1]] = dict(zip(rows[0][2:12], numbers)), *map(int, row[12:])
    return found


def test_score(folder):
    printed, program = folder / "printed", folder / "program"
    printed.mkdir()
    run = folder / "run"
    run.mkdir()
    make_run(run)
    for view, nodes, adverts in ("inside", INSIDE, INSIDE_ADVERTS), ("outside", OUTSIDE, OUTSIDE_ADVERTS), ("both", BOTH, []):
        for name, records in ("nodes", nodes), ("ports", adverts):
            (printed / f"{name}-{view}").write_text("".join(json.dumps(r) + "\n" for r in records))
    (printed / "compare-both").write_text("".join(json.dumps(r) + "\n" for r in COMPARE))
    program.write_text(FAKE % (sys.executable, printed))
    program.chmod(0o755)
    status, text = score(run, program, "--list")
    bad, found = [], cells(text)
    for view, wanted in WANTED.items():
        counts, false, elsewhere, not_scored = found.get(view, ({}, 0, 0, 0))
        bad += [f"{view}, {kind}: {counts.get(kind)}, not {wanted[kind]}" for kind in wanted if counts.get(kind) != wanted[kind]]
        for name, number, right in (("false", false, sum(n for _, n, _ in wanted.values())), ("elsewhere", elsewhere, ELSEWHERE[view]),
                                    ("not scored", not_scored, sum(NOT_SCORED[view].values()))):
            bad += [f"{view}, {name}: {number}, not {right}"] * (number != right)
    if bad or status != 1:
        sys.exit(f"{text}\nstatus {status}\n" + "\n".join(bad))
    for view in "inside", "outside", "both": # nothing printed is nothing false
        for name in "nodes", "ports":
            (printed / f"{name}-{view}").write_text("")
    (printed / "compare-both").write_text("")
    status, text = score(run, program)
    if status != 0 or any(false for _, false, _, _ in cells(text).values()):
        sys.exit(f"{text}\nstatus {status}, and no verdict was printed")
    return run


def test_impairments(folder, run):
    before = {p.name: list(wire.read(p)) for p in run.glob("*-*.pcap")}
    for name in impair.IMPAIRMENTS:
        outs = [folder / f"{name}-{i}" for i in (1, 2)]
        slack = [impair.impair(run, name, out) for out in outs][0]
        after = [{p.name: list(wire.read(p)) for p in out.glob("*-*.pcap")} for out in outs]
        if after[0] != after[1]:
            sys.exit(f"{name}: not the same twice")
        inside, outside = ([r.us for r in after[0].get(f"natx-{side}.pcap", ())] for side in ("inside", "outside"))
        first = [r.us for r in before["natx-inside.pcap"]]
        good = {
            "middle-30s": inside == [t for t in first if abs(t - (first[0] + first[-1]) // 2) <= 15_000_000],
            "last-30s": inside == [t for t in first if t >= first[-1] - 30_000_000],
            "lost-50": 0 < len(inside) < len(first), "lost-90": len(inside) < len(first) // 2,
            "clocks-0.5s": inside == first and outside == [t + 500_000 for t in first] and slack == 0.5,
            "clocks-3s": inside == first and outside == [t + 3_000_000 for t in first] and slack == 3,
            "order-1ms": sorted(inside) == first, "order-20ms": sorted(inside) == first,
            "whole-seconds": inside == [t // 1_000_000 * 1_000_000 for t in first] and slack == 1,
            "merged": len(after[0].get("all-inside.pcap", ())) == len(first),
        }[name]
        if not good:
            sys.exit(f"{name}: does not do what it says: {first} {inside} {outside}")
    close = [wire.Record(1000 * i, 60, bytes(60)) for i in range(100)] # a millisecond apart
    mixed = impair.IMPAIRMENTS["order-20ms"][0](close, "x")
    if mixed == close or any(r.us - 20_000 > later.us for i, r in enumerate(mixed) for later in mixed[i + 1:]):
        sys.exit("order-20ms: in order, or further apart than that")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run = test_score(folder)
        test_impairments(folder, run)
    print(f"{len(PACKETS) + len(PUBLIC)} packets and three views counted as planned; {len(impair.IMPAIRMENTS)} impairments")


if __name__ == "__main__":
    main()
