"""``gsagent identify``: the right object of a launch, undecided where curves are alike, none where none fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.__main__ import main
from agent.health.transmitter.identification import Candidate, Identification, identify
from agent.orbit.elements import MeanElements, read_elements
from agent.orbit.omm import to_message
from agent.orbit.passes import predict_passes
from agent.orbit.track import Track
from agent.records import Station
from tests.health.passes import CARRIER_HZ, ELEMENTS, STATION, S, passes

SPREAD_DEG = (0.0, 0.6, 1.2, 4.0)
"""Mean anomalies of four objects of one launch."""
LAUNCH = tuple(
    replace(
        ELEMENTS, name=f"object {index}", norad=99_001 + index, mean_anomaly_deg=ELEMENTS.mean_anomaly_deg + degrees
    )
    for index, degrees in enumerate(SPREAD_DEG)
)


def measured(elements: MeanElements, times: np.ndarray, noise_hz: float, seed: int = 1) -> np.ndarray:
    chance = np.random.default_rng(seed)
    late_ns = round(0.3 * S)
    shift, _ = Track(elements, STATION).doppler(times + late_ns)
    return shift * CARRIER_HZ + 700.0 + chance.normal(0.0, noise_hz, len(times))


def candidates(times: np.ndarray, sets: tuple[MeanElements, ...] = LAUNCH) -> list[Candidate]:
    found = []
    for one in sets:
        shift, slope = Track(one, STATION).doppler(times)
        found.append(Candidate(one.name, one.norad, shift * CARRIER_HZ, slope * CARRIER_HZ))
    return found


def weigh(
    true: MeanElements, noise_hz: float, seconds: int, sets: tuple[MeanElements, ...] = LAUNCH
) -> Identification:
    one = passes()[0]
    times = one.tca_utc_ns + np.arange(-seconds // 2, seconds // 2, 2, dtype=np.int64) * S
    return identify((times - times[0]) / S, measured(true, times, noise_hz), candidates(times, sets), CARRIER_HZ)


@pytest.mark.parametrize("index", range(len(LAUNCH)))
def test_each_object_of_a_launch_is_named(index: int) -> None:
    found = weigh(LAUNCH[index], 20.0, 240)
    assert found.decided is not None
    assert found.decided.norad == LAUNCH[index].norad
    assert found.words == f"object {LAUNCH[index].norad} with probability 1.00"
    assert sum(fit.probability for fit in found.fits) == pytest.approx(1.0)


def test_two_on_the_same_orbit_are_undecided() -> None:
    twin = replace(LAUNCH[0], name="twin", norad=99_100, mean_anomaly_deg=LAUNCH[0].mean_anomaly_deg + 0.01)
    found = weigh(LAUNCH[0], 50.0, 240, (*LAUNCH, twin))
    assert found.decided is None
    assert found.words.startswith("undecided: 99")
    assert {fit.norad for fit in found.fits[:2]} == {LAUNCH[0].norad, twin.norad}


def test_a_signal_of_none_of_them_is_said_to_be_none() -> None:
    stranger = replace(ELEMENTS, norad=99_200, inclination_deg=82.0, raan_deg=40.0)
    found = weigh(stranger, 20.0, 240)
    assert found.decided is None
    assert "none fits" in found.words


def test_a_few_measurements_or_no_candidate_decide_nothing() -> None:
    times = np.arange(5.0)
    assert identify(times, times, [], CARRIER_HZ).words == "undecided: no candidate"
    few = [Candidate("a", 1, times, times)]
    assert identify(times, times, few, CARRIER_HZ).words == "undecided: 5 measurements"


def test_the_command_reads_a_csv_and_names_the_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elements, doppler = tmp_path / "launch.json", tmp_path / "doppler.csv"
    elements.write_text(json.dumps([to_message(one) for one in LAUNCH]))
    times = passes()[0].tca_utc_ns + np.arange(-120, 120, 3, dtype=np.int64) * S
    rows = zip(times.tolist(), (measured(LAUNCH[2], times, 20.0) + CARRIER_HZ).tolist(), strict=True)
    doppler.write_text("time,frequency_hz\n" + "".join(f"{at / S:.3f},{hz:.1f}\n" for at, hz in rows))
    command = ["identify", str(doppler), "--elements", str(elements), "--station=47,8,400"]
    assert main([*command, "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["decided"] == LAUNCH[2].norad
    assert said["measurements"] == 80
    assert main([*command, "--candidates", "99001", "99003"]) == 0
    assert capsys.readouterr().out.startswith("object 99003 with probability 1.00\n80 measurements, noise ")
    assert main([*command, "--candidates", "99001", "1"]) == 2
    doppler.write_text("time,frequency_hz\n1,2\nnonsense\n")
    assert main([*command, "--frequency-hz", "437e6"]) == 1
    assert "doppler.csv:3" in capsys.readouterr().err


def test_real_objects_of_one_launch_are_told_apart_in_a_pass(test_data: Path) -> None:
    path = test_data / "orbits" / "korea" / "kr_satellites_2026-08-22.tle"
    sets = tuple(
        one for one in read_elements(path.read_text(), source=path.name).sets if 66650 <= one.norad <= 66662
    )
    station = Station("Daejeon", 36.372, 127.363, 80.0)
    start_ns = max(one.epoch_utc_ns for one in sets)
    found = predict_passes(sets, station, start_ns, start_ns + 86_400 * S).passes
    chance = np.random.default_rng(1)
    named = 0
    high = [one for one in found if one.aos_utc_ns and one.los_utc_ns and one.max_elevation_deg > 20.0]
    for one in high:
        times = one.tca_utc_ns + np.arange(-150, 150, 5, dtype=np.int64) * S
        own = next(item for item in sets if item.norad == one.norad)
        shift, _ = Track(own, station).doppler(times + round(chance.normal(0.0, 0.5) * S))
        tracks = [Track(item, station).doppler(times) for item in sets]
        fits = [
            Candidate(item.name, item.norad, shift_ * CARRIER_HZ, slope * CARRIER_HZ)
            for item, (shift_, slope) in zip(sets, tracks, strict=True)
        ]
        heard = shift * CARRIER_HZ + chance.normal(0.0, 100.0, len(times))
        decided = identify((times - times[0]) / S, heard, fits, CARRIER_HZ).decided
        assert decided is None or decided.norad == one.norad
        named += decided is not None
    assert len(high) > 10
    assert named >= 0.9 * len(high)
