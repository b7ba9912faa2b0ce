"""SPK kernels from disk, by way of ``jplephem``, which need not be installed.

Tells a kernel by its first octets and opens it; what is in it is ``agent.orbit.spk``'s. A file that is damaged or
of a kind the library does not read is an error with its name, not a traceback.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import AgentError, ConfigError

if TYPE_CHECKING:
    from agent.orbit.ephemeris import EphemerisSegment

MAGIC = (b"DAF/SPK", b"NAIF/DAF")


def is_kernel(path: Path) -> bool:
    """Tell whether a file begins as an SPK kernel; raises ``OSError`` when it cannot be opened."""
    with path.open("rb") as file:
        return file.read(8).startswith(MAGIC)


def read_kernel(path: Path, window_utc_ns: tuple[int, int]) -> tuple[EphemerisSegment, ...]:
    """Sample the bodies of a kernel over the window; raises ``AgentError`` when it cannot be read."""
    from agent.orbit.spk import segments_of

    try:
        from jplephem.spk import SPK
    except ImportError:
        raise ConfigError(
            f"{path} is an SPK kernel, which needs the library jplephem",
            mend='install "gsagent[spk]", or give an OEM',
        ) from None
    try:
        with SPK.open(str(path)) as kernel:
            return segments_of(kernel.segments, window_utc_ns, source=path.name)
    except (ValueError, TypeError, IndexError, struct.error, OSError) as error:
        # A file cut short is a TypeError to NumPy: a buffer smaller than the array.
        raise AgentError(f"{path}: not a kernel that can be read: {error}") from error
