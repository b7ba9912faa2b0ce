"""One source's chain: what it gives is brought to the downlinks that can be inside it.

Knows that wideband samples go through the channelizer to every downlink in the passband, that audio is one
downlink already, and that octets come from a TNC that did the rest. Does not know the source itself. A plain
object: the runtime calls ``feed`` in a thread for samples, inline for octets, one call at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from agent import dsp
from agent.definitions import Downlink as Downlink_
from agent.definitions import ProtocolChoice
from agent.downlink import Downlink
from agent.frame_reader import FrameReader, Transmitter, fitting, make_frame
from agent.records import AudioBlock, Block, Frame, IqBlock, OctetBlock, Record, UtcNs
from firmware_protocols import interface
from firmware_protocols.interface import Gap, LinkFrame

if TYPE_CHECKING:
    from agent.dsp.channelizer import Channelizer
    from agent.dsp.noise_floor import NoiseLog, TakenNoise
    from agent.orbit.doppler import DopplerCurve
    from agent.stages import Watcher

NOBODY = Transmitter(
    None,
    None,
    Downlink_(
        name="unknown", frequency_hz=1.0, modulation="fsk", baudrate_bd=1.0, framing=ProtocolChoice(protocol="kiss")
    ),
)
"""Who sent a frame that no configured satellite claims."""


@dataclass(frozen=True, slots=True)
class _Shift:
    """The Doppler of one carrier; outside the curve's window the shift of its edge."""

    curve: DopplerCurve
    frequency_hz: float

    def __call__(self, at_utc_ns: UtcNs) -> float:
        inside = min(max(at_utc_ns, self.curve.start_utc_ns), self.curve.end_utc_ns)
        return self.curve.shift_hz(self.frequency_hz, inside)


class Receiver:
    """Everything that listens to one source.

    ``octet_framing`` names the protocol that finds frames in octets; ``watch`` makes who looks into a downlink's
    chain. ``rejected`` counts refusals by reason;
    ``frames`` counts frames that passed.
    """

    def __init__(
        self,
        source: str,
        transmitters: Sequence[Transmitter],
        *,
        octet_framing: str = "kiss",
        octet_options: Mapping[str, Any] | None = None,
        watch: Callable[[Transmitter], Watcher] | None = None,
    ) -> None:
        self.source = source
        self.transmitters = tuple(transmitters)
        self.frames = 0
        self.lost = 0
        self.measures_noise = False
        """Whether the noise under the channels is measured; set before the first block."""
        self._watch = watch
        self._octet_framing = octet_framing
        self._octet_options = dict(octet_options or {})
        self._octets: interface.OctetDeframer | None = None
        self._readers: list[FrameReader] | None = None
        self._read_last: FrameReader | None = None
        self._tuned: tuple[str, float, float] | None = None
        self._channelizer: Channelizer | None = None
        self._channels: dict[int, Downlink] = {}
        self._noise: NoiseLog | None = None
        self._curves: dict[str, DopplerCurve] = {}
        self._downlinks: list[Downlink] = []
        self._outside: tuple[str, ...] = ()
        self._unheard: dict[str, str] = {}
        self._rejected_before: Counter[str] = Counter()
        self._newest_utc_ns: UtcNs = 0

    @property
    def rejected(self) -> Counter[str]:
        """Count what was refused, by reason."""
        total = self._rejected_before.copy()
        for downlink in self._downlinks:
            total += downlink.rejected
        if self._octets is not None:
            total += self._octets.rejected
        for reader in self._readers or ():
            total += reader.rejected
        return total

    @property
    def _all_readers(self) -> list[FrameReader]:
        return [downlink.reader for downlink in self._downlinks] + list(self._readers or ())

    @property
    def counted(self) -> Counter[str]:
        """Count what was neither a packet nor refused (idle packets, fill octets …)."""
        return sum((reader.counted for reader in self._all_readers), Counter[str]())

    @property
    def undefined(self) -> Counter[str]:
        """Count the values without an engineering value, by parameter."""
        return sum((reader.undefined for reader in self._all_readers), Counter[str]())

    @property
    def gaps(self) -> list[Gap]:
        """List what the counters of frames and packets show to be missing, since the source was tuned."""
        return [gap for reader in self._all_readers for gap in reader.gaps]

    @property
    def cadences(self) -> dict[int, int]:
        """Return the APIDs that count by more than one."""
        return {apid: step for reader in self._all_readers for apid, step in reader.cadences.items()}

    def gaps_by_downlink(self) -> dict[tuple[str, str], dict[str, int]]:
        """Count the frames and packets missing on each downlink of a known satellite since the source was tuned.

        By counter: ``{"vc 33": 7, "apid 673": 2}``; a downlink that lacks nothing has an empty table.
        """
        missing: dict[tuple[str, str], Counter[str]] = {}
        for reader in self._all_readers:
            if reader.transmitter.slug is not None:
                key = reader.transmitter.slug, reader.transmitter.downlink.name
                missing[key] = missing.get(key, Counter()) + reader.missing
        return {key: dict(counts) for key, counts in missing.items()}

    def rejected_by_downlink(self) -> dict[tuple[str, str], Counter[str]]:
        """Count what was refused for each downlink of a known satellite."""
        counts: dict[tuple[str, str], Counter[str]] = {}
        chains = [(item.transmitter, item.rejected) for item in self._downlinks]
        chains += [(item.transmitter, item.rejected) for item in self._readers or ()]
        for transmitter, rejected in chains:
            if transmitter.slug is not None:
                counts[transmitter.slug, transmitter.downlink.name] = rejected
        return counts

    @property
    def outside_band(self) -> tuple[str, ...]:
        """Name the downlinks that the present tuning cannot see."""
        return self._outside

    @property
    def unheard(self) -> Mapping[str, str]:
        """Name the downlinks that cannot be heard in samples of this rate, and say why."""
        return self._unheard

    def take_symbols(self) -> list[tuple[Transmitter, list[float]]]:
        """Take the soft symbols of frames found since last time, to look at."""
        taken = []
        for downlink in self._downlinks:
            symbols, downlink.last_symbols = downlink.last_symbols, None
            if symbols is not None:
                taken.append((downlink.transmitter, [round(value, 3) for value in symbols.tolist()]))
        return taken

    def set_doppler(self, slug: str, curve: DopplerCurve | None) -> None:
        """Follow a satellite's Doppler from now on, or (``None``) no longer; audio has been corrected or cannot be.

        May be called while ``feed`` runs in a thread: a curve takes effect with a later block.
        """
        if curve is None:
            self._curves.pop(slug, None)
        else:
            self._curves[slug] = curve
        for number, downlink in self._channels.items():
            if downlink.transmitter.slug == slug:
                self._follow(number, downlink.transmitter)

    def _follow(self, number: int, transmitter: Transmitter) -> None:
        if self._channelizer is None:
            return
        curve = self._curves.get(transmitter.slug or "")
        frequency_hz = transmitter.downlink.frequency_hz
        self._channelizer.set_doppler(number, None if curve is None else _Shift(curve, frequency_hz))

    def feed(self, block: Block) -> list[Record]:
        """Take a block and return the records it completed."""
        self.lost += block.lost_before
        if isinstance(block, OctetBlock):
            records = self._feed_octets(block)
        elif isinstance(block, AudioBlock):
            records = self._feed_audio(block)
        else:
            records = self._feed_iq(block)
        self._count(records)
        return records

    def flush(self) -> list[Record]:
        """End the stream: return what is still inside every stage."""
        records: list[Record] = []
        if self._channelizer is not None:
            for number, block in self._channelizer.flush().items():
                records += self._channels[number].feed(block)
        for downlink in self._downlinks:
            records += downlink.flush()
        if self._octets is not None:
            for link_frame in self._octets.flush():
                records += self._attribute(link_frame, self._newest_utc_ns)
        for reader in self._readers or ():
            records += reader.flush()
        self._count(records)
        return records

    def continue_from(self, other: Receiver) -> list[Record]:
        """Go on in another's place in the stream; returns what the chains that end here still held.

        What is the same in both stays as it is: the octets a deframer holds, the samples of a channel, each chain's
        counts. The other is not to be fed any more.
        """
        rejected = other.rejected
        self.frames, self.lost, self._newest_utc_ns = other.frames, other.lost, other._newest_utc_ns
        self._curves, self._tuned = dict(other._curves), other._tuned
        records: list[Record] = []
        if (self._octet_framing, self._octet_options) == (other._octet_framing, other._octet_options):
            self._octets = other._octets
        elif other._octets is not None:
            for link_frame in other._octets.flush():
                records += other._attribute(link_frame, other._newest_utc_ns)
        if other._readers is not None:
            before = other._readers
            self._readers = [_reader_of(before, item) or FrameReader(item) for item in self.transmitters]
            for reader in before:
                records += [] if any(reader is kept for kept in self._readers) else reader.flush()
        if self._tuned is not None:
            records += self._continue_chains(other, self._tuned)
        self._rejected_before = Counter()
        self._rejected_before = rejected - self.rejected
        self._count(records)
        return records

    def _continue_chains(self, other: Receiver, tuned: tuple[str, float, float]) -> list[Record]:
        """Keep the chains of samples that are the same, end the others, begin the new ones."""
        signal, sample_rate_hz, center_hz = tuned
        before = {number: chain for number, chain in other._channels.items() if chain in other._downlinks}
        kept = [chain for chain in other._downlinks if chain.transmitter in self.transmitters]
        if signal == "audio":
            new = [item for item in self.transmitters if _chain_of(kept, item) is None]
            self._downlinks = kept + self._audio_chains(new, sample_rate_hz)
        else:
            channelizer = other._channelizer or _channelizer(sample_rate_hz)
            self._channels = {number: chain for number, chain in before.items() if chain in kept}
            for number in before.keys() - self._channels.keys():
                channelizer.remove(number)
            self._listen(
                channelizer,
                [item for item in self.transmitters if _chain_of(kept, item) is None],
                sample_rate_hz,
                center_hz,
            )
        records: list[Record] = []
        for chain in other._downlinks:
            records += [] if chain in kept else chain.flush()
        return records

    def _count(self, records: Sequence[Record]) -> None:
        self.frames += sum(isinstance(record, Frame) for record in records)

    # -- octets ------------------------------------------------------------------------------------------

    def _feed_octets(self, block: OctetBlock) -> list[Record]:
        if self._octets is None:
            _, self._octets = interface.make_deframer(self._octet_framing, self._octet_options)
        if block.lost_before:
            self._octets.flush()
        records: list[Record] = []
        self._newest_utc_ns = block.received_utc_ns
        for link_frame in self._octets.feed(block.data):
            records += self._attribute(link_frame, block.received_utc_ns)
        return records

    def _attribute(self, link_frame: LinkFrame, received_utc_ns: int) -> list[Record]:
        """Say whose frame came out of a TNC: the first transmitter whose packets it fits.

        A frame that fits none belongs to the only satellite there is, or to none.
        """
        if self._readers is None:
            self._readers = [FrameReader(transmitter) for transmitter in self.transmitters]
        if link_frame.reported_utc_ms is not None:
            received_utc_ns = link_frame.reported_utc_ms * 1_000_000
        if not self._readers:
            return [make_frame(NOBODY, link_frame, received_utc_ns, source=self.source)]
        alone = len({reader.transmitter.slug for reader in self._readers}) == 1
        # A frame that ends no packet fits none by itself: it goes on where the one before was read.
        otherwise = (self._read_last or self._readers[0]) if alone else None
        one = (
            self._readers[0]
            if len(self._readers) == 1
            else next(fitting(self._readers, link_frame.data), otherwise)
        )
        if one is None:
            return [make_frame(NOBODY, link_frame, received_utc_ns, source=self.source)]
        self._read_last = one
        frame = make_frame(one.transmitter, link_frame, received_utc_ns, source=self.source)
        return [frame, *one.read(frame)]

    # -- samples -----------------------------------------------------------------------------------------

    def _feed_audio(self, block: AudioBlock) -> list[Record]:
        self._tune(("audio", block.sample_rate_hz, 0.0))
        records: list[Record] = []
        for downlink in self._downlinks:
            records += downlink.feed(block)
        return records

    def _feed_iq(self, block: IqBlock) -> list[Record]:
        self._tune(("iq", block.sample_rate_hz, block.center_frequency_hz))
        if self._channelizer is None:
            return []
        if self._noise is not None:
            self._noise.feed(block)
        records: list[Record] = []
        for number, channel_block in self._channelizer.feed(block).items():
            records += self._channels[number].feed(channel_block)
        return records

    def _tune(self, tuned: tuple[str, float, float]) -> None:
        """Make the chains for what the source gives now; a source that was retuned begins anew."""
        if tuned == self._tuned:
            return
        self._rejected_before = self.rejected
        signal, sample_rate_hz, center_hz = tuned
        self._tuned = tuned
        self._channelizer = None
        self._downlinks = []
        self._unheard = {}
        if signal == "audio":
            self._downlinks = self._audio_chains(self.transmitters, sample_rate_hz)
            return
        self._channels = {}
        self._listen(_channelizer(sample_rate_hz), self.transmitters, sample_rate_hz, center_hz)

    def _listen(
        self,
        channelizer: Channelizer,
        transmitters: Iterable[Transmitter],
        sample_rate_hz: float,
        center_hz: float,
    ) -> None:
        """Add a channel with a chain for each transmitter in the band, to those there are."""
        outside = []
        for transmitter in transmitters:
            downlink = transmitter.downlink
            # A recording that does not know its centre was made at the downlink's.
            offset_hz = downlink.frequency_hz - center_hz if center_hz else 0.0
            wanted_hz = dsp.channel_bandwidth_hz(
                downlink.modulation, downlink.baudrate_bd, downlink.modulation_options
            )
            bandwidth_hz = min(wanted_hz, sample_rate_hz)
            if abs(offset_hz) + bandwidth_hz / 2 > sample_rate_hz / 2:
                outside.append(f"{transmitter.slug}/{downlink.name}")
                continue
            number = channelizer.add(offset_hz, bandwidth_hz)
            made = self._downlink(transmitter, "iq", channelizer.sample_rate_hz(number))
            if made is None:
                channelizer.remove(number)
            else:
                self._channels[number] = made
        self._outside = tuple(outside)
        self._downlinks = list(self._channels.values())
        self._channelizer = channelizer if self._channels else None
        self._noise = self._noise_log(sample_rate_hz, center_hz)
        for number, chain in self._channels.items():
            self._follow(number, chain.transmitter)

    def _noise_log(self, sample_rate_hz: float, center_hz: float) -> NoiseLog | None:
        """Measure the noise of the channels of satellites that are known; of a recording nobody asks."""
        channels = {}
        for chain in self._downlinks:
            one = chain.transmitter.downlink
            width_hz = dsp.channel_bandwidth_hz(one.modulation, one.baudrate_bd, one.modulation_options)
            if chain.transmitter.slug is not None and self.measures_noise:
                offset_hz = one.frequency_hz - center_hz if center_hz else 0.0
                channels[chain.transmitter.slug, one.name] = (offset_hz, min(width_hz, sample_rate_hz))
        if not channels:
            return None
        from agent.dsp.noise_floor import NoiseLog

        return NoiseLog(sample_rate_hz, channels)

    def take_noise(self) -> list[TakenNoise]:
        """Take the noise of each downlink's channel measured since last time; may be asked while ``feed`` runs."""
        return self._noise.take() if self._noise is not None else []

    def _audio_chains(self, transmitters: Iterable[Transmitter], sample_rate_hz: float) -> list[Downlink]:
        chains = (self._downlink(transmitter, "audio", sample_rate_hz) for transmitter in transmitters)
        return [chain for chain in chains if chain is not None]

    def _downlink(
        self, transmitter: Transmitter, signal: Literal["iq", "audio"], sample_rate_hz: float
    ) -> Downlink | None:
        """Make a chain; ``None`` when the samples cannot hold the signal, for one may be too fast for a source."""
        try:
            return Downlink(
                transmitter,
                signal=signal,
                sample_rate_hz=sample_rate_hz,
                source=self.source,
                watcher=self._watch(transmitter) if self._watch is not None else None,
            )
        except dsp.BadOptions as exc:
            name = transmitter.downlink.name
            self._unheard[f"{transmitter.slug}/{name}" if transmitter.slug else name] = str(exc)
            return None


def _channelizer(sample_rate_hz: float) -> Channelizer:
    # Loaded here: what only decodes octets or audio needs no Numba, or not this kernel.
    from agent.dsp.channelizer import Channelizer

    return Channelizer(sample_rate_hz)


def _reader_of(readers: Iterable[FrameReader], transmitter: Transmitter) -> FrameReader | None:
    return next((reader for reader in readers if reader.transmitter == transmitter), None)


def _chain_of(chains: Iterable[Downlink], transmitter: Transmitter) -> Downlink | None:
    return next((chain for chain in chains if chain.transmitter == transmitter), None)
