"""Pictures of numbers: a PNG of a matrix, in colours that read the same in print and to the colour-blind.

Source: PNG (ISO/IEC 15948), palette images without a filter. Knows neither axes nor signals.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

DARK: Final = (
    "0d0887",
    "41049d",
    "6a00a8",
    "8f0da4",
    "b12a90",
    "cc4778",
    "e16462",
    "f2844b",
    "fca636",
    "fcce25",
    "f0f921",
)
"""From weak to strong, for waterfalls."""
PALE: Final = ("ffffff", "d9e6f2", "a9c6e3", "6fa3d1", "3c7ebb", "1d5a9b", "0e3a70", "071d45")
"""From never to often, for densities on a white page."""
LEVELS: Final = 255


def png(levels: NDArray[np.uint8], colours: tuple[str, ...]) -> bytes:
    """Make a PNG of uint8[rows, columns], the first row on top; 255 is the last of the colours."""
    rows, columns = levels.shape
    raw = np.zeros((rows, columns + 1), np.uint8)
    raw[:, 1:] = levels
    head = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", head),
        (b"PLTE", _palette(colours)),
        (b"IDAT", zlib.compress(raw.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def data_url(levels: NDArray[np.uint8], colours: tuple[str, ...]) -> str:
    """Make an address that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(png(levels, colours)).decode()


def scaled(values: NDArray[np.floating], lowest: float, highest: float) -> NDArray[np.uint8]:
    """Bring values between two bounds to levels; what is no number becomes the lowest."""
    share = (np.nan_to_num(values, nan=lowest, posinf=highest, neginf=lowest) - lowest) / max(
        highest - lowest, 1e-30
    )
    return np.asarray(np.clip(share * LEVELS, 0, LEVELS).astype(np.uint8))


def density(counts: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Bring counts to levels, the few beside the many still to be seen."""
    if not counts.any():
        return np.zeros(counts.shape, np.uint8)
    usual = float(np.quantile(counts[counts > 0], 0.98))
    return scaled(np.sqrt(counts / max(usual, 1e-30)), 0.0, 1.0)


def _palette(colours: tuple[str, ...]) -> bytes:
    anchors = np.array([[int(colour[k : k + 2], 16) for k in (0, 2, 4)] for colour in colours], np.float64)
    places = np.linspace(0.0, len(colours) - 1.0, LEVELS + 1)
    table = np.stack([np.interp(places, np.arange(len(colours)), anchors[:, k]) for k in range(3)], axis=1)
    return table.round().astype(np.uint8).tobytes()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
