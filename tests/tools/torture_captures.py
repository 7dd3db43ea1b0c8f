"""torture_captures.py: damaged captures for torture. Each depends only on the state of a random generator.

A capture is a link type and a list of (time in ns, bytes, original length), as in a pcap file of nanoseconds.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import ipaddress
import pathlib
import random
import struct
import subprocess

LINK_RAW = 101
IP_AT = {1: 14, 101: 0, 113: 16, 276: 20}
UDP, TCP, ICMP = 17, 6, 1
START_NS = 1_700_000_000 * 10**9
# Ports of BitTorrent clients, and some that Wireshark assigns to other protocols.
PORTS = [6881, 6881, 6881, 51413, 49001, 1337, 53, 5060, 123, 443, 6771, 1, 65535]
HOSTS = ["10.0.0.2", "10.0.0.3", "192.0.2.7", "198.51.100.9", "203.0.113.5", "2001:db8::5", "2001:db8::6"]


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\x4d\x3c\xb2\xa1":
        raise ValueError(f"{path}: not a capture of nanoseconds")
    link, pos, packets = struct.unpack_from("<I", data, 20)[0], 24, []
    while pos + 16 <= len(data):
        seconds, nanoseconds, size, original = struct.unpack_from("<IIII", data, pos)
        packets.append((seconds * 10**9 + nanoseconds, data[pos + 16:pos + 16 + size], original))
        pos += 16 + size
    return link, packets


def write(path, link, packets):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link))
        for time, data, original in packets:
            file.write(struct.pack("<IIII", time // 10**9 & 0xFFFFFFFF, time % 10**9, len(data), original) + data)


def convert(path, out):
    """Converts any capture to the format of read(); False where its packets have several link types."""
    run = subprocess.run(["editcap", "-F", "nsecpcap", str(path), str(out)], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    return run.returncode == 0 and struct.unpack_from("<I", pathlib.Path(out).read_bytes()[20:24])[0] in IP_AT


# ---- headers ----

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(src, dst, protocol, body):
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if a.version == 6:
        return struct.pack("!IHBB", 0x60000000, len(body), protocol, 64) + a.packed + b.packed + body
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0) + a.packed + b.packed
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body


def udp(src, dst, payload):
    return ip(src[0], dst[0], UDP, struct.pack("!HHHH", src[1], dst[1], 8 + len(payload), 0) + payload)


def tcp(src, dst, seq, ack, flags, payload):
    header = struct.pack("!HHIIBBHHH", src[1], dst[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 64240, 0, 0)
    return ip(src[0], dst[0], TCP, header + payload)


def utp(kind, connection, seq, ack, payload):
    return struct.pack("!BBHIIIHH", kind << 4 | 1, 0, connection & 0xFFFF, 0, 0, 1 << 20, seq & 0xFFFF, ack & 0xFFFF) + payload


def payload_at(link, data):
    """The offset of a packet's UDP or TCP payload; None where there is none."""
    at = IP_AT[link]
    if len(data) < at + 28:
        return None
    version = data[at] >> 4
    if version == 4 and data[at + 9] in (UDP, TCP) and not struct.unpack_from("!H", data, at + 6)[0] & 0x3FFF:
        protocol, at = data[at + 9], at + (data[at] & 15) * 4
    elif version == 6 and len(data) >= at + 48 and data[at + 6] in (UDP, TCP):
        protocol, at = data[at + 6], at + 40
    else:
        return None
    at += 8 if protocol == UDP else (data[at + 12] >> 4) * 4 if at + 12 < len(data) else 20
    return at if at < len(data) else None


def pair(rng):
    family = rng.choice([HOSTS[:5], HOSTS[:5], HOSTS[5:]])
    src, dst = rng.sample(family, 2)
    return (src, rng.choice(PORTS)), (dst, rng.choice(PORTS))


# ---- damage to bytes ----

INTERESTING = [b"d", b"l", b"i", b"e", b":", b"0:", b"-", b"0", b"9", b"1:", b"20:", b"i-1e", b"i0e", b"i99999999999999999999e",
               b"de", b"le", b"4294967295:", b"4294967296:", b"d1:ad", b"1:rd", b"1:eli", b"1:y1:q", b"1:y1:r", b"1:y1:e",
               b"6:valuesl", b"5:nodes", b"6:nodes6", b"2:ip6:", b"1:pi", b"4:porti", b"12:implied_porti1e", b"1:v4:LT\x02\x0b",
               b"2:id20:", b"\0", b"\xff", b"\xf0\x9f\x92\xa9", b"d" * 70, b"l" * 300, b"d0:" * 70]


def spoil(rng, data, others):
    """The bytes, changed in one to eight places; they may be spliced with others."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(out) + 1)
        end = min(len(out), at + rng.choice([1, 1, 2, 4, 16, 64]))
        kind = rng.randrange(9)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind in (2, 3):
            out[at:at] = rng.choice(INTERESTING)
        elif kind == 4:
            out[at:end] = rng.choice(INTERESTING)
        elif kind == 5:
            del out[at:end]
        elif kind == 6:
            out[at:at] = out[at:end] * rng.choice([1, 1, 2, 20])
        elif kind == 7 and others:
            other = rng.choice(others)
            out[at:] = other[rng.randrange(len(other) + 1):]
        elif kind == 8:
            del out[at:]
    return bytes(out[:8000])


# ---- captures ----

def run(*words):
    subprocess.run([str(w) for w in words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def from_editcap(rng, sample, out):
    """editcap's random errors, everywhere or after the headers."""
    words = ["-E", rng.choice(["0.0005", "0.002", "0.01", "0.05", "0.2"]), "--seed", str(rng.randrange(1, 2**31))]
    if rng.random() < 0.6:
        words += ["-o", str(rng.choice([14, 28, 34, 42, 54, 62]))]
    if rng.random() < 0.15:
        words += ["-s", str(rng.randrange(20, 400))]
    run("editcap", *words, sample, out)


def from_truncation(rng, sample, out):
    run("editcap", "-s", rng.choice([rng.randrange(14, 90), rng.randrange(28, 200), rng.randrange(60, 600)]), sample, out)


def disorder(rng, packets):
    """Removes packets, repeats them, and changes their order and time."""
    packets = list(packets)
    for _ in range(max(1, len(packets) // rng.choice([3, 10, 30]))):
        at = rng.randrange(len(packets))
        kind = rng.randrange(4)
        if kind == 0 and len(packets) > 1:
            del packets[at]
        elif kind == 1:
            packets.insert(rng.randrange(len(packets) + 1), packets[at])
        elif kind == 2:
            packets.insert(min(len(packets), at + rng.choice([-1, 1, 2, 5, 50])), packets.pop(at))
        else:
            time, data, original = packets[at]
            packets[at] = (max(0, time + rng.choice([-1, 1]) * 10 ** rng.randrange(6, 14)), data, original)
    return packets


def spoil_payloads(rng, link, packets, others):
    """Damaged payloads with headers that fit them."""
    packets = list(packets)
    for index, (time, data, _) in enumerate(packets):
        at = payload_at(link, data)
        if at is None or rng.random() < 0.4:
            continue
        payload = spoil(rng, data[at:], others)
        data = resize(link, data[:at], len(payload)) + payload
        packets[index] = (time, data, len(data))
    return packets


def resize(link, header, size):
    """A packet's headers with the lengths of another payload."""
    header, at = bytearray(header), IP_AT[link]
    protocol = header[at + 9] if header[at] >> 4 == 4 else header[at + 6]
    if header[at] >> 4 == 4:
        transport = at + (header[at] & 15) * 4
        struct.pack_into("!H", header, at + 2, len(header) - at + size)
        struct.pack_into("!H", header, at + 10, 0)
        struct.pack_into("!H", header, at + 10, checksum(bytes(header[at:transport])))
    else:
        transport = at + 40
        struct.pack_into("!H", header, at + 4, len(header) - transport + size)
    if protocol == UDP:
        struct.pack_into("!HH", header, transport + 4, 8 + size, 0)
    return bytes(header)


def quoted(rng, packet):
    """An ICMP error about an IPv4 packet."""
    if packet[0] >> 4 != 4:
        return packet
    src, dst = (str(ipaddress.ip_address(packet[at:at + 4])) for at in (12, 16))
    kind, code = rng.choice([(3, 3), (3, 3), (3, 1), (3, 4), (11, 0)])
    body = struct.pack("!BBHI", kind, code, 0, 0) + packet[:rng.choice([28, 36, 60, 2000])]
    return ip(rng.choice([dst, "192.0.2.254"]), src, ICMP, body)


def from_corpus(rng, corpus):
    """The fuzzing corpus as datagrams, as TCP streams and as uTP; some unchanged, some damaged."""
    messages, wire = corpus["message"], corpus["peerwire"]
    time, packets = START_NS, []
    pairs = [pair(rng) for _ in range(rng.randrange(1, 12))]

    def add(data):
        nonlocal time
        time += rng.choice([10**5, 10**7, 10**9, 10**11])
        packets.append((time, data, len(data)))

    for _ in range(rng.randrange(100, 400)):
        src, dst = rng.sample(rng.choice(pairs), 2)
        payload = rng.choice(messages)
        if rng.random() < 0.5:
            payload = spoil(rng, payload, messages)
        packet = udp(src, dst, payload)
        add(packet)
        if rng.random() < 0.1:
            add(quoted(rng, packet))
        if rng.random() < 0.05:
            stream = b"".join(rng.choices(wire, k=rng.randrange(1, 5)))
            if rng.random() < 0.5:
                stream = spoil(rng, stream, wire)
            for packet in segments(rng, *rng.choice(pairs), stream):
                add(packet)
    if rng.random() < 0.3:
        rng.shuffle(packets)
        packets = [(START_NS + index * 10**7, data, original) for index, (_, data, original) in enumerate(packets)]
    return packets


def segments(rng, src, dst, stream):
    """One direction of a connection, over TCP or uTP; segments overlap, come twice, late, or not at all."""
    first, pos, number, over_tcp = rng.choice([1, 1000, 2**32 - 20]), 0, 1, rng.random() < 0.5
    out = [tcp(src, dst, first - 1, 0, 2, b"") if over_tcp else udp(src, dst, utp(4, 100, 1, 0, b""))]
    out.append(tcp(dst, src, 5000, first, 18, b"") if over_tcp else udp(dst, src, utp(2, 100, 1, 1, b"")))
    while pos < len(stream):
        size = rng.choice([1, 3, 20, 68, 200, 1300])
        number += 1
        part = stream[pos:pos + size]
        out.append(tcp(src, dst, first + pos, 5001, 24, part) if over_tcp else udp(src, dst, utp(0, 101, number, 1, part)))
        kind = rng.randrange(12)
        if kind == 0:
            out.append(out[-1])
        elif kind == 1:
            out[-1], out[-2] = out[-2], out[-1]
        elif kind == 2:
            out.pop()
        elif kind == 3:
            size = max(1, size - 5)
        pos += size
    return out


class Maker:
    """Makes the capture of each number: the same one for the same seed, samples and corpus."""

    BATCH = 12  # samples in a capture

    def __init__(self, samples, corpus, work, seed):
        self.seed, self.samples, self.work = seed, samples, work
        self.corpus = {name: [p.read_bytes() for p in sorted((corpus / name).iterdir())] for name in ("message", "peerwire")}
        self.payloads = self.corpus["message"] + self.corpus["peerwire"]
        self.read = {}
        for index, sample in enumerate(samples):
            converted = work / f"sample-{index}.pcap"
            if convert(sample, converted):
                link, packets = read(converted)
                self.read.setdefault(link, []).append(packets[:500])

    def merged(self, rng, number, out, change):
        """Several samples, each changed separately, in the order of time."""
        parts = []
        for index, sample in enumerate(rng.sample(self.samples, min(self.BATCH, len(self.samples)))):
            parts.append(self.work / f"part-{number}-{index}")
            change(rng, sample, parts[-1])
        run("mergecap", "-w", out, *parts)
        for part in parts:
            part.unlink()

    def together(self, rng):
        """Several samples of one link type, in the order of time."""
        link = rng.choice(list(self.read))
        samples = rng.sample(self.read[link], min(self.BATCH, len(self.read[link])))
        return link, sorted((packet for sample in samples for packet in sample), key=lambda packet: packet[0])

    def make(self, number, out):
        """Writes a capture; returns a description."""
        rng = random.Random(f"{self.seed} {number}")
        kind = number % 6
        if kind == 0:
            self.merged(rng, number, out, from_editcap)
            return "random errors"
        if kind == 1:
            write(out, LINK_RAW, from_corpus(rng, self.corpus))
            return "fuzzing corpus"
        if kind == 3:
            self.merged(rng, number, out, from_truncation)
            return "cut packets"
        link, packets = self.together(rng)
        if kind != 4:
            packets = spoil_payloads(rng, link, packets, self.payloads)
        if kind != 2:
            packets = disorder(rng, packets)
        write(out, link, packets)
        return {2: "spoilt payloads", 4: "disorder", 5: "spoilt payloads in disorder"}[kind]
