"""One transmitter's chain, from samples to reports: demodulator ► deframers ► frame reader.

Knows which soft-symbol stream feeds which deframer, how an offset in a stream becomes a time, and that a frame
found by several hypotheses is one frame. Does not know how any stage does its work, what
time it is, or where samples come from.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agent import definitions, dsp
from agent.frame_reader import FrameReader, Transmitter, make_frame
from agent.records import AudioBlock, IqBlock, Record, SymbolBlock, UtcNs
from firmware_protocols import interface
from firmware_protocols.interface import LinkFrame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent.dsp.burst_carrier import SymbolMemory
    from agent.stages import Demodulator, Watcher

NS_PER_S = 1_000_000_000
REMEMBERED_BLOCKS = 4096
REMEMBERED_FRAMES = 256
SHOWN_SYMBOLS = 1024
SAME_START = 0.01
"""How far apart, as a part of a frame's length, two hypotheses may place its beginning."""


@dataclass(slots=True)
class _Stream:
    """One hypothesis: its deframer, and where and when each block of its symbols began."""

    deframer: interface.SymbolDeframer
    symbols: SymbolMemory
    number: int = 0
    fed: int = 0
    starts: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED_BLOCKS))
    blocks: deque[SymbolBlock] = field(default_factory=lambda: deque(maxlen=REMEMBERED_BLOCKS))
    newest: SymbolBlock | None = None
    frames: int = 0

    def remember(self, block: SymbolBlock) -> None:
        self.starts.append(self.fed)
        self.symbols.remember(block.soft)
        self.blocks.append(_without_symbols(block))
        self.fed += len(block.soft)
        self.newest = block

    def at(self, offset: int) -> tuple[SymbolBlock, int]:
        """Find the block that holds an offset, and how far inside it lies."""
        index = max(0, bisect_right(self.starts, offset) - 1)
        return self.blocks[index], offset - self.starts[index]

    def noise(self, start_utc_ns: UtcNs, span_ns: int) -> float | None:
        """Give the mean N0/Es over a time, ``None`` where less than half of it is known."""
        total, known = 0.0, 0.0
        end = self.fed
        for block, begin in zip(reversed(self.blocks), reversed(self.starts), strict=True):
            length_ns, end = (end - begin) / block.baudrate_bd * NS_PER_S, begin
            if block.start_utc_ns + length_ns <= start_utc_ns:
                break
            if block.noise is None or not len(block.noise) or block.start_utc_ns >= start_utc_ns + span_ns:
                continue
            each_ns = length_ns / len(block.noise)
            first = max(0, int((start_utc_ns - block.start_utc_ns) / each_ns))
            last = min(
                len(block.noise), max(first + 1, int((start_utc_ns + span_ns - block.start_utc_ns) / each_ns))
            )
            total += float(block.noise[first:last].sum()) * each_ns
            known += (last - first) * each_ns
        return total / known if known > 0.5 * span_ns else None


_Found: TypeAlias = "tuple[UtcNs, int, LinkFrame, SymbolBlock, _Stream]"


def _without_symbols(block: SymbolBlock) -> SymbolBlock:
    nothing = block.soft[:0].copy()  # a view would keep all the symbols
    return SymbolBlock(
        nothing,
        block.baudrate_bd,
        block.start_utc_ns,
        block.snr_db,
        block.frequency_offset_hz,
        block.stream,
        noise=block.noise,
    )


class Downlink:
    """The chain of one transmitter behind one source.

    ``feed`` takes blocks centred on the downlink and returns frames, packets and reports in the order the
    frames were completed. ``rejected`` counts refusals by reason over all hypotheses.
    """

    def __init__(
        self,
        transmitter: Transmitter,
        *,
        signal: Literal["iq", "audio"],
        sample_rate_hz: float,
        source: str = "",
        watcher: Watcher | None = None,
    ) -> None:
        # Loaded here: what only decodes octets needs no NumPy.
        from agent.dsp import burst_carrier

        self.transmitter = transmitter
        self.source = source
        self.reader = FrameReader(transmitter)
        downlink = transmitter.downlink
        self._demodulator: Demodulator = dsp.make_demodulator(
            downlink.modulation, downlink.baudrate_bd, downlink.modulation_options, signal, sample_rate_hz
        )
        self._watcher = watcher
        if watcher is not None:
            self._demodulator.watch(watcher.trace)
        self._signal = signal
        self._new_symbols: Callable[[], SymbolMemory] = burst_carrier.SymbolMemory
        self._carrier = burst_carrier.BurstCarrier(
            downlink.modulation, downlink.baudrate_bd, downlink.modulation_options, sample_rate_hz
        )
        self._doppler: deque[tuple[UtcNs, float]] = deque(maxlen=REMEMBERED_BLOCKS)
        self._streams: dict[int, _Stream] = {}
        self._recent: deque[tuple[UtcNs, int, LinkFrame, int]] = deque(maxlen=REMEMBERED_FRAMES)
        self.last_symbols: NDArray[np.float32] | None = None
        """Soft symbols about the end of the newest frame, to look at; taken away by whoever shows them."""

    @property
    def rejected(self) -> Counter[str]:
        """Count what was refused, by reason.

        Hypotheses see the same signal, and what one refuses another may have found whole: the deframer that
        gave the most frames is believed, of several such the one that refused least.
        """
        best = min(
            self._streams.values(),
            key=lambda stream: (-stream.frames, stream.deframer.rejected.total()),
            default=None,
        )
        return self.reader.rejected + (best.deframer.rejected if best is not None else Counter())

    def feed(self, block: IqBlock | AudioBlock) -> list[Record]:
        """Take a block and return what it completed."""
        if isinstance(block, IqBlock):
            self._doppler.append((block.start_utc_ns, block.doppler_hz))
            self._carrier.feed(block)
        if self._watcher is not None:
            self._watcher.samples(block)
        return self._collect(self._demodulator.feed(block))

    def flush(self) -> list[Record]:
        """End the stream: return what is still inside."""
        records = self._collect(self._demodulator.flush())
        found = [(stream, frame) for stream in self._streams.values() for frame in stream.deframer.flush()]
        return records + self._records(found) + self.reader.flush()

    def _collect(self, blocks: Iterable[SymbolBlock]) -> list[Record]:
        found: list[tuple[_Stream, LinkFrame]] = []
        for block in blocks:
            stream = self._streams.get(block.stream)
            if stream is None:
                stream = self._streams[block.stream] = _Stream(
                    self._new_deframer(), self._new_symbols(), block.stream
                )
            elif block.first:
                found += [(stream, frame) for frame in stream.deframer.flush()]
            stream.remember(block)
            if self._watcher is not None:
                self._watcher.symbols(block)
            found += [(stream, frame) for frame in stream.deframer.feed(block.soft)]
        return self._records(found)

    def _doppler_at(self, at_utc_ns: UtcNs) -> float | None:
        """Return the shift that had been taken out at a time, by the blocks about it; ``None`` for audio."""
        if self._signal == "audio" or not self._doppler:
            return None
        after = bisect_right(self._doppler, at_utc_ns, key=lambda item: item[0])
        before_ns, before_hz = self._doppler[max(0, after - 1)]
        if after in (0, len(self._doppler)):
            return before_hz
        after_ns, after_hz = self._doppler[after]
        return before_hz + (after_hz - before_hz) * (at_utc_ns - before_ns) / max(after_ns - before_ns, 1)

    def _carrier_of(
        self, start_utc_ns: UtcNs, span_ns: int, link_frame: LinkFrame, stream: _Stream
    ) -> tuple[float | None, float | None]:
        """Return a frame's own carrier, and the Doppler that had been taken out there.

        Where the frame shows no carrier of its own, the modem's estimate stands, and nobody knows at what time it
        holds; where there are no samples to look at (audio) nothing is known of the Doppler either.
        """
        if self._signal == "audio":
            return None, None
        if not self._carrier.measures:
            return None, self._doppler_at(start_utc_ns + span_ns // 2)
        found = self._carrier.measure(start_utc_ns, stream.symbols.take(link_frame.offset, link_frame.span))
        return (None, None) if found is None else (found[0], self._doppler_at(found[1]))

    def _snr_db(self, start_utc_ns: UtcNs, span_ns: int, middle: SymbolBlock) -> float | None:
        """Return a frame's Es/N0: of the hypothesis that explains its time best, the neighbours' noise left out."""
        told = [stream.noise(start_utc_ns, span_ns) for stream in self._streams.values()]
        least = min((noise for noise in told if noise is not None), default=None)
        return middle.snr_db if least is None else -10.0 * math.log10(max(least, 1e-6))

    def _new_deframer(self) -> interface.SymbolDeframer:
        choice = self.transmitter.downlink.framing
        _, deframer = interface.make_deframer(choice.protocol, choice.options)
        return deframer

    def _records(self, found: list[tuple[_Stream, LinkFrame]]) -> list[Record]:
        timed: list[_Found] = []
        for stream, link_frame in found:
            stream.frames += 1
            block, inside = stream.at(link_frame.offset)
            start_utc_ns = block.start_utc_ns + round(inside / block.baudrate_bd * NS_PER_S)
            span_ns = round(link_frame.span / block.baudrate_bd * NS_PER_S)
            middle, _ = stream.at(link_frame.offset + link_frame.span // 2)
            timed.append((start_utc_ns, span_ns, link_frame, middle, stream))
        # Earliest first; of two finds of one frame the one with fewer repairs is kept, then the one less noisy.
        timed.sort(key=lambda item: (item[0] // (NS_PER_S // 20), item[2].corrected, self._doubt(item)))
        records: list[Record] = []
        for start_utc_ns, span_ns, link_frame, middle, stream in timed:
            known = self._is_duplicate(start_utc_ns, span_ns, link_frame, stream.number)
            if self._watcher is not None:
                self._watcher.found(stream.number, link_frame, start_utc_ns, span_ns, kept=not known)
            if known:
                continue
            offset_hz, corrected_hz = self._carrier_of(start_utc_ns, span_ns, link_frame, stream)
            frame = make_frame(
                self.transmitter,
                link_frame,
                start_utc_ns,
                snr_db=self._snr_db(start_utc_ns, span_ns, middle),
                frequency_offset_hz=middle.frequency_offset_hz if offset_hz is None else offset_hz,
                source=self.source,
                doppler_corrected_hz=corrected_hz,
            )
            records.append(frame)
            records += self.reader.read(frame)
            if stream.newest is not None:
                self.last_symbols = stream.newest.soft[-SHOWN_SYMBOLS:]
        return records

    @staticmethod
    def _doubt(found: _Found) -> float:
        start_utc_ns, span_ns, link_frame, _, stream = found
        if link_frame.check != "none":
            return 0.0
        noise = stream.noise(start_utc_ns, span_ns)
        return math.inf if noise is None else noise

    def _is_duplicate(self, start_utc_ns: UtcNs, span_ns: int, frame: LinkFrame, stream: int) -> bool:
        """Say whether another hypothesis gave this frame; two sendings are a span apart.

        The same octets are the same frame; where no check tells which octets are right, so is what begins with
        the same symbol and is as long.
        """
        near_ns = span_ns * SAME_START
        for other_start, other_span, other, other_stream in self._recent:
            apart_ns = abs(other_start - start_utc_ns)
            if other.data == frame.data and apart_ns < max(other_span, span_ns) // 2:
                return True
            unchecked = frame.check == other.check == "none" and stream != other_stream
            if unchecked and len(other.data) == len(frame.data) and apart_ns < near_ns:
                return True
        self._recent.append((start_utc_ns, span_ns, frame, stream))
        return False


def check_downlink(downlink: definitions.Downlink) -> None:
    """Check that modem, framing and extractors exist and take their options; raises what is first wrong."""
    for _, problem in downlink_problems(downlink):
        raise problem


def downlink_problems(downlink: definitions.Downlink) -> Iterator[tuple[str, ValueError | LookupError]]:
    """Yield what is wrong with a downlink's chain and where: modem, framing and extractors.

    Makes each of them once, since that is what will be done with them.
    """
    modem = downlink.modulation, downlink.baudrate_bd, downlink.modulation_options
    checks: list[tuple[str, Callable[[], object]]] = [
        ("modulation", lambda: dsp.load(downlink.modulation)),
        ("modulation_options", lambda: dsp.make_demodulator(*modem, "iq", _check_rate_hz(*modem))),
        ("framing", lambda: interface.make_deframer(downlink.framing.protocol, downlink.framing.options)),
    ]
    for index, choice in enumerate(downlink.extract):
        checks.append((f"extract[{index}]", partial(interface.make_extractor, choice.protocol, choice.options)))
    for place, check in checks:
        try:
            check()
        except (ValueError, LookupError) as exc:
            yield "baudrate_bd" if str(exc).startswith("baudrate_bd") else place, exc
            if place == "modulation":
                return


def _check_rate_hz(modulation: str, baudrate_bd: float, options: Mapping[str, Any]) -> float:
    """Return a sample rate that a downlink's channel of IQ may have."""
    return max(8 * baudrate_bd, dsp.channel_bandwidth_hz(modulation, baudrate_bd, options))
