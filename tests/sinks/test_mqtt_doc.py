"""Every example of docs/mqtt.md is what the agent makes, reads or runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.definitions import Broker
from agent.records import (
    Anomaly,
    ClockCorrelation,
    Forecast,
    HealthStatus,
    LinkStatus,
    LookAngles,
    Outlook,
    ParameterHealth,
    Pass,
    TrendStatus,
    WindowStatistics,
)
from agent.sinks import payloads
from agent.sinks.consumer import Consumer
from agent.sinks.incoming import Acknowledgement, read_acknowledgement
from agent.sinks.outlook import outlook_message
from agent.sinks.payloads import Envelope, Message
from tests.sinks.samples import ALARM, PASS_EVENT, RECEIVED_UTC_NS, REPORT, frame
from tests.sinks.test_consumer import delivery

DOCUMENT = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text(encoding="utf-8")
BLOCKS = {name: text for _, name, text in re.findall(r"^```(\w+) ([\w.]+)\n(.*?)^```$", DOCUMENT, re.M | re.S)}
ENVELOPE = Envelope("5f3a9c04d2b1", 42, 41, "a1b2c3d4")
LAST_NS = 1_790_000_000_000_000_000

HEALTH = HealthStatus(
    "link",
    RECEIVED_UTC_NS,
    "critical",
    (
        ParameterHealth("battery_voltage", "critical", "critical", "low"),
        ParameterHealth("board_temperature", "in_limits"),
    ),
    stale_packets=("beacon",),
    last_report_utc_ns=LAST_NS,
    authenticity="physically_consistent",
    authenticity_evidence=("Doppler follows the orbit within 21 Hz over 60 s and 24 frames, offset +350 Hz",),
)
LINK = LinkStatus(
    "link", "uhf", RECEIVED_UTC_NS, "nominal", 7, {"bad_fcs": 3, "too_short": 1}, LAST_NS, 11.9, -431.2,
    ("last frame 0 s ago",), frames_per_min=7.0, corrected=2, frequency_error_hz=-431.2, noise_floor_dbfs=-44.2,
    level_over_noise_db=9.5, sync_losses=1, missing={"apid 33": 2}, expected=12, received=7,
)  # fmt: skip
LOOK = LookAngles(
    "link", 42714, RECEIVED_UTC_NS, 171.25, 12.5, 1400.1, -5.25, 1.5, 103.25, 510.0, 0.75, {"uhf": -9321.4}
)
PASS = Pass(
    "link", 42714, "here", LAST_NS + 300 * 10**9, LAST_NS + 600 * 10**9, LAST_NS + 900 * 10**9,
    45.0, 171.5, 90.0, 12.0, element_age_d=0.75, uncertainty_s=0.4,
)  # fmt: skip

TREND = TrendStatus(
    "link", "beacon", RECEIVED_UTC_NS, 600.0,
    (WindowStatistics("battery_voltage", "V", 300, 7.4100004, 7.32, 7.5, -2.1e-4),),
)  # fmt: skip
OUTLOOK = Outlook(
    "link",
    RECEIVED_UTC_NS,
    (Forecast("battery_voltage", "critical", 6.5, "low", 7.0, -2e-4, 2460.2, 2310.4, 2629.9, "V"),),
    (Anomaly("solar_current", "stuck", 1.31, LAST_NS - 60 * 10**9, LAST_NS),),
)
CLOCK = ClockCorrelation(
    "link", RECEIVED_UTC_NS, "valid", 64, 1, LAST_NS - 10**13, -2.81, 11.5, 0.6, 2.0
)  # fmt: skip

MADE: dict[str, Message] = {
    "trend": outlook_message(TREND),
    "outlook": outlook_message(OUTLOOK),
    "clock": outlook_message(CLOCK),
    "report": payloads.archived_messages(REPORT, ENVELOPE, newest=True)[0],
    "frame": payloads.archived_messages(frame(1, octets=16), ENVELOPE, newest=True)[0],
    "alarm": payloads.archived_messages(ALARM, ENVELOPE, newest=True)[0],
    "pass_event": payloads.archived_messages(PASS_EVENT, ENVELOPE, newest=True)[0],
    "health": payloads.state_messages(HEALTH)[0],
    "link": payloads.state_messages(LINK)[0],
    "orbit": payloads.state_messages(LOOK)[0],
    "pass_next": payloads.pass_messages([PASS], RECEIVED_UTC_NS)[0],
    "status": payloads.status_message(
        online=True,
        at_utc_ns=RECEIVED_UTC_NS,
        boot="a1b2c3d4",
        version="0.1.0",
        delivery=payloads.DELIVERY_TO_BROKER,
    ),
}


@pytest.mark.parametrize("name", sorted(MADE))
def test_an_example_is_what_the_agent_publishes(name: str) -> None:
    assert BLOCKS[name].strip() == MADE[name].payload.decode()


def test_no_example_is_without_a_test() -> None:
    assert set(BLOCKS) == {*MADE, "ack", "station", "consumer", "mosquitto.conf", "acl"}


def test_the_acknowledgement_is_understood() -> None:
    assert read_acknowledgement(BLOCKS["ack"].encode()) == Acknowledgement("5f3a9c04d2b1", 42)


def test_the_brokers_table_is_valid() -> None:
    (table,) = tomllib.loads(BLOCKS["station"])["broker"]
    broker = msgspec.convert(table, Broker)
    assert broker.consumers == ("ledger",)


def test_the_consumer_keeps_a_record(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["consumer"], "docs/mqtt.md", "exec"), names)
    consumer = Consumer("ledger", "station-1", tmp_path / "ledger.sqlite", names["keep"])
    assert consumer.take([delivery(1, 0), delivery(1, 0)]) == ({"a": 1}, set())
    assert consumer.duplicates == 1
    consumer.close()


def suffixes() -> list[tuple[str, str]]:
    """The columns of the document's table of units."""
    units = DOCUMENT.split("| unit |")[1].split("\n")[0].split("|")[:-1]
    ends = DOCUMENT.split("| suffix |")[1].split("\n")[0].split("|")[:-1]
    columns = zip(units, ends, strict=True)
    return [(unit, end.strip().strip("`_")) for column, end in columns for unit in re.findall(r"`(.+?)`", column)]


@pytest.mark.parametrize(("unit", "suffix"), suffixes())
def test_the_table_of_suffixes_is_the_rule(unit: str, suffix: str) -> None:
    assert payloads.unit_suffix(unit) == suffix


def test_every_topic_of_the_examples_is_in_the_table() -> None:
    table = DOCUMENT.split("## Topics")[1].split("### Status")[0]
    for message in MADE.values():
        general = message.topic.replace("sat/link/", "sat/<satellite>/").replace("/beacon", "/<packet>")
        general = re.sub(r"^alarm/.*", "alarm/<satellite>/<parameter>", general)
        assert f"`{general}`" in table
