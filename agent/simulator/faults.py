"""Faults as data: what a scenario file may break, when, and which alarms must then appear.

Pure: the times are seconds of the scene. Who breaks it is ``play.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, get_args

from msgspec import Meta

from agent.definitions import Definition, Name, Positive
from agent.errors import ConfigError
from agent.simulator.jammers import Jammer, JammerKind

SdrFault = Literal["sdr_disconnect", "sdr_absent", "sdr_stall", "sdr_overrun", "sdr_gain_step"]
TncFault = Literal["tnc_unplug", "tnc_garble", "tnc_partial", "tnc_stall", "tnc_wrong_baud"]
RfFault = Literal["jam_tone", "jam_sweep", "jam_pulse", "jam_noise"]

JAMMERS: dict[str, JammerKind] = {
    "jam_tone": "tone",
    "jam_sweep": "sweep",
    "jam_pulse": "pulse",
    "jam_noise": "noise",
}

KINDS: tuple[str, ...] = (*get_args(SdrFault), *get_args(TncFault), *get_args(RfFault))


class Fault(Definition, frozen=True, kw_only=True):
    """One fault: ``kind`` on ``target`` (a piece of hardware; an SDR for what happens on the air), for ``for_s``.

    ``level_db`` is the jammer's strength over the receiver's noise, or the step of the gain; ``share`` the part
    of the octets that is spoiled. ``alarms`` are those that must appear; no other may.
    """

    kind: str
    target: Name
    at_s: Annotated[float, Meta(ge=0, le=1e7)]
    for_s: Positive = 1.0
    level_db: Annotated[float, Meta(ge=-60, le=80)] = 20.0
    offset_hz: float = 0.0
    share: Annotated[float, Meta(gt=0, le=1)] = 0.05
    alarms: tuple[str, ...] = ()


def jammer_of(fault: Fault, center_hz: float, noise_power: float) -> Jammer | None:
    """Return the jammer that a fault puts on the air of a receiver there, ``None`` for a fault of another kind."""
    kind = JAMMERS.get(fault.kind)
    if kind is None:
        return None
    power = noise_power * 10 ** (fault.level_db / 10)
    return Jammer(kind, center_hz + fault.offset_hz, power, fault.at_s, fault.at_s + fault.for_s)


def check_faults(faults: Sequence[Fault], hardware: Mapping[str, str], place: Callable[[str], str]) -> None:
    """Refuse what cannot be played: an unknown kind, a target that is not there, times out of order.

    ``hardware`` maps an id to ``sdr`` or ``tnc``. Raises ``ConfigError`` with the place.
    """
    before_s = 0.0
    for index, fault in enumerate(faults):
        where = f"fault[{index}]"
        if fault.kind not in KINDS:
            near = difflib.get_close_matches(fault.kind, KINDS, n=3) or KINDS
            raise ConfigError(
                f"no fault is called {fault.kind!r}", where=place(f"{where}.kind"), mend=f"try {', '.join(near)}"
            )
        if fault.target not in hardware:
            raise ConfigError(
                f"nothing here is called {fault.target!r}",
                where=place(f"{where}.target"),
                mend=f"there are: {', '.join(hardware) or 'no sdr and no tnc'}",
            )
        needs = "tnc" if fault.kind.startswith("tnc_") else "sdr"
        if hardware[fault.target] != needs:
            raise ConfigError(
                f"{fault.kind} happens to an {needs}; {fault.target!r} is a {hardware[fault.target]}",
                where=place(f"{where}.target"),
            )
        if fault.at_s < before_s:
            raise ConfigError(
                f"at {fault.at_s:g} s, but the fault before it begins at {before_s:g} s",
                where=place(f"{where}.at_s"),
                mend="write the faults in the order of their times",
            )
        before_s = fault.at_s
