"""Faults of the orbital elements: too old, gone, or another object's.

One that is there from the beginning (``at_s = 0``) is done before the agent starts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agent.simulator.fault import Fault, Happening, Kind, Scene
from agent.simulator.surroundings import ElementFile


def _changed(change: Callable[[ElementFile, Fault], None]) -> Happening:
    @asynccontextmanager
    async def happen(scene: Scene, fault: Fault) -> AsyncIterator[None]:
        file = scene.surroundings.elements
        change(file, fault)
        try:
            yield
        finally:
            file.restore()

    return happen


KINDS = {
    "elements_old": Kind(
        "elements",
        "the set is the satellite's, but age_d days old",
        _changed(lambda file, fault: file.age(fault.age_d)),
        loses=False,
    ),
    "elements_missing": Kind(
        "elements", "the file is not there", _changed(lambda file, _: file.remove()), loses=False
    ),
    "elements_wrong": Kind(
        "elements",
        "the file holds another object's set under the satellite's number",
        _changed(lambda file, _: file.confuse()),
        loses=False,
    ),
}
