"""What health sees coming, as MQTT messages: trends of each packet, forecasts and anomalies, the on-board clock.

Pure. Knows the topics and payloads of ``docs/mqtt.md`` for these three; what holds for all is in ``payloads``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from agent.records import ClockCorrelation, Forecast, Outlook, TrendStatus
from agent.sinks.payloads import Json, Message, level, parameter_key, present

OutlookRecord: TypeAlias = "TrendStatus | Outlook | ClockCorrelation"

_encode = msgspec.json.Encoder().encode

DIGITS = 6
"""Significant digits of what is computed."""


def outlook_message(record: OutlookRecord) -> Message:
    """Make the message of one of the three; all are retained."""
    topic = f"sat/{level(record.satellite)}"
    match record:
        case TrendStatus():
            return Message(f"{topic}/trend/{level(record.packet)}", _encode(_trend(record)), retain=True)
        case Outlook():
            return Message(f"{topic}/outlook", _encode(_outlook(record)), retain=True)
        case ClockCorrelation():
            return Message(f"{topic}/clock", _encode(_clock(record)), retain=True)


def forecast_text(one: Forecast) -> str:
    """Say a forecast as people would: ``battery_voltage reaches 6.5 V in about 41 min``."""
    unit = f" {one.unit}" if one.unit else ""
    return f"{one.parameter} reaches {one.limit:g}{unit} in about {_duration(one.in_s)}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _trend(trend: TrendStatus) -> Json:
    described: dict[str, Any] = {
        "ts": trend.as_of_utc_ns // 1_000_000,
        "satellite": trend.satellite,
        "packet": trend.packet,
        "window_s": trend.window_s,
        "marking": trend.marking,
    }
    for one in trend.statistics:
        name, unit = one.parameter, one.unit
        described[parameter_key(f"{name}_mean", unit)] = _short(one.mean)
        described[parameter_key(f"{name}_min", unit)] = _short(one.minimum)
        described[parameter_key(f"{name}_max", unit)] = _short(one.maximum)
        if one.slope_per_s is not None:
            described[parameter_key(f"{name}_slope", f"{unit or '1'}/s")] = _short(one.slope_per_s)
    return described


def _outlook(outlook: Outlook) -> Json:
    forecasts, anomalies = outlook.forecasts, outlook.anomalies
    return {
        "ts": outlook.as_of_utc_ns // 1_000_000,
        "satellite": outlook.satellite,
        "forecasts": [forecast_text(one) for one in forecasts],
        "forecast_parameters": [one.parameter for one in forecasts],
        "forecast_levels": [one.level for one in forecasts],
        "forecast_limits": [one.limit for one in forecasts],
        "forecast_in_s": [round(one.in_s) for one in forecasts],
        "forecast_earliest_s": [round(one.earliest_s) for one in forecasts],
        "forecast_latest_s": [round(one.latest_s) for one in forecasts],
        "anomaly_parameters": [one.parameter for one in anomalies],
        "anomaly_kinds": [one.kind for one in anomalies],
        "anomaly_scores": [one.score for one in anomalies],
        "anomaly_since_ts": [one.since_utc_ns // 1_000_000 for one in anomalies],
        "marking": outlook.marking,
    }


def _clock(clock: ClockCorrelation) -> Json:
    return present(
        ts=clock.as_of_utc_ns // 1_000_000,
        satellite=clock.satellite,
        state=clock.state,
        offset_s=_rounded(clock.offset_s, 6),
        drift_ppm=_rounded(clock.drift_ppm, 3),
        accuracy_s=_rounded(clock.accuracy_s, 6),
        validity_s=clock.validity_s,
        samples=clock.samples,
        epochs=clock.epochs,
        since_ts=clock.since_utc_ns // 1_000_000,
        marking=clock.marking,
    )


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
