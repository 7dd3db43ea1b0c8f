"""packets.py: what a hand-made sample is built from: bencode, KRPC messages, headers, and a pcapng file.

Only the standard library. Everything is deterministic: times count from one fixed moment, ids and checksums are computed.

SPDX-License-Identifier: MIT
"""
import hashlib
import ipaddress
import struct

EPOCH_US = 1_700_000_000_000_000  # 2023-11-14 22:13:20 UTC


def bencode(value, sort=True):
    """The value as bencode. A dictionary is sorted by its keys' bytes unless sort is False."""
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, bool) or isinstance(value, int):
        return b"i%de" % int(value)
    if isinstance(value, (list, tuple)):
        return b"l" + b"".join(bencode(v, sort) for v in value) + b"e"
    if isinstance(value, dict):
        keys = {(k.encode() if isinstance(k, str) else k): v for k, v in value.items()}
        order = sorted(keys) if sort else keys
        return b"d" + b"".join(bencode(k) + bencode(keys[k], sort) for k in order) + b"e"
    raise TypeError(type(value))


def bdecode(data):
    """A dictionary with bytes as keys, or None for what is not bencode."""
    def value(at):
        kind = data[at:at + 1]
        if kind == b"i":
            end = data.index(b"e", at)
            return int(data[at + 1:end]), end + 1
        if kind in (b"l", b"d"):
            items, at = [], at + 1
            while data[at:at + 1] != b"e":
                item, at = value(at)
                items.append(item)
            return (items if kind == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
        colon = data.index(b":", at)
        end = colon + 1 + int(data[at:colon])
        return data[colon + 1:end], end
    try:
        got = value(0)[0]
        return got if isinstance(got, dict) else None
    except (ValueError, IndexError, TypeError, RecursionError):
        return None


class Raw:
    """Bytes that stand in a message as they are, whatever bencode says."""

    def __init__(self, data):
        self.data = data.encode("latin-1") if isinstance(data, str) else data


def node_id(name):
    """A node id that is the same each time: the SHA-1 of a name."""
    return hashlib.sha1(name.encode()).digest()


def compact(endpoint):
    """BEP 5 and BEP 32: 4 or 16 bytes of address, 2 of port."""
    host, port = endpoint
    return ipaddress.ip_address(host).packed + struct.pack("!H", port)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def bep42_id(host, rand, name):
    """A node id that fits the address (BEP 42); rand is its last byte."""
    packed = ipaddress.ip_address(host).packed
    mask = bytes([0x03, 0x0F, 0x3F, 0xFF]) if len(packed) == 4 else bytes([1, 3, 7, 0xF, 0x1F, 0x3F, 0x7F, 0xFF])
    masked = bytearray(a & m for a, m in zip(packed, mask))
    masked[0] |= (rand & 7) << 5
    crc = crc32c(bytes(masked))
    rest = node_id(name)
    return bytes([crc >> 24 & 0xFF, crc >> 16 & 0xFF, (crc >> 8 & 0xF8) | (rest[2] & 7)]) + rest[3:19] + bytes([rand])


def query(method, t, sender, version=b"LT\x02\x0b", top=None, **arguments):
    """A query as bytes; top are keys beside q, a, t, v, y."""
    message = {"a": {"id": sender, **arguments}, "q": method, "t": t, "y": "q", **(top or {})}
    if version:
        message["v"] = version
    return bencode(message)


def response(t, sender, version=b"LT\x02\x0b", top=None, **results):
    message = {"r": {"id": sender, **results}, "t": t, "y": "r", **(top or {})}
    if version:
        message["v"] = version
    return bencode(message)


def error(t, code, text, version=b"LT\x02\x0b", top=None):
    message = {"e": [code, text], "t": t, "y": "e", **(top or {})}
    if version:
        message["v"] = version
    return bencode(message)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(src, dst, protocol, payload):
    """IPv4 or IPv6, as the addresses say, with the checksum of UDP, TCP or ICMP filled in."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    pseudo = a.packed + b.packed
    pseudo += struct.pack("!BBH", 0, protocol, len(payload)) if a.version == 4 else struct.pack(
        "!IHBB", len(payload), 0, 0, protocol)
    at = {17: 6, 6: 16, 1: 2, 58: 2}[protocol]
    summed = payload if protocol == 1 else pseudo + payload
    value = checksum(summed) or 0xFFFF
    payload = payload[:at] + struct.pack("!H", value) + payload[at + 2:]
    if a.version == 6:
        return struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64) + a.packed + b.packed + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + a.packed + b.packed
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp_packet(src, dst, payload):
    return ip_packet(src[0], dst[0], 17, struct.pack("!HHHH", src[1], dst[1], 8 + len(payload), 0) + payload)


def tcp_packet(src, dst, seq, ack, flags, payload=b""):
    header = struct.pack("!HHIIBBHHH", src[1], dst[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 64240, 0, 0)
    return ip_packet(src[0], dst[0], 6, header + payload)


def unreachable(reporter, packet, code=3):
    """ICMP destination unreachable (code 3: port) that quotes a whole IPv4 packet, sent to its sender."""
    quoted_src = str(ipaddress.ip_address(packet[12:16]))
    return ip_packet(reporter, quoted_src, 1, struct.pack("!BBHI", 3, code, 0, 0) + packet)


def option(code, data):
    return struct.pack("<HH", code, len(data)) + data + b"\0" * (-len(data) % 4)


def block(kind, body):
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


class Capture:
    """One pcapng file of raw IP packets, with a comment that says what to look at."""

    def __init__(self, name, comment):
        self.name = name
        self.comment = comment
        self.packets = []
        self.now = 0
        self.streams = {}

    def add(self, packet, after=0.05, comment=None, snap=None):
        """One packet, so many seconds after the one before. snap keeps only its first bytes."""
        self.now += int(round(after * 1_000_000))
        self.packets.append((self.now, packet, comment, snap))

    def udp(self, src, dst, payload, after=0.05, comment=None, snap=None):
        self.add(udp_packet(src, dst, payload), after, comment, snap)

    def tcp_open(self, src, dst):
        self.streams[src, dst], self.streams[dst, src] = 1000, 5000
        self.add(tcp_packet(src, dst, 1000, 0, 0x02))
        self.add(tcp_packet(dst, src, 5000, 1001, 0x12))
        self.streams[src, dst] += 1
        self.streams[dst, src] += 1
        self.add(tcp_packet(src, dst, 1001, 5001, 0x10))

    def tcp(self, src, dst, payload, after=0.05, comment=None):
        seq = self.streams[src, dst]
        self.add(tcp_packet(src, dst, seq, self.streams[dst, src], 0x18, payload), after, comment)
        self.streams[src, dst] = seq + len(payload)

    def bytes(self):
        text = self.comment.encode()
        out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + option(1, text) + option(0, b""))
        out += block(1, struct.pack("<HHI", 101, 0, 262144) + option(2, b"hand-made") + option(0, b""))
        for at, packet, comment, snap in self.packets:
            time = EPOCH_US + at
            kept = packet[:snap] if snap else packet
            body = struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(kept), len(packet))
            body += kept + b"\0" * (-len(kept) % 4)
            if comment:
                body += option(1, comment.encode()) + option(0, b"")
            out += block(6, body)
        return out
