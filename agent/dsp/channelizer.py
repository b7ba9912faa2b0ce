"""One wideband stream to many narrow ones: each downlink's channel cut out of a shared spectrum.

Overlap-save: the input is transformed once, block by block; a channel takes the bins around its offset, shapes
them by its filter and transforms them back at its own, lower rate. What the choice of bins leaves of the offset,
and the Doppler shift, is mixed away at the low rate. Source: M. Borgerding, "Turning overlap-save into a multiband
mixing, downsampling filter bank", IEEE Signal Processing Magazine 23 (2006).

Knows nothing of satellites or orbits: an offset is a number, a Doppler curve a callable of UTC nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.dsp import filters, kernels
from agent.records import IqBlock

DopplerCurve: TypeAlias = "Callable[[int], float]"
"""Doppler shift in Hz at a time in UTC nanoseconds."""

_OVERLAP = 4  # one part in this many of a block is the filter's length
_FEWEST_BINS = 32


class _Channel:
    def __init__(self, block: int, sample_rate_hz: float, offset_hz: float, bandwidth_hz: float) -> None:
        if abs(offset_hz) + bandwidth_hz / 2 > sample_rate_hz / 2:
            raise ValueError(
                f"offset_hz: a channel {bandwidth_hz:g} Hz wide at {offset_hz:g} Hz does not lie within"
                f" {sample_rate_hz:g} Hz"
            )
        # The narrowest output that holds the channel and its filter's skirts; blocks stay whole numbers.
        bins = _FEWEST_BINS
        while bins < block and bins * sample_rate_hz / block < 1.25 * bandwidth_hz:
            bins *= 2
        self.bins = min(bins, block)
        self.rate_hz = sample_rate_hz * self.bins / block
        self.offset_hz = offset_hz
        self.block = block
        self.input_rate_hz = sample_rate_hz
        self.doppler: DopplerCurve | None = None
        self.turned = 0.0  # cycles taken out up to the next samples
        half = block / _OVERLAP / 2 - 1
        cutoff = min(0.5 * (bandwidth_hz + self.rate_hz) / 2, 0.49 * self.rate_hz) / sample_rate_hz
        taps = filters.lowpass_pulse(cutoff, half, 60.0)(np.arange(block, dtype=np.float64) - block / 2)
        response = np.fft.fft(np.fft.ifftshift(taps))
        order = np.arange(-(self.bins // 2), self.bins - self.bins // 2)
        shifted = np.fft.ifftshift(order)
        self._picks = shifted
        self.response = (response[shifted % block] * (self.bins / block)).astype(np.complex64)

        self._taken: tuple[int, NDArray[np.int64]] | None = None

    def indices(self, center_bin: int) -> NDArray[np.int64]:
        """Tell which bins of the wide spectrum are those about a bin; they stay the same for long."""
        if self._taken is None or self._taken[0] != center_bin:
            self._taken = center_bin, np.asarray((self._picks + center_bin) % self.block)
        return self._taken[1]


class Channelizer:
    """Cut channels out of wideband IQ."""

    def __init__(self, sample_rate_hz: float, *, block_samples: int | None = None) -> None:
        """Set the transform's length (a power of two, or chosen for bins of about 150 Hz when absent)."""
        if block_samples is None:
            block_samples = 1 << max(10, min(16, round(np.log2(sample_rate_hz / 150.0))))
        self._rate_hz = sample_rate_hz
        self._block = block_samples
        self._advance = block_samples - block_samples // _OVERLAP
        self._channels: dict[int, _Channel] = {}
        self._next_id = 0
        self._reset()

    def _reset(self) -> None:
        lead = self._block // _OVERLAP // 2  # half the filter: no delay
        self._buffer = np.zeros(lead, dtype=np.complex64)
        self._start_utc_ns: int | None = None
        self._blocks = 0  # since the start
        self._lost = 0
        self._center_hz = 0.0

    def add(self, offset_hz: float, bandwidth_hz: float) -> int:
        """Add a channel at ``offset_hz`` from the centre; returns its number.

        Raises ``ValueError`` naming the field when it does not lie within the band.
        """
        channel = _Channel(self._block, self._rate_hz, offset_hz, bandwidth_hz)
        number = self._next_id
        self._next_id += 1
        self._channels[number] = channel
        return number

    def remove(self, number: int) -> None:
        """Take a channel away."""
        del self._channels[number]

    def sample_rate_hz(self, number: int) -> float:
        """Tell the rate of a channel's blocks."""
        return self._channels[number].rate_hz

    def set_offset(self, number: int, offset_hz: float) -> None:
        """Move a channel, for instance to correct the tuner's frequency error."""
        self._channels[number].offset_hz = offset_hz

    def set_doppler(self, number: int, curve: DopplerCurve | None) -> None:
        """Follow a Doppler curve: a signal shifted by it comes out at the channel's centre."""
        self._channels[number].doppler = curve

    def feed(self, block: IqBlock) -> dict[int, IqBlock]:
        """Take a block whole; give each channel's samples now complete, by its number (nothing when none are).

        Raises ``ValueError`` when the sample rate is not the one this was made for.
        """
        if abs(block.sample_rate_hz - self._rate_hz) > 1e-6 * self._rate_hz:
            raise ValueError(f"sample rate is {block.sample_rate_hz:g} Hz, not {self._rate_hz:g} Hz")
        if block.lost_before > 0:
            self._reset()
            self._lost = block.lost_before
        if self._start_utc_ns is None:
            self._start_utc_ns = block.start_utc_ns
        self._center_hz = block.center_frequency_hz
        buffer = np.concatenate((self._buffer, block.samples.astype(np.complex64, copy=False)))
        pieces: dict[int, list[NDArray[np.complex64]]] = {number: [] for number in self._channels}
        first_utc_ns = self._block_utc_ns(self._start_utc_ns)
        position = 0
        while len(buffer) - position >= self._block:
            spectrum = np.fft.fft(buffer[position : position + self._block]).astype(np.complex64, copy=False)
            start_utc_ns = self._block_utc_ns(self._start_utc_ns)
            for number, channel in self._channels.items():
                pieces[number].append(self._cut(channel, spectrum, start_utc_ns))
            position += self._advance
            self._blocks += 1
        if not position:
            self._buffer = buffer
            return {}
        self._buffer = buffer[position:].copy()
        lost, self._lost = self._lost, 0
        return {
            number: IqBlock(
                np.concatenate(pieces[number]),
                channel.rate_hz,
                block.center_frequency_hz + channel.offset_hz,
                first_utc_ns,
                max(round(lost * channel.rate_hz / self._rate_hz), int(lost > 0)),
                0.0 if channel.doppler is None else channel.doppler(first_utc_ns),
            )
            for number, channel in self._channels.items()
        }

    def _block_utc_ns(self, start_utc_ns: int) -> int:
        return start_utc_ns + round(self._blocks * self._advance * 1e9 / self._rate_hz)

    def flush(self) -> dict[int, IqBlock]:
        """Give what is still held, and begin anew."""
        if self._start_utc_ns is None:
            return {}
        tail = np.zeros(self._block, dtype=np.complex64)
        out = self.feed(IqBlock(tail, self._rate_hz, self._center_hz, self._start_utc_ns))
        self._reset()
        return out

    def _cut(self, channel: _Channel, spectrum: NDArray[np.complex64], start_utc_ns: int) -> NDArray[np.complex64]:
        length = channel.bins - channel.bins // _OVERLAP
        shift_hz, ramp_hz = channel.offset_hz, 0.0
        if channel.doppler is not None:
            length_ns = round(length * 1e9 / channel.rate_hz)
            at_start, at_end = channel.doppler(start_utc_ns), channel.doppler(start_utc_ns + length_ns)
            shift_hz += at_start
            ramp_hz = at_end - at_start
        # The bins follow the signal, or Doppler would carry it out of a narrow channel.
        bin_hz = self._rate_hz / self._block
        center_bin = round((shift_hz + 0.5 * ramp_hz) / bin_hz)
        shaped = spectrum[channel.indices(center_bin)] * channel.response
        skip = channel.bins // _OVERLAP // 2
        kept = np.fft.ifft(shaped)[skip : skip + length]
        planar = np.ascontiguousarray(kept.astype(np.complex64).view(np.float32).reshape(-1, 2).T)
        out = np.empty_like(planar)
        # Moving by whole bins has turned the block from its first sample on, before those kept; mix the rest away.
        before = center_bin * skip / channel.bins
        turned = np.array([(channel.turned - before) % 1.0])
        rest = (shift_hz - center_bin * bin_hz) / channel.rate_hz
        kernels.mix(planar, np.array([rest]), ramp_hz / (length * channel.rate_hz), length, turned, out)
        channel.turned = (turned[0] + before + center_bin * self._advance / self._block) % 1.0
        return np.ascontiguousarray(out.T).view(np.complex64).ravel()
