"""Line codes between bits and channel: NRZ-M (NRZ-S, NRZI) on soft symbols.

Source: IRIG 106 chapter 4, annex; CCSDS 401.0-B §2.4.14. Knows no frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class DifferentialDecoder:
    """Decode NRZ-M: a change of level is a one (``space``: a zero), its confidence that of the weaker symbol."""

    def __init__(self, *, space: bool = False) -> None:
        self._sign = np.float32(1.0 if space else -1.0)
        self._last = np.zeros(1, np.float32)

    def feed(self, soft: NDArray[np.float32]) -> NDArray[np.float32]:
        """Decode float32[n] to float32[n]; the very first symbol has none before it and decides nothing."""
        if not soft.size:
            return soft
        joined = np.concatenate([self._last, soft])
        self._last = joined[-1:].copy()
        magnitudes = np.abs(joined)
        weaker = np.minimum(magnitudes[1:], magnitudes[:-1])
        decoded: NDArray[np.float32] = np.copysign(weaker, joined[1:]) * np.copysign(np.float32(1.0), joined[:-1])
        decoded *= self._sign
        return decoded

    def forget(self) -> None:
        """Begin anew behind a gap."""
        self._last = np.zeros(1, np.float32)


def encode_nrz_m(bits: NDArray[np.uint8], *, space: bool = False) -> NDArray[np.uint8]:
    """Encode uint8[n] of 0 and 1: a one (``space``: a zero) changes the level."""
    changes = (bits == 0) if space else (bits != 0)
    return (np.cumsum(changes) & 1).astype(np.uint8)
