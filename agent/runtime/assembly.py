"""From a station file to the parts that do its work: feeds, publishers, the watch over the sky, the page.

Knows which lines of the file make which part, and what can be wrong with them that the schema cannot see. Starts
nothing: whoever asked for a part runs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import __version__
from agent.config import StationConfig
from agent.definitions import Broker
from agent.downlink import check_downlink
from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.orbit.catalogue import Catalogue
from agent.orbit.doppler import DopplerCurve
from agent.orbit.horizon import HorizonMask
from agent.orbit.track import Track
from agent.receiver import Receiver
from agent.records import Record, Station
from agent.runtime.announcer import Announcer
from agent.runtime.element_refresh import ElementRefresh
from agent.runtime.feed import Feed
from agent.runtime.metrics import exposition
from agent.runtime.passes import PassWatch, identities_of
from agent.runtime.service_manager import Promises
from agent.security.protocol_keys import with_keys
from agent.sinks.archive import Archive
from agent.sinks.broker_connection import tls_context
from agent.sinks.publisher import Publisher
from agent.sources import OctetTable, SourceTable, make_source, read_table
from agent.telemetry.decoder import Decoder

HANG_S = 10.0
"""A task that does not answer for so long hangs: the service manager's watchdog is not fed any more."""


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
    for slug, satellite in list(config.satellites.items()):
        config.satellites[slug] = with_keys(satellite)
        for downlink in satellite.downlinks:
            try:
                check_downlink(downlink)
            except (ValueError, LookupError) as exc:
                raise ConfigError(f"satellite {slug}, downlink {downlink.name}: {exc}") from exc
        if satellite.packets:
            # Compiled here once for nothing, so that a layout that contradicts itself is said before it is used.
            Decoder(satellite, slug=slug)
    return tables


@dataclass(slots=True)
class Surroundings:
    """What the parts call: where records go, what is asked, who is told."""

    announcer: Announcer
    promises: Promises
    take: Callable[[Sequence[Record]], Awaitable[None]]
    take_passes: Callable[[Sequence[Record]], Awaitable[None]]
    frames_of: Callable[[str], int]
    in_view: Callable[[str, bool | None], None]
    follow: Callable[[str, DopplerCurve | None], None]
    describe: Callable[[], dict[str, Any]]
    track: Callable[[str, Track | None], None]
    candidates: Callable[[str, Mapping[int, Track]], None]


def make_feed(config: StationConfig, index: int, options: SourceTable, around: Surroundings) -> Feed:
    """Make one source's feed."""
    place = config.place(f"source[{index}]")
    table = config.file.sources[index]
    return Feed(
        options.id,
        lambda: make_source(table, place, folder=config.path.parent)[1],
        make_receiver(config, options),
        around.take,
        changed=around.announcer.source,
        spectrum=around.announcer.spectrum,
        lossless=options.kind == "recording",
        octets=isinstance(options, OctetTable),
        # A port that is back is read again within two seconds, a server within five.
        longest_wait_s=2.0 if options.kind == "serial_port" else 5.0,
        working=lambda: around.promises.working(f"receiver {options.id}", HANG_S),
    )


def make_receiver(config: StationConfig, options: SourceTable) -> Receiver:
    """Make what listens to one source."""
    heard = transmitters(config, options)
    if not isinstance(options, OctetTable):
        receiver = Receiver(options.id, heard)
        receiver.measures_noise = True
        return receiver
    return Receiver(options.id, heard, octet_framing=options.framing, octet_options=options.framing_options)


def transmitters(config: StationConfig, options: SourceTable) -> list[Transmitter]:
    """List what is looked for in a source."""
    return [
        Transmitter(slug, config.satellites[slug], downlink)
        for slug in heard_in(config, options)
        for downlink in config.satellites[slug].downlinks
        if not options.downlinks or downlink.name in options.downlinks
    ]


def heard_in(config: StationConfig, options: SourceTable) -> tuple[str, ...]:
    """List the satellites that a source can hear."""
    return options.satellites or tuple(config.satellites)


def make_publisher(config: StationConfig, broker: Broker, archive: Archive, boot: str) -> Publisher:
    """Make one broker's publisher."""
    return Publisher(broker, config.file.station.name, archive, boot=boot, version=__version__)


def make_pass_watch(
    config: StationConfig, around: Surroundings, refresh: ElementRefresh | None
) -> PassWatch | None:
    """Make the watch over the sky; ``None`` where no elements are."""
    passes = config.file.passes
    if not passes.elements and not passes.urls:
        return None
    place = config.file.station
    return PassWatch(
        Station(place.name, place.latitude_deg, place.longitude_deg, place.altitude_m),
        config.satellites,
        [Path(config.resolve(name)) for name in passes.elements],
        ahead_h=passes.ahead_h,
        min_elevation_deg=passes.min_elevation_deg,
        announce=around.take_passes,
        publish_next=around.announcer.passes,
        frames_of=around.frames_of,
        in_view=around.in_view,
        track=around.track,
        candidates=around.candidates,
        follow=around.follow,
        kept_files=refresh.files if refresh is not None else (),
        mask=HorizonMask(passes.horizon_mask) if passes.horizon_mask else None,
    )


def make_element_refresh(config: StationConfig, trusted: Callable[[], Catalogue]) -> ElementRefresh | None:
    """Make what asks for newer elements; ``None`` where no address is."""
    passes = config.file.passes
    if not passes.urls:
        return None
    return ElementRefresh(
        passes.urls,
        config.resolve(config.file.archive.directory) / "elements",
        identities_of(config.satellites),
        refresh_h=passes.refresh_h,
        trusted=trusted,
    )


def make_dashboard(
    config: StationConfig, port: int, broker: Broker, around: Surroundings
) -> AbstractAsyncContextManager[object]:
    """Serve the page, with a bridge to a broker; its library is loaded only where it is wanted."""
    from agent.dashboard.server import Dashboard

    return Dashboard(
        port,
        around.describe,
        broker.host,
        broker.port,
        broker_tls=tls_context(broker.tls) if broker.tls is not None else None,
        topic_prefix=broker.topic_prefix,
        metrics=(lambda: exposition(around.describe())) if config.file.metrics else None,
    )
