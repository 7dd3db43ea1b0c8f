"""tshark_cli.py: what the tests of the Wireshark plugin share: to make captures, and to run tshark with the plugin on them.

Starting tshark takes longer than dissecting a sample, so what it printed of a capture is remembered, and count() and
statistics() ask for many things in one run. RUN_TSHARK is tshark with the plugin of PLUGIN_DIR, SAMPLES has captures,
SOURCE_DIR is the tree. SPDX-License-Identifier: GPL-2.0-or-later
"""
import functools
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))
from krpcscope_cli import SAMPLES, SOURCE, stamp  # noqa: E402

TSHARK = os.environ.get("RUN_TSHARK", "tshark")

ID, OTHER = b"abcdefghij0123456789", b"mnopqrstuvwxyz123456"
PING = b"d1:ad2:id20:" + ID + b"e1:q4:ping1:t2:aa1:y1:qe"
PONG = b"d1:rd2:id20:" + OTHER + b"e1:t2:aa1:y1:re"
A, B = ("10.0.0.1", 6881), ("192.0.2.1", 7000)

folder = tempfile.TemporaryDirectory()
os.chmod(folder.name, 0o755)


def ipv4(src, dst, protocol, body):
    def packed(host):
        return bytes(map(int, host.split(".")))

    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0, packed(src), packed(dst))
    return head + body


def ipv6(src, dst, following, body):
    """From ::src to ::dst."""
    return struct.pack("!IHBB", 6 << 28, len(body), following, 64) + bytes(15) + bytes([src]) + bytes(15) + bytes([dst]) + body


def udp(src, dst, payload):
    return ipv4(src[0], dst[0], 17, struct.pack("!HHHH", src[1], dst[1], 8 + len(payload), 0) + payload)


def icmp_error(src, dst, kind, code, quoted):
    return ipv4(src, dst, 1, struct.pack("!BBHI", kind, code, 0, 0) + quoted)


def aggregate(*packets):
    """A frame of IEEE 802.11 with several IP packets in it (A-MSDU)."""
    body = b""
    for packet in packets:
        body += bytes(-len(body) % 4) + bytes(12) + struct.pack("!H", 8 + len(packet)) + b"\xaa\xaa\x03\0\0\0\x08\0" + packet
    return b"\x88\0\0\0" + bytes(18) + b"\0\0\x80\0" + body


def capture(name, packets, snap=65535, link=101, seconds=()):
    """A pcap file, of raw IP packets where link does not say otherwise. A packet may be a pair, with its own snap length.
    seconds: when each packet was captured."""
    path = pathlib.Path(folder.name) / name
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link))
        for i, packet in enumerate(packets):
            packet, most = packet if isinstance(packet, tuple) else (packet, snap)
            when = 1700000000 + (seconds[i] if seconds else i // 100)
            out.write(struct.pack("<IIII", when, i % 100 * 1000, min(len(packet), most), len(packet)))
            out.write(packet[:most])
    os.chmod(path, 0o644)
    return path


@functools.lru_cache(32)
def remembered(path, options, stamp_of_path):
    run = subprocess.run([TSHARK, "-r", str(path), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode != 0:
        raise AssertionError(f"tshark {options} ends with {run.returncode}: {run.stderr.decode()}")
    return run.stdout.decode("utf-8", "replace")


def tshark(path, *options):
    """What tshark prints; it is started once for a capture that did not change since."""
    return remembered(path, options, stamp(path))


def table(path, *fields, options=()):
    """A row for each frame. 4.4 writes True where 4.0 writes 1."""
    wanted = [part for field in fields for part in ("-e", field)]
    text = re.sub(r"(?<![^\t\n,])True(?![^\t\n,])", "1", tshark(path, *options, "-T", "fields", *wanted))
    return [line.split("\t") for line in text.splitlines()]


def frames(path, display_filter, *options):
    return [int(n) for n in tshark(path, *options, "-Y", display_filter, "-T", "fields", "-e", "frame.number").split()]


def count(path, filters, *options):
    """How many frames each display filter finds, from one run. A filter has no comma."""
    assert not any("," in text for text in filters), filters
    rows = tshark(path, "-q", "-z", "io,stat,0," + ",".join(filters), *options).splitlines()
    (row,) = [line for line in rows if "<>" in line]
    return dict(zip(filters, map(int, row.split("|")[2:-1:2]), strict=True))


TITLES = {"krpc,tree": "BitTorrent DHT/Messages", "krpc_ports,tree": "BitTorrent DHT/Port Advertisements",
          "krpc_nat,tree": "BitTorrent DHT/NAT of the Senders", "krpc,srt": "KRPC SRT Statistics", "krpc,nat": "Hosts with evidence of a NAT", "krpc,nodes": "Hosts (KRPC)",
          "krpc,findings": "Findings in messages",
          "krpc,ports": "Port advertisements", "conv,krpc": "KRPC Conversations", "endpoints,krpc": "KRPC Endpoints"}
IN_TWO_PASSES = ("krpc_ports,tree", "krpc_nat,tree")


def statistics(path, name, *options):
    """The lines of one of Wireshark's statistics. One run prints all that are wanted of a capture in one pass, or in two."""
    twice = name in IN_TWO_PASSES
    names = [other for other in TITLES if (other in IN_TWO_PASSES) == twice]
    text = tshark(path, "-q", *(["-2"] if twice else []), *options, *(word for other in names for word in ("-z", other)))
    parts = re.split("^=+$", text.replace("BitTorrent DHT / ", "BitTorrent DHT/"), flags=re.M)  # the former in Wireshark 4.4
    (part,) = [part for part in parts if part.lstrip().startswith(TITLES[name])]
    return part.splitlines()
