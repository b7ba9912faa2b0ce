"""Every value that gr-satellites 4.4.0 prints for the recordings' frames, against what our satellite files decode.

Needs the recordings' ``truth.json`` and ``telemetry/*.txt`` (folder in ``GSAGENT_TEST_DATA``). The peer prints a
tree of Construct containers; its leaves are compared by their path, so that a value that we leave out is a failure.
"""

from __future__ import annotations

import ast
import csv
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.config import find_satellite, load_catalog
from agent.frame_reader import FrameReader, Transmitter
from agent.records import Frame, ParameterReport
from agent.telemetry.decoder import Decoder
from firmware_protocols.interface import LinkFrame, Packet

DATA = os.environ.get("GSAGENT_TEST_DATA")
FOLDER = Path(DATA or ".") / "recordings" / "dev"
pytestmark = pytest.mark.skipif(DATA is None, reason="GSAGENT_TEST_DATA does not name the recordings' folder")

LAST_DIGIT = 1e-12

NO_GROUP = ("payload", "beacon", "data", "information")
"""Containers whose name we leave out of a parameter's."""
RENAMED = {
    "kr01": {
        "header": None,
        "batvoltage": "battery_voltage",
        "batcurrent": "battery_current",
        "3v3buscurrent": "bus_3v3_current",
        "5vbuscurrent": "bus_5v_current",
        "tempcomm": "communication_temperature",
        "tempeps": "power_temperature",
        "tempbattery": "battery_temperature",
        "spacecraftmode": "spacecraft_mode",
    },
    "snet_a": {
        "header/CRC": "crc",
        "header/FCIDMajor": "fcid_major",
        "header/FCIDSub": "fcid_sub",
        "header/Urgent": "urgent",
        "header/Extended": "extended",
        "header/CheckCRC": "check_crc",
        "header/Multiframe": "multiframe",
        "header/TimeTaggedSetting": "time_tagged_setting",
        "header/TimeTagged": "time_tagged",
        "header/DataLength": "data_length",
        "header/TimeTag": "time_tag_time",
        "header/Extension": None,
        "telemetry": None,
    },
}
"""What a printed container, or a single path, is called here; ``None`` for what is no value."""
FLAT = ("mysat1",)
"""Recordings whose containers only repeat the names of what is in them."""
DIFFERENT: dict[str, dict[str, str]] = {
    "3cat-1": {
        r"data_\d+_(timestamp|parameter)": "the peer adds up times and says what is measured; here ages and units"
    },
    "ua01": {"information": "the peer leaves it whole, here it is taken apart by the operator's description"},
    "picsat": {"secondary_header": "the peer adds the fraction of a second twice"},
    "qbee": {"information": "the peer takes unshifted callsigns and what follows for four addresses"},
}
"""Where we disagree on purpose, and why; the satellite file says so too."""
ENUM = re.compile(r"^\(enum\) (?:\(unknown\) )?(.*?) ?(-?\d+)?$")
NOISE = re.compile(r"(correlate_access_code_tag_bb|decode_rs) :debug: [^\n]*")
"""What the peer's log writes between, and into, the lines of its output."""
KEY = re.compile(r"^(\s*)([A-Za-z0-9_.+-]+) = (.*)$")


def printed_trees(text: str) -> Iterator[list[tuple[str, str]]]:
    """Cut the peer's output into packets, each a list of leaves: path and printed value."""
    packet: list[tuple[str, str]] | None = None
    stack: list[tuple[int, str, int]] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.startswith("Container:"):
            if packet is not None:
                yield packet
            packet, stack = [], []
            continue
        if line.startswith("ListContainer:"):
            if packet is not None:
                yield packet
            packet, stack = [], [(0, "whole_orbit_10_sample", 0)]
            continue
        if packet is None or not line.strip():
            continue
        if line.startswith("->") or indent == 0:
            yield packet
            packet = None
            continue
        while stack and stack[-1][0] >= indent:
            stack.pop()
        key = KEY.match(line)
        if key:
            name, value = key[2], key[3].strip()
        else:
            depth, list_name, count = stack[-1]
            stack[-1] = (depth, list_name, count + 1)
            name, value = str(count), line.strip()
        path = "/".join([part for _, part, _ in stack] + [name])
        if value in ("Container:", "ListContainer:"):
            stack.append((indent, name, 0))
        else:
            packet.append((path, value))
    if packet is not None:
        yield packet


def name_of(path: str, renamed: dict[str, str | None]) -> str | None:
    """Turn a path into the name we give the parameter; ``None`` for what is the link layer's."""
    parts = path.split("/")
    if path in renamed:
        return renamed[path]
    if parts[0] in renamed:
        return renamed[parts[0]]
    if path == "info":
        return "information"
    if (
        "addresses" in parts
        or parts[0] == "ax25_header"
        or path in ("header/control", "header/pid", "control", "pid")
    ):
        return None
    following = [*parts[1:], "0"]
    parts = [part for part, next_ in zip(parts, following, strict=True) if part not in NO_GROUP or next_.isdigit()]
    if parts[0] in ("csp_header", "header"):
        parts[0] = "csp"
    if len(parts) > 1 and parts[-1] == parts[-2]:
        parts.pop()
    text = "_".join(parts).lower().replace("+", "_plus").replace(".", "_")
    text = re.sub(r"-$|-_", "_minus", text).replace("-", "_")
    return re.sub(r"^bob_(?=\d)", "bob_bus_", text)


def value_of(text: str) -> Any:
    """Read a printed value."""
    text = re.sub(r" \(total \d+\)$", "", text)
    enum = ENUM.match(text) if text.startswith("(enum)") else None
    if enum:
        return enum[1].lower() if enum[1] else int(enum[2] or 0)
    moment = re.fullmatch(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?", text)
    if moment:
        return f"{moment[1]}T{moment[2]}{(moment[3] or '').rstrip('0')}Z"
    if text == "nan":
        return math.nan
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def recordings() -> list[Any]:
    if DATA is None:
        return []
    by_norad = {entry.satellite.norad: entry for entry in load_catalog() if entry.satellite.packets}
    truth = json.loads((FOLDER / "truth.json").read_text())
    return [
        pytest.param(by_norad[one["norad"]], one, id=one["recording"].removesuffix(".wav"))
        for one in truth
        if one["norad"] in by_norad and (FOLDER / "telemetry" / one["recording"]).with_suffix(".txt").exists()
    ]


@pytest.mark.parametrize(("entry", "truth"), recordings())
def test_every_value_the_peer_prints_is_ours(entry: Any, truth: dict[str, Any]) -> None:
    name = truth["recording"].removesuffix(".wav")
    text = NOISE.sub("", (FOLDER / "telemetry" / f"{name}.txt").read_text(errors="replace"))
    trees = [tree for tree in printed_trees(text) if tree]
    if name in FLAT:
        trees = [[(p if "addresses" in p else p.rsplit("/", 1)[-1], v) for p, v in tree] for tree in trees]
    frames = truth["frames_hex"] + truth["frames_hex_other_decoders"]
    decoded = [values for frame in frames for values in decoded_values(entry, truth, frame)]
    assert decoded
    different = DIFFERENT.get(entry.slug, {})
    renamed = RENAMED.get(name, {})
    compared = 0
    for tree in trees:
        values = best_match(tree, decoded, renamed)
        for path, printed in tree:
            ours = name_of(path, renamed)
            if ours is None or any(re.fullmatch(name, ours) for name in different) or printed in ("None", "b''"):
                continue
            assert ours in values, f"{path} = {printed} is missing"
            assert equal(values[ours], value_of(printed)), f"{ours}: {values[ours]!r}, the peer prints {printed}"
            compared += 1
    assert compared or different


def decoded_values(entry: Any, truth: dict[str, Any], frame: str) -> Iterator[dict[str, Any]]:
    satellite = entry.satellite
    data = bytes.fromhex(frame)
    records: list[Any]
    if satellite.downlinks:
        wanted = [one for one in satellite.downlinks if one.baudrate_bd == truth["baudrate"]]
        reader = FrameReader(Transmitter(entry.slug, satellite, (wanted or satellite.downlinks)[0]))
        link_frame = LinkFrame(data, 0, 1, "fcs")
        records = list(reader.read(Frame(entry.slug, reader.transmitter.downlink.name, link_frame, 0)))
    else:
        records = [Decoder(satellite).decode("", Packet(data), 0)]
    for record in records:
        if isinstance(record, ParameterReport):
            yield {value.name: value.value for value in record.values}


def best_match(
    tree: list[tuple[str, str]], decoded: list[dict[str, Any]], renamed: dict[str, str | None]
) -> dict[str, Any]:
    """Find the report of what the peer printed: it prints frames in another order, some twice, some not at all."""
    printed = [(name_of(path, renamed), value_of(text)) for path, text in tree]

    def agreement(values: dict[str, Any]) -> int:
        return sum(name in values and equal(values[name], value) for name, value in printed)

    return max(decoded, key=agreement)


def equal(ours: Any, printed: Any) -> bool:
    if isinstance(printed, bool) or isinstance(ours, bool):
        return bool(ours == printed)
    if isinstance(printed, int | float) and isinstance(ours, int | float):
        both_nan = math.isnan(printed) and math.isnan(ours)
        return both_nan or math.isclose(ours, printed, rel_tol=LAST_DIGIT, abs_tol=LAST_DIGIT)
    if isinstance(printed, bytes) and isinstance(ours, str):
        return printed.decode("ascii", "replace").rstrip("\0 ") == ours
    if isinstance(printed, bytes) and isinstance(ours, int):
        return int.from_bytes(printed, "big") == ours
    if isinstance(printed, str) and isinstance(ours, str):
        return printed.casefold() == ours.casefold()
    return bool(ours == printed)


# -- QB01: the operator's own decoding -----------------------------------------------------------------------

QB01 = Path(DATA or ".") / "telemetry" / "qb01"
QB01_COLUMNS = {
    "time": "time",
    "mode": "mode",
    "vbatt": "vbatt",
    "ibatt": "ibatt",
    "ibus3v3": "ibus3v3",
    "ibus5v0": "ibus5v0",
    "comm_temp": "comm_temp",
    "eps_temp": "eps_temp",
    "batt_temp": "batt_temp",
    "power": "power",
    "service_e": "service_e",
    "service_r": "service_r",
    "byline": "byline",
}
THIRD_DECIMAL = 0.0005


def test_every_value_the_operator_of_qb01_printed_is_ours_the_time_by_its_parity() -> None:
    stream = (QB01 / "japan-17052017_1329.kss").read_bytes()
    frames = [
        part.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb") for part in stream.split(b"\xc0") if part
    ]
    with (QB01 / "expected_beacons.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(frames) == len(rows) == 9
    entry = find_satellite("qbee")
    for frame, row in zip(frames, rows, strict=True):
        (values,) = decoded_values(entry, {"baudrate": 9600}, frame.hex())
        for column, name in QB01_COLUMNS.items():
            if isinstance(values[name], str):
                assert values[name] == row[column]
            elif row[column].startswith("0x"):
                assert values[name] == int(row[column], 16)
            else:
                assert values[name] == pytest.approx(float(row[column]), abs=THIRD_DECIMAL)
