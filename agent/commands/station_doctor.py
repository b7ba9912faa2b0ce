"""What ``gsagent doctor STATION`` tries: brokers, sources, archive and elements, as the agent would use them.

Opens what the agent would open, and closes it again; publishes nothing, writes nothing. Where an agent is at work
with the station's archive its sources are left alone: most can be open only once.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from agent.commands.doctor import Finding
from agent.config import StationConfig, load_station_config
from agent.errors import AgentError, ConfigError

OPEN_S = 8.0
"""Within this a source opens, a server on the other side of a slow network too."""
NS_PER_DAY = 86_400 * 1_000_000_000


def findings(name: str) -> Iterator[Finding]:
    """Look at a station file and at all that it names."""
    from agent.runtime import check_station

    try:
        config = load_station_config(name)
        check_station(config)
    except ConfigError as exc:
        yield Finding("wrong", str(exc))
        return
    yield Finding("good", f"{name} is valid")
    working = is_at_work(archive_of(config))
    yield archive(config, working=working)
    yield from elements(config)

    async def tried() -> list[Finding]:
        return [finding async for finding in connections(config, working=working)]

    yield from asyncio.run(tried())


def archive_of(config: StationConfig) -> Path:
    """Return the archive's folder."""
    return config.resolve(config.file.archive.directory)


def is_at_work(directory: Path) -> bool:
    """Tell whether an agent writes to an archive, by its lock."""
    try:
        descriptor = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def archive(config: StationConfig, *, working: bool) -> Finding:
    """Where frames are kept must be writable and have room for what the archive may grow to."""
    from agent.runtime.host import disk_free_mb

    directory = archive_of(config)
    there = next(folder for folder in (directory, *directory.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        mend = "sudo -u USER gsagent doctor … as the user the agent runs as, or give that user the folder"
        return Finding("wrong", f"archive {directory}: {there} cannot be written by this user", mend)
    free_mb = disk_free_mb(there) or 0.0
    used_mb = sum(file.stat().st_size for file in directory.glob("*") if file.is_file()) / 2**20
    may_mb = config.file.archive.max_mb
    state = ", an agent is at work with it" if working else "" if directory.exists() else ", not made yet"
    what = f"archive {directory}{state}: holds {used_mb:.0f} of {may_mb} MiB, {free_mb:.0f} MiB free there"
    if free_mb + used_mb < may_mb:
        mend = f"it will be full before it evicts: archive.max_mb = {int(0.8 * (free_mb + used_mb))}, or make room"
        return Finding("note", what, mend)
    return Finding("good", what)


def elements(config: StationConfig) -> Iterator[Finding]:
    """Without young elements there are no passes and no Doppler correction."""
    from agent.orbit.catalogue import Catalogue
    from agent.orbit.elements import ElementSets, read_elements
    from agent.runtime.element_refresh import kept_file
    from agent.runtime.station_alarms import ELEMENTS_D, ELEMENTS_ELSEWHERE_D

    passes = config.file.passes
    if not passes.elements and not passes.urls:
        mend = 'name element files or an address: [passes] elements = ["active.tle"]'
        yield Finding("note", "no elements: no passes, no Doppler correction", mend)
        return
    files = [config.resolve(one) for one in passes.elements]
    files += [kept_file(archive_of(config) / "elements", url) for url in passes.urls]
    found = ElementSets()
    for file in files:
        try:
            found = found + read_elements(file.read_text(encoding="utf-8", errors="replace"), source=str(file))
        except FileNotFoundError:
            yield Finding("note", f"elements {file.name}: not fetched yet", "the agent asks for them when it runs")
        except OSError as exc:
            yield Finding("wrong", f"elements {file}: cannot be read: {exc.strerror}")
    catalogue = Catalogue(found.sets)
    now_utc_ns = time.time_ns()
    missing, old, ages_d = [], [], []
    for slug, satellite in config.satellites.items():
        sets = catalogue.history(satellite.norad)
        if not sets:
            missing.append(slug)
            continue
        age_d = abs(sets[-1].age_d(now_utc_ns))
        ages_d.append(age_d)
        if age_d > ELEMENTS_D.get(satellite.orbit, ELEMENTS_ELSEWHERE_D):
            old.append(f"{slug} {age_d:.1f} d")
    if missing:
        yield Finding("note", f"no elements of {', '.join(missing)}", "passes of these are not predicted")
    if old:
        yield Finding("wrong", f"elements too old: {', '.join(old)}", "fetch newer ones, or name passes.urls")
    elif ages_d:
        yield Finding("good", f"elements of {len(ages_d)} satellites, the oldest {max(ages_d):.1f} d")


async def connections(config: StationConfig, *, working: bool) -> AsyncIterator[Finding]:
    """Connect to each broker and open each source."""
    for index in range(len(config.file.brokers)):
        yield await answer_of(config, index)
    if working and config.file.sources:
        yield Finding("note", f"{len(config.file.sources)} sources belong to the agent at work: not opened")
        return
    for index, table in enumerate(config.file.sources):
        yield await opened(config, table, config.place(f"source[{index}]"))


async def answer_of(config: StationConfig, index: int) -> Finding:
    """Connect to a broker as the agent would, under another client id and without a will."""
    import aiomqtt

    from agent.commands.check import credentials_of
    from agent.sinks.broker_connection import connection, explain, make_client

    broker = config.file.brokers[index]
    try:
        credentials = await asyncio.to_thread(credentials_of, config, index)
    except ConfigError as exc:
        return Finding("wrong", str(exc))
    client = make_client(broker, credentials, client_id=f"gsagent-doctor-{secrets.token_hex(4)}", will=None)
    try:
        async with connection(client):
            pass
    except aiomqtt.MqttError as exc:
        return Finding("wrong", explain(broker, exc, connected=False).text)
    how = ("TLS" if broker.tls is not None else "no TLS") + (f", as {broker.username}" if broker.username else "")
    return Finding("good", f"broker {broker.name} ({broker.host}:{broker.port}) takes the connection: {how}")


async def opened(config: StationConfig, table: dict[str, object], place: str) -> Finding:
    """Open a source and close it."""
    from agent.sources import make_source

    try:
        name, source = make_source(table, place, folder=config.path.parent)
        async with asyncio.timeout(OPEN_S), source:
            pass
    except TimeoutError:
        return Finding("wrong", f"{place}: source {table['id']} does not open within {OPEN_S:.0f} s")
    except AgentError as exc:
        return Finding("wrong", f"{place}: source {table['id']}: {exc}")
    return Finding("good", f"source {name} ({table['kind']}) opens")
