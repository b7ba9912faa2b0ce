"""Symbol blocks of one stream: their times, their number, and the first one marked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.records import SymbolBlock

KNOT = 512
"""Symbols between the positions that a block's times are judged by."""

UNEVEN_SYMBOLS = 0.5
"""How far the times within a block may lie from where an even clock would put them."""

STRETCH = 16
"""Symbols that share a figure of the noise."""


def es_n0_db(noise: float) -> float:
    """Give Es/N0 in dB for N0/Es as a ratio, within bounds."""
    return -10.0 * math.log10(min(max(noise, 1e-6), 1e4))


def averaged(noise: NDArray[np.floating[Any]], signal: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Give the ratio of two powers told for each symbol, over stretches of about ``STRETCH`` symbols."""
    edges = np.linspace(0, len(noise), max(1, len(noise) // STRETCH), endpoint=False).astype(np.intp)
    ratio = np.add.reduceat(noise, edges) / np.maximum(np.add.reduceat(signal, edges), 1e-12)
    return np.asarray(ratio, dtype=np.float32)


class Blocks:
    """Make symbol blocks of one stream: times, and the first block marked."""

    def __init__(self, stream: int, baudrate_bd: float, start_utc_ns: int) -> None:
        self._stream = stream
        self._baud = baudrate_bd
        self._start_utc_ns = start_utc_ns
        self._first = True

    def make(
        self,
        soft: NDArray[np.float32],
        knots: NDArray[np.float64],
        noise: NDArray[np.float32],
        offset_hz: float | None,
    ) -> list[SymbolBlock]:
        """Make a block, or several where the clock does not run evenly and one start would not tell the times.

        ``knots`` are the positions, in symbols after the stream's start, of the symbols 0, ``KNOT``, 2 ``KNOT`` …;
        ``noise`` is N0/Es in stretches of equal length.
        """
        starts = knots.tolist()
        density = len(noise) / len(soft)
        blocks: list[SymbolBlock] = []
        for first, behind in _even_parts(starts):
            at, end = first * KNOT, min(behind * KNOT, len(soft))
            told = noise[int(at * density) : max(int(at * density) + 1, int(end * density))]
            blocks.append(self._block(soft[at:end], starts[first], told, offset_hz))
        return blocks

    def _block(
        self,
        soft: NDArray[np.float32],
        position_symbols: float,
        noise: NDArray[np.float32],
        offset_hz: float | None,
    ) -> SymbolBlock:
        first, self._first = self._first, False
        return SymbolBlock(
            soft=soft,
            baudrate_bd=self._baud,
            start_utc_ns=self._start_utc_ns + round(position_symbols * 1e9 / self._baud),
            snr_db=es_n0_db(float(np.add.reduce(noise)) / len(noise)),
            frequency_offset_hz=offset_hz,
            stream=self._stream,
            first=first,
            noise=noise,
        )


def _even_parts(starts: list[float]) -> Iterator[tuple[int, int]]:
    """Cut knots into (first, behind the last) so that none lies ``UNEVEN_SYMBOLS`` off another's even clock."""
    first, least, most = 0, starts[0], starts[0]
    for number, start in enumerate(starts):
        place = start - KNOT * number
        least, most = min(least, place), max(most, place)
        if most - least >= UNEVEN_SYMBOLS:
            yield first, number
            first, least, most = number, place, place
    yield first, len(starts)


def with_best_snr(blocks: list[SymbolBlock]) -> list[SymbolBlock]:
    """Give blocks of one stretch of signal the Es/N0 of the one that measured it best.

    A discriminator's eye closes by more than the noise; the sequence detector's misses are the noise alone.
    """
    best_db = max((block.snr_db for block in blocks if block.snr_db is not None), default=None)
    return [replace(block, snr_db=best_db) for block in blocks]
