"""The satellite model: frames that the project's own decoder and the protocols' deframers read back."""

import random

import numpy as np
import pytest

from agent.config import load_satellite
from agent.errors import ConfigError
from agent.simulator.satellite_model import (
    CannotTransmit,
    Clock,
    Count,
    Moment,
    Points,
    Ramp,
    SatelliteModel,
    Sine,
    Steps,
    channel_bits,
    line_octets,
    value_of,
)
from agent.simulator.spacecraft import Body, Spacecraft
from agent.telemetry.decoder import Decoder
from firmware_protocols import interface

NOW_NS = 1_790_000_000 * 10**9


def model_of(name: str, packet: str, *curves: object) -> SatelliteModel:
    _, satellite = load_satellite(name)
    return SatelliteModel(satellite, satellite.downlinks[0], packet, curves, where="s.toml: transmitter[0]")  # type: ignore[arg-type]  # parametrized


def values_in(model: SatelliteModel, frame: bytes) -> dict[str, object]:
    packet = interface.Packet(frame)
    for choice in model.downlink.extract:
        (packet,) = interface.make_extractor(choice.protocol, choice.options).feed(packet.data)
    report = Decoder(model.satellite).decode(model.downlink.name, packet, 0)
    return {value.name: value.value for value in report.values}


def test_without_curves_the_frame_is_the_satellites_own_example() -> None:
    _, satellite = load_satellite("demosat")
    frame = model_of("demosat", "housekeeping").frame(0.0, NOW_NS)
    assert frame == bytes.fromhex(satellite.examples[0].frame)


def test_a_real_satellites_example_keeps_its_header() -> None:
    _, satellite = load_satellite("link")
    example = bytes.fromhex(satellite.examples[0].frame)
    frame = model_of("link", "beacon").frame(0.0, NOW_NS)
    assert frame == example[: len(frame)]


def test_a_curve_moves_its_parameter_and_nothing_else() -> None:
    still = model_of("demosat", "housekeeping")
    moved = model_of(
        "demosat", "housekeeping", Points(parameter="battery_voltage", points=((0.0, 8.0), (10.0, 6.0)))
    )
    before, after = values_in(still, still.frame(5.0, NOW_NS)), values_in(moved, moved.frame(5.0, NOW_NS))
    assert after["battery_voltage"] == pytest.approx(7.0)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"battery_voltage", "battery_power"}


def test_counters_count_frames_and_the_clock_shows_utc() -> None:
    model = model_of(
        "demosat", "housekeeping", Count(parameter="sequence_count", start=65_534), Clock(parameter="onboard_time")
    )
    seen = [values_in(model, model.frame(t, NOW_NS + t * 10**9)) for t in range(3)]
    assert [one["sequence_count"] for one in seen] == [65_534, 65_535, 0]
    # date -u -d @1790000002
    assert seen[2]["onboard_time"] == "2026-09-21T14:13:22Z"


def test_curves_say_what_they_are_meant_to() -> None:
    chance = random.Random(1)

    def at(curve: object, t_s: float) -> object:
        return value_of(curve, Moment(t_s, NOW_NS), chance, Body.beginning(Spacecraft()))  # type: ignore[arg-type]  # each kind in turn

    saw = Points(parameter="x", points=((0.0, 0.0), (10.0, 100.0)), repeat_s=10.0)
    assert at(saw, 2.5) == 25.0
    assert at(saw, 12.5) == 25.0
    assert at(Sine(parameter="x", mean=1.0, amplitude=2.0, period_s=4.0), 1.0) == pytest.approx(3.0)
    assert at(Ramp(parameter="x", start=5.0, per_s=0.5), 4.0) == 7.0
    steps = Steps(parameter="x", steps=((0.0, "safe"), (5.0, "nominal")), repeat_s=20.0)
    assert [at(steps, t) for t in (0.0, 4.9, 5.0, 19.0, 21.0)] == ["safe", "safe", "nominal", "nominal", "safe"]
    late = Clock(parameter="x", offset_s=-1.5, drift_ppm=1e6)
    assert at(late, 0.5) == "2026-09-21T14:13:19Z"
    shaky = Points(parameter="x", points=((0.0, 1.0),), jitter=0.1)
    drawn = [at(shaky, 0.0) for _ in range(100)]
    assert len(set(drawn)) > 50
    assert all(abs(float(value) - 1.0) <= 0.1 for value in drawn)  # type: ignore[arg-type]  # numbers by construction


def test_channel_bits_are_read_back_by_the_protocols_own_deframer() -> None:
    model = model_of("demosat", "housekeeping")
    framing = model.downlink.framing
    frame = model.frame(0.0, NOW_NS)
    bits = channel_bits(framing.protocol, framing.options, frame)
    _, deframer = interface.make_deframer(framing.protocol, framing.options)
    found = deframer.feed(2.0 * bits.astype(np.float32) - 1.0) + deframer.flush()
    assert [one.data for one in found] == [frame]


def test_a_protocol_that_says_no_bits_is_refused() -> None:
    with pytest.raises(CannotTransmit, match="kiss does not say how a frame becomes channel bits"):
        channel_bits("kiss", {}, b"frame")
    with pytest.raises(CannotTransmit, match="ax25 does not say how a frame becomes octets"):
        line_octets("ax25", {}, b"frame")


@pytest.mark.parametrize(
    ("packet", "curve", "says"),
    [
        ("beacon", None, "has no packet 'beacon'"),
        ("housekeeping", Ramp(parameter="batery_voltage"), "batery_voltage"),
        ("housekeeping", Steps(parameter="mode", steps=((0.0, "asleep"),)), "'asleep' is no label"),
        ("housekeeping", Points(parameter="battery_voltage", points=((0.0, 8.0), (9.0, 90.0))), "battery_voltage"),
    ],
)
def test_what_the_satellite_does_not_have_is_refused(packet: str, curve: object, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        model_of("demosat", packet, *([] if curve is None else [curve]))
    assert says in str(refused.value)
    assert "s.toml: transmitter[0]" in str(refused.value)
