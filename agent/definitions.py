"""What a satellite file and a station file may say.

msgspec Structs, unknown fields forbidden, defaults written out. Nothing here opens a file or makes anything:
``config.py`` reads, ``telemetry/layout.py`` compiles packets, ``dsp``, ``firmware_protocols`` and ``sources``
check the tables that belong to them (a modem's, protocol's or source's options stand in its own module).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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


class Between(Definition, frozen=True):
    """A test of a number: ``min <= value <= max``, either end open when absent."""

    min: float | None = None
    max: float | None = None


Test: TypeAlias = int | float | bool | str | Between | tuple[int | float | bool | str, ...]


class ProtocolChoice(Definition, frozen=True):
    """A protocol by its module's name, with its options (checked by that module).

    With ``only`` it gets the packets whose header fields pass these tests (``{ apid = 200 }``); others go past it.
    """

    protocol: str
    options: dict[str, Any] = field(default_factory=dict)
    only: dict[str, Test] = field(default_factory=dict)


class Downlink(Definition, frozen=True):
    """One transmitter.

    ``modulation`` names a module of ``agent.dsp.modulations``, ``modulation_options`` go to it; ``framing`` names
    the protocol that finds frames; ``extract`` the protocols that take packets out of them, in order.
    """

    name: Name
    frequency_hz: Positive
    modulation: str
    baudrate_bd: Positive
    framing: ProtocolChoice
    modulation_options: dict[str, Any] = field(default_factory=dict)
    extract: tuple[ProtocolChoice, ...] = ()
    description: str = ""


Text: TypeAlias = Annotated[str, Meta(max_length=4096)]


def satisfies(value: object, test: Test) -> bool:
    """Say whether a value passes a test: equality, one of several, or between; NaN and ``None`` pass none."""
    if isinstance(test, Between):
        if not isinstance(value, int | float):
            return False
        above = value >= test.min if test.min is not None else not math.isnan(value)
        return above and (value <= test.max if test.max is not None else not math.isnan(value))
    if isinstance(test, tuple):
        return any(satisfies(value, one) for one in test)
    if isinstance(test, str) != isinstance(value, str):
        return False
    return bool(test == value)


When: TypeAlias = dict[str, Test]
"""A condition on other parameters of the same packet: all tests must pass; an absent parameter passes none."""


class Polynomial(Definition, frozen=True, tag="polynomial", tag_field="kind"):
    """``sum(coefficients[i] * raw**i)``, lowest order first (XTCE PolynomialCalibrator)."""

    coefficients: Annotated[tuple[float, ...], Meta(min_length=1, max_length=16)]


class SplinePoint(Definition, frozen=True):
    """One point of a spline calibrator; ``order`` is that of the segment which begins here (XTCE)."""

    raw: float
    value: float
    order: Literal[0, 1, 2, 3] | None = None


class Spline(Definition, frozen=True, tag="spline", tag_field="kind"):
    """Interpolation between points (XTCE SplineCalibrator): order 0 is a staircase, 1 linear, 2 quadratic, 3 cubic.

    The standard names the higher orders and not their curve: a segment is the polynomial through the ``order + 1``
    points about it. Outside the points there is no value unless ``extrapolate`` is set.
    """

    points: Annotated[tuple[SplinePoint, ...], Meta(min_length=1, max_length=1024)]
    order: Literal[0, 1, 2, 3] = 1
    extrapolate: bool = False


class Enumeration(Definition, frozen=True, tag="enumeration", tag_field="kind"):
    """Labels for raw values (``"3"``) or inclusive ranges of them (``"4..7"``).

    ``otherwise`` stands for all others; without it they have no value.
    """

    labels: Annotated[dict[str, Text], Meta(min_length=1, max_length=1024)]
    otherwise: str | None = None


class Expression(Definition, frozen=True, tag="expression", tag_field="kind"):
    """Arithmetic over ``raw`` and the engineering values of the packet's earlier parameters."""

    expression: Text


TimePart: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(years?|month|day|day_of_year|hour|minute|second|two_seconds|millisecond|microsecond|unused)"
        r":[1-9][0-9]?$"
    ),
]
"""One part of a calendar time and how wide it is: ``hour:5``."""


class Time(Definition, frozen=True, tag="time", tag_field="kind"):
    """A moment, shown as ISO 8601; leap seconds are not counted.

    ``ticks``: ``ticks_per_s`` of them since ``epoch`` (UTC), as Unix time and CUC count. ``cds`` (CCSDS 301.0-B
    §3.3): 16 bits of days, 32 of milliseconds of the day, then 0 or 16 bits of microseconds (``u48``, ``u64``).
    ``packed`` and ``digits``: the parts of a calendar side by side in one number, the most significant first, each
    so many bits or decimal digits wide (``["year:12", "day_of_year:9", "hour:5" …]``); ``years`` count from the
    year of ``epoch``, ``two_seconds`` every other second, ``unused`` nothing.
    """

    epoch: str = "1970-01-01T00:00:00Z"
    ticks_per_s: Positive = 1.0
    code: Literal["ticks", "cds", "packed", "digits"] = "ticks"
    microseconds: bool = False
    parts: Annotated[tuple[TimePart, ...], Meta(max_length=16)] = ()


Calibration: TypeAlias = Polynomial | Spline | Enumeration | Expression | Time


class ContextCalibration(Definition, frozen=True):
    """A calibration that holds while its condition does; ``when`` tests raw values of earlier parameters.

    In it ``raw`` is the parameter's own raw value: several such contexts make a piecewise calibration.
    """

    when: When
    calibration: Calibration | None = None


class Range(Definition, frozen=True):
    """An interval; a bound that is absent is open.

    ``min`` and ``max`` belong to the interval (inclusive) unless ``min_exclusive`` or ``max_exclusive``
    says otherwise (XTCE FloatRangeType).
    """

    min: float | None = None
    max: float | None = None
    min_exclusive: bool = False
    max_exclusive: bool = False


Level: TypeAlias = Literal["normal", "watch", "warning", "distress", "critical", "severe"]


class LevelRange(Range, frozen=True):
    """One range of a multi-range alarm with its own level and form (XTCE AlarmMultiRanges)."""

    level: Level = "normal"
    form: Literal["outside", "inside"] = "outside"


class TextLevel(Definition, frozen=True):
    """One pattern of a string alarm: the first that matches the whole text gives its level (XTCE StringAlarm)."""

    pattern: Annotated[str, Meta(max_length=256)]
    level: Level


class Change(Definition, frozen=True):
    """Ranges of a parameter's change (XTCE ChangeAlarmRanges), evaluated after both spans of interest."""

    per: Literal["second", "sample"] = "second"
    basis: Literal["absolute", "percentage"] = "absolute"
    span_samples: Annotated[int, Meta(ge=1, le=1000)] = 1
    span_s: Annotated[float, Meta(ge=0)] = 0.0
    form: Literal["outside", "inside"] = "outside"
    watch: Range | None = None
    warning: Range | None = None
    distress: Range | None = None
    critical: Range | None = None
    severe: Range | None = None


class Rule(Definition, frozen=True):
    """What is good and what is not about one parameter's engineering value.

    ``form`` ``outside`` (XTCE's default) makes each level's range its *good* interval, ``inside`` its bad one.
    ``ranges`` is a multi-range alarm: a value in none of them has the level ``no_range``. ``labels`` gives
    levels to an enumeration's labels, ``patterns`` to texts; ``default_level`` stands for all others.
    ``hysteresis`` is how far inside its good interval a value must be before it counts towards the end of an
    alarm. ``min_violations`` successive violations trigger the alarm, ``min_conformance`` good ones end it
    (symmetric when absent: XTCE 1.3's text and attribute default disagree, the text is followed).
    """

    form: Literal["outside", "inside"] = "outside"
    watch: Range | None = None
    warning: Range | None = None
    distress: Range | None = None
    critical: Range | None = None
    severe: Range | None = None
    ranges: Annotated[tuple[LevelRange, ...], Meta(max_length=64)] = ()
    no_range: Level = "warning"
    change: Change | None = None
    labels: dict[str, Level] | None = None
    patterns: Annotated[tuple[TextLevel, ...], Meta(max_length=64)] = ()
    default_level: Level = "normal"
    hysteresis: Annotated[float, Meta(ge=0)] = 0.0
    min_violations: Annotated[int, Meta(ge=1, le=1000)] = 1
    min_conformance: Annotated[int, Meta(ge=1, le=1000)] | None = None
    disabled: bool = False


class ContextRule(Rule, frozen=True, kw_only=True):
    """A rule that replaces the default one while ``when`` holds; without any range it means no alarm then."""

    when: When


class Limits(Rule, frozen=True):
    """The alarm of one parameter: the default rule, and the contexts that replace it (the first that holds wins).

    ``auto_acknowledge`` lets the alarm clear by itself, ``latching`` keeps it until somebody clears it.
    """

    contexts: Annotated[tuple[ContextRule, ...], Meta(max_length=16)] = field(name="context", default=())
    auto_acknowledge: bool = False
    latching: bool = False


class Watch(Definition, frozen=True):
    """How a numeric parameter is watched beside its limits; all of it is on unless switched off here.

    ``threshold`` is what an anomaly needs, in robust standard deviations of the parameter's own noise. ``role``
    says what a counter counts; ``auto`` takes ``uptime`` and ``boot_count`` (``reset_count``, ``reboot_count`` …)
    from their names.
    """

    forecast: bool = True
    anomaly: bool = True
    threshold: Annotated[float, Meta(ge=3, le=1000)] = 8.0
    role: Literal["auto", "none", "uptime", "boot_count"] = "auto"


class Behaviour(Definition, frozen=True):
    """How a satellite's behaviour over time is watched.

    ``window_s`` is the window of statistics and trends, ``horizon_s`` how far ahead a forecast may reach.
    ``orbit_period_s`` is the period of the seasons that values are compared over, where no elements say it. An
    on-board reset raises ``onboard_reset`` of ``reset_level`` (``normal``: none). The on-board clock's correlation
    is valid while samples are within ``clock_validity_s`` of it.
    """

    window_s: Annotated[float, Meta(ge=10, le=86_400)] = 600.0
    horizon_s: Annotated[float, Meta(ge=60, le=604_800)] = 7200.0
    orbit_period_s: Annotated[float, Meta(ge=300, le=10_000_000)] | None = None
    reset_level: Level = "warning"
    clock_validity_s: Positive = 2.0


class Parameter(Definition, frozen=True):
    """One parameter of a packet, or a group of them.

    ``type`` is ``u8``, ``u16`` … ``u64``, ``i8`` … ``i64`` (whole octets), ``f16``, ``f32``, ``f64``, ``bits``
    and ``sbits`` (``width`` bits, unsigned and two's complement), ``flag`` (one bit), ``bcd`` (decimal digits in
    ``octets``), ``bytes`` or ``text`` (``octets`` long), or ``group`` (of ``parameter``). ``.le`` after it means
    little endian; for ``bits.le``, ``sbits.le`` and ``flag.le`` bits count from the least significant bit of
    the first octet (a C bit field), otherwise from the most significant.

    ``at`` is the octet offset from the packet's first octet and ``bit`` the bit in it; without ``at`` the
    parameter follows the one before, after ``skip`` octets. ``octets`` and ``count`` may name an earlier
    parameter, or be ``rest``. ``count`` repeats a parameter or group: its values are called ``name_0``,
    ``name_1`` …, or after ``elements``. ``when`` makes it optional: present only if the raw values of earlier
    parameters pass. ``generated`` marks the time the packet was made on board.
    """

    name: ParameterName
    type: str
    at: Annotated[int, Meta(ge=0, le=65535)] | None = None
    bit: Annotated[int, Meta(ge=0, le=63)] | None = None
    width: Annotated[int, Meta(ge=1, le=64)] | None = None
    skip: Annotated[int, Meta(ge=0, le=65535)] = 0
    octets: Annotated[int, Meta(ge=1, le=65535)] | ParameterName | None = None
    count: Annotated[int, Meta(ge=1, le=4096)] | ParameterName | None = None
    elements: Annotated[tuple[Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,32}$")], ...], Meta(max_length=4096)] = ()
    when: When = field(default_factory=dict)
    parameters: Annotated[tuple[Parameter, ...], Meta(max_length=1024)] = field(name="parameter", default=())
    calibration: Calibration | None = None
    contexts: Annotated[tuple[ContextCalibration, ...], Meta(max_length=16)] = field(name="context", default=())
    unit: str = ""
    description: str = ""
    limits: Limits | None = None
    watch: Watch = Watch()
    headline: bool = False
    generated: bool = False


def roll_over_of(value: Parameter | Derived) -> float:
    """Return where an uncalibrated unsigned integer rolls over, 0 for what cannot."""
    if not isinstance(value, Parameter) or value.calibration is not None or value.contexts:
        return 0.0
    kind = value.type.split(".")[0]
    if kind == "bits":
        return 2.0**value.width if value.width else 0.0
    return 2.0 ** int(kind[1:]) if kind[0] == "u" and kind[1:].isdecimal() else 0.0


def element_suffixes(parameter: Parameter) -> tuple[str, ...]:
    """Return what is put behind the name of each element of a fixed count; one empty suffix for a single value."""
    if parameter.elements:
        return tuple(f"_{element}" for element in parameter.elements)
    return tuple(f"_{i}" for i in range(parameter.count)) if isinstance(parameter.count, int) else ("",)


class Derived(Definition, frozen=True):
    """A value computed from the engineering values of the same packet."""

    name: ParameterName
    expression: Text
    unit: str = ""
    description: str = ""
    limits: Limits | None = None
    watch: Watch = Watch()
    headline: bool = False


class TextForm(Definition, frozen=True):
    """How a packet of text is cut: by ``delimiter``, or by a regular expression with named groups.

    Its parameters are of type ``text``, ``decimal``, ``integer`` or ``hex``, named as the groups, or in order.
    """

    delimiter: Annotated[str, Meta(min_length=1, max_length=8)] | None = None
    pattern: Annotated[str, Meta(max_length=4096)] | None = None
    prefix: str = ""
    encoding: Literal["ascii", "latin-1", "utf-8"] = "ascii"


class Packet(Definition, frozen=True):
    """One kind of packet: how it is recognised, and its parameters.

    A packet is recognised when every field of its protocol's header that ``header`` names has that value, every
    octet string in ``starts`` (offset → hex, or hex/mask) stands there, and its length fits (``octets`` exactly, or
    from ``min_octets`` to ``max_octets``; without them the parameters' own length). The first of the file that fits
    is taken. Where a table cannot say it, ``construct`` (``module:NAME``) names a Construct; the parameters, of
    type ``construct``, then pick its values by their path (``eps.v[0]`` is ``eps_v_0``).

    A packet with ``expected_every_s`` that stays away raises the alarm ``<packet>_stale`` of ``stale_level``
    (``normal``: none).
    """

    name: Name
    parameters: Annotated[tuple[Parameter, ...], Meta(max_length=4096)] = field(name="parameter", default=())
    derived: Annotated[tuple[Derived, ...], Meta(max_length=256)] = ()
    text: TextForm | None = None
    downlinks: tuple[Name, ...] = ()
    octets: Annotated[int, Meta(ge=0, le=65536)] | None = None
    min_octets: Annotated[int, Meta(ge=0, le=65536)] | None = None
    max_octets: Annotated[int, Meta(ge=0, le=65536)] | None = None
    header: dict[str, str | int | bool] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)
    construct: str | None = None
    expected_every_s: Positive | None = None
    stale_level: Level = "warning"
    description: str = ""


def named_values(packet: Packet) -> Iterator[tuple[str, Parameter | Derived, str]]:
    """Walk every value a packet can have: its name, what defines it, and the place in the file (``parameter[3]``).

    A number that only the packet knows stands as ``*`` in the name.
    """

    def walk(parameters: tuple[Parameter, ...], prefix: str, place: str) -> Iterator[tuple[str, Parameter, str]]:
        for index, parameter in enumerate(parameters):
            suffixes = ("_*",) if isinstance(parameter.count, str) else element_suffixes(parameter)
            for suffix in suffixes:
                name = f"{prefix}{parameter.name}{suffix}"
                if parameter.type == "group":
                    yield from walk(parameter.parameters, f"{name}_", f"{place}[{index}].parameter")
                else:
                    yield name, parameter, f"{place}[{index}]"

    yield from walk(packet.parameters, "", "parameter")
    for index, derived in enumerate(packet.derived):
        yield derived.name, derived, f"derived[{index}]"


class SatelliteExample(Definition, frozen=True):
    """A real frame and what it must decode to; every shipped satellite file with packets carries one."""

    frame: str
    packet: str
    source: str
    values: dict[str, int | float | str | bool]
    downlink: str | None = None


class Satellite(Definition, frozen=True):
    """One satellite, one file. ``marking`` is the release marking every derived value inherits.

    ``candidates`` are catalogue numbers of objects that it may be, as after a launch: which of them is heard is
    then found by its Doppler.
    """

    name: str
    norad: Annotated[int, Meta(ge=1, le=999_999_999)]
    downlinks: tuple[Downlink, ...] = field(name="downlink", default=())
    packets: tuple[Packet, ...] = field(name="packet", default=())
    examples: tuple[SatelliteExample, ...] = field(name="example", default=())
    aliases: tuple[str, ...] = ()
    candidates: Annotated[tuple[Annotated[int, Meta(ge=1, le=999_999_999)], ...], Meta(max_length=64)] = ()
    cospar: str | None = None
    operator: str = ""
    country: str = ""
    orbit: Literal["leo", "meo", "geo", "heo", "lunar", "deep_space"] = "leo"
    status: Literal["active", "silent", "decayed", "simulated", "unknown"] = "unknown"
    simulated: bool = False
    marking: str = "U"
    behaviour: Behaviour = Behaviour()
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
    """One MQTT broker. The password is read from a file, never written here.

    ``commands`` lets clients of this broker acknowledge and shelve alarms and ask for history and spectra.
    ``consumers`` acknowledge end to end what they have stored; without any, delivery ends at the broker.
    ``satellites`` and ``records`` leave out everything else of what the archive holds (empty: all of it).
    ``community`` says whose broker it is, if an ally's: only what is marked ``U`` or names that community behind
    ``REL`` goes there. Without it the broker is the owner's own.
    """

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
    commands: bool = False
    consumers: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()
    satellites: tuple[Name, ...] = ()
    records: tuple[Literal["frame", "report", "alarm", "pass_event"], ...] = ()
    community: Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{1,15}$")] | None = None


class Archive(Definition, frozen=True):
    """Where every frame is kept before anything is published.

    ``idle_commit_interval_s`` holds while every satellite is known to be below the horizon.
    """

    directory: str = "var/archive"
    max_mb: Annotated[int, Meta(ge=16)] = 2048
    commit_interval_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.25
    idle_commit_interval_s: Annotated[float, Meta(ge=0.01, le=60)] = 5.0


class Passes(Definition, frozen=True):
    """Pass prediction: from which element files, how far ahead, above which elevation.

    ``horizon_mask`` lists (azimuth, elevation) in degrees around the station; between them it is linear.
    ``urls`` are asked for newer elements every ``refresh_h``, with TLS except on this machine itself; what is good
    of them is kept in the archive's directory, for starts without a network.
    """

    elements: tuple[str, ...] = ()
    urls: Annotated[
        tuple[
            Annotated[
                str, Meta(pattern=r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])", max_length=2048)
            ],
            ...,
        ],
        Meta(max_length=16),
    ] = ()
    refresh_h: Annotated[float, Meta(ge=2, le=336)] = 8.0
    ahead_h: Annotated[float, Meta(ge=1, le=336)] = 48.0
    min_elevation_deg: Annotated[float, Meta(ge=-2, le=89)] = 0.0
    horizon_mask: Annotated[
        tuple[tuple[Annotated[float, Meta(ge=0, le=360)], Annotated[float, Meta(ge=-5, le=89)]], ...],
        Meta(max_length=720),
    ] = ()


class StationFile(Definition, frozen=True):
    """A whole station file. A source's table is checked by the module its ``kind`` names.

    ``metrics`` serves figures for Prometheus as ``/metrics`` on ``http_port``.
    """

    station: Place
    satellites: tuple[str, ...] = ()
    sources: tuple[dict[str, Any], ...] = field(name="source", default=())
    brokers: tuple[Broker, ...] = field(name="broker", default=())
    archive: Archive = Archive()
    passes: Passes = Passes()
    http_port: Port | None = None
    metrics: bool = False
    health_tick_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    satellite_directories: tuple[str, ...] = ()


def json_schema(kind: type[Definition]) -> dict[str, Any]:
    """Describe a kind of file as JSON Schema, for editors."""
    return msgspec.json.schema(kind)
