"""From one transmitter's checked frames to packets and parameter reports: extractors ► decoder.

Knows the order of the layers, that each virtual channel has extractors of its own, and what a frame, once its
check is good, says of who sent it. Does not know where frames come from.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from agent import definitions
from agent.errors import DecodeError
from agent.records import Frame, PacketRecord, ParameterReport, UtcNs
from agent.telemetry.decoder import Decoder
from firmware_protocols import interface
from firmware_protocols.interface import Gap, LinkFrame, Packet

MAX_PACKETS_PER_FRAME = 4096
MAX_CHANNELS = 256


@dataclass(frozen=True, slots=True)
class Transmitter:
    """Who transmits: a satellite's slug and definition (``None`` when decoding without one) and its downlink."""

    slug: str | None
    satellite: definitions.Satellite | None
    downlink: definitions.Downlink

    @property
    def marking(self) -> str:
        """The release marking of everything this transmitter says."""
        return self.satellite.marking if self.satellite else "U"

    @property
    def norad(self) -> int | None:
        """The catalogue number, when the satellite is known."""
        return self.satellite.norad if self.satellite else None


class _Stage:
    """One extractor of the chain, made anew for each virtual channel outside it, for each counts by itself."""

    def __init__(self, choice: definitions.ProtocolChoice) -> None:
        self.protocol = choice.protocol
        self.only = choice.only
        self._options = choice.options
        self._extractors: dict[tuple[object, object], interface.PacketExtractor] = {}
        self._newest: dict[tuple[object, object], Packet] = {}
        self.refused = Counter[str]()
        # Made at once, so that wrong options are told before a frame comes.
        self._first: interface.PacketExtractor | None = interface.make_extractor(choice.protocol, choice.options)

    def takes(self, packet: Packet) -> bool:
        """Say whether a packet is for this extractor; others go past it."""
        return all(definitions.satisfies(packet.header.get(name), test) for name, test in self.only.items())

    def feed(self, outer: Packet) -> list[Packet]:
        if not self.takes(outer):
            return [outer]
        channel = outer.header.get("scid"), outer.header.get("vcid")
        extractor = self._extractors.get(channel)
        if extractor is None:
            if len(self._extractors) >= MAX_CHANNELS:
                self.refused["too_many_channels"] += 1
                return []
            extractor = self._first or interface.make_extractor(self.protocol, self._options)
            self._first, self._extractors[channel] = None, extractor
        self._newest[channel] = outer
        return [_inside(outer, inner) for inner in extractor.feed(outer.data)[:MAX_PACKETS_PER_FRAME]]

    def flush(self) -> list[Packet]:
        return [
            _inside(self._newest[channel], inner)
            for channel, extractor in self._extractors.items()
            for inner in extractor.flush()[:MAX_PACKETS_PER_FRAME]
        ]

    @property
    def rejected(self) -> Counter[str]:
        return sum((extractor.rejected for extractor in self._extractors.values()), self.refused.copy())

    @property
    def counted(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for extractor in self._extractors.values():
            counted.update(getattr(extractor, "counted", {}))
        return counted

    @property
    def cadences(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for extractor in self._extractors.values():
            found |= getattr(extractor, "cadences", {})
        return found

    @property
    def missing(self) -> Counter[str]:
        missing: Counter[str] = Counter()
        for extractor in self._extractors.values():
            missing.update(getattr(extractor, "missing", {}))
        return missing

    @property
    def gaps(self) -> list[Gap]:
        found = []
        for (_, vcid), extractor in self._extractors.items():
            gaps: list[Gap] = getattr(extractor, "gaps", [])
            outside = {"on_vcid": vcid} if isinstance(vcid, int) else {}
            found += [replace(gap, counter={**gap.counter, **outside}) for gap in gaps]
        return found


def _inside(outer: Packet, inner: Packet) -> Packet:
    """Let a packet keep the headers of the layers outside it, so that a rule may ask for any of them."""
    count = outer.sequence_count if inner.sequence_count is None else inner.sequence_count
    return Packet(inner.data, {**outer.header, **inner.header}, count)


class FrameReader:
    """From checked frames to packets and parameter reports: extractors ► decoder."""

    def __init__(self, transmitter: Transmitter) -> None:
        self.transmitter = transmitter
        self._refused: Counter[str] = Counter()
        self._stages = [_Stage(choice) for choice in transmitter.downlink.extract]
        self._newest: Frame | None = None
        satellite = transmitter.satellite
        self._decoder = (
            Decoder(satellite, slug=transmitter.slug or "") if satellite is not None and satellite.packets else None
        )

    @property
    def rejected(self) -> Counter[str]:
        """Count frames and packets that were refused, by reason."""
        return sum((stage.rejected for stage in self._stages), self._refused.copy())

    @property
    def counted(self) -> Counter[str]:
        """Count what was neither a packet nor refused: idle packets, fill octets …."""
        return sum((stage.counted for stage in self._stages), Counter[str]())

    @property
    def missing(self) -> Counter[str]:
        """Count the frames and packets that are missing, by counter: ``{"vc 33": 7, "apid 673": 2}``."""
        return sum((stage.missing for stage in self._stages), Counter[str]())

    @property
    def undefined(self) -> Counter[str]:
        """Count, by parameter, the values without an engineering value: no label, or out of the curve."""
        return Counter() if self._decoder is None else self._decoder.undefined.copy()

    @property
    def gaps(self) -> list[Gap]:
        """List what the counters of frames and packets show to be missing."""
        return [gap for stage in self._stages for gap in stage.gaps]

    @property
    def cadences(self) -> dict[int, int]:
        """Return the APIDs that count by more than one."""
        return {apid: step for stage in self._stages for apid, step in stage.cadences.items()}

    def read(self, frame: Frame) -> list[PacketRecord | ParameterReport]:
        """Take one frame apart; a frame that holds nothing known gives an empty list and a count."""
        self._newest = frame
        if not self._stages:
            whole = Packet(frame.link_frame.data)
            report = self._decode(whole, frame.received_utc_ns, None)
            return [report] if report else []
        packets = [Packet(frame.link_frame.data)]
        for stage in self._stages:
            packets = [inner for outer in packets for inner in stage.feed(outer)]
        return self._records(frame, packets)

    def flush(self) -> list[PacketRecord | ParameterReport]:
        """End the stream: return what the extractors still held; it is dated as the newest frame."""
        packets: list[Packet] = []
        for stage in self._stages:
            packets = [inner for outer in packets for inner in stage.feed(outer)] + stage.flush()
        return self._records(self._newest, packets) if self._newest is not None else []

    def _records(self, frame: Frame, packets: Iterable[Packet]) -> list[PacketRecord | ParameterReport]:
        records: list[PacketRecord | ParameterReport] = []
        for packet in packets:
            generated = packet.header.get("generated_utc_ns")
            generated_utc_ns = generated if isinstance(generated, int) else None
            a_file = "complete" in packet.header  # a file has no parameters
            report = None if a_file else self._decode(packet, frame.received_utc_ns, generated_utc_ns)
            if generated_utc_ns is None and report is not None:
                generated_utc_ns = report.generated_utc_ns
            last = self._stages[-1].protocol
            protocol = next((stage.protocol for stage in reversed(self._stages) if stage.takes(packet)), last)
            records.append(
                PacketRecord(
                    satellite=frame.satellite,
                    downlink=frame.downlink,
                    protocol=protocol,
                    packet=packet,
                    received_utc_ns=frame.received_utc_ns,
                    generated_utc_ns=generated_utc_ns,
                    marking=frame.marking,
                )
            )
            if report:
                records.append(report)
        return records

    def recognises(self, packets: Iterable[Packet]) -> bool:
        """Say whether one of the packets of a frame is one that this satellite's file describes."""
        if self._decoder is None:
            return False
        for packet in packets:
            try:
                self._decoder.decode(self.transmitter.downlink.name, packet, 0, remember=False)
            except DecodeError:
                continue
            return True
        return False

    def _decode(
        self, packet: Packet, received_utc_ns: UtcNs, generated_utc_ns: UtcNs | None
    ) -> ParameterReport | None:
        if self._decoder is None:
            return None
        try:
            return self._decoder.decode(
                self.transmitter.downlink.name, packet, received_utc_ns, generated_utc_ns=generated_utc_ns
            )
        except DecodeError as exc:
            self._refused[exc.reason] += 1
            return None


def fitting(readers: Iterable[FrameReader], data: bytes) -> Iterator[FrameReader]:
    """Yield the readers whose satellites' files describe a packet of a frame, as far as somebody asks.

    The extractors are made anew for the question, so that the streams' own ones see every frame once; satellites
    with the same extractors share what these give.
    """
    taken: list[tuple[Sequence[definitions.ProtocolChoice], list[Packet]]] = []
    for reader in readers:
        extract = reader.transmitter.downlink.extract
        packets = next((packets for known, packets in taken if known == extract), None)
        if packets is None:
            packets = [Packet(data)]
            for choice in extract:
                stage = _Stage(choice)
                packets = [inner for outer in packets for inner in stage.feed(outer)] + stage.flush()
            taken.append((extract, packets))
        if reader.recognises(packets):
            yield reader


def make_frame(
    transmitter: Transmitter,
    link_frame: LinkFrame,
    received_utc_ns: UtcNs,
    *,
    snr_db: float | None = None,
    frequency_offset_hz: float | None = None,
    source: str = "",
    doppler_corrected_hz: float | None = None,
) -> Frame:
    """Say who sent a link frame and when."""
    return Frame(
        satellite=transmitter.slug,
        downlink=transmitter.downlink.name,
        link_frame=link_frame,
        received_utc_ns=received_utc_ns,
        snr_db=_known(snr_db),
        frequency_offset_hz=_known(frequency_offset_hz),
        source=source,
        norad=transmitter.norad,
        marking=transmitter.marking,
        doppler_corrected_hz=doppler_corrected_hz,
    )


def _known(value: float | None) -> float | None:
    """Make a plain number of what a kernel measured; one that is not finite is not known."""
    return float(value) if value is not None and math.isfinite(value) else None
