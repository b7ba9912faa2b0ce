"""What a satellite file and a station file may say.

msgspec Structs, unknown fields forbidden, defaults written out. Nothing here opens a file or makes anything:
``config.py`` reads, ``telemetry/layout.py`` compiles packets, ``dsp``, ``firmware_protocols`` and ``sources``
check the tables that belong to them (a modem's, protocol's or source's options stand in its own module).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

Name: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
"""A name that becomes a topic level: lower-case letters, digits, ``_`` and ``-``, at most 32."""

ParameterName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]


class Definition(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every table: immutable, and a typo is an error."""


# -- satellite files ---------------------------------------------------------------------------------------


class ProtocolChoice(Definition, frozen=True):
    """A protocol by its module's name, with its options (checked by that module)."""

    protocol: str
    options: dict[str, Any] = field(default_factory=dict)


class Downlink(Definition, frozen=True):
    """One transmitter.

    ``modulation`` names a module of ``agent.dsp``, ``modulation_options`` go to it; ``framing`` names the
    protocol that finds frames; ``extract`` the protocols that take packets out of them, in order.
    """

    name: Name
    frequency_hz: Positive
    modulation: str
    baudrate_bd: Positive
    framing: ProtocolChoice
    modulation_options: dict[str, Any] = field(default_factory=dict)
    extract: tuple[ProtocolChoice, ...] = ()
    description: str = ""


class Polynomial(Definition, frozen=True, tag="polynomial", tag_field="kind"):
    """``sum(coefficients[i] * raw**i)``, lowest order first (XTCE PolynomialCalibrator)."""

    coefficients: Annotated[tuple[float, ...], Meta(min_length=1, max_length=16)]


class SplinePoint(Definition, frozen=True):
    """One point of a spline calibrator: raw value in, engineering value out."""

    raw: float
    value: float


class Spline(Definition, frozen=True, tag="spline", tag_field="kind"):
    """Interpolation between points (XTCE SplineCalibrator): order 0 is a staircase, 1 is linear."""

    points: Annotated[tuple[SplinePoint, ...], Meta(min_length=1, max_length=1024)]
    order: Literal[0, 1] = 1
    extrapolate: bool = False


class Enumeration(Definition, frozen=True, tag="enumeration", tag_field="kind"):
    """Labels for raw values; ``otherwise`` for all others, or no value at all when it is absent."""

    labels: dict[str, str]
    otherwise: str | None = None


Calibration: TypeAlias = Polynomial | Spline | Enumeration


class Range(Definition, frozen=True):
    """The good interval of one concern level; a bound that is absent is open.

    ``min`` and ``max`` belong to the good interval (inclusive) unless ``min_exclusive`` or ``max_exclusive``
    says otherwise (XTCE FloatRangeType).
    """

    min: float | None = None
    max: float | None = None
    min_exclusive: bool = False
    max_exclusive: bool = False


class Limits(Definition, frozen=True):
    """Static alarm ranges of one parameter, in engineering units (XTCE StaticAlarmRanges, outside form).

    ``labels`` gives levels to an enumeration's labels instead. ``min_violations`` successive violations
    trigger the alarm, ``min_conformance`` good ones end it (symmetric when absent).
    """

    watch: Range | None = None
    warning: Range | None = None
    distress: Range | None = None
    critical: Range | None = None
    severe: Range | None = None
    labels: dict[str, Literal["normal", "watch", "warning", "distress", "critical", "severe"]] | None = None
    min_violations: Annotated[int, Meta(ge=1, le=1000)] = 1
    min_conformance: Annotated[int, Meta(ge=1, le=1000)] | None = None
    auto_acknowledge: bool = False
    disabled: bool = False


class Parameter(Definition, frozen=True):
    """One parameter of a packet.

    ``type`` is ``u8 … u64``, ``i8 … i64``, ``f32``, ``f64`` (``le`` after a dot for little endian: ``u16.le``),
    ``bits`` (with ``bit`` and ``width``), ``bytes`` or ``text`` (with ``octets``). ``at`` is the octet offset
    from the packet's first octet; without it the parameter follows the one before.
    """

    name: ParameterName
    type: str
    at: Annotated[int, Meta(ge=0, le=65535)] | None = None
    bit: Annotated[int, Meta(ge=0, le=7)] | None = None
    width: Annotated[int, Meta(ge=1, le=64)] | None = None
    octets: Annotated[int, Meta(ge=1, le=65535)] | None = None
    calibration: Calibration | None = None
    unit: str = ""
    description: str = ""
    limits: Limits | None = None
    headline: bool = False


class Packet(Definition, frozen=True):
    """One kind of packet: how it is recognised, and its parameters.

    A packet matches when its length fits (``octets`` exactly, or ``min_octets`` and ``max_octets``), every
    header field named in ``header`` has that value, and every octet string in ``starts`` (offset → hex)
    stands there. The first packet of the file that matches is taken.
    """

    name: Name
    parameters: Annotated[tuple[Parameter, ...], Meta(max_length=4096)] = field(name="parameter", default=())
    downlinks: tuple[Name, ...] = ()
    octets: int | None = None
    min_octets: int | None = None
    max_octets: int | None = None
    header: dict[str, str | int | bool] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)
    construct: str | None = None
    expected_every_s: Positive | None = None
    description: str = ""


class SatelliteExample(Definition, frozen=True):
    """A real frame and what it must decode to; every shipped satellite file with packets carries one."""

    frame: str
    packet: str
    source: str
    values: dict[str, int | float | str | bool]
    downlink: str | None = None


class Satellite(Definition, frozen=True):
    """One satellite, one file. ``marking`` is the release marking every derived value inherits."""

    name: str
    norad: Annotated[int, Meta(ge=1, le=999_999_999)]
    downlinks: tuple[Downlink, ...] = field(name="downlink", default=())
    packets: tuple[Packet, ...] = field(name="packet", default=())
    examples: tuple[SatelliteExample, ...] = field(name="example", default=())
    aliases: tuple[str, ...] = ()
    cospar: str | None = None
    operator: str = ""
    country: str = ""
    orbit: Literal["leo", "meo", "geo", "heo", "lunar", "deep_space"] = "leo"
    status: Literal["active", "silent", "decayed", "simulated", "unknown"] = "unknown"
    simulated: bool = False
    marking: str = "U"
    sources: tuple[str, ...] = ()
    description: str = ""


# -- the station file --------------------------------------------------------------------------------------


class Place(Definition, frozen=True):
    """The station: its name in every topic, and where its antenna stands (WGS 84)."""

    name: Name
    latitude_deg: Annotated[float, Meta(ge=-90, le=90)]
    longitude_deg: Annotated[float, Meta(ge=-180, le=360)]
    altitude_m: Annotated[float, Meta(ge=-500, le=9000)] = 0.0


class Tls(Definition, frozen=True):
    """TLS towards a broker; certificates are verified against ``ca_file`` or the system's authorities."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


class Broker(Definition, frozen=True):
    """One MQTT broker. The password is read from a file, never written here."""

    name: Name = "local"
    host: str = "127.0.0.1"
    port: Port = 1883
    topic_prefix: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}(/[a-z0-9_-]{1,32}){0,3}$")] = "gs"
    username: str | None = None
    password_file: str | None = None
    client_id: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")] | None = None
    tls: Tls | None = None
    keepalive_s: Annotated[int, Meta(ge=2, le=15)] = 10
    in_flight: Annotated[int, Meta(ge=1, le=200)] = 50


class Archive(Definition, frozen=True):
    """Where every frame is kept before anything is published."""

    directory: str = "var/archive"
    max_mb: Annotated[int, Meta(ge=16)] = 2048
    commit_interval_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.25


class Passes(Definition, frozen=True):
    """Pass prediction: from which element files, how far ahead, above which elevation."""

    elements: tuple[str, ...] = ()
    ahead_h: Annotated[float, Meta(ge=1, le=336)] = 48.0
    min_elevation_deg: Annotated[float, Meta(ge=-2, le=89)] = 0.0


class StationFile(Definition, frozen=True):
    """A whole station file. A source's table is checked by the module its ``kind`` names."""

    station: Place
    satellites: tuple[str, ...] = ()
    sources: tuple[dict[str, Any], ...] = field(name="source", default=())
    brokers: tuple[Broker, ...] = field(name="broker", default=())
    archive: Archive = Archive()
    passes: Passes = Passes()
    http_port: Port | None = None
    health_tick_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    satellite_directories: tuple[str, ...] = ()


def json_schema(kind: type[Definition]) -> dict[str, Any]:
    """Describe a kind of file as JSON Schema, for editors."""
    return msgspec.json.schema(kind)
