"""What differs between two configurations of one station, and which of it can be changed while it works.

Pure comparison: what a part was made of is compared, not the text of the files, so that a comment changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from agent.config import StationConfig
from agent.definitions import Broker
from agent.errors import ConfigError
from agent.sources import SourceTable

NARROWING: Final = frozenset({"satellites", "downlinks", "framing", "framing_options"})
"""Lines of a source that concern what is looked for in it, not the source."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done; ``brokers_ended`` and ``brokers_begun`` share a name where one has changed."""

    satellites: tuple[str, ...]
    """Satellites whose files say something else, and those that came or went."""
    sources_ended: tuple[str, ...]
    sources_begun: tuple[str, ...]
    brokers_ended: tuple[str, ...]
    brokers_begun: tuple[Broker, ...]
    sky: bool
    """Whether passes are to be predicted anew."""
    page: bool
    else_: bool

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(
            self.satellites or self.sources_ended or self.sources_begun or self.brokers_ended
            or self.brokers_begun or self.sky or self.page or self.else_
        )  # fmt: skip

    def summary(self) -> str:
        """Say in a few words what changed."""
        parts = [
            f"{what} {', '.join(names)}"
            for what, names in (
                ("satellites", self.satellites),
                ("sources", tuple(dict.fromkeys((*self.sources_ended, *self.sources_begun)))),
                (
                    "brokers",
                    tuple(dict.fromkeys((*self.brokers_ended, *(item.name for item in self.brokers_begun)))),
                ),
            )
            if names
        ]
        return "; ".join((*parts, *(("passes",) if self.sky else ()))) or "settings"


def differences(
    old: StationConfig,
    new: StationConfig,
    old_tables: Sequence[SourceTable],
    new_tables: Sequence[SourceTable],
) -> Difference:
    """Compare two configurations; raises ``ConfigError`` for a line that takes effect only with a restart."""
    _refuse_what_needs_a_restart(old, new)
    satellites = tuple(
        slug
        for slug in dict.fromkeys((*old.satellites, *new.satellites))
        if old.satellites.get(slug) != new.satellites.get(slug)
    )
    before = {table.id: _hardware(table) for table in old_tables}
    after = {table.id: _hardware(table) for table in new_tables}
    brokers_before = {broker.name: broker for broker in old.file.brokers}
    brokers_after = {broker.name: broker for broker in new.file.brokers}
    first = new.file.brokers[:1] != old.file.brokers[:1]
    return Difference(
        satellites=satellites,
        sources_ended=tuple(name for name in before if after.get(name) != before[name]),
        sources_begun=tuple(name for name in after if after[name] != before.get(name)),
        brokers_ended=tuple(name for name, one in brokers_before.items() if brokers_after.get(name) != one),
        brokers_begun=tuple(one for name, one in brokers_after.items() if brokers_before.get(name) != one),
        sky=bool(satellites) or old.file.passes != new.file.passes or old.file.station != new.file.station,
        page=first or (old.file.http_port, old.file.metrics) != (new.file.http_port, new.file.metrics),
        else_=old.file != new.file,
    )


def _hardware(table: SourceTable) -> dict[str, Any]:
    """Describe a source without what is looked for in it."""
    told = {name: getattr(table, name) for name in table.__struct_fields__ if name not in NARROWING}
    return {"table": type(table).__module__, **told}


def _refuse_what_needs_a_restart(old: StationConfig, new: StationConfig) -> None:
    unchangeable = {
        "station.name": (old.file.station.name, new.file.station.name),
        "archive.directory": (old.file.archive.directory, new.file.archive.directory),
        "archive.max_mb": (old.file.archive.max_mb, new.file.archive.max_mb),
        "broker": (bool(old.file.brokers), bool(new.file.brokers)),
    }
    for place, (before, after) in unchangeable.items():
        if before != after:
            raise ConfigError(
                f"changed from {_shown(before)} to {_shown(after)}, which takes effect only with a restart",
                where=new.place(place),
                mend="systemctl restart gsagent, or take the change back",
            )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "brokers named here" if value else "the agent's own broker"
    return msgspec.json.encode(value).decode()
