"""Orbit Mean-Elements Messages: KVN, XML, JSON and CSV in, mean elements out, and back.

Every form is reduced to the same thing, a mapping of the standard's keywords to text, and judged once. Knows
only SGP4's elements (frame TEME, time UTC, centre EARTH); any other theory is refused, not reinterpreted.
Numbers keep every digit of the message; catalogue numbers may have nine.
Source: CCSDS 502.0-B-3 §4 (OMM), 505.0-B-3 (XML); CelesTrak "GP data formats" (JSON and CSV).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from agent.errors import AgentError
from agent.orbit.elements import MAX_SETS, ElementError, ElementSets, MeanElements, Refusal, check_ranges
from agent.records import UtcNs

VERSIONS = ("1.0", "2.0", "3.0")
THEORIES = ("SGP4", "SGP/SGP4", "SDP4", "SGP")
"""CelesTrak and space-track write ``SGP4``; older messages write ``SGP/SGP4`` (502.0-B-2)."""
REQUIRED = (
    "EPOCH",
    "ECCENTRICITY",
    "INCLINATION",
    "RA_OF_ASC_NODE",
    "ARG_OF_PERICENTER",
    "MEAN_ANOMALY",
    "NORAD_CAT_ID",
)
_CALENDAR = re.compile(r"^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,18}))?Z?$")
_DAY_OF_YEAR = re.compile(r"^(\d{4})-(\d{3})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,18}))?Z?$")
_UNIT = re.compile(r"\s*\[[^\]]*\]$")

Message = Mapping[str, str]


def read_epoch(text: str) -> UtcNs:
    """Read a CCSDS calendar or day-of-year date (502.0-B-3 §7.5.10) as UTC; second 60 is the next minute."""
    text = text.strip()
    try:
        if match := _CALENDAR.match(text):
            year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
            start = datetime(year, month, day, hour, minute, tzinfo=UTC)
        elif match := _DAY_OF_YEAR.match(text):
            year, day, hour, minute, second = (int(part) for part in match.groups()[:5])
            if not 1 <= day <= 366:
                raise ValueError
            start = datetime(year, 1, 1, hour, minute, tzinfo=UTC) + timedelta(days=day - 1)
        else:
            raise ValueError
        if second > 60:
            raise ValueError
    except ValueError:
        raise ElementError("epoch_range", f"epoch {text!r} is not a CCSDS date") from None
    fraction_ns = int((match.groups()[-1] or "0").ljust(9, "0")[:9])
    return (int(start.timestamp()) + second) * 1_000_000_000 + fraction_ns


def write_epoch(utc_ns: UtcNs) -> str:
    """Write a CCSDS calendar date with as many digits as the time has, at least six."""
    second, nanosecond = divmod(utc_ns, 1_000_000_000)
    whole = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{nanosecond:09d}"
    return f"{whole}.{fraction[:6]}{fraction[6:].rstrip('0')}"


def _number(message: Message, key: str, default: float | None = None) -> float:
    text = message.get(key, "").strip()
    if not text and default is not None:
        return default
    try:
        return float(text)
    except ValueError:
        raise ElementError("not_a_number", f"{key} {text!r} is not a number") from None


def _integer(message: Message, key: str, default: int | None = None) -> int:
    text = message.get(key, "").strip()
    if not text and default is not None:
        return default
    if not re.fullmatch(r"\d{1,12}(\.0*)?", text):
        raise ElementError("not_a_number", f"{key} {text!r} is not a whole number")
    return int(text.partition(".")[0])


def parse_message(message: Message, *, source: str) -> MeanElements:
    """Judge one message; raises ``ElementError`` with the reason when it cannot be right."""
    for key, expected in (("CENTER_NAME", ("EARTH",)), ("REF_FRAME", ("TEME",)), ("TIME_SYSTEM", ("UTC",))):
        value = message.get(key, "").strip().upper()
        if value and value not in expected:
            raise ElementError(key.lower(), f"{key} is {value}, SGP4's elements need {expected[0]}")
    theory = message.get("MEAN_ELEMENT_THEORY", "").strip().upper()
    if theory and theory not in THEORIES:
        raise ElementError("theory", f"MEAN_ELEMENT_THEORY is {theory}, only SGP4 is propagated here")
    if message.get("EPHEMERIS_TYPE", "0").strip() not in ("", "0", "2", "3"):
        raise ElementError("theory", f"EPHEMERIS_TYPE {message['EPHEMERIS_TYPE']} is not SGP4's")
    for key in REQUIRED:
        if not message.get(key, "").strip():
            raise ElementError("missing_field", f"{key} is missing")
    if not message.get("MEAN_MOTION", "").strip():
        raise ElementError("missing_field", "MEAN_MOTION is missing")
    norad = _integer(message, "NORAD_CAT_ID")
    return check_ranges(
        MeanElements(
            name=message.get("OBJECT_NAME", "").strip()[:64] or f"{norad}",
            norad=norad,
            cospar=message.get("OBJECT_ID", "").strip()[:16],
            epoch_utc_ns=read_epoch(message["EPOCH"]),
            mean_motion_rev_d=_number(message, "MEAN_MOTION"),
            eccentricity=_number(message, "ECCENTRICITY"),
            inclination_deg=_number(message, "INCLINATION"),
            raan_deg=_number(message, "RA_OF_ASC_NODE"),
            argument_of_perigee_deg=_number(message, "ARG_OF_PERICENTER"),
            mean_anomaly_deg=_number(message, "MEAN_ANOMALY"),
            bstar=_number(message, "BSTAR", 0.0),
            mean_motion_dot=_number(message, "MEAN_MOTION_DOT", 0.0),
            mean_motion_ddot=_number(message, "MEAN_MOTION_DDOT", 0.0),
            element_set_number=_integer(message, "ELEMENT_SET_NO", 999),
            revolution=_integer(message, "REV_AT_EPOCH", 0),
            classification=message.get("CLASSIFICATION_TYPE", "U").strip()[:1] or "U",
            source=source,
        )
    )


def _judge(messages: Iterable[tuple[int, Message]], *, source: str) -> ElementSets:
    sets: list[MeanElements] = []
    refused: list[Refusal] = []
    for line, message in messages:
        if len(sets) + len(refused) >= MAX_SETS:
            break
        try:
            sets.append(parse_message(message, source=source))
        except ElementError as error:
            label = " ".join(filter(None, (message.get("OBJECT_NAME", ""), message.get("NORAD_CAT_ID", ""))))
            refused.append(Refusal(error.reason, f"{label or 'a set without a name'}: {error}", source, line))
    return ElementSets(tuple(sets), tuple(refused))


# -- KVN ---------------------------------------------------------------------------------------------------


def read_kvn(text: str, *, source: str) -> ElementSets:
    """Read messages in keyword = value notation, one after another."""

    def messages() -> Iterator[tuple[int, Message]]:
        message: dict[str, str] = {}
        started_at = 1
        for at, line in enumerate(text.splitlines(), start=1):
            key, equals, value = line.partition("=")
            key = key.strip()
            if not equals or key == "COMMENT" or key.startswith("COMMENT "):
                continue
            if key == "CCSDS_OMM_VERS":
                if message:
                    yield started_at, message
                message, started_at = {}, at
            message[key] = _UNIT.sub("", value.strip())
        if message:
            yield started_at, message

    return _judge(_with_version_checked(messages()), source=source)


def _with_version_checked(messages: Iterable[tuple[int, Message]]) -> Iterator[tuple[int, Message]]:
    for line, message in messages:
        version = message.get("CCSDS_OMM_VERS", "").strip()
        if version and version not in VERSIONS:
            yield line, {**message, "MEAN_ELEMENT_THEORY": f"of OMM version {version}"}
        else:
            yield line, message


# -- XML ---------------------------------------------------------------------------------------------------


def read_xml(text: str, *, source: str) -> ElementSets:
    """Read ``omm`` elements, alone or inside an ``ndm``, with or without a name space."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise AgentError(f"{source}: the XML declares entities, which an OMM never needs")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise AgentError(f"{source}: not well-formed XML ({error})") from error
    omms = [node for node in root.iter() if _local(node.tag) == "omm"]

    def messages() -> Iterator[tuple[int, Message]]:
        for number, node in enumerate(omms, start=1):
            leaves = {_local(leaf.tag): (leaf.text or "") for leaf in node.iter() if len(leaf) == 0}
            yield number, {"CCSDS_OMM_VERS": node.get("version", ""), **leaves}

    return _judge(_with_version_checked(messages()), source=source)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


# -- JSON and CSV ------------------------------------------------------------------------------------------


def read_json(text: str, *, source: str) -> ElementSets:
    """Read CelesTrak's JSON: one object, or a list of them; numbers may stand as numbers or as text."""
    try:
        # Numbers stay text: every digit is judged by the same code as in the other forms.
        document = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise AgentError(f"{source}: not JSON ({error})") from error
    rows = document if isinstance(document, list) else [document]
    messages = (
        (number, {str(k): "" if v is None else str(v) for k, v in row.items()} if isinstance(row, dict) else {})
        for number, row in enumerate(rows, start=1)
    )
    return _judge(messages, source=source)


def is_csv(text: str) -> bool:
    """Tell whether the first line is a row of OMM keywords."""
    return "NORAD_CAT_ID" in text.partition("\n")[0].split(",")


def read_csv(text: str, *, source: str) -> ElementSets:
    """Read CelesTrak's CSV: a header of keywords, one set a row."""
    rows = csv.DictReader(text.splitlines(), strict=False)
    messages = (
        (rows.line_num, {k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str)}) for row in rows
    )
    try:
        return _judge(messages, source=source)
    except csv.Error as error:
        raise AgentError(f"{source}: not CSV ({error})") from error


# -- out ---------------------------------------------------------------------------------------------------


def to_message(elements: MeanElements) -> dict[str, str]:
    """Return the keywords of one set in the standard's order; ``repr`` of a float loses nothing."""
    return {
        "OBJECT_NAME": elements.name,
        "OBJECT_ID": elements.cospar,
        "CENTER_NAME": "EARTH",
        "REF_FRAME": "TEME",
        "TIME_SYSTEM": "UTC",
        "MEAN_ELEMENT_THEORY": "SGP4",
        "EPOCH": write_epoch(elements.epoch_utc_ns),
        "MEAN_MOTION": repr(elements.mean_motion_rev_d),
        "ECCENTRICITY": repr(elements.eccentricity),
        "INCLINATION": repr(elements.inclination_deg),
        "RA_OF_ASC_NODE": repr(elements.raan_deg),
        "ARG_OF_PERICENTER": repr(elements.argument_of_perigee_deg),
        "MEAN_ANOMALY": repr(elements.mean_anomaly_deg),
        "EPHEMERIS_TYPE": "0",
        "CLASSIFICATION_TYPE": elements.classification,
        "NORAD_CAT_ID": str(elements.norad),
        "ELEMENT_SET_NO": str(elements.element_set_number),
        "REV_AT_EPOCH": str(elements.revolution),
        "BSTAR": repr(elements.bstar),
        "MEAN_MOTION_DOT": repr(elements.mean_motion_dot),
        "MEAN_MOTION_DDOT": repr(elements.mean_motion_ddot),
    }


def write_kvn(elements: MeanElements, *, created_utc_ns: UtcNs, originator: str) -> str:
    """Write one message in keyword = value notation, version 3.0."""
    header = {
        "CCSDS_OMM_VERS": "3.0",
        "CREATION_DATE": write_epoch(created_utc_ns),
        "ORIGINATOR": originator,
    }
    lines = [f"{key} = {value}" for key, value in {**header, **to_message(elements)}.items()]
    return "\n".join(lines) + "\n"


def _values(elements: MeanElements, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    return {key: value for key, value in to_message(elements).items() if key not in without}


CELESTRAK_LEAVES_OUT = ("CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY")
"""Keywords that the JSON and CSV of CelesTrak do not carry: they are the same for every set."""
_WORDS = ("OBJECT_NAME", "OBJECT_ID", "EPOCH", "CLASSIFICATION_TYPE")
_METADATA = ("OBJECT_NAME", "OBJECT_ID", *CELESTRAK_LEAVES_OUT)
_MEAN = ("EPOCH", "MEAN_MOTION", *REQUIRED[1:6])


def write_csv(sets: Iterable[MeanElements]) -> str:
    """Write CelesTrak's CSV: a header of keywords, one set a row."""
    rows = [_values(elements, without=CELESTRAK_LEAVES_OUT) for elements in sets]
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write_json(sets: Iterable[MeanElements]) -> str:
    """Write CelesTrak's JSON: a list of objects, one a line, numbers as numbers with every digit."""
    rows = [
        {
            key: value if key in _WORDS else json.loads(value)
            for key, value in _values(elements, without=CELESTRAK_LEAVES_OUT).items()
        }
        for elements in sets
    ]
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def write_xml(sets: Iterable[MeanElements], *, created_utc_ns: UtcNs, originator: str) -> str:
    """Write messages of version 3.0 inside one ``ndm``. Source: CCSDS 505.0-B-3 §4."""
    root = ElementTree.Element("ndm")
    for elements in sets:
        omm = ElementTree.SubElement(root, "omm", {"id": "CCSDS_OMM_VERS", "version": "3.0"})
        header = ElementTree.SubElement(omm, "header")
        ElementTree.SubElement(header, "CREATION_DATE").text = write_epoch(created_utc_ns)
        ElementTree.SubElement(header, "ORIGINATOR").text = originator
        segment = ElementTree.SubElement(ElementTree.SubElement(omm, "body"), "segment")
        metadata = ElementTree.SubElement(segment, "metadata")
        data = ElementTree.SubElement(segment, "data")
        mean, rest = (ElementTree.SubElement(data, tag) for tag in ("meanElements", "tleParameters"))
        for key, value in to_message(elements).items():
            parent = metadata if key in _METADATA else mean if key in _MEAN else rest
            ElementTree.SubElement(parent, key).text = value
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
