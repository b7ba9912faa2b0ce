"""A simulated satellite: its parameters over time, and the frames its own satellite file makes of them.

Starts from the file's ``[[example]]`` (a real frame where there is one): what no curve moves stays as it was
there, the headers of the outer protocols too. Knows no clock: the time is an argument, in seconds since the
scene began.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from agent.definitions import Definition, Downlink, ParameterName, Positive, Satellite, named_values
from agent.errors import ConfigError, DecodeError
from agent.records import EngineeringValue, UtcNs
from agent.simulator.layers import CannotEnclose, Layers
from agent.simulator.spacecraft import Body, Spacecraft, State, Sunlight, state_value
from agent.telemetry.decoder import Decoder
from agent.telemetry.onboard_time import format_utc, parse_utc
from firmware_protocols import interface

CHECK_UTC_NS: Final = 1_767_225_600 * 10**9
"""2026-01-01: a time that every on-board clock of today can say."""

Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=1e9)]


class Points(Definition, frozen=True, kw_only=True, tag="points", tag_field="kind"):
    """Straight lines through ``[time, value]``; with ``repeat_s`` they begin again."""

    parameter: ParameterName
    points: Annotated[tuple[tuple[Seconds, float], ...], Meta(min_length=1, max_length=10_000)]
    repeat_s: Positive | None = None
    jitter: Annotated[float, Meta(ge=0)] = 0.0


class Sine(Definition, frozen=True, kw_only=True, tag="sine", tag_field="kind"):
    """A swing about a mean: ``mean + amplitude * sin(2 pi t / period_s)``."""

    parameter: ParameterName
    mean: float
    amplitude: float
    period_s: Positive
    jitter: Annotated[float, Meta(ge=0)] = 0.0


class Count(Definition, frozen=True, kw_only=True, tag="count", tag_field="kind"):
    """A counter: ``start + step`` for each frame, from zero again at ``modulo``."""

    parameter: ParameterName
    start: int = 0
    step: int = 1
    modulo: Annotated[int, Meta(ge=1)] = 65_536


class Ramp(Definition, frozen=True, kw_only=True, tag="ramp", tag_field="kind"):
    """A value that grows evenly: ``start + per_s * t``."""

    parameter: ParameterName
    start: float = 0.0
    per_s: float = 1.0


class Steps(Definition, frozen=True, kw_only=True, tag="steps", tag_field="kind"):
    """Values or labels that hold from a time on: ``[time, value]`` in order."""

    parameter: ParameterName
    steps: Annotated[tuple[tuple[Seconds, str | bool | int | float], ...], Meta(min_length=1, max_length=10_000)]
    repeat_s: Positive | None = None


class Clock(Definition, frozen=True, kw_only=True, tag="clock", tag_field="kind"):
    """The on-board clock, for a parameter with a ``time`` calibration; ``offset_s`` and ``drift_ppm`` off.

    One that is too short for its age shows what is left of the time since ``epoch`` after turns of ``turn_s``.
    """

    parameter: ParameterName
    offset_s: float = 0.0
    drift_ppm: float = 0.0
    epoch: str = "1970-01-01T00:00:00Z"
    turn_s: Positive | None = None

    def __post_init__(self) -> None:
        try:
            parse_utc(self.epoch)
        except ConfigError as exc:
            raise ValueError(exc.what) from exc


Curve: TypeAlias = Points | Sine | Count | Ramp | Steps | Clock | State


class Moment(NamedTuple):
    """When a frame is made: seconds of the scene, UTC, and how many frames were made before."""

    t_s: float
    utc_ns: UtcNs
    frames: int = 0


def value_of(curve: Curve, moment: Moment, chance: random.Random, body: Body) -> EngineeringValue:
    """Return what a curve says at a moment, of a ``body`` that has been followed to it."""
    t_s = moment.t_s
    match curve:
        case State():
            return state_value(curve, body, moment.frames, chance)
        case Count():
            return (curve.start + curve.step * moment.frames) % curve.modulo
        case Clock():
            error_s = curve.offset_s + curve.drift_ppm * 1e-6 * t_s
            shown_utc_ns = moment.utc_ns + round(error_s * 1e9)
            if curve.turn_s is not None:
                epoch_utc_ns = parse_utc(curve.epoch)
                shown_utc_ns = epoch_utc_ns + (shown_utc_ns - epoch_utc_ns) % round(curve.turn_s * 1e9)
            return format_utc(shown_utc_ns)
        case Ramp():
            return curve.start + curve.per_s * t_s
        case Steps():
            t_s = t_s % curve.repeat_s if curve.repeat_s else t_s
            begun = [value for since_s, value in curve.steps if since_s <= t_s]
            return begun[-1] if begun else curve.steps[0][1]
        case Sine():
            value = curve.mean + curve.amplitude * math.sin(2 * math.pi * t_s / curve.period_s)
        case Points():
            t_s = t_s % curve.repeat_s if curve.repeat_s else t_s
            times, values = zip(*curve.points, strict=True)
            value = float(np.interp(t_s, times, values))
    return value + chance.uniform(-curve.jitter, curve.jitter)


class SatelliteModel:
    """One satellite's transmitter: frames of one packet over one downlink.

    Raises ``ConfigError`` (with the place ``where``) for a downlink, packet or parameter that is not there, and
    for a framing that only receives.
    """

    def __init__(
        self,
        satellite: Satellite,
        downlink: Downlink,
        packet: str,
        curves: Sequence[Curve],
        *,
        spacecraft: Spacecraft | None = None,
        where: str = "",
        seed: int = 0,
    ) -> None:
        self.satellite = satellite
        self.downlink = downlink
        self.packet = packet
        self.frames = 0
        self.silent = False
        self.courses: dict[str, Callable[[float, EngineeringValue], EngineeringValue]] = {}
        """What a parameter is instead of what its curve says, by the time and that."""
        self._curves = tuple(curves)
        self._chance = random.Random(seed)
        self.sunlight: Sunlight = _always_lit
        """Who knows how much of the Sun shines on it."""
        self._body = Body.beginning(spacecraft or Spacecraft())
        self._decoder = Decoder(satellite)
        if packet not in self._decoder.packets:
            raise ConfigError(
                f"{satellite.name} has no packet {packet!r}", where=where, mend=", ".join(self._decoder.packets)
            )
        self._layers, self._base = self._example(packet, where)
        for index, curve in enumerate(self._curves):
            try:
                for t_s in _telling_times(curve):
                    value = value_of(curve, Moment(t_s, CHECK_UTC_NS), random.Random(0), self._body)
                    self._decoder.encode(packet, {curve.parameter: value})
            except ConfigError as exc:
                raise ConfigError(exc.what, where=f"{where}.curve[{index}]", mend=exc.mend) from exc

    def _example(self, packet: str, where: str) -> tuple[Layers, dict[str, EngineeringValue]]:
        """Take the example apart: what stands around the packet, and the values in it that can be sent again."""
        for example in self.satellite.examples:
            if example.packet != packet:
                continue
            layers = Layers(self.downlink, bytes.fromhex(example.frame))
            if layers.innermost is None:
                continue
            try:
                report = self._decoder.decode(self.downlink.name, layers.innermost, 0)
                layers.enclose(layers.innermost.data, 0)
            except (DecodeError, CannotEnclose):
                continue
            values = {value.name: value.value for value in report.values}
            return layers, {name: value for name, value in values.items() if self._can_be_sent(packet, name, value)}
        layers = Layers(self.downlink)
        try:
            layers.enclose(self._decoder.encode(packet, {}), 0)
        except CannotEnclose as exc:
            raise ConfigError(str(exc), where=where) from exc
        return layers, {}

    def _can_be_sent(self, packet: str, name: str, value: EngineeringValue) -> bool:
        try:
            self._decoder.encode(packet, {name: value})
        except ConfigError:
            return False  # derived, or a label that stands for several raw values
        return True

    def values(self, t_s: float, utc_ns: UtcNs) -> dict[str, EngineeringValue]:
        """Return every parameter as it is at a time."""
        moment = Moment(t_s, utc_ns, self.frames)
        self._body.follow(t_s, utc_ns, self.frames, self.sunlight)
        values = self._base | {
            curve.parameter: value_of(curve, moment, self._chance, self._body) for curve in self._curves
        }
        for name, course in self.courses.items():
            value = course(t_s, values.get(name))
            # A sensor at its stop says what it said: what the packet cannot say is not sent.
            if self._can_be_sent(self.packet, name, value):
                values[name] = value
        return values

    @property
    def parameters(self) -> frozenset[str]:
        """The parameters that it sends."""
        return frozenset(name for name, _, _ in named_values(self._decoder.packets[self.packet].packet))

    def frame(self, t_s: float, utc_ns: UtcNs) -> bytes:
        """Build the next frame, as a KISS client would get it."""
        packet = self._decoder.encode(self.packet, self.values(t_s, utc_ns))
        frame = self._layers.enclose(packet, self.frames)
        self.frames += 1
        return frame


def _always_lit(_: UtcNs) -> float:
    return 1.0


def _telling_times(curve: Curve) -> tuple[float, ...]:
    """Return the times at which a curve says its extremes: what fits there fits always."""
    match curve:
        case Points():
            return tuple(t_s for t_s, _ in curve.points)
        case Steps():
            return tuple(t_s for t_s, _ in curve.steps)
        case Sine():
            return curve.period_s / 4, 3 * curve.period_s / 4
        case _:
            return (0.0,)


class CannotTransmit(ValueError):
    """A protocol that only receives."""


def channel_bits(protocol: str, options: Mapping[str, Any], frame: bytes) -> NDArray[np.uint8]:
    """Frame octets for the channel by the protocol's own rules: 0 and 1; raises ``CannotTransmit``."""
    module = interface.load(protocol)
    encode = getattr(module, "encode", None)
    if encode is None or module.INPUT != "symbols":
        raise CannotTransmit(f"{protocol} does not say how a frame becomes channel bits")
    try:
        bits: NDArray[np.uint8] = encode(frame, interface.convert_options(module, options))
    except interface.BadOptions:
        raise
    except ValueError as exc:
        raise CannotTransmit(f"{protocol} takes no frame of {len(frame)} octets: {exc}") from exc
    return bits


def line_octets(protocol: str, options: Mapping[str, Any], frame: bytes) -> bytes:
    """Frame octets for a serial line or socket; raises ``CannotTransmit``."""
    module = interface.load(protocol)
    encode = getattr(module, "encode", None)
    if encode is None or module.INPUT != "octets":
        raise CannotTransmit(f"{protocol} does not say how a frame becomes octets on a line")
    octets: bytes = encode(frame, interface.convert_options(module, options))
    return octets


__all__: Final = [
    "CannotTransmit",
    "Clock",
    "Count",
    "Curve",
    "Moment",
    "Points",
    "Ramp",
    "SatelliteModel",
    "Sine",
    "State",
    "Steps",
    "channel_bits",
    "line_octets",
    "value_of",
]
