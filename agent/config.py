"""Opens and validates the files operators write; nothing else opens a configuration file.

Knows where the shipped files lie, how a satellite is found by file name, name, alias or number, and how to turn
a parser's complaint into one line with file, line, place and mend. Does not know what the values are used for.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from agent import definitions
from agent.definitions import Definition, Downlink, Satellite, StationFile
from agent.errors import ConfigError

MAX_FILE_OCTETS = 4 * 1024 * 1024
KEY_FILE = "_key_file"
"""How the name of a protocol's option ends that names a file with a key."""

D = TypeVar("D", bound=Definition)


def shipped_configs() -> Path:
    """Return the folder of the shipped configuration files: of the checkout, or of the installed package."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "configs"
    return checkout if (checkout / "satellites").is_dir() else package / "shipped_configs"


# -- reading one file --------------------------------------------------------------------------------------


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Read a TOML file; returns the tables and the text. Raises ``ConfigError`` naming file and line."""
    try:
        if path.stat().st_size > MAX_FILE_OCTETS:
            raise ConfigError(f"larger than {MAX_FILE_OCTETS} octets", where=str(path))
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("no such file", where=str(path), mend="`gsagent init` writes a first one") from None
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc.strerror}", where=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"is not UTF-8 text (octet {exc.start})", where=str(path)) from exc
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"not valid TOML: {exc}", where=str(path)) from exc


def convert(tables: Mapping[str, Any], kind: type[D], *, path: Path, text: str) -> D:
    """Turn tables into a definition; raises ``ConfigError`` with line, place, and the nearest known field."""
    try:
        return msgspec.convert(tables, kind, strict=True)
    except msgspec.ValidationError as exc:
        what, place = split_complaint(str(exc))
        mend = ""
        unknown = re.search(r"unknown field `(.*?)`", what)
        if unknown:
            place = f"{place}.{unknown[1]}" if place else unknown[1]
            what = "unknown field"
            near = difflib.get_close_matches(unknown[1], known_fields(), n=2, cutoff=0.6)
            mend = f"did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(what, where=place_in_file(path, text, place), mend=mend) from exc


def split_complaint(complaint: str) -> tuple[str, str]:
    """Split ``Expected `int`, got `str` - at `$.a[0].b``` into what is wrong and where (``a[0].b``)."""
    what, _, place = complaint.partition(" - at `$")
    return what, place.rstrip("`").lstrip(".")


def place_in_file(path: Path, text: str, place: str) -> str:
    """Name a place as ``file:line: downlink[0].frequency_hz``; the line is left out when it is not found."""
    line = locate(text, place)
    return f"{path}:{line}: {place}" if line else f"{path}: {place}" if place else str(path)


@cache
def known_fields() -> tuple[str, ...]:
    """List every field name that any definition knows."""
    names: set[str] = set()
    for kind in vars(definitions).values():
        if isinstance(kind, type) and issubclass(kind, Definition):
            names.update(msgspec.structs.fields(kind)[i].encode_name for i in range(len(kind.__struct_fields__)))
    return tuple(sorted(names))


_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?$")
_OPENS = re.compile(r"([A-Za-z0-9_\-]+)\s*=\s*\[\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-]+|\"[^\"]*\")\s*(?:\.|=)")


def locate(text: str, place: str) -> int | None:
    """Find the line of ``a[0].b`` in TOML text: the key's own line, else that of the nearest table around it.

    Follows headers, key lines and arrays of inline tables with one table a line, which is how these files are
    written; any other inline table is found by the line it starts on.
    """
    if not place:
        return None
    wanted = re.findall(r"[^.\[\]]+|\[\d+\]", place)
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    arrays: list[tuple[str, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if arrays:
            _follow_array(line, number, arrays, found)
            continue
        header = _HEADER.match(line)
        if header:
            table = _table_path(header[2], header[1] == "[[", counts)
            found.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key:
            path = f"{table}.{key[1]}" if table else key[1]
            found.setdefault(path, number)
            if _OPENS.search(line):
                arrays.append((path, 0))
    for length in range(len(wanted), 0, -1):
        candidate = ""
        for part in wanted[:length]:
            candidate += part if part.startswith("[") or not candidate else f".{part}"
        if candidate in found:
            return found[candidate]
    return None


def _follow_array(line: str, number: int, arrays: list[tuple[str, int]], found: dict[str, int]) -> None:
    """Count the inline tables of the innermost open array, and the arrays that open and close in it."""
    path, count = arrays[-1]
    begin = line.lstrip()[:1]
    if begin == "]":
        arrays.pop()
    elif begin == "{":
        element = f"{path}[{count}]"
        arrays[-1] = (path, count + 1)
        found.setdefault(element, number)
        opened = _OPENS.search(line)
        if opened:
            arrays.append((f"{element}.{opened[1]}", 0))


def _table_path(header: str, is_array: bool, counts: dict[str, int]) -> str:
    path = ""
    parts = [part.strip().strip("\"'") for part in header.split(".")]
    for index, part in enumerate(parts):
        path = f"{path}.{part}" if path else part
        last = index == len(parts) - 1
        if last and is_array:
            counts[path] = counts.get(path, -1) + 1
            for key in [key for key in counts if key.startswith(f"{path}[{counts[path]}]")]:
                del counts[key]
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return path


# -- satellites --------------------------------------------------------------------------------------------


class CatalogEntry(NamedTuple):
    """One satellite file: its slug (which is its topic level), where it lies, and what it says."""

    slug: str
    path: Path
    satellite: Satellite


SLUG = re.compile(r"^[a-z0-9][a-z0-9_-]{0,31}$")


def satellite_files(extra_directories: Iterable[Path] = ()) -> dict[str, Path]:
    """List the satellite files by slug; a file in an extra directory replaces a shipped one."""
    files: dict[str, Path] = {}
    for directory in (shipped_configs() / "satellites", *extra_directories):
        files.update({path.stem: path for path in sorted(directory.glob("*.toml")) if SLUG.match(path.stem)})
    return files


def read_satellite(path: Path) -> CatalogEntry:
    """Read one satellite file."""
    if not SLUG.match(path.stem):
        raise ConfigError(
            f"{path.stem!r} cannot be a topic level",
            where=str(path),
            mend="name the file with a-z, 0-9, _ and -, at most 32 characters",
        )
    tables, text = read_toml(path)
    satellite = convert(tables, Satellite, path=path, text=text)
    downlinks = tuple(_with_place(downlink, path.parent) for downlink in satellite.downlinks)
    return CatalogEntry(path.stem, path, msgspec.structs.replace(satellite, downlinks=downlinks))


def _with_place(downlink: Downlink, folder: Path) -> Downlink:
    """Let the key files that a satellite file names be found from anywhere: they are named relative to it."""
    if not any(name.endswith(KEY_FILE) for choice in downlink.extract for name in choice.options):
        return downlink
    chain = tuple(
        msgspec.structs.replace(
            choice,
            options={
                name: str(folder / Path(value).expanduser())
                if name.endswith(KEY_FILE) and isinstance(value, str) and value
                else value
                for name, value in choice.options.items()
            },
        )
        for choice in downlink.extract
    )
    return msgspec.structs.replace(downlink, extract=chain)


def load_satellite(name: str, extra_directories: Iterable[Path] = ()) -> tuple[str, Satellite]:
    """Find a satellite by path, slug, name, alias or catalogue number and read its file.

    Raises ``ConfigError`` with the nearest names when there is none.
    """
    entry = find_satellite(name, extra_directories)
    return entry.slug, entry.satellite


def read_satyaml(path: Path, left_out: list[str] | None = None) -> tuple[str, Satellite]:
    """Read a SatYAML file as it is; its slug is made of the file's name.

    With ``left_out`` transmitters that cannot be listened to are told there instead of being an error.
    """
    import yaml

    from agent.telemetry.importers import satyaml

    try:
        if path.stat().st_size > MAX_FILE_OCTETS:
            raise ConfigError(f"larger than {MAX_FILE_OCTETS} octets", where=str(path))
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc.strerror}", where=str(path)) from exc
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise ConfigError(f"not valid YAML: {' '.join(str(exc).split())}", where=str(path)) from exc
    try:
        return satyaml.slug_of(path.stem), satyaml.satellite(document, left_out)
    except ConfigError as exc:
        raise ConfigError(exc.what, where=f"{path}: {exc.where}".rstrip(": "), mend=exc.mend) from exc


def find_satellite(name: str, extra_directories: Iterable[Path] = ()) -> CatalogEntry:
    """Find a satellite by path, slug, name, alias or catalogue number."""
    if name.endswith(".toml"):
        return read_satellite(Path(name))
    directories = tuple(extra_directories)
    files = satellite_files(directories)
    if name.lower() in files:
        return read_satellite(files[name.lower()])
    entries = [read_satellite(path) for path in files.values()]
    wanted = name.strip().casefold()
    matches = [entry for entry in entries if wanted in names_of(entry)]
    if matches:
        return matches[0]
    known = {alias: entry.slug for entry in entries for alias in names_of(entry)}
    near = difflib.get_close_matches(wanted, known, n=5, cutoff=0.55)
    near += [alias for alias in known if len(wanted) > 2 and wanted in alias]
    slugs = list(dict.fromkeys(known[alias] for alias in near))[:4]
    mend = f"did you mean {', '.join(slugs)}?" if slugs else "`gsagent satellites` lists them"
    raise ConfigError(f"no satellite is called {name!r}", mend=mend)


def names_of(entry: CatalogEntry) -> tuple[str, ...]:
    """List every name a satellite answers to, lower-case."""
    satellite = entry.satellite
    return (
        entry.slug,
        satellite.name.casefold(),
        *(alias.casefold() for alias in satellite.aliases),
        str(satellite.norad),
        *((satellite.cospar.casefold(),) if satellite.cospar else ()),
    )


def load_catalog(extra_directories: Iterable[Path] = ()) -> list[CatalogEntry]:
    """Read every satellite file; station and scenario files that lie beside them are passed over."""
    shipped = shipped_configs() / "satellites"
    paths = satellite_files(extra_directories).values()
    return [read_satellite(path) for path in paths if path.parent == shipped or not _is_another_kind(path)]


_OTHER_TABLES = re.compile(r"^\s*\[+\s*(station|source|broker|transmitter|sdr|tnc|gateway|fault)\b", re.MULTILINE)
_NUMBER = re.compile(r"^\s*norad\s*=", re.MULTILINE)


def _is_another_kind(path: Path) -> bool:
    """Say whether a file is a station's or a scenario's by the tables that only those have."""
    _, text = read_toml(path)
    return bool(_OTHER_TABLES.search(text)) and not _NUMBER.search(text)


# -- the station -------------------------------------------------------------------------------------------


class StationConfig(NamedTuple):
    """A validated station file with the satellites it names and its own place on disk."""

    path: Path
    text: str
    file: StationFile
    satellites: dict[str, Satellite]

    def resolve(self, name: str) -> Path:
        """Resolve a path in the file: relative ones start at the file's folder."""
        path = Path(name).expanduser()
        return path if path.is_absolute() else self.path.parent / path

    def place(self, place: str) -> str:
        """Name a place in this file, with its line."""
        return place_in_file(self.path, self.text, place)


def station_path(name: str) -> Path:
    """Find a station file by path, or by its name among the shipped and local ``configs``."""
    path = Path(name)
    if name.endswith(".toml") or path.exists():
        return path
    for directory in (Path("configs"), shipped_configs()):
        if (directory / f"{name}.toml").is_file():
            return directory / f"{name}.toml"
    raise ConfigError(
        f"no station is called {name!r}", mend="give LAT,LON,ALT_M, a station file, or run `gsagent init`"
    )


def load_station(name: str | Path) -> StationFile:
    """Read a station file by path or name."""
    path = station_path(str(name))
    tables, text = read_toml(path)
    return convert(tables, StationFile, path=path, text=text)


def load_station_config(name: str | Path) -> StationConfig:
    """Read a station file and every satellite file it names; all that can be wrong is said before any I/O."""
    path = station_path(str(name))
    tables, text = read_toml(path)
    file = convert(tables, StationFile, path=path, text=text)
    config = StationConfig(path, text, file, {})
    brokers = tuple(_with_files_of(config, broker) for broker in file.brokers)
    config = config._replace(file=msgspec.structs.replace(file, brokers=brokers))
    directories = [config.resolve(directory) for directory in file.satellite_directories]
    for index, directory in enumerate(directories):
        if not directory.is_dir():
            raise ConfigError(f"{directory} is no folder", where=config.place(f"satellite_directories[{index}]"))
    for index, wanted in enumerate(file.satellites):
        try:
            named = str(config.resolve(wanted)) if wanted.endswith(".toml") else wanted
            entry = find_satellite(named, directories)
        except ConfigError as exc:
            if exc.where:
                raise
            raise ConfigError(exc.what, where=config.place(f"satellites[{index}]"), mend=exc.mend) from exc
        config.satellites[entry.slug] = entry.satellite
    _check_names(config)
    return config


def _with_files_of(config: StationConfig, broker: definitions.Broker) -> definitions.Broker:
    """Let the paths of a broker's table begin at the station file's folder, as all others do."""
    tls = broker.tls
    if tls is not None:
        named = {name: getattr(tls, name) for name in tls.__struct_fields__}
        found = {name: str(config.resolve(value)) for name, value in named.items() if value is not None}
        tls = msgspec.structs.replace(tls, **found)
    password_file = None if broker.password_file is None else str(config.resolve(broker.password_file))
    return msgspec.structs.replace(broker, tls=tls, password_file=password_file)


def _check_names(config: StationConfig) -> None:
    seen: set[str] = set()
    for index, broker in enumerate(config.file.brokers):
        if broker.name in seen:
            raise ConfigError(
                f"two brokers are called {broker.name!r}", where=config.place(f"broker[{index}].name")
            )
        seen.add(broker.name)
    for index, elements in enumerate(config.file.passes.elements):
        if not config.resolve(elements).is_file():
            raise ConfigError(
                f"no such element file: {config.resolve(elements)}",
                where=config.place(f"passes.elements[{index}]"),
                mend="put a TLE or OMM file there",
            )
