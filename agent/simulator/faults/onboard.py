"""Faults on board: a parameter that leaves its course, a transmitter that falls silent, a reset.

Changes what the satellite's model sends and nothing on the way to the ground: whoever receives it must find these
by the values alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TypeAlias

from agent.errors import AgentError
from agent.health.resets import boot_counters, uptimes
from agent.records import EngineeringValue
from agent.simulator.fault import Fault, Happening, Kind, Scene
from agent.simulator.satellite_model import SatelliteModel

Course: TypeAlias = Callable[[float, EngineeringValue], EngineeringValue]
"""Seconds since the fault began, and what the parameter would be → what it is."""


def _of_parameter(course_of: Callable[[Fault], Course]) -> Happening:
    @asynccontextmanager
    async def happen(scene: Scene, fault: Fault) -> AsyncIterator[None]:
        models = [one for one in scene.models(fault.target or "") if fault.parameter in one.parameters]
        if not models or fault.parameter is None:
            raise AgentError(f"{fault.kind}: {fault.target} sends no parameter {fault.parameter!r}")
        name = fault.parameter
        for model in models:
            model.courses[name] = _from(fault.at_s, course_of(fault))
        try:
            yield
        finally:
            for model in models:
                model.courses.pop(name, None)

    return happen


def _from(at_s: float, course: Course) -> Course:
    return lambda t_s, value: course(t_s - at_s, value)


def _set(fault: Fault) -> Course:
    return lambda _, __: fault.value


def _stuck(_: Fault) -> Course:
    held: list[EngineeringValue] = []

    def course(_: float, value: EngineeringValue) -> EngineeringValue:
        held.append(value)
        return held[0]

    return course


def _drifting(fault: Fault) -> Course:
    per_s = fault.value if isinstance(fault.value, int | float) else 0.0
    return lambda t_s, value: value + per_s * max(t_s, 0.0) if isinstance(value, int | float) else value


def _noisy(fault: Fault) -> Course:
    chance, sigma = Random(1), fault.value if isinstance(fault.value, int | float) else 0.0
    return lambda _, value: value + chance.gauss(0.0, sigma) if isinstance(value, int | float) else value


@asynccontextmanager
async def _silent(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    models = scene.models(fault.target or "")
    for model in models:
        model.silent = True
    try:
        yield
    finally:
        for model in models:
            model.silent = False


@asynccontextmanager
async def _reset(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    """Be silent while it starts; what counts its uptime and its boots is another from then on."""
    models = scene.models(fault.target or "")
    for model in models:
        _reset_counters(model, fault.at_s)
    async with _silent(scene, fault):
        yield


def _reset_counters(model: SatelliteModel, at_s: float) -> None:
    for name in uptimes(model.satellite):
        model.courses[name] = lambda t_s, _: max(0, int(t_s - at_s))
    for name in boot_counters(model.satellite):
        before = model.courses.get(name)

        def counted(t_s: float, value: EngineeringValue, before: Course | None = before) -> EngineeringValue:
            value = value if before is None else before(t_s, value)
            return (value + 1) % 256 if isinstance(value, int) else value

        model.courses[name] = counted


KINDS = {
    "parameter_set": Kind("satellite", "`parameter` has the value `value`", _of_parameter(_set), loses=False),
    "parameter_stuck": Kind(
        "satellite", "`parameter` keeps the value that it has", _of_parameter(_stuck), loses=False
    ),
    "parameter_drift": Kind(
        "satellite", "`parameter` leaves its course by `value` a second", _of_parameter(_drifting), loses=False
    ),
    "parameter_noise": Kind(
        "satellite", "`parameter` has noise of the deviation `value`", _of_parameter(_noisy), loses=False
    ),
    "satellite_silent": Kind("satellite", "its transmitters send nothing", _silent, loses=False),
    "onboard_reset": Kind(
        "satellite", "silence while it starts, then its uptime and boot counter begin anew", _reset, loses=False
    ),
}
