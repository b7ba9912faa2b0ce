"""Symbol blocks of one stream: their times, their number, and the first one marked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agent.records import SymbolBlock

KNOT = 512
"""Symbols between the positions that a block's times are judged by."""

UNEVEN_SYMBOLS = 0.25


class Blocks:
    """Make symbol blocks of one stream: times, and the first block marked."""

    def __init__(self, stream: int, baudrate_bd: float, start_utc_ns: int) -> None:
        self._stream = stream
        self._baud = baudrate_bd
        self._start_utc_ns = start_utc_ns
        self._first = True

    def make(
        self, soft: NDArray[np.float32], knots: NDArray[np.float64], snr_db: float, offset_hz: float | None
    ) -> list[SymbolBlock]:
        """Make a block, or several where the clock does not run evenly and one start would not tell the times.

        ``knots`` are the positions, in symbols after the stream's start, of the symbols 0, ``KNOT``, 2 ``KNOT`` ….
        """
        even = knots[0] + KNOT * np.arange(len(knots))
        if np.ptp(knots - even) < UNEVEN_SYMBOLS:
            return [self._block(soft, float(knots[0]), snr_db, offset_hz)]
        parts = zip(range(0, len(soft), KNOT), knots.tolist(), strict=True)
        return [self._block(soft[at : at + KNOT], start, snr_db, offset_hz) for at, start in parts]

    def _block(
        self, soft: NDArray[np.float32], position_symbols: float, snr_db: float, offset_hz: float | None
    ) -> SymbolBlock:
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
