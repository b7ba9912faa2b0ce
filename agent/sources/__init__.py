"""Where blocks come from, one kind of source per file; a source's ``kind`` is its module's name.

A module offers ``Options`` (a ``SourceTable``: what its ``[[source]]`` table may say), ``Source(options)`` and
``SIGNAL``, what its blocks hold. There is no registry: ``load("rtl_tcp")`` imports ``agent.sources.rtl_tcp``.
Here a table is checked, wholly and before any I/O; nothing here opens, reads or waits.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, TypeAlias

import msgspec
from msgspec import field

from agent.config import split_complaint
from agent.definitions import Definition, Name
from agent.errors import ConfigError
from agent.stages import Source
from firmware_protocols import interface

Signal: TypeAlias = Literal["octets", "iq", "audio", "samples", "file"]
"""What a kind's blocks hold; ``samples``: IQ or audio as its options say; ``file``: as the file says."""

_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<field>[^`]{0,100})`")


class SourceTable(Definition, frozen=True, kw_only=True):
    """What every ``[[source]]`` table may say.

    ``satellites`` and ``downlinks`` narrow what is looked for in this source (empty: all of the station's);
    octets that name no satellite belong to the only one named.
    """

    id: Name
    kind: str
    satellites: tuple[str, ...] = ()
    downlinks: tuple[str, ...] = ()


class OctetTable(SourceTable, frozen=True, kw_only=True):
    """What every source of octets may say beside: the protocol that finds frames in them, with its options."""

    framing: str = "kiss"
    framing_options: dict[str, Any] = field(default_factory=dict)


class ConfiguredSource(Source, Protocol):
    """A source that was made from a table and still knows it."""

    @property
    def options(self) -> SourceTable:
        """Return the table it was made from."""
        ...


def source_kinds() -> tuple[str, ...]:
    """List the kinds of source by their files."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.ispkg))


def load(kind: str) -> ModuleType:
    """Import a source's module by its kind; raises ``ConfigError``."""
    if not kind.isidentifier() or kind not in source_kinds():
        raise ConfigError(f"no source is called {kind!r}", mend=_choose(kind, source_kinds()))
    return importlib.import_module(f"{__name__}.{kind}")


def read_table(table: Mapping[str, Any], where: str) -> SourceTable:
    """Check one ``[[source]]`` table wholly; ``where`` is its place (``station.toml: source[1]``)."""
    kind = table.get("kind")
    if not isinstance(kind, str):
        raise ConfigError("a source needs a kind", where=f"{where}.kind", mend=_choose("", source_kinds()))
    try:
        module = load(kind)
    except ConfigError as exc:
        raise ConfigError(exc.what, where=f"{where}.kind", mend=exc.mend) from exc
    kinds_options: type[SourceTable] = module.Options
    try:
        options = msgspec.convert(dict(table), kinds_options, strict=True)
    except msgspec.ValidationError as exc:
        raise _explained(str(exc), kinds_options, where) from exc
    if isinstance(options, OctetTable):
        _check_framing(options, where)
    check = getattr(module, "check_options", None)
    if check is not None:
        check(options, where)
    return options


def make_source(
    table: Mapping[str, Any], where: str, *, folder: Path | None = None
) -> tuple[str, ConfiguredSource]:
    """Check a ``[[source]]`` table and make its source, not yet opened; returns its id too.

    A relative ``path`` in it starts at ``folder``, the station file's.
    """
    if folder is not None and isinstance(table.get("path"), str):
        table = {**table, "path": str(folder / Path(table["path"]).expanduser())}
    options = read_table(table, where)
    source: ConfiguredSource = load(options.kind).Source(options)
    return options.id, source


def _check_framing(options: OctetTable, where: str) -> None:
    try:
        eats, _ = interface.make_deframer(options.framing, options.framing_options)
    except interface.UnknownProtocol as exc:
        raise ConfigError(str(exc), where=f"{where}.framing", mend=_choose(exc.name, exc.known)) from exc
    except interface.BadOptions as exc:
        raise ConfigError(str(exc), where=f"{where}.framing_options") from exc
    if eats != "octets":
        raise ConfigError(
            f"{options.framing} finds frames in soft symbols, this source gives octets",
            where=f"{where}.framing",
            mend="kiss is what a TNC speaks",
        )


def _explained(message: str, kinds_options: type[SourceTable], where: str) -> ConfigError:
    """Turn msgspec's sentence into a place and, for a typo, the nearest field."""
    what, path = split_complaint(message)
    place = f"{where}.{path}" if path else where
    unknown = _UNKNOWN_FIELD.search(what)
    if unknown is None:
        return ConfigError(what, where=place)
    name = unknown["field"]
    known = tuple(item.encode_name for item in msgspec.structs.fields(kinds_options))
    return ConfigError("unknown field", where=f"{place}.{name}", mend=_choose(name, known))


def _choose(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(known)}" if known else ""
