"""The rate 1/2, constraint length 7 convolutional code: encoder and soft-decision Viterbi decoder.

Generators 171 and 133 (octal) in the conventions in use: which comes first, and whether the second is
inverted; punctured to 2/3, 3/4, 5/6 and 7/8 by patterns. The decoder takes soft symbols, positive for a one;
a punctured place is a zero. ``ViterbiStream`` decodes without end with a fixed delay, ``decode_block`` a block
that begins (and may end) in the zero state. Knows no frame.

Source: CCSDS 131.0-B-3 §3; A. Viterbi, IEEE Trans. Inf. Theory 13 (1967).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

CONSTRAINT_LENGTH = 7
STATES = 64
TRACEBACK_BITS = 96
"""Decisions settle after about five constraint lengths at rate 1/2; a punctured code wants more."""

G1 = 0o171
G2 = 0o133

Convention: TypeAlias = Literal["ccsds", "nasa-dsn", "ccsds-uninverted", "nasa-dsn-uninverted"]
Rate: TypeAlias = Literal["1/2", "2/3", "3/4", "5/6", "7/8"]

PUNCTURING: dict[Rate, tuple[str, str]] = {
    "1/2": ("1", "1"),
    "2/3": ("10", "11"),
    "3/4": ("101", "110"),
    "5/6": ("10101", "11010"),
    "7/8": ("1000101", "1111010"),
}
"""Which symbols of G1 and of G2 are sent. Source: CCSDS 131.0-B-3 table 3-1 (there the code is not inverted)."""


@dataclass(frozen=True, slots=True)
class Code:
    """Two generators in the order sent, each perhaps inverted."""

    first: int
    second: int
    invert_first: bool
    invert_second: bool


CODES: dict[Convention, Code] = {
    "ccsds": Code(G1, G2, False, True),
    "nasa-dsn": Code(G2, G1, True, False),
    "ccsds-uninverted": Code(G1, G2, False, False),
    "nasa-dsn-uninverted": Code(G2, G1, False, False),
}


@lru_cache(maxsize=8)
def _signs(code: Code) -> NDArray[np.float32]:
    """Give what the branch (input 0) into each state below 32, from the one whose oldest bit is 0, sends."""
    rows = ((code.first, code.invert_first), (code.second, code.invert_second))
    sent = [
        [(low << 1 & taps).bit_count() & 1 != int(inverted) for low in range(STATES // 2)]
        for taps, inverted in rows
    ]
    return np.where(sent, np.float32(1.0), np.float32(-1.0))


_NORMALISED_EVERY = 32  # bits; gains add up to some thousands until then, which float32 holds well


@njit(
    "void(float32[::1], float32[::1], uint64[::1], int64, float32[:,::1])",
    nogil=True,
    cache=True,
    fastmath={"nsz", "reassoc", "contract"},
)
def _advance(  # pragma: no cover
    soft: NDArray[np.float32],
    metrics: NDArray[np.float32],
    survivors: NDArray[np.uint64],
    begin: int,
    signs: NDArray[np.float32],
) -> None:
    """Add, compare, select for each pair in ``soft``, which holds no NaN; ``survivors`` is a ring of decisions.

    A state is the last six input bits, the newest the highest; both generators count the newest highest too.
    The predecessors of a state are its lower five bits shifted up by one, with either old bit: states are held
    apart by that bit, so that every loop runs over neighbours.
    """
    ring = survivors.size - 1
    even, odd = np.empty(32, np.float32), np.empty(32, np.float32)
    below, above = np.empty(32, np.float32), np.empty(32, np.float32)
    lead = np.empty(64, np.float32)
    even[:] = metrics[0::2]
    odd[:] = metrics[1::2]
    first, second = signs[0], signs[1]
    for t in range(soft.size // 2):
        x, y = soft[2 * t], soft[2 * t + 1]
        for low in range(32):
            # Both generators end in a one on either side: the other three branches of the butterfly follow.
            gain = first[low] * x + second[low] * y
            zero_even, zero_odd = even[low] + gain, odd[low] - gain
            one_even, one_odd = even[low] - gain, odd[low] + gain
            below[low] = max(zero_even, zero_odd)
            above[low] = max(one_even, one_odd)
            lead[low] = zero_odd - zero_even
            lead[low + 32] = one_odd - one_even
        word = np.uint64(0)
        for state in range(64):
            word |= np.uint64(lead[state] > 0) << np.uint64(state)
        survivors[(begin + t) & ring] = word
        for low in range(16):
            even[low], odd[low] = below[2 * low], below[2 * low + 1]
        for low in range(16):
            even[low + 16], odd[low + 16] = above[2 * low], above[2 * low + 1]
        if (begin + t) % _NORMALISED_EVERY == 0:
            best = even[0]
            for low in range(32):
                best = max(best, even[low], odd[low])
            for low in range(32):
                even[low] -= best
                odd[low] -= best
    metrics[0::2] = even
    metrics[1::2] = odd


@njit("void(float32[::1], uint64[::1], int64, int64, int64, int64, uint8[::1])", nogil=True, cache=True)
def _trace_back(  # pragma: no cover
    metrics: NDArray[np.float32],
    survivors: NDArray[np.uint64],
    end: int,
    final_state: int,
    depth: int,
    keep: int,
    out: NDArray[np.uint8],
) -> None:
    """Walk back ``depth`` bits from ``end`` and write the oldest ``keep`` of them."""
    ring = survivors.size - 1
    state = final_state
    if state < 0:
        state = 0
        for candidate in range(64):
            if metrics[candidate] > metrics[state]:
                state = candidate
    for back in range(depth):
        index = depth - 1 - back
        if index < keep:
            out[index] = state >> 5
        choice = (survivors[(end - 1 - back) & ring] >> np.uint64(state)) & np.uint64(1)
        state = ((state & 31) << 1) | (1 if choice else 0)


@njit("void(uint8[::1], int64, int64, uint8[::1])", nogil=True, cache=True)
def _encode(  # pragma: no cover
    bits: NDArray[np.uint8], first: int, second: int, out: NDArray[np.uint8]
) -> None:
    register = 0
    for t in range(bits.size):
        register = (register >> 1) | (64 if bits[t] else 0)
        a = register & first
        b = register & second
        parity_a = 0
        parity_b = 0
        while a:
            parity_a ^= a & 1
            a >>= 1
        while b:
            parity_b ^= b & 1
            b >>= 1
        out[2 * t] = parity_a
        out[2 * t + 1] = parity_b


def encode_convolutional(bits: NDArray[np.uint8], code: Code) -> NDArray[np.uint8]:
    """Encode uint8[n] of 0 and 1 to uint8[2n], beginning in the zero state, without a tail."""
    out = np.empty(2 * bits.size, np.uint8)
    _encode(np.ascontiguousarray(bits, np.uint8), code.first, code.second, out)
    out[0::2] ^= code.invert_first
    out[1::2] ^= code.invert_second
    return out


def _bounded(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    # NaN and infinities from a broken source must not poison the metrics, which have memory.
    bounded: NDArray[np.float32] = np.clip(soft, np.float32(-16.0), np.float32(16.0))
    if not math.isfinite(float(np.dot(bounded, bounded))):
        bounded[np.isnan(bounded)] = 0.0
    return bounded


class ViterbiStream:
    """Decode an endless stream of symbol pairs with a delay of ``TRACEBACK_BITS``; the first state is unknown."""

    CHUNK_BITS = 256

    def __init__(self, code: Code) -> None:
        self._branches = _signs(code)
        self._metrics = np.zeros(STATES, np.float32)
        self._survivors = np.zeros(1024, np.uint64)
        self._taken = 0
        self._given = 0
        self._odd = np.zeros(0, np.float32)

    def feed(self, soft: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Take symbols (pairs may be cut) and return the bits now settled, uint8[n] of 0 and 1.

        Bits are settled in steps of ``CHUNK_BITS`` counted from the start, so cutting changes nothing.
        """
        joined = np.concatenate([self._odd, np.asarray(soft, np.float32)])
        whole = joined.size // 2 * 2
        self._odd = joined[whole:].copy()
        pairs = _bounded(joined[:whole])
        out: list[NDArray[np.uint8]] = []
        begin = 0
        while begin < pairs.size // 2:
            step = min(pairs.size // 2 - begin, self.CHUNK_BITS - self._taken % self.CHUNK_BITS)
            part = pairs[2 * begin : 2 * (begin + step)]
            _advance(part, self._metrics, self._survivors, self._taken, self._branches)
            begin += step
            self._taken += step
            if self._taken % self.CHUNK_BITS == 0 and self._taken - self._given > TRACEBACK_BITS:
                out.append(self._settle(self._taken - TRACEBACK_BITS))
        return np.concatenate(out) if out else np.zeros(0, np.uint8)

    def flush(self) -> NDArray[np.uint8]:
        """Return the bits still held and begin anew."""
        rest = self._settle(self._taken)
        self._metrics[:] = 0
        self._taken = self._given = 0
        self._odd = np.zeros(0, np.float32)
        return rest

    def _settle(self, upto: int) -> NDArray[np.uint8]:
        depth, keep = self._taken - self._given, upto - self._given
        bits = np.empty(keep, np.uint8)
        if depth:
            _trace_back(self._metrics, self._survivors, self._taken, -1, depth, keep, bits)
        self._given = upto
        return bits


NOISE_AGREEMENT = 0.885
"""Noise alone agrees with what the decoder makes of it at 0.85 ± 0.01 over a thousand bits (rate 1/2), a signal
of Es/N0 = -2 dB at 0.90, one of 0 dB at 0.95."""


class CodeWitness:
    """Keep the latest symbols and the bits decoded from them, to tell how well they agree.

    ``take_symbols`` gets the pairs a ``ViterbiStream`` gets, ``take_bits`` what it returns; ``depth_bits`` is
    how far back ``agreement`` may look from the latest bit.
    """

    def __init__(self, code: Code, depth_bits: int) -> None:
        self._code = code
        self._depth = depth_bits + 4 * ViterbiStream.CHUNK_BITS
        self.forget()

    def forget(self) -> None:
        """Begin anew: the next symbol is the first of a pair."""
        self._soft = np.zeros(0, np.float32)
        self._bits = np.zeros(0, np.uint8)
        self._soft_base = 0
        self._bits_base = 0

    def take_symbols(self, soft: NDArray[np.float32]) -> None:
        """Keep channel symbols (punctured places zero)."""
        self._soft = np.concatenate([self._soft, soft])
        excess = self._soft.size // 2 - self._depth - self._bits.size
        if excess > 0:
            self._soft = self._soft[2 * excess :]
            self._soft_base += excess

    def take_bits(self, bits: NDArray[np.uint8]) -> None:
        """Keep decoded bits."""
        self._bits = np.concatenate([self._bits, bits])
        excess = self._bits.size - self._depth
        if excess > 0:
            self._bits = self._bits[excess:]
            self._bits_base += excess

    def agreement(self, first_bit: int, bits: int) -> float:
        """Return the symbols' share that the re-encoded bits explain, from -1 to 1; 0 when they are gone."""
        start = max(first_bit, self._bits_base, self._soft_base)
        end = min(first_bit + bits, self._bits_base + self._bits.size)
        if end - start < 2 * CONSTRAINT_LENGTH:
            return 0.0
        coded = encode_convolutional(self._bits[start - self._bits_base : end - self._bits_base], self._code)
        soft = np.nan_to_num(self._soft[2 * (start - self._soft_base) : 2 * (end - self._soft_base)])
        # The encoder began with zeros: its first bits do not count.
        coded, soft = coded[2 * CONSTRAINT_LENGTH : soft.size], soft[2 * CONSTRAINT_LENGTH :]
        weight = float(np.abs(soft).sum())
        return float((soft * (2.0 * coded - 1.0)).sum()) / weight if weight > 0 else 0.0


def decode_block(soft: NDArray[np.float32], code: Code, *, terminated: bool = False) -> NDArray[np.uint8]:
    """Decode a block that begins in the zero state (and ends there when ``terminated``) to uint8[n // 2]."""
    bits = soft.size // 2
    pairs = _bounded(soft[: 2 * bits])
    metrics = np.full(STATES, -1e9, np.float32)
    metrics[0] = 0.0
    survivors = np.zeros(1 << max(1, bits).bit_length(), np.uint64)
    _advance(pairs, metrics, survivors, 0, _signs(code))
    out = np.empty(bits, np.uint8)
    _trace_back(metrics, survivors, bits, 0 if terminated else -1, bits, bits, out)
    return out


def puncture(symbols: NDArray[np.uint8], rate: Rate, code: Code) -> NDArray[np.uint8]:
    """Leave out the coder's symbols that ``rate`` does not send."""
    return symbols[np.resize(_mask(rate, code), symbols.size)]


def depuncture(soft: NDArray[np.float32], rate: Rate, code: Code, phase: int = 0) -> NDArray[np.float32]:
    """Put zeros where symbols were left out; ``phase`` counts sent symbols since a period began."""
    mask = _mask(rate, code)
    sent = np.flatnonzero(mask)
    index = phase + np.arange(soft.size)
    places = index // sent.size * mask.size + sent[index % sent.size]
    first = phase // sent.size * mask.size + (sent[phase % sent.size] if phase % sent.size else 0)
    end = index[-1] + 1 if soft.size else phase
    last = end // sent.size * mask.size + (sent[end % sent.size] if end % sent.size else 0)
    out = np.zeros(last - first, np.float32)
    out[places - first] = soft
    return out


def sent_symbols(rate: Rate) -> int:
    """Return how many symbols one puncturing period sends."""
    return sum(pattern.count("1") for pattern in PUNCTURING[rate])


def _mask(rate: Rate, code: Code) -> NDArray[np.bool_]:
    of_g1, of_g2 = PUNCTURING[rate]
    rows = (of_g1, of_g2) if code.first == G1 else (of_g2, of_g1)
    return np.array([c == "1" for pair in zip(*rows, strict=True) for c in pair])
