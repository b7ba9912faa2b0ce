"""Made-up satellites for the dashboard's tests: names, parameters, limits, orbits. Knows no MQTT."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np

from agent.definitions import Downlink, Limits, Packet, Parameter, ProtocolChoice, Range, Satellite
from agent.records import Alarm, ConcernLevel
from tests.dashboard import sky

STATION = "daejeon"
PLACE = (36.37, 127.36)
NAMES = (
    "hanbit-1", "hanbit-2", "mugunghwa", "narae-a", "narae-b", "dasol", "byeolnim", "cheoma", "garam", "haneul",
    "iseul", "jangmi", "kkachi", "miru", "onnuri", "saebyeok",
)  # fmt: skip
UP_NOW = ("hanbit-1", "kkachi", "cheoma")
"""Whatever the time, these stand above the station's horizon when a fleet begins."""

KINDS = (
    ("battery_voltage", "V", 7.4, 0.25, Limits(warning=Range(min=6.8, max=8.4), critical=Range(min=6.4, max=8.6))),
    ("battery_temperature", "°C", 17.0, 6.0, Limits(warning=Range(min=0, max=40), critical=Range(min=-10, max=45))),
    ("panel_current", "mA", 420.0, 380.0, None),
    ("rate_x", "°/s", 0.4, 0.3, Limits(watch=Range(min=-2, max=2), warning=Range(min=-5, max=5))),
    ("board_temperature", "°C", 24.0, 4.0, Limits(warning=Range(min=-20, max=60))),
    ("bus_current", "mA", 210.0, 40.0, Limits(watch=Range(max=400), critical=Range(max=600))),
    ("signal_level", "dBm", -96.0, 3.0, None),
    ("reset_count", "", 17.0, 0.0, None),
)


@dataclass
class Craft:
    """One simulated satellite."""

    slug: str
    definition: Satellite
    circle: sky.Circle
    phase: float
    offsets: dict[str, tuple[int, float]] = field(default_factory=dict)
    frames: int = 0
    last_ns: int | None = None
    level: ConcernLevel = "normal"
    alarms: dict[str, Alarm] = field(default_factory=dict)
    silent: bool = False

    @property
    def parameters(self) -> Sequence[Parameter]:
        return self.definition.packets[0].parameters


def make_craft(number: int, parameters: int, rng: random.Random) -> Craft:
    """Make one satellite with so many parameters."""
    slug = NAMES[number] if number < len(NAMES) else f"sat-{number:03d}"
    kinds = cycle(KINDS)
    fields = []
    for index in range(parameters):
        name, unit, *_, limits = next(kinds)
        suffix = "" if index < len(KINDS) else f"_{index // len(KINDS) + 1}"
        fields.append(Parameter(name=f"{name}{suffix}", type="f32", unit=unit, limits=limits, headline=index < 2))
    definition = Satellite(
        name=slug.upper().replace("-", " "),
        norad=60000 + number,
        operator="made for a test",
        simulated=True,
        downlinks=(
            Downlink(
                name="9k6-fsk", frequency_hz=437.1e6 + number * 25e3, modulation="fsk", baudrate_bd=9600,
                framing=ProtocolChoice(protocol="ax25"),
            ),
        ),
        packets=(Packet(name="beacon", parameters=tuple(fields), expected_every_s=10.0),),
    )  # fmt: skip
    circle = make_circle(rng)
    while slug in UP_NOW and not 10 < elevation_now_deg(circle) < 60:
        circle = make_circle(rng)
    return Craft(slug, definition, circle, rng.uniform(0, 6.28))


def make_circle(rng: random.Random) -> sky.Circle:
    """Make a low orbit."""
    return sky.Circle(
        altitude_km=rng.uniform(450, 650),
        inclination_deg=rng.choice([51.6, 97.5, 97.8]),
        node_deg=rng.uniform(0, 360),
        phase_deg=rng.uniform(0, 360),
    )


def elevation_now_deg(circle: sky.Circle) -> float:
    """Elevation over the station now, the lower of now and in a minute."""
    now_s = time.time()
    return float(min(sky.look(circle, *PLACE, np.array([now_s, now_s + 60])).elevation_deg))
