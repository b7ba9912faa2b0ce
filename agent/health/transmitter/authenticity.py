"""Who transmits under a satellite's name: a verdict with its evidence.

``cryptographic`` when frames carry an authentication that was checked, ``physically_consistent`` when their
Doppler follows the predicted orbit in a window where another's would not, ``suspect`` as long as any evidence
against the satellite is fresh, otherwise ``unknown``. Evidence against it: a Doppler that bends otherwise, frames
from below the horizon, two carriers or overlapping frames, a clock or a counter that runs backwards without a
reset, octets that were heard before, and authentication that fails in frames whose check is good. What cannot be
measured (a TNC gives no frequency, a geostationary orbit no Doppler) leaves the verdict unknown. A transmitter
that imitates all of it passes.

Knows one satellite. Where it stands is asked of ``Track``; times are those of the frames.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent import definitions
from agent.errors import AgentError
from agent.health.transmitter.candidates import CandidateWatch
from agent.health.transmitter.doppler_test import TIME_ERROR_S, DopplerVerdict, judge
from agent.health.transmitter.onboard_order import ClockOrder, CountOrder
from agent.health.transmitter.replay_memory import ReplayMemory
from agent.health.transmitter.track import Track
from agent.health.transmitter.two_signals import two_carriers
from agent.records import Authenticity, ConcernLevel, Frame, PacketRecord, ParameterReport, UtcNs

Floats: TypeAlias = NDArray[np.float64]

NS_PER_S = 1_000_000_000
HOLD_NS = 120 * NS_PER_S
"""Evidence against a satellite counts for so long after it was last seen."""
CONSISTENT_NS = 900 * NS_PER_S
"""Evidence for it counts for the rest of a pass."""
WINDOW_NS, SPARSE_WINDOW_NS, LONGEST_NS = 60 * NS_PER_S, 240 * NS_PER_S, 600 * NS_PER_S
WINDOW_SAMPLES, SPARSE_SAMPLES = 12, 6
LOOK_NS = 5 * NS_PER_S
BLATANT = 1e-7
"""Between windows a residual is looked at again and again: only what chance never gives counts there."""
SAMPLE_NS = NS_PER_S // 5
MAX_SAMPLES = 400
MAX_TRAINS = 64
HORIZON_MARGIN_DEG = 1.0
"""Refraction lifts a satellite by 0.6° at most."""
LOST_S = 120.0
"""With elements this wrong nothing follows from where the satellite is predicted."""
REPEATED_AFTER_NS = 60 * NS_PER_S
"""Beacons are sent twice, and heard through two receivers; a recording is older."""
REPEATS_NEEDED = 3
OVERLAP_SHARE, OVERLAPS_NEEDED = 0.3, 2

CHECKED_BY_KEY: Final = frozenset({"hmac", "cmac", "gcm", "sdls"})
"""What a frame's check is called when a key stands behind it; a packet's header says ``authenticated``."""
AUTHENTICATION_FAILED: Final = frozenset({"bad_authentication", "bad_mac"})
"""Reasons of refusal that mean: the frame's own check was good, its authentication was not."""

MODULI: Final[Mapping[str, int]] = {
    "space_packet": 1 << 14,
    "pus": 1 << 14,
    "ccsds_tm": 1 << 8,
    "ccsds_aos": 1 << 24,
}
"""How far the protocols count. Source: CCSDS 133.0-B-2 §4.1.3.4, 132.0-B-3 §4.1.2.6, 732.0-B-4 §4.1.2.4."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who it is taken to be, why, and how bad that is."""

    authenticity: Authenticity
    evidence: tuple[str, ...]
    level: ConcernLevel = "normal"


UNHEARD: Final = Verdict("unknown", ("no frame yet",))


@dataclass(slots=True)
class _Against:
    """One kind of evidence against the satellite."""

    text: str
    level: ConcernLevel
    until_utc_ns: UtcNs
    times: int = 1


@dataclass(slots=True)
class _Carrier:
    """What has been measured of one downlink's carrier."""

    frequency_hz: float
    baudrate_bd: float
    times_utc_ns: deque[int] = field(default_factory=lambda: deque(maxlen=MAX_SAMPLES))
    carriers_hz: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_SAMPLES))
    window_began_utc_ns: UtcNs | None = None
    looked_utc_ns: UtcNs = 0
    last_frame: tuple[UtcNs, UtcNs, str, bytes] | None = None
    overlaps: int = 0

    def window(self, began_utc_ns: UtcNs) -> tuple[NDArray[np.int64], Floats]:
        times = np.array(self.times_utc_ns, dtype=np.int64)
        taken = times >= began_utc_ns
        return times[taken], np.array(self.carriers_hz)[taken]


class AuthenticityWatch:
    """The judge of one satellite. ``memory`` is shared by all: what has been heard, by hash."""

    def __init__(self, slug: str, satellite: definitions.Satellite, memory: ReplayMemory) -> None:
        self._slug = slug
        self._memory = memory
        self.candidates = CandidateWatch() if satellite.candidates else None
        """Whom the signal may come from, where the file names several objects."""
        self._downlinks = {one.name: (one.frequency_hz, one.baudrate_bd) for one in satellite.downlinks}
        self._carriers: dict[tuple[str, str], _Carrier] = {}
        """By downlink and source: two receivers have two crystals."""
        self._beacons = {packet.name for packet in satellite.packets if packet.expected_every_s is not None}
        self._epochs = {packet.name: _epoch_utc_ns(packet) for packet in satellite.packets}
        self._clocks: dict[tuple[str, str], ClockOrder] = {}
        self._counts: dict[tuple[object, ...], CountOrder] = {}
        self._against: dict[str, _Against] = {}
        self._consistent: tuple[UtcNs, str] | None = None
        self._keyed: tuple[UtcNs, str] | None = None
        self._looked_below_utc_ns: UtcNs = 0
        self._unknown = UNHEARD.evidence[0]
        self._repeated: dict[str, tuple[UtcNs, UtcNs]] = {}
        self._repeats: dict[str, tuple[UtcNs, int]] = {}

    # -- what arrives --------------------------------------------------------------------------------------

    def observe_frame(self, frame: Frame, track: Track | None) -> None:
        """Take a good frame; ``track`` is where the satellite is predicted, if that is known."""
        now_utc_ns = frame.received_utc_ns
        if frame.link_frame.check in CHECKED_BY_KEY:
            self._keyed = now_utc_ns, frame.link_frame.check
        self._remember(frame)
        if track is not None and not track.uncertainty_s(now_utc_ns) < LOST_S:
            self._unknown, track = "elements too old to judge by", None
        elif track is None:
            self._unknown = "no elements to judge by"
        if track is not None and self.candidates is None:
            self._look_below_horizon(now_utc_ns, track)
        carrier = self._carrier(frame)
        if carrier is None or frame.frequency_offset_hz is None or frame.doppler_corrected_hz is None:
            if track is not None:
                self._unknown = "no frequency is measured"
            return
        self._look_for_overlap(frame, carrier)
        middle_ns = now_utc_ns + round(frame.link_frame.span / carrier.baudrate_bd / 2 * NS_PER_S)
        if carrier.times_utc_ns and middle_ns - carrier.times_utc_ns[-1] < SAMPLE_NS:
            return
        carrier.times_utc_ns.append(middle_ns)
        carrier.carriers_hz.append(frame.frequency_offset_hz + frame.doppler_corrected_hz)
        if self.candidates is not None:
            times, measured = carrier.window(middle_ns - LONGEST_NS)
            self.candidates.weigh(times, measured, carrier.frequency_hz)
            track = self.candidates.chosen
            self._unknown = self.candidates.words or "which of the candidates is not known yet"
        if track is not None:
            self._look_at_doppler(carrier, track, now_utc_ns)

    def _carrier(self, frame: Frame) -> _Carrier | None:
        key = frame.downlink, frame.source
        carrier = self._carriers.get(key)
        if carrier is None and frame.downlink in self._downlinks and len(self._carriers) < MAX_TRAINS:
            carrier = self._carriers[key] = _Carrier(*self._downlinks[frame.downlink])
        return carrier

    def observe_report(self, report: ParameterReport) -> None:
        """Take a report that came with a frame: its on-board time, and whether it was heard before."""
        if report.generated_utc_ns is None:
            return
        key = report.downlink, report.packet
        clock = self._clocks.get(key)
        if clock is None:
            if len(self._clocks) >= MAX_TRAINS:
                return
            clock = self._clocks[key] = ClockOrder(self._epochs.get(report.packet))
        back_ns = clock.follow(report.generated_utc_ns, report.received_utc_ns)
        if back_ns is not None and report.packet in self._beacons:
            text = f"on-board time of {report.packet} went back by {back_ns / NS_PER_S:.0f} s without a reset"
            self._suspect("clock", text, "warning", report.received_utc_ns)
        self._judge_repeated(report.downlink, report.packet in self._beacons, report.received_utc_ns)

    def observe_packet(self, record: PacketRecord) -> None:
        """Take a packet: its count, and whether its octets came before in another frame."""
        packet = record.packet
        header = packet.header
        if header.get("authenticated") is True:
            self._keyed = record.received_utc_ns, record.protocol
        modulus = MODULI.get(record.protocol)
        if packet.sequence_count is None or modulus is None:
            return
        key = record.downlink, record.protocol, header.get("scid"), header.get("vcid"), header.get("apid")
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= MAX_TRAINS:
                return
            count = self._counts[key] = CountOrder(modulus)
        back = count.follow(packet.sequence_count, record.received_utc_ns)
        if back is not None:
            whose = f"APID {header['apid']!r}" if "apid" in header else record.protocol
            text = f"count of {whose} went back by {back} without a reset"
            self._suspect("count", text, "warning", record.received_utc_ns)
        if record.generated_utc_ns is None:
            # Without a time in it a packet may rightly come again, when its count has come round.
            return
        first_utc_ns = self._memory.meet(f"{self._slug} packet {key}", packet.data, record.received_utc_ns)
        if first_utc_ns is not None and record.received_utc_ns - first_utc_ns > REPEATED_AFTER_NS:
            self._repeated.setdefault(record.downlink, (record.received_utc_ns, first_utc_ns))
            self._judge_repeated(record.downlink, False, record.received_utc_ns)

    def count_rejected(self, reasons: Mapping[str, int], now_utc_ns: UtcNs) -> None:
        """Take what was refused: authentication that failed behind a good check is no transmission error."""
        failed = sum(count for reason, count in reasons.items() if reason in AUTHENTICATION_FAILED)
        if failed:
            self._suspect(
                "key", f"authentication failed in {failed} frames with a good check", "critical", now_utc_ns
            )

    # -- the verdict -----------------------------------------------------------------------------------------

    def judge(self, now_utc_ns: UtcNs) -> Verdict:
        """Say who it is taken to be now."""
        self._against = {name: one for name, one in self._against.items() if one.until_utc_ns > now_utc_ns}
        if self._against:
            critical = any(one.level == "critical" for one in self._against.values())
            texts = tuple(
                one.text if one.times == 1 else f"{one.text} ({one.times} times)" for one in self._against.values()
            )
            return Verdict("suspect", texts, "critical" if critical else "warning")
        if self._keyed is not None and now_utc_ns - self._keyed[0] < CONSISTENT_NS:
            return Verdict("cryptographic", (f"authenticated by {self._keyed[1]}",))
        if self._consistent is not None and now_utc_ns - self._consistent[0] < CONSISTENT_NS:
            return Verdict("physically_consistent", (self._consistent[1],))
        return Verdict("unknown", (self._unknown,))

    def _suspect(self, name: str, text: str, level: ConcernLevel, now_utc_ns: UtcNs) -> None:
        before = self._against.get(name)
        times = 1 if before is None else before.times + 1
        self._against[name] = _Against(text, level, now_utc_ns + HOLD_NS, times)

    # -- octets ----------------------------------------------------------------------------------------------

    def _remember(self, frame: Frame) -> None:
        first = self._memory.meet(self._slug, frame.link_frame.data, frame.received_utc_ns)
        self._repeated.pop(frame.downlink, None)
        if first is not None and frame.received_utc_ns - first > REPEATED_AFTER_NS:
            self._repeated[frame.downlink] = frame.received_utc_ns, first

    def _judge_repeated(self, downlink: str, beacon: bool, now_utc_ns: UtcNs) -> None:
        """Judge octets that came before: what carries an on-board time never comes twice by itself.

        Stored data may be asked for twice; what comes at a steady pace is not stored.
        """
        found = self._repeated.get(downlink)
        if found is None or found[0] != now_utc_ns:
            return
        age_s = (now_utc_ns - found[1]) / NS_PER_S
        text = f"octets heard before, first {_ago(age_s)} ago, with an on-board time in them"
        name = "replay" if beacon else "repeated"
        before = self._against.get(name)
        if beacon or before is not None or self._count_repeat(downlink, now_utc_ns) >= REPEATS_NEEDED:
            self._suspect(name, text, "critical", now_utc_ns)

    def _count_repeat(self, downlink: str, now_utc_ns: UtcNs) -> int:
        began, times = self._repeats.get(downlink, (now_utc_ns, 0))
        if now_utc_ns - began > HOLD_NS:
            began, times = now_utc_ns, 0
        self._repeats[downlink] = began, times + 1
        return times + 1

    # -- the carrier -----------------------------------------------------------------------------------------

    def _look_below_horizon(self, now_utc_ns: UtcNs, track: Track) -> None:
        if abs(now_utc_ns - self._looked_below_utc_ns) < NS_PER_S:
            return
        self._looked_below_utc_ns = now_utc_ns
        margin_ns = round(track.uncertainty_s(now_utc_ns) * NS_PER_S)
        try:
            elevation = track.elevation_deg(np.array([now_utc_ns - margin_ns, now_utc_ns, now_utc_ns + margin_ns]))
        except AgentError:
            return
        if float(elevation.max()) < -HORIZON_MARGIN_DEG:
            text = f"heard while {-float(elevation[1]):.1f}° below the horizon"
            self._suspect("horizon", text, "warning", now_utc_ns)

    def _look_for_overlap(self, frame: Frame, carrier: _Carrier) -> None:
        """Two frames of one transmitter do not overlap in time, whatever comes between them."""
        begin_ns = frame.received_utc_ns
        end_ns = begin_ns + round(frame.link_frame.span / carrier.baudrate_bd * NS_PER_S)
        before = carrier.last_frame
        carrier.last_frame = begin_ns, end_ns, frame.source, frame.link_frame.data
        if before is None or before[2] != frame.source or frame.link_frame.check == "none":
            return
        shared_ns = min(end_ns, before[1]) - max(begin_ns, before[0])
        shortest_ns = min(end_ns - begin_ns, before[1] - before[0])
        if shortest_ns > 0 and shared_ns > OVERLAP_SHARE * shortest_ns and before[3] != frame.link_frame.data:
            carrier.overlaps += 1
            if carrier.overlaps >= OVERLAPS_NEEDED:
                text = f"{carrier.overlaps} frames overlap in time: two transmitters"
                self._suspect("overlap", text, "warning", begin_ns)

    def _look_at_doppler(self, carrier: _Carrier, track: Track, now_utc_ns: UtcNs) -> None:
        newest = carrier.times_utc_ns[-1]
        if carrier.window_began_utc_ns is None or newest - carrier.window_began_utc_ns > LONGEST_NS:
            carrier.window_began_utc_ns = newest
        span_ns = newest - carrier.window_began_utc_ns
        closes = span_ns >= WINDOW_NS and self._enough(carrier, span_ns)
        if not closes and newest - carrier.looked_utc_ns < LOOK_NS:
            return
        carrier.looked_utc_ns = newest
        began = carrier.window_began_utc_ns if closes else max(newest - WINDOW_NS, carrier.times_utc_ns[0])
        times, measured = carrier.window(began)
        if len(times) < SPARSE_SAMPLES:
            return
        try:
            shift, slope = track.doppler(times)
        except AgentError:
            return
        since_s = (times - times[0]) / NS_PER_S
        predicted = shift * carrier.frequency_hz
        apart_hz = two_carriers(since_s, measured - predicted)
        if apart_hz is not None:
            self._suspect("carriers", f"two carriers, {apart_hz:.0f} Hz apart, take turns", "warning", now_utc_ns)
        time_error_s = max(TIME_ERROR_S, track.uncertainty_s(now_utc_ns) / 2.0)
        verdict = judge(
            since_s,
            measured,
            predicted,
            slope * carrier.frequency_hz,
            carrier.frequency_hz,
            time_error_s=time_error_s,
        )
        if closes:
            carrier.window_began_utc_ns = None
        if verdict is not None:
            self._take_verdict(verdict, closes, now_utc_ns)

    @staticmethod
    def _enough(carrier: _Carrier, span_ns: int) -> bool:
        began = carrier.window_began_utc_ns or 0
        count = sum(at >= began for at in carrier.times_utc_ns)
        return count >= WINDOW_SAMPLES or (span_ns >= SPARSE_WINDOW_NS and count >= SPARSE_SAMPLES)

    def _take_verdict(self, verdict: DopplerVerdict, closes: bool, now_utc_ns: UtcNs) -> None:
        over = f"over {verdict.span_s:.0f} s and {verdict.samples} frames"
        if verdict.p_value < BLATANT or (closes and verdict.suspect):
            text = f"Doppler bends otherwise than the orbit's, by {verdict.scatter_hz:.0f} Hz {over}"
            self._suspect("doppler", f"{text} (p = {max(verdict.p_value, 1e-99):.0e})", "warning", now_utc_ns)
            self._consistent = None
        elif closes and verdict.discriminates:
            self._against.pop("doppler", None)
            text = f"Doppler follows the orbit within {verdict.scatter_hz:.0f} Hz {over}"
            self._consistent = now_utc_ns, f"{text}, offset {verdict.offset_hz:+.0f} Hz"
        elif closes and self._consistent is None:
            self._unknown = f"the orbit's Doppler is too even to tell {over}"


def _epoch_utc_ns(packet: definitions.Packet) -> UtcNs | None:
    """Return what a packet's on-board clock shows when it has just begun, if its calibration says so."""
    for _, parameter, _ in definitions.named_values(packet):
        if isinstance(parameter, definitions.Parameter) and parameter.generated:
            epoch = getattr(parameter.calibration, "epoch", None)
            return _utc_ns(epoch) if isinstance(epoch, str) else None
    return None


def _utc_ns(text: str) -> UtcNs | None:
    try:
        began = datetime.fromisoformat(text)
    except ValueError:
        return None
    began = began if began.tzinfo is not None else began.replace(tzinfo=UTC)
    return round((began - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * NS_PER_S


def _ago(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    if seconds < 7200.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:.1f} h" if seconds < 172_800.0 else f"{math.floor(seconds / 86_400.0)} d"
