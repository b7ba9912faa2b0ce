"""``gsagent check``: each way to define a packet wrongly has its message, at the line of the very parameter."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.commands import check

Write = Callable[[str], Path]

GOOD = """\
name = "TEST"
norad = 4242
sources = ["made for this test"]

[[packet]]
name = "p"
octets = 16
starts = { "0" = "a5" }
parameter = [
    { name = "mark", type = "u8" },
    { name = "kind", type = "u8", calibration = LABELS },
    { name = "clock", type = "u32", unit = "UTC", calibration = { kind = "time", epoch = "2020-01-01T00:00:00Z" } },
    { name = "flags", type = "bits", width = 4 },
    { name = "spare", type = "bits", width = 4 },
    { name = "panel", type = "group", elements = ["x", "y"], parameter = [
        { name = "voltage", type = "u16", unit = "V", calibration = MILLIVOLTS },
        # a comment between
        { name = "temperature", type = "i8", unit = "°C", context = [{ when = { kind = 1 } }] },
    ] },
    { name = "curve", type = "u8", calibration = POINTS },
    { name = "sum", type = "u8", calibration = { kind = "expression", expression = "raw + panel_x_voltage" } },
]

[[packet.derived]]
name = "power"
expression = "panel_x_voltage * 2"
unit = "W"

[[packet]]
name = "text"
text = { prefix = "T,", delimiter = "," }
parameter = [
    { name = "count", type = "integer" },
    { name = "level", type = "decimal", unit = "dBm" },
]

[[example]]
packet = "p"
source = "made for this test"
frame = "a5010000000012138800138801050203"

[example.values]
kind = "one"
panel_y_voltage = 5.0
"""
TABLES = {
    "LABELS": '{ kind = "enumeration", labels = { "1" = "one", "2..4" = "more" } }',
    "MILLIVOLTS": '{ kind = "polynomial", coefficients = [0.0, 0.001] }',
    "POINTS": '{ kind = "spline", points = [{ raw = 0, value = 1.0 }, { raw = 9, value = 2.0 }] }',
}
for name, table in TABLES.items():
    GOOD = GOOD.replace(name, table)

CLOCK = '{ kind = "time", epoch = "2020-01-01T00:00:00Z" }'
MARK, KIND, FLAGS, PANEL, VOLTAGE, TEMPERATURE, CURVE, SUM = 10, 11, 13, 15, 16, 18, 20, 21


def at(number: int, inner: int | None = None) -> str:
    place = f"packet[0].parameter[{number}]"
    return place if inner is None else f"{place}.parameter[{inner}]"


BROKEN = [
    # where something stands
    ('"sum", type = "u8"', '"sum", type = "u8", at = 3', SUM, f"{at(7)}: sum overlaps clock ({at(2)})"),
    ('"kind", type = "u8"', '"kind", type = "u8", bit = 2', KIND, f"{at(1)}.bit: `bit` needs `at`"),
    ('"kind", type = "u8"', '"kind", type = "u8", at = 1, skip = 1', KIND, f"{at(1)}.skip: `at` and `skip`"),
    (
        '"spare", type = "bits", width = 4',
        '"spare", type = "bits.le", width = 4',
        14,
        "spare and flags count the bits of octet 6 from different ends",
    ),
    (
        'width = 4 },\n    { name = "panel',
        'width = 3 },\n    { name = "panel',
        VOLTAGE,
        "would begin at bit 7 of an octet",
    ),
    ("octets = 16", "octets = 14", 7, "packet[0].octets: its parameters need 15 octets"),
    ("octets = 16", "octets = 16\nmin_octets = 3", 7, "packet[0].octets: `octets` excludes"),
    ("octets = 16", "min_octets = 16\nmax_octets = 3", 8, "packet[0].max_octets: less than `min_octets`"),
    ("octets = 16", "min_octets = 16", 7, "packet[0].min_octets: `min_octets` needs `max_octets`"),
    # what something is
    ('"mark", type = "u8"', '"mark", type = "u9"', MARK, f"{at(0)}.type: u9 is no whole number of octets"),
    ('"mark", type = "u8"', '"mark", type = "byte"', MARK, f"{at(0)}.type: unknown type 'byte'"),
    ('"mark", type = "u8"', '"mark", type = "u8.be"', MARK, f"{at(0)}.type: unknown octet order 'be'"),
    ('"mark", type = "u8"', '"mark", type = "u8", width = 3', MARK, f"{at(0)}.width: type 'u8' takes no `width`"),
    ('"flags", type = "bits", width = 4', '"flags", type = "bits"', FLAGS, f"{at(3)}: type 'bits' needs `width`"),
    ('"mark", type = "u8"', '"mark", type = "text"', MARK, f"{at(0)}: type 'text' needs `octets`"),
    ('"mark", type = "u8"', '"mark", type = "u8", size = 1', MARK, f"{at(0)}.size: unknown field"),
    ('"mark", type = "u8"', '"kind", type = "u8"', KIND, f"{at(1)}.name: two parameters are called 'kind'"),
    ('"mark", type = "u8"', '"Mark", type = "u8"', MARK, f"{at(0)}.name: "),
    ('elements = ["x", "y"]', 'elements = ["x", "x"]', PANEL, f"{at(5)}.elements: two elements have one name"),
    ('elements = ["x", "y"]', 'elements = ["x", "y"], count = 3', PANEL, f"{at(5)}.count: `elements` names 2"),
    # what it depends on
    (
        '"curve", type = "u8"',
        '"curve", type = "u8", when = { sum = 1 }',
        CURVE,
        f"{at(6)}.when: 'sum' is no earlier",
    ),
    ('"curve", type = "u8"', '"curve", type = "u8", count = "n"', CURVE, f"{at(6)}.count: 'n' is no earlier"),
    ('"curve", type = "u8"', '"curve", type = "bytes", octets = "n"', CURVE, f"{at(6)}.octets: 'n' is no earlier"),
    ("when = { kind = 1 }", "when = { kid = 1 }", TEMPERATURE, f"{at(5, 1)}.context[0].when: 'kid' is no earlier"),
    # what it means
    ('unit = "°C"', 'unit = "C"', TEMPERATURE, f"{at(5, 1)}.unit: unknown unit 'C' (did you mean"),
    ('unit = "W"', 'unit = "Watt"', 27, "packet[0].derived[0].unit: unknown unit 'Watt'"),
    ("panel_x_voltage * 2", "panel_z_voltage * 2", 26, "packet[0].derived[0].expression: "),
    ("raw + panel_x_voltage", "raw + power", SUM, f"{at(7)}.calibration.expression: "),
    ("raw + panel_x_voltage", "raw +", SUM, f"{at(7)}.calibration.expression: "),
    ("raw + panel_x_voltage", "open('x')", SUM, f"{at(7)}.calibration.expression: "),
    ("raw = 9", "raw = 0", CURVE, f"{at(6)}.calibration.points: spline points must rise"),
    ('"2..4"', '"1..4"', KIND, f"{at(1)}.calibration.labels: labels 'one' and 'more' share raw value 1"),
    ('"2..4"', '"4..2"', KIND, f"{at(1)}.calibration.labels: range '4..2' runs backwards"),
    ('"2..4"', '"few"', KIND, f"{at(1)}.calibration.labels: not a raw value"),
    ("coefficients = [0.0, 0.001]", "coefficients = []", VOLTAGE, f"{at(5, 0)}.calibration.coefficients: "),
    ('kind = "polynomial"', 'kind = "polynom"', VOLTAGE, f"{at(5, 0)}.calibration.kind: "),
    ("2020-01-01T00:00:00Z", "the epoch", 12, f"{at(2)}.calibration.epoch: not a UTC time: 'the epoch'"),
    (CLOCK, '{ kind = "time", code = "cds" }', 12, f"{at(2)}.type: this time code is u48"),
    (CLOCK, '{ kind = "time", code = "packed", parts = ["hour:5"] }', 12, f"{at(2)}."),
    # how it is recognised
    ('{ "0" = "a5" }', '{ "0" = "a" }', 8, "packet[0].starts.0: not hex: 'a'"),
    ('{ "0" = "a5" }', '{ "0" = "a5/0f" }', 8, "packet[0].starts.0: the value has bits outside the mask"),
    ('{ "0" = "a5" }', '{ "x" = "a5" }', 8, "packet[0].starts.x: 'x' is no octet offset"),
    ('name = "text"\n', 'name = "p"\n', 30, "packet[1].name: two packets are called 'p'"),
    ('name = "p"\n', 'name = "p"\ndownlinks = ["s"]\n', 7, "packet[0].downlinks: there is no downlink 's'"),
    # texts
    ('delimiter = ","', 'delimiter = ",", pattern = "x"', 31, "packet[1].text: a text is cut by"),
    ('delimiter = ","', 'pattern = "(?P<count>"', 31, "packet[1].text.pattern: not a regular expression"),
    (
        'delimiter = ","',
        'pattern = "(?P<count>.)"',
        34,
        "packet[1].parameter[1].name: the pattern has no group 'level'",
    ),
    ('type = "decimal"', 'type = "f32"', 34, "packet[1].parameter[1].type: unknown type 'f32' in a text"),
    # examples
    ('kind = "one"', 'kind = "two"', 43, "example[0].values.kind: 'two' stated, 'one' decoded"),
    ("a501", "a509", 43, "example[0].values.kind: 'one' stated, None decoded"),
    ("a501", "a401", 40, "example[0].frame: does not decode: unknown_packet"),
    ('050203"', '0502"', 40, "example[0].frame: does not decode: too_short"),
    ('050203"', '05020304"', 40, "example[0].frame: does not decode: too_long"),
]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "test.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def run(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    code = check.run(parser.parse_args([str(path)]))
    out, err = capsys.readouterr()
    return code, out, err


def test_the_file_that_is_broken_below_is_good(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    assert run(capsys, write(GOOD))[::2] == (0, "")


@pytest.mark.parametrize(("old", "new", "line", "complaint"), BROKEN)
def test_a_packet_defined_wrongly_is_refused_at_its_line_and_place(
    capsys: pytest.CaptureFixture[str], write: Write, old: str, new: str, line: int, complaint: str
) -> None:
    assert GOOD.count(old) >= 1
    path = write(GOOD.replace(old, new, 1))
    code, out, err = run(capsys, path)
    assert (code, out) == (2, "")
    assert complaint in err
    assert f"{path}:{line}: " in err
    assert len(err.splitlines()) == 1
