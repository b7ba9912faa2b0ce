"""A TNC on a serial port that is not there: a pseudo-terminal with a name that survives unplugging.

The name is ``/proc/<pid>/fd/<n>``, a descriptor of this process that only stands for the terminal (O_PATH): it
opens as the terminal does, is gone while the TNC is unplugged, points at the new terminal when it is plugged in
again, and vanishes with the process, however that ends. ``link`` makes a symbolic link of the operator's
choice beside it. As a real TNC it speaks whether anyone listens or not, and what nobody hears is lost.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import tty
from pathlib import Path

FIRST_DESCRIPTOR = 200
"""Beyond what the process opens otherwise, so that nothing else takes the number while it is free."""


class PtyTnc:
    """A serial line's far end. ``sent`` and ``unheard`` count octets."""

    def __init__(self, link: Path | None = None) -> None:
        self.sent = 0
        self.unheard = 0
        self._link = link
        self._master = -1
        self._name = -1
        self._number = FIRST_DESCRIPTOR

    @property
    def path(self) -> str:
        """Return the port's name, the same through all unplugging."""
        return str(self._link) if self._link is not None else f"/proc/{os.getpid()}/fd/{self._number}"

    @property
    def plugged(self) -> bool:
        """Tell whether the port is there."""
        return self._master >= 0

    def plug(self) -> None:
        """Make the port appear."""
        if self.plugged:
            return
        self._master, slave = pty.openpty()
        try:
            tty.setraw(slave)
            os.set_blocking(self._master, False)
            self._name = _name_for(os.ttyname(slave), self._number)
            self._number = self._name
        finally:
            # Nothing of ours holds the terminal open: its hang-up state tells whether someone else does.
            os.close(slave)
        if self._link is not None:
            if self._link.is_symlink():
                self._link.unlink()
            self._link.symlink_to(f"/proc/{os.getpid()}/fd/{self._number}")

    def unplug(self) -> None:
        """Make the port disappear, as when its cable is drawn."""
        for descriptor in (self._name, self._master):
            if descriptor >= 0:
                os.close(descriptor)
        self._name = self._master = -1

    def close(self) -> None:
        """Unplug for good and take the link away."""
        self.unplug()
        if self._link is not None and self._link.is_symlink():
            self._link.unlink()

    @property
    def listened_to(self) -> bool:
        """Tell whether a program has the port open."""
        if not self.plugged:
            return False
        poll = select.poll()
        poll.register(self._master, 0)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def write(self, octets: bytes) -> int:
        """Send octets; returns how many somebody can have heard."""
        taken = 0
        if self.listened_to:
            try:
                while taken < len(octets):
                    taken += os.write(self._master, octets[taken:])
            except BlockingIOError:
                pass  # the reader sleeps and the terminal is full
        self.sent += taken
        self.unheard += len(octets) - taken
        return taken


def _name_for(terminal: str, at_least: int) -> int:
    """Open a name for a terminal: a descriptor that is no open terminal."""
    low = os.open(terminal, os.O_PATH | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, at_least)
    finally:
        os.close(low)
