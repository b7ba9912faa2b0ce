"""Small records for the tests of the sinks."""

from __future__ import annotations

from agent.records import Alarm, Frame, ParameterReport, ParameterValue, PassEvent
from firmware_protocols.interface import LinkFrame

RECEIVED_UTC_NS = 1_790_000_000_123_456_789


def frame(number: int = 0, *, octets: int = 64, satellite: str | None = "link") -> Frame:
    """A frame whose octets begin with its number, so that it can be told from all others."""
    data = number.to_bytes(8, "big") + bytes((number + at) & 0xFF for at in range(octets - 8))
    return Frame(
        satellite=satellite,
        downlink="uhf",
        link_frame=LinkFrame(data, offset=17 * number, span=octets * 8, check="fcs"),
        received_utc_ns=RECEIVED_UTC_NS + number,
        snr_db=12.5,
        frequency_offset_hz=-431.25,
        source="rtl",
        norad=42714,
    )


def number_of(frame: Frame) -> int:
    return int.from_bytes(frame.link_frame.data[:8], "big")


REPORT = ParameterReport(
    satellite="link",
    packet="beacon",
    received_utc_ns=RECEIVED_UTC_NS,
    generated_utc_ns=RECEIVED_UTC_NS - 2_000_000_000,
    downlink="uhf",
    norad=42714,
    values=(
        ParameterValue("battery_voltage", 1482, 7.41, "V"),
        ParameterValue("board_temperature", 12, -3.5, "degC"),
        ParameterValue("mode", 2, "nominal"),
        ParameterValue("solar_current", 0xFFFF, None, "mA"),
        ParameterValue("antenna_deployed", 1, True),
        ParameterValue("serial_number", b"\x00\xff", b"\x00\xff"),
    ),
)

ALARM = Alarm(
    satellite="link",
    parameter="battery_voltage",
    alarm_id="link/battery_voltage/7",
    state="triggered",
    level="warning",
    as_of_utc_ns=RECEIVED_UTC_NS,
    triggered_utc_ns=RECEIVED_UTC_NS - 1_000_000,
    value=6.2,
    unit="V",
    limit="min 6.5",
    violations=3,
)

PASS_EVENT = PassEvent(
    satellite="link", norad=42714, type="aos", at_utc_ns=RECEIVED_UTC_NS, elevation_deg=0.02, azimuth_deg=171.5
)
