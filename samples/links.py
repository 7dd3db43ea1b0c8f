#!/usr/bin/env python3
# links.py: one small capture for each way in which a DHT message can be wrapped.
#
# links.py FOLDER writes them there; the same bytes every time. Each holds the ping and the response of BEP 5's own
# examples between two documentation addresses (RFC 5737, RFC 3849), or says otherwise below.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import gzip
import ipaddress
import os
import struct
import sys

PING = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
PONG = b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"
NODES = b"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes208:" + bytes(range(48, 256)) + b"e1:t2:aa1:y1:re"

A4, B4 = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8:1::2"
OUTER_A4, OUTER_B4 = "203.0.113.1", "203.0.113.2"
OUTER_A6, OUTER_B6 = "2001:db8:f::1", "2001:db8:f::2"
PORT_A, PORT_B = 6881, 51413

UDP, TCP, ICMP, ICMPV6, IPIP, IPV6, GRE, FRAGMENT, UDP_LITE = 17, 6, 1, 58, 4, 41, 47, 44, 136


# --- from the inside out -------------------------------------------------------------------------------------------

def packed(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def with_checksum(src, dst, protocol, segment, at):
    pseudo = packed(src) + packed(dst) + struct.pack(">II", len(segment), protocol)
    value = checksum(pseudo + segment)
    if protocol == UDP and value == 0:
        value = 0xffff
    return segment[:at] + struct.pack(">H", value) + segment[at + 2:]


def udp(src, dst, sport, dport, payload):
    header = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0)
    return with_checksum(src, dst, UDP, header + payload, 6)


def udp_lite(src, dst, sport, dport, payload, coverage):
    """RFC 3828: the checksum covers the first bytes; a coverage of 0 is all of them."""
    segment = struct.pack(">HHHH", sport, dport, coverage, 0) + payload
    pseudo = packed(src) + packed(dst) + struct.pack(">II", len(segment), UDP_LITE)
    value = checksum(pseudo + segment[:coverage or len(segment)]) or 0xffff
    return segment[:6] + struct.pack(">H", value) + segment[8:]


def udp_with_length(src, dst, sport, dport, payload, length):
    return with_checksum(src, dst, UDP, struct.pack(">HHHH", sport, dport, length, 0) + payload, 6)


def tcp(src, dst, sport, dport, seq, ack, flags, payload, options=b""):
    header = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, (20 + len(options)) // 4 << 4, flags, 65535, 0, 0)
    return with_checksum(src, dst, TCP, header + options + payload, 16)


def ipv4(src, dst, protocol, payload, options=b"", identification=1, fragment=0):
    def header(value):
        return struct.pack(">BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload),
                           identification, fragment, 64, protocol, value, packed(src), packed(dst)) + options
    return header(checksum(header(0))) + payload


def ipv6(src, dst, protocol, payload, extensions=b""):
    return struct.pack(">IHBB16s16s", 6 << 28, len(extensions) + len(payload), protocol, 64,
                       packed(src), packed(dst)) + extensions + payload


def ip(src, dst, protocol, payload):
    return (ipv6 if ":" in src else ipv4)(src, dst, protocol, payload)


def message(src, dst, sport, dport, payload):
    return ip(src, dst, UDP, udp(src, dst, sport, dport, payload))


def exchange(a, b, query=PING, response=PONG):
    return [message(a, b, PORT_A, PORT_B, query), message(b, a, PORT_B, PORT_A, response)]


def ethertype(datagram):
    return 0x0800 if datagram[0] >> 4 == 4 else 0x86dd


MAC_A, MAC_B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def ethernet(payload, kind=None):
    frame = MAC_B + MAC_A + struct.pack(">H", ethertype(payload) if kind is None else kind) + payload
    return frame.ljust(60, b"\xaa")  # padding that is not zero, so that taking it for payload shows


def snap(datagram):
    return b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", ethertype(datagram)) + datagram


def ppp(datagram):
    return struct.pack(">H", 0x0021 if datagram[0] >> 4 == 4 else 0x0057) + datagram


def pppoe(datagram):
    return struct.pack(">BBHH", 0x11, 0, 1, len(ppp(datagram))) + ppp(datagram)


def wlan(datagram, qos=False, four_addresses=False, pad=False):
    control = (0x88 if qos else 0x08, 0x03 if four_addresses else 0x01)
    header = bytes(control) + b"\0\0" + MAC_B + MAC_A + MAC_B + b"\x10\0"
    header += MAC_A if four_addresses else b""
    header += b"\0\0" if qos else b""
    header += b"\0" * (-len(header) % 4 if pad else 0)
    return header + snap(datagram)


def radiotap(frame, flags, time=False, two_words=False):
    fields = (struct.pack("<Q", 1000) if time else b"") + bytes([flags])
    present = (1 if time else 0) | 2
    if two_words:  # a second word of bits; what follows keeps its alignment of 8 bytes
        present |= 0x80000000
        fields = b"\0" * 8 + fields
    fcs = b"\x01\x02\x03\x04" if flags & 0x10 else b""
    return struct.pack("<BBHI", 0, 0, 8 + len(fields), present) + fields + frame + fcs


def fragments4(datagram, size):
    """An IPv4 datagram without options, in pieces of size bytes."""
    src, dst = str(ipaddress.ip_address(datagram[12:16])), str(ipaddress.ip_address(datagram[16:20]))
    body = datagram[20:]
    return [ipv4(src, dst, datagram[9], body[at:at + size], identification=77,
                 fragment=(0x2000 if at + size < len(body) else 0) | at // 8) for at in range(0, len(body), size)]


def fragments6(datagram, size):
    src, dst = str(ipaddress.ip_address(datagram[8:24])), str(ipaddress.ip_address(datagram[24:40]))
    body = datagram[40:]
    return [ipv6(src, dst, FRAGMENT, body[at:at + size],
                 struct.pack(">BBHI", datagram[6], 0, at | (at + size < len(body)), 77777))
            for at in range(0, len(body), size)]


def fragments_with(datagram, *pieces):
    """Pieces of an IPv4 datagram at will: (offset, bytes, whether more follow)."""
    src, dst = str(ipaddress.ip_address(datagram[12:16])), str(ipaddress.ip_address(datagram[16:20]))
    return [ipv4(src, dst, datagram[9], piece, identification=78, fragment=(0x2000 if more else 0) | at // 8)
            for at, piece, more in pieces]


def icmp_error(router, host, quote):
    if ":" not in router:
        body = struct.pack(">BBHI", 3, 3, 0, 0) + quote[:28 + 8]
        return ipv4(router, host, ICMP, body[:2] + struct.pack(">H", checksum(body)) + body[4:])
    body = struct.pack(">BBHI", 1, 4, 0, 0) + quote
    return ipv6(router, host, ICMPV6, with_checksum(router, host, ICMPV6, body, 2))


def gre(datagram, key=None):
    if key is None:
        return struct.pack(">HH", 0, ethertype(datagram)) + datagram
    return struct.pack(">HHII", 0x3000, 0x6558, key, 1) + ethernet(datagram)


def pptp(datagram):
    inner = b"\xff\x03" + ppp(datagram)
    return struct.pack(">HHHHII", 0x3081, 0x880b, len(inner), 1, 1, 1) + inner


def vxlan(datagram):
    return struct.pack(">II", 0x08000000, 42 << 8) + ethernet(datagram)


def vxlan_gpe(datagram):
    return struct.pack(">BBBBI", 0x0c, 0, 0, 1 if datagram[0] >> 4 == 4 else 2, 42 << 8) + datagram


def geneve(datagram, options=b""):
    return struct.pack(">BBHI", len(options) // 4, 0, 0x6558, 42 << 8) + options + ethernet(datagram)


def gtp_u(datagram, flags=0, extension=b""):
    more = struct.pack(">HBB", 1, 0, 0x85 if extension else 0) + extension if flags else b""
    return struct.pack(">BBHI", 0x30 | flags, 0xff, len(more) + len(datagram), 7) + more + datagram


def l2tp(datagram, flags=0):
    inner = b"\xff\x03" + ppp(datagram)
    rest = struct.pack(">HH", 1, 2)
    rest += struct.pack(">HH", 3, 4) if flags & 0x0800 else b""
    rest += struct.pack(">HH", 2, 0) if flags & 0x0200 else b""
    length = struct.pack(">H", 4 + len(rest) + len(inner)) if flags & 0x4000 else b""
    return struct.pack(">H", flags | 2) + length + rest + inner


def tzsp(frame, encapsulation, tags=b"\x0a\x01\x2b\0\x01"):
    return struct.pack(">BBH", 1, 0, encapsulation) + tags + frame


def erspan(datagram, kind):
    if kind == 1:
        return struct.pack(">HH", 0, 0x88be) + ethernet(datagram)
    if kind == 2:
        return struct.pack(">HHIII", 0x1000, 0x88be, 1, 0x1000 << 16 | 5, 0) + ethernet(datagram)
    subheader = b"\x11" * 8 if kind == 4 else b""
    return struct.pack(">HHIIIHH", 0x1000, 0x22eb, 1, 0x2000 << 16 | 5, 1234, 0, 1 if subheader else 0) + subheader + \
        ethernet(datagram)


def nflog(datagram):
    field = struct.pack("<HH", 4 + len(datagram), 9) + datagram
    return struct.pack(">BBH", 2 if datagram[0] >> 4 == 4 else 10, 0, 5) + struct.pack("<HH4s", 8, 1, b"\x08\0\0\0") + field


def teredo(datagram, auth=False, origin=False):
    head = struct.pack(">HBB", 1, 0, 0) + b"\0" * 9 if auth else b""
    head += b"\0\0" + b"\x11\x22" + b"\x33\x44\x55\x66" if origin else b""
    return head + datagram


def xxhash32(data):
    """Of less than 16 bytes, as LZ4's frame header has it."""
    p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
    rotated = lambda n, by: (n << by | n >> 32 - by) & 0xffffffff
    value, at = (p5 + len(data)) & 0xffffffff, 0
    for at in range(0, len(data) - 3, 4):
        value = rotated((value + struct.unpack_from("<I", data, at)[0] * p3) & 0xffffffff, 17) * p4 & 0xffffffff
    for byte in data[len(data) // 4 * 4:]:
        value = rotated((value + byte * p5) & 0xffffffff, 11) * p1 & 0xffffffff
    value = (value ^ value >> 15) * p2 & 0xffffffff
    value = (value ^ value >> 13) * p3 & 0xffffffff
    return value ^ value >> 16


def lz4(data):
    """One block, as it is (LZ4 frame format)."""
    head = b"\x60\x40"
    return (b"\x04\x22\x4d\x18" + head + bytes([xxhash32(head) >> 8 & 0xff]) + struct.pack("<I", len(data) | 0x80000000) +
            data + b"\0\0\0\0")


def zstandard(data):
    """One block, as it is (RFC 8878)."""
    return (b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data)) + struct.pack("<I", len(data) << 3 | 1)[:3] + data)


# --- files ---------------------------------------------------------------------------------------------------------

TIME = 1167609600  # 2007-01-01


def pcap(linktype, frames, order="<", magic=0xa1b2c3d4, snaplen=262144):
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype)
    for number, frame in enumerate(frames):
        out += struct.pack(order + "IIII", TIME + number, 0, len(frame[:snaplen]), len(frame)) + frame[:snaplen]
    return out


def pcapng(packets, linktypes):
    """packets: (interface, frame) pairs."""
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    out = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    for linktype in linktypes:
        out += block(1, struct.pack("<HHI", linktype, 0, 0))
    for number, (interface, frame) in enumerate(packets):
        time = (TIME + number) * 1000000
        out += block(6, struct.pack("<IIIII", interface, time >> 32, time & 0xffffffff, len(frame), len(frame)) + frame)
    return out


def with_other_blocks(data):
    """Names, statistics and a block that nobody knows, before the first packet and behind the last."""
    def block(kind, body):
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    name = packed(A4) + b"a.example\0"
    names = block(4, struct.pack("<HH", 1, len(name)) + name + b"\0" * (-len(name) % 4) + struct.pack("<HH", 0, 0))
    statistics = block(5, struct.pack("<III", 0, 0, 0))
    custom = block(0xbad, struct.pack("<I", 32473) + b"whatever")
    unknown = block(0x0fffffff, b"nobody knows what this is...")
    first = data.index(struct.pack("<I", 6), 28)
    return data[:first] + names + custom + unknown + data[first:] + statistics + names


def snoop(frames):
    out = b"snoop\0\0\0" + struct.pack(">II", 2, 4)
    for number, frame in enumerate(frames):
        pad = -len(frame) % 4
        out += struct.pack(">IIIIII", len(frame), len(frame), 24 + len(frame) + pad, 0, TIME + number, 0)
        out += frame + b"\0" * pad
    return out


def erf(frames):
    out = b""
    for number, frame in enumerate(frames):
        body = b"\0\0" + frame + b"\x01\x02\x03\x04"  # offset and padding; the frame with its checksum
        out += struct.pack("<Q", (TIME + number) << 32)
        out += struct.pack(">BBHHH", 2, 4, 16 + len(body), 0, len(frame) + 4) + body
    return out


ETHERNET, NULL, PPP_LINK, PPP_HDLC, PPP_ETHER, RAW, CHDLC, WLAN, LOOP, SLL, RADIOTAP, SLL2 = (
    1, 0, 9, 50, 51, 101, 104, 105, 108, 113, 127, 276)
ENC, PFLOG, PPI, NFLOG, NETANALYZER, PKTAP = 109, 117, 192, 239, 240, 258


def captures():
    v4, v6 = exchange(A4, B4), exchange(A6, B6)
    both = v4 + v6
    tagged = struct.pack(">HH", 7, 0x0800)

    # links
    yield "ethernet", pcap(ETHERNET, map(ethernet, both))
    yield "vlan", pcap(ETHERNET, [ethernet(tagged + d, 0x8100) for d in v4])
    yield "qinq", pcap(ETHERNET, [ethernet(struct.pack(">HH", 5, 0x8100) + tagged + d, 0x88a8) for d in v4])
    yield "llc-snap", pcap(ETHERNET, [ethernet(snap(d), len(snap(d))) for d in both])
    # the last label is an explicit null, 0 for IPv4 and 2 for IPv6 (RFC 3032): others leave open what is behind them
    null = {4: 0, 6: 2}
    yield "mpls", pcap(ETHERNET, [ethernet(struct.pack(">II", 16 << 12 | 64, null[d[0] >> 4] << 12 | 0x140) + d, 0x8847)
                                  for d in both])
    yield "pppoe", pcap(ETHERNET, [ethernet(pppoe(d), 0x8864) for d in both])
    yield "pppoe-alone", pcap(PPP_ETHER, map(pppoe, both))
    yield "sll", pcap(SLL, [struct.pack(">HHH8sH", 0, 1, 6, MAC_A, ethertype(d)) + d for d in both])
    yield "sll2", pcap(SLL2, [struct.pack(">HHIHBB8s", ethertype(d), 0, 2, 1, 4, 6, MAC_A) + d for d in both])
    yield "raw", pcap(RAW, both)
    yield "null-little-endian", pcap(NULL, [struct.pack("<I", 2 if d[0] >> 4 == 4 else 30) + d for d in both])
    yield "null-big-endian", pcap(NULL, [struct.pack(">I", 2 if d[0] >> 4 == 4 else 24) + d for d in both], order=">")
    yield "loop", pcap(LOOP, [struct.pack(">I", 2 if d[0] >> 4 == 4 else 24) + d for d in both])
    yield "ppp", pcap(PPP_LINK, map(ppp, both))
    yield "ppp-hdlc", pcap(PPP_HDLC, [b"\xff\x03" + ppp(d) for d in both])
    yield "ppp-mpls", pcap(PPP_LINK, [struct.pack(">HI", 0x0281, null[d[0] >> 4] << 12 | 0x140) + d for d in both])
    yield "chdlc", pcap(CHDLC, [b"\x0f\0" + struct.pack(">H", ethertype(d)) + d for d in both])
    yield "wlan", pcap(WLAN, [wlan(d, qos, four) for d in both for qos in (False, True) for four in (False, True)])
    yield "radiotap", pcap(RADIOTAP, [radiotap(wlan(d), 0) for d in both] +
                           [radiotap(wlan(d, qos=True), 0x10, time=True) for d in both] +
                           [radiotap(wlan(d, qos=True, pad=True), 0x20) for d in both] +
                           [radiotap(wlan(d), 0, time=True, two_words=True) for d in both])

    yield "enc", pcap(ENC, [struct.pack("<III", 2 if d[0] >> 4 == 4 else 24, 0, 0) + d for d in both])
    yield "pflog", pcap(PFLOG, [struct.pack(">BBBB", 61, 2 if d[0] >> 4 == 4 else 24, 0, 0) + b"\0" * 60 + d for d in both])
    yield "nflog", pcap(NFLOG, map(nflog, v4))
    yield "ppi", pcap(PPI, [struct.pack("<BBHI", 0, 0, 8, ETHERNET) + ethernet(d) for d in both] +
                      [struct.pack("<BBHIHH", 0, 0, 16, WLAN, 3, 4) + b"\0" * 4 + wlan(d) for d in both])
    yield "pktap", pcap(PKTAP, [struct.pack("<III24sII", 108, 1, ETHERNET, b"en0", 0, 2) + b"\0" * 64 + ethernet(d)
                                for d in both])
    yield "netanalyzer", pcap(NETANALYZER, [struct.pack("<HH", 0x0400, len(ethernet(d)) + 4) + ethernet(d) + b"\x01\x02\x03\x04" for d in both])
    yield "pbb", pcap(ETHERNET, [ethernet(struct.pack(">I", 5) + ethernet(d), 0x88e7) for d in both])

    # networks
    yield "ipv4-options", pcap(ETHERNET, [ethernet(ipv4(A4, B4, UDP, udp(A4, B4, PORT_A, PORT_B, PING),
                                                        options=b"\x94\x04\0\0"))])
    yield "ipv6-extensions", pcap(ETHERNET, [ethernet(ipv6(
        A6, B6, 0, udp(A6, B6, PORT_A, PORT_B, PING),
        bytes([60, 0, 1, 4, 0, 0, 0, 0]) + bytes([44, 1, 1, 12]) + b"\0" * 12 + struct.pack(">BBHI", UDP, 0, 0, 9)))])
    large4 = message(B4, A4, PORT_B, PORT_A, NODES)
    large6 = message(B6, A6, PORT_B, PORT_A, NODES)
    yield "fragments", pcap(ETHERNET, map(ethernet, fragments4(large4, 96) + fragments6(large6, 96)))
    yield "fragments-reversed", pcap(ETHERNET, map(ethernet, fragments4(large4, 96)[::-1] + fragments6(large6, 96)[::-1]))
    yield "fragments-repeated", pcap(ETHERNET, map(ethernet, [f for f in fragments4(large4, 96)[:-1] for _ in (0, 1)] +
                                                   fragments4(large4, 96)[-1:]))
    yield "fragments-tiny", pcap(ETHERNET, map(ethernet, fragments4(large4, 8)[::2] + fragments4(large4, 8)[1::2] +
                                               fragments6(large6, 8)))
    body = large4[20:]
    yield "fragments-conflicting", pcap(ETHERNET, map(ethernet, fragments_with(
        large4, (0, body[:96], True), (48, b"\xff" * 96, True), (144, body[144:], False), (96, body[96:144], True))))
    yield "fragments-too-long", pcap(ETHERNET, map(ethernet, fragments_with(
        large4, (0, body[:96], True), (65528, body[96:], False))))
    yield "fragments-two-ends", pcap(ETHERNET, map(ethernet, fragments_with(
        large4, (0, body[:96], True), (96, body[96:192], False), (96, body[96:], False))))
    yield "fragments-one-lost", pcap(ETHERNET, map(ethernet, fragments4(large4, 96)[1:]))
    yield "gre", pcap(ETHERNET, [ethernet(ipv4(OUTER_A4, OUTER_B4, GRE, gre(d))) for d in both])
    yield "gre-ethernet", pcap(ETHERNET, [ethernet(ipv4(OUTER_A4, OUTER_B4, GRE, gre(d, key=5))) for d in both])
    yield "pptp", pcap(ETHERNET, [ethernet(ipv4(OUTER_A4, OUTER_B4, GRE, pptp(d))) for d in v4])
    yield "4in4", pcap(ETHERNET, [ethernet(ipv4(OUTER_A4, OUTER_B4, IPIP, d)) for d in v4])
    yield "6in4", pcap(ETHERNET, [ethernet(ipv4(OUTER_A4, OUTER_B4, IPV6, d)) for d in v6])
    yield "4in6", pcap(ETHERNET, [ethernet(ipv6(OUTER_A6, OUTER_B6, IPIP, d)) for d in v4])
    yield "6in6", pcap(ETHERNET, [ethernet(ipv6(OUTER_A6, OUTER_B6, IPV6, d)) for d in v6])
    yield "4in6in4", pcap(ETHERNET, [ethernet(ipv4(OUTER_A4, OUTER_B4, IPV6, ipv6(OUTER_A6, OUTER_B6, IPIP, d)))
                                     for d in v4])
    yield "vxlan", pcap(ETHERNET, [ethernet(message(OUTER_A4, OUTER_B4, 40000, 4789, vxlan(d))) for d in both])
    yield "vxlan-gpe", pcap(ETHERNET, [ethernet(message(OUTER_A4, OUTER_B4, 40000, 4790, vxlan_gpe(d))) for d in both])
    yield "geneve", pcap(ETHERNET, [ethernet(message(OUTER_A4, OUTER_B4, 40000, 6081, geneve(d, options)))
                                    for d in both for options in (b"", b"\0\1\x80\1\0\0\0\7")])
    yield "gtp-u", pcap(ETHERNET, [ethernet(message(OUTER_A4, OUTER_B4, 2152, 2152, gtp_u(d, flags, extension)))
                                   for d in both for flags, extension in
                                   ((0, b""), (2, b""), (4, b"\x01\0\x09\0"))])
    yield "l2tp", pcap(ETHERNET, [ethernet(message(OUTER_A4, OUTER_B4, 1701, 1701, l2tp(d, flags)))
                                  for d in both for flags in (0, 0x4000, 0x4800, 0x4a00)])
    yield "tzsp", pcap(ETHERNET, [ethernet(message(OUTER_A4, OUTER_B4, 40000, 37008, tzsp(frame, encapsulation)))
                                  for d in both for frame, encapsulation in ((ethernet(d), 1), (wlan(d), 18))])
    yield "erspan", pcap(ETHERNET, [ethernet(ipv4(OUTER_A4, OUTER_B4, GRE, erspan(d, kind)))
                                    for d in both for kind in (1, 2, 3, 4)])
    yield "teredo", pcap(ETHERNET, [ethernet(message(OUTER_A4, OUTER_B4, 3544, 40000, teredo(d, auth, origin)))
                                    for d in v6 for auth in (False, True) for origin in (False, True)])
    yield "fragmented-tunnel", pcap(ETHERNET, map(ethernet, fragments4(
        ipv4(OUTER_A4, OUTER_B4, IPIP, fragments4(large4, 160)[0]), 96) +
        [ipv4(OUTER_A4, OUTER_B4, IPIP, f) for f in fragments4(large4, 160)[1:]]))

    yield "udp-lite", pcap(ETHERNET, [ethernet(ip(a, b, UDP_LITE, udp_lite(a, b, PORT_A, PORT_B, PING, coverage)))
                                      for a, b in ((A4, B4), (A6, B6)) for coverage in (0, 8, 20, 8 + len(PING))])
    yield "udp-length-beyond", pcap(ETHERNET, [
        ethernet(ip(a, b, UDP, udp_with_length(a, b, PORT_A, PORT_B, PING, length)))
        for a, b in ((A4, B4), (A6, B6)) for length in (8 + len(PING) + 1, 1400, 65535)] +
        [ethernet(v4[0])[:-3]])

    # transport: port unreachable, what is not KRPC, padding
    yield "icmp", pcap(ETHERNET, [ethernet(v4[0]), ethernet(icmp_error(B4, A4, v4[0])),
                                  ethernet(v6[0]), ethernet(icmp_error(B6, A6, v6[0]))])
    yield "padding", pcap(ETHERNET, [ethernet(message(A4, B4, PORT_A, PORT_B, b"de")),
                                     ethernet(ipv4(A4, B4, TCP, tcp(A4, B4, PORT_A, PORT_B, 1, 0, 2, b"")))])
    yield "tcp", pcap(ETHERNET, [
        ethernet(ip(a, b, TCP, tcp(a, b, PORT_A, PORT_B, 100, 200, 0x18, b"\0\0\0\x03\x09\x1a\xe1",
                                   b"\x01\x01\x08\x0a" + b"\0" * 8))) for a, b in ((A4, B4), (A6, B6))])

    # files
    yield "interfaces.pcapng", pcapng([(0, ethernet(v4[0])), (1, v4[1]), (0, ethernet(v6[0])), (1, v6[1])],
                                      [ETHERNET, RAW])
    yield "big-endian", pcap(ETHERNET, map(ethernet, both), order=">")
    yield "nanoseconds", pcap(ETHERNET, map(ethernet, both), magic=0xa1b23c4d)
    yield "snap-length", pcap(ETHERNET, map(ethernet, both + [large4]), snaplen=80)
    yield "snoop.snoop", snoop([ethernet(d) for d in both])
    yield "erf.erf", erf([ethernet(d) for d in both])
    yield "gzip.pcap.gz", gzip.compress(pcap(ETHERNET, map(ethernet, both)), mtime=0)
    yield "zstd.pcap.zst", zstandard(pcap(ETHERNET, map(ethernet, both)))
    yield "lz4.pcap.lz4", lz4(pcap(ETHERNET, map(ethernet, both)))
    yield "blocks.pcapng", with_other_blocks(pcapng([(0, ethernet(d)) for d in both], [ETHERNET]))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: links.py FOLDER")
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, data in captures():
        with open(os.path.join(sys.argv[1], name if "." in name else name + ".pcap"), "wb") as out:
            out.write(data)


if __name__ == "__main__":
    main()
