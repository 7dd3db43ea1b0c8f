"""wire.py: captures of the lab, read and written without krpcscope: what the score's truth and the impairments need.

Plain pcap of Ethernet with microseconds, as tcpdump writes it there.
"""
# SPDX-License-Identifier: MIT
import collections
import functools
import socket
import struct

from packets import bdecode

Record = collections.namedtuple('Record', 'us size frame')  # microseconds since 1970, length on the wire, bytes
Packet = collections.namedtuple('Packet', 'proto src dst payload flags')  # proto: udp, tcp, icmp; ends: (address, port)
SYN, ACK = 2, 16


def read(path):
    with open(path, 'rb') as f:
        data = f.read()
    order = '<' if data[:4] == b'\xd4\xc3\xb2\xa1' else '>'
    if len(data) < 24 or struct.unpack(order + 'I', data[:4])[0] != 0xa1b2c3d4 or struct.unpack(order + 'I', data[20:24])[0] != 1:
        raise ValueError('%s: no pcap file of Ethernet with microseconds' % path)
    at, head = 24, struct.Struct(order + 'IIII')
    while at + 16 <= len(data):
        seconds, micros, kept, size = head.unpack_from(data, at)
        yield Record(seconds * 1_000_000 + micros, size, data[at + 16:at + 16 + kept])
        at += 16 + kept


def write(path, records):
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for r in records:
            f.write(struct.pack('<IIII', r.us // 1_000_000, r.us % 1_000_000, len(r.frame), r.size) + r.frame)


@functools.lru_cache(65536)
def address(packed):
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def packet(frame):
    """The UDP, TCP or ICMP packet of a frame; None for anything else. ICMP: port 0, the payload is the quoted IP packet."""
    kind = frame[12:14]
    return ip_packet(frame[14:]) if kind in (b'\x08\x00', b'\x86\xdd') else None


def ip_packet(data):
    if len(data) < 28:
        return None
    if data[0] >> 4 == 4:
        proto, src, dst, at = data[9], data[12:16], data[16:20], (data[0] & 15) * 4
        end = min(len(data), struct.unpack_from('!H', data, 2)[0])
    else:
        proto, src, dst, at, end = data[6], data[8:24], data[24:40], 40, len(data)
    src, dst = address(src), address(dst)
    if proto in (1, 58):
        return Packet('icmp', (src, 0), (dst, 0), data[at + 8:], 0) if data[at] in (3, 1) else None
    if proto not in (6, 17) or at + 8 > len(data):
        return None
    ports = struct.unpack_from('!HH', data, at)
    start = at + 8 if proto == 17 else at + (data[at + 12] >> 4) * 4 if at + 13 < len(data) else end
    flags = data[at + 13] if proto == 6 and at + 13 < len(data) else 0
    return Packet('udp' if proto == 17 else 'tcp', (src, ports[0]), (dst, ports[1]), data[start:end], flags)


def is_krpc(payload):
    return payload[:1] == b'd' and payload[1:2].isdigit() and b'1:y1:' in payload


def compact(data):
    """The endpoint of compact peer info of 6 or 18 bytes."""
    return address(data[:-2]), int.from_bytes(data[-2:], 'big')


class Public:
    """What happened in sight of all. Each event is (moment in seconds, who did it: address and port)."""

    def __init__(self, paths):
        self.asked = collections.defaultdict(list)       # endpoint: a query went there
        self.called = collections.defaultdict(list)      # endpoint: a TCP connection was tried
        self.spoke = collections.defaultdict(list)       # endpoint: a UDP datagram from there
        self.spoke_tcp = collections.defaultdict(list)   # endpoint: a TCP segment that is no reset
        self.refused = collections.defaultdict(list)     # endpoint: an ICMP error to what went there
        self.handed_out = collections.defaultdict(list)  # endpoint: it was in the values or nodes of a reply
        for path in paths:
            for r in read(path):
                p = packet(r.frame)
                if p is not None:
                    getattr(self, p.proto)(r.us / 1e6, p)
        for events in vars(self).values():
            for happened in events.values():
                happened.sort()

    def icmp(self, when, p):
        inner = ip_packet(p.payload)
        if inner and inner.proto == 'udp':
            self.refused[inner.dst].append((when, p.src))

    def tcp(self, when, p):
        if p.flags & (SYN | ACK) == SYN:
            self.called[p.dst].append((when, p.src))
        if not p.flags & 4:
            self.spoke_tcp[p.src].append((when, p.src))

    def udp(self, when, p):
        self.spoke[p.src].append((when, p.src))
        message = bdecode(p.payload) if is_krpc(p.payload) else None
        if not message:
            return
        if message.get(b'y') == b'q':
            self.asked[p.dst].append((when, p.src))
        reply = message.get(b'r')
        for endpoint in handed_out(reply) if isinstance(reply, dict) else ():
            self.handed_out[endpoint].append((when, p.src))


def handed_out(reply):
    values = reply.get(b'values')
    for v in values if isinstance(values, list) else ():
        if isinstance(v, bytes) and len(v) in (6, 18):
            yield compact(v)
    for key, size in (b'nodes', 26), (b'nodes6', 38):
        nodes = reply.get(key)
        for i in range(0, len(nodes) - size + 1, size) if isinstance(nodes, bytes) else ():
            yield compact(nodes[i + 20:i + size])
