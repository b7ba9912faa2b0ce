"""Derived values that look back: what they compute, what they count, and what they refuse."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest

from agent.definitions import Satellite
from agent.errors import ConfigError
from agent.health.limits import LimitSet
from agent.telemetry.decoder import Decoder
from agent.telemetry.history import MAX_SAMPLES, History, WindowFunction
from firmware_protocols.interface import Packet

S = 1_000_000_000
START = 1_790_000_000 * S


def satellite(expression: str, type: str = "f32", **derived: Any) -> Satellite:
    packet = {
        "name": "p",
        "parameter": [{"name": "x", "type": type}],
        "derived": [{"name": "y", "expression": expression, **derived}],
    }
    return msgspec.convert({"name": "S", "norad": 1, "packet": [packet]}, Satellite)


def decoded(expression: str, *samples: tuple[float, float], type: str = "f32", form: str = ">f") -> list[Any]:
    """Decode packets at seconds, and return what the derived value was in each."""
    decoder = Decoder(satellite(expression, type))
    return [
        decoder.decode("d", Packet(struct.pack(form, value)), START + round(at_s * S)).values[-1].value
        for at_s, value in samples
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('mean("x", 20)', [1.0, 2.0, 4.0]),
        ('min("x", 20)', [1.0, 1.0, 3.0]),
        ('max("x", 20)', [1.0, 3.0, 5.0]),
        ('std("x", 100)', [None, 2**0.5, 2.0]),
        ('slope("x", 100)', [None, 0.2, 0.9 / 7]),
        ('x - mean("x", 20)', [0.0, 1.0, 1.0]),
    ],
)
def test_a_function_of_a_quoted_name_is_over_the_last_seconds(
    expression: str, expected: list[float | None]
) -> None:
    found = decoded(expression, (0, 1.0), (10, 3.0), (30, 5.0))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == (pytest.approx(theirs) if theirs is not None else None)


def test_an_increase_goes_on_over_a_roll_over_and_begins_anew_after_a_reset() -> None:
    counted = decoded(
        'increase("x", 3600)',
        *[(10 * i, value) for i, value in enumerate((200, 220, 240, 4, 24))],
        type="u8",
        form=">B",
    )
    assert counted == [0, 20, 40, 60, 80]
    reset = decoded('increase("x", 3600)', (0, 50_000), (10, 50_010), (20, 3), (30, 13), type="u16", form=">H")
    assert reset == [0, 10, 13, 23]


def test_limits_apply_to_what_looks_back() -> None:
    table = satellite('mean("x", 60)', limits={"warning": {"max": 2.0}})
    decoder, limits = Decoder(table), LimitSet(table)
    results = []
    for second, value in enumerate((1.0, 2.0, 9.0)):
        report = decoder.decode("d", Packet(struct.pack(">f", value)), START + second * S)
        results.append(limits.evaluate(report)[0].monitoring_result)
    assert results == ["in_limits", "in_limits", "warning"]


def test_a_question_whether_a_frame_is_known_leaves_no_trace() -> None:
    decoder = Decoder(satellite('mean("x", 60)'))
    decoder.decode("d", Packet(struct.pack(">f", 100.0)), START, remember=False)
    assert decoder.decode("d", Packet(struct.pack(">f", 1.0)), START + S).values[-1].value == 1.0


def test_an_older_packet_adds_nothing_and_a_clock_set_back_begins_anew() -> None:
    assert decoded('mean("x", 60)', (100, 1.0), (90, 9.0), (101, 3.0))[-1] == 2.0
    assert decoded('mean("x", 60)', (1000, 1.0), (10, 9.0))[-1] == 9.0


def test_memory_is_bounded() -> None:
    history = History([WindowFunction("mean", "x", 3600.0)], {})
    for second in range(9000):
        history.add("x", float(second), second * S)
    assert len(history._samples["x"]) <= 2 * MAX_SAMPLES + 2
    (mean,) = history.values([WindowFunction("mean", "x", 3600.0)], 8999 * S).values()
    assert mean == pytest.approx(8999 - 1800, abs=5)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ('mean("z", 60)', "unknown name 'z'"),
        ('mean("x")', "takes seconds"),
        ('mean("x", x)', "takes seconds"),
        ('mean("x", 0)', "takes seconds"),
        ('mean("x", 1e9)', "takes seconds"),
        ('median("x", 60)', "not allowed"),
    ],
)
def test_what_cannot_be_asked_is_named_with_its_place(expression: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as raised:
        Decoder(satellite(expression), "f.toml")
    assert "packet[0].derived[0].expression" in str(raised.value)


def test_a_calibration_knows_no_past() -> None:
    calibration = {"kind": "expression", "expression": 'mean("raw", 60)'}
    packet = {"name": "p", "parameter": [{"name": "x", "type": "u8", "calibration": calibration}]}
    with pytest.raises(ConfigError, match="only a derived value"):
        Decoder(msgspec.convert({"name": "S", "norad": 1, "packet": [packet]}, Satellite))
