"""Counters of frames and packets: what was lost, what was repeated, and when the transmitter began anew.

Knows numbers modulo a power of two and the order they came in. A counter that jumps back to its beginning, or by
more than a loss explains, was restarted; a jump that the next count does not confirm was damage to the count.
Some packets are made every n counts only (sub-sampled on board): such a cadence is given, or learnt from an
unbroken rule of the steps and then said. Does not know whose counter it is: ``name`` is carried through.

Source: CCSDS 132.0-B-3 §4.1.2.5 and §4.1.2.6 (8 bits), 732.0-B-4 §4.1.2.4 (24 or 28 bits), 133.0-B-2 §4.1.3.4
(14 bits); what a restart looks like is a rule of this house.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from firmware_protocols.interface import Gap

Verdict: TypeAlias = Literal["first", "next", "loss", "repeat", "late", "restart", "doubtful"]

MOST_LOST: Final = 65_536
"""More than this many missing at once is no loss but another count."""
RESTARTED_BELOW: Final = 16
"""A counter found below this after a long jump has been restarted."""
SHORT_JUMP: Final = 256
LATE: Final = 4
"""A count at most this far back is a frame that came late."""
MAX_GAPS: Final = 1024
LEARN_STEPS: Final = 3
"""So many steps, all multiples of one number and most of them equal to it, make a cadence."""


class CounterTrack:
    """One counter. ``cadence`` is its step where that is known; without it a step above one may be learnt."""

    def __init__(self, name: Mapping[str, int], modulus: int, *, cadence: int | None = 1) -> None:
        self.name = name
        self.restarts = 0
        self.not_listed = 0
        self.damaged = 0
        self._modulus = modulus
        self._given = cadence
        self._last: int | None = None
        self._doubt: int | None = None
        self._gaps: deque[Gap] = deque()
        self._missing_not_listed = 0
        self._steps = 0
        self._divisor = 0
        self._at_divisor = 0

    @property
    def cadence(self) -> int:
        """Return the step between two neighbours: as given, as learnt, or one."""
        if self._given is not None:
            return self._given
        learnt = self._steps >= LEARN_STEPS and self._divisor > 1 and 2 * self._at_divisor > self._steps
        return self._divisor if learnt else 1

    @property
    def gaps(self) -> list[Gap]:
        """List what is missing, by the cadence as it is known now, and where the counter began anew."""
        cadence = self.cadence
        found = []
        for gap in self._gaps:
            missing = self._missing_in(gap, cadence)
            if gap.restart or missing:
                found.append(replace(gap, missing=missing))
        return found

    @property
    def missing(self) -> int:
        """Count what is missing, by the cadence as it is known now, and with the gaps no longer listed."""
        cadence = self.cadence
        return self._missing_not_listed + sum(self._missing_in(gap, cadence) for gap in self._gaps)

    def _missing_in(self, gap: Gap, cadence: int) -> int:
        step = (gap.before - gap.after) % self._modulus
        return 0 if gap.restart or step == cadence else max(1, math.ceil(step / cadence) - 1)

    def take(self, count: int) -> Verdict:
        """Take the next count and say what it means."""
        if self._last is None:
            self._last = count
            return "first"
        if self._doubt is not None:
            self._settle_doubt(count)
        step = (count - self._last) % self._modulus
        verdict = self._judge(count, step)
        if verdict == "doubtful":
            self._doubt = count
        elif verdict not in ("repeat", "late"):
            if verdict == "restart":
                self._note(count, restart=True)
            else:
                self._learn(step)
                if step != self._given:
                    self._note(count, restart=False)
            self._last = count
        return verdict

    def _judge(self, count: int, step: int) -> Verdict:
        modulus = self._modulus
        if step == 0:
            return "repeat"
        if step == (self._given or 1):
            return "next"
        if step >= modulus - LATE:
            # A counter may restart while it is still small: then it stands at its first value.
            return "restart" if count == 0 and modulus > SHORT_JUMP else "late"
        if modulus <= SHORT_JUMP:
            # So short a counter comes round in any fade; only a fresh zero tells.
            return "restart" if count == 0 and step > RESTARTED_BELOW else "loss"
        if count < RESTARTED_BELOW and step > SHORT_JUMP:
            return "restart"
        if step > min(MOST_LOST, modulus // 2):
            return "doubtful"
        return "loss"

    def _settle_doubt(self, count: int) -> None:
        """Believe the doubtful count if this one follows it; otherwise it was damaged."""
        doubt, self._doubt = self._doubt, None
        if doubt is None:
            return
        if 0 < (count - doubt) % self._modulus <= SHORT_JUMP:
            self._note(doubt, restart=True)
            self._last = doubt
        else:
            self.damaged += 1

    def _learn(self, step: int) -> None:
        self._steps += 1
        divisor = math.gcd(self._divisor, step)
        if divisor != self._divisor:
            self._divisor, self._at_divisor = divisor, 0
        self._at_divisor += step == divisor

    def _note(self, count: int, *, restart: bool) -> None:
        last = self._last if self._last is not None else count
        step = (count - last) % self._modulus
        if restart:
            self.restarts += 1
        elif step == 1:
            return
        if len(self._gaps) >= MAX_GAPS:
            self.not_listed += 1
            self._missing_not_listed += self._missing_in(self._gaps.popleft(), self.cadence)
        self._gaps.append(Gap(self.name, last, count, 0 if restart else step - 1, restart))


def missing_by_counter(kind: str, key: str, tracks: Iterable[CounterTrack]) -> Counter[str]:
    """Add up what is missing of each counter, named by one of its numbers: ``{"vc 33": 7}``."""
    found: Counter[str] = Counter()
    for track in tracks:
        if missing := track.missing:
            found[f"{kind} {track.name[key]}"] += missing
    return found
