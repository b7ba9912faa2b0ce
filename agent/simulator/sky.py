"""Where a scenario's satellites stand over its station: silent below the horizon, shifted as they move.

Pure; elements and times are arguments. Knows one station and for each satellite at most one set of elements; a
satellite without one is heard always and shifted never.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

from agent.orbit.doppler import DopplerCurve, doppler_curve
from agent.orbit.elements import MeanElements
from agent.orbit.passes import predict_passes
from agent.orbit.shadow import light_of
from agent.records import Pass, Station, UtcNs
from agent.simulator.carrier import Carrier
from agent.simulator.overhead import elements_geostationary, elements_over
from agent.simulator.scenario import Place, Scenario, Transmission

NS_PER_S = 1_000_000_000
SEARCH_NS = 86_400 * NS_PER_S
MARGIN_NS = 60 * NS_PER_S


class _Window(NamedTuple):
    """From when to when what is said holds; ``curve`` is ``None`` while the satellite is below the horizon."""

    start_utc_ns: UtcNs
    end_utc_ns: UtcNs
    curve: DopplerCurve | None


class Sky:
    """A station's sky. ``elements`` are by satellite file name; levels are stated for ``reference_range_km``."""

    def __init__(
        self, station: Station, elements: Mapping[str, MeanElements], *, reference_range_km: float | None = None
    ) -> None:
        self.station = station
        self.elements = dict(elements)
        self._windows: dict[str, _Window] = {}
        self._reference_range_km = reference_range_km

    def carrier(self, slug: str, frequency_hz: float, at_utc_ns: UtcNs) -> Carrier | None:
        """Say how a satellite's carrier is received, or ``None`` when the satellite is below the horizon."""
        if slug not in self.elements:
            return Carrier(0.0, 0.0)
        window = self._windows.get(slug)
        if window is None or not window.start_utc_ns <= at_utc_ns < window.end_utc_ns:
            window = self._windows[slug] = self._window(self.elements[slug], at_utc_ns)
        if window.curve is None:
            return None
        now_hz = window.curve.shift_hz(frequency_hz, at_utc_ns)
        drift_hz_s = window.curve.shift_hz(frequency_hz, at_utc_ns + NS_PER_S) - now_hz
        return Carrier(now_hz, drift_hz_s, self._level_db(window.curve.range_km(at_utc_ns)))

    def _level_db(self, range_km: float) -> float:
        """Return what the path's length makes of a signal, beside the range for which its level was stated."""
        return 0.0 if self._reference_range_km is None else 20 * math.log10(self._reference_range_km / range_km)

    def _window(self, elements: MeanElements, at_utc_ns: UtcNs) -> _Window:
        end_utc_ns = at_utc_ns + SEARCH_NS
        passes = predict_passes([elements], self.station, at_utc_ns, end_utc_ns).passes
        if not passes:
            return _Window(at_utc_ns, end_utc_ns, None)
        rise, set_ = _edges(passes, at_utc_ns, end_utc_ns)
        if rise > at_utc_ns:
            return _Window(at_utc_ns, rise, None)
        curve = doppler_curve(elements, self.station, at_utc_ns - MARGIN_NS, set_ + MARGIN_NS)
        return _Window(at_utc_ns, set_, curve)


def _edges(passes: Iterable[Pass], start_utc_ns: UtcNs, end_utc_ns: UtcNs) -> tuple[UtcNs, UtcNs]:
    first = min(passes, key=lambda item: item.tca_utc_ns)
    rise = first.aos_utc_ns if first.aos_utc_ns is not None else start_utc_ns
    return rise, first.los_utc_ns if first.los_utc_ns is not None else end_utc_ns


def motion_of(transmission: Transmission, sky: Sky | None, at_utc_ns: UtcNs) -> Carrier | None:
    """Say what a transmitter's motion does to its carrier, ``None`` while it cannot be heard."""
    if sky is None:
        return Carrier(0.0, 0.0)
    return sky.carrier(transmission.slug, transmission.downlink.frequency_hz, at_utc_ns)


def make_sky(scenario: Scenario, place: Place, begin_utc_ns: UtcNs) -> Sky:
    """Make the sky of a scenario that begins now: read elements, and invented ones for simulated satellites."""
    station = Station("scenario", place.latitude_deg, place.longitude_deg, place.altitude_m)
    known = {elements.norad: elements for elements in scenario.elements}
    over_utc_ns = begin_utc_ns + round(place.overhead_after_s * NS_PER_S)
    elements: dict[str, MeanElements] = {}
    for transmission in scenario.transmissions:
        satellite = transmission.satellite
        if transmission.slug in place.geostationary:
            elements[transmission.slug] = elements_geostationary(
                place.geostationary[transmission.slug], begin_utc_ns, name=satellite.name, norad=satellite.norad
            )
        elif satellite.norad in known:
            elements[transmission.slug] = known[satellite.norad]
        elif satellite.simulated:
            elements[transmission.slug] = elements_over(
                station, over_utc_ns, name=satellite.name, norad=satellite.norad
            )
    sky = Sky(station, elements, reference_range_km=place.reference_range_km)
    # The first look at each satellite loads kernels and searches a day of passes: better now than on the air.
    for transmission in scenario.transmissions:
        sky.carrier(transmission.slug, transmission.downlink.frequency_hz, begin_utc_ns)
        if transmission.slug in elements:
            transmission.model.sunlight = partial(_sunlight, elements[transmission.slug])
    return sky


def _sunlight(elements: MeanElements, at_utc_ns: UtcNs) -> float:
    """Say how much of the Sun shines on a satellite; the penumbra, some seconds of an orbit, counts as half."""
    return {"sunlit": 1.0, "penumbra": 0.5, "umbra": 0.0}[light_of(elements, at_utc_ns)]


def elsewhere(transmission: Transmission, sky: Sky | None, at_utc_ns: UtcNs, later_s: float) -> Carrier | None:
    """Say how the carrier of an object arrives that flies the same orbit ``later_s`` behind."""
    return motion_of(transmission, sky, at_utc_ns - round(later_s * NS_PER_S))
