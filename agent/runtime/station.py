"""The agent: the TaskGroup, and the way of a record from a receiver to the archive and then to the brokers.

Knows in which order things start and end, what is archived and what is only published, and what the station
says of itself. Does not know how any of it is done.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from agent import __version__
from agent.config import StationConfig
from agent.definitions import Broker
from agent.downlink import Transmitter, check_downlink
from agent.errors import AgentError, ConfigError, SinkUnavailable
from agent.health.monitor import Monitor
from agent.orbit.catalogue import Catalogue
from agent.orbit.doppler import DopplerCurve
from agent.orbit.horizon import HorizonMask
from agent.receiver import Receiver
from agent.records import (
    Alarm,
    Frame,
    PacketRecord,
    ParameterReport,
    PassEvent,
    Record,
    Station,
)
from agent.runtime.announcer import Announcer
from agent.runtime.description import Condition
from agent.runtime.element_refresh import ElementRefresh
from agent.runtime.feed import Feed
from agent.runtime.metrics import exposition
from agent.runtime.orders import Orders
from agent.runtime.passes import PassWatch, identities_of
from agent.runtime.service_manager import Promises, ServiceManager
from agent.sinks import payloads
from agent.sinks.archive import Archive
from agent.sinks.broker_connection import tls_context
from agent.sinks.embedded_broker import EmbeddedBroker
from agent.sinks.publisher import Publisher
from agent.sources import OctetTable, SourceTable, make_source, read_table

log = logging.getLogger("agent")

STATION_EVERY_S = 10.0
DRAIN_S = 1.5
SETTLE_S = 0.8
"""How long shutdown waits for what is already received to reach the archive."""

HANG_S = 10.0
"""A task that does not answer for so long hangs: the service manager's watchdog is not fed any more."""

PREDICTION_S = 120.0
"""A day of passes of hundreds of satellites on a slow machine, with kernels that are still to be compiled."""

MAX_PENDING_WRITES = 64
RESTORE_READS, RESTORE_RECORDS = 10, 2000
"""Active alarms are looked for in so many of the newest records."""


def check_station(config: StationConfig) -> list[SourceTable]:
    """Check what the schema cannot: sources, modems, protocols; raises ``ConfigError`` with the place."""
    tables = []
    seen: set[str] = set()
    for index, table in enumerate(config.file.sources):
        place = config.place(f"source[{index}]")
        options = read_table(table, place)
        if options.id in seen:
            raise ConfigError(f"two sources are called {options.id!r}", where=place, mend="give each its own id")
        seen.add(options.id)
        for slug in options.satellites:
            if slug not in config.satellites:
                raise ConfigError(
                    f"source {options.id!r} wants satellite {slug!r}, which is not in `satellites`",
                    where=place,
                    mend=f"add it there, or choose of: {', '.join(config.satellites) or 'none'}",
                )
        tables.append(options)
    for slug, satellite in config.satellites.items():
        for downlink in satellite.downlinks:
            try:
                check_downlink(downlink)
            except (ValueError, LookupError) as exc:
                raise ConfigError(f"satellite {slug}, downlink {downlink.name}: {exc}") from exc
    return tables


class Agent:
    """One station at work.

    ``run`` returns when ``stop`` is set and everything received is in the archive. ``first_reading`` is set
    when the first parameter report has been archived.
    """

    def __init__(
        self, config: StationConfig, *, http_port: int | None = None, service: ServiceManager | None = None
    ) -> None:
        self.config = config
        self.service = service or ServiceManager({})
        self.promises = Promises()
        self.boot = secrets.token_hex(4)
        self.stop = asyncio.Event()
        self.condition = Condition(config, self.boot)
        self.first_reading = asyncio.Event()
        self.frames: Counter[str] = Counter()
        self.monitor = Monitor(config.satellites)
        self.feeds: list[Feed] = []
        self.announcer = Announcer()
        self.watch: PassWatch | None = None
        self.refresh: ElementRefresh | None = None
        self.http_port = http_port if http_port is not None else config.file.http_port
        self._tables = check_station(config)
        self._heard = [table.satellites or tuple(config.satellites) for table in self._tables]
        self._archive: Archive | None = None
        self._archive_directory = config.resolve(config.file.archive.directory)
        self._group: asyncio.TaskGroup
        self._writes: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(MAX_PENDING_WRITES)
        self._counted: dict[str, Counter[str]] = {}

    # -- life --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until ``stop`` is set."""
        file = self.config.file
        async with AsyncExitStack() as stack:
            brokers = file.brokers
            if not brokers:
                embedded = await stack.enter_async_context(EmbeddedBroker(1883))
                brokers = (Broker(port=embedded.port),)
            self._archive = await stack.enter_async_context(
                Archive(
                    self._archive_directory,
                    file.station.name,
                    max_mb=file.archive.max_mb,
                    commit_interval_s=file.archive.commit_interval_s,
                    boot=self.boot,
                )
            )
            self.announcer.publishers = [self._publisher(broker, self._archive) for broker in brokers]
            self.feeds = [self._feed(index, table) for index, table in enumerate(self._tables)]
            self.refresh = self._element_refresh()
            self.watch = self._pass_watch()
            self.condition.feeds, self.condition.watch = self.feeds, self.watch
            self.announcer.schemas(self.config.satellites)
            await self._restore_alarms(self._archive)
            orders = Orders(self.monitor, self._archive, keep=self._keep_durable, spectrum=self._show_spectrum)
            for publisher in self.announcer.publishers:
                publisher.on_command = orders.carry_out
            if self.http_port is not None:
                await stack.enter_async_context(self._dashboard(self.http_port, brokers[0]))
            await self._work()

    async def _restore_alarms(self, archive: Archive) -> None:
        """Take up the alarms that an earlier run left active."""
        before, transitions = archive.newest_seq + 1, list[Alarm]()
        for _ in range(RESTORE_READS):
            try:
                found = await archive.read_before(before, RESTORE_RECORDS)
            except SinkUnavailable:
                return
            if not found:
                break
            before = found[-1].seq
            transitions += [item.record for item in found if isinstance(item.record, Alarm)]
        restored = self.monitor.restore(reversed(transitions))
        if restored:
            log.info("%d alarms of an earlier run are still active", len(restored))

    async def _keep_durable(self, records: Sequence[Record]) -> None:
        durable: list[Record] = []
        live: list[Record] = []
        self._sort(records, durable, live)
        await self._keep(durable, live)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as outer:
            self._group = outer
            publishing = [
                outer.create_task(item.run(), name=f"publisher {item.broker.name}")
                for item in self.announcer.publishers
            ]
            ticking = [
                outer.create_task(self._tick(), name="health tick"),
                outer.create_task(self._say_how_it_is(), name="station status"),
            ]
            guarding = outer.create_task(self.service.feed_watchdog(self.promises), name="watchdog")
            if self.watch is not None:
                self.promises.promise("pass watch", PREDICTION_S)
                ticking.append(outer.create_task(self.watch.run(), name="pass watch"))
            if self.refresh is not None:
                ticking.append(outer.create_task(self.refresh.run(), name="element refresh"))
            readers = [outer.create_task(feed.read(), name=f"reader {feed.source_id}") for feed in self.feeds]
            receivers = [
                outer.create_task(feed.receive(), name=f"receiver {feed.source_id}") for feed in self.feeds
            ]
            self.service.say("READY=1")
            await self.stop.wait()
            self.service.say("STOPPING=1")
            # Readers end first; what they have read flows downstream and is kept; then the rest may go.
            for task in (*readers, *ticking, guarding):
                task.cancel()
            try:
                async with asyncio.timeout(DRAIN_S):
                    await asyncio.gather(*receivers)
                    await self._all_written()
            except TimeoutError:
                log.warning("not everything received could be kept within %.0f s", DRAIN_S)
                for task in receivers:
                    task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_S):
                    await asyncio.gather(*(publisher.settled() for publisher in self.announcer.publishers))
            for task in publishing:
                task.cancel()

    # -- the way of a record ------------------------------------------------------------------------------

    async def _take(self, records: Sequence[Record]) -> None:
        """Judge records and send them on; returns at once unless the archive is far behind."""
        durable: list[Record] = []
        live: list[Record] = []
        for record in records:
            durable_now = isinstance(record, Frame | ParameterReport | PassEvent)
            (durable if durable_now else live).append(record)
            if isinstance(record, Frame):
                if record.satellite is not None:
                    self.frames[record.satellite] += 1
                self._sort(self.monitor.observe_frame(record), durable, live)
            elif isinstance(record, ParameterReport):
                self._sort(self.monitor.observe(record), durable, live)
        await self._keep(durable, [record for record in live if not isinstance(record, PacketRecord)])
        for feed in self.feeds:
            self.announcer.symbols(feed)

    async def _take_passes(self, records: Sequence[Record]) -> None:
        self.promises.promise("pass watch", PREDICTION_S)
        await self._take(records)

    @staticmethod
    def _sort(judged: Sequence[Record], durable: list[Record], live: list[Record]) -> None:
        for record in judged:
            (durable if isinstance(record, Alarm) else live).append(record)

    async def _keep(self, durable: Sequence[Record], live: Sequence[Record]) -> None:
        """Write what lasts, then publish what is live: nothing is announced before it is kept."""
        if not durable:
            self.announcer.live(live)
            return
        await self._room.acquire()
        task = self._group.create_task(self._write(durable, live), name="archive write")
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _write(self, durable: Sequence[Record], live: Sequence[Record]) -> None:
        try:
            if self._archive is not None:
                await self._archive.write(durable)
        finally:
            self._room.release()
        if not self.first_reading.is_set() and any(isinstance(record, ParameterReport) for record in durable):
            self.first_reading.set()
            log.info("first reading after %.2f s", time.monotonic() - self.condition.started_s)
        self.announcer.live(live)

    async def _all_written(self) -> None:
        while self._writes:
            await asyncio.gather(*self._writes)

    # -- what the station says of itself -------------------------------------------------------------------

    async def _tick(self) -> None:
        """Let time pass for the health of everything: staleness, links, shelved alarms."""
        while True:
            self.promises.promise("health tick", self.config.file.health_tick_s + HANG_S)
            await asyncio.sleep(self.config.file.health_tick_s)
            self._count_rejected()
            self._say_who_is_heard()
            durable: list[Record] = []
            live: list[Record] = []
            self._sort(self.monitor.tick(time.time_ns()), durable, live)
            await self._keep(durable, live)

    def _count_rejected(self) -> None:
        """Pass on what the receivers refused since last time."""
        for feed in self.feeds:
            for (slug, downlink), total in feed.receiver.rejected_by_downlink().items():
                key = f"{feed.source_id}/{slug}/{downlink}"
                new = total - self._counted.get(key, Counter())
                if new:
                    self.monitor.count_rejected(slug, downlink, new)
                    self._counted[key] = total.copy()

    def _say_who_is_heard(self) -> None:
        """Tell health which satellites no source could hear now: their silence is the station's own."""
        heard = {
            slug for feed, slugs in zip(self.feeds, self._heard, strict=True) if feed.state.online for slug in slugs
        }
        now_utc_ns = time.time_ns()
        for slug in self.config.satellites:
            self.monitor.set_hears(slug, slug in heard, now_utc_ns)

    async def _say_how_it_is(self) -> None:
        while True:
            # The archive's thread has to answer for this.
            self.promises.promise("station status", STATION_EVERY_S + HANG_S)
            if self._archive is not None:
                self.condition.archive = await self._archive.stats()
            with suppress(SinkUnavailable):
                self.condition.outbox = max([await item.backlog() for item in self.announcer.publishers], default=0)
            self.announcer.state(payloads.station_message(self.condition.values(), time.time_ns()))
            for feed in self.feeds:
                self.announcer.source(feed)
            await asyncio.sleep(STATION_EVERY_S)

    def describe(self) -> dict[str, Any]:
        """Describe the station's whole state; what is not known is ``None``."""
        return self.condition.whole(self.frames, self.announcer.publishers)

    def _show_spectrum(self, source: str, seconds: float) -> bool:
        for feed in self.feeds:
            if feed.source_id == source and not feed.octets:
                feed.show_spectrum(seconds)
                return True
        return False

    # -- making the parts ----------------------------------------------------------------------------------

    def _publisher(self, broker: Broker, archive: Archive) -> Publisher:
        return Publisher(broker, self.config.file.station.name, archive, boot=self.boot, version=__version__)

    def _feed(self, index: int, options: SourceTable) -> Feed:
        place = self.config.place(f"source[{index}]")
        table = self.config.file.sources[index]
        octets = isinstance(options, OctetTable)
        receiver = Receiver(
            options.id,
            self._transmitters(options),
            octet_framing=options.framing if isinstance(options, OctetTable) else "kiss",
            octet_options=options.framing_options if isinstance(options, OctetTable) else None,
        )
        return Feed(
            options.id,
            lambda: make_source(table, place, folder=self.config.path.parent)[1],
            receiver,
            self._take,
            changed=self.announcer.source,
            spectrum=self.announcer.spectrum,
            lossless=options.kind == "recording",
            octets=octets,
            # A port that is back is read again within two seconds, a server within five.
            longest_wait_s=2.0 if options.kind == "serial_port" else 5.0,
            working=lambda: self.promises.working(f"receiver {options.id}", HANG_S),
        )

    def _transmitters(self, options: SourceTable) -> list[Transmitter]:
        wanted = options.satellites or tuple(self.config.satellites)
        return [
            Transmitter(slug, self.config.satellites[slug], downlink)
            for slug in wanted
            for downlink in self.config.satellites[slug].downlinks
            if not options.downlinks or downlink.name in options.downlinks
        ]

    def _pass_watch(self) -> PassWatch | None:
        passes = self.config.file.passes
        if not passes.elements and not passes.urls:
            return None
        place = self.config.file.station
        return PassWatch(
            Station(place.name, place.latitude_deg, place.longitude_deg, place.altitude_m),
            self.config.satellites,
            [Path(self.config.resolve(name)) for name in passes.elements],
            ahead_h=passes.ahead_h,
            min_elevation_deg=passes.min_elevation_deg,
            announce=self._take_passes,
            publish_next=self.announcer.passes,
            frames_of=lambda slug: self.frames[slug],
            in_view=lambda slug, up: self.monitor.set_in_view(slug, up, time.time_ns()),
            follow=self._follow,
            kept_files=self.refresh.files if self.refresh is not None else (),
            mask=HorizonMask(passes.horizon_mask) if passes.horizon_mask else None,
        )

    def _element_refresh(self) -> ElementRefresh | None:
        passes = self.config.file.passes
        if not passes.urls:
            return None
        return ElementRefresh(
            passes.urls,
            self._archive_directory / "elements",
            identities_of(self.config.satellites),
            refresh_h=passes.refresh_h,
            trusted=lambda: self.watch.sky.catalogue if self.watch is not None else Catalogue(()),
        )

    def _dashboard(self, port: int, broker: Broker) -> AbstractAsyncContextManager[object]:
        """Serve the page, with a bridge to the first broker; its library is loaded only where it is wanted."""
        from agent.dashboard.server import Dashboard

        return Dashboard(
            port,
            self.describe,
            broker.host,
            broker.port,
            broker_tls=tls_context(broker.tls) if broker.tls is not None else None,
            topic_prefix=broker.topic_prefix,
            metrics=(lambda: exposition(self.describe())) if self.config.file.metrics else None,
        )

    def _follow(self, slug: str, curve: DopplerCurve | None) -> None:
        for feed in self.feeds:
            feed.receiver.set_doppler(slug, curve)


async def run_agent(agent: Agent) -> None:
    """Run an agent; an expected failure comes out of the TaskGroup as itself."""
    try:
        await agent.run()
    except* AgentError as group:
        raise group.exceptions[0] from None
