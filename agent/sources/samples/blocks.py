"""Octets of samples, cut anywhere, to blocks of 50 ms with the time of their first sample.

Knows no socket and no clock: what has come is fed, the time is an argument.
"""

from __future__ import annotations

import numpy as np

from agent.records import AudioBlock, IqBlock, UtcNs
from agent.sources.samples import Converter
from agent.sources.samples.clock import SampleClock

BLOCK_S = 0.05


class BlockBuilder:
    """Collects octets and gives blocks: IQ at ``center_frequency_hz`` if the converter makes IQ, else audio."""

    def __init__(self, converter: Converter, sample_rate_hz: float, center_frequency_hz: float = 0.0) -> None:
        self._converter = converter
        self._rate_hz = sample_rate_hz
        self._center_hz = center_frequency_hz
        self._block_octets = max(1, int(sample_rate_hz * BLOCK_S)) * converter.octets_per_sample
        self._octets = bytearray()
        self._skip = 0
        self._clock = SampleClock(sample_rate_hz)

    def begin(self, *, skip_octets: int = 0) -> None:
        """Forget everything: a new stream begins, of which the first octets belong to a sample not wanted."""
        self._octets = bytearray()
        self._skip = skip_octets
        self._clock = SampleClock(self._rate_hz)

    def feed(self, octets: bytes) -> None:
        """Take octets whole."""
        self._octets += octets[self._skip :]
        self._skip = 0

    @property
    def complete(self) -> bool:
        """Tell whether a block is complete."""
        return len(self._octets) >= self._block_octets

    @property
    def empty(self) -> bool:
        """Tell whether there is not one whole sample."""
        return len(self._octets) < self._converter.octets_per_sample

    def take(self, monotonic_ns: int, utc_ns: UtcNs) -> IqBlock | AudioBlock:
        """Return the next block, a short one if none is complete; the times are now."""
        width = self._converter.octets_per_sample
        octets = min(self._block_octets, len(self._octets) // width * width)
        samples = self._converter.feed(bytes(self._octets[:octets]))
        del self._octets[:octets]
        # What has come beyond this block was taken after it.
        behind_ns = round(len(self._octets) // width * 1e9 / self._rate_hz)
        start_utc_ns, lost = self._clock.stamp(samples.size, monotonic_ns - behind_ns, utc_ns - behind_ns)
        if self._converter.take == "iq":
            iq = samples.astype(np.complex64, copy=False)
            return IqBlock(iq, self._rate_hz, self._center_hz, start_utc_ns, lost)
        return AudioBlock(samples.astype(np.float32, copy=False), self._rate_hz, start_utc_ns, lost)
