"""CCSDS space packets: their header, their sequence, and a stream or file of nothing else.

::

    version  type  secondary header  APID   sequence flags  sequence count  data length   data
    3        1     1                 11     2               14              16            length + 1 octets
    000      0 TM                    7FF idle  11 whole, 01 first, 00 middle, 10 last

A packet comes out whole, header and all, as it would stand in a file. Counters are followed for each APID, with a
``cadence`` for those that are sub-sampled on board; where none is given one is learnt from steps that are all
multiples of one number. ``join_segments`` puts the user data of a segmented packet behind the first one's header.

A stream carries no check and no sync word, so its deframer asks for more than a version number: a length must lead
to the next header. Where it does not, three headers in a row are searched for; what lay between is counted.

Source: CCSDS 133.0-B-2 §4.1 (format), §4.1.3.4 (sequence control). Knows no secondary header but a time code.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
from construct import BitsInteger, BitStruct, Flag
from msgspec import Meta

from firmware_protocols.ccsds.counters import CounterTrack, missing_by_counter
from firmware_protocols.ccsds.packet_zone import HEADER_OCTETS, IDLE_APID
from firmware_protocols.ccsds.time_codes import TimeCode
from firmware_protocols.interface import Around, Example, Gap, HeaderValue, LinkFrame, Packet

INPUT: Final = "octets"

MAX_PACKET_OCTETS: Final = 65_542
COUNTS: Final = 1 << 14
MAX_APIDS: Final = 2048
WHOLE, FIRST, LAST, MIDDLE = 3, 1, 2, 0
FLAGS: Final = {WHOLE: "unsegmented", FIRST: "first", MIDDLE: "continuation", LAST: "last"}
MAX_JOINED_OCTETS: Final = 1 << 20
PACKETS_IN_A_ROW: Final = 3

HEADER = BitStruct(
    "version" / BitsInteger(3),
    "telecommand" / Flag,
    "secondary_header" / Flag,
    "apid" / BitsInteger(11),
    "sequence_flags" / BitsInteger(2),
    "sequence_count" / BitsInteger(14),
    "data_length" / BitsInteger(16),
)

Apid = Annotated[str, Meta(pattern="^[0-9]{1,4}$")]
Step = Annotated[int, Meta(ge=1, le=COUNTS // 2)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of the packets and of the stream they may come in.

    ``apids`` names the application processes there are (empty: any); others are refused as ``unknown_apid``.
    ``cadence`` is the step of an APID's sequence count (``{ "384" = 10 }``). ``time`` is the time code that
    begins the secondary header (at ``time_at``, counted from the packet's first octet). ``prefix_octets``
    stand before each packet of a stream and are left out.
    """

    apids: Annotated[tuple[Annotated[int, Meta(ge=0, le=2047)], ...], Meta(max_length=2048)] = ()
    cadence: dict[Apid, Step] = {}
    learn_cadence: bool = True
    join_segments: bool = False
    time: TimeCode | None = None
    time_at: Annotated[int, Meta(ge=6, le=1024)] = 6
    prefix_octets: Annotated[int, Meta(ge=0, le=1024)] = 0
    max_octets: Annotated[int, Meta(ge=7, le=MAX_PACKET_OCTETS)] = MAX_PACKET_OCTETS


class PacketExtractor:
    """One space packet in, the same out with its header beside it.

    Header fields: those of ``HEADER`` but the version, with ``sequence_flags`` in words, and
    ``generated_utc_ns`` where a time code is configured. Idle packets are ``counted``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self._options = options
        self._tracks: dict[tuple[bool, int], CounterTrack] = {}
        self._segments: dict[int, bytearray] = {}

    @property
    def gaps(self) -> list[Gap]:
        """List the packets that are missing, by APID."""
        return [gap for track in self._tracks.values() for gap in track.gaps]

    @property
    def missing(self) -> Counter[str]:
        """Count the packets that are missing, by APID."""
        return missing_by_counter("apid", "apid", self._tracks.values())

    @property
    def cadences(self) -> dict[int, int]:
        """Return the APIDs whose count steps by more than one, as given or as learnt."""
        return {apid: track.cadence for (_, apid), track in self._tracks.items() if track.cadence != 1}

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one packet; octets behind its end are counted and left out."""
        if len(frame) <= HEADER_OCTETS:
            self.rejected["too_short"] += 1
            return []
        fields = HEADER.parse(frame[:HEADER_OCTETS])
        octets = HEADER_OCTETS + 1 + fields.data_length
        if fields.version != 0:
            self.rejected["wrong_packet_version"] += 1
            return []
        if octets > len(frame):
            self.rejected["bad_packet_length"] += 1
            return []
        if octets < len(frame):
            self.counted["fill_octets" if not any(frame[octets:]) else "octets_behind_packet"] += (
                len(frame) - octets
            )
        if fields.apid == IDLE_APID:
            self.counted["idle_packets"] += 1
            return []
        if self._options.apids and fields.apid not in self._options.apids:
            self.rejected["unknown_apid"] += 1
            return []
        return self._take(frame[:octets], fields)

    def _take(self, data: bytes, fields: dict[str, int]) -> list[Packet]:
        apid, flags, count = fields["apid"], fields["sequence_flags"], fields["sequence_count"]
        track = self._track(bool(fields["telecommand"]), apid)
        damaged = track.damaged
        verdict = track.take(count)
        if track.damaged > damaged:
            self.rejected["damaged_count"] += 1
        header: dict[str, HeaderValue] = {
            "apid": apid,
            "telecommand": bool(fields["telecommand"]),
            "secondary_header": bool(fields["secondary_header"]),
            "sequence_flags": FLAGS[flags],
        }
        if self._options.time is not None and fields["secondary_header"]:
            generated = self._options.time.read(data[self._options.time_at :])
            if generated is None:
                self.rejected["bad_time"] += 1
            else:
                header["generated_utc_ns"] = generated
        if self._options.join_segments and flags != WHOLE:
            whole = self._join(apid, flags, data, unbroken=verdict == "next")
            return [] if whole is None else [Packet(whole, header | {"sequence_flags": "joined"}, count)]
        return [Packet(data, header, count)]

    def _track(self, telecommand: bool, apid: int) -> CounterTrack:
        track = self._tracks.get((telecommand, apid))
        if track is None:
            cadence = self._options.cadence.get(str(apid), None if self._options.learn_cadence else 1)
            track = self._tracks[telecommand, apid] = CounterTrack({"apid": apid}, COUNTS, cadence=cadence)
        return track

    def _join(self, apid: int, flags: int, data: bytes, *, unbroken: bool) -> bytes | None:
        """Put segments together; a group that lacks one is counted and forgotten."""
        begun = self._segments.pop(apid, None)
        if flags == FIRST:
            if begun is not None:
                self.rejected["incomplete_group"] += 1
            self._segments[apid] = bytearray(data)
            return None
        if begun is None or not unbroken or len(begun) + len(data) > MAX_JOINED_OCTETS:
            self.rejected["incomplete_group"] += 1
            return None
        begun += data[HEADER_OCTETS:]
        if flags == LAST:
            return bytes(begun)
        self._segments[apid] = begun
        return None

    def flush(self) -> list[Packet]:
        """Count groups that were never completed."""
        if self._segments:
            self.rejected["incomplete_group"] += len(self._segments)
            self._segments.clear()
        return []


class Deframer:
    """A stream of packets in, each packet out; ``check`` is ``none``, for a packet carries none."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._prefix = options.prefix_octets
        self._max_octets = options.max_octets
        self._apids = frozenset(options.apids)
        self._held = bytearray()
        self._at = 0
        self._position = 0
        self._believed = True
        self._lost = False
        self._searched = 0
        self._usual: dict[int, tuple[int, int]] = {}

    def feed(self, elements: bytes) -> list[LinkFrame]:
        """Take octets whole and return the packets now complete."""
        self._held += elements
        return self._packets(ended=False)

    def flush(self) -> list[LinkFrame]:
        """Return what is still inside at the end of a stream, and begin anew."""
        frames = self._packets(ended=True)
        self._position += len(self._held)
        self._held.clear()
        self._believed = True
        self._usual.clear()
        return frames

    def _packets(self, *, ended: bool) -> list[LinkFrame]:
        frames: list[LinkFrame] = []
        self._at = 0
        while self._at < len(self._held) and self._step(frames, ended=ended):
            pass
        del self._held[: self._at]
        self._position += self._at
        return frames

    def _step(self, frames: list[LinkFrame], *, ended: bool) -> bool:
        """Decide about the octets at hand; false when more of them are needed first."""
        if not self._believed:
            return self._search(ended=ended)
        octets = self._octets(self._at)
        end = self._at + (octets or 0)
        if octets is None or end > len(self._held):
            return ended and self._doubt("truncated")
        if octets == 0:
            return self._doubt("no_packet")
        if self._is_expected(octets):
            return self._emit(frames, octets)
        after = self._octets(end)
        if after is None and not ended:
            return False
        if after == 0 or (after is not None and self._usual and not self._is_known(end)):
            for at in range(self._at + 1, end):
                row = self._is_row(at, ended=ended)
                if row is None:
                    return False
                if row:
                    # Packets in a row begin inside this one: its length lies.
                    self.rejected["bad_packet_length"] += 1
                    self._at = at
                    return True
        self._emit(frames, octets)
        self._believed = after != 0
        return True

    def _doubt(self, reason: str) -> bool:
        self.rejected[reason] += 1
        self._believed = False
        self._lost = True
        self._at += 1
        return True

    def _search(self, *, ended: bool) -> bool:
        """Step on to where headers stand in a row."""
        row = self._is_row(self._at, ended=ended)
        if row is None:
            return False
        self._believed = row
        self._searched += 1
        if not row:
            self._at += 1
            if not self._lost:
                self.rejected["no_packet"] += 1
            self._lost = True
        return True

    def _is_row(self, at: int, *, ended: bool) -> bool | None:
        """Say whether packets follow each other here, to the stream's end or a while; ``None`` if not yet known.

        The first must be of a kind that has been seen, where any has, and not too long ago.
        """
        end = at
        if self._usual and not self._is_known(at) and self._searched <= MAX_PACKET_OCTETS:
            return False
        for _ in range(PACKETS_IN_A_ROW):
            octets = self._octets(end)
            if octets is None:
                return (end == len(self._held) and end > at) if ended else None
            end += octets
            if not octets or (ended and end > len(self._held)):
                return False
            if end > len(self._held):
                return None
        return True

    def _is_known(self, at: int) -> bool:
        """Say whether a header of a kind that has been seen stands here."""
        begin = at + self._prefix
        return int.from_bytes(self._held[begin : begin + 2], "big") in self._usual

    def _octets(self, at: int) -> int | None:
        """Return how long the packet here is with its prefix: 0 for none, ``None`` when too little is there."""
        head = self._held[at + self._prefix : at + self._prefix + HEADER_OCTETS]
        if len(head) < HEADER_OCTETS:
            return None
        octets = HEADER_OCTETS + 1 + int.from_bytes(head[4:6], "big")
        unknown = self._apids and int.from_bytes(head[:2], "big") & 0x7FF not in self._apids
        return 0 if head[0] >> 5 or unknown or octets > self._max_octets or not any(head) else self._prefix + octets

    def _is_expected(self, octets: int) -> bool:
        """Say whether APID, count and length are the next of their kind: then nothing is waited for."""
        at = self._at + self._prefix
        usual = self._usual.get(int.from_bytes(self._held[at : at + 2], "big"))
        return usual == ((int.from_bytes(self._held[at + 2 : at + 4], "big") - 1) & 0x3FFF, octets)

    def _emit(self, frames: list[LinkFrame], octets: int) -> bool:
        self._searched = 0
        data = bytes(self._held[self._at + self._prefix : self._at + octets])
        frames.append(LinkFrame(data, self._position + self._at, octets, "none"))
        self._usual[int.from_bytes(data[:2], "big")] = (int.from_bytes(data[2:4], "big") & 0x3FFF, octets)
        self._at += octets
        self._lost = False
        return True


def encode(frame: bytes, options: Options) -> bytes:
    """Return what a stream holds for one packet: a prefix of zeros, and the packet."""
    return bytes(options.prefix_octets) + frame


def build(
    apid: int,
    sequence_count: int,
    data: bytes,
    *,
    telecommand: bool = False,
    secondary_header: bool = False,
    sequence_flags: int = WHOLE,
) -> bytes:
    """Build a packet; raises ``ValueError`` for data that are empty or too long."""
    if not 0 < len(data) <= MAX_PACKET_OCTETS - HEADER_OCTETS:
        raise ValueError("a space packet carries from 1 to 65536 octets")
    header: bytes = HEADER.build(
        {
            "version": 0,
            "telecommand": telecommand,
            "secondary_header": secondary_header,
            "apid": apid,
            "sequence_flags": sequence_flags,
            "sequence_count": sequence_count % COUNTS,
            "data_length": len(data) - 1,
        }
    )
    return header + data


def enclose(data: bytes, options: Options, around: Around) -> bytes:
    """Number a packet, whose header its data begin with, so many steps on, and let its length be true."""
    if not HEADER_OCTETS < len(data) <= MAX_PACKET_OCTETS:
        raise ValueError("a space packet has from 7 to 65542 octets")
    fields = HEADER.parse(data[:HEADER_OCTETS])
    step = options.cadence.get(str(fields.apid), 1)
    fields.sequence_count = (fields.sequence_count + around.number * step) % COUNTS
    fields.data_length = len(data) - HEADER_OCTETS - 1
    header: bytes = HEADER.build(fields)
    return header + data[HEADER_OCTETS:]


_JPSS = tuple(
    bytes.fromhex(packet)
    for packet in (
        # Header (its length made shorter), day, milliseconds and microseconds.
        "080bca2e0009" + "5a450000000700899f5a",
        "080bca2f0009" + "5a45000003ed00b09f5a",
        "080bca300009" + "5a45000007d400b09f5a",
    )
)

EXAMPLES: Final = (
    Example(
        name="a file of packets",
        source="headers and times of J01_G011_LZ_2021-04-09.DAT1 (lasp/space_packet_parser 6de220ff), shortened",
        stream=b"".join(_JPSS),
        frames=_JPSS,
    ),
    Example(
        name="packets with four octets before each",
        source="the same behind a prefix, as some ground stations write them",
        stream=b"".join(bytes(4) + packet for packet in _JPSS),
        frames=_JPSS,
        options={"prefix_octets": 4},
    ),
    Example(
        name="NOAA-20, time of the packet",
        source="J01_G011_LZ_2021-04-09.DAT1 (lasp/space_packet_parser 6de220ff), shortened",
        stream=_JPSS[0],
        packets=(_JPSS[0],),
        options={"time": {"code": "cds", "epoch": "1958-01-01T00:00:00Z", "submillisecond_octets": 2}},
    ),
)
