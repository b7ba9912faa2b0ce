"""A fault as data: what a scenario file may say of one, and what a family of faults has to give for each kind.

Pure: the times are seconds of the play. How each kind is done stands in ``faults/``, one file a family; who calls
it is ``play.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol, TypeAlias

from msgspec import Meta

from agent.definitions import Definition, Name, ParameterName, Positive

if TYPE_CHECKING:
    from agent.simulator.air import Air
    from agent.simulator.impostors import Impostor
    from agent.simulator.rtl_tcp_server import RtlTcpServer
    from agent.simulator.satellite_model import SatelliteModel
    from agent.simulator.serial_line import SerialLine
    from agent.simulator.surroundings import Surroundings

Victim: TypeAlias = Literal["sdr", "tnc", "satellite", "clock", "elements", "broker", "disk"]
"""What a fault happens to: hardware of the scenario, one of its satellites, or what an agent stands on."""

SURROUNDINGS: Final = ("clock", "elements", "broker", "disk")
"""These belong to an agent: they can be broken only where one runs with the scenario (``--judge``)."""

AlarmName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}/[a-z0-9_]{1,64}$")]
"""``<satellite>/<name>`` as in the alarm's topic; the station's own are ``station/<name>``."""


class Fault(Definition, frozen=True, kw_only=True):
    """One fault: ``kind`` on ``target`` from ``at_s`` on, for ``for_s``.

    ``target`` is a piece of hardware (an SDR for what happens on the air), or a satellite for impostors; what an
    agent stands on (clock, elements, broker, disk) is there once and needs no name. ``level_db`` is a jammer's
    strength over the receiver's noise, or the step of the gain; ``over_satellite_db`` an impostor's over its
    satellite; ``share`` the part of the octets that is spoiled; ``offset_hz`` where the interferer stands;
    ``step_s``, ``drift_ppm``, ``age_d`` and ``rate_bit_s`` say how wrong a clock, how old a set of elements, how
    slow a broker is; ``parameter`` and ``value`` what a satellite says wrongly.

    ``alarms`` are those that must appear within ``within_s`` of the beginning; no other may.
    """

    kind: str
    target: Name | None = None
    at_s: Annotated[float, Meta(ge=0, le=1e7)]
    for_s: Positive = 1.0
    level_db: Annotated[float, Meta(ge=-60, le=80)] = 20.0
    over_satellite_db: Annotated[float, Meta(ge=-60, le=60)] = 0.0
    offset_hz: float = 0.0
    share: Annotated[float, Meta(gt=0, le=1)] = 0.05
    step_s: float = 3600.0
    drift_ppm: Annotated[float, Meta(ge=-500_000, le=500_000)] = 1000.0
    age_d: Annotated[float, Meta(gt=0, le=3650)] = 30.0
    rate_bit_s: Annotated[float, Meta(gt=0, le=1e9)] = 10_000.0
    parameter: ParameterName | None = None
    value: float | bool | Annotated[str, Meta(max_length=256)] | None = None
    alarms: tuple[AlarmName, ...] = ()
    within_s: Annotated[float, Meta(gt=0, le=600)] | None = None

    @property
    def end_s(self) -> float:
        """Say when it is over."""
        return self.at_s + self.for_s

    @property
    def told_by_s(self) -> float:
        """Say until when its alarms must have appeared."""
        return self.at_s + (self.within_s if self.within_s is not None else self.for_s + 10.0)


class Scene(Protocol):
    """What a fault can lay its hands on while a scenario is played."""

    def scene_s(self, played_s: float) -> float:
        """Turn a time of the play into one of the scene's clock, which the hardware runs by."""

    def until(self, played_s: float) -> Awaitable[None]:
        """Wait until a time of the play."""

    def sdr(self, name: str) -> RtlTcpServer:
        """Return an SDR's server."""

    def air(self, name: str) -> Air:
        """Return the air that an SDR hears."""

    def center_hz(self, name: str) -> float:
        """Return where an SDR is advised to be tuned."""

    def noise_power(self, name: str) -> float:
        """Return the noise in an SDR's whole band, full scale 1."""

    def line(self, name: str) -> SerialLine:
        """Return a TNC's line."""

    def models(self, satellite: str) -> Sequence[SatelliteModel]:
        """Return what a satellite's transmitters send, one of each."""

    def impersonate(self, satellite: str, impostor: Impostor) -> AbstractAsyncContextManager[None]:
        """Let somebody else transmit in a satellite's place, until the context ends."""

    @property
    def surroundings(self) -> Surroundings:
        """Return what the agent stands on."""


Happening: TypeAlias = Callable[[Scene, Fault], AbstractAsyncContextManager[None]]
"""What a fault does: entered when it begins, left when it is over."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault: to what it happens, what it does in a sentence, and how.

    ``recovery_s`` is for how long after its end frames may still be lost. ``loses`` says that frames sent while it
    lasts may be lost, ``spoils`` that what is received then may be what the satellite never sent.
    """

    victim: Victim
    about: str
    happen: Happening
    recovery_s: float = 1.0
    loses: bool = True
    spoils: bool = False


@contextmanager
def for_a_while(begin: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
    """Do one thing now and another at the end, whatever happens between."""
    begin()
    try:
        yield
    finally:
        end()
