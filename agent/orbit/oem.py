"""Orbit Ephemeris Messages, versions 1 to 3, as KVN and XML: text in, ephemeris segments out, and back.

A message is taken whole or refused whole with the line and the reason: half an ephemeris would be flown.
Covariances and comments are passed over. Times may be UTC, TAI, TT, TDB (taken for TT: 2 ms apart at most) or
GPS. Frames and centres are only named here; ``trajectory`` knows which it can turn.
Source: CCSDS 502.0-B-1, -B-2 and -B-3 §5; 505.0-B-3 (XML).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

import numpy as np

from agent.errors import AgentError
from agent.orbit.earth_orientation import LEAP_SECONDS
from agent.orbit.elements import ElementError
from agent.orbit.ephemeris import DEFAULT_DEGREE, EphemerisSegment, Method
from agent.orbit.omm import read_epoch, write_epoch
from agent.records import UtcNs

MAX_TEXT_OCTETS = 256 << 20
MAX_STATES = 2_000_000
VERSIONS = ("1.0", "2.0", "3.0")
MAX_DEGREE = 31
REQUIRED = ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "START_TIME", "STOP_TIME")
OPTIONAL = (
    "REF_FRAME_EPOCH",
    "USEABLE_START_TIME",
    "USEABLE_STOP_TIME",
    "INTERPOLATION",
    "INTERPOLATION_DEGREE",
)
HEADER = ("CCSDS_OEM_VERS", "CREATION_DATE", "ORIGINATOR", "CLASSIFICATION", "MESSAGE_ID")
NS_PER_S = 1_000_000_000


class OemError(AgentError):
    """The message is refused; says where and why."""


def to_utc_ns(clock_ns: int, time_system: str) -> UtcNs:
    """Turn a count of a time system's own days and seconds into UTC."""
    if time_system == "UTC":
        return clock_ns
    ahead_of_tai_ns = {"TAI": 0, "TT": 32_184_000_000, "TDB": 32_184_000_000, "GPS": -19 * NS_PER_S}
    if time_system not in ahead_of_tai_ns:
        raise ElementError("time_system", f"TIME_SYSTEM {time_system} is not UTC, TAI, TT, TDB or GPS")
    tai_ns = clock_ns - ahead_of_tai_ns[time_system]
    offset = LEAP_SECONDS[0][1]
    for start, seconds in LEAP_SECONDS:
        if tai_ns - seconds * NS_PER_S >= start * NS_PER_S:
            offset = seconds
    return tai_ns - offset * NS_PER_S


def is_oem(text: str) -> bool:
    """Tell whether a text begins as an OEM, KVN or XML."""
    head = text.lstrip("\ufeff \t\r\n")[:4096]
    return head.startswith("CCSDS_OEM_VERS") or (
        head.startswith("<") and bool(re.search(r"<(?:\w+:)?oem[\s>]", head))
    )


def read_oem(text: str, *, source: str) -> tuple[EphemerisSegment, ...]:
    """Read every segment; raises ``OemError`` naming the place when the message cannot be right."""
    if len(text) > MAX_TEXT_OCTETS:
        raise OemError(f"{source}: larger than {MAX_TEXT_OCTETS >> 20} MiB")
    head = text.lstrip("\ufeff \t\r\n")
    segments = _read_xml(head, source) if head.startswith("<") else _read_kvn(text, source)
    if not segments:
        raise OemError(f"{source}: the message holds no ephemeris")
    return tuple(segments)


# -- one segment, whatever the notation --------------------------------------------------------------------


def _segment(
    meta: dict[str, str], rows: Sequence[tuple[str, list[str]]], where: str, source: str
) -> EphemerisSegment:
    for key in REQUIRED:
        if not meta.get(key):
            raise OemError(f"{where}: {key} is missing")
    for key in meta:
        if key not in REQUIRED and key not in OPTIONAL and key not in HEADER:
            raise OemError(f"{where}: {key} is no keyword of OEM metadata")
    system = meta["TIME_SYSTEM"].upper()
    try:
        first, last = (to_utc_ns(read_epoch(meta[key]), system) for key in ("START_TIME", "STOP_TIME"))
        begin = to_utc_ns(read_epoch(meta.get("USEABLE_START_TIME") or meta["START_TIME"]), system)
        end = to_utc_ns(read_epoch(meta.get("USEABLE_STOP_TIME") or meta["STOP_TIME"]), system)
        epochs = np.array([to_utc_ns(read_epoch(row[0]), system) for row in rows], dtype=np.int64)
    except ElementError as error:
        raise OemError(f"{where}: {error}") from None
    method, degree = _interpolation(meta, where)
    if not first <= begin < end <= last:
        raise OemError(f"{where}: its start, useable start, useable stop and stop times are not in order")
    if len(rows) < 2:
        raise OemError(f"{where}: {len(rows)} states are no ephemeris")
    if (np.diff(epochs) <= 0).any():
        at = int(np.flatnonzero(np.diff(epochs) <= 0)[0]) + 1
        raise OemError(f"{where}: the epoch {rows[at][0]} does not come after the one before it")
    try:
        states = np.array([[float(word) for word in row[1][:6]] for row in rows])
    except ValueError:
        raise OemError(f"{where}: a state holds a word that is no number") from None
    if not np.isfinite(states).all():
        raise OemError(f"{where}: a state is not finite")
    return EphemerisSegment(
        object_name=meta["OBJECT_NAME"][:64],
        object_id=meta["OBJECT_ID"][:32],
        center=meta["CENTER_NAME"].upper(),
        frame=meta["REF_FRAME"].upper(),
        utc_ns=epochs,
        states_km=states,
        usable_utc_ns=(max(begin, int(epochs[0])), min(end, int(epochs[-1]))),
        method=method,
        degree=degree,
        source=source,
    )


def _interpolation(meta: dict[str, str], where: str) -> tuple[Method, int]:
    stated, degree = meta.get("INTERPOLATION", "").upper(), meta.get("INTERPOLATION_DEGREE", "")
    if not stated:
        return "HERMITE", DEFAULT_DEGREE
    methods: dict[str, Method] = {"LINEAR": "LINEAR", "LAGRANGE": "LAGRANGE", "HERMITE": "HERMITE"}
    if stated not in methods:
        raise OemError(f"{where}: INTERPOLATION {stated} is not LINEAR, LAGRANGE or HERMITE")
    if stated == "LINEAR" and not degree:
        degree = "1"
    if not degree.isdecimal() or not 1 <= int(degree) <= MAX_DEGREE:
        raise OemError(
            f"{where}: INTERPOLATION_DEGREE {degree or 'is missing and'} is no whole number 1…{MAX_DEGREE}"
        )
    return methods[stated], int(degree)


# -- KVN ---------------------------------------------------------------------------------------------------


def _read_kvn(text: str, source: str) -> list[EphemerisSegment]:
    """Walk the lines through header, metadata, states and covariance, in the standard's order."""
    segments: list[EphemerisSegment] = []
    header: dict[str, str] = {}
    meta: dict[str, str] | None = None
    rows: list[tuple[str, list[str]]] = []
    part, started, count = "header", 0, 0

    def finish() -> None:
        if meta is not None:
            segments.append(_segment(meta, rows, f"{source}:{started}", source))

    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        where = f"{source}:{number}"
        if not line or line.startswith("COMMENT"):
            continue
        if line == "META_START":
            if part not in ("header", "states"):
                raise OemError(f"{where}: META_START inside {part}")
            _check_header(header, where)
            finish()
            meta, rows, part, started = {}, [], "metadata", number
        elif line == "META_STOP":
            if part != "metadata":
                raise OemError(f"{where}: META_STOP without META_START")
            part = "states"
        elif line == "COVARIANCE_START":
            if part != "states" or not rows:
                raise OemError(f"{where}: a covariance before any state")
            part = "covariance"
        elif line == "COVARIANCE_STOP":
            if part != "covariance":
                raise OemError(f"{where}: COVARIANCE_STOP without COVARIANCE_START")
            part = "states"
        elif part in ("header", "metadata"):
            key, equals, value = (word.strip() for word in line.partition("="))
            target = header if part == "header" or meta is None else meta
            if not equals or not key:
                raise OemError(f"{where}: {line[:40]!r} is not keyword = value")
            if key in target:
                raise OemError(f"{where}: {key} stands twice")
            target[key] = value
        elif part == "states":
            words = line.split()
            if len(words) not in (7, 10):
                raise OemError(f"{where}: a state has an epoch and 6 numbers (9 with accelerations)")
            if rows and len(words) != len(rows[0][1]) + 1:
                raise OemError(f"{where}: accelerations must stand in every state of a segment or in none")
            count += 1
            if count > MAX_STATES:
                raise OemError(f"{where}: more than {MAX_STATES} states")
            rows.append((words[0], words[1:]))
    if part not in ("states", "header"):
        raise OemError(f"{source}: the message ends inside its {part}")
    finish()
    return segments


def _check_header(header: dict[str, str], where: str) -> None:
    if header.get("CCSDS_OEM_VERS") not in VERSIONS:
        raise OemError(f"{where}: OEM version {header.get('CCSDS_OEM_VERS')} is not {', '.join(VERSIONS)}")
    for key in ("CREATION_DATE", "ORIGINATOR"):
        if not header.get(key):
            raise OemError(f"{where}: {key} is missing from the header")
    for key in header:
        if key not in HEADER:
            raise OemError(f"{where}: {key} is no keyword of an OEM header")


# -- XML ---------------------------------------------------------------------------------------------------


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _leaves(node: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for leaf in node.iter():
        if len(leaf) == 0 and _local(leaf.tag) != "COMMENT":
            yield _local(leaf.tag), (leaf.text or "").strip()


def _read_xml(text: str, source: str) -> list[EphemerisSegment]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise OemError(f"{source}: the XML declares entities, which an OEM never needs")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise OemError(f"{source}: not well-formed XML ({error})") from error
    segments = []
    for message in (node for node in root.iter() if _local(node.tag) == "oem"):
        if message.get("version") not in VERSIONS:
            raise OemError(f"{source}: OEM version {message.get('version')} is not {', '.join(VERSIONS)}")
        for number, node in enumerate((n for n in message.iter() if _local(n.tag) == "segment"), start=1):
            where = f"{source}: segment {number}"
            meta: dict[str, str] = {}
            rows: list[tuple[str, list[str]]] = []
            for child in node:
                if _local(child.tag) == "metadata":
                    meta = dict(_leaves(child))
                elif _local(child.tag) == "data":
                    rows = [_state(n, where) for n in child if _local(n.tag) == "stateVector"]
            if len(rows) > MAX_STATES:
                raise OemError(f"{where}: more than {MAX_STATES} states")
            segments.append(_segment(meta, rows, where, source))
    return segments


def _state(node: ElementTree.Element, where: str) -> tuple[str, list[str]]:
    leaves = dict(_leaves(node))
    try:
        return leaves["EPOCH"], [leaves[key] for key in ("X", "Y", "Z", "X_DOT", "Y_DOT", "Z_DOT")]
    except KeyError as error:
        raise OemError(f"{where}: a state without {error.args[0]}") from None


# -- out ---------------------------------------------------------------------------------------------------


def write_kvn(segments: Sequence[EphemerisSegment], *, created_utc_ns: UtcNs, originator: str) -> str:
    """Write segments as OEM 2.0, which every reader knows; ``repr`` of a float loses nothing."""
    lines = ["CCSDS_OEM_VERS = 2.0", f"CREATION_DATE = {write_epoch(created_utc_ns)}", f"ORIGINATOR = {originator}"]
    for s in segments:
        lines += [
            "",
            "META_START",
            f"OBJECT_NAME = {s.object_name}",
            f"OBJECT_ID = {s.object_id}",
            f"CENTER_NAME = {s.center}",
            f"REF_FRAME = {s.frame}",
            "TIME_SYSTEM = UTC",
            f"START_TIME = {write_epoch(int(s.utc_ns[0]))}",
            f"USEABLE_START_TIME = {write_epoch(s.usable_utc_ns[0])}",
            f"USEABLE_STOP_TIME = {write_epoch(s.usable_utc_ns[1])}",
            f"STOP_TIME = {write_epoch(int(s.utc_ns[-1]))}",
            f"INTERPOLATION = {s.method}",
            f"INTERPOLATION_DEGREE = {s.degree}",
            "META_STOP",
            "",
        ]
        lines += [
            f"{write_epoch(epoch)} {' '.join(repr(value) for value in state)}"
            for epoch, state in zip(s.utc_ns.tolist(), s.states_km.tolist(), strict=True)
        ]
    return "\n".join(lines) + "\n"
