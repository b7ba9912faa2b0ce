"""From blocks of any size to a planar stream at a fixed number of samples a symbol.

``Intake`` cuts whatever arrives into equal hops, so that everything behind it gives the same result however
the input was cut; it replaces values that are no numbers, notices gaps and keeps the time. ``Resampler``
filters with one or several banks and changes the rate in the same pass. Nothing here knows a modulation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.dsp import kernels
from agent.records import AudioBlock, IqBlock, SymbolBlock, Trace

Signal: TypeAlias = Literal["iq", "audio"]
Planar: TypeAlias = "NDArray[np.float32]"
"""float32[channels, n]: one channel for audio, two (I, Q) for complex samples."""

Look: TypeAlias = "Callable[[int, Trace], None]"
"""Called with the start of an unbroken stream (UTC nanoseconds) and what one stage gave."""

_LARGEST = 64.0  # full scale is 1.0; a float recording may be louder, but not without bound


@dataclass(frozen=True, slots=True)
class Hop:
    """Samples that follow the hop before, or begin anew when ``restart`` is set."""

    samples: Planar
    start_utc_ns: int
    restart: bool


class Intake:
    """Collect blocks into hops of one length."""

    def __init__(self, signal: Signal, sample_rate_hz: float, baudrate_bd: float) -> None:
        """Make hops of about half a second, but at least 128 and at most 4096 symbols."""
        hop_symbols = min(4096, max(128, 128 * round(0.5 * baudrate_bd / 128)))
        hop_samples = round(hop_symbols * sample_rate_hz / baudrate_bd)
        self.channels = 2 if signal == "iq" else 1
        self._signal = signal
        self._rate_hz = sample_rate_hz
        self._hop = max(1, hop_samples)
        self._held: list[Planar] = []
        self._count = 0
        self._start_utc_ns = 0
        self._restart = True

    def feed(self, block: IqBlock | AudioBlock) -> list[Hop]:
        """Take a block; raises ``ValueError`` when it is not of the kind or rate this was made for."""
        if isinstance(block, IqBlock) != (self._signal == "iq"):
            raise ValueError(f"samples are not {self._signal}")
        if abs(block.sample_rate_hz - self._rate_hz) > 1e-6 * self._rate_hz:
            raise ValueError(f"sample rate is {block.sample_rate_hz:g} Hz, not {self._rate_hz:g} Hz")
        hops: list[Hop] = []
        if block.lost_before > 0:
            hops += self.flush()
            self.restart()
        if len(block.samples) == 0:
            return hops
        if self._count == 0:
            self._start_utc_ns = block.start_utc_ns
        self._held.append(_planar(block))
        self._count += len(block.samples)
        if self._count < self._hop:
            return hops
        samples = self._held[0] if len(self._held) == 1 else np.concatenate(self._held, axis=1)
        position = 0
        while self._count >= self._hop:
            hops.append(self._take(samples[:, position : position + self._hop]))
            position += self._hop
            self._count -= self._hop
            self._start_utc_ns += round(self._hop * 1e9 / self._rate_hz)
        self._held = [samples[:, position:].copy()] if self._count else []
        return hops

    def flush(self) -> list[Hop]:
        """Give what is held as one short hop."""
        if not self._count:
            return []
        samples = np.concatenate(self._held, axis=1)
        self._held, self._count = [], 0
        return [self._take(samples)]

    def restart(self) -> None:
        """Let the next hop begin anew."""
        self._restart = True

    def _take(self, samples: Planar) -> Hop:
        hop = Hop(np.ascontiguousarray(samples), self._start_utc_ns, self._restart)
        self._restart = False
        return hop


class Chain(Protocol):
    """What a demodulator makes of one unbroken stream."""

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole; with ``last`` give all that is still inside."""
        ...

    def traces(self) -> list[Trace]:
        """Show what the stages gave in the last ``feed``."""
        ...


class Several:
    """Chains side by side of one stream, each with symbol streams of its own."""

    def __init__(self, chains: tuple[Chain, ...]) -> None:
        self._chains = chains

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole; with ``last`` give all that is still inside."""
        return [block for chain in self._chains for block in chain.feed(samples, last=last)]

    def traces(self) -> list[Trace]:
        """Show the stages of all."""
        return [trace for chain in self._chains for trace in chain.traces()]


class Streaming:
    """Drive a chain hop by hop, and begin a new one behind every gap and every silence."""

    def __init__(
        self,
        intake: Intake,
        begin: Callable[[int], Chain],
        present: Callable[[Planar], bool] | None = None,
        *,
        centres: bool = False,
    ) -> None:
        """``begin`` makes a chain for a stream that starts at a time in UTC nanoseconds.

        ``present`` says whether samples may hold a signal: the chain hears the hop before those that may, and
        one behind. ``centres`` takes each hop's mean away: a tuner's offset, in signals that have no carrier.
        """
        self._centres = centres
        self._intake = intake
        self._begin = begin
        self._present = present
        self._chain: Chain | None = None
        self._lead: Hop | None = None  # the hop before, when it held nothing and no chain heard it
        self._quiet = 0  # hops without a signal that the chain has heard
        self._start_utc_ns = 0
        self.watch: Look | None = None
        """Who looks at what each stage gives; ``None``: nobody, and it costs nothing."""

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        out: list[SymbolBlock] = []
        for hop in self._intake.feed(block):
            out += self._through(hop)
        return out

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream; the next block begins a new one."""
        out: list[SymbolBlock] = []
        for hop in self._intake.flush():
            out += self._through(hop)
        out += self._end()
        self._intake.restart()
        return out

    def _through(self, hop: Hop) -> list[SymbolBlock]:
        out: list[SymbolBlock] = []
        if hop.restart:
            out += self._end()
        if not hop.samples.any():  # squelched: silence ends what was there and costs nothing
            return out + self._end()
        if self._centres:
            hop = replace(hop, samples=hop.samples - hop.samples.mean(axis=1, keepdims=True))
        if self._present is None or self._present(hop.samples):
            self._quiet = 0
        elif self._chain is None or self._quiet:
            out += self._end()
            self._lead = hop
            return out
        else:
            self._quiet += 1
        if self._chain is None:
            first, self._lead = self._lead or hop, None
            self._chain = self._begin(first.start_utc_ns)
            self._start_utc_ns = first.start_utc_ns
            if first is not hop:
                out += self._hear(first)
        return out + self._hear(hop)

    def _hear(self, hop: Hop) -> list[SymbolBlock]:
        if self._chain is None:
            return []
        out = self._chain.feed(hop.samples)
        self._show(self._chain)
        return out

    def _end(self) -> list[SymbolBlock]:
        self._lead, self._quiet = None, 0
        if self._chain is None:
            return []
        chain, self._chain = self._chain, None
        out = chain.feed(np.zeros((self._intake.channels, 0), dtype=np.float32), last=True)
        self._show(chain)
        return out

    def _show(self, chain: Chain) -> None:
        if self.watch is not None:
            for trace in chain.traces():
                self.watch(self._start_utc_ns, trace)


def _planar(block: IqBlock | AudioBlock) -> Planar:
    if isinstance(block, IqBlock):
        pairs = np.ascontiguousarray(block.samples, dtype=np.complex64).view(np.float32).reshape(-1, 2)
        planar = np.ascontiguousarray(pairs.T)
    else:
        planar = np.array(block.samples, dtype=np.float32).reshape(1, -1)
    # One reduction tells whether anything is wrong: NaN and infinities survive a sum of squares.
    if not np.dot(planar.ravel(), planar.ravel()) <= planar.size:
        planar = np.nan_to_num(planar, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(planar, -_LARGEST, _LARGEST, out=planar)
    return planar


class Resampler:
    """Filter with a bank and resample to ``output_rate_hz``, without delay.

    Output ``m`` lies at the time of input ``m * sample_rate / output_rate``; the stream is taken as zero
    before it began.
    """

    def __init__(
        self, bank: NDArray[np.float32], channels: int, sample_rate_hz: float, output_rate_hz: float
    ) -> None:
        self._bank = bank
        self._step = sample_rate_hz / output_rate_hz
        taps = bank.shape[1]
        self._before = taps // 2
        self._after = taps - taps // 2 + 1
        self._buffer: Planar = np.zeros((channels, self._before), dtype=np.float32)
        self._origin = -self._before  # input index of the buffer's first sample
        self._next = 0  # output index of the next sample

    def feed(self, samples: Planar, *, last: bool = False) -> Planar:
        """Take input and give what can be computed; with ``last`` also what the filter still holds."""
        parts = [self._buffer, samples]
        if last:
            parts.append(np.zeros((samples.shape[0], self._after), dtype=np.float32))
        buffer = np.concatenate(parts, axis=1)
        end = self._origin + buffer.shape[1] - self._after  # last input index that has all its taps
        count = max(0, int(np.floor(end / self._step)) - self._next + 1)
        out = np.empty((buffer.shape[0], count), dtype=np.float32)
        if count:
            kernels.resample(buffer, self._next * self._step - self._origin, self._step, self._bank, out)
            self._next += count
        keep = int(np.floor(self._next * self._step)) - self._before - self._origin
        keep = min(max(keep, 0), buffer.shape[1])
        self._buffer = buffer[:, keep:].copy()
        self._origin += keep
        return out


class Filter:
    """Filter planar samples at an unchanged rate, without delay: an odd number of taps around each sample."""

    def __init__(self, taps: NDArray[np.float32], channels: int) -> None:
        self._taps = taps
        self._half = len(taps) // 2
        self._buffer: Planar = np.zeros((channels, self._half), dtype=np.float32)

    def feed(self, samples: Planar, *, last: bool = False) -> Planar:
        """Take input and give what can be computed; with ``last`` also what the filter still holds."""
        parts = [self._buffer, samples]
        if last:
            parts.append(np.zeros((samples.shape[0], self._half), dtype=np.float32))
        buffer = np.concatenate(parts, axis=1)
        count = max(0, buffer.shape[1] - 2 * self._half)
        out = np.empty((buffer.shape[0], count), dtype=np.float32)
        if count:
            kernels.convolve(buffer, self._taps, out)
        self._buffer = buffer[:, count:].copy()
        return out
