"""Scramblers: the self-synchronising kind (G3RUH) and the additive kind (CCSDS randomizer, PN9, PN15).

A self-synchronising (multiplicative) descrambler adds each channel bit to earlier ones, so it needs no
start but triples errors; on soft symbols the sum modulo 2 becomes the product of signs with the smallest
magnitude. An additive one XORs a fixed sequence that starts anew with each frame. Knows no frame.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

G3RUH_TAPS = (12, 17)
"""1 + x^12 + x^17. Source: J. Miller G3RUH, "9600 Baud Packet Radio Modem Design" (1988)."""


@njit("void(float32[::1], int64[::1], float32[::1], int64[::1], float32[::1])", nogil=True, cache=True)
def _descramble_soft(  # pragma: no cover
    soft: NDArray[np.float32],
    taps: NDArray[np.int64],
    ring: NDArray[np.float32],
    state: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    mask = ring.size - 1
    position = state[0]
    for i in range(soft.size):
        value = soft[i]
        negative = value <= 0
        magnitude = abs(value)
        for tap in taps:
            earlier = ring[(position - tap) & mask]
            # A one is positive: the sum of bits is one when an odd number of them are positive.
            negative = negative == (earlier <= 0)
            magnitude = min(magnitude, abs(earlier))
        ring[position & mask] = value
        out[i] = -magnitude if negative else magnitude
        position += 1
    state[0] = position


class SelfSynchronisingDescrambler:
    """Descramble a stream of soft symbols, positive for a one: ``out[n] = in[n] + Σ in[n - tap]`` modulo 2.

    Before the first symbol the register holds zeros. The number of taps must be even, as in every scrambler
    in use here: then a one stays a one.
    """

    def __init__(self, taps: tuple[int, ...] = G3RUH_TAPS) -> None:
        if not taps or len(taps) % 2 or min(taps) < 1 or max(taps) > 64:
            raise ValueError("taps must be an even number of delays from 1 to 64")
        self._taps = np.array(taps, np.int64)
        size = 1 << int(max(taps)).bit_length()
        self._ring = np.full(size, -np.inf, np.float32)
        self._state = np.zeros(1, np.int64)

    def feed(self, soft: NDArray[np.float32]) -> NDArray[np.float32]:
        """Descramble float32[n] to float32[n]."""
        soft = np.ascontiguousarray(soft, np.float32)
        out = np.empty_like(soft)
        _descramble_soft(soft, self._taps, self._ring, self._state, out)
        return out


@njit("void(uint8[::1], int64[::1], uint8[::1])", nogil=True, cache=True)
def _scramble_bits(  # pragma: no cover
    bits: NDArray[np.uint8], taps: NDArray[np.int64], out: NDArray[np.uint8]
) -> None:
    for i in range(bits.size):
        value = bits[i]
        for tap in taps:
            if i >= tap:
                value ^= out[i - tap]
        out[i] = value


def scramble_self_synchronising(bits: NDArray[np.uint8], taps: tuple[int, ...] = G3RUH_TAPS) -> NDArray[np.uint8]:
    """Scramble uint8[n] of 0 and 1, the register starting with zeros (the transmitter's side)."""
    bits = np.ascontiguousarray(bits, np.uint8)
    out = np.empty_like(bits)
    _scramble_bits(bits, np.array(taps, np.int64), out)
    return out


@njit("void(int64, int64, int64, uint8[::1])", nogil=True, cache=True)
def _shift_register_bits(  # pragma: no cover
    taps: int, length: int, seed: int, out: NDArray[np.uint8]
) -> None:
    register = seed
    for i in range(out.size):
        out[i] = register & 1
        feedback = register & taps
        parity = 0
        while feedback:
            parity ^= feedback & 1
            feedback >>= 1
        register = (register >> 1) | (parity << (length - 1))


def shift_register_bits(taps: int, length: int, seed: int, count: int) -> NDArray[np.uint8]:
    """Return ``count`` bits of a Fibonacci shift register that shifts right and gives out its lowest bit.

    ``taps`` marks the stages added into the new highest bit; bit 0 is the stage that leaves.
    """
    out = np.empty(count, np.uint8)
    _shift_register_bits(taps, length, seed, out)
    return out


@lru_cache(maxsize=16)
def _sequence_octets(name: str, octets: int) -> bytes:
    if name == "ccsds":
        # h(x) = x^8 + x^7 + x^5 + x^3 + 1, all ones at the start; the recurrence is
        # a[n+8] = a[n+7] + a[n+5] + a[n+3] + a[n]. Source: CCSDS 131.0-B-3 §10.
        bits = shift_register_bits(0b1010_1001, 8, 0xFF, 8 * octets)
        return np.packbits(bits).tobytes()
    if name == "pn9":
        # x^9 + x^5 + 1, all ones at the start, octets filled from their lowest bit.
        # Source: TI CC1101 data sheet §15.1 (data whitening).
        bits = shift_register_bits(0b0_0010_0001, 9, 0x1FF, 8 * octets)
        return np.packbits(bits, bitorder="little").tobytes()
    if name == "pn9-high":
        # The same sequence, octets filled from their highest bit. Source: Semtech SX1262 data sheet §6.2.3.3.
        bits = shift_register_bits(0b0_0010_0001, 9, 0x1FF, 8 * octets)
        return np.packbits(bits).tobytes()
    raise ValueError(name)


def _xor(data: bytes, sequence: bytes) -> bytes:
    return (np.frombuffer(data, np.uint8) ^ np.frombuffer(sequence, np.uint8)).tobytes()


def randomize_ccsds(data: bytes) -> bytes:
    """Apply or remove the CCSDS randomizer from the first octet after the ASM on.

    Source: CCSDS 131.0-B-3 §10; the sequence begins FF 48 0E C0 9A 0D 70 BC.
    """
    return _xor(data, _sequence_octets("ccsds", len(data)))


def whiten_pn9(data: bytes) -> bytes:
    """Apply or remove the PN9 whitening of TI's radios (begins FF E1 1D 9A ED 85 33 24)."""
    return _xor(data, _sequence_octets("pn9", len(data)))


def whiten_pn9_high(data: bytes) -> bytes:
    """Apply or remove the same whitening as Semtech's radios do it (begins FF 87 B8 59 B7 A1 CC 24)."""
    return _xor(data, _sequence_octets("pn9-high", len(data)))


def derandomize_ccsds_soft(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the CCSDS randomizer from soft symbols that begin right after the ASM."""
    return _remove_soft("ccsds", soft)


def dewhiten_pn9_soft(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the PN9 whitening of TI's radios from soft symbols."""
    return _remove_soft("pn9", soft)


def dewhiten_pn9_high_soft(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the PN9 whitening of Semtech's radios from soft symbols."""
    return _remove_soft("pn9-high", soft)


def _remove_soft(name: str, soft: NDArray[np.float32]) -> NDArray[np.float32]:
    octets = np.frombuffer(_sequence_octets(name, -(-soft.size // 8)), np.uint8)
    bits = np.unpackbits(octets)[: soft.size]
    return np.where(bits == 1, -soft, soft).astype(np.float32)
