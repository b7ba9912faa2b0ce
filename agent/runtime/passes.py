"""The watch over the sky: which passes come, what stands above the horizon now, AOS, TCA and LOS as they happen.

Reads element files when they change, predicts in a thread, and hands records on. Several sets of a satellite are
its history: the nearest in time is used, the others tell how far it may be wrong and when it manoeuvred. Pure
prediction is ``agent.orbit``'s; this shell only knows when to ask.
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
from agent.orbit.catalogue import Catalogue
from agent.orbit.checks import Identity, refreshed
from agent.orbit.doppler import DopplerCurve, doppler_curve
from agent.orbit.elements import ElementSets, MeanElements, read_elements
from agent.orbit.history import ErrorBound, error_bound, manoeuvres
from agent.orbit.horizon import HorizonMask, behind_mask
from agent.orbit.track import Track
from agent.records import Pass, PassEvent, Record, Station

log = logging.getLogger("agent.passes")

NS_PER_S = 1_000_000_000
REPREDICT_S = 600.0
MAX_ELEMENTS_OCTETS = 64 * 1024 * 1024
NEXT_PASSES = 200
GENERATIONS = 24
"""So many sets of a satellite are remembered."""
MAX_REFUSALS_TOLD = 20
FOLLOW_AHEAD_NS = 60 * NS_PER_S
OPEN_ENDED_NS = 3600 * NS_PER_S
LOOK_AROUND_NS = 10 * NS_PER_S
"""Outside a pass it is enough to say now and then where a satellite is."""

SAME_PASS_NS = 600 * NS_PER_S
"""A new prediction moves a TCA by less than this, the next pass of the same satellite is farther away."""

Event = Literal["aos", "tca", "los"]
EVENTS: tuple[Event, ...] = ("aos", "tca", "los")


@dataclass(slots=True)
class Sky:
    """What is known about the sky: elements by satellite, coming passes, and why a satellite has none."""

    elements: dict[str, MeanElements] = field(default_factory=dict)
    catalogue: Catalogue = field(default_factory=lambda: Catalogue(()))
    bounds: dict[int, ErrorBound] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def oldest_element_age_d(self, at_utc_ns: int) -> float | None:
        """Return the age of the set that is the farthest from a time, among those in use."""
        ages = [elements.age_d(at_utc_ns) for elements in self.elements.values()]
        return max(ages, key=abs) if ages else None


def identities_of(satellites: Mapping[str, Satellite]) -> dict[int, Identity]:
    """Say what satellite files tell of their objects, by catalogue number."""
    return {
        satellite.norad: Identity(satellite.norad, (satellite.name, slug), satellite.cospar)
        for slug, satellite in satellites.items()
    }


class PassWatch:
    """Predicts, and announces what happens.

    ``announce`` takes records (events, look angles); ``publish_next`` takes the list of coming passes whenever
    it changed; ``frames_of`` says how many frames a satellite has given so far. ``kept_files`` are element files
    that the station keeps itself and that need not be there yet.
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
        kept_files: Sequence[Path] = (),
        mask: HorizonMask | None = None,
        track: Callable[[str, Track | None], None] | None = None,
        candidates: Callable[[str, Mapping[int, Track]], None] | None = None,
    ) -> None:
        self.station = station
        self.sky = Sky()
        self._satellites = satellites
        self._files = (*files, *kept_files)
        self._kept_files = frozenset(kept_files)
        self._mask = mask
        self._identities = identities_of(satellites)
        self._read: dict[Path, int] = {}
        self._manoeuvres_told: set[tuple[int, int]] = set()
        self._ahead_ns = round(ahead_h * 3600) * NS_PER_S
        self._min_elevation_deg = min_elevation_deg
        self._announce = announce
        self._publish_next = publish_next
        self._frames_of = frames_of
        self._in_view = in_view
        self._follow = follow
        self._track = track
        self._candidates = candidates
        self._candidate_sets: dict[int, MeanElements] = {}
        self._followed: dict[str, DopplerCurve] = {}
        self._looked_around_ns = 0
        self._stamps: dict[Path, int] = {}
        self._told: dict[tuple[str, Event], int] = {}
        self._left: dict[str, int] = {}
        self._frames_at_aos: dict[str, int] = {}

    def continue_from(self, other: PassWatch) -> None:
        """Go on where another watch ends: what it told is not told again, what it knew stays known.

        For a satellite that is not the same any more, and for another place, everything begins anew.
        """
        if other.station != self.station:
            return
        same = {
            slug
            for slug, satellite in self._satellites.items()
            if slug in other._satellites and other._satellites[slug].norad == satellite.norad
        }
        self._manoeuvres_told = other._manoeuvres_told
        self._told = {key: at for key, at in other._told.items() if key[0] in same}
        self._left = {slug: at for slug, at in other._left.items() if slug in same}
        self._frames_at_aos = {slug: count for slug, count in other._frames_at_aos.items() if slug in same}
        numbers = {satellite.norad for slug, satellite in self._satellites.items() if slug in same}
        old = other.sky
        self.sky = Sky(
            elements={slug: elements for slug, elements in old.elements.items() if slug in same},
            catalogue=Catalogue(
                elements for norad in old.catalogue if norad in numbers for elements in old.catalogue.history(norad)
            ),
            bounds={norad: bound for norad, bound in old.bounds.items() if norad in numbers},
            passes=[item for item in old.passes if item.satellite in same],
            notes={slug: note for slug, note in old.notes.items() if slug in same},
        )
        self._followed = {slug: curve for slug, curve in other._followed.items() if slug in same}

    def tell_curves(self) -> None:
        """Give the receivers the curves that are in force once more: there are new ones among them."""
        for slug in self._satellites:
            self._follow(slug, self._followed.get(slug))

    async def run(self) -> None:
        """Watch until cancelled."""
        predicted_at = -REPREDICT_S
        while True:
            if self._files_changed() or time.monotonic() - predicted_at >= REPREDICT_S:
                predicted_at = time.monotonic()
                await asyncio.to_thread(self._predict, time.time_ns())
                self._publish_next(self.sky)
                self._tell_tracks()
            records, up = await asyncio.to_thread(self._now, time.time_ns())
            for slug in self._satellites:
                self._in_view(slug, slug in up if slug in self.sky.elements else None)
            await self._announce(records)
            await self._follow_passes(time.time_ns())
            now_ns = time.time_ns()
            await asyncio.sleep((NS_PER_S - now_ns % NS_PER_S) / NS_PER_S)

    def _tell_tracks(self) -> None:
        """Say where each satellite is predicted to be, for who judges its signals."""
        if self._track is None:
            return
        for slug in self._satellites:
            elements = self.sky.elements.get(slug)
            bound = None if elements is None else self.sky.bounds.get(elements.norad)
            self._track(slug, None if elements is None else Track(elements, self.station, bound))
            wanted = self._satellites[slug].candidates
            if wanted and self._candidates is not None:
                known = [self._candidate_sets[number] for number in wanted if number in self._candidate_sets]
                self._candidates(slug, {one.norad: Track(one, self.station) for one in known})

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
        from agent.orbit.passes import predict_from_catalogue

        self._read_elements(now_ns)
        sky, window = self.sky, (now_ns, now_ns + self._ahead_ns)
        lowest = self._min_elevation_deg
        if self._mask is not None:
            lowest = max(lowest, self._mask.lowest_deg)
        numbers = [elements.norad for elements in sky.elements.values()]
        found = predict_from_catalogue(
            sky.catalogue, numbers, self.station, *window, min_elevation_deg=lowest, bounds=sky.bounds
        )
        passes: Sequence[Pass] = found.passes
        if self._mask is not None:
            passes = behind_mask(passes, sky.catalogue, self.station, self._mask, window)
        marked = [replace(item, marking=self._satellites[item.satellite].marking) for item in passes]
        sky.passes = sorted(marked, key=lambda item: item.aos_utc_ns or 0)[:NEXT_PASSES]
        sky.notes = {note.satellite: note.reason for note in found.notes}
        for slug in self._satellites:
            if slug not in sky.elements:
                sky.notes[slug] = "no elements"

    def _read_elements(self, now_ns: int) -> None:
        """Add what the files hold to what is known; a file that cannot be read leaves the old sets in force."""
        slugs = {satellite.norad: slug for slug, satellite in self._satellites.items()}
        catalogue = self.sky.catalogue
        for path in self._files:
            sets = self._read_file(path)
            self._keep_candidates(sets)
            own = ElementSets(tuple(elements for elements in sets if elements.norad in slugs))
            if not own.sets:
                continue
            catalogue, refused = refreshed(catalogue, own, now_ns, identities=self._identities)
            for refusal in refused[:MAX_REFUSALS_TOLD]:
                log.warning("%s: %s; not used", refusal.source, refusal.message)
            if any(refusal.reason == "future_epoch" for refusal in refused):
                # Or this machine's clock has not been set yet: read again when predicting again.
                del self._read[path]
        if catalogue is not self.sky.catalogue:
            self.sky.catalogue = Catalogue(
                replace(elements, name=slugs[norad])
                for norad in catalogue
                for elements in catalogue.history(norad)[-GENERATIONS:]
            )
            self._judge_histories()
        for norad in self.sky.catalogue:
            nearest = self.sky.catalogue.nearest(norad, now_ns)
            if nearest is not None:
                self.sky.elements[nearest.name] = nearest

    def _keep_candidates(self, sets: Sequence[MeanElements]) -> None:
        """Keep the newest set of each object that a satellite may be."""
        wanted = {number for satellite in self._satellites.values() for number in satellite.candidates}
        for elements in sets:
            before = self._candidate_sets.get(elements.norad)
            if elements.norad in wanted and (before is None or elements.epoch_utc_ns > before.epoch_utc_ns):
                self._candidate_sets[elements.norad] = elements

    def _read_file(self, path: Path) -> tuple[MeanElements, ...]:
        """Read a file that has changed since it was read last."""
        try:
            stat = path.stat()
            if self._read.get(path) == stat.st_mtime_ns:
                return ()
            self._read[path] = stat.st_mtime_ns
            if stat.st_size > MAX_ELEMENTS_OCTETS:
                log.warning("%s: larger than %d octets, not read", path, MAX_ELEMENTS_OCTETS)
                return ()
            found = read_elements(path.read_text(encoding="utf-8", errors="replace"), source=path.name)
        except FileNotFoundError:
            if path not in self._kept_files:
                log.warning("%s: is not there; the last good elements stay", path)
            return ()
        except OSError as exc:
            self._read.pop(path, None)
            log.warning("%s: %s; the last good elements stay", path, exc.strerror)
            return ()
        except AgentError as exc:
            log.warning("%s; the last good elements stay", exc)
            return ()
        for refusal in found.refused[:MAX_REFUSALS_TOLD]:
            log.warning("%s: %s; not used", refusal.source, refusal.message)
        return found.sets

    def _judge_histories(self) -> None:
        """Grow error bounds from the histories, and tell of each manoeuvre once."""
        for norad in self.sky.catalogue:
            history = self.sky.catalogue.history(norad)
            self.sky.bounds[norad] = error_bound(history)
            for found in manoeuvres(history):
                if (norad, found.before_utc_ns) not in self._manoeuvres_told:
                    self._manoeuvres_told.add((norad, found.before_utc_ns))
                    log.warning("%s has manoeuvred (%s): %s", found.satellite, found.kind, found.evidence)

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
        records: list[Record] = []
        up: set[str] = set()
        for item in self.sky.passes:
            if (item.aos_utc_ns or 0) > now_ns:
                continue
            if item.los_utc_ns is not None and item.los_utc_ns <= now_ns:
                if item.los_utc_ns > self._left.get(item.satellite, 0) and (
                    self._was_told(item, "tca") or self._was_told(item, "aos")
                ):
                    # One that sets at its highest, behind a mask, has both at once.
                    self._tell(records, item, "tca", item.tca_utc_ns)
                    self._tell(records, item, "los", item.los_utc_ns)
                    self._left[item.satellite] = item.los_utc_ns
                continue
            elements = self.sky.elements.get(item.satellite)
            if elements is None or item.satellite in up:
                continue
            up.add(item.satellite)
            if item.kind == "pass":
                self._begin_anew(item)
                if not self._was_told(item, "aos"):
                    self._frames_at_aos[item.satellite] = self._frames_of(item.satellite)
                    # One that was up already when the agent began has risen unseen.
                    if item.aos_utc_ns is not None:
                        self._tell(records, item, "aos", item.aos_utc_ns)
                if item.tca_utc_ns <= now_ns:
                    self._tell(records, item, "tca", item.tca_utc_ns)
            self._look(records, item.satellite, now_ns)
        if now_ns - self._looked_around_ns >= LOOK_AROUND_NS:
            self._looked_around_ns = now_ns
            for slug in self.sky.elements:
                if slug not in up:
                    self._look(records, slug, now_ns)
        return records, up

    def _look(self, records: list[Record], slug: str, now_ns: int) -> None:
        """Say where a satellite stands; one whose elements give no place gets a note instead."""
        from agent.orbit.look import look_angles

        satellite = self._satellites[slug]
        frequencies = {downlink.name: downlink.frequency_hz for downlink in satellite.downlinks}
        try:
            look = look_angles(self.sky.elements[slug], self.station, now_ns, frequencies)
        except AgentError as exc:
            self.sky.notes[slug] = str(exc)
            return
        records.append(replace(look, marking=satellite.marking))

    def _begin_anew(self, item: Pass) -> None:
        """Forget the events of a stretch that has ended: behind a mask one pass may have several, minutes apart."""
        left = self._left.get(item.satellite)
        if left is None or item.aos_utc_ns is None or item.aos_utc_ns <= left:
            return
        if (item.satellite, "los") in self._told:
            for what in EVENTS:
                self._told.pop((item.satellite, what), None)

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
