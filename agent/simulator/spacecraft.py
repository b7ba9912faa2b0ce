"""A spacecraft's body: light on its panels, charge in its battery, heat, its mode, and when it began anew.

Kept as few numbers that change by first-order laws, integrated forward from frame to frame; whether the Sun shines
is asked of whoever knows the orbit. A battery below ``safe_below`` puts the spacecraft into safe mode, which draws
less, until ``nominal_above``; ``resets_s`` begin uptime and frame count anew. Parameters take what they need of it
with curves of kind ``state``. Pure; knows no orbit, no packet and no clock.

The laws: battery voltage between ``empty_v`` and ``full_v`` by charge, less the drop in its resistance;
temperatures towards a hot value in light and a cold one in shadow, each with its time constant.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, field

from agent.definitions import Definition, ParameterName, Positive
from agent.records import EngineeringValue, UtcNs

MAX_STEP_S: Final = 30.0
MAX_STEPS: Final = 2880
"""A day between two frames is integrated; what is longer begins a day before."""

Sunlight: TypeAlias = Callable[[UtcNs], float]
"""How much of the Sun shines at a time, from 0 (umbra) to 1."""

Share = Annotated[float, Meta(ge=0, le=1)]
Temperature = Annotated[float, Meta(ge=-273, le=500)]

Quantity: TypeAlias = Literal[
    "battery_voltage_v",
    "battery_current_a",
    "battery_charge",
    "battery_temperature_degc",
    "solar_power_w",
    "load_power_w",
    "panel_temperature_degc",
    "body_temperature_degc",
    "eclipse",
    "mode",
    "uptime_s",
    "resets",
    "frames_since_reset",
]


class Spacecraft(Definition, frozen=True, kw_only=True):
    """The constants of a body; as they are, those of a cubesat of two units.

    ``charge`` is the battery's at the beginning, ``uptime_s`` what the on-board computer had been up for then.
    """

    panel_w: Annotated[float, Meta(ge=0)] = 8.0
    load_w: Annotated[float, Meta(ge=0)] = 3.5
    safe_load_w: Annotated[float, Meta(ge=0)] = 1.5
    battery_wh: Positive = 38.0
    empty_v: Positive = 6.2
    full_v: Positive = 8.3
    resistance_ohm: Annotated[float, Meta(ge=0)] = 0.15
    charge: Share = 0.8
    safe_below: Share = 0.25
    nominal_above: Share = 0.45
    panel_hot_degc: Temperature = 55.0
    panel_cold_degc: Temperature = -35.0
    panel_constant_s: Positive = 420.0
    body_hot_degc: Temperature = 26.0
    body_cold_degc: Temperature = 2.0
    body_constant_s: Positive = 2700.0
    uptime_s: Annotated[float, Meta(ge=0)] = 86_400.0
    resets_s: Annotated[tuple[Annotated[float, Meta(ge=0, le=1e9)], ...], Meta(max_length=1000)] = ()


class State(Definition, frozen=True, kw_only=True, tag="state", tag_field="kind"):
    """A parameter that says something of the spacecraft's body: ``offset + scale * quantity``, or a mode's label.

    ``labels`` are the packet's words for ``nominal`` and ``safe``.
    """

    parameter: ParameterName
    of: Quantity
    scale: float = 1.0
    offset: float = 0.0
    jitter: Annotated[float, Meta(ge=0)] = 0.0
    labels: dict[Literal["nominal", "safe"], str] = field(default_factory=dict)


@dataclass(slots=True)
class Body:
    """A spacecraft as it is at ``at_s``; ``follow`` brings it to a later time."""

    table: Spacecraft
    at_s: float = 0.0
    charge: float = 0.0
    panel_degc: float = 0.0
    body_degc: float = 0.0
    light: float = 1.0
    safe: bool = False
    resets: int = 0
    reset_at_s: float = 0.0
    frames_at_reset: int = 0

    @classmethod
    def beginning(cls, table: Spacecraft) -> Body:
        """Return the body at the beginning of the scene, in the light for long."""
        body = cls(table, charge=table.charge, panel_degc=table.panel_hot_degc, body_degc=table.body_hot_degc)
        body.reset_at_s = -table.uptime_s
        return body

    def follow(self, t_s: float, utc_ns: UtcNs, frames: int, sunlight: Sunlight) -> None:
        """Integrate to a time, which ``utc_ns`` says in UTC; an earlier one changes nothing."""
        span_s = min(t_s - self.at_s, MAX_STEP_S * MAX_STEPS)
        steps = max(1, math.ceil(span_s / MAX_STEP_S))
        for step in range(1, steps + 1) if span_s > 0 else ():
            self.light = sunlight(utc_ns - round((1 - step / steps) * span_s * 1e9))
            self._step(span_s / steps)
        self.at_s = max(self.at_s, t_s)
        due = sum(reset_s <= t_s for reset_s in self.table.resets_s)
        if due > self.resets:
            self.resets = due
            self.reset_at_s = max(reset_s for reset_s in self.table.resets_s if reset_s <= t_s)
            self.frames_at_reset = frames

    def _step(self, step_s: float) -> None:
        table = self.table
        watt_s = (self.solar_w - self.load_w) * step_s
        self.charge = min(1.0, max(0.0, self.charge + watt_s / (3600 * table.battery_wh)))
        if self.charge < table.safe_below:
            self.safe = True
        elif self.charge > table.nominal_above:
            self.safe = False
        self.panel_degc = self._towards(
            self.panel_degc, table.panel_cold_degc, table.panel_hot_degc, step_s / table.panel_constant_s
        )
        self.body_degc = self._towards(
            self.body_degc, table.body_cold_degc, table.body_hot_degc, step_s / table.body_constant_s
        )

    def _towards(self, now: float, cold: float, hot: float, part: float) -> float:
        return now + (cold + self.light * (hot - cold) - now) * (1 - math.exp(-part))

    @property
    def solar_w(self) -> float:
        """Return what the panels give."""
        return self.table.panel_w * self.light

    @property
    def load_w(self) -> float:
        """Return what is drawn."""
        return self.table.safe_load_w if self.safe else self.table.load_w

    def _battery(self) -> tuple[float, float]:
        """Return voltage and current (positive while it is charged)."""
        table = self.table
        rest_v = table.empty_v + self.charge * (table.full_v - table.empty_v)
        surplus_w = self.solar_w - self.load_w
        if self.charge >= 1.0 and surplus_w > 0:
            surplus_w = 0.0  # the charger holds it
        current_a = surplus_w / rest_v
        return rest_v + current_a * table.resistance_ohm, current_a

    def quantity(self, of: Quantity, frames: int) -> EngineeringValue:
        """Return one quantity, ``frames`` having been sent before."""
        voltage_v, current_a = self._battery()
        said: dict[Quantity, EngineeringValue] = {
            "battery_voltage_v": voltage_v,
            "battery_current_a": current_a,
            "battery_charge": self.charge,
            "battery_temperature_degc": self.body_degc + 2.0 * abs(current_a),
            "solar_power_w": self.solar_w,
            "load_power_w": self.load_w,
            "panel_temperature_degc": self.panel_degc,
            "body_temperature_degc": self.body_degc,
            "eclipse": self.light < 0.5,
            "mode": "safe" if self.safe else "nominal",
            "uptime_s": int(self.at_s - self.reset_at_s),
            "resets": self.resets,
            "frames_since_reset": frames - self.frames_at_reset,
        }
        return said[of]


def state_value(curve: State, body: Body, frames: int, chance: random.Random) -> EngineeringValue:
    """Return what a parameter says of a body."""
    value = body.quantity(curve.of, frames)
    if isinstance(value, str):
        return curve.labels.get("safe" if value == "safe" else "nominal", value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    shaken = chance.uniform(-curve.jitter, curve.jitter) if curve.jitter else 0.0
    if isinstance(value, int) and curve.scale == 1.0 and not curve.offset and not shaken:
        return value
    return curve.offset + curve.scale * value + shaken
