"""Whether an element set is what it says: right object, believable epoch, not swapped with another's.

Reading has already refused what cannot be an orbit; this judges what can be one, but not this object's, now. The
old set stays when a new one is refused. Knows sets, a time given, and what satellite files expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.orbit.catalogue import Catalogue
from agent.orbit.elements import NS_PER_DAY, ElementSets, MeanElements, Refusal
from agent.orbit.history import compare
from agent.records import UtcNs

FUTURE_D = 3.0
"""Operators publish sets with epochs some days ahead before a manoeuvre; beyond that it is an error."""
OLD_D = 14.0
SWAPPED_PLANE_DEG, SWAPPED_PLANE_DEG_D = 5.0, 0.05
SWAPPED_MOTION_PART = 0.1


@dataclass(frozen=True, slots=True)
class Identity:
    """What a satellite file says of an object: its number, its names, its launch designator if known."""

    norad: int
    names: tuple[str, ...]
    cospar: str | None = None


def suspicion(
    elements: MeanElements,
    now_utc_ns: UtcNs,
    *,
    known: Sequence[MeanElements] = (),
    identities: Mapping[int, Identity] | None = None,
) -> tuple[str, str] | None:
    """Return (counted reason, sentence) when a set should not be used, or ``None``.

    ``known`` are the sets of the same number already trusted; ``identities`` what satellite files say, by number.
    """
    if elements.age_d(now_utc_ns) < -FUTURE_D:
        return "future_epoch", f"its epoch lies {-elements.age_d(now_utc_ns):.1f} days in the future"
    year = elements.cospar[:4]
    if (
        year.isdecimal()
        and elements.epoch_utc_ns < (datetime(int(year), 1, 1) - datetime(1970, 1, 1)).days * NS_PER_DAY
    ):
        return "before_launch", f"its epoch lies before the launch {elements.cospar}"
    expected = (identities or {}).get(elements.norad)
    if expected and expected.cospar and elements.cospar and expected.cospar != elements.cospar:
        return (
            "identity",
            f"its launch designator is {elements.cospar}, that of {elements.norad} is {expected.cospar}",
        )
    for identity in (identities or {}).values():
        claims = elements.name.casefold() in {name.casefold() for name in identity.names}
        if identity.norad != elements.norad and claims:
            return (
                "identity",
                f"it is called {elements.name}, which is {identity.norad}, but numbered {elements.norad}",
            )
    if known:
        nearest = min(known, key=lambda s: abs(s.epoch_utc_ns - elements.epoch_utc_ns))
        if nearest.cospar and elements.cospar and nearest.cospar != elements.cospar:
            return "identity", f"its launch designator changed from {nearest.cospar} to {elements.cospar}"
        return _swapped(nearest, elements)
    return None


def _swapped(trusted: MeanElements, elements: MeanElements) -> tuple[str, str] | None:
    """Tell an orbit that no manoeuvre makes of the one before: another object's set."""
    earlier, later = sorted((trusted, elements), key=lambda s: s.epoch_utc_ns)
    change = abs(elements.mean_motion_rev_d / trusted.mean_motion_rev_d - 1.0)
    if change > SWAPPED_MOTION_PART:
        return "swapped", f"its mean motion changed by {change:.0%}: another object's set"
    comparison = compare(earlier, later)
    if comparison is None:
        return None
    if comparison.plane_deg > SWAPPED_PLANE_DEG + SWAPPED_PLANE_DEG_D * comparison.interval_d:
        return "swapped", f"its plane lies {comparison.plane_deg:.0f}° from where it should: another object's set"
    return None


def refreshed(
    trusted: Catalogue,
    new: ElementSets,
    now_utc_ns: UtcNs,
    *,
    identities: Mapping[int, Identity] | None = None,
) -> tuple[Catalogue, tuple[Refusal, ...]]:
    """Add new sets to trusted ones, leaving out the suspicious; the trusted ones stay whatever comes."""
    kept = [s for norad in trusted for s in trusted.history(norad)]
    refused = list(new.refused)
    for number, elements in enumerate(new.sets, start=1):
        doubt = suspicion(elements, now_utc_ns, known=trusted.history(elements.norad), identities=identities)
        if doubt is None:
            kept.append(elements)
        else:
            message = f"{elements.name} {elements.norad}: {doubt[1]}"
            refused.append(Refusal(doubt[0], message, elements.source, number))
    return Catalogue(kept), tuple(refused)


def age_label(elements: MeanElements, at_utc_ns: UtcNs, uncertainty_s: float) -> str | None:
    """Say that a set is too old (or too young) for a time to be trusted, and by how much it may be wrong."""
    age = elements.age_d(at_utc_ns)
    if abs(age) <= OLD_D:
        return None
    side = "old" if age > 0 else "ahead"
    off = f"{uncertainty_s:.0f} s" if uncertainty_s < 600 else "more than ten minutes"
    return f"its elements are {abs(age):.0f} days {side} there: times may be off by {off}"
