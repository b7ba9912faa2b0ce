"""Find blocks whose sync word is spread evenly through them, by soft correlation.

Bit k of the word stands at symbol k × step of the block. A place is a hit when the normalised correlation
reaches the threshold, with either sign: for noise alone it is normal with variance 1/word length. Hits are
judged in order, each when its whole block is there, so cutting changes nothing. Knows no code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from firmware_protocols.coding.sync_word import Accept, Reject
from firmware_protocols.interface import LinkFrame


@njit("int64(float32[::1], int64, int64, float32[::1], int64, float32)", nogil=True, cache=True)
def _find(  # pragma: no cover
    soft: NDArray[np.float32],
    begin: int,
    end: int,
    signs: NDArray[np.float32],
    step: int,
    threshold: float,
) -> int:
    """Return the first place from ``begin`` on that is a hit; -1 when there is none."""
    least = threshold * threshold * signs.size
    for place in range(begin, end):
        correlation = np.float32(0.0)
        energy = np.float32(0.0)
        for k in range(signs.size):
            value = soft[place + step * k]
            correlation += signs[k] * value
            energy += value * value
        if energy > 0 and correlation * correlation >= least * energy:
            return place
    return -1


class DistributedFrames:
    """Search a stream for blocks of ``block_symbols`` and let ``judge`` decide on each hit (polarity mended)."""

    def __init__(
        self,
        word: NDArray[np.uint8],
        step: int,
        block_symbols: int,
        threshold: float,
        judge: Callable[[NDArray[np.float32]], Accept | Reject],
        rejected: Counter[str],
    ) -> None:
        self._signs = (2.0 * word - 1.0).astype(np.float32)
        self._step = step
        self._block = block_symbols
        self._threshold = np.float32(threshold)
        self._judge = judge
        self._rejected = rejected
        self._buffer = np.zeros(4 * block_symbols, np.float32)
        self._base = 0
        self._filled = 0
        self._next = 0

    def feed(self, soft: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        frames: list[LinkFrame] = []
        taken = 0
        # A number that is none, or without bound, must not spoil the correlations of a whole block.
        soft = np.clip(np.nan_to_num(np.asarray(soft, np.float32), nan=0.0), -4.0, 4.0)
        while taken < soft.size:
            if self._filled == self._buffer.size:
                self._buffer[: self._filled - self._next] = self._buffer[self._next : self._filled].copy()
                self._base += self._next
                self._filled -= self._next
                self._next = 0
            size = min(soft.size - taken, self._buffer.size - self._filled)
            self._buffer[self._filled : self._filled + size] = soft[taken : taken + size]
            self._filled += size
            taken += size
            frames += self._advance()
        return frames

    def flush(self) -> list[LinkFrame]:
        """Give up a block that is incomplete, and begin anew; positions go on."""
        self._base += self._filled
        self._filled = self._next = 0
        return []

    def _advance(self) -> list[LinkFrame]:
        frames: list[LinkFrame] = []
        while self._next <= self._filled - self._block:
            end = self._filled - self._block + 1
            place = int(_find(self._buffer, self._next, end, self._signs, self._step, self._threshold))
            if place < 0:
                self._next = end
                break
            block = self._buffer[place : place + self._block].copy()
            if float(block[: self._step * self._signs.size : self._step] @ self._signs) < 0:
                block = -block
            verdict = self._judge(block)
            if isinstance(verdict, Accept):
                frames.append(
                    LinkFrame(
                        verdict.data,
                        offset=self._base + place,
                        span=self._block,
                        check=verdict.check,
                        corrected=verdict.corrected,
                    )
                )
                self._next = place + self._block
            else:
                self._next = place + 1
                if verdict.reason:
                    self._rejected[verdict.reason] += 1
        return frames
