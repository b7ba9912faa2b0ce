"""The watch over the sky: which passes come, what stands above the horizon now, AOS, TCA and LOS as they happen.

Reads element files when they change, predicts in a thread, and hands records on. Pure prediction is
``agent.orbit``'s; this shell only knows when to ask.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from agent.definitions import Satellite
from agent.errors import AgentError
from agent.orbit.doppler import DopplerCurve, doppler_curve
from agent.orbit.elements import MeanElements, read_elements
from agent.records import Pass, PassEvent, Record, Station

log = logging.getLogger("agent.passes")

NS_PER_S = 1_000_000_000
REPREDICT_S = 600.0
MAX_ELEMENTS_OCTETS = 64 * 1024 * 1024
NEXT_PASSES = 200
MAX_REFUSALS_TOLD = 20
FOLLOW_AHEAD_NS = 60 * NS_PER_S
OPEN_ENDED_NS = 3600 * NS_PER_S
SAME_PASS_NS = 600 * NS_PER_S
"""A new prediction moves a TCA by less than this, the next pass of the same satellite is farther away."""

Event = Literal["aos", "tca", "los"]


@dataclass(slots=True)
class Sky:
    """What is known about the sky: elements by satellite, coming passes, and why a satellite has none."""

    elements: dict[str, MeanElements] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


class PassWatch:
    """Predicts, and announces what happens.

    ``announce`` takes records (events, look angles); ``publish_next`` takes the list of coming passes whenever
    it changed; ``frames_of`` says how many frames a satellite has given so far.
    """

    def __init__(
        self,
        station: Station,
        satellites: Mapping[str, Satellite],
        files: Sequence[Path],
        *,
        ahead_h: float,
        min_elevation_deg: float,
        announce: Callable[[Sequence[Record]], Awaitable[None]],
        publish_next: Callable[[Sky], None],
        frames_of: Callable[[str], int],
        in_view: Callable[[str, bool | None], None],
        follow: Callable[[str, DopplerCurve | None], None],
    ) -> None:
        self.station = station
        self.sky = Sky()
        self._satellites = satellites
        self._files = files
        self._ahead_ns = round(ahead_h * 3600) * NS_PER_S
        self._min_elevation_deg = min_elevation_deg
        self._announce = announce
        self._publish_next = publish_next
        self._frames_of = frames_of
        self._in_view = in_view
        self._follow = follow
        self._followed: dict[str, DopplerCurve] = {}
        self._stamps: dict[Path, int] = {}
        self._told: dict[tuple[str, Event], int] = {}
        self._frames_at_aos: dict[str, int] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        predicted_at = -REPREDICT_S
        while True:
            if self._files_changed() or time.monotonic() - predicted_at >= REPREDICT_S:
                predicted_at = time.monotonic()
                await asyncio.to_thread(self._predict, time.time_ns())
                self._publish_next(self.sky)
            records, up = await asyncio.to_thread(self._now, time.time_ns())
            for slug in self._satellites:
                self._in_view(slug, slug in up if slug in self.sky.elements else None)
            await self._announce(records)
            await self._follow_passes(time.time_ns())
            now_ns = time.time_ns()
            await asyncio.sleep((NS_PER_S - now_ns % NS_PER_S) / NS_PER_S)

    def _files_changed(self) -> bool:
        stamps = {}
        for path in self._files:
            try:
                stamps[path] = path.stat().st_mtime_ns
            except OSError:
                # A file that is away for a moment leaves the last good elements in force.
                stamps[path] = self._stamps.get(path, 0)
        changed = stamps != self._stamps
        self._stamps = stamps
        return changed

    def _predict(self, now_ns: int) -> None:
        from agent.orbit.passes import predict_passes

        self._read_elements()
        wanted = [self.sky.elements[slug] for slug in self._satellites if slug in self.sky.elements]
        names = {elements.norad: slug for slug, elements in self.sky.elements.items()}
        found = predict_passes(
            wanted,
            self.station,
            now_ns,
            now_ns + self._ahead_ns,
            min_elevation_deg=self._min_elevation_deg,
            names=names,
        )
        marked = [replace(item, marking=self._satellites[item.satellite].marking) for item in found.passes]
        self.sky.passes = sorted(marked, key=lambda item: item.aos_utc_ns or 0)[:NEXT_PASSES]
        self.sky.notes = {note.satellite: note.reason for note in found.notes}
        for slug in self._satellites:
            if slug not in self.sky.elements:
                self.sky.notes[slug] = "no elements"

    def _read_elements(self) -> None:
        """Take the newest set of each satellite; a file that cannot be read leaves the old sets in force."""
        slugs = {satellite.norad: slug for slug, satellite in self._satellites.items()}
        for path in self._files:
            try:
                if path.stat().st_size > MAX_ELEMENTS_OCTETS:
                    log.warning("%s: larger than %d octets, not read", path, MAX_ELEMENTS_OCTETS)
                    continue
                found = read_elements(path.read_text(encoding="utf-8", errors="replace"), source=path.name)
            except OSError as exc:
                log.warning("%s: %s; the last good elements stay", path, exc.strerror)
                continue
            except AgentError as exc:
                log.warning("%s; the last good elements stay", exc)
                continue
            for refusal in found.refused[:MAX_REFUSALS_TOLD]:
                log.warning("%s", refusal)
            for elements in found.sets:
                slug = slugs.get(elements.norad)
                if slug is None:
                    continue
                known = self.sky.elements.get(slug)
                if known is None or elements.epoch_utc_ns > known.epoch_utc_ns:
                    self.sky.elements[slug] = replace(elements, name=slug)

    async def _follow_passes(self, now_ns: int) -> None:
        """Give the receivers the Doppler curves of passes that are on or about to begin; take old ones back."""
        for slug, curve in list(self._followed.items()):
            if curve.end_utc_ns < now_ns:
                del self._followed[slug]
                self._follow(slug, None)
        for item in self.sky.passes:
            begin_ns = (item.aos_utc_ns or now_ns) - FOLLOW_AHEAD_NS
            if begin_ns > now_ns or item.satellite in self._followed:
                continue
            end_ns = item.los_utc_ns if item.los_utc_ns is not None else now_ns + OPEN_ENDED_NS
            if end_ns + FOLLOW_AHEAD_NS > now_ns and item.satellite in self.sky.elements:
                window = (min(begin_ns, now_ns), end_ns + FOLLOW_AHEAD_NS)
                curve = await asyncio.to_thread(
                    doppler_curve, self.sky.elements[item.satellite], self.station, *window
                )
                self._followed[item.satellite] = curve
                self._follow(item.satellite, curve)

    def _now(self, now_ns: int) -> tuple[list[Record], set[str]]:
        from agent.orbit.look import look_angles

        records: list[Record] = []
        up: set[str] = set()
        for item in self.sky.passes:
            if (item.aos_utc_ns or 0) > now_ns:
                continue
            if item.los_utc_ns is not None and item.los_utc_ns <= now_ns:
                if self._was_told(item, "tca") or self._was_told(item, "aos"):
                    self._tell(records, item, "los", item.los_utc_ns)
                continue
            elements = self.sky.elements.get(item.satellite)
            if elements is None or item.satellite in up:
                continue
            up.add(item.satellite)
            if item.kind == "pass":
                if not self._was_told(item, "aos"):
                    self._frames_at_aos[item.satellite] = self._frames_of(item.satellite)
                    # One that was up already when the agent began has risen unseen.
                    if item.aos_utc_ns is not None:
                        self._tell(records, item, "aos", item.aos_utc_ns)
                if item.tca_utc_ns <= now_ns:
                    self._tell(records, item, "tca", item.tca_utc_ns)
            satellite = self._satellites[item.satellite]
            frequencies = {downlink.name: downlink.frequency_hz for downlink in satellite.downlinks}
            try:
                look = look_angles(elements, self.station, now_ns, frequencies)
            except AgentError as exc:
                self.sky.notes[item.satellite] = str(exc)
                continue
            records.append(replace(look, marking=satellite.marking))
        return records, up

    def _was_told(self, item: Pass, what: Event) -> bool:
        told = self._told.get((item.satellite, what))
        return told is not None and abs(told - item.tca_utc_ns) < SAME_PASS_NS

    def _tell(self, records: list[Record], item: Pass, what: Event, at_utc_ns: int) -> None:
        """Announce an event of a pass once, whatever is predicted anew meanwhile."""
        from agent.orbit.look import look_angles

        if self._was_told(item, what):
            return
        self._told[item.satellite, what] = item.tca_utc_ns
        look = look_angles(self.sky.elements[item.satellite], self.station, at_utc_ns)
        records.append(
            PassEvent(
                satellite=item.satellite,
                norad=item.norad,
                type=what,
                at_utc_ns=at_utc_ns,
                elevation_deg=look.elevation_deg,
                azimuth_deg=look.azimuth_deg,
                frames=self._frames_of(item.satellite) - self._frames_at_aos.get(item.satellite, 0),
                marking=item.marking,
            )
        )
