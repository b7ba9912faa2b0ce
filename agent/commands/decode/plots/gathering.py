"""What a plot needs of a downlink, gathered while it passes, in bounded memory.

A watcher: keeps the last seconds of every stage, and when a frame has been found, takes from them the stretch that
carried it: eye and constellation are those of the frames. As long as there is no frame, they are those of all that
was heard. Knows what the stages show; draws nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.commands.decode.plots.spectrogram import Spectrogram
from agent.frame_reader import Transmitter
from agent.records import AudioBlock, IqBlock, SymbolBlock, Trace, UtcNs
from firmware_protocols.interface import LinkFrame

EYE_COLUMNS, EYE_ROWS = 128, 160
EYE_SYMBOLS: Final = 2.0
EYE_REACH: Final = 2.2
PLANE: Final = 160
PLANE_REACH: Final = 2.0
SOFT_BINS: Final = 120
SOFT_REACH: Final = 3.0
UPSAMPLING: Final = 8
KEPT_VALUES: Final = 1 << 17
"""Of each signal: a second and more of any, half a minute of a slow one."""
MAX_POINTS: Final = 6000
MAX_FRAMES: Final = 2000
SETTLING_S: Final = 0.3
MAX_STRETCH_SYMBOLS: Final = 20_000
"""Of one frame (or of noise) no more goes into the pictures."""


@dataclass(slots=True)
class Points:
    """Points over time; when there are too many, every second is left out from then on."""

    times_s: list[float] = field(default_factory=list)
    values: list[tuple[float, ...]] = field(default_factory=list)
    stride: int = 1
    seen: int = 0

    def add(self, time_s: float, *values: float) -> None:
        """Add one point."""
        if self.seen % self.stride == 0:
            self.times_s.append(time_s)
            self.values.append(values)
            if len(self.times_s) > MAX_POINTS:
                self.times_s, self.values, self.stride = self.times_s[::2], self.values[::2], 2 * self.stride
        self.seen += 1

    def columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give times and values[points, columns]."""
        if not self.times_s:
            return np.empty(0), np.empty((0, 2))
        return np.array(self.times_s), np.array(self.values, np.float64)


@dataclass(slots=True)
class Piece:
    """Values that followed one another: each at its own time, or at an even rate from a time on."""

    values: NDArray[Any]
    first_s: float
    rate_hz: float
    each_s: NDArray[np.float64] | None

    def times_s(self) -> NDArray[np.float64]:
        """Give the time of each value."""
        return self.first_s + np.arange(len(self.values)) / self.rate_hz if self.each_s is None else self.each_s

    def last_s(self) -> float:
        """Return the time of the last value."""
        return (
            self.first_s + (len(self.values) - 1) / self.rate_hz if self.each_s is None else float(self.each_s[-1])
        )


class Recent:
    """The last values of one signal."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._kept = 0
        self._stream_utc_ns: UtcNs | None = None
        self._given = 0

    def add(self, start_s: float, start_utc_ns: UtcNs, trace: Trace, values: NDArray[Any]) -> None:
        """Keep what a stage gave; ``values`` are not empty."""
        if self._stream_utc_ns != start_utc_ns:
            self._stream_utc_ns, self._given = start_utc_ns, 0
        rate_hz = trace.rate_hz or 1.0
        if trace.positions_s is not None:
            each_s = start_s + trace.positions_s
            self._pieces.append(Piece(values, float(each_s[0]), rate_hz, each_s))
        else:
            first_s = start_s + trace.first_s + self._given / rate_hz
            self._pieces.append(Piece(values, first_s, rate_hz, None))
        self._given += len(values)
        self._kept += len(values)
        while self._kept > KEPT_VALUES and len(self._pieces) > 1:
            self._kept -= len(self._pieces.popleft().values)

    def newest(self) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Give what was added last."""
        return (self._pieces[-1].times_s(), self._pieces[-1].values) if self._pieces else (np.empty(0), np.empty(0))

    def within(self, start_s: float, end_s: float) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Give what lies between two times."""
        times, values = [np.empty(0)], []
        for piece in self._pieces:
            if piece.first_s <= end_s and piece.last_s() >= start_s:
                piece_s = piece.times_s()
                lo, hi = np.searchsorted(piece_s, (start_s, end_s))
                times.append(piece_s[lo:hi])
                values.append(piece.values[lo:hi])
        return np.concatenate(times), (np.concatenate(values) if values else np.empty(0))


@dataclass(slots=True)
class Pictures:
    """Densities: eye[rows, columns], plane[rows, columns], and how often a soft symbol had a value."""

    eye: NDArray[np.float64] = field(default_factory=lambda: np.zeros((EYE_ROWS, EYE_COLUMNS)))
    plane: NDArray[np.float64] = field(default_factory=lambda: np.zeros((PLANE, PLANE)))
    soft: NDArray[np.float64] = field(default_factory=lambda: np.zeros(SOFT_BINS))
    symbols: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A frame, for the list and for marks on the time axis."""

    start_s: float
    span_s: float
    frame: LinkFrame
    snr_db: float | None
    offset_hz: float | None
    clock_ppm: float | None


class DownlinkPlot:
    """Gathers what the figures of one downlink show."""

    def __init__(self, transmitter: Transmitter, origin_utc_ns: UtcNs) -> None:
        self.transmitter = transmitter
        self.is_iq = False
        self.spectrogram: Spectrogram | None = None
        self.framed = Pictures()
        self.heard = Pictures()
        self.clock = Points()
        self.quality = Points()
        self.frames: list[Found] = []
        self.frames_found = 0
        self.is_phase_keyed = False
        self._origin_utc_ns = origin_utc_ns
        self._recent: dict[tuple[str, int], Recent] = {}
        self._measured: deque[tuple[int, float, float | None, float | None]] = deque(maxlen=4096)
        self._heard_until_s = -1e18

    # -- watching ----------------------------------------------------------------------------------------

    def samples(self, block: IqBlock | AudioBlock) -> None:
        """Look at what enters the demodulator."""
        self.is_iq = isinstance(block, IqBlock)
        if self.spectrogram is None:
            self.spectrogram = Spectrogram(block.sample_rate_hz, is_complex=self.is_iq)
        self.spectrogram.feed(block.samples, self._seconds(block.start_utc_ns))

    def trace(self, start_utc_ns: UtcNs, trace: Trace) -> None:
        """Keep what a stage gave, for a while."""
        values: NDArray[Any] = trace.values
        if values.ndim == 2:
            values = values[0] + 1j * values[1]
        if not len(values):
            return
        number = trace.hypothesis or 0
        recent = self._recent.setdefault((trace.signal, number), Recent())
        recent.add(self._seconds(start_utc_ns), start_utc_ns, trace, values)
        if trace.signal == "aligned":
            self.is_phase_keyed = True
        if trace.signal == "clock_strength" and number == self._first():
            self._keep_clock(number)
            if not self.frames_found:
                self._draw_heard(number)

    def symbols(self, block: SymbolBlock) -> None:
        """Keep soft symbols and what was measured with them."""
        at_s = self._seconds(block.start_utc_ns)
        positions = np.arange(len(block.soft)) / block.baudrate_bd
        trace = Trace("soft", block.soft, "1", positions_s=positions, hypothesis=block.stream)
        if len(block.soft):
            self._recent.setdefault(("soft", block.stream), Recent()).add(
                at_s, block.start_utc_ns, trace, block.soft
            )
        if block.stream == 0:
            middle_s = at_s + 0.5 * len(block.soft) / block.baudrate_bd
            missing = float("nan")
            self.quality.add(
                middle_s,
                missing if block.snr_db is None else block.snr_db,
                missing if block.frequency_offset_hz is None else block.frequency_offset_hz,
            )
        self._measured.append((block.stream, at_s, block.snr_db, block.frequency_offset_hz))

    def found(self, stream: int, frame: LinkFrame, start_utc_ns: UtcNs, span_ns: int, *, kept: bool) -> None:
        """Draw the stretch that carried a frame."""
        if not kept:
            return
        start_s, span_s = self._seconds(start_utc_ns), span_ns / 1e9
        number = max((h for name, h in self._recent if name == self._instants() and h <= stream), default=0)
        limit_s = MAX_STRETCH_SYMBOLS / self.transmitter.downlink.baudrate_bd
        end_s = start_s + min(span_s, limit_s)
        self._draw(self.framed, number, start_s, end_s, stream)
        self.frames_found += 1
        if len(self.frames) < MAX_FRAMES:
            _, _, snr_db, offset_hz = min(
                (one for one in self._measured if one[0] == stream),
                key=lambda one: abs(one[1] - start_s - span_s / 2),
                default=(0, 0.0, None, None),
            )
            ppm = self._clock_ppm(number, start_s, end_s)
            self.frames.append(Found(start_s, span_s, frame, snr_db, offset_hz, ppm))

    def _seconds(self, utc_ns: UtcNs) -> float:
        return (utc_ns - self._origin_utc_ns) / 1e9

    def _instants(self) -> str:
        """Name the signal whose times are the symbols'."""
        return "aligned" if self.is_phase_keyed else "symbols"

    def _first(self) -> int:
        return min((number for name, number in self._recent if name == "clock_phase"), default=0)

    # -- drawing into the pictures -----------------------------------------------------------------------

    def _take(
        self, name: str, number: int, start_s: float, end_s: float
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        recent = self._recent.get((name, number)) or self._recent.get((name, 0))
        return recent.within(start_s, end_s) if recent is not None else (np.empty(0), np.empty(0))

    def _keep_clock(self, number: int) -> None:
        times_s, phase = self._recent["clock_phase", number].newest()
        _, strength = self._recent["clock_strength", number].newest()
        for point in zip(times_s.tolist(), phase.tolist(), strength.tolist(), strict=True):
            self.clock.add(*point)

    def _draw_heard(self, number: int) -> None:
        """Draw what was heard since last time, but for the last moments: some stages are not so far yet."""
        times_s, _ = self._recent.get((self._instants(), number), Recent()).newest()
        end_s = float(times_s[-1]) - SETTLING_S if len(times_s) else self._heard_until_s
        if end_s > self._heard_until_s:
            self._draw(self.heard, number, max(self._heard_until_s, end_s - 2.0), end_s)
            self._heard_until_s = end_s

    def _clock_ppm(self, number: int, start_s: float, end_s: float) -> float | None:
        """Fit a straight clock to the symbols of a frame: how much faster it is than its nominal rate."""
        times_s, _ = self._take(self._instants(), number, start_s, end_s)
        if len(times_s) < 64:
            return None
        steps = np.diff(times_s)
        symbol_s = float(np.median(steps))
        counts = np.concatenate(([0.0], np.cumsum(np.round(steps / symbol_s))))
        measured_s = float(np.polyfit(counts, times_s - times_s[0], 1)[0])
        baudrate_bd = self.transmitter.downlink.baudrate_bd
        instants = max(1, round(1.0 / (symbol_s * baudrate_bd)))  # two in a Manchester symbol
        return (1.0 / (measured_s * instants * baudrate_bd) - 1.0) * 1e6

    def _draw(self, into: Pictures, number: int, start_s: float, end_s: float, stream: int | None = None) -> None:
        points: NDArray[Any]
        if self.is_phase_keyed:
            times_s, axes = self._take("aligned", number, start_s, end_s)
            scale = float(np.median(np.abs(axes.real))) if len(axes) else 1.0
            points = axes / (scale or 1.0)
        else:
            times_s, values = self._take("symbols", number, start_s, end_s)
            points = self._phase_turned(number, times_s)
        if len(times_s) < 16:
            return
        into.symbols += len(times_s)
        _add_plane(into.plane, points)
        self._draw_eye(into, number, times_s, points if self.is_phase_keyed else values)
        soft = self._take("soft", number if stream is None else stream, start_s, end_s)[1]
        into.soft += np.histogram(soft, SOFT_BINS, (-SOFT_REACH, SOFT_REACH))[0]

    def _phase_turned(self, number: int, times_s: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Give how far the phase turned during each symbol: a frequency-shifted signal as points on a circle."""
        half_s = 0.5 / self.transmitter.downlink.baudrate_bd
        if not len(times_s):
            return np.empty(0, np.complex128)
        name = "filtered" if ("filtered", number) in self._recent else "remodulated"
        signal_s, signal = self._take(name, number, float(times_s[0]) - 4 * half_s, float(times_s[-1]) + 4 * half_s)
        if len(signal) < 8:
            return np.empty(0, np.complex128)
        before, after = (_at(signal_s, signal, times_s + side * half_s) for side in (-1, 1))
        turned = after * np.conj(before)
        return np.asarray(turned / (np.median(np.abs(turned)) or 1.0))

    def _draw_eye(self, into: Pictures, number: int, times_s: NDArray[np.float64], values: NDArray[Any]) -> None:
        symbol_s = float(np.median(np.diff(times_s)))
        margin_s = 12 * symbol_s
        wave_s, wave = self._take("matched", number, float(times_s[0]) - margin_s, float(times_s[-1]) + margin_s)
        if len(wave) < 64:
            return
        if self.is_phase_keyed:
            # Turn the wave as its symbols were turned.
            symbols_s, symbols = self._take("symbols", number, float(times_s[0]) - 1e-9, float(times_s[-1]) + 1e-9)
            count = min(len(symbols), len(values))
            if count < 16:
                return  # what the two rails of an offset signal show together is no eye
            turn = values[:count] * np.conj(symbols[:count]) / np.maximum(np.abs(symbols[:count]) ** 2, 1e-30)
            size = float(np.median(np.abs(turn)))
            angle = np.interp(wave_s, symbols_s[:count], np.unwrap(np.angle(turn)))
            wave = (wave * np.exp(1j * angle)).real * size
        else:
            middle = float((np.quantile(values, 0.1) + np.quantile(values, 0.9)) / 2)
            for _ in range(4):
                above, below = values[values > middle], values[values <= middle]
                if not (len(above) and len(below)):
                    break
                middle = float(above.mean() + below.mean()) / 2
            size = float(np.median(np.abs(values - middle)))
            wave = (wave - middle) / (size or 1.0)
        fine = _upsampled(wave)
        fine_step_s = (wave_s[-1] - wave_s[0]) / (len(wave_s) - 1) / UPSAMPLING
        offsets_s = (
            np.arange(EYE_COLUMNS) + 0.5
        ) / EYE_COLUMNS * EYE_SYMBOLS * symbol_s - EYE_SYMBOLS * symbol_s / 2
        places = np.round((times_s[:, None] + offsets_s[None, :] - wave_s[0]) / fine_step_s).astype(np.int64)
        good = (places >= 0) & (places < len(fine))
        heights = fine[np.clip(places, 0, len(fine) - 1)]
        rows = np.floor((EYE_REACH - heights) / (2 * EYE_REACH) * EYE_ROWS).astype(np.int64)
        good &= (rows >= 0) & (rows < EYE_ROWS)
        columns = np.broadcast_to(np.arange(EYE_COLUMNS), rows.shape)
        cells = rows[good] * EYE_COLUMNS + columns[good]
        into.eye += np.bincount(cells, minlength=EYE_ROWS * EYE_COLUMNS).reshape(EYE_ROWS, EYE_COLUMNS)


def _add_plane(plane: NDArray[np.float64], points: NDArray[Any]) -> None:
    if not len(points):
        return
    edges = (-PLANE_REACH, PLANE_REACH)
    plane += np.histogram2d(-points.imag, points.real, PLANE, (edges, edges))[0]


def _at(
    times_s: NDArray[np.float64], signal: NDArray[np.complex128], wanted_s: NDArray[np.float64]
) -> NDArray[np.complex128]:
    return np.asarray(np.interp(wanted_s, times_s, signal.real) + 1j * np.interp(wanted_s, times_s, signal.imag))


def _upsampled(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate with a windowed sinc of sixteen samples."""
    t = np.arange(-8 * UPSAMPLING, 8 * UPSAMPLING + 1) / UPSAMPLING
    taps = np.sinc(t) * np.hanning(len(t) + 2)[1:-1]
    stuffed = np.zeros(len(wave) * UPSAMPLING)
    stuffed[::UPSAMPLING] = wave
    return np.convolve(stuffed, taps, "same")
