"""The ledger of a trial: what was sent, received, archived and published, which alarms had to rise and which did.

Pure: lists in, verdict out. Times are seconds of the play.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from agent.simulator.faults import KINDS, Fault, victim_of

BEFORE_S = 0.75
"""A frame is still on its way when a fault begins so much later."""

EARLY_S = 0.25
"""An alarm may seem to come so much before its cause: two clocks are read."""

LATE_S = 1.5
"""What rises so long after the end of the play is not of the play: the silence after it is no fault."""

ACTIVE = ("triggered", "acknowledged", "shelved")


class SentFrame(NamedTuple):
    """A frame that went out: when, by which transmitter."""

    at_s: float
    label: str
    data: bytes


class Transition(NamedTuple):
    """A change of an alarm as it was published: when it arrived, whose, to which state."""

    at_s: float
    name: str
    state: str
    level: str = ""
    evidence: str = ""


@dataclass(slots=True)
class Books:
    """Everything that was seen. ``published`` is by destination, ``archived`` holds frames in their order."""

    seconds: float
    faults: Sequence[Fault] = ()
    sent: list[SentFrame] = field(default_factory=list)
    impersonated: list[SentFrame] = field(default_factory=list)
    archived: list[bytes] = field(default_factory=list)
    published: dict[str, list[bytes]] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """One alarm that was expected, or raised, or both."""

    name: str
    fault: str = ""
    expected_from_s: float | None = None
    expected_by_s: float | None = None
    raised_s: float | None = None
    latency_s: float | None = None
    over_s: float | None = None
    level: str = ""
    evidence: str = ""

    @property
    def verdict(self) -> str:
        """Say what this alarm was: ``as expected``, ``missing`` or ``not expected``."""
        if self.raised_s is None:
            return "missing"
        return "as expected" if self.expected_from_s is not None else "not expected"


@dataclass(frozen=True, slots=True)
class FaultLine:
    """One fault, and what became of the frames sent while it lasted."""

    kind: str
    victim: str
    at_s: float
    for_s: float
    sent: int
    archived: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """The verdict with its grounds; ``faulty`` lists in words what is not as it should be."""

    sent: dict[str, int]
    impersonated: int
    archived: int
    clean_sent: int
    clean_lost: int
    twice: int
    never_sent: int
    published: dict[str, int]
    unpublished: dict[str, int]
    faults: tuple[FaultLine, ...]
    alarms: tuple[AlarmLine, ...]
    faulty: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Say whether everything is as it should be."""
        return not self.faulty

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        plain = asdict(self)
        for line, alarm in zip(plain["alarms"], self.alarms, strict=True):
            line["verdict"] = alarm.verdict
        return plain | {"record": "ledger", "verdict": "good" if self.good else "faulty"}


def balance(books: Books) -> Ledger:
    """Balance the books."""
    archived = Counter(books.archived)
    clean = Counter(frame.data for frame in books.sent if _is_clean(frame.at_s, books))
    known = Counter(frame.data for frame in (*books.sent, *books.impersonated))
    lost = clean - archived
    twice = sum(count - known[data] for data, count in archived.items() if 0 < known[data] < count)
    never_sent = sum(count for data, count in archived.items() if not known[data])
    spoiled = any(KINDS[fault.kind].spoils for fault in books.faults)
    unpublished = {name: (archived - Counter(frames)).total() for name, frames in books.published.items()}
    alarms = _match(books)
    faulty = []
    if lost:
        faulty.append(f"{lost.total()} of {clean.total()} frames sent on clean air are not in the archive")
    if twice:
        faulty.append(f"{twice} frames were archived more often than they were sent")
    if never_sent and not spoiled:
        faulty.append(f"{never_sent} frames were archived that nobody sent")
    faulty += [f"{count} archived frames did not reach {name}" for name, count in unpublished.items() if count]
    faulty += [
        f"{line.name}: expected of {line.fault} by {line.expected_by_s:.1f} s, not raised"
        for line in alarms
        if line.verdict == "missing" and line.expected_by_s is not None
    ]
    faulty += [
        f"{line.name}: raised at {line.raised_s:.1f} s, no fault expects it ({line.evidence})"
        for line in alarms
        if line.verdict == "not expected" and line.raised_s is not None
    ]
    return Ledger(
        sent=dict(Counter(frame.label for frame in books.sent)),
        impersonated=len(books.impersonated),
        archived=len(books.archived),
        clean_sent=clean.total(),
        clean_lost=lost.total(),
        twice=twice,
        never_sent=never_sent,
        published={name: len(frames) for name, frames in books.published.items()},
        unpublished=unpublished,
        faults=tuple(_fault_line(fault, books, archived) for fault in books.faults),
        alarms=alarms,
        faulty=tuple(faulty),
    )


def _is_clean(at_s: float, books: Books) -> bool:
    if at_s > books.seconds - BEFORE_S:
        return False
    return not any(
        fault.at_s - BEFORE_S <= at_s <= fault.end_s + KINDS[fault.kind].recovery_s
        for fault in books.faults
        if KINDS[fault.kind].loses
    )


def _fault_line(fault: Fault, books: Books, archived: Counter[bytes]) -> FaultLine:
    during = [frame.data for frame in (*books.sent, *books.impersonated) if fault.at_s <= frame.at_s < fault.end_s]
    kept = sum(data in archived for data in during)
    return FaultLine(fault.kind, victim_of(fault), fault.at_s, fault.for_s, len(during), kept)


def _raised(transitions: Iterable[Transition]) -> list[tuple[Transition, float | None]]:
    """Return each rise of an alarm, with the time at which it was over."""
    rises: list[tuple[Transition, float | None]] = []
    active: dict[str, int] = {}
    for change in sorted(transitions, key=lambda item: item.at_s):
        if change.state in ACTIVE:
            if change.name not in active:
                active[change.name] = len(rises)
                rises.append((change, None))
        elif change.state in ("returned_to_normal", "cleared") and change.name in active:
            index = active.pop(change.name)
            rises[index] = (rises[index][0], change.at_s)
    return rises


def _match(books: Books) -> tuple[AlarmLine, ...]:
    """Bring what was expected and what was raised together; each rise answers one fault at most."""
    rises = [rise for rise in _raised(books.transitions) if rise[0].at_s <= books.seconds + LATE_S]
    taken: set[int] = set()
    lines: list[AlarmLine] = []
    for fault in books.faults:
        for name in fault.alarms:
            fits = [
                index
                for index, (rise, _) in enumerate(rises)
                if index not in taken and rise.name == name and fault.at_s - EARLY_S <= rise.at_s <= fault.told_by_s
            ]
            about: dict[str, Any] = {
                "name": name, "fault": fault.kind,
                "expected_from_s": fault.at_s, "expected_by_s": fault.told_by_s,
            }  # fmt: skip
            if not fits:
                lines.append(AlarmLine(**about))
                continue
            taken.add(fits[0])
            rise, over_s = rises[fits[0]]
            lines.append(
                AlarmLine(
                    **about,
                    raised_s=rise.at_s,
                    latency_s=max(0.0, rise.at_s - fault.at_s),
                    over_s=over_s,
                    level=rise.level,
                    evidence=rise.evidence,
                )
            )
    for index, (rise, over_s) in enumerate(rises):
        if index in taken:
            continue
        expected = 0.0 if rise.name in books.allowed else None
        lines.append(
            AlarmLine(
                rise.name,
                expected_from_s=expected,
                raised_s=rise.at_s,
                over_s=over_s,
                level=rise.level,
                evidence=rise.evidence,
            )
        )
    raised = {rise.name for rise, _ in rises}
    lines += [
        AlarmLine(name, "the play itself", 0.0, books.seconds) for name in books.allowed if name not in raised
    ]
    return tuple(lines)
