"""What a scenario file may say, and its reading: who transmits what, over which simulated hardware.

Data only: nothing here opens a port or makes a signal. Every complaint names the file, the line and the place.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta, field

from agent.config import convert, load_satellite, place_in_file, read_toml, shipped_configs
from agent.definitions import Definition, Downlink, Name, Positive, Satellite
from agent.errors import AgentError, ConfigError
from agent.orbit.elements import MeanElements, read_elements
from agent.simulator.fault import AlarmName
from agent.simulator.faults import Fault, check_faults
from agent.simulator.gateway import Gateway
from agent.simulator.modulators import UnknownModulator, convert_options, transmit_options
from agent.simulator.neighbours import Neighbour, neighbours_burst
from agent.simulator.radio import Radio
from agent.simulator.satellite_model import (
    CHECK_UTC_NS,
    CannotTransmit,
    Curve,
    SatelliteModel,
    channel_bits,
    line_octets,
)
from agent.simulator.spacecraft import Spacecraft
from firmware_protocols import interface

PortOrAny = Annotated[int, Meta(ge=0, le=65535)]


class Sdr(Definition, frozen=True, kw_only=True):
    """An RTL-SDR behind an rtl_tcp server; ``noise_level`` is the noise's rms at ``sample_rate_hz``, full scale 1.

    ``frequency_hz`` and ``sample_rate_hz`` are what a client is advised to tune to.
    """

    id: Name
    frequency_hz: Positive
    sample_rate_hz: Annotated[int, Meta(ge=225_001, le=3_200_000)] = 250_000
    host: str = "127.0.0.1"
    port: PortOrAny = 0
    noise_level: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    crystal_ppm: Annotated[float, Meta(ge=-200, le=200)] = 0.0
    dc_offset: Annotated[float, Meta(ge=-0.5, le=0.5)] = 0.0
    iq_gain_db: Annotated[float, Meta(ge=-6, le=6)] = 0.0
    iq_phase_deg: Annotated[float, Meta(ge=-45, le=45)] = 0.0
    lump_octets: Annotated[int, Meta(ge=0, le=1 << 20)] = 0


class Tnc(Definition, frozen=True, kw_only=True):
    """A TNC on a pseudo-terminal; ``link`` is a symbolic link to it, relative to where the scenario is played."""

    id: Name
    link: str | None = None
    baudrate_bd: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600


class Transmitter(Definition, frozen=True, kw_only=True):
    """One downlink of one satellite, on the air (every SDR hears it), or through a ``tnc`` or ``gateway``.

    ``modulation_options`` are the modulator's (``agent.simulator.modulators``), beside those of the satellite's
    file. A ``continuous`` one sends frame behind frame from ``first_s`` on, and ``every_s`` says nothing of it.
    ``frequency_offset_hz`` is what oscillator and orbit make of the carrier; it drifts by
    ``oscillator_drift_hz_s``, and swings by ``doppler_hz`` in ``doppler_period_s``. ``linewidth_hz`` is the
    oscillator's phase noise. A tumbling satellite fades by ``fading_db`` and comes back within
    ``fading_period_s``.
    """

    satellite: str
    downlink: str
    packet: str
    every_s: Annotated[float, Meta(ge=0.05, le=86_400)] = 10.0
    first_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.5
    tnc: Name | None = None
    gateway: Name | None = None
    ebn0_db: Annotated[float, Meta(ge=-10, le=60)] = 18.0
    frequency_offset_hz: float = 0.0
    doppler_hz: Annotated[float, Meta(ge=0, le=200_000)] = 0.0
    doppler_period_s: Positive = 600.0
    clock_ppm: Annotated[float, Meta(ge=-50_000, le=50_000)] = 0.0
    oscillator_drift_hz_s: Annotated[float, Meta(ge=-1000, le=1000)] = 0.0
    continuous: bool = False
    linewidth_hz: Annotated[float, Meta(ge=0, le=1e5)] = 0.0
    fading_db: Annotated[float, Meta(ge=0, le=60)] = 0.0
    fading_period_s: Positive = 20.0
    modulation_options: dict[str, Any] = field(default_factory=dict)
    curves: tuple[Curve, ...] = field(name="curve", default=())
    spacecraft: Spacecraft = Spacecraft()


class Place(Definition, frozen=True, kw_only=True):
    """The station over which the scenario's sky turns.

    Satellites in ``elements`` (TLE or OMM files) move by them; a simulated satellite without a set gets a circular
    orbit that is over the station ``overhead_after_s`` after the beginning. All are silent below the horizon, and
    their carriers shift as their motion makes them. ``geostationary`` gives the longitude of those that stand
    still. Real satellites without a set are heard always. With ``reference_range_km`` each Eb/N0 is that at this
    range, and the path's length weakens or strengthens it as the satellite moves.
    """

    latitude_deg: Annotated[float, Meta(ge=-90, le=90)]
    longitude_deg: Annotated[float, Meta(ge=-180, le=360)]
    altitude_m: Annotated[float, Meta(ge=-500, le=9000)] = 0.0
    elements: tuple[str, ...] = ()
    overhead_after_s: Annotated[float, Meta(ge=0, le=86_400)] = 210.0
    reference_range_km: Positive | None = None
    geostationary: dict[str, Annotated[float, Meta(ge=-180, le=360)]] = field(default_factory=dict)


class ScenarioFile(Definition, frozen=True, kw_only=True):
    """A whole scenario file.

    ``seconds`` is how long it lasts (without it: until it is told to end), ``speed`` how much faster than real time
    it is judged; ``alarms`` are those that the satellites' own curves raise, beside those of the faults.
    """

    description: str = ""
    sdrs: tuple[Sdr, ...] = field(name="sdr", default=())
    tncs: tuple[Tnc, ...] = field(name="tnc", default=())
    radios: tuple[Radio, ...] = field(name="radio", default=())
    gateways: tuple[Gateway, ...] = field(name="gateway", default=())
    neighbours: tuple[Neighbour, ...] = field(name="neighbour", default=())
    transmitters: tuple[Transmitter, ...] = field(name="transmitter", default=())
    faults: tuple[Fault, ...] = field(name="fault", default=())
    station: Place | None = None
    satellite_directories: tuple[str, ...] = ()
    seed: int = 1
    seconds: Positive | None = None
    speed: Annotated[float, Meta(ge=0.1, le=10_000)] = 1.0
    alarms: tuple[AlarmName, ...] = ()


class Transmission(NamedTuple):
    """A transmitter with its satellite's model, checked."""

    table: Transmitter
    slug: str
    downlink: Downlink
    model: SatelliteModel
    satellite: Satellite

    @property
    def label(self) -> str:
        """Name it in a ledger."""
        return f"{self.slug}/{self.downlink.name}"

    @property
    def through(self) -> str:
        """Name what its frames come through: a TNC, a gateway, or the air."""
        return self.table.tnc or self.table.gateway or "air"


class Scenario(NamedTuple):
    """A scenario that can be played."""

    name: str
    file: ScenarioFile
    transmissions: tuple[Transmission, ...]
    elements: tuple[MeanElements, ...] = ()
    satellite_directories: tuple[Path, ...] = ()


def scenario_path(name: str) -> Path:
    """Find a scenario by path, or by its name among the shipped ones; raises ``ConfigError``."""
    path = Path(name)
    if name.endswith(".toml") or path.exists():
        return path
    folder = shipped_configs() / "scenarios"
    if (folder / f"{name}.toml").is_file():
        return folder / f"{name}.toml"
    known = ", ".join(sorted(item.stem for item in folder.glob("*.toml")))
    raise ConfigError(f"no scenario is called {name!r}", mend=f"there are: {known}; or give a file's path")


def load_scenario(name: str) -> Scenario:
    """Read a scenario and everything it names; raises ``ConfigError``."""
    path = scenario_path(name)
    tables, text = read_toml(path)
    file = convert(tables, ScenarioFile, path=path, text=text)

    def place(where: str) -> str:
        return place_in_file(path, text, where)

    hardware = [("sdr", item.id) for item in file.sdrs] + [("radio", item.id) for item in file.radios]
    hardware += [("tnc", item.id) for item in file.tncs] + [("gateway", item.id) for item in file.gateways]
    for index, (kind, name_) in enumerate(hardware):
        if name_ in [other for _, other in hardware[:index]]:
            raise ConfigError(f"two pieces of hardware are called {name_!r}", where=place(kind))
    directories = [path.parent / item for item in file.satellite_directories]
    satellites: dict[str, tuple[str, Satellite]] = {}
    transmissions = []
    for index, table in enumerate(file.transmitters):
        where = place(f"transmitter[{index}]")
        if table.satellite not in satellites:
            try:
                satellites[table.satellite] = load_satellite(table.satellite, directories)
            except ConfigError as exc:
                raise ConfigError(exc.what, where=f"{where}.satellite", mend=exc.mend) from exc
        slug, satellite = satellites[table.satellite]
        transmissions.append(_transmission(table, slug, satellite, file, where, seed=file.seed + index))
    for index, neighbour in enumerate(file.neighbours):
        try:
            neighbours_burst(neighbour, 0.0, np.random.Generator(np.random.SFC64(0)))
        except (UnknownModulator, ValueError) as exc:
            raise ConfigError(str(exc), where=place(f"neighbour[{index}]")) from exc
    there = {id_: kind for kind, id_ in hardware}
    there |= {item.slug: "satellite" for item in transmissions if item.slug not in there}
    check_faults(file.faults, there, place)
    _check_parameters(file, transmissions, place)
    _check_end(file, place)
    elements = tuple(_elements(file.station, path, place)) if file.station is not None else ()
    return Scenario(path.stem, file, tuple(transmissions), elements, tuple(item.resolve() for item in directories))


def _check_parameters(file: ScenarioFile, transmissions: list[Transmission], place: Callable[[str], str]) -> None:
    """Refuse a fault of a parameter that its satellite does not send."""
    for index, fault in enumerate(file.faults):
        if not fault.kind.startswith("parameter_"):
            continue
        sent = {name for item in transmissions if item.slug == fault.target for name in item.model.parameters}
        if fault.parameter not in sent:
            near = difflib.get_close_matches(fault.parameter or "", sent, n=3)
            raise ConfigError(
                f"{fault.target} sends no parameter {fault.parameter!r}"
                if fault.parameter
                else "of which parameter?",
                where=place(f"fault[{index}].parameter"),
                mend=f"did you mean {' or '.join(near)}?"
                if near
                else f"there are: {', '.join(sorted(sent)[:12])} …",
            )


def _check_end(file: ScenarioFile, place: Callable[[str], str]) -> None:
    for index, fault in enumerate(file.faults):
        if file.seconds is not None and fault.at_s >= file.seconds:
            raise ConfigError(
                f"at {fault.at_s:g} s, but the scenario ends at {file.seconds:g} s",
                where=place(f"fault[{index}].at_s"),
                mend="let it last longer (seconds)",
            )


def _elements(station: Place, path: Path, place: Callable[[str], str]) -> Iterator[MeanElements]:
    for index, name in enumerate(station.elements):
        try:
            text = (path.parent / name).read_text(encoding="utf-8")
            yield from read_elements(text, source=name).sets
        except (OSError, UnicodeDecodeError, AgentError) as exc:
            raise ConfigError(f"cannot be read: {exc}", where=place(f"station.elements[{index}]")) from exc


def _transmission(
    table: Transmitter, slug: str, satellite: Satellite, file: ScenarioFile, where: str, *, seed: int
) -> Transmission:
    downlink = next((item for item in satellite.downlinks if item.name == table.downlink), None)
    if downlink is None:
        raise ConfigError(
            f"{slug} has no downlink {table.downlink!r}",
            where=f"{where}.downlink",
            mend=f"there are: {', '.join(item.name for item in satellite.downlinks)}",
        )
    model = SatelliteModel(
        satellite, downlink, table.packet, table.curves, spacecraft=table.spacecraft, where=where, seed=seed
    )
    if (table.tnc is not None or table.gateway is not None) and table.continuous:
        raise ConfigError(
            "frames on a line come one by one", where=f"{where}.continuous", mend="say every_s instead"
        )
    if table.tnc is not None or table.gateway is not None:
        _check_line(table, file, where)
        _check_wrapping(table, file, model.frame(0.0, CHECK_UTC_NS), where)
        model.frames = 0
        return Transmission(table, slug, downlink, model, satellite)
    if table.continuous and downlink.modulation == "afsk":
        raise ConfigError("audio tones are sent in bursts", where=f"{where}.continuous", mend="say every_s instead")
    if not file.sdrs and not file.radios:
        raise ConfigError("nobody hears it", where=where, mend="add an [[sdr]] or a [[radio]], or name a tnc")
    try:
        options = transmit_options(downlink.modulation, downlink.modulation_options, table.modulation_options)
        convert_options(downlink.modulation, options)
        channel_bits(downlink.framing.protocol, downlink.framing.options, model.frame(0.0, CHECK_UTC_NS))
    except (UnknownModulator, CannotTransmit, interface.BadOptions, interface.UnknownProtocol) as exc:
        raise ConfigError(str(exc), where=where) from exc
    model.frames = 0
    return Transmission(table, slug, downlink, model, satellite)


def _check_line(table: Transmitter, file: ScenarioFile, where: str) -> None:
    """Check what a transmitter's frames go through when they do not go on the air."""
    if table.tnc is not None and table.gateway is not None:
        raise ConfigError(
            "goes through one or the other", where=f"{where}.gateway", mend="leave out tnc or gateway"
        )
    kind, wanted = ("tnc", table.tnc) if table.tnc is not None else ("gateway", table.gateway)
    there = [item.id for item in (file.tncs if kind == "tnc" else file.gateways)]
    if wanted not in there:
        raise ConfigError(
            f"there is no {kind} {wanted!r}",
            where=f"{where}.{kind}",
            mend=f"there are: {', '.join(there) or 'none'}",
        )


def _check_wrapping(table: Transmitter, file: ScenarioFile, frame: bytes, where: str) -> None:
    """Check that a gateway can wrap a frame as it is told to."""
    gateway = next((item for item in file.gateways if item.id == table.gateway), None)
    if gateway is None or gateway.kind != "tcp_frames":
        return
    try:
        line_octets(gateway.framing, gateway.framing_options, frame)
    except (ValueError, LookupError) as exc:
        raise ConfigError(f"gateway {gateway.id}: {exc}", where=f"{where}.gateway") from exc
