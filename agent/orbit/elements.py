"""Mean elements and the text they come in: a set's fields, their lawful ranges, and how to tell formats apart.

Text in, values out; files and addresses are opened by the caller. A set that cannot be right is refused with
a counted reason and the good ones around it are kept. Two-line sets are read by ``tle``, Orbit Mean-Elements
Messages by ``omm``; neither passes through the other, for the rounding of a TLE costs up to 177 m in a week.
Knows no propagation and imports no Numba.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from agent.errors import AgentError
from agent.records import UtcNs

MAX_TEXT_OCTETS = 64 << 20
MAX_SETS = 500_000
MAX_NORAD = 999_999_999
NS_PER_DAY = 86_400_000_000_000
NS_PER_MINUTE = 60_000_000_000
SPUTNIK_UTC_NS = -385_862_400_000_000_000
"""1957-10-10, a few days after the first object: no element set is older."""
LAST_EPOCH_UTC_NS = 3_471_292_800_000_000_000
"""2080-01-01: an epoch beyond is a broken one."""


class ElementError(ValueError):
    """One element set is wrong; ``reason`` is the counter's name. Never leaves this package."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class MeanElements:
    """Brouwer mean elements of SGP4 (Kozai mean motion), referred to TEME at their epoch.

    Units as in the messages they come from: revolutions a day, degrees; ``bstar`` in inverse Earth radii.
    ``mean_motion_dot`` is the first derivative divided by two and ``mean_motion_ddot`` the second divided by
    six, as a TLE and an OMM print them; SGP4 uses neither. Source: CCSDS 502.0-B-3 §4.2.4, table 4-3.
    """

    name: str
    norad: int
    cospar: str
    epoch_utc_ns: UtcNs
    mean_motion_rev_d: float
    eccentricity: float
    inclination_deg: float
    raan_deg: float
    argument_of_perigee_deg: float
    mean_anomaly_deg: float
    bstar: float = 0.0
    mean_motion_dot: float = 0.0
    mean_motion_ddot: float = 0.0
    element_set_number: int = 999
    revolution: int = 0
    classification: str = "U"
    source: str = ""

    def age_d(self, at_utc_ns: UtcNs) -> float:
        """Tell how far ``at_utc_ns`` lies from the epoch; negative before it."""
        return (at_utc_ns - self.epoch_utc_ns) / NS_PER_DAY


@dataclass(frozen=True, slots=True)
class Refusal:
    """One set that was not taken: where it stood, the counted reason, and a sentence for the operator."""

    reason: str
    message: str
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class ElementSets:
    """What a text held: the good sets in their order, and the refused ones."""

    sets: tuple[MeanElements, ...] = ()
    refused: tuple[Refusal, ...] = ()

    @property
    def refused_by_reason(self) -> Mapping[str, int]:
        """Count the refused sets by reason."""
        return Counter(refusal.reason for refusal in self.refused)

    def __add__(self, other: ElementSets) -> ElementSets:
        return ElementSets(self.sets + other.sets, self.refused + other.refused)


def check_ranges(elements: MeanElements) -> MeanElements:
    """Return the set when every field is lawful; raise ``ElementError`` with the first that is not."""
    numbers = {
        "mean motion": elements.mean_motion_rev_d,
        "eccentricity": elements.eccentricity,
        "inclination": elements.inclination_deg,
        "right ascension": elements.raan_deg,
        "argument of perigee": elements.argument_of_perigee_deg,
        "mean anomaly": elements.mean_anomaly_deg,
        "B*": elements.bstar,
        "first derivative": elements.mean_motion_dot,
        "second derivative": elements.mean_motion_ddot,
    }
    for what, value in numbers.items():
        if not isfinite(value):
            raise ElementError("not_a_number", f"{what} is not a finite number")
    if not 1 <= elements.norad <= MAX_NORAD:
        raise ElementError("catalogue_number", f"catalogue number {elements.norad} is outside 1…{MAX_NORAD}")
    # 17.2 revolutions a day is an orbit inside the Earth; the Moon makes 0.037.
    if not 0.01 <= elements.mean_motion_rev_d <= 18.0:
        raise ElementError(
            "mean_motion_range", f"mean motion {elements.mean_motion_rev_d} rev/d is outside 0.01…18"
        )
    if not 0.0 <= elements.eccentricity < 1.0:
        raise ElementError("eccentricity_range", f"eccentricity {elements.eccentricity} is outside 0…1")
    if not 0.0 <= elements.inclination_deg <= 180.0:
        raise ElementError("inclination_range", f"inclination {elements.inclination_deg}° is outside 0…180°")
    for what in ("right ascension", "argument of perigee", "mean anomaly"):
        if not -360.0 <= numbers[what] <= 360.0:
            raise ElementError("angle_range", f"{what} {numbers[what]}° is outside ±360°")
    if abs(elements.bstar) > 100.0:
        raise ElementError("drag_range", f"B* {elements.bstar} is beyond any satellite")
    if not SPUTNIK_UTC_NS <= elements.epoch_utc_ns <= LAST_EPOCH_UTC_NS:
        raise ElementError("epoch_range", "the epoch lies before 1957 or after 2079")
    return elements


def read_elements(text: str, *, source: str) -> ElementSets:
    """Read every set of ``text``, telling TLE, and OMM as KVN, XML, JSON or CSV, apart by their first characters.

    ``source`` names the text in refusals and in each set. Raises ``AgentError`` when the text holds nothing
    that looks like elements, or is larger than any catalogue.
    """
    from agent.orbit import omm, tle

    if len(text) > MAX_TEXT_OCTETS:
        raise AgentError(f"{source}: more than {MAX_TEXT_OCTETS >> 20} MiB of elements; no catalogue is so large")
    head = text.lstrip("\ufeff \t\r\n")
    if not head:
        raise AgentError(f"{source}: the element file is empty")
    if head[0] in "[{":
        found = omm.read_json(head, source=source)
    elif head[0] == "<":
        found = omm.read_xml(head, source=source)
    elif head.startswith("CCSDS_OMM_VERS"):
        found = omm.read_kvn(head, source=source)
    elif omm.is_csv(head):
        found = omm.read_csv(head, source=source)
    else:
        found = tle.read_tle(text, source=source)
    if not found.sets and not found.refused:
        raise AgentError(f"{source}: holds no element sets (TLE, or OMM as KVN, XML, JSON or CSV, is expected)")
    return found
