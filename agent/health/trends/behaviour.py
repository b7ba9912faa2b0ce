"""One satellite's behaviour: its clock, its resets, and the windows, anomalies and forecasts of its packets.

Joins them and knows when to tell what they say; knows the limits of each packet, for what a forecast leads to.
Arrays are made with a packet's first report. Times are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent.definitions import Satellite
from agent.health.clock import ClockWatch
from agent.health.limits import PacketLimits
from agent.health.resets import ResetWatch
from agent.health.trends.anomaly import AnomalyWatch
from agent.health.trends.forecast import CERTAIN_Z, Bound, bounds_of, forecast
from agent.health.trends.windows import NS_PER_S, SLOPE, SLOPE_ERROR, Fits, NumericParameters, Windows
from agent.records import Anomaly, Forecast, Outlook, ParameterReport, Record, TrendStatus, UtcNs

TELL_TRENDS_NS = 10 * NS_PER_S
TELL_OUTLOOK_NS = 5 * NS_PER_S
TELL_CLOCK_NS = 10 * NS_PER_S
GEOSTATIONARY_DAY_S = 86_164.1
SET_BACK_NS = 60 * NS_PER_S
"""Reports come in the order of their reception, but for what several sources hear: more is the station's clock."""
MAX_TOLD = 64
"""At most so many forecasts and anomalies are told of a satellite: the soonest, the strangest."""


@dataclass(slots=True)
class _Packet:
    """What one packet's parameters did."""

    windows: Windows
    anomalies: AnomalyWatch
    newest: ParameterReport
    told_utc_ns: UtcNs
    fresh: bool = True
    forecasts: tuple[Forecast, ...] = ()


class SatelliteBehaviour:
    """The behaviour of one satellite's parameters."""

    def __init__(self, slug: str, satellite: Satellite, limits: Mapping[str, PacketLimits]) -> None:
        self.slug = slug
        self.period_s = satellite.behaviour.orbit_period_s
        if self.period_s is None and satellite.orbit == "geo":
            self.period_s = GEOSTATIONARY_DAY_S
        self.resets = ResetWatch(satellite)
        self.clock = ClockWatch(satellite.behaviour.clock_validity_s)
        self._satellite = satellite
        self._definitions = {packet.name: packet for packet in satellite.packets}
        self._limits = limits
        self._bounds: dict[int, tuple[Bound, ...]] = {}
        self._packets: dict[str, _Packet | None] = {}
        self._outlook: Outlook | None = None
        self._outlook_due_ns: UtcNs = 0
        self._clock_due_ns: UtcNs = 0
        self._clock_news = False
        self._clock_told = 0, False

    def observe(self, report: ParameterReport) -> tuple[UtcNs, str | None]:
        """Take a report; returns when it was measured by the station's clock, and the evidence of a reset."""
        reset = self.resets.observe(report)
        if reset is not None:
            self.clock.reset(report.received_utc_ns)
        measured_utc_ns = report.received_utc_ns
        if report.generated_utc_ns is not None:
            measured_utc_ns = self.clock.observe(report.generated_utc_ns, report.received_utc_ns)
            self._clock_news = True
        self._watch(report, measured_utc_ns)
        return measured_utc_ns, reset

    def _watch(self, report: ParameterReport, measured_utc_ns: UtcNs) -> None:
        packet = self._packets.get(report.packet)
        if packet is None:
            if report.packet in self._packets or report.packet not in self._definitions:
                return
            numbers = NumericParameters(self._definitions[report.packet])
            if not len(numbers):
                self._packets[report.packet] = None
                return
            packet = _Packet(
                Windows(numbers, self._satellite.behaviour.window_s),
                AnomalyWatch(numbers),
                report,
                report.received_utc_ns,
            )
            self._packets[report.packet] = packet
        if report.received_utc_ns < packet.newest.received_utc_ns - SET_BACK_NS:
            packet.windows.forget()
            packet.anomalies.restart()
        values = packet.windows.feed(report, measured_utc_ns)
        packet.anomalies.feed(values, measured_utc_ns, self.period_s)
        packet.newest = report
        packet.fresh = True

    def tick(self, now_utc_ns: UtcNs) -> list[Record]:
        """Tell what has changed: the clock and each packet's trends every ten seconds, the outlook every five.

        That the clock is believed, or no longer, is told at once.
        """
        records: list[Record] = []
        belief = self.clock.epochs, self.clock.valid
        if self._clock_news and (now_utc_ns >= self._clock_due_ns or belief != self._clock_told):
            self._clock_news, self._clock_due_ns, self._clock_told = False, now_utc_ns + TELL_CLOCK_NS, belief
            correlation = self.clock.status(self.slug, now_utc_ns, self._satellite.marking)
            records += [correlation] if correlation is not None else []
        for name, packet in self._packets.items():
            if packet is None or not packet.fresh or now_utc_ns - packet.told_utc_ns < TELL_TRENDS_NS:
                continue
            packet.fresh, packet.told_utc_ns = False, now_utc_ns
            fits = packet.windows.fit(now_utc_ns)
            packet.forecasts = self._forecasts(packet, fits)
            records.append(
                TrendStatus(
                    satellite=self.slug,
                    packet=name,
                    as_of_utc_ns=now_utc_ns,
                    window_s=packet.windows.window_s,
                    statistics=packet.windows.statistics(fits),
                    marking=self._satellite.marking,
                )
            )
        if now_utc_ns >= self._outlook_due_ns:
            self._outlook_due_ns = now_utc_ns + TELL_OUTLOOK_NS
            outlook = self._new_outlook(now_utc_ns)
            if outlook is not None:
                records.append(outlook)
        return records

    def _new_outlook(self, now_utc_ns: UtcNs) -> Outlook | None:
        forecasts: list[Forecast] = []
        anomalies: list[Anomaly] = []
        for packet in self._packets.values():
            if packet is not None:
                anomalies += packet.anomalies.current(now_utc_ns)
                if now_utc_ns - packet.newest.received_utc_ns <= packet.windows.window_s * NS_PER_S:
                    forecasts += packet.forecasts
        forecasts.sort(key=lambda one: one.in_s)
        anomalies.sort(key=lambda one: -one.score)
        outlook = Outlook(
            self.slug, now_utc_ns, tuple(forecasts[:MAX_TOLD]), tuple(anomalies[:MAX_TOLD]), self._satellite.marking
        )
        before = self._outlook
        if before is None and not forecasts and not anomalies:
            return None
        if before is not None and (before.forecasts, before.anomalies) == (outlook.forecasts, outlook.anomalies):
            return None
        self._outlook = outlook
        return outlook

    def _forecasts(self, packet: _Packet, fits: Fits) -> tuple[Forecast, ...]:
        limits = self._limits.get(packet.newest.packet)
        if limits is None:
            return ()
        numbers = packet.windows.numbers
        with np.errstate(invalid="ignore"):
            certain = np.abs(fits[:, SLOPE]) > CERTAIN_Z * fits[:, SLOPE_ERROR]
        found: list[Forecast] = []
        values = None
        for parameter in limits.parameters:
            index = numbers.places.get(parameter.name)
            if index is None or not certain[index] or not numbers.watches[index].forecast:
                continue
            rule = parameter.default
            if parameter.contexts:
                if values is None:
                    values = {value.name: value.value for value in packet.newest.values}
                rule = parameter.rule(values)
            if rule is None or rule.rule.disabled:
                continue
            bounds = self._bounds.get(rule.row)
            if bounds is None:
                bounds = self._bounds[rule.row] = bounds_of(rule.rule)
            one = forecast(parameter.name, parameter.unit, bounds, fits, index, self._satellite.behaviour.horizon_s)
            if one is not None:
                found.append(one)
        return tuple(found)
