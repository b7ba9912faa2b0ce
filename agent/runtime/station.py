"""The agent: the TaskGroup, in which order things start and end, and how another configuration is taken up.

Knows every task there is and what the station says of itself. ``assembly`` makes the parts, ``record_flow`` keeps
and tells records, ``reload`` watches the files. Does not know how any of it is done.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from agent.config import StationConfig
from agent.definitions import Broker
from agent.errors import AgentError, SinkUnavailable
from agent.health.conditions import STATION
from agent.health.monitor import Monitor
from agent.orbit.catalogue import Catalogue
from agent.orbit.doppler import DopplerCurve
from agent.orbit.track import Track
from agent.records import Record
from agent.runtime import host
from agent.runtime.announcer import Announcer
from agent.runtime.assembly import (
    HANG_S,
    Surroundings,
    check_station,
    heard_in,
    make_dashboard,
    make_element_refresh,
    make_feed,
    make_pass_watch,
    make_publisher,
    make_receiver,
)
from agent.runtime.description import Condition
from agent.runtime.difference import differences
from agent.runtime.feed import Feed
from agent.runtime.listening import ReplayFile, tell_measurements
from agent.runtime.orders import Orders
from agent.runtime.passes import PassWatch
from agent.runtime.record_flow import RecordFlow
from agent.runtime.reload import Prepared, Reload
from agent.runtime.service_manager import Promises, ServiceManager
from agent.runtime.station_alarms import Sign, StationAlarms
from agent.sinks import payloads
from agent.sinks.archive import Archive
from agent.sinks.embedded_broker import EmbeddedBroker
from agent.sinks.files import FileStore
from agent.sinks.publisher import Publisher

log = logging.getLogger("agent")

STATION_EVERY_S = 10.0
DRAIN_S = 1.5
SETTLE_S = 0.8
"""How long shutdown waits for what is already received to reach the archive."""

SECONDS_A_DAY = 86_400.0
PREDICTION_S = 120.0
"""A day of passes of hundreds of satellites on a slow machine, with kernels that are still to be compiled."""

__all__ = ["Agent", "check_station", "run_agent"]


class Agent:
    """One station at work.

    ``run`` returns when ``stop`` is set and everything received is in the archive. ``first_reading`` is set
    when the first parameter report has been archived. ``reload`` looks at the configuration's files.
    """

    def __init__(
        self, config: StationConfig, *, http_port: int | None = None, service: ServiceManager | None = None
    ) -> None:
        self.config = config
        self.service = service or ServiceManager({})
        self.promises = Promises()
        self.boot = secrets.token_hex(4)
        self.stop = asyncio.Event()
        self.announcer = Announcer()
        self.feeds: list[Feed] = []
        self.watch: PassWatch | None = None
        self._tables = check_station(config)
        self.flow = RecordFlow(Monitor(config.satellites), self.announcer)
        self.first_reading = self.flow.first_reading
        self.condition = Condition(config, self.boot)
        self.reload = Reload(config, take_up=self._take_up, tell=self._tell_configuration, service=self.service)
        self._around = Surroundings(
            self.announcer, self.promises, self._take, self._take_passes, lambda slug: self.flow.frames[slug],
            self._set_in_view, self._follow, self.describe,
            self._set_track, self._set_candidates,
        )  # fmt: skip
        self.http_port = http_port if http_port is not None else config.file.http_port
        self._http_port = http_port
        self._alarms = StationAlarms()
        self._archive: Archive
        self._orders: Orders
        self._brokers: tuple[Broker, ...] = config.file.brokers
        self._group: asyncio.TaskGroup
        self._page = AsyncExitStack()
        self._reading: dict[Feed, tuple[asyncio.Task[None], asyncio.Task[None]]] = {}
        self._publishing: dict[Publisher, asyncio.Task[None]] = {}
        self._watching: list[asyncio.Task[None]] = []
        self._counted: dict[str, Counter[str]] = {}
        self._in_view: dict[str, bool | None] = {}

    @property
    def monitor(self) -> Monitor:
        """Who judges health now."""
        return self.flow.monitor

    # -- life --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until ``stop`` is set."""
        file = self.config.file
        async with AsyncExitStack() as stack:
            if not self._brokers:
                embedded = await stack.enter_async_context(EmbeddedBroker(1883))
                self._brokers = (Broker(port=embedded.port),)
            self._archive = self.flow.archive = await stack.enter_async_context(
                Archive(
                    self.config.resolve(file.archive.directory),
                    file.station.name,
                    max_mb=file.archive.max_mb,
                    commit_interval_s=file.archive.commit_interval_s,
                    boot=self.boot,
                )
            )
            self.flow.files = FileStore(self.config.resolve(file.archive.directory) / "files")
            await self.flow.restore_alarms(self._archive)
            self._orders = Orders(
                self.monitor, self._archive, keep=self.flow.take_judged, spectrum=self._show_spectrum
            )
            await stack.enter_async_context(self._page)
            await self._open_page()
            await self._work()

    async def _work(self) -> None:
        memory_file = self.config.resolve(self.config.file.archive.directory) / "heard.hashes"
        heard = ReplayFile(memory_file, lambda: self.monitor.replay_memory)
        async with asyncio.TaskGroup() as outer:
            self._group = outer
            for broker in self._brokers:
                self._begin_publisher(broker)
            self.announcer.schemas(self.config.satellites)
            for index in range(len(self._tables)):
                self.feeds.append(self._begin_feed(index))
            self._begin_sky(None)
            self._show_parts()
            ticking = [
                outer.create_task(self._tick(), name="health tick"),
                outer.create_task(self._say_how_it_is(), name="station status"),
                outer.create_task(self.service.feed_watchdog(self.promises), name="watchdog"),
                outer.create_task(self._archive.until_it_fails(), name="archive's end"),
                outer.create_task(heard.run(self._archive), name="replay memory"),
            ]
            reloading = outer.create_task(self.reload.run(), name="reload")
            self.service.say("READY=1")
            await self.stop.wait()
            self.service.say("STOPPING=1")
            await _cancelled([reloading])
            # Readers end first; what they have read flows downstream and is kept; then the rest may go.
            readers, receivers = [pair[0] for pair in self._reading.values()], list(self._reading.values())
            for task in (*readers, *ticking, *self._watching):
                task.cancel()
            try:
                async with asyncio.timeout(DRAIN_S):
                    await asyncio.gather(*(receiver for _, receiver in receivers))
                    await self.flow.all_kept()
            except TimeoutError:
                log.warning("not everything received could be kept within %.0f s", DRAIN_S)
                for _, task in receivers:
                    task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_S):
                    await asyncio.gather(*(publisher.settled() for publisher in self._publishing))
            await asyncio.to_thread(heard.save)
            for task in self._publishing.values():
                task.cancel()

    # -- parts that begin and end ------------------------------------------------------------------------

    def _begin_feed(self, index: int) -> Feed:
        feed = make_feed(self.config, index, self._tables[index], self._around)
        self._reading[feed] = (
            self._group.create_task(feed.read(), name=f"reader {feed.source_id}"),
            self._group.create_task(feed.receive(), name=f"receiver {feed.source_id}"),
        )
        return feed

    async def _end_feed(self, feed: Feed) -> None:
        """End a source: what it has read is still received and kept."""
        reader, receiver = self._reading.pop(feed)
        await _cancelled([reader])
        await asyncio.wait([receiver], timeout=DRAIN_S)
        await _cancelled([receiver])

    def _begin_publisher(self, broker: Broker) -> None:
        publisher = make_publisher(self.config, broker, self._archive, self.boot)
        publisher.on_command = self._orders.carry_out
        self.announcer.publishers.append(publisher)
        self._publishing[publisher] = self._group.create_task(publisher.run(), name=f"publisher {broker.name}")

    async def _end_publisher(self, publisher: Publisher) -> None:
        await _cancelled([self._publishing.pop(publisher)])
        self.announcer.publishers.remove(publisher)
        publisher.end()

    def _begin_sky(self, before: PassWatch | None) -> None:
        """Begin to watch the sky, going on where another watch ended."""
        refresh = make_element_refresh(self.config, self._catalogue)
        self.watch = make_pass_watch(self.config, self._around, refresh)
        if self.watch is None:
            for slug in self.config.satellites:
                self._set_in_view(slug, None)
            self.promises.keep("pass watch")
            return
        if before is not None:
            self.watch.continue_from(before)
        self.promises.promise("pass watch", PREDICTION_S)
        self._watching = [self._group.create_task(self.watch.run(), name="pass watch")]
        if refresh is not None:
            self._watching.append(self._group.create_task(refresh.run(), name="element refresh"))

    async def _open_page(self) -> None:
        self.http_port = self._http_port if self._http_port is not None else self.config.file.http_port
        if self.http_port is not None:
            page = make_dashboard(self.config, self.http_port, self._brokers[0], self._around)
            await self._page.enter_async_context(page)

    def _show_parts(self) -> None:
        self.condition.config, self.condition.feeds, self.condition.watch = self.config, self.feeds, self.watch

    # -- another configuration ----------------------------------------------------------------------------

    async def _take_up(self, new: Prepared) -> str:
        """Go on by another configuration: only what differs begins anew. Raises ``ConfigError`` before anything."""
        change = differences(self.config, new.config, self._tables, new.tables)
        if not change:
            return ""
        old, old_tables = self.config, {table.id: table for table in self._tables}
        self.config, self._tables = new.config, list(new.tables)
        if change.satellites:
            self._count_rejected()
            new.monitor.continue_from(self.monitor)
            self.flow.monitor = self._orders.monitor = new.monitor
            self._in_view = {slug: up for slug, up in self._in_view.items() if slug in new.config.satellites}
        feeds = {feed.source_id: feed for feed in self.feeds}
        for name in change.sources_ended:
            await self._end_feed(feeds.pop(name))
        for index, table in enumerate(self._tables):
            feed = feeds.get(table.id)
            if feed is None:
                feeds[table.id] = self._begin_feed(index)
            elif change.satellites or table != old_tables[table.id]:
                await feed.change_receiver(make_receiver(self.config, table))
        self.feeds = [feeds[table.id] for table in self._tables]
        self._counted.clear()
        self._count_rejected(tell=False)
        await self._change_publishers(old, change.brokers_ended, change.brokers_begun)
        if change.sky:
            before = self.watch
            await _cancelled(self._watching)
            self._begin_sky(before)
        if self.watch is not None:
            self.watch.tell_curves()
        self._pace_commits()
        self._show_parts()
        self.announcer.schemas(self.config.satellites)
        if change.page:
            await self._page.aclose()
            await self._open_page()
        return change.summary()

    async def _change_publishers(self, old: StationConfig, ended: Sequence[str], begun: Sequence[Broker]) -> None:
        before = list(self.announcer.publishers)
        for publisher in before:
            if publisher.broker.name in ended:
                await self._end_publisher(publisher)
        if old.file.brokers:
            self._brokers = self.config.file.brokers
        for broker in begun:
            self._begin_publisher(broker)
            for publisher in before:
                self.announcer.publishers[-1].continue_from(publisher)

    async def _tell_configuration(self, trouble: str) -> None:
        self.condition.configuration = trouble
        for publisher in self.announcer.publishers:
            publisher.set_degraded(("configuration_refused",) if trouble else ())
        self._say_station()
        await self._judge_station()

    # -- what the parts call ------------------------------------------------------------------------------

    async def _take(self, records: Sequence[Record]) -> None:
        await self.flow.take(records)
        for feed in self.feeds:
            self.announcer.symbols(feed)

    async def _take_passes(self, records: Sequence[Record]) -> None:
        self.promises.promise("pass watch", PREDICTION_S)
        await self.flow.take(records)

    def _set_in_view(self, slug: str, up: bool | None) -> None:
        """Tell health and the archive."""
        self.monitor.set_in_view(slug, up, time.time_ns())
        elements = self.watch.sky.elements.get(slug) if self.watch is not None else None
        if elements is not None:
            self.monitor.set_orbit_period(slug, SECONDS_A_DAY / elements.mean_motion_rev_d)
        self._in_view[slug] = up
        self._pace_commits()

    def _set_track(self, slug: str, track: Track | None) -> None:
        """Tell health where a satellite is predicted to be."""
        self.monitor.set_track(slug, track)

    def _set_candidates(self, slug: str, tracks: Mapping[int, Track]) -> None:
        """Tell health where the objects are predicted to be that a satellite may be."""
        self.monitor.set_candidates(slug, tracks)

    def _pace_commits(self) -> None:
        """Commit often while a satellite is up, or nobody knows; else wear the card less."""
        archive = self.config.file.archive
        quiet = 0 < len(self._in_view) == len(self.config.satellites) and not any(
            up is not False for up in self._in_view.values()
        )
        self._archive.commit_interval_s = (
            max(archive.idle_commit_interval_s, archive.commit_interval_s) if quiet else archive.commit_interval_s
        )

    def _follow(self, slug: str, curve: DopplerCurve | None) -> None:
        for feed in self.feeds:
            feed.receiver.set_doppler(slug, curve)

    def _catalogue(self) -> Catalogue:
        return self.watch.sky.catalogue if self.watch is not None else Catalogue(())

    def _show_spectrum(self, source: str, seconds: float) -> bool:
        for feed in self.feeds:
            if feed.source_id == source and not feed.octets:
                feed.show_spectrum(seconds)
                return True
        return False

    # -- what the station says of itself -------------------------------------------------------------------

    async def _tick(self) -> None:
        """Let time pass for the health of everything: staleness, links, shelved alarms, the station's own."""
        while True:
            self.promises.promise("health tick", self.config.file.health_tick_s + HANG_S)
            await asyncio.sleep(self.config.file.health_tick_s)
            self._count_rejected()
            tell_measurements(self.monitor, self.feeds, time.time_ns())
            self._say_who_is_heard()
            await self.flow.take_judged(self.monitor.tick(time.time_ns()))
            await self._judge_station()

    def _count_rejected(self, *, tell: bool = True) -> None:
        """Pass on what the receivers refused since last time."""
        for feed in self.feeds:
            for (slug, downlink), total in feed.receiver.rejected_by_downlink().items():
                key = f"{feed.source_id}/{slug}/{downlink}"
                new = total - self._counted.get(key, Counter())
                if new:
                    self._counted[key] = total.copy()
                    if tell:
                        self.monitor.count_rejected(slug, downlink, new, time.time_ns())

    def _say_who_is_heard(self) -> None:
        """Tell health which satellites no source could hear now: their silence is the station's own."""
        online = {feed.source_id for feed in self.feeds if feed.state.online}
        heard = {slug for table in self._tables if table.id in online for slug in heard_in(self.config, table)}
        now_utc_ns = time.time_ns()
        for slug in self.config.satellites:
            self.monitor.set_hears(slug, slug in heard, now_utc_ns)

    async def _judge_station(self) -> None:
        """Raise and end the station's own alarms."""
        now_utc_ns, now_s = time.time_ns(), time.monotonic()
        told: list[Record] = []
        for sign in self._alarms.lasting(self._signs(now_utc_ns, now_s), now_s):
            told += self.monitor.condition(
                STATION, sign.name, sign.holds, now_utc_ns, level=sign.level, evidence=sign.evidence
            )
        await self.flow.take_judged(told)

    def _signs(self, now_utc_ns: int, now_s: float) -> list[Sign]:
        signs = [*self._alarms.sources(self.feeds, now_s), *self._alarms.brokers(self.announcer.publishers)]
        signs += self._alarms.machine(host.clock_state(), self._archive.degraded, self.reload.trouble)
        if self.watch is not None:
            signs += self._alarms.elements(self.watch.sky, self.config.satellites, now_utc_ns)
        return signs

    async def _say_how_it_is(self) -> None:
        while True:
            # The archive's thread has to answer for this.
            self.promises.promise("station status", STATION_EVERY_S + HANG_S)
            host.give_memory_back()
            self.condition.archive = await self._archive.stats()
            with suppress(SinkUnavailable):
                self.condition.outbox = max([await item.backlog() for item in self.announcer.publishers], default=0)
            self._say_station()
            for feed in self.feeds:
                self.announcer.source(feed)
            await asyncio.sleep(STATION_EVERY_S)

    def _say_station(self) -> None:
        self.announcer.state(payloads.station_message(self.condition.values(), time.time_ns()))

    def describe(self) -> dict[str, Any]:
        """Describe the station's whole state; what is not known is ``None``."""
        whole = self.condition.whole(self.flow.frames, self.announcer.publishers)
        return {**whole, "tasks": len(asyncio.all_tasks())}


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end; what they raise is the TaskGroup's to tell."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def run_agent(agent: Agent) -> None:
    """Run an agent; an expected failure comes out of the TaskGroup as itself."""
    try:
        await agent.run()
    except* AgentError as group:
        raise group.exceptions[0] from None
