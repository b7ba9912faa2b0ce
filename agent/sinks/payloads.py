"""Turns records into MQTT messages: topic, JSON octets, QoS, retain.

Pure. Knows the topics and payloads of ``docs/mqtt.md`` and nothing of brokers, connections or when something is
sent. JSON is flat, numbers are numbers, the unit ends the key, ``ts`` is the time of reception in Unix
milliseconds, every payload says its marking. A number that is not finite is null.

Topics are relative: the publisher puts ``<prefix>/<station>/`` before them. Every level passes ``level()``: only
``[a-z0-9_-]``, so that nothing from a file or from the air can leave its place or become a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from agent.records import (
    Alarm,
    EngineeringValue,
    Frame,
    HealthStatus,
    LinkStatus,
    LookAngles,
    ParameterReport,
    Pass,
    PassEvent,
    UtcNs,
)
from agent.sinks.archived import Archivable

ACTIVE_ALARM_STATES: Final = frozenset({"triggered", "acknowledged", "returned_to_normal", "shelved"})
"""While an alarm is in one of these it is retained on its topic; ``pending`` is not yet an alarm."""

DELIVERY_TO_BROKER: Final = "at_least_once_to_broker"
DELIVERY_TO_CONSUMERS: Final = "at_least_once_to_consumers"

_RESERVED: Final = frozenset(
    {"ts", "generated_ts", "satellite", "norad", "packet", "downlink", "marking", "archive", "seq", "prev", "boot"}
)

_UNIT_SUFFIXES: Final = {
    "degC": "deg_c", "°C": "deg_c", "degF": "deg_f", "°F": "deg_f", "%": "percent", "mHz": "millihz", "MW": "megaw",
    "Ω": "ohm", "°": "deg", "°/s": "deg_s",
}  # fmt: skip
"""What the general rule (lower case, ``_`` between letters and digits) would make unreadable or ambiguous."""

_encode = msgspec.json.Encoder().encode

Json: TypeAlias = "dict[str, Any]"
StateRecord: TypeAlias = "HealthStatus | LinkStatus | LookAngles"


class Message(NamedTuple):
    """One MQTT message; ``topic`` is relative to ``<prefix>/<station>/``."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where an archived record stands: the identity of its message, the same at every resend.

    ``prev`` is the number of the record sent to this destination before it: who has everything through ``prev``
    misses nothing before ``seq``. It is absent where a newest value overtakes a backlog.
    """

    archive: str
    seq: int
    prev: int | None
    boot: str


@lru_cache(maxsize=4096)
def level(text: str, limit: int = 32) -> str:
    """Make one topic level of a name; what is not allowed becomes ``_``, an empty name ``unknown``."""
    return re.sub(r"[^a-z0-9_-]", "_", text.lower())[:limit] or "unknown"


def unit_suffix(unit: str) -> str:
    """Return what a unit adds to a key: ``V`` → ``v``, ``degC`` → ``deg_c``, ``km/s`` → ``km_s``."""
    if unit in _UNIT_SUFFIXES:
        return _UNIT_SUFFIXES[unit]
    plain = unit.replace("µ", "u").replace("μ", "u").replace("²", "2").replace("³", "3").replace("°", "deg")
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")


@lru_cache(maxsize=8192)
def parameter_key(name: str, unit: str) -> str:
    """Return a parameter's key: its name with the unit's suffix, unless it ends so already."""
    suffix = unit_suffix(unit)
    key = name if not suffix or name == suffix or name.endswith(f"_{suffix}") else f"{name}_{suffix}"
    return f"p_{key}" if key in _RESERVED else key


# -- history: what the archive holds ---------------------------------------------------------------------------


def archived_messages(record: Archivable, envelope: Envelope | None, *, newest: bool) -> list[Message]:
    """Make the messages of an archived record.

    ``newest`` says that nothing newer was kept for the same topic: only then may it become the retained value. An
    ``envelope`` of ``None`` stands for a record the archive could not keep.
    """
    match record:
        case Frame():
            return [Message(f"{_satellite(record.satellite)}/frame", _encode(_frame(record) | _place(envelope)))]
        case ParameterReport():
            topic = f"{_satellite(record.satellite)}/tm/{level(record.packet)}"
            return [Message(topic, _encode(_report(record, envelope)), retain=newest)]
        case Alarm():
            topic = alarm_topic(record.satellite, record.parameter)
            active = record.state in ACTIVE_ALARM_STATES
            messages = [Message(topic, _encode(_alarm(record) | _place(envelope)), retain=newest and active)]
            if newest and not active:
                messages.append(Message(topic, b"", retain=True))
            return messages
        case PassEvent():
            return [Message("pass/event", _encode(_pass_event(record) | _place(envelope)))]


def retained_topic(record: Archivable) -> str | None:
    """Name the topic whose retained value a record changes, or ``None`` when it is an event only."""
    match record:
        case ParameterReport():
            return f"{_satellite(record.satellite)}/tm/{level(record.packet)}"
        case Alarm():
            return alarm_topic(record.satellite, record.parameter)
        case _:
            return None


def alarm_topic(satellite: str, parameter: str) -> str:
    """Name an alarm's topic."""
    return f"alarm/{level(satellite)}/{level(parameter, 64)}"


def _frame(frame: Frame) -> Json:
    link = frame.link_frame
    return present(
        ts=_ms(frame.received_utc_ns),
        satellite=frame.satellite,
        norad=frame.norad,
        downlink=frame.downlink,
        source=frame.source or None,
        hex=link.data.hex(),
        octets=len(link.data),
        check=link.check,
        corrected=link.corrected,
        snr_db=_rounded(frame.snr_db, 2),
        frequency_offset_hz=_rounded(frame.frequency_offset_hz, 1),
        marking=frame.marking,
    )


def _report(report: ParameterReport, envelope: Envelope | None) -> Json:
    described = present(
        ts=_ms(report.received_utc_ns),
        generated_ts=_ms(report.generated_utc_ns),
        satellite=report.satellite,
        norad=report.norad,
        packet=report.packet,
        downlink=report.downlink or None,
        marking=report.marking,
    ) | _place(envelope)
    for value in report.values:
        key = parameter_key(value.name, value.unit)
        described[f"p_{key}" if key in described else key] = _plain(value.value)
    return described


def _alarm(alarm: Alarm) -> Json:
    return present(
        ts=_ms(alarm.as_of_utc_ns),
        satellite=alarm.satellite,
        parameter=alarm.parameter,
        alarm_id=alarm.alarm_id,
        state=alarm.state,
        level=alarm.level,
        triggered_ts=_ms(alarm.triggered_utc_ns),
        unit=alarm.unit or None,
        limit=alarm.limit or None,
        violations=alarm.violations,
        acknowledged_by=alarm.acknowledged_by,
        shelved_by=alarm.shelved_by,
        shelved_until_ts=_ms(alarm.shelved_until_utc_ns),
        marking=alarm.marking,
    ) | {"value": _plain(alarm.value)}


def _pass_event(event: PassEvent) -> Json:
    return {
        "type": event.type,
        "ts": _ms(event.at_utc_ns),
        "satellite": event.satellite,
        "norad": event.norad,
        "elevation_deg": _rounded(event.elevation_deg, 2),
        "azimuth_deg": _rounded(event.azimuth_deg, 2),
        "frames": event.frames,
        "marking": event.marking,
    }


def _place(envelope: Envelope | None) -> Json:
    if envelope is None:
        return {}
    return present(archive=envelope.archive, seq=envelope.seq, prev=envelope.prev, boot=envelope.boot)


# -- state: only the newest counts -----------------------------------------------------------------------------


def state_messages(record: StateRecord) -> list[Message]:
    """Make the messages of a record that is state; all retained."""
    match record:
        case HealthStatus():
            return [Message(f"{_satellite(record.satellite)}/health", _encode(_health(record)), retain=True)]
        case LinkStatus():
            payload = _encode(_link(record))
            topic = f"{_satellite(record.satellite)}/link"
            return [
                Message(topic, payload, retain=True),
                Message(f"{topic}/{level(record.downlink)}", payload, retain=True),
            ]
        case LookAngles():
            return [Message(f"{_satellite(record.satellite)}/orbit", _encode(_orbit(record)), qos=0, retain=True)]


def _health(health: HealthStatus) -> Json:
    out = [item for item in health.parameters if item.level != "normal"]
    return present(
        ts=_ms(health.as_of_utc_ns),
        satellite=health.satellite,
        worst_level=health.worst_level,
        out_of_limits=[item.parameter for item in out],
        levels=[item.level for item in out],
        results=[item.monitoring_result for item in out],
        range_conditions=[item.range_condition for item in out],
        monitored=sum(item.monitoring_result is not None for item in health.parameters),
        stale_packets=list(health.stale_packets),
        last_report_ts=_ms(health.last_report_utc_ns),
        authenticity=health.authenticity,
        authenticity_evidence=list(health.authenticity_evidence),
        identity=health.identity,
        missing=health.missing,
        marking=health.marking,
    )


def _link(link: LinkStatus) -> Json:
    described = present(
        ts=_ms(link.as_of_utc_ns),
        satellite=link.satellite,
        downlink=link.downlink,
        state=link.state,
        frames=link.frames,
        rejected=sum(link.rejected.values()),
        last_frame_ts=_ms(link.last_frame_utc_ns),
        snr_db=_rounded(link.snr_db, 2),
        frequency_offset_hz=_rounded(link.frequency_offset_hz, 1),
        frequency_error_hz=_rounded(link.frequency_error_hz, 1),
        frames_per_min=link.frames_per_min,
        corrected=link.corrected,
        noise_floor_dbfs=_rounded(link.noise_floor_dbfs, 1),
        level_over_noise_db=_rounded(link.level_over_noise_db, 1),
        sync_losses=link.sync_losses,
        expected=link.expected,
        received=link.received,
        missing=sum(link.missing.values()),
        evidence=list(link.evidence),
        marking=link.marking,
    )
    described |= {f"rejected_{level(reason, 48)}": count for reason, count in sorted(link.rejected.items())}
    return described | {f"missing_{level(counter, 48)}": count for counter, count in sorted(link.missing.items())}


def _orbit(look: LookAngles) -> Json:
    described = {
        "ts": _ms(look.at_utc_ns),
        "satellite": look.satellite,
        "norad": look.norad,
        "azimuth_deg": round(look.azimuth_deg, 3),
        "elevation_deg": round(look.elevation_deg, 3),
        "range_km": round(look.range_km, 3),
        "range_rate_km_s": round(look.range_rate_km_s, 6),
        "latitude_deg": round(look.latitude_deg, 4),
        "longitude_deg": round(look.longitude_deg, 4),
        "altitude_km": round(look.altitude_km, 3),
        "element_age_d": round(look.element_age_d, 3),
        "marking": look.marking,
    }
    for index, (downlink, doppler_hz) in enumerate(look.doppler_hz.items()):
        if index == 0:
            described["doppler_hz"] = round(doppler_hz, 1)
        described[f"doppler_{level(downlink)}_hz"] = round(doppler_hz, 1)
    return described


def pass_messages(passes: Iterable[Pass], now_utc_ns: UtcNs) -> list[Message]:
    """Make ``pass/next`` (the pass that ends first of those to come) and ``pass/list`` (all to come, in order)."""
    coming = sorted(
        (item for item in passes if item.los_utc_ns is None or item.los_utc_ns > now_utc_ns),
        key=lambda item: (item.aos_utc_ns or 0, item.tca_utc_ns),
    )
    listed = [pass_object(item) for item in coming]
    following = _encode({"ts": _ms(now_utc_ns)} | listed[0]) if listed else b""
    return [
        Message("pass/next", following, retain=True),
        Message("pass/list", _encode({"ts": _ms(now_utc_ns), "count": len(listed), "passes": listed}), retain=True),
    ]


def pass_object(item: Pass) -> Json:
    """Describe one pass, as ``pass/next`` and ``pass/list`` say it."""
    return present(
        satellite=item.satellite,
        norad=item.norad,
        aos_ts=_ms(item.aos_utc_ns),
        tca_ts=_ms(item.tca_utc_ns),
        los_ts=_ms(item.los_utc_ns),
        max_elevation_deg=_rounded(item.max_elevation_deg, 2),
        aos_azimuth_deg=_rounded(item.aos_azimuth_deg, 1),
        tca_azimuth_deg=_rounded(item.tca_azimuth_deg, 1),
        los_azimuth_deg=_rounded(item.los_azimuth_deg, 1),
        kind=item.kind,
        element_age_d=_rounded(item.element_age_d, 2),
        uncertainty_s=_rounded(item.uncertainty_s, 1),
        marking=item.marking,
    )


# -- the station itself ------------------------------------------------------------------------------------------


def status_message(
    *, online: bool, at_utc_ns: UtcNs, boot: str, version: str, delivery: str, degraded: Sequence[str] = ()
) -> Message:
    """Make the station's status: birth, death and will."""
    described = {
        "online": online,
        "ts": _ms(at_utc_ns),
        "boot": boot,
        "version": version,
        "delivery": delivery,
        "degraded": list(degraded),
        "marking": "U",
    }
    return Message("status", _encode(described), retain=True)


def station_message(values: Mapping[str, int | float | bool | str | None], at_utc_ns: UtcNs) -> Message:
    """Make the station's own telemetry; keys end with their unit, absent values are left out."""
    return Message("station", _encode({"ts": _ms(at_utc_ns), "marking": "U"} | present(**values)), retain=True)


def source_message(source: str, values: Mapping[str, int | float | bool | str | None], at_utc_ns: UtcNs) -> Message:
    """Make the state of one source: ``online``, ``last_ts``, ``rate``, ``dropped``, ``error`` …"""
    described = {"ts": _ms(at_utc_ns), "source": source, "marking": "U"} | present(**values)
    return Message(f"source/{level(source)}", _encode(described), retain=True)


def spectrum_message(
    source: str, line: Sequence[float], center_hz: float, span_hz: float, at_utc_ns: UtcNs
) -> Message:
    """Make one line of a source's waterfall: decibels, lowest frequency first; never retained."""
    described = {
        "ts": _ms(at_utc_ns),
        "source": source,
        "center_frequency_hz": center_hz,
        "span_hz": span_hz,
        "db": list(line),
        "marking": "U",
    }
    return Message(f"source/{level(source)}/spectrum", _encode(described), qos=0)


def symbols_message(
    satellite: str, downlink: str, symbols: Sequence[float], at_utc_ns: UtcNs, marking: str
) -> Message:
    """Make the soft symbols of a satellite's last frame, to look at; never retained."""
    described = {
        "ts": _ms(at_utc_ns),
        "satellite": satellite,
        "downlink": downlink,
        "kind": "soft",
        "values": list(symbols),
        "marking": marking,
    }
    return Message(f"{_satellite(satellite)}/symbols", _encode(described), qos=0)


# -- values ------------------------------------------------------------------------------------------------------


def _satellite(name: str | None) -> str:
    return f"sat/{level(name or '')}"


def _ms(utc_ns: UtcNs | None) -> int | None:
    return None if utc_ns is None else utc_ns // 1_000_000


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def present(**values: Any) -> Json:
    """Keep the values that are there."""
    return {key: value for key, value in values.items() if value is not None}


def _plain(value: EngineeringValue) -> int | float | bool | str | None:
    """Make a value JSON can say: octets as hex, bad Unicode replaced, huge integers as text."""
    match value:
        case bytes():
            return value.hex()
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case int() if not -(2**63) <= value < 2**64:
            return str(value)
        case _:
            return value
