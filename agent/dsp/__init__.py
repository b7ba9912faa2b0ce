"""Modems: samples in, soft symbols out, one modulation per file.

The ``modulation`` of a downlink is the name of a module in ``modulations/``; the modules beside that folder are
what modems are made of. Nothing is registered, and importing this package loads neither NumPy nor Numba.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from agent.stages import Demodulator

_MODULATIONS = "agent.dsp.modulations"

LOWEST_SAMPLES_PER_SYMBOL = 2.0


class UnknownModulation(LookupError):
    """No modulation of this name; ``known`` lists those there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        self.name = name
        self.known = known
        super().__init__(f"no modulation is called {name!r}")


class BadOptions(ValueError):
    """Options, a baud rate or a sample rate that a modulation does not take; ``str()`` names the field."""


def modulation_names() -> tuple[str, ...]:
    """List the modulations by their files, none of which is loaded."""
    folder = importlib.import_module(_MODULATIONS)
    return tuple(sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.ispkg))


def load(name: str) -> ModuleType:
    """Import a modulation's module by its name; raises ``UnknownModulation``."""
    known = modulation_names()
    if name not in known:
        raise UnknownModulation(name, known)
    return importlib.import_module(f"{_MODULATIONS}.{name}")


def convert_options(module: ModuleType, options: Mapping[str, Any]) -> Any:
    """Turn a table into the module's ``Options``; raises ``BadOptions`` naming the field."""
    try:
        return msgspec.convert(dict(options), module.Options, strict=True)
    except msgspec.ValidationError as exc:
        raise BadOptions(str(exc)) from exc


def make_demodulator(
    modulation: str,
    baudrate_bd: float,
    options: Mapping[str, Any],
    signal: Literal["iq", "audio"],
    sample_rate_hz: float,
) -> Demodulator:
    """Make a demodulator for samples of one kind and rate.

    Raises ``UnknownModulation``, or ``BadOptions`` (a ``ValueError``) naming the field.
    """
    module = load(modulation)
    if not (math.isfinite(baudrate_bd) and 1.0 <= baudrate_bd <= 10e6):
        raise BadOptions(f"baudrate_bd: {baudrate_bd:g} is not between 1 and 10000000")
    if not (math.isfinite(sample_rate_hz) and sample_rate_hz <= 100e6):
        raise BadOptions(f"sample_rate_hz: {sample_rate_hz:g} is not between 1 and 100000000")
    if sample_rate_hz < LOWEST_SAMPLES_PER_SYMBOL * baudrate_bd:
        raise BadOptions(f"sample_rate_hz: {sample_rate_hz:g} is less than twice the {baudrate_bd:g} Bd")
    checked = convert_options(module, options)
    try:
        demodulator: Demodulator = module.Demodulator(baudrate_bd, checked, signal, sample_rate_hz)
    except ValueError as exc:
        raise BadOptions(str(exc)) from exc
    return demodulator


def channel_bandwidth_hz(modulation: str, baudrate_bd: float, options: Mapping[str, Any]) -> float:
    """Tell how wide a channel of IQ must be for a downlink; raises as ``make_demodulator`` does."""
    module = load(modulation)
    width_hz: float = module.channel_bandwidth_hz(baudrate_bd, convert_options(module, options))
    return width_hz
