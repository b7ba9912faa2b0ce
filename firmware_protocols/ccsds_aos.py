"""CCSDS AOS transfer frames: virtual channels taken apart, and the packets that lie across their frames.

::

    version  SCID  VCID  frame count  replay  cycle used  spare  cycle │ FHEC │ insert zone │ data │ OCF │ FECF
    2        8     6     24           1       1           2      4     │ 16   │ n octets    │      │ 32  │ 16
    01             63 only idle                                          RS(10,6)             4 octets  CRC-16

    M_PDU    spare 5 · first-header pointer 11 (7FF no packet starts, 7FE only idle data) · packets
    B_PDU    spare 2 · bitstream data pointer 14 (3FFF all valid, 3FFE none) · bits

FHEC, insert zone, OCF and FECF are there as a mission says; none by default. What a virtual channel carries is said
by ``service`` and, for single channels, ``services``: ``m_pdu``, ``b_pdu``, ``vca`` (its octets as they are) or
``packet_at`` (one packet in each frame, at octet ``packet_at`` of the frame). Frames of another version or
spacecraft are refused; where no ``scid`` is configured one is believed when two frames name it. A channel read as
M_PDU whose pointers are none, but whose frames are one packet each, is known by that (``ccsds/solitary.py``): each
pointer left unread is counted as ``pointers_unread``.

Source: CCSDS 732.0-B-4 §4.1. The packets come out whole; ``space_packet`` reads their headers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from construct import BitsInteger, BitStruct, Flag
from msgspec import Meta

from firmware_protocols.ccsds import frame_error_control, header_error_control, operational_control
from firmware_protocols.ccsds.counters import Verdict
from firmware_protocols.ccsds.idle import filled
from firmware_protocols.ccsds.packet_zone import MORE, NO_PACKET, packet_octets
from firmware_protocols.ccsds.solitary import SolitaryPackets, Zone
from firmware_protocols.ccsds.virtual_channels import VirtualChannel, VirtualChannels, goes_on
from firmware_protocols.interface import Around, Example, Gap, HeaderValue, Packet

VERSION: Final = 1
IDLE_VCID: Final = 63
HEADER_OCTETS: Final = 6
POINTER_OCTETS: Final = 2
ALL_BITS: Final = 0x3FFF
NO_BITS: Final = 0x3FFE

HEADER = BitStruct(
    "version" / BitsInteger(2),
    "scid" / BitsInteger(8),
    "vcid" / BitsInteger(6),
    "vc_frame_count" / BitsInteger(24),
    "replay" / Flag,
    "cycle_used" / Flag,
    "spare" / BitsInteger(2),
    "cycle" / BitsInteger(4),
)

Service: TypeAlias = Literal["m_pdu", "b_pdu", "vca", "packet_at"]
Vcid = Annotated[int, Meta(ge=0, le=63)]
VcidText = Annotated[str, Meta(pattern="^[0-9]{1,2}$")]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a mission fills its frames.

    ``vcids`` names the virtual channels there are (empty: any); frames of others are refused as ``wrong_vcid``.
    ``packet_at`` counts octets from the frame's first.
    """

    scid: Annotated[int, Meta(ge=0, le=255)] | None = None
    vcids: Annotated[tuple[Vcid, ...], Meta(max_length=64)] = ()
    service: Service = "m_pdu"
    services: dict[VcidText, Service] = {}
    packet_at: Annotated[int, Meta(ge=6, le=4096)] = 8
    insert_zone_octets: Annotated[int, Meta(ge=0, le=1024)] = 0
    fhec: bool = False
    ocf: bool = False
    fecf: bool = False
    max_packet_octets: Annotated[int, Meta(ge=7, le=65_542)] = 65_542


class PacketExtractor:
    """A frame in, the packets that end in it out, each with the frame's header beside it.

    Header fields: ``scid``, ``vcid``, ``vc_frame_count`` (with the cycle where one is used), ``replay``; with an
    OCF ``ocf`` and ``clcw_…``; with an insert zone ``insert_zone``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self._options = options
        self._solitary: dict[VirtualChannel, SolitaryPackets] = {}
        self._channels = VirtualChannels(
            options.scid, self.rejected, self.counted, max_packet_octets=options.max_packet_octets
        )
        self._tail = operational_control.OCTETS * options.ocf + frame_error_control.octets(options.fecf)

    @property
    def gaps(self) -> list[Gap]:
        """List the frames that are missing, by virtual channel."""
        return self._channels.gaps

    @property
    def missing(self) -> Counter[str]:
        """Count the frames that are missing, by virtual channel."""
        return self._channels.missing

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one frame and return the packets now complete."""
        options = self._options
        begin = HEADER_OCTETS + 2 * options.fhec + options.insert_zone_octets
        if len(frame) <= begin + self._tail:
            self.rejected["too_short"] += 1
            return []
        if not frame_error_control.agrees(frame, options.fecf):
            self.rejected["bad_fecf"] += 1
            return []
        if options.fhec:
            mended = self._mend(frame)
            if mended is None:
                self.rejected["bad_fhec"] += 1
                return []
            frame = mended
        fields = HEADER.parse(frame[:HEADER_OCTETS])
        if fields.version != VERSION:
            self.rejected["wrong_version"] += 1
            return []
        return [packet for each in self._channels.believe(fields.scid, frame) for packet in self._open(each)]

    def flush(self) -> list[Packet]:
        """Return what was held back, and count the packets that were never completed."""
        packets = [packet for frame in self._channels.rest() for packet in self._open(frame)]
        for channel, solitary in self._solitary.items():
            packets += self._read(channel, solitary, solitary.rest())
        self._channels.drop()
        return packets

    def _mend(self, frame: bytes) -> bytes | None:
        """Correct the header by its error control: it covers version, SCID, VCID and the signalling field."""
        word = int.from_bytes(frame[:2] + frame[5:8], "big")
        corrected = header_error_control.correct(word)
        if corrected is None:
            return None
        octets = corrected[0].to_bytes(5, "big")
        self.counted["header_symbols_corrected"] += corrected[1]
        return octets[:2] + frame[2:5] + octets[2:] + frame[8:]

    def _open(self, frame: bytes) -> list[Packet]:
        options = self._options
        fields = HEADER.parse(frame[:HEADER_OCTETS])
        if fields.vcid == IDLE_VCID:
            self.counted["idle_frames"] += 1
            return []
        if options.vcids and fields.vcid not in options.vcids:
            self.rejected["wrong_vcid"] += 1
            return []
        count = fields.vc_frame_count | (fields.cycle << 24 if fields.cycle_used else 0)
        # Replayed frames are counted apart from those of the moment (§4.1.2.5).
        channel = self._channels.channel(
            (fields.scid, fields.vcid, fields.replay, fields.cycle_used),
            {"scid": fields.scid, "vcid": fields.vcid},
            1 << (28 if fields.cycle_used else 24),
        )
        verdict = None if channel is None else channel.take(frame, count)
        if channel is None or verdict is None:
            return []
        header: dict[str, HeaderValue] = {
            "scid": fields.scid,
            "vcid": fields.vcid,
            "vc_frame_count": count,
            "replay": fields.replay,
        }
        at = HEADER_OCTETS + 2 * options.fhec
        begin = at + options.insert_zone_octets
        end = len(frame) - self._tail
        if options.insert_zone_octets:
            header["insert_zone"] = frame[at:begin]
        if options.ocf:
            header |= operational_control.read(frame[end : end + operational_control.OCTETS])
        service = options.services.get(str(fields.vcid), options.service)
        if service == "m_pdu":
            return self._m_pdu(channel, frame[begin:end], verdict, header)
        if service == "packet_at":
            packets = self._first_packet(frame[options.packet_at : end])
        elif service == "b_pdu":
            packets = self._b_pdu(frame[begin:end])
        else:
            packets = [frame[begin:end]]
        return [Packet(packet, header) for packet in packets]

    def _m_pdu(
        self, channel: VirtualChannel, data: bytes, verdict: Verdict, header: Mapping[str, HeaderValue]
    ) -> list[Packet]:
        if len(data) <= POINTER_OCTETS:
            self.rejected["too_short"] += 1
            return []
        pointer = int.from_bytes(data[:POINTER_OCTETS], "big") & 0x7FF
        zone = data[POINTER_OCTETS:]
        if verdict == "late":
            return [Packet(packet, header) for packet in channel.packets_apart(zone, pointer)]
        solitary = self._solitary.setdefault(channel, SolitaryPackets())
        return self._read(channel, solitary, solitary.hear(Zone(zone, pointer, goes_on(verdict), header)))

    def _read(self, channel: VirtualChannel, solitary: SolitaryPackets, zones: list[Zone]) -> list[Packet]:
        """Take the packets out of zones, by their pointers or each as one packet."""
        packets: list[Packet] = []
        for each in zones:
            if solitary.believed:
                self.counted["pointers_unread"] += each.pointer != 0
                found = self._first_packet(each.octets)
            else:
                found = channel.zone().feed(each.octets, each.pointer, unbroken=each.unbroken)
            packets += [Packet(packet, each.header) for packet in found]
        return packets

    def _b_pdu(self, data: bytes) -> list[bytes]:
        """Return the valid bits, filled up to whole octets."""
        pointer = int.from_bytes(data[:POINTER_OCTETS], "big") & 0x3FFF
        bits = data[POINTER_OCTETS:]
        if pointer == NO_BITS:
            self.counted["fill_octets"] += len(bits)
            return []
        if pointer == ALL_BITS:
            return [bits]
        if pointer >= 8 * len(bits):
            self.rejected["bad_pointer"] += 1
            return []
        valid = pointer + 1  # the pointer is the place of the last valid bit
        octets = bytearray(bits[: (valid + 7) // 8])
        octets[-1] &= 0xFF << (-valid % 8) & 0xFF
        self.counted["fill_octets"] += len(bits) - len(octets)
        return [bytes(octets)]

    def _first_packet(self, data: bytes) -> list[bytes]:
        """Return the one packet that begins here; what is behind it is fill."""
        if not any(data):
            self.counted["fill_octets"] += len(data)
            return []
        octets = packet_octets(data[:8])
        if octets in (MORE, NO_PACKET) or octets > len(data):
            self.rejected["bad_packet_header" if octets <= 0 else "bad_packet_length"] += 1
            return []
        if not any(data[octets:]):
            self.counted["fill_octets"] += len(data) - octets
        else:
            self.counted["octets_behind_packet"] += len(data) - octets
        return [data[:octets]]


def build(
    scid: int, vcid: int, vc_frame_count: int, data: bytes, options: Options | None = None, *, ocf: bytes = bytes(4)
) -> bytes:
    """Build a frame around its data field (an M_PDU with its pointer, for one); the insert zone is zeros."""
    options = options or Options()
    header: bytes = HEADER.build(
        {
            "version": VERSION,
            "scid": scid,
            "vcid": vcid,
            "vc_frame_count": vc_frame_count % (1 << 24),
            "replay": False,
            "cycle_used": False,
            "spare": 0,
            "cycle": 0,
        }
    )
    if options.fhec:
        information = int.from_bytes(header[:2] + header[5:], "big")
        header += header_error_control.parity(information).to_bytes(2, "big")
    frame = header + bytes(options.insert_zone_octets) + data + (ocf if options.ocf else b"")
    return frame_error_control.append(frame, options.fecf)


def enclose(data: bytes, options: Options, around: Around) -> bytes:
    """Put a packet into a frame, counted on from one like it."""
    fields = HEADER.parse(around.like[:HEADER_OCTETS]) if len(around.like) >= HEADER_OCTETS else None
    scid = fields.scid if fields else options.scid or 0
    vcid = fields.vcid if fields else next(iter(options.vcids), 0)
    count = (fields.vc_frame_count if fields else 0) + around.number
    before = HEADER_OCTETS + 2 * options.fhec + options.insert_zone_octets
    behind = operational_control.OCTETS * options.ocf + frame_error_control.octets(options.fecf)
    wanted = around.octets or len(around.like)
    room = max(1, wanted - before - behind) if wanted else 0
    service = options.services.get(str(vcid), options.service)
    if service == "m_pdu":
        zone = bytes(POINTER_OCTETS) + filled(data, max(1, room - POINTER_OCTETS) if room else 0)
    elif service == "b_pdu":
        zone = ALL_BITS.to_bytes(POINTER_OCTETS, "big") + data
    elif service == "packet_at":
        lead = around.like[before : options.packet_at].ljust(options.packet_at - before, b"\0")
        zone = (lead + data).ljust(room, b"\0")
    else:
        zone = data
    if room and len(zone) > room:
        raise ValueError(f"{len(zone)} octets do not fit into a frame that holds {room}")
    return build(scid, vcid, count, zone, options)


_DANURI = bytes.fromhex(
    "6ee100c5dd001ebf02a1c5dd00cd06049a401dd765603083427717cf0001f200b7b7e00fb55328e6081706af005400000001c8838f40"
    "c86c69e6c7c853433f435afebf1b6c2ebeb9bdbe48b9203448b7d14f46e7fdc035e86b1236b1b7d5b4d328e63f800000000093000000"
    "9300000000000913097311c90289002f000000a0000073a00003ff87b800ff030d2101fe01f701ee086302d6018080808080808080808"
    "0b9c3191a39c3191a08ad088408ad088408ad088408ad08840a190000000000000000000000000000000000000000000000ffffffffff"
    "ffffff"
)
_SMALL = bytes.fromhex("0001c0000003") + b"data" + bytes.fromhex("0001c0010001") + b"ab"

EXAMPLES: Final = (
    Example(
        name="Danuri: one packet in each frame",
        source="kplo_aos_20220805_135349.u8 (CC BY 4.0, Daniel Estévez / CAMRAS, Dwingeloo 2022-08-05)",
        stream=_DANURI,
        packets=(_DANURI[8:],),
        options={"scid": 187, "service": "packet_at", "packet_at": 8},
    ),
    Example(
        name="two packets and fill",
        source="made from CCSDS 732.0-B-4 §4.1.4.2",
        stream=build(44, 5, 1, bytes.fromhex("0000") + _SMALL + bytes(20)),
        packets=(_SMALL[:10], _SMALL[10:]),
    ),
    Example(
        name="header and frame under error control",
        source="made from CCSDS 732.0-B-4 §4.1.2.6 and §4.1.6",
        stream=build(
            44,
            5,
            1,
            bytes.fromhex("0000") + _SMALL,
            Options(fhec=True, fecf=True, ocf=True, insert_zone_octets=3),
        ),
        packets=(_SMALL[:10], _SMALL[10:]),
        options={"fhec": True, "fecf": True, "ocf": True, "insert_zone_octets": 3},
    ),
    Example(
        name="bits",
        source="made from CCSDS 732.0-B-4 §4.1.4.3",
        stream=build(44, 5, 1, bytes.fromhex("000b") + b"\xff\xff\xff"),
        packets=(b"\xff\xf0",),
        options={"service": "b_pdu"},
    ),
)
