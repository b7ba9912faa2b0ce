"""Every value that crosses a border between two stages, and nothing that acts.

Frozen, slotted, with units in the names. Times are integer nanoseconds of UTC since 1970 (``UtcNs``); an
unknown time is ``None``, never zero. Knows the values of ``firmware_protocols`` (a link frame, a packet) and
no stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from firmware_protocols.interface import LinkFrame, Packet

UtcNs: TypeAlias = int
"""Nanoseconds of UTC since 1970-01-01, leap seconds not counted (as POSIX time)."""

# -- blocks: what a source gives ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class IqBlock:
    """Complex baseband samples.

    ``samples`` is complex64[n], full scale 1.0; ``lost_before`` counts samples known to be missing between
    the block before this one and this one. ``doppler_hz`` is the Doppler shift that has been taken out at its
    start.
    """

    samples: NDArray[np.complex64]
    sample_rate_hz: float
    center_frequency_hz: float
    start_utc_ns: UtcNs
    lost_before: int = 0
    doppler_hz: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """Real audio samples, float32[n], full scale 1.0: the output of an FM discriminator, or of an SSB receiver."""

    samples: NDArray[np.float32]
    sample_rate_hz: float
    start_utc_ns: UtcNs
    lost_before: int = 0


@dataclass(frozen=True, slots=True)
class OctetBlock:
    """Octets as they came off a serial line or a socket; ``lost_before`` counts octets dropped before them."""

    data: bytes
    received_utc_ns: UtcNs
    lost_before: int = 0


Block: TypeAlias = "IqBlock | AudioBlock | OctetBlock"


@dataclass(frozen=True, slots=True, eq=False)
class SymbolBlock:
    """Soft symbols of one hypothesis of a demodulator.

    ``soft`` is float32[n], one value a channel bit, positive for a one, its magnitude the confidence (a hard
    decision of an error-free signal is near ±1). ``stream`` names the hypothesis: a deframer is fed from one
    stream only. ``first`` is set on the block that begins a new burst or follows a loss: what the deframer
    held before belongs to another transmission. ``start_utc_ns`` is the time of the first symbol's middle.
    ``noise`` is N0/Es (a ratio) in stretches of equal length that together are the block; ``snr_db`` is its mean's.
    """

    soft: NDArray[np.float32]
    baudrate_bd: float
    start_utc_ns: UtcNs
    snr_db: float | None = None
    frequency_offset_hz: float | None = None
    stream: int = 0
    first: bool = False
    noise: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What one stage of a demodulator gave in one stretch: to look at, never to decide by.

    ``values`` is real, [n], or planar, [2, n] (I and Q). Those of a ``rate_hz`` follow one another from
    ``first_s`` on, counted from the beginning of the unbroken stream; the others lie at ``positions_s``.
    ``hypothesis`` numbers the branches of a demodulator that listens in several ways.
    """

    signal: str
    values: NDArray[np.floating[Any]]
    unit: str
    rate_hz: float | None = None
    first_s: float = 0.0
    positions_s: NDArray[np.float64] | None = None
    hypothesis: int | None = None


# -- what is decoded ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that passed its check, as the archive keeps it.

    ``satellite`` is the satellite file's name, or ``None`` when the frame was decoded without one;
    ``snr_db`` is Es/N0 of the symbols that carried it. ``source`` is the configured source's id.
    ``marking`` is the release marking that travels with everything derived from this frame.
    ``doppler_corrected_hz`` is the shift that the receiver had taken out where ``frequency_offset_hz`` was
    measured (0 where it took out none); ``None`` where nobody knows, as with audio or a TNC.
    """

    satellite: str | None
    downlink: str
    link_frame: LinkFrame
    received_utc_ns: UtcNs
    snr_db: float | None = None
    frequency_offset_hz: float | None = None
    source: str = ""
    norad: int | None = None
    marking: str = "U"
    doppler_corrected_hz: float | None = None


@dataclass(frozen=True, slots=True)
class PacketRecord:
    """A packet taken out of one or more frames, with the header fields its protocol gave."""

    satellite: str | None
    downlink: str
    protocol: str
    packet: Packet
    received_utc_ns: UtcNs
    generated_utc_ns: UtcNs | None = None
    marking: str = "U"


RawValue: TypeAlias = "int | float | bool | str | bytes"
EngineeringValue: TypeAlias = "int | float | bool | str | bytes | None"


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """One parameter of one packet: as transmitted (``raw``) and calibrated, in ``unit`` ('' for none).

    ``value`` is ``None`` when the calibration is not defined for this raw value.
    """

    name: str
    raw: RawValue
    value: EngineeringValue
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ParameterReport:
    """The parameters of one packet, in the order of its layout."""

    satellite: str
    packet: str
    received_utc_ns: UtcNs
    values: tuple[ParameterValue, ...]
    generated_utc_ns: UtcNs | None = None
    downlink: str = ""
    marking: str = "U"
    norad: int | None = None


# -- health ------------------------------------------------------------------------------------------------

ConcernLevel: TypeAlias = Literal["normal", "watch", "warning", "distress", "critical", "severe"]
"""XTCE 1.2 §ConcernLevels, least to most."""

CONCERN_LEVELS: tuple[ConcernLevel, ...] = ("normal", "watch", "warning", "distress", "critical", "severe")

MonitoringResult: TypeAlias = Literal[
    "in_limits",
    "watch",
    "warning",
    "distress",
    "critical",
    "severe",
    "not_a_number",
    "missing",
    "stale",
    "disabled",
]
"""The instant verdict on one value; a parameter without limits has none (``None``)."""

AlarmState: TypeAlias = Literal["pending", "triggered", "acknowledged", "returned_to_normal", "cleared", "shelved"]
"""After ISA-18.2, with Yamcs's names."""


Authenticity: TypeAlias = Literal["cryptographic", "physically_consistent", "unknown", "suspect"]
"""Whether the transmitter can be the satellite it claims to be, by the best evidence there is."""


@dataclass(frozen=True, slots=True)
class ParameterHealth:
    """The instant verdict on one parameter, and the state of its alarm if it has one."""

    parameter: str
    monitoring_result: MonitoringResult | None
    level: ConcernLevel = "normal"
    range_condition: Literal["low", "high"] | None = None


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """The health of one satellite: what is out of limits, what is stale, and whom it may be believed to be.

    ``order`` counts them as they are made: one that had to wait for a commit is older than one that had not.
    """

    satellite: str
    as_of_utc_ns: UtcNs
    worst_level: ConcernLevel
    parameters: tuple[ParameterHealth, ...]
    stale_packets: tuple[str, ...] = ()
    last_report_utc_ns: UtcNs | None = None
    authenticity: Authenticity = "unknown"
    marking: str = "U"
    authenticity_evidence: tuple[str, ...] = ()
    identity: str | None = None
    order: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Alarm:
    """One transition of one alarm; ``alarm_id`` names the instance, so that a stale acknowledgement is refused.

    ``shelved_until_utc_ns`` is ``None`` for one that is shelved until somebody unshelves it.
    """

    satellite: str
    parameter: str
    alarm_id: str
    state: AlarmState
    level: ConcernLevel
    as_of_utc_ns: UtcNs
    triggered_utc_ns: UtcNs | None
    value: EngineeringValue
    unit: str = ""
    limit: str = ""
    violations: int = 0
    acknowledged_by: str | None = None
    marking: str = "U"
    shelved_by: str | None = None
    shelved_until_utc_ns: UtcNs | None = None


@dataclass(frozen=True, slots=True)
class ChannelNoise:
    """One reading of a downlink's channel: the noise in its bandwidth, and all that is in the channel over it."""

    at_utc_ns: UtcNs
    floor_dbfs: float
    level_over_noise_db: float


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What one downlink has done lately; ``state`` is ``unknown`` until there is evidence.

    ``corrected`` counts repaired symbols, ``missing`` what counters show to be missing (``"apid 33"`` → 7),
    ``sync_losses`` pauses between frames that are too long for the usual ones. ``expected`` counts the packets that
    should have come while the satellite was high enough, ``received`` those of them that did.
    ``noise_floor_dbfs`` is the noise in the channel's bandwidth, ``level_over_noise_db`` everything in the channel
    over it. ``frequency_error_hz`` is the carrier measured minus the one predicted, Doppler included.
    """

    satellite: str
    downlink: str
    as_of_utc_ns: UtcNs
    state: Literal["nominal", "fading", "interference", "out_of_view", "silent", "receiver_fault", "unknown"]
    frames: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    last_frame_utc_ns: UtcNs | None = None
    snr_db: float | None = None
    frequency_offset_hz: float | None = None
    evidence: tuple[str, ...] = ()
    marking: str = "U"
    frames_per_min: float | None = None
    corrected: int = 0
    frequency_error_hz: float | None = None
    noise_floor_dbfs: float | None = None
    level_over_noise_db: float | None = None
    sync_losses: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    expected: int | None = None
    received: int | None = None


@dataclass(frozen=True, slots=True)
class WindowStatistics:
    """One parameter over the trend window; ``slope_per_s`` is ``None`` while too little is known."""

    parameter: str
    unit: str
    samples: int
    mean: float
    minimum: float
    maximum: float
    slope_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class TrendStatus:
    """The numeric parameters of one packet over the last ``window_s`` seconds."""

    satellite: str
    packet: str
    as_of_utc_ns: UtcNs
    window_s: float
    statistics: tuple[WindowStatistics, ...]
    marking: str = "U"


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a parameter reaches the bound of a level if it goes on as it did; the interval holds 95 %."""

    parameter: str
    level: ConcernLevel
    limit: float
    side: Literal["low", "high"]
    value: float
    slope_per_s: float
    in_s: float
    earliest_s: float
    latest_s: float
    unit: str = ""


AnomalyKind: TypeAlias = Literal["spike", "step", "noise", "stuck", "drift"]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is unusual about a parameter beside its limits; a ``score`` of 1 is the threshold."""

    parameter: str
    kind: AnomalyKind
    score: float
    since_utc_ns: UtcNs
    last_utc_ns: UtcNs


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the limits of a satellite do not say: forecasts, soonest first, and anomalies, strangest first."""

    satellite: str
    as_of_utc_ns: UtcNs
    forecasts: tuple[Forecast, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    marking: str = "U"


@dataclass(frozen=True, slots=True)
class ClockCorrelation:
    """The on-board clock against the station's: ``utc = onboard + offset_s``, growing by ``drift_ppm``.

    ``accuracy_s`` bounds 95 % of the samples' residuals. ``invalid`` until there are enough samples of one epoch,
    and from a sample that is more than ``validity_s`` off; ``epochs`` counts how often the clock was set.
    """

    satellite: str
    as_of_utc_ns: UtcNs
    state: Literal["valid", "invalid"]
    samples: int
    epochs: int
    since_utc_ns: UtcNs
    offset_s: float | None = None
    drift_ppm: float | None = None
    accuracy_s: float | None = None
    validity_s: float | None = None
    marking: str = "U"


# -- orbit -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Station:
    """Where the antenna stands: WGS 84 geodetic, altitude above the ellipsoid."""

    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of one satellite over one station.

    ``aos_utc_ns`` (``los_utc_ns``) is ``None`` when the satellite was already up at the start (is still up at
    the end) of the window searched. ``kind`` is ``always_up`` for one that neither rises nor sets in it.
    ``tca_utc_ns`` is the moment of maximum elevation, geometric. ``uncertainty_s`` bounds how early or late all
    three may be, for the age of the elements.
    """

    satellite: str
    norad: int
    station: str
    aos_utc_ns: UtcNs | None
    tca_utc_ns: UtcNs
    los_utc_ns: UtcNs | None
    max_elevation_deg: float
    aos_azimuth_deg: float | None
    tca_azimuth_deg: float
    los_azimuth_deg: float | None
    kind: Literal["pass", "always_up"] = "pass"
    element_age_d: float | None = None
    marking: str = "U"
    uncertainty_s: float | None = None


@dataclass(frozen=True, slots=True)
class PassEvent:
    """AOS, TCA or LOS as it happens; ``frames`` counts what has been received in the pass so far."""

    satellite: str
    norad: int
    type: Literal["aos", "tca", "los"]
    at_utc_ns: UtcNs
    elevation_deg: float
    azimuth_deg: float
    frames: int = 0
    marking: str = "U"


@dataclass(frozen=True, slots=True)
class LookAngles:
    """Where a satellite stands, seen from the station, and what its motion does to a carrier."""

    satellite: str
    norad: int
    at_utc_ns: UtcNs
    azimuth_deg: float
    elevation_deg: float
    range_km: float
    range_rate_km_s: float
    latitude_deg: float
    longitude_deg: float
    altitude_km: float
    element_age_d: float
    doppler_hz: Mapping[str, float] = field(default_factory=dict)
    marking: str = "U"


Record: TypeAlias = (
    "Frame | PacketRecord | ParameterReport | HealthStatus | Alarm | LinkStatus | Pass | PassEvent | LookAngles"
    " | TrendStatus | Outlook | ClockCorrelation"
)
