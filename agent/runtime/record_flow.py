"""The way of a record: judged, written to the archive, and only then told.

Knows what lasts (frames, reports, pass events, alarms) and what is state, and that nothing is announced before the
commit that holds what it follows from. Waits for the archive only when very much is on its way to it. Does not know
sources, brokers' connections or satellites' files.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from agent.errors import SinkUnavailable
from agent.health.monitor import Monitor
from agent.records import Alarm, Frame, LookAngles, PacketRecord, ParameterReport, PassEvent, Record
from agent.runtime.announcer import Announcer
from agent.sinks.archive import Archive
from agent.sinks.files import FileStore, is_file

log = logging.getLogger("agent")

MAX_OUTSTANDING: Final = 4096
"""Writes that wait for their commit; the archive bounds their octets."""

RESTORE_READS, RESTORE_RECORDS = 10, 2000
"""Active alarms are looked for in so many of the newest transitions of alarms."""


class RecordFlow:
    """Takes records from whoever makes them; ``monitor`` and ``archive`` may be changed between two of them.

    ``frames`` counts frames by satellite; ``first_reading`` is set when the first report is in the archive.
    """

    def __init__(self, monitor: Monitor, announcer: Announcer) -> None:
        self.monitor = monitor
        self.archive: Archive | None = None
        self.files: FileStore | None = None
        self.frames: Counter[str] = Counter()
        self.first_reading = asyncio.Event()
        self._announcer = announcer
        self._began_s = time.monotonic()
        self._outstanding: set[asyncio.Future[None]] = set()
        self._fewer = asyncio.Event()

    async def take(self, records: Sequence[Record]) -> None:
        """Judge records and send them on; returns at once unless the archive is far behind."""
        durable: list[Record] = []
        live: list[Record] = []
        for record in records:
            if isinstance(record, PacketRecord):
                self.monitor.observe_packet(record)
                if self.files is not None and is_file(record):
                    await self._keep_file(self.files, record)
                continue
            (durable if isinstance(record, Frame | ParameterReport | PassEvent) else live).append(record)
            if isinstance(record, Frame):
                if record.satellite is not None:
                    self.frames[record.satellite] += 1
                _sort(self.monitor.observe_frame(record), durable, live)
            elif isinstance(record, ParameterReport):
                _sort(self.monitor.observe(record), durable, live)
            elif isinstance(record, LookAngles):
                self.monitor.observe_look(record)
            elif isinstance(record, PassEvent):
                self.monitor.observe_pass_event(record)
        await self._keep(durable, live)

    async def take_judged(self, records: Sequence[Record]) -> None:
        """Send on what health has made: transitions of alarms, and state."""
        durable: list[Record] = []
        live: list[Record] = []
        _sort(records, durable, live)
        await self._keep(durable, live)

    async def all_kept(self) -> None:
        """Return when everything taken so far is in the archive."""
        while self._outstanding:
            await asyncio.gather(*self._outstanding)

    async def restore_alarms(self, archive: Archive) -> None:
        """Take up the alarms that an earlier run left active."""
        before, transitions = archive.newest_seq + 1, list[Alarm]()
        for _ in range(RESTORE_READS):
            try:
                found = await archive.read_before(before, RESTORE_RECORDS, "alarm")
            except SinkUnavailable:
                return
            if not found:
                break
            before = found[-1].seq
            transitions += [item.record for item in found if isinstance(item.record, Alarm)]
        restored = self.monitor.restore(reversed(transitions))
        if restored:
            log.info("%d alarms of an earlier run are still active", len(restored))

    async def _keep_file(self, files: FileStore, record: PacketRecord) -> None:
        """Keep a file that a satellite sent, or say what it lacks."""
        try:
            entry = await asyncio.to_thread(files.put, record)
        except SinkUnavailable as exc:
            log.error("a file of %s could not be kept: %s", record.satellite, exc)
            return
        what = f"{entry['source_name']!r} of {record.satellite}, {entry['octets']} octets"
        if entry["complete"]:
            log.info("file received: %s: %s", what, entry["path"])
        else:
            log.info("file incomplete: %s, lacking %s", what, ", ".join(entry["missing"]) or "its checksum")

    async def _keep(self, durable: Sequence[Record], live: Sequence[Record]) -> None:
        """Write what lasts, then publish what is live."""
        if not durable or self.archive is None:
            self._announcer.live(live)
            return
        while len(self._outstanding) >= MAX_OUTSTANDING:
            self._fewer.clear()
            await self._fewer.wait()
        await self.archive.has_room()
        kept = self.archive.submit(durable)
        self._outstanding.add(kept)
        reading = not self.first_reading.is_set() and any(isinstance(item, ParameterReport) for item in durable)

        def told(done: asyncio.Future[None]) -> None:
            self._outstanding.discard(done)
            self._fewer.set()
            # A commit that failed for a reason nobody foresaw ends the agent by the archive's own task.
            if done.cancelled() or done.exception() is not None:
                return
            if reading and not self.first_reading.is_set():
                self.first_reading.set()
                log.info("first reading after %.2f s", time.monotonic() - self._began_s)
            self._announcer.live(live)

        kept.add_done_callback(told)


def _sort(judged: Sequence[Record], durable: list[Record], live: list[Record]) -> None:
    for record in judged:
        (durable if isinstance(record, Alarm) else live).append(record)
