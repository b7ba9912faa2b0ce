"""CCSDS USLP transfer frames: virtual channels and MAP channels taken apart, and the packets that lie across them.

::

    version  SCID  source or destination  VCID  MAP  end of header │ length  bypass  command  spare  OCF  count size
    4        16    1                      6     4    1             │ 16      1       1        2      1    3
    1100           0 source               63 idle    1: truncated  │ - 1                                  n octets

    │ frame count n │ insert zone │ rules 3 · protocol 5 │ [pointer 16] │ data │ OCF 32 │ FECF 16 or 32
                                    000 packets across frames (FFFF none starts) · 001 and 010 an SDU across frames
                                    011 octets · 100, 101, 110 segments: first, middle, last · 111 whole

Truncated frames end their header after four octets and have a length of their mission's. Protocol 0 are packets,
31 is idle. Frames of another version or spacecraft are refused; where no ``scid`` is configured one is believed
when two frames name it.

Source: CCSDS 732.1-B-2 §4.1. The packets come out whole; ``space_packet`` reads their headers.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final, Literal

import msgspec
from construct import BitsInteger, BitStruct, Flag
from msgspec import Meta

from firmware_protocols.ccsds import frame_error_control, operational_control
from firmware_protocols.ccsds.counters import Verdict
from firmware_protocols.ccsds.idle import filled
from firmware_protocols.ccsds.virtual_channels import VirtualChannel, VirtualChannels
from firmware_protocols.interface import MAX_FRAME_OCTETS, Around, Example, Gap, HeaderValue, Packet

VERSION: Final = 12
IDLE_VCID: Final = 63
HEADER_OCTETS: Final = 7
TRUNCATED_OCTETS: Final = 4
NO_PACKET_STARTS: Final = 0xFFFF
PACKETS: Final = 0
IDLE: Final = 31
SPANNING, SDU_BEGINS, SDU_GOES_ON, STREAM, FIRST, MIDDLE, LAST, WHOLE = range(8)

HEADER = BitStruct(
    "version" / BitsInteger(4),
    "scid" / BitsInteger(16),
    "destination" / Flag,
    "vcid" / BitsInteger(6),
    "map_id" / BitsInteger(4),
    "end_of_header" / Flag,
)
REST = BitStruct(
    "length" / BitsInteger(16),
    "bypass" / Flag,
    "command" / Flag,
    "spare" / BitsInteger(2),
    "ocf" / Flag,
    "count_octets" / BitsInteger(3),
)
DATA_HEADER = BitStruct("rules" / BitsInteger(3), "protocol" / BitsInteger(5))


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a mission fills its frames; ``fecf`` is the error control: none, 16 bits (``true``), or 32."""

    scid: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    vcids: Annotated[tuple[Annotated[int, Meta(ge=0, le=63)], ...], Meta(max_length=64)] = ()
    insert_zone_octets: Annotated[int, Meta(ge=0, le=1024)] = 0
    fecf: bool | Literal[16, 32] = False
    max_packet_octets: Annotated[int, Meta(ge=7, le=65_542)] = 65_542


class PacketExtractor:
    """A frame in, the packets or SDUs that end in it out, each with the frame's header beside it.

    Header fields: ``scid``, ``vcid``, ``map_id``, ``vc_frame_count`` (None where none is sent), ``protocol_id``;
    with an OCF ``ocf`` and ``clcw_…``; with an insert zone ``insert_zone``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self._options = options
        self._begun: dict[tuple[VirtualChannel, int], bytearray] = {}
        self._channels = VirtualChannels(
            options.scid,
            self.rejected,
            self.counted,
            max_packet_octets=options.max_packet_octets,
            no_packet_starts=NO_PACKET_STARTS,
        )

    @property
    def gaps(self) -> list[Gap]:
        """List the frames that are missing, by virtual channel."""
        return self._channels.gaps

    @property
    def missing(self) -> Counter[str]:
        """Count the frames that are missing, by virtual channel."""
        return self._channels.missing

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one frame and return the packets now complete; octets behind its own length are left out."""
        if len(frame) <= TRUNCATED_OCTETS:
            self.rejected["too_short"] += 1
            return []
        fields = HEADER.parse(frame[:TRUNCATED_OCTETS])
        if fields.version != VERSION:
            self.rejected["wrong_version"] += 1
            return []
        if not fields.end_of_header:
            length = int.from_bytes(frame[4:6], "big") + 1
            if not HEADER_OCTETS < length <= len(frame):
                self.rejected["bad_frame_length"] += 1
                return []
            frame = frame[:length]
        if not frame_error_control.agrees(frame, self._options.fecf):
            self.rejected["bad_fecf"] += 1
            return []
        return [packet for each in self._channels.believe(fields.scid, frame) for packet in self._open(each)]

    def flush(self) -> list[Packet]:
        """Return what was held back, and count the packets that were never completed."""
        packets = [packet for frame in self._channels.rest() for packet in self._open(frame)]
        self._channels.drop()
        self._drop_begun(None)
        return packets

    def _open(self, frame: bytes) -> list[Packet]:
        options = self._options
        fields = HEADER.parse(frame[:TRUNCATED_OCTETS])
        if fields.vcid == IDLE_VCID:
            self.counted["idle_frames"] += 1
            return []
        if options.vcids and fields.vcid not in options.vcids:
            self.rejected["wrong_vcid"] += 1
            return []
        header: dict[str, HeaderValue] = {"scid": fields.scid, "vcid": fields.vcid, "map_id": fields.map_id}
        begin, end = TRUNCATED_OCTETS, len(frame) - frame_error_control.octets(options.fecf)
        count: int | None = None
        count_octets, bypass = 0, False
        if not fields.end_of_header:
            rest = REST.parse(frame[TRUNCATED_OCTETS:HEADER_OCTETS])
            count_octets, bypass = rest.count_octets, rest.bypass
            begin = HEADER_OCTETS + count_octets
            if count_octets:
                count = int.from_bytes(frame[HEADER_OCTETS:begin], "big")
            if options.insert_zone_octets:
                header["insert_zone"] = frame[begin : begin + options.insert_zone_octets]
            begin += options.insert_zone_octets
            if rest.ocf:
                end -= operational_control.OCTETS
                if end > begin:
                    header |= operational_control.read(frame[end : end + operational_control.OCTETS])
        if end <= begin:
            self.rejected["too_short"] += 1
            return []
        header["vc_frame_count"] = count
        # Expedited and sequence-controlled frames are counted apart.
        channel = self._channels.channel(
            (fields.scid, fields.vcid, bypass, count_octets),
            {"scid": fields.scid, "vcid": fields.vcid},
            1 << 8 * count_octets if count_octets else None,
        )
        verdict = None if channel is None else channel.take(frame, count)
        if channel is None or verdict is None:
            return []
        if verdict not in ("next", "repeat", "late"):
            channel.drop()
            self._drop_begun(channel)
        data_header = DATA_HEADER.parse(frame[begin : begin + 1])
        header["protocol_id"] = data_header.protocol
        if data_header.protocol == IDLE:
            self.counted["idle_frames"] += 1
            return []
        data = self._data(channel, fields.map_id, verdict, data_header, frame[begin + 1 : end])
        return [Packet(packet, header) for packet in data]

    def _data(
        self, channel: VirtualChannel, map_id: int, verdict: Verdict, data_header: Any, data: bytes
    ) -> list[bytes]:
        """Take a data field apart by its construction rules."""
        rules = data_header.rules
        if rules == STREAM:
            return [data] if data else []
        if rules in (SPANNING, SDU_BEGINS, SDU_GOES_ON):
            if len(data) < 2:
                self.rejected["too_short"] += 1
                return []
            pointer, data = int.from_bytes(data[:2], "big"), data[2:]
            if rules == SPANNING:
                return channel.packets(data, pointer, verdict, map_id=map_id)
            # The pointer is the place of the SDU's last octet, if it ends here.
            ends = pointer != NO_PACKET_STARTS
            if ends and pointer >= len(data):
                self.rejected["bad_pointer"] += 1
                self._begun.pop((channel, map_id), None)
                return []
            return self._join((channel, map_id), data[: pointer + 1] if ends else data, rules == SDU_BEGINS, ends)
        if rules != WHOLE:
            return self._join((channel, map_id), data, rules == FIRST, rules == LAST)
        if data_header.protocol != PACKETS:
            return [data] if data else []
        return channel.packets_apart(data, 0)

    def _join(self, key: tuple[VirtualChannel, int], data: bytes, begins: bool, ends: bool) -> list[bytes]:
        """Put the pieces of an SDU together; one that lacks a piece is counted and forgotten."""
        begun = self._begun.pop(key, None)
        if begins:
            if begun is not None:
                self.rejected["incomplete_packet"] += 1
            begun = bytearray()
        if begun is None or len(begun) + len(data) > MAX_FRAME_OCTETS:
            self.rejected["incomplete_packet"] += 1
            return []
        begun += data
        if ends:
            return [bytes(begun)]
        self._begun[key] = begun
        return []

    def _drop_begun(self, channel: VirtualChannel | None) -> None:
        """Forget the SDUs that were begun in a channel, or in all."""
        for key in [key for key in self._begun if channel in (None, key[0])]:
            del self._begun[key]
            self.rejected["incomplete_packet"] += 1


def build(
    scid: int,
    vcid: int,
    vc_frame_count: int,
    data: bytes,
    options: Options | None = None,
    *,
    rules: int = SPANNING,
    protocol: int = PACKETS,
    pointer: int | None = 0,
    map_id: int = 0,
    count_octets: int = 3,
) -> bytes:
    """Build a frame around its data; ``pointer`` is put before them unless it is ``None``."""
    options = options or Options()
    field_octets = DATA_HEADER.build({"rules": rules, "protocol": protocol})
    if pointer is not None:
        field_octets += pointer.to_bytes(2, "big")
    body = vc_frame_count.to_bytes(count_octets, "big") + bytes(options.insert_zone_octets) + field_octets + data
    length = HEADER_OCTETS + len(body) + frame_error_control.octets(options.fecf)
    first = HEADER.build(
        {
            "version": VERSION,
            "scid": scid,
            "destination": False,
            "vcid": vcid,
            "map_id": map_id,
            "end_of_header": False,
        }
    )
    rest = REST.build(
        {
            "length": length - 1,
            "bypass": False,
            "command": False,
            "spare": 0,
            "ocf": False,
            "count_octets": count_octets,
        }
    )
    frame: bytes = first + rest + body
    return frame_error_control.append(frame, options.fecf)


def enclose(data: bytes, options: Options, around: Around) -> bytes:
    """Put a packet into a frame, counted on from the first, by the construction rule of one like it."""
    scid, vcid, rules, protocol = options.scid or 0, next(iter(options.vcids), 0), SPANNING, PACKETS
    if len(around.like) > HEADER_OCTETS:
        fields, rest = HEADER.parse(around.like[:TRUNCATED_OCTETS]), REST.parse(around.like[TRUNCATED_OCTETS:])
        at = HEADER_OCTETS + rest.count_octets + options.insert_zone_octets
        known = DATA_HEADER.parse(around.like[at : at + 1])
        scid, vcid, rules, protocol = fields.scid, fields.vcid, known.rules, known.protocol
    pointer = 0 if rules in (SPANNING, SDU_BEGINS, SDU_GOES_ON) else None
    rules, pointer = (SPANNING, 0) if rules in (SDU_BEGINS, SDU_GOES_ON) else (rules, pointer)

    def framed(body: bytes) -> bytes:
        count = around.number % (1 << 24)
        return build(scid, vcid, count, body, options, rules=rules, protocol=protocol, pointer=pointer)

    wanted = around.octets or (len(around.like) if rules == SPANNING else 0)
    return framed(filled(data, max(1, wanted - len(framed(b"")))) if wanted else data)


_SMALL = bytes.fromhex("0001c0000003") + b"data" + bytes.fromhex("0001c0010001") + b"ab"

EXAMPLES: Final = (
    Example(
        name="packets across frames, with fill",
        source="made from CCSDS 732.1-B-2 §4.1",
        stream=build(299, 4, 9, _SMALL + bytes(12)),
        packets=(_SMALL[:10], _SMALL[10:]),
    ),
    Example(
        name="whole packets in a frame of their own length, checked",
        source="made from CCSDS 732.1-B-2 §4.1",
        stream=build(299, 4, 9, _SMALL, Options(fecf=True), rules=WHOLE, pointer=None),
        packets=(_SMALL[:10], _SMALL[10:]),
        options={"fecf": True},
    ),
    Example(
        name="error control of 32 bits",
        source="made from CCSDS 732.1-B-2 §4.1, the CRC of 211.2-B-3 annex C",
        stream=build(299, 4, 9, _SMALL, Options(fecf=32), rules=WHOLE, pointer=None),
        packets=(_SMALL[:10], _SMALL[10:]),
        options={"fecf": 32},
    ),
    Example(
        name="octets of the mission's own",
        source="made from CCSDS 732.1-B-2 §4.1.4.2",
        stream=build(299, 4, 9, b"octets", rules=STREAM, protocol=4, pointer=None),
        packets=(b"octets",),
    ),
)
