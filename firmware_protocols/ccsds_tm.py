"""CCSDS TM transfer frames: virtual channels taken apart, and the packets that lie across their frames.

::

    version  SCID  VCID  OCF flag  MC count  VC count  │ data field status 16              │ [secondary header]
    2        10    3     1         8         8         │ SH 1 · sync 1 · order 1 ·         │ version 2 · length 6
    00                                                 │ segment length 2 · pointer 11     │ · length + 1 - 1 octets
    │ data field                    │ [OCF]  │ [FECF]
    │ packets, or octets (sync 1)   │ 32     │ 16

The OCF is there when its flag says so; the FECF as a mission says (``fecf``). Pointer 7FF: no packet starts here,
7FE: only idle data. Frames of another version or spacecraft are refused; where no ``scid`` is configured one is
believed when two frames name it. ``service`` ``vca`` gives the data field as it is, for missions that put something
else than packets there.

Source: CCSDS 132.0-B-3 §4.1. The packets come out whole; ``space_packet`` reads their headers.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from construct import BitsInteger, BitStruct, Flag
from msgspec import Meta

from firmware_protocols.ccsds import frame_error_control, operational_control
from firmware_protocols.ccsds.idle import filled
from firmware_protocols.ccsds.packet_zone import ONLY_IDLE
from firmware_protocols.ccsds.virtual_channels import VirtualChannels
from firmware_protocols.interface import Around, Example, Gap, HeaderValue, Packet

VERSION: Final = 0
HEADER_OCTETS: Final = 6
COUNTS: Final = 256

HEADER = BitStruct(
    "version" / BitsInteger(2),
    "scid" / BitsInteger(10),
    "vcid" / BitsInteger(3),
    "ocf" / Flag,
    "mc_frame_count" / BitsInteger(8),
    "vc_frame_count" / BitsInteger(8),
    "secondary_header" / Flag,
    "sync" / Flag,
    "packet_order" / Flag,
    "segment_length" / BitsInteger(2),
    "pointer" / BitsInteger(11),
)

Service: TypeAlias = Literal["packets", "vca"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a mission fills its frames; ``ocf`` overrules the flag for those that set it wrongly."""

    scid: Annotated[int, Meta(ge=0, le=1023)] | None = None
    vcids: Annotated[tuple[Annotated[int, Meta(ge=0, le=7)], ...], Meta(max_length=8)] = ()
    service: Service = "packets"
    services: dict[Annotated[str, Meta(pattern="^[0-7]$")], Service] = {}
    ocf: bool | None = None
    fecf: bool = False
    max_packet_octets: Annotated[int, Meta(ge=7, le=65_542)] = 65_542


class PacketExtractor:
    """A frame in, the packets that end in it out, each with the frame's header beside it.

    Header fields: ``scid``, ``vcid``, ``mc_frame_count``, ``vc_frame_count``; with an OCF ``ocf`` and ``clcw_…``;
    with a secondary header ``secondary_header_data``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self._options = options
        self._channels = VirtualChannels(
            options.scid, self.rejected, self.counted, max_packet_octets=options.max_packet_octets
        )

    @property
    def gaps(self) -> list[Gap]:
        """List the frames that are missing, by virtual channel; a counter of 8 bits hides whole turns."""
        return self._channels.gaps

    @property
    def missing(self) -> Counter[str]:
        """Count the frames that are missing, by virtual channel."""
        return self._channels.missing

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one frame and return the packets now complete."""
        if len(frame) <= HEADER_OCTETS + frame_error_control.octets(self._options.fecf):
            self.rejected["too_short"] += 1
            return []
        if not frame_error_control.agrees(frame, self._options.fecf):
            self.rejected["bad_fecf"] += 1
            return []
        fields = HEADER.parse(frame[:HEADER_OCTETS])
        if fields.version != VERSION:
            self.rejected["wrong_version"] += 1
            return []
        return [packet for each in self._channels.believe(fields.scid, frame) for packet in self._open(each)]

    def flush(self) -> list[Packet]:
        """Return what was held back, and count the packets that were never completed."""
        packets = [packet for frame in self._channels.rest() for packet in self._open(frame)]
        self._channels.drop()
        return packets

    def _open(self, frame: bytes) -> list[Packet]:
        options = self._options
        fields = HEADER.parse(frame[:HEADER_OCTETS])
        if options.vcids and fields.vcid not in options.vcids:
            self.rejected["wrong_vcid"] += 1
            return []
        header: dict[str, HeaderValue] = {
            "scid": fields.scid,
            "vcid": fields.vcid,
            "mc_frame_count": fields.mc_frame_count,
            "vc_frame_count": fields.vc_frame_count,
        }
        end = len(frame) - frame_error_control.octets(options.fecf)
        begin = HEADER_OCTETS
        if fields.ocf if options.ocf is None else options.ocf:
            end -= operational_control.OCTETS
            header |= operational_control.read(
                frame[max(end, begin) :][: operational_control.OCTETS].ljust(4, b"\0")
            )
        if fields.secondary_header:
            begin += (frame[begin] & 0x3F) + 1
            header["secondary_header_data"] = frame[HEADER_OCTETS + 1 : begin]
        if begin >= end:
            self.rejected["too_short"] += 1
            return []
        name = {"scid": fields.scid, "vcid": fields.vcid}
        channel = self._channels.channel((fields.scid, fields.vcid), name, COUNTS)
        verdict = None if channel is None else channel.take(frame, fields.vc_frame_count)
        if channel is None or verdict is None:
            return []
        service = options.services.get(str(fields.vcid), options.service)
        if service == "vca" or fields.sync:
            return [Packet(frame[begin:end], header)]
        if fields.pointer == ONLY_IDLE:
            self.counted["idle_frames"] += 1
        return [Packet(packet, header) for packet in channel.packets(frame[begin:end], fields.pointer, verdict)]


def build(
    scid: int,
    vcid: int,
    counts: tuple[int, int],
    pointer: int,
    data: bytes,
    options: Options | None = None,
    *,
    ocf: bytes = b"",
    secondary_header: bytes = b"",
) -> bytes:
    """Build a frame; ``counts`` are those of the master and of the virtual channel."""
    options = options or Options()
    header: bytes = HEADER.build(
        {
            "version": VERSION,
            "scid": scid,
            "vcid": vcid,
            "ocf": bool(ocf),
            "mc_frame_count": counts[0] % COUNTS,
            "vc_frame_count": counts[1] % COUNTS,
            "secondary_header": bool(secondary_header),
            "sync": False,
            "packet_order": False,
            "segment_length": 3,
            "pointer": pointer,
        }
    )
    if secondary_header:
        header += bytes([len(secondary_header)]) + secondary_header
    frame = header + data + ocf
    return frame_error_control.append(frame, options.fecf)


def enclose(data: bytes, options: Options, around: Around) -> bytes:
    """Put a packet into a frame, counted on from one like it."""
    fields = HEADER.parse(around.like[:HEADER_OCTETS]) if len(around.like) >= HEADER_OCTETS else None
    scid = fields.scid if fields else options.scid or 0
    vcid = fields.vcid if fields else next(iter(options.vcids), 0)
    counts = (fields.mc_frame_count, fields.vc_frame_count) if fields else (0, 0)
    outside = HEADER_OCTETS + frame_error_control.octets(options.fecf)
    wanted = around.octets or len(around.like)
    body = filled(data, max(0, wanted - outside)) if wanted else data
    return build(scid, vcid, (counts[0] + around.number, counts[1] + around.number), 0, body, options)


_BY02 = bytes.fromhex(
    "08102c2d005555555555550026e790ffffffff0000000051ee65000100494e304f52590a49112900c8d743000055ff00001b56aaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)
_SMALL = bytes.fromhex("0001c0000003") + b"data" + bytes.fromhex("0001c0010001") + b"ab"

EXAMPLES: Final = (
    Example(
        name="BY02: SCID 129, master channel 44, virtual channel 0 frame 45",
        source="gr-satellites 327f3054 qa_by02.py, frame and expected values; it carries no packets",
        stream=_BY02,
        packets=(_BY02[6:],),
        options={"service": "vca"},
    ),
    Example(
        name="two packets and fill",
        source="made from CCSDS 132.0-B-3 §4.1",
        stream=build(129, 1, (0, 0), 0, _SMALL + bytes(20)),
        packets=(_SMALL[:10], _SMALL[10:]),
    ),
    Example(
        name="secondary header, command receiver report and error control",
        source="made from CCSDS 132.0-B-3 §4.1.3, §4.1.5 and §4.1.6",
        stream=build(
            129, 1, (7, 3), 0, _SMALL, Options(fecf=True), ocf=bytes.fromhex("01200042"), secondary_header=b"\0\0\1"
        ),
        packets=(_SMALL[:10], _SMALL[10:]),
        options={"fecf": True},
    ),
)
