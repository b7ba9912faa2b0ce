"""Symbol blocks of one stream: their times, their number, and the first one marked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agent.records import SymbolBlock


class Blocks:
    """Make symbol blocks of one stream: times, and the first block marked."""

    def __init__(self, stream: int, baudrate_bd: float, start_utc_ns: int) -> None:
        self._stream = stream
        self._baud = baudrate_bd
        self._start_utc_ns = start_utc_ns
        self._first = True

    def make(
        self, soft: NDArray[np.float32], position_symbols: float, snr_db: float, offset_hz: float | None
    ) -> SymbolBlock:
        """Make a block whose first symbol lies ``position_symbols`` after the stream's start."""
        first, self._first = self._first, False
        return SymbolBlock(
            soft=soft,
            baudrate_bd=self._baud,
            start_utc_ns=self._start_utc_ns + round(position_symbols * 1e9 / self._baud),
            snr_db=snr_db,
            frequency_offset_hz=offset_hz,
            stream=self._stream,
            first=first,
        )


def with_best_snr(blocks: list[SymbolBlock]) -> list[SymbolBlock]:
    """Give blocks of one stretch of signal the Es/N0 of the one that measured it best.

    A discriminator's eye closes by more than the noise; the sequence detector's misses are the noise alone.
    """
    best_db = max((block.snr_db for block in blocks if block.snr_db is not None), default=None)
    return [replace(block, snr_db=best_db) for block in blocks]
