"""Reed–Solomon codes over GF(256): errors and erasures, shortened, interleaved, conventional and dual basis.

A code is its field polynomial, the first root and the step between roots of its generator, and how many roots
it has; codewords are octets with the parity last, highest power first. Shortening is the missing octets at
the front. The decoder is syndromes, Berlekamp–Massey started from the erasure locator, Chien search and
Forney's formula. Knows no frame.

Source: R. Blahut, "Algebraic Codes for Data Transmission" (2003), §7; CCSDS 131.0-B-3 §4 and annex F.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAX_ROOTS = 64


@njit(
    "int64(uint8[::1], int64[::1], int64, uint8[::1], int64[::1], int64, int64, int64, int64[::1])",
    nogil=True,
    cache=True,
)
def _decode(  # pragma: no cover
    word: NDArray[np.uint8],
    erasures: NDArray[np.int64],
    erased: int,
    exponentials: NDArray[np.uint8],
    logarithms: NDArray[np.int64],
    first_root: int,
    root_step: int,
    roots: int,
    changed: NDArray[np.int64],
) -> int:
    """Correct ``word`` in place; returns how many octets ``changed`` names, or -1 when it is beyond repair.

    Locators are ``X = a^(root_step·power)`` for the octet that stands at that power of the code polynomial.
    """
    size = word.size
    syndromes = np.zeros(MAX_ROOTS, np.int64)
    nonzero = 0
    for i in range(roots):
        power = (root_step * (first_root + i)) % 255
        value = 0
        for octet in word:
            value = octet ^ (exponentials[(logarithms[value] + power) % 255] if value else 0)
        syndromes[i] = value
        nonzero |= value
    if nonzero == 0:
        return 0
    locator = np.zeros(MAX_ROOTS + 2, np.int64)
    previous = np.zeros(MAX_ROOTS + 2, np.int64)
    saved = np.zeros(MAX_ROOTS + 2, np.int64)
    locator[0] = 1
    for i in range(erased):
        x = (root_step * (size - 1 - erasures[i])) % 255
        for j in range(i + 1, 0, -1):
            if locator[j - 1]:
                locator[j] ^= exponentials[(logarithms[locator[j - 1]] + x) % 255]
    previous[:] = locator
    degree = erased
    for step in range(erased, roots):
        discrepancy = 0
        for j in range(min(step, MAX_ROOTS) + 1):
            if locator[j] and syndromes[step - j]:
                discrepancy ^= exponentials[(logarithms[locator[j]] + logarithms[syndromes[step - j]]) % 255]
        for j in range(MAX_ROOTS + 1, 0, -1):
            previous[j] = previous[j - 1]
        previous[0] = 0
        if discrepancy == 0:
            continue
        log_d = logarithms[discrepancy]
        saved[:] = locator
        for j in range(MAX_ROOTS + 2):
            if previous[j]:
                locator[j] ^= exponentials[(logarithms[previous[j]] + log_d) % 255]
        if 2 * degree <= step + erased:
            degree = step + 1 + erased - degree
            for j in range(MAX_ROOTS + 2):
                previous[j] = exponentials[(logarithms[saved[j]] + 255 - log_d) % 255] if saved[j] else 0
    if degree > roots or 2 * (degree - erased) > roots - erased:
        return -1
    top = 0
    for j in range(MAX_ROOTS + 2):
        if locator[j]:
            top = j
    if top != degree:
        return -1
    # Chien search over the octets that are really there: a root in the shortened part is a failure.
    found = 0
    inverses = np.zeros(MAX_ROOTS, np.int64)
    for place in range(size):
        inverse = (255 - (root_step * (size - 1 - place)) % 255) % 255
        value = 0
        for j in range(degree + 1):
            if locator[j]:
                value ^= exponentials[(logarithms[locator[j]] + j * inverse) % 255]
        if value == 0:
            if found == degree:
                return -1
            changed[found] = place
            inverses[found] = inverse
            found += 1
    if found != degree:
        return -1
    # Forney: magnitude = X^(1 - first_root) · omega(1/X) / locator'(1/X).
    omega = np.zeros(MAX_ROOTS, np.int64)
    for i in range(roots):
        value = 0
        for j in range(min(i, degree) + 1):
            if locator[j] and syndromes[i - j]:
                value ^= exponentials[(logarithms[locator[j]] + logarithms[syndromes[i - j]]) % 255]
        omega[i] = value
    kept = 0
    for k in range(found):
        inverse = inverses[k]
        numerator = 0
        for i in range(roots):
            if omega[i]:
                numerator ^= exponentials[(logarithms[omega[i]] + i * inverse) % 255]
        denominator = 0
        for j in range(1, degree + 1, 2):
            if locator[j]:
                denominator ^= exponentials[(logarithms[locator[j]] + (j - 1) * inverse) % 255]
        if denominator == 0:
            return -1
        if numerator:
            shift = ((first_root - 1) * inverse) % 255
            word[changed[k]] ^= exponentials[(logarithms[numerator] + 255 - logarithms[denominator] + shift) % 255]
            changed[kept] = changed[k]
            kept += 1
    return kept


@njit("void(uint8[::1], uint8[::1], uint8[::1], int64[::1], int64[::1])", nogil=True, cache=True)
def _encode(  # pragma: no cover
    data: NDArray[np.uint8],
    parity: NDArray[np.uint8],
    exponentials: NDArray[np.uint8],
    logarithms: NDArray[np.int64],
    generator: NDArray[np.int64],
) -> None:
    roots = parity.size
    parity[:] = 0
    for octet in data:
        feedback = octet ^ parity[0]
        for j in range(roots - 1):
            parity[j] = parity[j + 1]
        parity[roots - 1] = 0
        if feedback:
            for j in range(roots):
                if generator[j]:
                    parity[j] ^= exponentials[(logarithms[feedback] + logarithms[generator[j]]) % 255]


@lru_cache(maxsize=8)
def _tables(polynomial: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    exponentials = np.zeros(255, np.uint8)
    logarithms = np.zeros(256, np.int64)
    value = 1
    for power in range(255):
        exponentials[power] = value
        logarithms[value] = power
        value <<= 1
        if value & 0x100:
            value ^= polynomial
    return exponentials, logarithms


@dataclass(frozen=True, slots=True)
class ReedSolomon:
    """One code; hashable, its tables are made once."""

    polynomial: int
    first_root: int
    root_step: int
    roots: int
    dual_basis: bool = False

    def encode(self, data: bytes) -> bytes:
        """Return the parity octets of ``data`` (at most 255 less the parity)."""
        if len(data) + self.roots > 255:
            raise ValueError("a codeword has at most 255 octets")
        exponentials, logarithms = _tables(self.polynomial)
        parity = np.zeros(self.roots, np.uint8)
        octets = np.frombuffer(data, np.uint8)
        if self.dual_basis:
            octets = dual_basis_tables()[1][octets]
        _encode(octets.copy(), parity, exponentials, logarithms, _generator(self))
        return (dual_basis_tables()[0][parity] if self.dual_basis else parity).tobytes()

    def decode(self, codeword: bytes, erasures: Sequence[int] = ()) -> tuple[bytes, int] | None:
        """Correct a codeword (shortened by what it lacks to 255); ``None`` when it is beyond repair.

        Returns the data without the parity and how many octets were changed. ``erasures`` are the indices of
        octets that are not to be trusted: twice the errors plus the erasures may be as many as the roots.
        """
        if not self.roots < len(codeword) <= 255 or len(erasures) > self.roots:
            return None
        exponentials, logarithms = _tables(self.polynomial)
        word = np.frombuffer(codeword, np.uint8)
        word = dual_basis_tables()[1][word] if self.dual_basis else word.copy()
        places = np.array(erasures, np.int64) if len(erasures) else np.zeros(1, np.int64)
        changed = np.zeros(MAX_ROOTS, np.int64)
        count = _decode(
            word,
            places,
            len(erasures),
            exponentials,
            logarithms,
            self.first_root,
            self.root_step,
            self.roots,
            changed,
        )
        if count < 0:
            return None
        out = dual_basis_tables()[0][word] if self.dual_basis else word
        return out[: -self.roots].tobytes(), int(count)


@lru_cache(maxsize=16)
def _generator(code: ReedSolomon) -> NDArray[np.int64]:
    """Multiply out the generator, highest power first, without its leading one."""
    exponentials, logarithms = _tables(code.polynomial)
    polynomial = [1]
    for i in range(code.roots):
        root = code.root_step * (code.first_root + i) % 255
        shifted = [*polynomial, 0]
        for j, coefficient in enumerate(polynomial):
            if coefficient:
                shifted[j + 1] ^= int(exponentials[(logarithms[coefficient] + root) % 255])
        polynomial = shifted
    return np.array(polynomial[1:], np.int64)


CCSDS_RS_223 = ReedSolomon(0x187, 112, 11, 32)
"""RS(255,223) in the conventional basis. Source: CCSDS 131.0-B-3 §4."""
CCSDS_RS_223_DUAL = ReedSolomon(0x187, 112, 11, 32, dual_basis=True)
CCSDS_RS_239 = ReedSolomon(0x187, 120, 11, 16)
"""RS(255,239), E = 8."""
CCSDS_RS_239_DUAL = ReedSolomon(0x187, 120, 11, 16, dual_basis=True)
RSCODE_223 = ReedSolomon(0x11D, 1, 1, 32)
"""RS(255,223) as the library rscode makes it. Source: its documentation (field 11D, roots from a^1 on)."""


@lru_cache(maxsize=1)
def dual_basis_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the tables conventional → dual and dual → conventional.

    The dual representation of ``u`` is ``z[i] = trace(u·λ^i)`` with ``λ = a^117``, ``z[0]`` the highest bit.
    Source: CCSDS 131.0-B-3 annex F (Berlekamp's representation).
    """
    exponentials, logarithms = _tables(0x187)

    def multiply_by_power(value: int, power: int) -> int:
        return int(exponentials[(logarithms[value] + power) % 255]) if value else 0

    def trace(value: int) -> int:
        total = 0
        for _ in range(8):
            total ^= value
            value = multiply_by_power(value, int(logarithms[value])) if value else 0
        return total & 1

    to_dual = np.zeros(256, np.uint8)
    for value in range(256):
        for i in range(8):
            to_dual[value] |= trace(multiply_by_power(value, 117 * i)) << 7 - i
    from_dual = np.zeros(256, np.uint8)
    from_dual[to_dual] = np.arange(256, dtype=np.uint8)
    return to_dual, from_dual


def decode_interleaved(
    code: ReedSolomon, block: bytes, depth: int, reliability: NDArray[np.float32] | None = None
) -> tuple[bytes, int] | None:
    """Correct ``depth`` codewords interleaved by octets; ``None`` when one of them is beyond repair.

    With ``reliability`` (one per octet of ``block``, low for a doubtful one) a codeword that has too many
    errors is tried again with its most doubtful octets erased.
    """
    if depth < 1 or len(block) % depth:
        return None
    words: list[bytes] = []
    corrected = 0
    for i in range(depth):
        result = decode_with_erasures(code, block[i::depth], None if reliability is None else reliability[i::depth])
        if result is None:
            return None
        words.append(result[0])
        corrected += result[1]
    out = bytearray(sum(map(len, words)))
    for i, word in enumerate(words):
        out[i::depth] = word
    return bytes(out), corrected


def decode_with_erasures(
    code: ReedSolomon, codeword: bytes, reliability: NDArray[np.float32] | None
) -> tuple[bytes, int] | None:
    """Correct a codeword; when that fails, once more for each of a few numbers of doubtful octets erased.

    At most half the parity is spent on erasures: the rest keeps a random word from passing (for RS(255,223)
    with 16 erasures one in 10^5, against one in 10^14 without).
    """
    result = code.decode(codeword)
    if result is not None or reliability is None:
        return result
    order = np.argsort(reliability, kind="stable")
    for erased in range(code.roots // 8, code.roots // 2 + 1, code.roots // 8):
        result = code.decode(codeword, order[:erased].tolist())
        if result is not None:
            return result
    return None


def octet_reliability(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return for each octet the smallest magnitude among its eight soft symbols."""
    smallest: NDArray[np.float32] = np.abs(soft).reshape(-1, 8).min(axis=1)
    return smallest


def encode_interleaved(code: ReedSolomon, data: bytes, depth: int) -> bytes:
    """Return ``data`` followed by the parity of its ``depth`` interleaved codewords."""
    if depth < 1 or len(data) % depth:
        raise ValueError("the data must fill every codeword alike")
    parity = bytearray(depth * code.roots)
    for i in range(depth):
        parity[i::depth] = code.encode(data[i::depth])
    return data + bytes(parity)
