"""The frame error control field: the last octets of a transfer frame, a CRC over all before them.

::

    16 bits   x¹⁶ + x¹² + x⁵ + 1, register preset to ones                 TM, AOS, USLP
    32 bits   x³² + x²³ + x²¹ + x¹¹ + x² + 1, register preset to zeros    USLP (the CRC of Proximity-1)

Sources: CCSDS 132.0-B-3 §4.1.6 and 732.0-B-4 §4.1.6 (16 bits); 211.2-B-3 annex C (32 bits), which 732.1-B-2 takes
over. Knows lengths and polynomials only.
"""

from __future__ import annotations

from typing import TypeAlias

from firmware_protocols.coding.crc import CRC16_CCITT_FALSE, CRC32_PROXIMITY_1, CrcModel, append_crc, crc_matches

Width: TypeAlias = bool | int
"""``False`` for none, ``True`` for 16 bits, or how many bits."""


def _model(width: Width) -> CrcModel | None:
    if width is False:
        return None
    return CRC32_PROXIMITY_1 if width == 32 else CRC16_CCITT_FALSE


def octets(width: Width) -> int:
    """Return how long the field is."""
    model = _model(width)
    return 0 if model is None else model.width // 8


def agrees(frame: bytes, width: Width) -> bool:
    """Say whether a frame's field fits it; a frame without one fits."""
    model = _model(width)
    return model is None or crc_matches(frame, model, "big")


def append(frame: bytes, width: Width) -> bytes:
    """Return a frame with its field."""
    model = _model(width)
    return frame if model is None else append_crc(frame, model, "big")
