"""Conditions: alarms of what no packet carries, told once when they change, with the life of every other alarm."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.definitions import Satellite
from agent.health.conditions import UNCONFIRMED_NS, condition_name
from agent.health.monitor import AlarmRefused, Monitor
from agent.records import Alarm, ParameterReport, ParameterValue, Record

S = 1_000_000_000


def satellite(**keys: Any) -> Satellite:
    parameters = [
        {"name": "v", "type": "f64", "limits": {"warning": {"min": 7.0}}},
        {"name": "authenticity", "type": "f64", "limits": {"warning": {"min": 7.0}}},
    ]
    packet = {"name": "p", "parameter": parameters, "expected_every_s": 10, **keys.pop("packet", {})}
    downlink = {
        "name": "uhf-1",
        "frequency_hz": 1e8,
        "modulation": "fsk",
        "baudrate_bd": 9600,
        "framing": {"protocol": "hdlc"},
    }
    table = {"name": "S", "norad": 1, "orbit": "geo", "downlink": [downlink], "packet": [packet], **keys}
    return msgspec.convert(table, Satellite)


def alarms(records: list[Record]) -> list[tuple[str, str, str]]:
    return [(one.parameter, one.state, one.level) for one in records if isinstance(one, Alarm)]


def report(now: int) -> ParameterReport:
    return ParameterReport("sat", "p", now, (ParameterValue("v", 0, 8.0), ParameterValue("authenticity", 0, 8.0)))


def overdue(
    monitor: Monitor, active: bool, now: int, level: Any = "warning", evidence: str = "3 passes"
) -> list[Any]:
    return alarms(monitor.condition("sat", "overdue", active, now, level=level, evidence=evidence))


def test_a_condition_is_told_when_it_begins_and_when_it_ends_however_often_it_is_said() -> None:
    monitor = Monitor({"sat": satellite(marking="X")})
    assert overdue(monitor, False, 1) == []
    (begun,) = monitor.condition("sat", "overdue", True, 2, level="warning", evidence="3 passes")
    assert isinstance(begun, Alarm)
    assert (begun.state, begun.limit, begun.value, begun.marking) == ("triggered", "3 passes", None, "X")
    assert overdue(monitor, True, 3) == overdue(monitor, True, 4, evidence="4 passes") == []
    assert monitor.active_alarms()[0].limit == "4 passes"
    assert overdue(monitor, False, 5, evidence="heard") == [("overdue", "returned_to_normal", "warning")]
    assert monitor.active_alarms()[0].limit == "heard"
    assert overdue(monitor, False, 6) == []


def test_a_condition_that_grows_more_severe_is_told_once() -> None:
    monitor = Monitor({"sat": satellite()})
    overdue(monitor, True, 1)
    assert overdue(monitor, True, 2, level="critical") == [("overdue", "triggered", "critical")]
    assert overdue(monitor, True, 3, level="warning") == overdue(monitor, True, 4, level="critical") == []


def test_a_condition_is_acknowledged_by_its_id_and_clears_when_it_is_over() -> None:
    monitor = Monitor({"sat": satellite()})
    overdue(monitor, True, 1)
    with pytest.raises(AlarmRefused):
        monitor.acknowledge("sat", "overdue", "stale", "kim", 2)
    (alarm,) = monitor.active_alarms()
    assert alarms(monitor.acknowledge("sat", "overdue", alarm.alarm_id, "kim", 2))[0][1] == "acknowledged"
    assert overdue(monitor, False, 3) == [("overdue", "cleared", "warning")]
    assert monitor.active_alarms() == ()


def test_the_station_has_conditions_and_a_satellite_nobody_knows_has_none() -> None:
    monitor = Monitor({"sat": satellite(marking="X")})
    (alarm,) = monitor.condition("station", "source_uhf_lost", True, 1, level="critical", evidence="no answer")
    assert isinstance(alarm, Alarm)
    assert (alarm.satellite, alarm.marking) == ("station", "U")
    assert monitor.condition("other", "overdue", True, 1, level="critical", evidence="") == []


def test_the_name_of_a_condition_fits_a_topic() -> None:
    assert condition_name("link", "UHF-1", "silent") == "link_uhf_1_silent"
    assert len(condition_name("source", "x" * 100, "lost")) == 64


def test_a_parameter_called_as_a_condition_has_an_alarm_of_its_own() -> None:
    monitor = Monitor({"sat": satellite()})
    bad = ParameterReport("sat", "p", S, (ParameterValue("v", 0, 8.0), ParameterValue("authenticity", 0, 1.0)))
    assert alarms(monitor.observe(bad)) == [("p_authenticity", "triggered", "warning")]


def test_a_stale_packet_raises_an_alarm_that_ends_with_the_next_one() -> None:
    monitor = Monitor({"sat": satellite()})
    monitor.observe(report(100 * S))
    assert alarms(monitor.tick(119 * S)) == []
    assert alarms(monitor.tick(119 * S + 1)) == [("p_stale", "triggered", "warning")]
    assert monitor.active_alarms()[0].limit == "last received 19 s ago; expected every 10 s"
    assert alarms(monitor.tick(130 * S)) == []
    assert alarms(monitor.observe(report(131 * S))) == [("p_stale", "returned_to_normal", "warning")]


@pytest.mark.parametrize("keys", [{"stale_level": "normal"}, {"expected_every_s": None}])
def test_a_packet_without_rate_or_with_level_normal_raises_no_alarm(keys: dict[str, Any]) -> None:
    monitor = Monitor({"sat": satellite(packet=keys)})
    monitor.observe(report(100 * S))
    assert alarms(monitor.tick(1000 * S)) == []


def test_the_level_of_a_stale_packet_is_its_files() -> None:
    monitor = Monitor({"sat": satellite(packet={"stale_level": "critical"})})
    monitor.observe(report(100 * S))
    assert alarms(monitor.tick(1000 * S)) == [("p_stale", "triggered", "critical")]


def test_a_satellite_that_sets_is_out_of_contact_and_its_alarm_returns() -> None:
    monitor = Monitor({"sat": satellite(orbit="leo")})
    monitor.set_in_view("sat", True, 90 * S)
    monitor.observe(report(100 * S))
    assert alarms(monitor.tick(130 * S)) == [("p_stale", "triggered", "warning")]
    monitor.set_in_view("sat", False, 140 * S)
    assert alarms(monitor.tick(141 * S)) == [("p_stale", "returned_to_normal", "warning")]
    assert monitor.active_alarms()[0].limit == "out of contact"
    assert alarms(monitor.tick(10_000 * S)) == []


def test_nothing_goes_stale_while_no_source_could_hear_it() -> None:
    monitor = Monitor({"sat": satellite()})
    monitor.observe(report(100 * S))
    monitor.set_hears("sat", False, 105 * S)
    assert alarms(monitor.tick(1000 * S)) == []
    monitor.set_hears("sat", True, 1001 * S)
    assert alarms(monitor.tick(1020 * S)) == []
    assert alarms(monitor.tick(1021 * S)) == [("p_stale", "triggered", "warning")]


def restarted(monitor: Monitor, satellites: dict[str, Satellite]) -> Monitor:
    again = Monitor(satellites)
    again.restore(monitor.active_alarms())
    return again


def test_conditions_go_on_after_a_restart_until_somebody_says_they_are_over() -> None:
    before = Monitor({"sat": satellite()})
    overdue(before, True, 1)
    before.observe(report(100 * S))
    before.tick(200 * S)
    after = restarted(before, {"sat": satellite()})
    assert {alarm.parameter for alarm in after.active_alarms()} == {"overdue", "p_stale"}
    assert overdue(after, True, 210 * S) == []
    assert overdue(after, False, 211 * S) == [("overdue", "returned_to_normal", "warning")]
    assert alarms(after.tick(212 * S)) == []
    assert alarms(after.observe(report(213 * S))) == [("p_stale", "returned_to_normal", "warning")]


def test_a_condition_of_the_station_that_nobody_speaks_of_after_a_restart_is_over() -> None:
    before = Monitor({})
    before.condition("station", "source_a_lost", True, 1, level="critical", evidence="")
    before.condition("station", "source_b_lost", True, 1, level="critical", evidence="")
    after = restarted(before, {})
    assert after.tick(S) == []
    after.condition("station", "source_a_lost", True, 2 * S, level="critical", evidence="")
    assert alarms(after.tick(S + UNCONFIRMED_NS)) == [("source_b_lost", "returned_to_normal", "critical")]
    assert alarms(after.tick(2 * S + UNCONFIRMED_NS)) == []


def test_an_alarm_whose_limit_is_gone_is_cleared_from_its_topic_after_a_restart() -> None:
    before = Monitor({"sat": satellite()})
    bad = ParameterReport("sat", "p", S, (ParameterValue("v", 0, 1.0), ParameterValue("authenticity", 0, 8.0)))
    before.observe(bad)
    after = restarted(before, {"sat": satellite(packet={"parameter": []})})
    assert after.active_alarms() == ()
    assert alarms(after.tick(2 * S)) == [("v", "cleared", "warning")]
    assert after.tick(3 * S) == []
