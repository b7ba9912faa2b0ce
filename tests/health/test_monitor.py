"""The monitor: what absence says, what the link says, and that it is quick."""

from __future__ import annotations

from typing import Any

import msgspec

from agent.definitions import Satellite
from agent.health.monitor import Monitor
from agent.records import Frame, HealthStatus, LinkStatus, ParameterReport, ParameterValue, Record
from firmware_protocols.interface import LinkFrame

S = 1_000_000_000


def satellite(**keys: Any) -> Satellite:
    table = {"name": "v", "type": "f64", "limits": {"warning": {"min": 7.0}}}
    packet = {"name": "p", "parameter": [table], "expected_every_s": 10}
    return msgspec.convert({"name": "S", "norad": 1, "packet": [packet], **keys}, Satellite)


def report(now: int, value: float = 8.0, satellite: str = "sat", packet: str = "p") -> ParameterReport:
    return ParameterReport(satellite, packet, now, (ParameterValue("v", 0, value),))


def frame(now: int) -> Frame:
    return Frame("sat", "d", LinkFrame(b"x", 0, 1, "fcs"), now, snr_db=12.0, frequency_offset_hz=-30.0)


def health(records: list[Record]) -> list[HealthStatus]:
    return [record for record in records if isinstance(record, HealthStatus)]


def links(records: list[Record]) -> list[LinkStatus]:
    return [record for record in records if isinstance(record, LinkStatus)]


def test_a_report_gives_the_health_of_its_satellite() -> None:
    (status,) = health(Monitor({"sat": satellite(marking="X")}).observe(report(5 * S, 6.0)))
    assert (status.satellite, status.as_of_utc_ns, status.worst_level, status.marking) == (
        "sat",
        5 * S,
        "warning",
        "X",
    )
    assert status.last_report_utc_ns == 5 * S


def test_a_report_of_an_unknown_satellite_or_packet_is_no_verdict() -> None:
    monitor = Monitor({"sat": satellite()})
    assert monitor.observe(report(0, satellite="other")) == []
    (status,) = health(monitor.observe(report(0, packet="q")))
    assert status.parameters == ()


def test_a_packet_of_a_satellite_that_is_always_in_view_goes_stale_and_comes_back() -> None:
    monitor = Monitor({"sat": satellite(orbit="geo")})
    monitor.observe(report(100 * S))
    assert health(monitor.tick(119 * S)) == []
    (status,) = health(monitor.tick(119 * S + 1))
    assert status.stale_packets == ("p",)
    assert [one.monitoring_result for one in status.parameters] == ["stale"]
    assert health(monitor.tick(130 * S)) == []
    assert health(monitor.observe(report(131 * S)))[0].stale_packets == ()


def test_a_satellite_below_the_horizon_is_out_of_contact_and_not_stale() -> None:
    monitor = Monitor({"sat": satellite()})
    monitor.set_in_view("sat", True, 90 * S)
    monitor.observe(report(100 * S))
    monitor.set_in_view("sat", False, 105 * S)
    assert health(monitor.tick(1000 * S)) == []
    monitor.set_in_view("sat", True, 2000 * S)
    assert health(monitor.tick(2010 * S)) == []
    assert health(monitor.tick(2020 * S))[0].stale_packets == ("p",)
    monitor.set_in_view("sat", False, 2100 * S)
    assert health(monitor.tick(2101 * S))[0].stale_packets == ()


def test_a_simulated_satellite_is_always_in_view_unless_its_elements_say_where_it_is() -> None:
    nowhere, flying = Monitor({"sat": satellite(simulated=True)}), Monitor({"sat": satellite(simulated=True)})
    flying.set_in_view("sat", True, 90 * S)
    for monitor in (nowhere, flying):
        monitor.observe(report(100 * S))
    flying.set_in_view("sat", False, 105 * S)
    assert health(nowhere.tick(1000 * S))[0].stale_packets == ("p",)
    assert health(flying.tick(1000 * S)) == []


def test_without_knowing_where_a_satellite_is_its_silence_says_nothing() -> None:
    monitor = Monitor({"sat": satellite()})
    monitor.observe(report(100 * S))
    assert health(monitor.tick(10_000 * S)) == []


def test_a_parameter_limited_in_two_packets_has_an_alarm_in_each() -> None:
    packets = [
        {
            "name": name,
            "octets": octets,
            "parameter": [{"name": "v", "type": "f64", "limits": {"warning": {"min": 7.0}}}],
        }
        for name, octets in (("short", 8), ("long", 9))
    ]
    monitor = Monitor({"sat": msgspec.convert({"name": "S", "norad": 1, "packet": packets}, Satellite)})
    monitor.observe(report(1 * S, 6.0, packet="short"))
    monitor.observe(report(2 * S, 8.0, packet="long"))
    assert [alarm.parameter for alarm in monitor.active_alarms()] == ["short_v"]


def test_a_frame_makes_the_link_nominal_and_silence_is_told_by_what_is_known() -> None:
    monitor = Monitor({"sat": satellite()})
    monitor.set_in_view("sat", True, 90 * S)
    (status,) = links(monitor.observe_frame(frame(100 * S)))
    assert (status.state, status.frames, status.snr_db, status.frequency_offset_hz) == ("nominal", 1, 12.0, -30.0)
    assert links(monitor.tick(150 * S)) == []
    assert links(monitor.tick(161 * S))[0].state == "unknown"
    (silent,) = links(monitor.tick(400 * S))
    assert silent.state == "silent"
    assert silent.evidence == ("in view for 310 s", "no frame for 300 s")
    monitor.set_in_view("sat", False, 500 * S)
    assert links(monitor.tick(501 * S))[0].state == "out_of_view"


def test_refusals_are_counted_by_reason_and_bounded() -> None:
    monitor = Monitor({"sat": satellite()})
    monitor.count_rejected("sat", "d", {"fcs": 2})
    monitor.count_rejected("sat", "d", {"fcs": 1, **{f"reason{i}": 1 for i in range(100)}})
    monitor.count_rejected("nobody", "d", {"fcs": 9})
    (status,) = links(monitor.tick(S))
    assert status.rejected["fcs"] == 3
    assert len(status.rejected) <= 65
    assert sum(status.rejected.values()) == 103
    assert links(monitor.tick(2 * S)) == []


def test_refusals_alone_are_told_but_are_no_interference() -> None:
    monitor = Monitor({"sat": satellite()})
    monitor.observe_frame(frame(100 * S))
    monitor.count_rejected("sat", "d", {"fcs": 50}, 100 * S)
    (status,) = links(monitor.tick(101 * S))
    assert status.state == "nominal"
    assert status.evidence == ("last frame 1 s ago", "50 refused in 60 s")
    assert status.rejected == {"fcs": 50}
