"""Every Korean satellite with a public transmitter has a file that names that transmitter.

Needs the reference data (folder in ``GSAGENT_TEST_DATA``).
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

import pytest

from agent.config import load_catalog
from agent.definitions import Downlink
from agent.downlink import check_downlink
from agent.telemetry.importers import satyaml

DATA = os.environ.get("GSAGENT_TEST_DATA")
TABLE = Path(DATA or ".") / "telemetry" / "kr_transmitters.csv"
pytestmark = pytest.mark.skipif(DATA is None, reason="GSAGENT_TEST_DATA does not name the reference data")

NO_MODEM = ("UHRIT", "X-band")
"""DVB-S2, and a downlink of which nothing but the carrier is public."""
OWN_WORDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "LRIT": ("bpsk", "ccsds_tm_sync", {"frame_octets": 892, "interleaving": 4, "convolutional": "ccsds"}),
    "HRIT": ("qpsk", "ccsds_tm_sync", {"frame_octets": 892, "interleaving": 4, "convolutional": "ccsds"}),
    "S-band": ("pm", "ccsds_tm_sync", {"frame_octets": 220, "reed_solomon": "dual", "convolutional": "ccsds"}),
}
"""Rows that SatYAML has no words for, by the end of their name."""


def rows() -> list[Any]:
    if DATA is None:
        return []
    with TABLE.open(newline="") as lines:
        table = list(csv.DictReader(lines))
    return [
        pytest.param(row, id=f"{row['name']}-{row['baud']}") for row in table if not row["name"].endswith(NO_MODEM)
    ]


def expected(row: dict[str, str]) -> tuple[str, str, dict[str, Any]]:
    for end, words in OWN_WORDS.items():
        if row["name"].endswith(end):
            return words
    modulation = row["modulation"].split(" ")[0]
    framing, _, extra = row["framing"].partition(" (")
    deviation = re.match(r"deviation (\d+)", extra)
    options = {"deviation": float(deviation[1])} if deviation else {}
    made = satyaml.transmitter("row", modulation, float(row["baud"]), framing, options)
    assert made.modulation_options == ({"deviation_hz": float(deviation[1])} if deviation else {})
    return made.modulation, made.framing.protocol, made.framing.options


def transmits(downlink: Downlink, row: dict[str, str]) -> bool:
    modulation, protocol, options = expected(row)
    return (
        downlink.frequency_hz == float(row["freq_hz"])
        and downlink.baudrate_bd == float(row["baud"])
        and downlink.modulation == modulation
        and downlink.framing.protocol == protocol
        and {key: downlink.framing.options.get(key, value) for key, value in options.items()} == options
    )


@pytest.mark.parametrize("row", rows())
def test_a_public_transmitter_of_a_korean_satellite_has_its_downlink(row: dict[str, str]) -> None:
    numbers = {int(number) for number in re.findall(r"\d{5}", row["norad"])}
    entries = [entry for entry in load_catalog() if entry.satellite.norad in numbers]
    assert entries
    found = [downlink for entry in entries for downlink in entry.satellite.downlinks if transmits(downlink, row)]
    assert len(found) == 1
    check_downlink(found[0])
