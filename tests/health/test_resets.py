"""On-board resets: found by uptime, boot counter or clock; not made of roll-overs, old frames and gaps."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.definitions import Satellite
from agent.health.monitor import Monitor
from agent.health.resets import HOLD_NS, ResetWatch
from agent.records import Alarm, ParameterReport, ParameterValue, Record

S = 1_000_000_000
EPOCH_NS = 1_577_836_800 * S  # 2020-01-01


def satellite(*parameters: dict[str, Any], **keys: Any) -> Satellite:
    clock = {
        "name": "time",
        "type": "u32",
        "calibration": {"kind": "time", "epoch": "2020-01-01T00:00:00Z"},
        "generated": True,
    }
    table = {"name": "S", "norad": 1, "packet": [{"name": "p", "parameter": [*parameters, clock]}], **keys}
    return msgspec.convert(table, Satellite)


UPTIME = {"name": "uptime", "type": "u32", "unit": "s"}
BOOTS = {"name": "boot_count", "type": "u8"}


def report(second: float, generated_s: float | None = None, **values: Any) -> ParameterReport:
    return ParameterReport(
        "sat",
        "p",
        round(second * S),
        tuple(ParameterValue(name, 0, value) for name, value in values.items()),
        generated_utc_ns=None if generated_s is None else EPOCH_NS + round(generated_s * S),
    )


def evidence(watched: ResetWatch, *reports: ParameterReport) -> list[str | None]:
    return [watched.observe(one) for one in reports]


def test_an_uptime_that_begins_again_is_a_reset() -> None:
    found = evidence(
        ResetWatch(satellite(UPTIME)), report(0, uptime=5000), report(10, uptime=5010), report(20, uptime=3)
    )
    assert found == [None, None, "uptime fell from 5010 s to 3 s"]


def test_a_boot_counter_that_moves_on_is_a_reset_even_over_its_end() -> None:
    watched = ResetWatch(satellite(BOOTS))
    assert evidence(watched, report(0, boot_count=255), report(10, boot_count=255), report(20, boot_count=0)) == [
        None,
        None,
        "boot_count 255 → 0",
    ]


def test_an_uptime_that_rolls_over_is_no_reset() -> None:
    watched = ResetWatch(satellite({"name": "uptime", "type": "u16", "unit": "s"}))
    assert evidence(watched, report(0, uptime=65_530), report(10, uptime=4), report(20, uptime=14)) == [None] * 3


def test_an_old_frame_is_no_reset_and_changes_nothing() -> None:
    watched = ResetWatch(satellite(UPTIME))
    assert (
        evidence(watched, report(0, uptime=50_000), report(10, uptime=40_000), report(20, uptime=50_020))
        == [None] * 3
    )
    assert evidence(watched, report(30, uptime=5)) == ["uptime fell from 50020 s to 5 s"]


def test_an_uptime_that_fell_while_the_boot_counter_stood_is_no_reset() -> None:
    watched = ResetWatch(satellite(UPTIME, BOOTS))
    assert evidence(watched, report(0, uptime=50, boot_count=7), report(10, uptime=5, boot_count=7))[-1] is None


def test_a_reset_in_the_hours_between_two_passes_is_found() -> None:
    watched = ResetWatch(satellite(UPTIME))
    assert evidence(watched, report(0, uptime=900_000), report(20_000, uptime=15_000))[-1] is not None


def test_a_clock_at_its_epoch_again_is_a_reset_and_one_set_back_a_little_is_none() -> None:
    watched = ResetWatch(satellite())
    assert evidence(watched, report(0, 1e8), report(10, 1e8 - 3600), report(20, 1e8 + 20)) == [None] * 3
    assert evidence(watched, report(30, 5)) == ["the on-board clock began at its epoch again"]


def test_what_counts_boots_or_uptime_may_be_named_or_denied() -> None:
    named = satellite({"name": "age", "type": "u32", "unit": "min", "watch": {"role": "uptime"}})
    assert evidence(ResetWatch(named), report(0, age=100), report(60, age=1))[-1] == "age fell from 6000 s to 60 s"
    denied = satellite(UPTIME | {"watch": {"role": "none"}})
    assert evidence(ResetWatch(denied), report(0, uptime=5000), report(10, uptime=3))[-1] is None


def alarms(records: list[Record]) -> list[tuple[str, str]]:
    return [(one.parameter, one.state) for one in records if isinstance(one, Alarm)]


def test_a_reset_raises_an_alarm_that_returns_when_no_further_one_comes() -> None:
    monitor = Monitor({"sat": satellite(UPTIME, BOOTS)})
    monitor.observe(report(0, uptime=5000, boot_count=1))
    assert alarms(monitor.observe(report(10, uptime=3, boot_count=2))) == [("onboard_reset", "triggered")]
    assert monitor.active_alarms()[0].limit == "boot_count 1 → 2; uptime fell from 5000 s to 3 s"
    assert alarms(monitor.observe(report(20, uptime=13, boot_count=2))) == []
    assert alarms(monitor.tick(10 * S + HOLD_NS - 1)) == []
    assert alarms(monitor.tick(10 * S + HOLD_NS)) == [("onboard_reset", "returned_to_normal")]


@pytest.mark.parametrize("level", ["normal", "critical"])
def test_the_level_of_a_reset_is_its_files(level: str) -> None:
    monitor = Monitor({"sat": satellite(UPTIME, behaviour={"reset_level": level})})
    monitor.observe(report(0, uptime=5000))
    told = [one.level for one in monitor.observe(report(10, uptime=3)) if isinstance(one, Alarm)]
    assert told == ([] if level == "normal" else ["critical"])
