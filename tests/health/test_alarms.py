"""The life of an alarm, transition by transition, through the monitor: ISA-18.2 with Yamcs's names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.definitions import Satellite
from agent.health.monitor import AlarmRefused, Monitor
from agent.records import Alarm, HealthStatus, ParameterReport, ParameterValue, Record

S = 1_000_000_000
GOOD, BAD, WORSE = 8.0, 6.8, 6.0


def satellite(**limits: Any) -> Satellite:
    table = {
        "name": "v",
        "type": "f64",
        "unit": "V",
        "limits": {"warning": {"min": 7.0}, "critical": {"min": 6.4}, **limits},
    }
    return msgspec.convert({"name": "S", "norad": 1, "packet": [{"name": "p", "parameter": [table]}]}, Satellite)


class Station:
    """A monitor fed with one value a second, and what it said."""

    def __init__(self, **limits: Any) -> None:
        self.monitor = Monitor({"sat": satellite(**limits)})
        self.now = 1000 * S
        self.told: list[Alarm] = []

    def feed(self, *values: float | None) -> list[str]:
        before = len(self.told)
        for value in values:
            self.now += S
            report = ParameterReport("sat", "p", self.now, (ParameterValue("v", 0, value, "V"),))
            self.hear(self.monitor.observe(report))
        return [f"{alarm.state}:{alarm.level}" for alarm in self.told[before:]]

    def hear(self, records: list[Record]) -> list[str]:
        alarms = [record for record in records if isinstance(record, Alarm)]
        self.told += alarms
        return [alarm.state for alarm in alarms]

    @property
    def id(self) -> str:
        return self.told[-1].alarm_id

    def acknowledge(self) -> list[str]:
        return self.hear(self.monitor.acknowledge("sat", "v", self.id, "kim", self.now))


def test_an_alarm_is_cleared_when_it_is_normal_again_and_acknowledged() -> None:
    station = Station()
    assert station.feed(GOOD, BAD) == ["triggered:warning"]
    assert station.acknowledge() == ["acknowledged"]
    assert station.told[-1].acknowledged_by == "kim"
    assert station.feed(BAD, GOOD) == ["cleared:warning"]
    assert station.monitor.active_alarms() == ()


def test_an_alarm_that_nobody_acknowledged_stays_after_it_returned_to_normal() -> None:
    station = Station()
    assert station.feed(BAD, GOOD, GOOD) == ["triggered:warning", "returned_to_normal:warning"]
    assert len(station.monitor.active_alarms()) == 1
    assert station.acknowledge() == ["cleared"]


def test_an_alarm_that_returns_before_it_was_acknowledged_is_the_same_alarm() -> None:
    station = Station()
    station.feed(BAD)
    first = station.id
    assert station.feed(GOOD, BAD) == ["returned_to_normal:warning", "triggered:warning"]
    assert station.id == first


def test_a_new_alarm_has_a_new_id_and_the_old_one_is_refused() -> None:
    station = Station(auto_acknowledge=True)
    station.feed(BAD, GOOD)
    stale = station.id
    station.feed(BAD)
    assert station.id != stale
    with pytest.raises(AlarmRefused, match="is over"):
        station.monitor.acknowledge("sat", "v", stale, "kim", station.now)
    with pytest.raises(AlarmRefused, match="no alarm"):
        station.monitor.acknowledge("sat", "w", stale, "kim", station.now)


def test_an_automatically_acknowledged_alarm_clears_by_itself() -> None:
    station = Station(auto_acknowledge=True)
    assert station.feed(BAD, GOOD) == ["triggered:warning", "cleared:warning"]
    assert station.told[-1].acknowledged_by == "auto"


def test_persistence_delays_the_alarm_and_not_the_verdict() -> None:
    station = Station(min_violations=3)
    station.now += S
    report = ParameterReport("sat", "p", station.now, (ParameterValue("v", 0, BAD, "V"),))
    records = station.monitor.observe(report)
    assert isinstance(records[0], HealthStatus)
    assert records[0].parameters[0].monitoring_result == "warning"
    assert station.hear(records) == ["pending"]
    assert station.feed(BAD, BAD) == ["triggered:warning"]
    assert station.told[-1].violations == 3


def test_one_good_sample_drops_a_pending_alarm() -> None:
    station = Station(min_violations=3)
    assert station.feed(BAD, BAD, GOOD) == ["pending:warning", "cleared:warning"]
    assert station.feed(BAD, BAD, BAD) == ["pending:warning", "triggered:warning"]


def test_conformance_is_symmetric_when_it_is_not_stated() -> None:
    station = Station(min_violations=2, auto_acknowledge=True)
    assert station.feed(BAD, BAD, GOOD) == ["pending:warning", "triggered:warning"]
    assert station.feed(BAD, GOOD) == []
    assert station.feed(GOOD) == ["cleared:warning"]


def test_conformance_may_be_stated() -> None:
    station = Station(min_violations=2, min_conformance=1, auto_acknowledge=True)
    assert station.feed(BAD, BAD, GOOD)[-1] == "cleared:warning"


def test_severity_grows_once_and_the_most_severe_is_kept() -> None:
    station = Station()
    assert station.feed(BAD, WORSE, WORSE, BAD, WORSE) == ["triggered:warning", "triggered:critical"]
    assert station.feed(GOOD) == ["returned_to_normal:critical"]


def test_hysteresis_keeps_an_alarm_until_the_value_is_well_inside() -> None:
    station = Station(hysteresis=0.2, auto_acknowledge=True)
    assert station.feed(6.95, 7.05, 7.19) == ["triggered:warning"]
    assert station.feed(7.2) == ["cleared:warning"]
    assert station.feed(7.05) == []


def test_what_is_missing_or_no_number_neither_ends_nor_starts_an_alarm() -> None:
    station = Station(min_violations=2, auto_acknowledge=True)
    assert station.feed(BAD, None, float("nan"), BAD) == ["pending:warning", "triggered:warning"]
    assert station.feed(GOOD, None, float("nan"), GOOD) == ["cleared:warning"]


def test_a_latched_alarm_stays_until_it_is_reset_and_a_bad_one_cannot_be() -> None:
    station = Station(latching=True)
    station.feed(BAD)
    assert station.acknowledge() == ["acknowledged"]
    with pytest.raises(AlarmRefused, match="still out of limits"):
        station.monitor.reset("sat", "v", station.id, "kim", station.now)
    assert station.feed(GOOD) == []
    assert len(station.monitor.active_alarms()) == 1
    assert station.hear(station.monitor.reset("sat", "v", station.id, "kim", station.now)) == ["cleared"]


def test_a_shelved_alarm_is_silent_and_speaks_again_when_its_time_is_up() -> None:
    station = Station()
    station.feed(BAD)
    shelved = station.monitor.shelve("sat", "v", station.id, "kim", station.now, duration_s=10)
    assert station.hear(shelved) == ["shelved"]
    assert station.feed(WORSE, BAD) == []
    assert station.hear(station.monitor.tick(station.now + 7 * S)) == []
    assert station.hear(station.monitor.tick(station.now + 8 * S)) == ["triggered"]
    assert station.told[-1].level == "critical"


def test_a_shelved_alarm_can_be_unshelved_by_hand_and_clears_even_while_shelved() -> None:
    station = Station(auto_acknowledge=True)
    station.feed(BAD)
    station.hear(station.monitor.shelve("sat", "v", station.id, "kim", station.now, duration_s=None))
    assert station.hear(station.monitor.unshelve("sat", "v", station.id, station.now)) == ["triggered"]
    station.hear(station.monitor.shelve("sat", "v", station.id, "kim", station.now, duration_s=None))
    assert station.feed(GOOD) == ["cleared:warning"]


def test_alarms_go_on_after_a_restart() -> None:
    before = Station(min_violations=2)
    before.feed(BAD, BAD)
    before.acknowledge()
    after = Station(min_violations=2)
    after.now = before.now
    (restored,) = after.monitor.restore(before.told)
    assert restored.state == "acknowledged"
    assert after.feed(BAD, GOOD) == []
    assert after.feed(GOOD) == ["cleared:warning"]
    assert after.told[-1].alarm_id == before.id


def test_a_cleared_alarm_does_not_come_back_after_a_restart() -> None:
    before = Station(auto_acknowledge=True)
    before.feed(BAD, GOOD)
    assert Station(auto_acknowledge=True).monitor.restore(before.told) == ()
