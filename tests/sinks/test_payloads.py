"""Topics and payloads: flat, with units, bounded to their place, and never a NaN."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.records import (
    HealthStatus,
    LinkStatus,
    LookAngles,
    ParameterHealth,
    ParameterReport,
    ParameterValue,
    Pass,
)
from agent.sinks import payloads
from agent.sinks.archived import Archivable
from agent.sinks.payloads import Envelope, Message
from tests.sinks.samples import ALARM, PASS_EVENT, RECEIVED_UTC_NS, REPORT, frame

ENVELOPE = Envelope("5f3a9c", 42, 40, "b007")
LEVEL = re.compile(r"[a-z0-9_-]{1,64}")


def only(messages: list[Message]) -> tuple[Message, dict[str, object]]:
    (message,) = messages
    return message, json.loads(message.payload)


def test_a_report_is_flat_with_its_units_in_the_keys() -> None:
    message, values = only(payloads.archived_messages(REPORT, ENVELOPE, newest=True))
    assert message == ("sat/link/tm/beacon", message.payload, 1, True)
    assert values == {
        "ts": 1790000000123,
        "generated_ts": 1789999998123,
        "satellite": "link",
        "norad": 42714,
        "packet": "beacon",
        "downlink": "uhf",
        "marking": "U",
        "archive": "5f3a9c",
        "seq": 42,
        "prev": 40,
        "boot": "b007",
        "battery_voltage_v": 7.41,
        "board_temperature_deg_c": -3.5,
        "mode": "nominal",
        "solar_current_ma": None,
        "antenna_deployed": True,
        "serial_number": "00ff",
    }


def test_a_report_that_is_not_the_newest_is_not_retained() -> None:
    message, _ = only(payloads.archived_messages(REPORT, ENVELOPE, newest=False))
    assert not message.retain


@pytest.mark.parametrize(
    ("name", "unit", "key"),
    [
        ("battery_voltage", "V", "battery_voltage_v"),
        ("battery_v", "V", "battery_v"),
        ("board", "degC", "board_deg_c"),
        ("board", "°C", "board_deg_c"),
        ("charge", "%", "charge_percent"),
        ("velocity", "km/s", "velocity_km_s"),
        ("rate", "deg/s", "rate_deg_s"),
        ("field", "µT", "field_ut"),
        ("offset", "mHz", "offset_millihz"),
        ("frequency", "MHz", "frequency_mhz"),
        ("mode", "", "mode"),
        ("seq", "", "p_seq"),
        ("ts", "", "p_ts"),
    ],
)
def test_the_unit_ends_the_key(name: str, unit: str, key: str) -> None:
    assert payloads.parameter_key(name, unit) == key


def test_two_parameters_never_share_a_key() -> None:
    values = (ParameterValue("bus_v", 1, 1.0, ""), ParameterValue("bus", 2, 2.0, "V"))
    report = ParameterReport("link", "beacon", 1, values)
    _, told = only(payloads.archived_messages(report, None, newest=True))
    assert (told["bus_v"], told["p_bus_v"]) == (1.0, 2.0)


def test_what_the_archive_could_not_keep_says_so_by_having_no_place() -> None:
    _, told = only(payloads.archived_messages(REPORT, None, newest=True))
    assert not {"archive", "seq", "prev", "boot"} & set(told)


def test_an_alarm_is_retained_while_it_is_active_and_removed_when_it_is_cleared() -> None:
    message, told = only(payloads.archived_messages(ALARM, ENVELOPE, newest=True))
    assert message.topic == "alarm/link/battery_voltage"
    assert message.retain
    assert (told["state"], told["level"], told["value"], told["unit"]) == ("triggered", "warning", 6.2, "V")
    event, removal = payloads.archived_messages(dataclasses.replace(ALARM, state="cleared"), ENVELOPE, newest=True)
    assert (event.retain, json.loads(event.payload)["seq"]) == (False, 42)
    assert removal == ("alarm/link/battery_voltage", b"", 1, True)
    old = payloads.archived_messages(dataclasses.replace(ALARM, state="cleared"), ENVELOPE, newest=False)
    assert [message.retain for message in old] == [False]


def test_health_says_what_is_wrong_and_nothing_else() -> None:
    health = HealthStatus(
        "link",
        RECEIVED_UTC_NS,
        "critical",
        (
            ParameterHealth("battery_voltage", "critical", "critical", "low"),
            ParameterHealth("board_temperature", "in_limits"),
            ParameterHealth("mode", None),
        ),
        stale_packets=("beacon",),
    )
    message, told = only(payloads.state_messages(health))
    assert (message.topic, message.retain) == ("sat/link/health", True)
    assert told["out_of_limits"] == ["battery_voltage"]
    assert (told["levels"], told["range_conditions"]) == (["critical"], ["low"])
    assert (told["monitored"], told["stale_packets"], told["authenticity"]) == (2, ["beacon"], "unknown")


def test_a_link_is_told_for_the_satellite_and_for_its_downlink() -> None:
    link = LinkStatus("link", "uhf", RECEIVED_UTC_NS, "nominal", 7, {"bad_fcs": 3, "too short": 1})
    first, second = payloads.state_messages(link)
    assert (first.topic, second.topic) == ("sat/link/link", "sat/link/link/uhf")
    told = json.loads(first.payload)
    assert (told["rejected"], told["rejected_bad_fcs"], told["rejected_too_short"]) == (4, 3, 1)


def test_look_angles_give_the_doppler_of_each_downlink() -> None:
    look = LookAngles(
        "link", 42714, RECEIVED_UTC_NS, 171.25, 12.5, 1400.1, -5.25, 1.5, 103.25, 510.0, 0.75,
        {"uhf": -9321.4, "s-band": -51000.2},
    )  # fmt: skip
    message, told = only(payloads.state_messages(look))
    assert (message.topic, message.qos) == ("sat/link/orbit", 0)
    assert (told["doppler_hz"], told["doppler_uhf_hz"], told["doppler_s-band_hz"]) == (-9321.4, -9321.4, -51000.2)


def test_the_next_pass_is_the_first_that_is_not_over() -> None:
    def one(start: int) -> Pass:
        return Pass(
            "link", 42714, "here", start * 10**9, (start + 300) * 10**9, (start + 600) * 10**9, 45.0, 1, 2, 3
        )

    following, listed = payloads.pass_messages([one(2000), one(0), one(1000)], 700 * 10**9)
    assert json.loads(following.payload)["aos_ts"] == 1_000_000
    assert [item["aos_ts"] for item in json.loads(listed.payload)["passes"]] == [1_000_000, 2_000_000]
    nothing, _ = payloads.pass_messages([one(0)], 700 * 10**9)
    assert nothing == ("pass/next", b"", 1, True)


@given(st.text(max_size=400))
def test_a_level_never_leaves_its_place(text: str) -> None:
    assert LEVEL.fullmatch(payloads.level(text))


HOSTILE = ["+", "#", "/", "../..", "$SYS", "a/b/c", "\0", "\u2028", "☃", "x" * 300, "'; DROP TABLE", "%n%s", ""]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_makes_a_topic_outside_the_allow_list(name: str) -> None:
    records: list[Archivable] = [
        dataclasses.replace(frame(1), satellite=name),
        dataclasses.replace(REPORT, satellite=name, packet=name),
        dataclasses.replace(ALARM, satellite=name, parameter=name),
        dataclasses.replace(PASS_EVENT, satellite=name),
    ]
    topics = [
        message.topic for record in records for message in payloads.archived_messages(record, ENVELOPE, newest=True)
    ]
    topics.append(payloads.source_message(name, {}, 0).topic)
    for topic in topics:
        assert all(LEVEL.fullmatch(level) for level in topic.split("/"))
        assert topic.split("/")[0] in {"sat", "alarm", "pass", "source"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null_everywhere(value: float) -> None:
    report = dataclasses.replace(REPORT, values=(ParameterValue("p", 0, value, "V"),))
    broken = dataclasses.replace(frame(1), snr_db=value, frequency_offset_hz=value)
    alarm = dataclasses.replace(ALARM, value=value)
    for record in (report, broken, alarm):
        for message in payloads.archived_messages(record, ENVELOPE, newest=True):
            json.loads(message.payload, parse_constant=refuse)


def refuse(name: str) -> None:
    pytest.fail(f"{name} in a payload")


@given(st.one_of(st.integers(), st.floats(), st.text(st.characters()), st.binary(), st.booleans(), st.none()))
def test_every_value_becomes_json(value: int | float | str | bytes | bool | None) -> None:
    report = ParameterReport("link", "beacon", 1, (ParameterValue("p", 0, value),))
    _, told = only(payloads.archived_messages(report, ENVELOPE, newest=True))
    assert "p" in told


def test_every_payload_says_its_marking() -> None:
    marked = [
        dataclasses.replace(frame(1), marking="S REL A"),
        dataclasses.replace(REPORT, marking="S REL A"),
        dataclasses.replace(ALARM, marking="S REL A"),
        dataclasses.replace(PASS_EVENT, marking="S REL A"),
    ]
    for record in marked:
        for message in payloads.archived_messages(record, ENVELOPE, newest=True):
            assert json.loads(message.payload)["marking"] == "S REL A"
    status = payloads.status_message(online=True, at_utc_ns=0, boot="b", version="0", delivery="d")
    assert json.loads(status.payload)["marking"] == "U"
