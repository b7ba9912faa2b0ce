"""The kernel that finds HDLC frames in soft symbols, and repairs those that nearly pass their check.

Knows flags, stuffed bits, the 16-bit FCS, and line codes that are linear over GF(2) (NRZI, G3RUH, both); of
AX.25 only what an address octet may look like. ``hdlc.py`` wraps it and says what the numbers mean.

The symbols go into a ring and, as words of bits, through the line code; each flag closes a candidate, which is
decoded anew from the ring. A candidate that fails is tried again with its least certain symbols inverted, in the
order of a pattern table, from each of the last opening flags (an error inside a frame can look like a flag or an
abort). A pattern counts only when the frame then ends on a flag with a good FCS and its header is an AX.25
header, so that noise does not become frames.

Only the entry has a signature and a place in the cache: its helpers are compiled into it, and a warm start
loads one function instead of a dozen.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Indices into the int64 state array.
POSITION, CHANNEL, RAW, FLAGS, GOOD_END, FIRST_FLAG, KEPT_FLAGS = 0, 1, 2, 3, 4, 5, 6
FIRST_HOPELESS = FIRST_FLAG + KEPT_FLAGS  # of each kept flag, whether what follows it is known to be no header
STATE_SIZE = FIRST_HOPELESS + KEPT_FLAGS
# Indices into the parameter array.
TAPS, INVERT, MIN_OCTETS, MAX_OCTETS, HEADER, REPAIR_BITS, PARAMETER_COUNT = 0, 1, 2, 3, 4, 5, 6
# Values of the header parameter.
ANY_HEADER, AX25_HEADER = 0, 1
# Indices into the counters.
BAD_FCS, ABORTED, TOO_SHORT, TOO_LONG, IRREGULAR, COUNTERS = 0, 1, 2, 3, 4, 5
# How a decoding attempt ended, when not in a frame.
_ABORT, _MISALIGNED, _LONG, _NO_FLAG, _BAD_HEADER = -1, -2, -3, -4, -5

WORD = 64
"""Symbols taken at a time, their decisions as the bits of a word; CHANNEL and RAW hold the latest such words."""
MEMORY = 24
"""Channel symbols before a frame that its first bits may depend on (G3RUH with NRZI needs 18)."""
WEAKEST = 24
"""How many of a candidate's least certain units the patterns may invert: a symbol, or a pair."""
SAME_WEIGHT = 0.05
"""Neighbours whose magnitudes differ by no more than this share are a pair: a sequence detector doubts its
errors two by two, and gives both the weight of the one decision."""
REGULAR_OCTETS = 11
"""Of the twelve callsign octets of an AX.25 header, how many must look like one."""
PROMISING_OCTETS = 7
"""How many must do so before any repair, for repair to be tried."""

HEADER_BITS = 14 * 8 * 6 // 5 + 8
"""The most channel bits that the two callsigns take, stuffed, with a flag that may stand before them."""

SURENESS = 100.0
"""How many times likelier a repair must be the truth than an accident of the FCS."""
LEAST_REST = 1e-3
"""Noise is not quite what the estimate takes it for: so much is left for errors it holds impossible."""

FOUND_OFFSET, FOUND_SPAN, FOUND_OCTETS, FOUND_CORRECTED, FOUND_SIZE = 0, 1, 2, 3, 4


@njit(nogil=True)
def _parity(value: int) -> int:  # pragma: no cover
    # Of MEMORY bits; the constant holds the parity of every number below 16.
    value ^= value >> 12
    value ^= value >> 8 ^ value >> 4
    return 0x6996 >> (value & 15) & 1


@njit(nogil=True)
def _callsign_character(c: int) -> bool:  # pragma: no cover
    # Letters, digits and space; some satellites send lower case, '-', '/' or '_'.
    return (
        48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 32 or c == 45 or c == 47 or c == 95  # noqa: PLR1714
    )


@njit(nogil=True)
def _regular_octets(octets: NDArray[np.uint8], count: int) -> int:  # pragma: no cover
    """Count callsign octets that look like one: shifted as AX.25 wants them, or plain as some send them."""
    shifted = 0
    plain = 0
    for i in range(min(count, 13)):
        if i != 6:
            if octets[i] & 1 == 0 and _callsign_character(octets[i] >> 1):
                shifted += 1
            if _callsign_character(octets[i]):
                plain += 1
    return max(shifted, plain)


@njit(nogil=True)
def _fcs_is_good(octets: NDArray[np.uint8], count: int) -> bool:  # pragma: no cover
    register = 0xFFFF
    for i in range(count):
        register ^= octets[i]
        for _ in range(8):
            register = (register >> 1) ^ (0x8408 if register & 1 else 0)
    return register == 0xF0B8


@njit(nogil=True)
def _decode(  # pragma: no cover
    bits: NDArray[np.uint8],
    begin: int,
    end: int,
    taps: int,
    invert: int,
    octets: NDArray[np.uint8],
    max_octets: int,
    header_octets: int,
) -> tuple[int, int]:
    """Decode channel bits from the end of an opening flag up to the first flag behind two octets.

    Returns the number of octets with the FCS, or the reason (negative) and, where it ended, the index behind
    the flag; for a failure the number of octets that were complete.
    """
    channel = 0
    for i in range(begin - MEMORY, begin):
        channel = (channel << 1) | bits[i]
    ones = 0
    count = 0
    octet = 0
    for i in range(begin, end):
        channel = ((channel << 1) | bits[i]) & 0xFFFFFF
        if _parity(channel & taps) ^ invert:
            ones += 1
            if ones > 6:
                return _ABORT, count >> 3
            if ones == 6:
                continue
            octet = (octet >> 1) | 0x80
        else:
            if ones == 5:
                ones = 0
                continue
            if ones == 6:
                # The flag's first six bits were taken for data: a zero and five ones.
                if count < 6 + 16:
                    # Another opening flag, one that repair has restored.
                    ones = 0
                    count = 0
                    octet = 0
                    continue
                if (count - 6) & 7 or count < 6:
                    return _MISALIGNED, count >> 3
                return (count - 6) >> 3, i + 1
            ones = 0
            octet >>= 1
        count += 1
        if count & 7 == 0:
            if count >> 3 > max_octets:
                return _LONG, max_octets
            octets[(count >> 3) - 1] = octet
            if count == 8 * 14 and _regular_octets(octets, 14) < header_octets:
                return _BAD_HEADER, 14
    return _NO_FLAG, count >> 3


@njit(nogil=True)
def _load_bits(  # pragma: no cover
    ring: NDArray[np.float32], first: int, last: int, bits: NDArray[np.uint8]
) -> None:
    mask = ring.size - 1
    for i in range(first, last):
        bits[i - first] = 1 if ring[i & mask] > 0 else 0


@njit(nogil=True)
def _find_weakest(  # pragma: no cover
    ring: NDArray[np.float32], first: int, last: int, places: NDArray[np.int64], weights: NDArray[np.float32]
) -> int:
    """Fill ``places`` with the positions of the least certain symbols, weakest first; returns how many."""
    mask = ring.size - 1
    kept = 0
    for i in range(first, last):
        weight = abs(ring[i & mask])
        if kept < places.size:
            j = kept
            kept += 1
        elif weight < weights[kept - 1]:
            j = kept - 1
        else:
            continue
        while j > 0 and weights[j - 1] > weight:
            weights[j] = weights[j - 1]
            places[j] = places[j - 1]
            j -= 1
        weights[j] = weight
        places[j] = i
    return kept


@njit(nogil=True)
def _make_units(  # pragma: no cover
    ring: NDArray[np.float32],
    last: int,
    kept: int,
    places: NDArray[np.int64],
    weights: NDArray[np.float32],
    units: NDArray[np.int64],
    unit_weights: NDArray[np.float32],
) -> int:
    """Turn the weakest symbols into units, weakest first: [place, second place or -1]; returns how many."""
    mask = ring.size - 1
    count = 0
    for k in range(kept):
        place = places[k]
        weight = weights[k]
        next_weight = abs(ring[(place + 1) & mask]) if place + 1 < last else np.float32(np.inf)
        paired = abs(next_weight - weight) <= SAME_WEIGHT * weight
        if not paired and place > 0:
            paired = abs(abs(ring[(place - 1) & mask]) - weight) <= SAME_WEIGHT * weight
            second = 0
        else:
            second = 1 if paired else 0
        # One half of a pair alone is the less likely error, and is tried later.
        for pair in range(second, -1, -1):
            own = weight if pair or not paired else np.float32(2.0) * weight
            j = count
            if count < WEAKEST:
                count += 1
            elif own < unit_weights[count - 1]:
                j = count - 1
            else:
                continue
            while j > 0 and unit_weights[j - 1] > own:
                unit_weights[j] = unit_weights[j - 1]
                units[j, 0] = units[j - 1, 0]
                units[j, 1] = units[j - 1, 1]
                j -= 1
            unit_weights[j] = own
            units[j, 0] = place
            units[j, 1] = place + 1 if pair else -1
    return count


@njit(nogil=True)
def _invert(  # pragma: no cover
    bits: NDArray[np.uint8], first: int, pattern: NDArray[np.int64], units: NDArray[np.int64]
) -> None:
    for j in range(1, pattern[0] + 1):
        unit = pattern[j]
        bits[units[unit, 0] - first] ^= 1
        if units[unit, 1] >= 0:
            bits[units[unit, 1] - first] ^= 1


@njit(nogil=True)
def _judge_noise(  # pragma: no cover
    ring: NDArray[np.float32], first: int, last: int
) -> tuple[float, float]:
    """Return what turns a magnitude into a log-likelihood ratio, and the logarithm of "no symbol is wrong".

    Amplitude and noise are estimated from the symbols themselves, as for antipodal signals in Gaussian noise.
    """
    mask = ring.size - 1
    total = 0.0
    squares = 0.0
    for i in range(first, last):
        magnitude = abs(ring[i & mask])
        total += magnitude
        squares += magnitude * magnitude
    mean = total / (last - first)
    variance = max(squares / (last - first) - mean * mean, 1e-3 * mean * mean)
    if not variance > 0.0:
        return 0.0, -1e3
    scale = 2.0 * mean / variance
    log_none = 0.0
    for i in range(first, last):
        log_none -= math.log1p(math.exp(-scale * abs(ring[i & mask])))
    return scale, log_none


@njit(nogil=True)
def _repair(  # pragma: no cover
    ring: NDArray[np.float32],
    state: NDArray[np.int64],
    bits: NDArray[np.uint8],
    octets: NDArray[np.uint8],
    patterns: NDArray[np.int64],
    parameters: NDArray[np.int64],
    found: NDArray[np.int64],
) -> int:
    """Try the patterns from each kept flag, latest first; returns where the repaired frame ends, or -1."""
    here = state[POSITION]
    min_bits = 8 * (parameters[MIN_OCTETS] + 2) + 7
    places = np.empty(2 * WEAKEST, np.int64)
    weights = np.empty(2 * WEAKEST, np.float32)
    units = np.empty((WEAKEST, 2), np.int64)
    unit_weights = np.empty(WEAKEST, np.float32)
    for k in range(state[FLAGS] - 1, -1, -1):
        start = state[FIRST_FLAG + k]
        if here - start < min_bits or state[FIRST_HOPELESS + k]:
            continue
        if here - start > parameters[REPAIR_BITS]:
            break
        first = start - MEMORY
        end = here - first
        header_end = min(end, MEMORY + HEADER_BITS)
        _load_bits(ring, first, first + header_end, bits)
        outcome, complete = _decode(
            bits, MEMORY, header_end, parameters[TAPS], parameters[INVERT], octets, parameters[MAX_OCTETS], 0
        )
        if outcome >= 0:
            complete = outcome
        if _regular_octets(octets, min(complete, 14)) < PROMISING_OCTETS:
            if header_end < end:  # it has been seen whole and will not change
                state[FIRST_HOPELESS + k] = 1
            continue
        _load_bits(ring, first + header_end, here, bits[header_end:])
        kept = _find_weakest(ring, start, here, places, weights)
        kept = _make_units(ring, here, kept, places, weights, units, unit_weights)
        scale, log_none = _judge_noise(ring, start, here)
        tried = math.exp(log_none)
        for row in range(patterns.shape[0]):
            size = patterns[row, 0]
            if patterns[row, size] >= kept:
                continue
            # How likely these symbols, and no others, are wrong; and that none of the patterns so far was right.
            log_likely = log_none
            for j in range(1, size + 1):
                log_likely -= scale * unit_weights[patterns[row, j]]
            likely = math.exp(log_likely)
            rest = max(LEAST_REST, 1.0 - tried)
            tried += likely
            if likely * 65536.0 < SURENESS * rest:
                continue
            _invert(bits, first, patterns[row], units)
            count, index = _decode(
                bits,
                MEMORY,
                end,
                parameters[TAPS],
                parameters[INVERT],
                octets,
                parameters[MAX_OCTETS],
                REGULAR_OCTETS,
            )
            _invert(bits, first, patterns[row], units)
            if count >= parameters[MIN_OCTETS] + 2 and _fcs_is_good(octets, count):
                found[FOUND_OFFSET] = start - 8
                found[FOUND_SPAN] = first + index - (start - 8)
                found[FOUND_OCTETS] = count - 2
                found[FOUND_CORRECTED] = size
                for j in range(1, size + 1):
                    if units[patterns[row, j], 1] >= 0:
                        found[FOUND_CORRECTED] += 1
                return int(first + index)
    return -1


@njit(nogil=True)
def _close(  # pragma: no cover
    ring: NDArray[np.float32],
    state: NDArray[np.int64],
    bits: NDArray[np.uint8],
    octets: NDArray[np.uint8],
    patterns: NDArray[np.int64],
    parameters: NDArray[np.int64],
    counters: NDArray[np.int64],
    found: NDArray[np.int64],
) -> bool:
    """Judge the candidate that the flag ending here closes; True when ``found`` and ``octets`` hold a frame."""
    here = state[POSITION]
    flags = state[FLAGS]
    repaired_end = -1
    good = False
    if flags > 0:
        start = state[FIRST_FLAG + flags - 1]
        length = here - start
        if 39 <= length <= bits.size - MEMORY:
            first = start - MEMORY
            _load_bits(ring, first, here, bits)
            outcome, complete = _decode(
                bits,
                MEMORY,
                here - first,
                parameters[TAPS],
                parameters[INVERT],
                octets,
                parameters[MAX_OCTETS] + 2,
                0,
            )
            if outcome >= 0:
                complete = outcome
            regular = parameters[HEADER] == ANY_HEADER or (
                complete >= 14 and _regular_octets(octets, 14) >= REGULAR_OCTETS
            )
            if outcome >= 4 and _fcs_is_good(octets, outcome):
                if outcome < parameters[MIN_OCTETS] + 2:
                    counters[TOO_SHORT] += 1
                elif (
                    regular
                    or start == state[GOOD_END]
                    or (flags > 2 and start - state[FIRST_FLAG + flags - 3] <= 16)
                ):
                    good = True
                    found[FOUND_OFFSET] = start - 8
                    found[FOUND_SPAN] = here - (start - 8)
                    found[FOUND_OCTETS] = outcome - 2
                    found[FOUND_CORRECTED] = 0
                else:
                    counters[IRREGULAR] += 1
            else:
                if parameters[REPAIR_BITS] > 0:
                    repaired_end = _repair(ring, state, bits, octets, patterns, parameters, found)
                if repaired_end < 0 and regular and complete >= parameters[MIN_OCTETS] + 2:
                    if outcome == _ABORT:
                        counters[ABORTED] += 1
                    elif outcome == _LONG:
                        counters[TOO_LONG] += 1
                    else:
                        counters[BAD_FCS] += 1
        elif length >= 39:
            counters[TOO_LONG] += 1
            flags = 0
    if good or repaired_end >= 0:
        flags = 0
        state[GOOD_END] = repaired_end if repaired_end >= 0 else here
        if 0 <= repaired_end < here:
            state[FIRST_FLAG] = repaired_end
            state[FIRST_HOPELESS] = 0
            flags = 1
    elif flags == KEPT_FLAGS:
        for k in range(KEPT_FLAGS - 1):
            state[FIRST_FLAG + k] = state[FIRST_FLAG + k + 1]
            state[FIRST_HOPELESS + k] = state[FIRST_HOPELESS + k + 1]
        flags -= 1
    state[FIRST_FLAG + flags] = here
    state[FIRST_HOPELESS + flags] = 0
    state[FLAGS] = flags + 1
    return good or repaired_end >= 0


@njit(nogil=True)
def _take_word(
    soft: NDArray[np.float32], ring: NDArray[np.float32], position: int
) -> np.uint64:  # pragma: no cover
    """Put up to ``WORD`` symbols in the ring, and give their hard decisions, the first in the lowest bit."""
    place = position & (ring.size - 1)
    room = min(soft.size, ring.size - place)
    for k in range(room):
        ring[place + k] = soft[k]
    for k in range(room, soft.size):
        ring[k - room] = soft[k]
    word = np.uint64(0)
    for k in range(soft.size):
        word |= np.uint64(soft[k] > 0) << np.uint64(k)
    return word


@njit(nogil=True)
def _joined(earlier: np.uint64, later: np.uint64, back: int) -> np.uint64:  # pragma: no cover
    """Give the ``WORD`` bits that begin ``back`` bits before ``later``; ``earlier`` ends where it begins."""
    if back == 0:
        return later
    if back == WORD:
        return earlier
    return later << np.uint64(back) | earlier >> np.uint64(WORD - back)


@njit(
    "int64(float32[::1], int64, float32[::1], int64[::1], uint8[::1], uint8[::1], int64[:, ::1], int64[::1], "
    "int64[::1], int64[::1])",
    nogil=True,
    cache=True,
)
def search_frames(  # pragma: no cover
    soft: NDArray[np.float32],
    begin: int,
    ring: NDArray[np.float32],
    state: NDArray[np.int64],
    bits: NDArray[np.uint8],
    octets: NDArray[np.uint8],
    patterns: NDArray[np.int64],
    parameters: NDArray[np.int64],
    counters: NDArray[np.int64],
    found: NDArray[np.int64],
) -> int:
    """Take symbols from ``begin`` on until a frame is found or they end; returns the index behind the last taken.

    ``found[FOUND_OCTETS]`` is negative when there was none.
    """
    taps = parameters[TAPS]
    flipped = ~np.uint64(0) if parameters[INVERT] else np.uint64(0)
    channel = np.uint64(state[CHANNEL])
    raw = np.uint64(state[RAW])
    found[FOUND_OCTETS] = -1
    for at in range(begin, soft.size, WORD):
        here = state[POSITION]
        count = min(WORD, soft.size - at)
        fresh = _take_word(soft[at : at + count], ring, here)
        line = flipped
        for tap in range(MEMORY):
            if taps >> tap & 1:
                line ^= _joined(channel, fresh, tap)
        marks = ~(line | _joined(raw, line, 7))  # the zeros at either end of a flag, the ones between them
        for one in range(1, 7):
            marks &= _joined(raw, line, one)
        if count < WORD:
            marks &= (np.uint64(1) << np.uint64(count)) - np.uint64(1)
        taken = count
        while marks != 0:
            taken = 0
            while not marks >> np.uint64(taken) & np.uint64(1):
                taken += 1
            marks &= marks - np.uint64(1)
            taken += 1
            state[POSITION] = here + taken
            if _close(ring, state, bits, octets, patterns, parameters, counters, found):
                state[CHANNEL] = np.int64(_joined(channel, fresh, WORD - taken))
                state[RAW] = np.int64(_joined(raw, line, WORD - taken))
                return at + taken
        channel, raw = _joined(channel, fresh, WORD - count), _joined(raw, line, WORD - count)
        state[POSITION] = here + count
    state[CHANNEL] = np.int64(channel)
    state[RAW] = np.int64(raw)
    return soft.size
