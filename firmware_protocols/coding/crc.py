"""Cyclic redundancy checks: one parametrised kernel and the models that satellite links use.

A model is the Rocksoft parametrisation (width, polynomial, initial value, reflection, final XOR) with its
published check value, the CRC of the ASCII digits ``123456789``. Knows octets only: where a check stands in a
frame, and in which octet order, is the protocol's business.

Source: Ross N. Williams, "A Painless Guide to CRC Error Detection Algorithms" (1993), §15; check values from
the RevEng catalogue of parametrised CRC algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CrcModel:
    """One CRC: ``check`` is its value over ``b"123456789"``."""

    name: str
    width: int
    polynomial: int
    initial: int
    reflected: bool
    final_xor: int
    check: int


CRC16_X25 = CrcModel("CRC-16/X.25", 16, 0x1021, 0xFFFF, True, 0xFFFF, 0x906E)
"""HDLC's frame check sequence, sent low octet first. Source: ITU-T X.25 §2.2.7.4."""
CRC16_CCITT_FALSE = CrcModel("CRC-16/CCITT-FALSE", 16, 0x1021, 0xFFFF, False, 0x0000, 0x29B1)
"""The CCSDS frame error control field. Source: CCSDS 132.0-B-3 §4.1.6."""
CRC16_XMODEM = CrcModel("CRC-16/XMODEM", 16, 0x1021, 0x0000, False, 0x0000, 0x31C3)
CRC16_GENIBUS = CrcModel("CRC-16/GENIBUS", 16, 0x1021, 0xFFFF, False, 0xFFFF, 0xD64E)
CRC16_KERMIT = CrcModel("CRC-16/KERMIT", 16, 0x1021, 0x0000, True, 0x0000, 0x2189)
CRC16_AUG_CCITT = CrcModel("CRC-16/AUG-CCITT", 16, 0x1021, 0x1D0F, False, 0x0000, 0xE5CC)
CRC16_ARC = CrcModel("CRC-16/ARC", 16, 0x8005, 0x0000, True, 0x0000, 0xBB3D)
CRC16_CC11XX = CrcModel("CRC-16/CMS", 16, 0x8005, 0xFFFF, False, 0x0000, 0xAEE7)
"""The packet engine of TI CC11xx radios."""
CRC16_SX12XX = CrcModel("CRC-16/SPI-FUJITSU, inverted", 16, 0x1021, 0x1D0F, False, 0xFFFF, 0x1A33)
"""The packet engine of Semtech SX12xx radios. Source: SX1262 data sheet §6.2.3.5."""
CRC32_IEEE = CrcModel("CRC-32", 32, 0x04C11DB7, 0xFFFFFFFF, True, 0xFFFFFFFF, 0xCBF43926)
CRC32C = CrcModel("CRC-32C", 32, 0x1EDC6F41, 0xFFFFFFFF, True, 0xFFFFFFFF, 0xE3069283)
"""Castagnoli's, behind CSP packets. Source: RFC 3720 §12.1."""
CRC32_PROXIMITY_1 = CrcModel("CRC-32/PROXIMITY-1", 32, 0x00A00805, 0x00000000, False, 0x00000000, 0x51693C0C)
"""CCSDS's own of 32 bits. Source: 211.2-B-3 annex C; the check value is this house's, no catalogue lists it."""

MODELS = (
    CRC16_X25,
    CRC16_CCITT_FALSE,
    CRC16_XMODEM,
    CRC16_GENIBUS,
    CRC16_KERMIT,
    CRC16_AUG_CCITT,
    CRC16_ARC,
    CRC16_CC11XX,
    CRC16_SX12XX,
    CRC32_IEEE,
    CRC32C,
    CRC32_PROXIMITY_1,
)


@njit("int64(uint8[::1], int64, int64, int64, boolean, int64)", nogil=True, cache=True)
def _crc(  # pragma: no cover
    data: NDArray[np.uint8], width: int, polynomial: int, initial: int, reflected: bool, final_xor: int
) -> int:
    register = initial
    if reflected:
        # The reflected register shifts right: the polynomial and the initial value are mirrored once.
        mirrored = 0
        start = 0
        for bit in range(width):
            mirrored = (mirrored << 1) | ((polynomial >> bit) & 1)
            start = (start << 1) | ((initial >> bit) & 1)
        register = start
        for octet in data:
            register ^= octet
            for _ in range(8):
                if register & 1:
                    register = (register >> 1) ^ mirrored
                else:
                    register >>= 1
        return register ^ final_xor
    top = 1 << width - 1
    mask = (top - 1) | top
    shift = width - 8
    for octet in data:
        register ^= octet << shift
        for _ in range(8):
            register = ((register << 1) ^ (polynomial if register & top else 0)) & mask
    return register ^ final_xor


def crc(data: bytes, model: CrcModel) -> int:
    """Compute the check of ``data`` (widths 8 to 56)."""
    octets = np.frombuffer(data, np.uint8).copy()
    return int(_crc(octets, model.width, model.polynomial, model.initial, model.reflected, model.final_xor))


def append_crc(data: bytes, model: CrcModel, order: Literal["big", "little"]) -> bytes:
    """Return ``data`` followed by its check in the octet order its protocol sends."""
    return data + crc(data, model).to_bytes(model.width // 8, order)


def crc_matches(data: bytes, model: CrcModel, order: Literal["big", "little"]) -> bool:
    """Say whether the last octets of ``data`` are the check of those before."""
    octets = model.width // 8
    return len(data) >= octets and data == append_crc(data[:-octets], model, order)
