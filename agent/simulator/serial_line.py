"""A TNC's line: the port on a pseudo-terminal, and whatever a fault makes of the octets on their way."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from agent.simulator.pty_tnc import PtyTnc

Damage: TypeAlias = Callable[[bytes, random.Random], bytes]

MAX_HELD = 65_536


class SerialLine:
    """``damage`` changes what is sent, while ``stalled`` nothing is and it waits."""

    def __init__(self, link: str | None, baudrate_bd: int) -> None:
        self.baudrate_bd = baudrate_bd
        self.port = PtyTnc(Path(link) if link else None)
        self.damage: Damage | None = None
        self.stalled = False
        self._held = b""

    def send(self, octets: bytes, chance: random.Random) -> None:
        """Send octets, or what is left of them."""
        if self.damage is not None:
            octets = self.damage(octets, chance)
        self._held = (self._held + octets)[-MAX_HELD:]
        self.release()

    def release(self) -> None:
        """Send what waits, unless the line still stalls."""
        if not self.stalled and self._held:
            self.port.write(self._held)
            self._held = b""
