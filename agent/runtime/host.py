"""What the machine says of itself: clock, temperature, memory, disk. Reads /proc and /sys; unknown is ``None``.

Also gives memory back to it, which the C library would keep for better days.
"""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path
from typing import Literal

ClockState = Literal["synchronised", "not_synchronised", "unknown"]

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """``struct timex`` of adjtimex(2); only ``status`` is read, the rest is room for the kernel to write."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


def clock_state() -> ClockState:
    """Ask the kernel whether something (NTP, PTP, PPS) disciplines the clock. Source: adjtimex(2)."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = _Timex()
        result = libc.adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return "unknown"
    if result < 0:
        return "unknown"
    return "not_synchronised" if result == _TIME_ERROR or timex.status & _STA_UNSYNC else "synchronised"


def cpu_temperature_c() -> float | None:
    """Read the processor's temperature, as a Raspberry Pi's kernel gives it."""
    try:
        return int(Path("/sys/class/thermal/thermal_zone0/temp").read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None


def resident_mb() -> float | None:
    """Read this process's resident memory in MiB."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def give_memory_back() -> bool:
    """Return what the heap holds of free memory to the kernel; a millisecond. Source: malloc_trim(3), glibc only.

    A flood's records are freed and their pages stay, a few used octets in each: without this a process that runs
    for weeks is as large as its worst minute.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False


def disk_free_mb(path: Path) -> float | None:
    """Say how much room the file system of a path has left, in MiB."""
    try:
        return shutil.disk_usage(path).free / 1024 / 1024
    except OSError:
        return None
