"""A satellite's schema as an MQTT message: what its payloads hold, in which units, with which limits and labels.

Pure. The "birth" of a satellite's topics, made from its file alone; the one payload that is not flat.
"""

from __future__ import annotations

from typing import Any

import msgspec

from agent.definitions import Parameter, Satellite
from agent.sinks.payloads import Json, Message, level, parameter_key, present


def schema_message(name: str, satellite: Satellite) -> Message:
    """Make a satellite's schema: what its packets hold, units, limits, labels, when they are stale, its marking.

    ``name`` is the satellite file's name. This is the one payload that is not flat.
    """
    packets = {
        packet.name: present(
            description=packet.description or None,
            stale_after_s=3.0 * packet.expected_every_s if packet.expected_every_s is not None else None,
            parameters={
                parameter_key(parameter.name, parameter.unit): _parameter(parameter)
                for parameter in packet.parameters
            }
            | {
                parameter_key(derived.name, derived.unit): present(
                    name=derived.name, unit=derived.unit or None, description=derived.description or None,
                    headline=derived.headline or None, limits=_limits(derived.limits),
                )
                for derived in packet.derived
            },
        )
        for packet in satellite.packets
    }  # fmt: skip
    described = present(
        satellite=name,
        name=satellite.name,
        norad=satellite.norad,
        operator=satellite.operator or None,
        simulated=satellite.simulated or None,
        marking=satellite.marking,
        downlinks={
            downlink.name: {
                "frequency_hz": downlink.frequency_hz,
                "modulation": downlink.modulation,
                "baudrate_bd": downlink.baudrate_bd,
            }
            for downlink in satellite.downlinks
        },
        packets=packets,
    )
    return Message(f"sat/{level(name)}/schema", msgspec.json.encode(described), retain=True)


def _parameter(parameter: Parameter) -> Json:
    described = present(
        name=parameter.name,
        unit=parameter.unit or None,
        description=parameter.description or None,
        headline=parameter.headline or None,
        limits=_limits(parameter.limits),
    )
    if parameter.calibration is not None and (labels := getattr(parameter.calibration, "labels", None)):
        described["labels"] = labels
    if parameter.count is not None:
        described["count"] = parameter.count
    if parameter.elements:
        described["elements"] = list(parameter.elements)
    if parameter.parameters:
        described["parameters"] = {
            parameter_key(inner.name, inner.unit): _parameter(inner) for inner in parameter.parameters
        }
    return described


def _limits(limits: msgspec.Struct | None) -> Json | None:
    """Say a rule as its file does, defaults left out."""
    if limits is None:
        return None
    told = msgspec.to_builtins(limits)
    defaults = msgspec.to_builtins(type(limits)())
    return {key: _slim(value) for key, value in told.items() if value != defaults.get(key)}


def _slim(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _slim(inner) for key, inner in value.items() if inner is not None and inner is not False}
    return value
