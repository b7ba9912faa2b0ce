"""Element files in every form: what is read, what is refused and why."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import AgentError
from agent.orbit import omm, tle
from agent.orbit.elements import MeanElements, read_elements
from agent.orbit.sgp4 import initialise, propagate
from tests.orbit.sets import AUGUST_23_UTC_NS, DAY_NS, KOREAN, circular, korean

# From CCSDS 502.0-B-3, figure 4-2 (GOES 9), its epoch and elements as printed there.
GOES_9 = """\
CCSDS_OMM_VERS = 3.0
CREATION_DATE = 2020-065T16:00:00
ORIGINATOR = NOAA
OBJECT_NAME = GOES 9
OBJECT_ID = 1995-025A
CENTER_NAME = EARTH
REF_FRAME = TEME
TIME_SYSTEM = UTC
MEAN_ELEMENT_THEORY = SGP/SGP4
EPOCH = 2020-064T10:34:41.4264
MEAN_MOTION = 1.00273272 [rev/day]
ECCENTRICITY = 0.0005013
INCLINATION = 3.0539 [deg]
RA_OF_ASC_NODE = 81.7939 [deg]
ARG_OF_PERICENTER = 249.2363 [deg]
MEAN_ANOMALY = 150.1602 [deg]
EPHEMERIS_TYPE = 0
CLASSIFICATION_TYPE = U
NORAD_CAT_ID = 23581
ELEMENT_SET_NO = 0925
REV_AT_EPOCH = 4316
BSTAR = 0.0001
MEAN_MOTION_DOT = -0.00000113
MEAN_MOTION_DDOT = 0.0
"""


def as_xml(elements: MeanElements) -> str:
    leaves = "".join(f"<{key}>{value}</{key}>" for key, value in omm.to_message(elements).items())
    return f'<?xml version="1.0"?><ndm><omm id="CCSDS_OMM_VERS" version="2.0"><body>{leaves}</body></omm></ndm>'


def as_json(elements: MeanElements) -> str:
    message = omm.to_message(elements)
    # CelesTrak writes numbers as numbers.
    texts = ("OBJECT_NAME", "OBJECT_ID", "EPOCH", "CLASSIFICATION_TYPE")
    texts += ("CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY")
    return json.dumps([{k: v if k in texts else json.loads(v) for k, v in message.items()}])


def as_csv(elements: MeanElements) -> str:
    message = omm.to_message(elements)
    return ",".join(message) + "\r\n" + ",".join(message.values()) + "\r\n"


def as_kvn(elements: MeanElements) -> str:
    return omm.write_kvn(elements, created_utc_ns=AUGUST_23_UTC_NS, originator="TEST")


def one(text: str) -> MeanElements:
    found = read_elements(text, source="test")
    assert not found.refused, found.refused
    assert len(found.sets) == 1
    return found.sets[0]


def test_the_standards_own_example_is_read() -> None:
    goes = one(GOES_9)
    assert (goes.name, goes.norad, goes.cospar) == ("GOES 9", 23581, "1995-025A")
    assert goes.mean_motion_rev_d == 1.00273272
    assert omm.write_epoch(goes.epoch_utc_ns) == "2020-03-04T10:34:41.426400"
    assert goes.mean_motion_dot == -0.00000113
    assert goes.element_set_number == 925


@pytest.mark.parametrize("form", [as_kvn, as_xml, as_json, as_csv])
def test_every_form_of_an_omm_gives_the_same_set(form: object) -> None:
    original = replace(korean()[1], source="test", norad=999_999_999)
    assert callable(form)
    assert one(form(original)) == original


@given(
    st.floats(0.1, 16.0),
    st.floats(0.0, 0.99, exclude_max=True),
    st.floats(0.0, 180.0),
    st.floats(0.0, 360.0),
    st.integers(1, 999_999_999),
    st.integers(0, 10**9 - 1),
)
def test_an_omm_keeps_every_digit(
    motion: float, eccentricity: float, inclination: float, angle: float, norad: int, nanosecond: int
) -> None:
    original = MeanElements(
        "X", norad, "2026-001A", AUGUST_23_UTC_NS + nanosecond, motion, eccentricity, inclination, angle, angle,
        angle, 1.5e-7, source="test",
    )  # fmt: skip
    assert one(as_kvn(original)) == original
    assert one(as_csv(original)) == original


def test_a_tle_gives_the_state_vector_of_the_omm_it_was_rounded_from() -> None:
    original = korean()[0]
    again = one(tle.write_tle(original))
    assert again.norad == original.norad
    times = original.epoch_utc_ns + np.arange(0, DAY_NS, DAY_NS // 10)
    a = propagate(initialise([original]), times).position_km
    b = propagate(initialise([again]), times).position_km
    assert np.abs(a - b).max() < 1e-6
    assert tle.write_tle(again) == tle.write_tle(original)


def test_alpha_5_numbers_are_read_and_written() -> None:
    for norad, text in (
        (5, "00005"),
        (99_999, "99999"),
        (100_000, "A0000"),
        (182_931, "J2931"),
        (339_999, "Z9999"),
    ):
        assert tle.write_catalogue_number(norad) == text
        assert tle.read_catalogue_number(text) == norad
    with pytest.raises(ValueError, match="does not fit"):
        tle.write_catalogue_number(340_000)
    for wrong in ("I0000", "O1234", "a0001", "1234x", "A 1é0"):
        with pytest.raises(ValueError, match="catalogue number"):
            tle.read_catalogue_number(wrong)


LINES = KOREAN.splitlines()[:3]


def with_checksum(line: str) -> str:
    return line[:68] + str(tle.checksum(line))


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (LINES[1][:68] + "1", LINES[2], "checksum"),
        (LINES[1], LINES[2][:60], "line_length"),
        (LINES[1][:50], LINES[2], "line_length"),
        (LINES[1], with_checksum(LINES[2].replace("40536", "40537")), "satellite_mismatch"),
        (LINES[1], with_checksum(LINES[2][:52] + "99.57465138" + LINES[2][63:]), "mean_motion_range"),
        (LINES[1], with_checksum(LINES[2][:52] + " 0.00000000" + LINES[2][63:]), "mean_motion_range"),
        (LINES[1], with_checksum(LINES[2][:52] + "        nan" + LINES[2][63:]), "columns"),
        (LINES[1], with_checksum(LINES[2][:26] + "00x8721" + LINES[2][33:]), "not_a_number"),
        (LINES[1], with_checksum(LINES[2][:8] + "197.6921" + LINES[2][16:]), "inclination_range"),
        (with_checksum(LINES[1][:18] + "26400.23459699" + LINES[1][32:]), LINES[2], "epoch_range"),
        (with_checksum(LINES[1][:62] + "4" + LINES[1][63:]), LINES[2], "theory"),
        (with_checksum(LINES[1][:33] + " .000x535 " + LINES[1][43:]), LINES[2], "not_a_number"),
        (LINES[1], "", "missing_line"),
        ("", LINES[2], "missing_line"),
    ],
)
def test_a_broken_tle_is_refused_with_its_reason_and_its_neighbours_are_kept(
    first: str, second: str, reason: str
) -> None:
    text = f"{KOREAN}BROKEN\n{first}\n{second}\n{KOREAN}"
    found = read_elements(text, source="some.tle")
    assert len(found.sets) == 6
    assert reason in found.refused_by_reason
    assert all(refusal.source == "some.tle" and refusal.line >= 10 for refusal in found.refused)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("MEAN_MOTION", "0", "mean_motion_range"),
        ("MEAN_MOTION", "inf", "not_a_number"),
        ("MEAN_MOTION", "", "missing_field"),
        ("ECCENTRICITY", "1.0", "eccentricity_range"),
        ("ECCENTRICITY", "-0.1", "eccentricity_range"),
        ("NORAD_CAT_ID", "1000000000", "catalogue_number"),
        ("NORAD_CAT_ID", "12x", "not_a_number"),
        ("EPOCH", "2026-13-01T00:00:00", "epoch_range"),
        ("EPOCH", "yesterday", "epoch_range"),
        ("EPOCH", "1905-01-01T00:00:00", "epoch_range"),
        ("REF_FRAME", "EME2000", "ref_frame"),
        ("TIME_SYSTEM", "TAI", "time_system"),
        ("CENTER_NAME", "MARS", "center_name"),
        ("MEAN_ELEMENT_THEORY", "DSST", "theory"),
        ("EPHEMERIS_TYPE", "4", "theory"),
        ("BSTAR", "1e9", "drag_range"),
    ],
)
def test_an_omm_out_of_range_is_refused_with_its_reason(key: str, value: str, reason: str) -> None:
    good = korean()[0]
    message = omm.to_message(good)
    text = json.dumps([message, {**message, key: value}, message])
    found = read_elements(text, source="x.json")
    assert len(found.sets) == 2
    assert found.refused_by_reason == {reason: 1}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("  \n\n", "empty"),
        ("hello\nworld\n", "no element sets"),
        ("[1, 2", "not JSON"),
        ("[]", "no element sets"),
        ("<omm", "not well-formed"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><omm/>', "declares entities"),
        ("<html><body>404</body></html>", "no element sets"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_text_without_elements_is_an_error_that_names_it(text: str, what: str) -> None:
    with pytest.raises(AgentError, match=what) as caught:
        read_elements(text, source="some/file")
    assert "some/file" in str(caught.value)


@given(st.text(max_size=400))
def test_no_text_makes_the_reader_fail_in_any_other_way(text: str) -> None:
    for prefix in ("", "CCSDS_OMM_VERS = 3.0\n", "NORAD_CAT_ID,EPOCH\n", "[", "<omm>", KOREAN):
        try:
            read_elements(prefix + text, source="fuzz")
        except AgentError:
            continue


def test_no_flipped_character_changes_an_orbit_unseen() -> None:
    def orbit(elements: MeanElements) -> tuple[object, ...]:
        same = replace(elements, name="", cospar="", element_set_number=0, revolution=0)
        return (same.norad, *(getattr(same, name) for name in same.__slots__))

    good = {orbit(elements) for elements in korean()}
    unseen = set()
    for at, before in enumerate(KOREAN):
        for character in "0123456789-+. AUx":
            changed = KOREAN[:at] + character + KOREAN[at + 1 :]
            for elements in read_elements(changed, source="test").sets:
                if orbit(elements) not in good:
                    unseen.add((before, character))
    # A minus sign counts as one: only that exchange passes the checksum, and only where a sign may stand.
    assert unseen <= {("-", "1"), ("1", "-")}


def test_epochs_are_exact_to_a_nanosecond_and_leap_seconds_are_read() -> None:
    assert omm.read_epoch("1970-01-01T00:00:00.000000001") == 1
    assert omm.read_epoch("2016-12-31T23:59:60.5") == omm.read_epoch("2017-01-01T00:00:00.5")
    assert omm.read_epoch("2026-235T00:00:00Z") == AUGUST_23_UTC_NS
    assert korean()[0].epoch_utc_ns == omm.read_epoch("2026-08-22T05:37:49.179936")


def test_reading_elements_imports_no_numba(tmp_path: Path) -> None:
    (tmp_path / "goes9.omm").write_text(GOES_9)
    code = (
        "import sys; import agent.orbit.elements as e; e.read_elements(open(sys.argv[1]).read(), source='x');"
        "sys.exit('numba' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "goes9.omm")], check=False).returncode == 0


def test_a_whole_catalogue_is_read_without_loss(test_data: Path) -> None:
    found = read_elements((test_data / "orbits" / "active-2026-08-22.csv").read_text(), source="active")
    assert (len(found.sets), found.refused) == (16_400, ())
    assert sum(s.norad > 99_999 for s in found.sets) == 331


def test_public_messages_are_read_and_the_broken_ones_refused(test_data: Path) -> None:
    folder = test_data / "orbits" / "omm-samples"
    for path in [*folder.glob("oem-python/real/*/*"), *folder.glob("sample_omm.*")]:
        assert len(read_elements(path.read_text(), source=path.name).sets) == 1, path.name
    for kvn, xml in zip(
        sorted(folder.glob("oem-python/real/kvn/*")), sorted(folder.glob("oem-python/real/xml/*")), strict=True
    ):
        assert replace(one(kvn.read_text()), source="") == replace(one(xml.read_text()), source="")


def test_a_circular_set_of_the_tests_is_lawful() -> None:
    assert one(as_kvn(circular())).norad == 90001


def test_written_csv_json_and_xml_read_back_every_digit() -> None:
    sets = (*korean(), circular())
    written = {
        "csv": omm.write_csv(sets),
        "json": omm.write_json(sets),
        "xml": omm.write_xml(sets, created_utc_ns=AUGUST_23_UTC_NS, originator="TEST"),
    }
    for form, text in written.items():
        again = read_elements(text, source="")
        assert again.refused == (), form
        assert again.sets == tuple(replace(s, source="") for s in sets), form


def test_xml_out_stands_in_the_blocks_of_the_standard() -> None:
    text = omm.write_xml(korean()[:1], created_utc_ns=AUGUST_23_UTC_NS, originator="TEST")
    order = re.findall(r"<(metadata|meanElements|tleParameters|THEORY|EPOCH|MEAN_MOTION|NORAD_CAT_ID)>", text)
    assert order == ["metadata", "meanElements", "EPOCH", "MEAN_MOTION", "tleParameters", "NORAD_CAT_ID"]
