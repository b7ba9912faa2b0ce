"""Find sync words in soft symbols, and hold what follows until a decoder has enough of it.

``SyncedFrames`` is the streaming half of every framing of the kind "sync word, then a block": a protocol gives
the word, how many wrong bits it may have, and a function that judges the symbols behind it. That function
says how many more it needs, or what the frame is, or why it is none. Hits are judged strictly in order, each
with as many symbols as it asked for, so any cutting of the stream gives the same frames. Knows no frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from firmware_protocols.interface import LinkFrame

MAX_HITS_PER_CALL = 256


@njit(
    "int64(float32[::1], int64, int64, uint64, uint64, int64, boolean, int64[::1], boolean[::1], int64[::1])",
    nogil=True,
    cache=True,
)
def _find_words(  # pragma: no cover
    soft: NDArray[np.float32],
    begin: int,
    end: int,
    word: int,
    mask: int,
    max_errors: int,
    both: bool,
    places: NDArray[np.int64],
    inverted: NDArray[np.bool_],
    state: NDArray[np.int64],
) -> int:
    """Fill ``places`` with the indices behind each hit; ``state`` is [register, symbols seen, next index]."""
    register = np.uint64(state[0])
    seen = state[1]
    width = np.uint64(mask)
    length = 0
    while width:
        length += 1
        width >>= np.uint64(1)
    found = 0
    i = begin
    while i < end:
        register = (register << np.uint64(1)) | np.uint64(1 if soft[i] > 0 else 0)
        i += 1
        seen += 1
        if seen < length:
            continue
        difference = (register ^ np.uint64(word)) & np.uint64(mask)
        difference -= (difference >> np.uint64(1)) & np.uint64(0x5555555555555555)
        difference = (difference & np.uint64(0x3333333333333333)) + (
            (difference >> np.uint64(2)) & np.uint64(0x3333333333333333)
        )
        difference = (difference + (difference >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        size = np.int64((difference * np.uint64(0x0101010101010101)) >> np.uint64(56))
        if size <= max_errors or (both and size >= length - max_errors):
            places[found] = i
            inverted[found] = size > max_errors
            found += 1
            if found == places.size:
                break
    state[0] = np.int64(register)
    state[1] = seen
    state[2] = i
    return found


@dataclass(frozen=True, slots=True)
class SyncWord:
    """A sync word as a string of 0 and 1, in the order sent, and how many of its bits may be wrong.

    ``inverted_too`` also takes the complement, for links that leave the polarity open; what follows such a hit
    is then handed on inverted.
    """

    bits: str
    max_errors: int = 0
    inverted_too: bool = True

    def __post_init__(self) -> None:
        if not 8 <= len(self.bits) <= 64 or set(self.bits) - {"0", "1"}:
            raise ValueError("a sync word has 8 to 64 bits, 0 and 1")
        if not 0 <= self.max_errors < len(self.bits) / 2:
            raise ValueError("more wrong bits than half the word would take everything")


@dataclass(frozen=True, slots=True)
class More:
    """The decoder needs ``symbols`` in all, counted from behind the sync word."""

    symbols: int


@dataclass(frozen=True, slots=True)
class Reject:
    """The hit is no frame; ``reason`` is counted, unless it is empty (a sync word in noise is no event)."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Accept:
    """A frame; ``symbols`` is its length from behind the sync word, where the search goes on."""

    data: bytes
    symbols: int
    check: str
    corrected: int = 0


Verdict: TypeAlias = "More | Reject | Accept"


class SyncedFrames:
    """Search a stream of soft symbols for a sync word and let ``judge`` decide on what follows.

    ``judge`` is given the ``first_symbols`` symbols behind a hit (polarity mended), then as many as it asks
    for, at most ``max_symbols``. A hit inside an accepted frame is passed over. At the end of a burst a frame that
    still waits is given to ``judge_last`` with the symbols there are, if a protocol has a use for them.
    """

    def __init__(
        self,
        sync: SyncWord,
        judge: Callable[[NDArray[np.float32]], Verdict],
        rejected: Counter[str],
        *,
        first_symbols: int,
        max_symbols: int,
        judge_last: Callable[[NDArray[np.float32]], Verdict] | None = None,
    ) -> None:
        self._judge_last = judge_last
        self._sync = sync
        self._word = np.uint64(int(sync.bits, 2))
        self._mask = np.uint64((1 << len(sync.bits)) - 1)
        self._judge = judge
        self._rejected = rejected
        self._first = first_symbols
        self._max = max_symbols
        self._buffer = np.zeros(max(4096, 2 * max_symbols), np.float32)
        self._base = 0  # stream position of buffer[0]
        self._filled = 0
        self._searched = 0  # index in the buffer up to which sync words were looked for
        self._state = np.zeros(3, np.int64)
        self._places = np.zeros(MAX_HITS_PER_CALL, np.int64)
        self._inverted = np.zeros(MAX_HITS_PER_CALL, np.bool_)
        self._hits: list[tuple[int, bool]] = []  # stream positions behind sync words, in order
        self._needed = first_symbols  # of the first hit

    def feed(self, soft: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        soft = np.ascontiguousarray(soft, np.float32)
        frames: list[LinkFrame] = []
        taken = 0
        while taken < soft.size:
            self._compact()
            size = min(soft.size - taken, self._buffer.size - self._filled)
            self._buffer[self._filled : self._filled + size] = soft[taken : taken + size]
            self._filled += size
            taken += size
            frames += self._advance()
        return frames

    def flush(self) -> list[LinkFrame]:
        """Give up the frame that is incomplete and begin anew; positions go on.

        The symbols behind its sync word are searched again, since a shorter frame may lie among them.
        """
        frames: list[LinkFrame] = []
        while self._hits:
            place, inverted = self._hits[0]
            symbols = self._buffer[place - self._base : self._filled]
            verdict: Verdict = Reject()
            if self._judge_last is not None and symbols.size >= self._first:
                verdict = self._judge_last(-symbols if inverted else symbols.copy())
            self._settle(verdict, frames)
            frames += self._advance()
        self._base += self._filled
        self._filled = self._searched = 0
        self._state[:] = 0
        return frames

    def _compact(self) -> None:
        """Drop what no hit needs any more."""
        keep = self._hits[0][0] - self._base if self._hits else self._searched
        if keep and self._filled in (self._buffer.size, keep):
            self._buffer[: self._filled - keep] = self._buffer[keep : self._filled].copy()
            self._base += keep
            self._filled -= keep
            self._searched -= keep

    def _advance(self) -> list[LinkFrame]:
        frames: list[LinkFrame] = []
        while True:
            if not self._hits and not self._search():
                return frames
            place, inverted = self._hits[0]
            index = place - self._base
            if self._filled - index < self._needed:
                return frames
            symbols = self._buffer[index : index + self._needed]
            verdict = self._judge(-symbols if inverted else symbols.copy())
            if isinstance(verdict, More) and self._needed < verdict.symbols <= self._max:
                self._needed = verdict.symbols
                continue
            self._settle(verdict, frames)

    def _settle(self, verdict: Verdict, frames: list[LinkFrame]) -> None:
        """Have done with the first hit."""
        place, _ = self._hits.pop(0)
        self._needed = self._first
        if isinstance(verdict, Accept):
            start = place - len(self._sync.bits)
            end = place + verdict.symbols
            frames.append(
                LinkFrame(
                    verdict.data,
                    offset=max(0, start),
                    span=end - start,
                    check=verdict.check,
                    corrected=verdict.corrected,
                )
            )
            self._hits = [hit for hit in self._hits if hit[0] - len(self._sync.bits) >= end]
            # Go on right behind the frame: a register full of its last bits would make new words.
            if self._base + self._searched < end:
                self._searched = min(end - self._base, self._filled)
                self._state[0] = self._state[1] = 0
        elif isinstance(verdict, Reject) and verdict.reason:
            self._rejected[verdict.reason] += 1
        elif isinstance(verdict, More):
            self._rejected["too_long"] += 1

    def _search(self) -> bool:
        """Look for the next hits among symbols not yet searched."""
        if self._searched >= self._filled:
            return False
        found = _find_words(
            self._buffer,
            self._searched,
            self._filled,
            self._word,
            self._mask,
            self._sync.max_errors,
            self._sync.inverted_too,
            self._places,
            self._inverted,
            self._state,
        )
        self._searched = int(self._state[2])
        self._hits = [(self._base + int(self._places[i]), bool(self._inverted[i])) for i in range(found)]
        return bool(found)


def hard_octets(soft: NDArray[np.float32]) -> bytes:
    """Decide soft symbols (a multiple of eight) and pack them, the first bit the highest."""
    return np.packbits(soft > 0).tobytes()


def octets_to_bits(octets: bytes) -> NDArray[np.uint8]:
    """Unpack octets to 0 and 1, highest bit first."""
    return np.unpackbits(np.frombuffer(octets, np.uint8))


def bit_string(octets: bytes) -> str:
    """Write octets as 0 and 1, highest bit first, as ``SyncWord`` takes them."""
    return "".join(map(str, octets_to_bits(octets)))


def eye_opening(soft: NDArray[np.float32]) -> float:
    """Return the mean magnitude squared over the mean square: 2/π for noise alone, 1 for a clean signal.

    BPSK at Es/N0 = 0 dB gives 0.74, at 3 dB 0.83. A frame that no check stands behind is held against it.
    """
    clean = np.nan_to_num(soft, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    power = float(np.mean(clean**2)) if clean.size else 0.0
    return float(np.mean(np.abs(clean)) ** 2 / power) if power > 0 else 0.0


NOISE_EYE_OPENING = 0.72
"""Below this a block of some hundred symbols is taken for noise."""
