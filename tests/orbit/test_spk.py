"""SPK kernels: a small one made here, with the paths of real ones (orbiter → Moon → barycentre ← Earth)."""

from __future__ import annotations

import importlib.util
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from agent.__main__ import main
from agent.orbit.ephemeris import by_object
from agent.orbit.spk import J2000_JD, SpkError, segments_of, tdb_s
from agent.orbit.trajectory import look_at_trajectory, occultations, predict_trajectory
from tests.orbit.sets import AUGUST_23_UTC_NS, DAEJEON, DAY_NS

Floats = NDArray[np.float64]

WINDOW = AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS
# 2026-08-23T00:00:00 UTC is 9730.5 days after J2000 by UTC's count, and TDB is 69.184 s ahead (37 + 32.184).
WINDOW_TDB_S = 9730.5 * 86_400.0 + 69.184
ORBITER = -155
A_MILLIMETRE_KM = 1e-6


def circle(radius_km: float, period_s: float, seconds: Floats) -> Floats:
    angle = 2 * np.pi * (seconds - WINDOW_TDB_S) / period_s
    return radius_km * np.stack([np.cos(angle), np.sin(angle), 0.3 * np.sin(angle)])


PATHS = {
    (301, 3): (380_000.0, 27.3 * 86_400.0),
    (399, 3): (-4_670.0, 27.3 * 86_400.0),
    (ORBITER, 301): (1_838.0, 7_070.0),
}


@dataclass
class Drawn:
    """A segment that computes what a kernel would hold."""

    target: int
    center: int
    frame: int = 1
    start_second: float = WINDOW_TDB_S - 86_400.0
    end_second: float = WINDOW_TDB_S + 2 * 86_400.0

    def compute(self, tdb: Floats, tdb2: Floats) -> Floats:
        return circle(*PATHS[self.target, self.center], (tdb - J2000_JD) * 86_400.0 + tdb2 * 86_400.0)


def whole() -> list[Drawn]:
    return [Drawn(*pair) for pair in PATHS]


def test_the_time_of_a_kernel_is_69_seconds_ahead_of_utc() -> None:
    seconds, rest = tdb_s(np.array([AUGUST_23_UTC_NS + 250_000_000], dtype=np.int64))
    assert seconds[0] + rest[0] == pytest.approx(WINDOW_TDB_S + 0.25, abs=1e-6)


def test_an_orbiters_path_is_added_up_to_the_earth() -> None:
    found = {segment.object_id: segment for segment in segments_of(whole(), WINDOW, source="test")}
    assert {key: segment.center for key, segment in found.items()} == {"NAIF 301": "EARTH", "NAIF -155": "EARTH"}
    times = AUGUST_23_UTC_NS + np.arange(0, 86_400, 97, dtype=np.int64) * 10**9
    seconds = WINDOW_TDB_S + (times - AUGUST_23_UTC_NS) / 1e9
    moon = circle(*PATHS[301, 3], seconds) - circle(*PATHS[399, 3], seconds)
    orbiter = moon + circle(*PATHS[ORBITER, 301], seconds)
    assert np.abs(found["NAIF 301"].at(times)[:3] - moon).max() < A_MILLIMETRE_KM
    assert np.abs(found["NAIF -155"].at(times)[:3] - orbiter).max() < A_MILLIMETRE_KM


def test_a_kernel_of_an_orbiter_alone_stands_about_the_moon() -> None:
    (segment,) = segments_of([Drawn(ORBITER, 301)], WINDOW, source="test")
    assert (segment.center, segment.frame, segment.object_name) == ("MOON", "EME2000", "NAIF -155")
    (ephemeris,) = by_object([segment])
    assert ephemeris.norad == 0
    assert len(occultations(ephemeris, DAEJEON, *WINDOW)) >= 10


def test_the_moon_rises_once_a_day_and_never_hides_itself() -> None:
    found = by_object(segments_of(whole(), WINDOW, source="test"))
    (moon,) = (ephemeris for ephemeris in found if ephemeris.name == "MOON")
    assert len(predict_trajectory(moon, DAEJEON, *WINDOW).passes) in (1, 2)
    assert 370_000 < look_at_trajectory(moon, DAEJEON, AUGUST_23_UTC_NS).range_km < 410_000
    assert occultations(moon, DAEJEON, *WINDOW) == ()


def test_a_gap_of_a_kernel_is_not_bridged_and_the_later_segment_counts() -> None:
    noon = WINDOW_TDB_S + 43_200.0
    early, late = Drawn(ORBITER, 301, end_second=noon - 3600.0), Drawn(ORBITER, 301, start_second=noon)
    first, second = segments_of([early, late], WINDOW, source="test")
    assert second.usable_utc_ns[0] - first.usable_utc_ns[1] >= 3600 * 10**9
    assert np.isnan(first.at(np.array([AUGUST_23_UTC_NS + 42_000 * 10**9]))).all()


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        ([], "no segments"),
        ([Drawn(ORBITER, 301, frame=17)], "frame 17, not in J2000"),
        ([Drawn(ORBITER, 301, end_second=WINDOW_TDB_S - 80_000.0)], "not in it over the window"),
        ([Drawn(301, 3)], "the path of body 301 ends at 3, that of the Earth at 399"),
        ([Drawn(399, 3)], "nothing in the kernel can be seen"),
    ],
)
def test_a_kernel_that_cannot_serve_is_refused_with_the_reason(kernel: list[Drawn], why: str) -> None:
    with pytest.raises(SpkError, match=why):
        segments_of(kernel, WINDOW, source="test")


# -- a file ------------------------------------------------------------------------------------------------


def kernel_file(path: Path) -> Path:
    """Write a kernel of type 2 segments, little endian. Source: NAIF, DAF and SPK Required Reading."""
    words, summaries = b"", b""
    at = 3 * 128 + 1  # three records of 128 words stand before the data
    for (target, center), circling in PATHS.items():
        length_s = 900.0 if target < 0 else 14_400.0
        count = round(3 * 86_400.0 / length_s)
        start = WINDOW_TDB_S - 86_400.0
        rows = []
        for number in range(count):
            middle = start + (number + 0.5) * length_s
            nodes = np.cos(np.pi * (np.arange(14) + 0.5) / 14)
            places = circle(*circling, middle + nodes * length_s / 2)
            fitted = chebyshev.chebfit(nodes, places.T, 13)
            rows.append(np.concatenate([[middle, length_s / 2], fitted.T.ravel()]))
        data = np.concatenate([*rows, [start, length_s, len(rows[0]), count]])
        summaries += struct.pack("<2d6i", start, start + 3 * 86_400.0, target, center, 1, 2, at, at + data.size - 1)
        words += data.astype("<f8").tobytes()
        at += data.size
    ftp = b"FTPSTR:\r:\n:\r\n:\r\x00:\x81:\x10\xce:ENDFTP"
    head = struct.pack("<8s2i60s3i8s", b"DAF/SPK ", 2, 6, b"test".ljust(60), 2, 2, at, b"LTL-IEEE")
    record = head.ljust(699, b"\0") + ftp
    index = struct.pack("<3d", 0.0, 0.0, float(len(PATHS))) + summaries
    path.write_bytes(record.ljust(1024, b"\0") + index.ljust(1024, b"\0") + b" " * 1024 + words)
    return path


needs_jplephem = pytest.mark.skipif(
    importlib.util.find_spec("jplephem") is None, reason="jplephem is not installed: no kernel can be opened"
)


@needs_jplephem
def test_a_kernel_file_gives_passes_of_the_moon_and_of_its_orbiter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = kernel_file(tmp_path / "orbiter.bsp")
    arguments = ["passes", "--elements", str(path), "--station", "36.372,127.363,80", "--start", "2026-08-23"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "MOON" in out
    assert "NAIF -155" in out
    # The Moon of this kernel stands elsewhere than the real one, which hides nothing of it.
    assert err == ""


@needs_jplephem
@pytest.mark.parametrize("cut", [8, 700, 1024, 2000, 5000])
def test_a_kernel_cut_short_is_an_error_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cut: int
) -> None:
    path = kernel_file(tmp_path / "orbiter.bsp")
    path.write_bytes(path.read_bytes()[:cut])
    assert main(["passes", "--elements", str(path), "--station", "0,0", "--start", "2026-08-23"]) == 1
    assert "orbiter.bsp" in capsys.readouterr().err


def test_without_the_library_a_kernel_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jplephem.spk", None)
    path = kernel_file(tmp_path / "orbiter.bsp")
    assert main(["passes", "--elements", str(path), "--station", "0,0"]) == 2
    assert "gsagent[spk]" in capsys.readouterr().err
