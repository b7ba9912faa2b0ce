"""Watches the files the station was configured by, and has what changed taken up while everything goes on.

Knows which files those are, when one has been written to its end, and that a file that is wrong changes nothing:
the reason is logged and told, and the station works on as it was. Asked to (SIGHUP), it looks at once. Reads the
files again in a thread: a receiver does not wait for a parser. Does not know what taking up means.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from agent.config import StationConfig, load_station_config, satellite_files
from agent.errors import AgentError
from agent.health.monitor import Monitor
from agent.runtime.assembly import check_station
from agent.runtime.service_manager import ServiceManager
from agent.sources import SourceTable

log = logging.getLogger("agent")

LOOK_EVERY_S: Final = 1.0

Stamps: TypeAlias = dict[Path, tuple[int, int, int] | None]


class Prepared(NamedTuple):
    """A configuration that was read and found good, with what can be made of it beforehand."""

    config: StationConfig
    tables: Sequence[SourceTable]
    monitor: Monitor


def prepare(path: Path) -> Prepared:
    """Read a station file and all it names, and check everything there is to check; raises ``AgentError``."""
    try:
        config = load_station_config(path)
        tables = check_station(config)
        return Prepared(config, tables, Monitor(config.satellites))
    except (OSError, RecursionError) as exc:
        raise AgentError(f"{path}: cannot be taken up: {exc}") from exc


def files_of(config: StationConfig) -> list[Path]:
    """List the files a configuration depends on: the station's, its satellites', and all in its own folders."""
    own = [config.resolve(name) for name in config.file.satellite_directories]
    shipped = satellite_files()
    return [
        config.path,
        *(config.resolve(name) for name in config.file.satellites if name.endswith(".toml")),
        *(shipped[slug] for slug in config.satellites if slug in shipped),
        *(path for directory in own for path in sorted(directory.glob("*.toml"))),
    ]


def stamps_of(config: StationConfig) -> Stamps:
    """Tell one state of those files from another."""
    stamps: Stamps = {}
    for path in files_of(config):
        try:
            stat = path.stat()
            stamps[path] = stat.st_mtime_ns, stat.st_size, stat.st_ino
        except OSError:
            stamps[path] = None
    return stamps


class Reload:
    """``take_up`` gets what is good and says what changed; ``tell`` gets what is wrong, or an empty text."""

    def __init__(
        self,
        config: StationConfig,
        *,
        take_up: Callable[[Prepared], Awaitable[str]],
        tell: Callable[[str], Awaitable[None]],
        service: ServiceManager,
    ) -> None:
        self.trouble = ""
        """Why the files are not what the station works by; empty when they are."""
        self.done = 0
        """How often files were looked at again, whatever came of it."""
        self._config = config
        self._take_up = take_up
        self._tell = tell
        self._service = service
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look at once."""
        self._asked.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        known = seen = await asyncio.to_thread(stamps_of, self._config)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._asked.wait()
            asked = self._asked.is_set()
            self._asked.clear()
            before, seen = seen, await asyncio.to_thread(stamps_of, self._config)
            # A file that changed since the last look may still be in the middle of being written.
            if asked or (seen != known and seen == before):
                known = seen
                await self._again()
                seen = known = await asyncio.to_thread(self._since, known)

    def _since(self, known: Stamps) -> Stamps:
        """Look at the files that are named now; what was written during the work counts as not seen yet."""
        return {path: known.get(path, stamp) for path, stamp in stamps_of(self._config).items()}

    async def _again(self) -> None:
        self._service.say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            prepared = await asyncio.to_thread(prepare, self._config.path)
            changed = await self._take_up(prepared)
        except AgentError as exc:
            self.trouble = str(exc)
            log.error("%s; the station goes on as it was configured before", exc)
        else:
            self._config = prepared.config
            self.trouble = ""
            log.info("configuration taken up: %s", changed or "nothing has changed")
        finally:
            self.done += 1
            self._service.say("READY=1")
        await self._tell(self.trouble)
