"""The faults that can be played: one file a family, found by itself.

A family is a module with ``KINDS``, a table of ``Kind`` by name: a new kind is one entry there. ``check_faults``
refuses what cannot be played, with the place.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence

from agent.errors import ConfigError
from agent.simulator.fault import SURROUNDINGS, Fault, Kind

FAMILIES: dict[str, dict[str, Kind]] = {
    info.name: importlib.import_module(f"{__name__}.{info.name}").KINDS
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name)
}
KINDS: dict[str, Kind] = {name: kind for family in FAMILIES.values() for name, kind in family.items()}


def victim_of(fault: Fault) -> str:
    """Name what a fault happens to."""
    return fault.target or KINDS[fault.kind].victim


def needs_agent(fault: Fault) -> bool:
    """Tell whether a fault happens to what an agent stands on."""
    return KINDS[fault.kind].victim in SURROUNDINGS


def check_faults(faults: Sequence[Fault], there: Mapping[str, str], place: Callable[[str], str]) -> None:
    """Refuse what cannot be played: an unknown kind, a target that is not there, times out of order.

    ``there`` maps what a fault may be aimed at to what it is: ``sdr``, ``tnc``, ``satellite``. Raises
    ``ConfigError`` with the place.
    """
    before_s = 0.0
    for index, fault in enumerate(faults):
        where = f"fault[{index}]"
        kind = KINDS.get(fault.kind)
        if kind is None:
            near = difflib.get_close_matches(fault.kind, KINDS, n=3) or KINDS
            raise ConfigError(
                f"no fault is called {fault.kind!r}", where=place(f"{where}.kind"), mend=f"try {', '.join(near)}"
            )
        _check_target(fault, kind, there, place, where)
        for name in fault.alarms:
            satellite = name.split("/")[0]
            if satellite != "station" and there.get(satellite) != "satellite":
                raise ConfigError(
                    f"no satellite here is called {satellite!r}",
                    where=place(f"{where}.alarms"),
                    mend="an alarm is <satellite>/<name>, the station's own is station/<name>",
                )
        if fault.at_s < before_s:
            raise ConfigError(
                f"at {fault.at_s:g} s, but the fault before it begins at {before_s:g} s",
                where=place(f"{where}.at_s"),
                mend="write the faults in the order of their times",
            )
        before_s = fault.at_s


def _check_target(
    fault: Fault, kind: Kind, there: Mapping[str, str], place: Callable[[str], str], where: str
) -> None:
    if kind.victim in SURROUNDINGS:
        if fault.target not in (None, kind.victim):
            raise ConfigError(
                f"{fault.kind} happens to the {kind.victim} of the agent, not to {fault.target!r}",
                where=place(f"{where}.target"),
                mend="leave the target out",
            )
        return
    fit = [name for name, what in there.items() if what == kind.victim]
    what = "an sdr" if kind.victim == "sdr" else f"a {kind.victim}"
    if fault.target is None:
        raise ConfigError(
            f"{fault.kind} happens to {what}: which one?", where=place(where), mend=f"there are: {', '.join(fit)}"
        )
    if fault.target not in there:
        raise ConfigError(
            f"nothing here is called {fault.target!r}",
            where=place(f"{where}.target"),
            mend=f"there are: {', '.join(there) or 'no sdr and no tnc'}",
        )
    if there[fault.target] != kind.victim:
        raise ConfigError(
            f"{fault.kind} happens to {what}; {fault.target!r} is a {there[fault.target]}",
            where=place(f"{where}.target"),
            mend=f"there are: {', '.join(fit) or 'none'}",
        )


__all__ = ["FAMILIES", "KINDS", "Fault", "Kind", "check_faults", "needs_agent", "victim_of"]
