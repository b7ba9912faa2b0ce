"""Captures made octet by octet: pcap and pcapng files with UDP in them, as capture programs write them."""

from __future__ import annotations

import struct


def udp(payload: bytes, *, port: int = 10015, source_port: int = 40000) -> bytes:
    return struct.pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload


def ipv4(body: bytes, *, protocol: int = 17, fragment: int = 0) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, fragment, 64, protocol, 0)
    return head + bytes([10, 0, 0, 1]) + bytes([10, 0, 0, 2]) + body


def ipv6(body: bytes, *, extensions: bytes = b"", first: int = 17) -> bytes:
    return struct.pack(">IHBB", 6 << 28, len(extensions) + len(body), first, 64) + bytes(32) + extensions + body


def ethernet(ip: bytes, *, tags: int = 0) -> bytes:
    ethertype = b"\x08\x00" if ip[0] >> 4 == 4 else b"\x86\xdd"
    padded = bytes(12) + b"\x81\x00\x00\x05" * tags + ethertype + ip
    return padded.ljust(60, b"\0")


def cooked(ip: bytes) -> bytes:
    return bytes(14) + (b"\x08\x00" if ip[0] >> 4 == 4 else b"\x86\xdd") + ip


def cooked_2(ip: bytes) -> bytes:
    return (b"\x08\x00" if ip[0] >> 4 == 4 else b"\x86\xdd") + bytes(18) + ip


def pcap(
    packets: list[bytes], link: int = 1, *, order: str = "<", nanoseconds: bool = False, snap: int = 65535
) -> bytes:
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)
    for number, packet in enumerate(packets):
        kept = packet[:snap]
        out += struct.pack(order + "IIII", 1_700_000_000 + number, 500, len(kept), len(packet)) + kept
    return out


def pcapng(packets: list[bytes], link: int = 1, *, order: str = "<", resolution: int = 9) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body = body.ljust((len(body) + 3) // 4 * 4, b"\0")
        return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))

    options = struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(4, bytes(12))  # a name resolution block, to be stepped over
    out += block(1, struct.pack(order + "HHI", link, 0, 0) + options)
    for number, packet in enumerate(packets):
        at = (1_700_000_000 + number) * 10**resolution
        out += block(
            6, struct.pack(order + "IIIII", 0, at >> 32, at & 0xFFFFFFFF, len(packet), len(packet)) + packet
        )
    return out
