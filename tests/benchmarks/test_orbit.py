"""Propagation and passes beside python-sgp4 and skyfield, in one run; prints ratios.

Times are of the process, the least of several rounds, one thread unless said. Elements are synthetic, so that the
benchmark needs no file: 130 low orbits in Walker planes, 130 high ones of every kind. The full catalogue is
measured where the reference data are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sgp4.api import SatrecArray
from skyfield.api import EarthSatellite, load, wgs84

from agent.orbit.elements import MeanElements, read_elements
from agent.orbit.passes import predict_passes
from agent.orbit.search.grid import search_passes
from agent.orbit.sgp4 import initialise, propagate
from agent.orbit.tle import write_tle
from agent.records import Station
from tests.orbit.sets import AUGUST_23_UTC_NS, DAY_NS, circular
from tests.reference.orbit import satrec

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

WEEK_MINUTES = AUGUST_23_UTC_NS + np.arange(7 * 1440, dtype=np.int64) * 60_000_000_000
NEAR_ASKED, DEEP_ASKED = 20.0, 8.0
PASSES_ASKED = 120.0
THREADS_ASKED = 1.7
CATALOGUE_ASKED_S = 5.0
MEMORY_ASKED_MIB = 256
START_ASKED_S, COMPILE_ASKED_S = 0.6, 15.0


def best_s(work: Callable[[], object], rounds: int) -> float:
    """Return the least wall time of one round."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def near() -> list[MeanElements]:
    rng = np.random.default_rng(1)
    return [
        circular(
            norad=70_000 + k,
            mean_motion_rev_d=float(rng.uniform(14.2, 15.4)),
            eccentricity=float(rng.uniform(0.0001, 0.003)),
            inclination_deg=float(rng.choice([45.4, 53.0, 97.6])),
            raan_deg=float(rng.uniform(0, 360)),
            mean_anomaly_deg=float(rng.uniform(0, 360)),
        )
        for k in range(130)
    ]


def deep() -> list[MeanElements]:
    rng = np.random.default_rng(2)
    kinds = [
        (1.0027, 0.0003, 0.05),
        (1.0027, 0.002, 6.0),
        (2.0056, 0.01, 55.0),
        (2.0061, 0.7, 63.4),
        (2.3, 0.72, 7.0),
    ]
    found = []
    for k in range(130):
        motion, eccentricity, inclination = kinds[k % len(kinds)]
        found.append(
            circular(
                norad=71_000 + k,
                mean_motion_rev_d=motion,
                eccentricity=eccentricity,
                inclination_deg=inclination,
                raan_deg=float(rng.uniform(0, 360)),
                mean_anomaly_deg=float(rng.uniform(0, 360)),
                bstar=0.0,
            )
        )
    return found


@pytest.mark.parametrize(("name", "asked"), [("near-earth", NEAR_ASKED), ("deep-space", DEEP_ASKED)])
def test_propagation_beside_python_sgp4(name: str, asked: float) -> None:
    sets = near() if name == "near-earth" else deep()
    satellites = initialise(sets)
    reference = SatrecArray([satrec(s) for s in sets])
    jd = np.full(WEEK_MINUTES.size, 2_461_275.5)
    fraction = (WEEK_MINUTES - AUGUST_23_UTC_NS) / DAY_NS
    states = propagate(satellites, WEEK_MINUTES)
    ratios, rates = [], []
    for _ in range(5):  # in turns, so that both see the same machine
        theirs = best_s(lambda: reference.sgp4(jd, fraction), 1)
        ours = best_s(lambda: propagate(satellites, WEEK_MINUTES, states), 4)
        ratios.append(theirs / ours)
        rates.append(len(sets) * WEEK_MINUTES.size / ours / 1e6)
    error, position, _ = reference.sgp4(jd, fraction)
    good = (error == 0) & (states.error == 0)
    off_m = np.abs(np.moveaxis(states.position_km, 1, 2) - position)[good].max() * 1e3
    ratio = float(np.median(ratios))
    print(
        f"\n{name}: {max(rates):.1f} M/s, {ratio:.1f} × python-sgp4's C++ arrays (asked {asked:.0f}); "
        f"{off_m:.3f} m apart"
    )
    assert off_m < 1.0  # the resolution of a Julian date
    assert ratio > 0.5 * asked  # a loaded machine still shows a broken vector loop


@pytest.mark.parametrize(("name", "asked"), [("near-earth", 2.0), ("deep-space", 1.3)])
def test_propagation_beside_astroz(name: str, asked: float) -> None:
    """Processor time, since the peer may use threads; ours with its arrays used again, as ``propagate`` offers."""
    os.environ.setdefault("ASTROZ_THREADS", "1")
    astroz = pytest.importorskip("astroz.api", reason="astroz is not installed (pip install astroz)")
    sets = near() if name == "near-earth" else deep()
    pairs = [write_tle(one).splitlines()[1:3] for one in sets]
    peer = astroz.SatrecArray([astroz.Satrec.twoline2rv(*pair, astroz.WGS72) for pair in pairs])
    jd = np.full(WEEK_MINUTES.size, 2_461_275.5)
    fraction = (WEEK_MINUTES - AUGUST_23_UTC_NS) / DAY_NS
    ours = initialise(sets)
    states = propagate(ours, WEEK_MINUTES)
    peer.sgp4(jd, fraction)

    def cpu_s(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    rounds = [
        (
            cpu_s(lambda: peer.sgp4(jd, fraction)),
            cpu_s(lambda: propagate(ours, WEEK_MINUTES, states)),
            cpu_s(lambda: propagate(ours, WEEK_MINUTES)),
        )
        for _ in range(8)
    ]
    theirs, reused, fresh = np.array(rounds).T
    ratio, ratio_fresh = float(np.median(theirs / reused)), float(np.median(theirs / fresh))
    print(f"\n{name}: {ratio:.2f} x astroz, {ratio_fresh:.2f} x with arrays made anew (asked {asked} x)")
    assert ratio >= asked


def test_passes_beside_skyfield() -> None:
    sets = near()
    rng = np.random.default_rng(3)
    stations = [
        Station(f"s{k}", float(rng.uniform(-80, 80)), float(rng.uniform(-180, 180)), 100.0) for k in range(10)
    ]
    end = AUGUST_23_UTC_NS + 7 * DAY_NS
    ours = best_s(
        lambda: search_passes(initialise(sets), stations, AUGUST_23_UTC_NS, end, min_elevation_deg=5.0), 7
    )
    found = search_passes(initialise(sets), stations, AUGUST_23_UTC_NS, end, min_elevation_deg=5.0)
    scale = load.timescale()
    t0, t1 = scale.utc(2026, 8, 23), scale.utc(2026, 8, 30)
    # Every tenth satellite over every station, scaled: the whole takes half a minute.
    sample = sets[::10]
    began, theirs_rises = time.perf_counter(), 0
    for elements in sample:
        lines = write_tle(elements).splitlines()
        satellite = EarthSatellite(lines[1], lines[2], lines[0], scale)
        for station in stations:
            place = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.altitude_m)
            _, events = satellite.find_events(place, t0, t1, altitude_degrees=5.0)
            theirs_rises += int((events == 0).sum())
    theirs = (time.perf_counter() - began) * len(sets) / len(sample)
    halves = [sets[::2], sets[1::2]]
    with ThreadPoolExecutor(2) as pool:

        def both() -> None:
            list(
                pool.map(
                    lambda half: search_passes(
                        initialise(half), stations, AUGUST_23_UTC_NS, end, min_elevation_deg=5.0
                    ),
                    halves,
                )
            )

        two = best_s(both, 7)
    in_sample = np.isin(found.satellite, np.arange(0, 130, 10)).sum()
    print(
        f"\npasses, 130 satellites × 10 stations × 7 d: {len(found)} in {ours:.3f} s, {theirs / ours:.0f} × "
        f"skyfield find_events (asked {PASSES_ASKED:.0f}); 2 threads {ours / two:.2f} × one (asked {THREADS_ASKED})"
    )
    assert abs(int(in_sample) - theirs_rises) <= 0.01 * theirs_rises + 2 * len(sample)
    assert theirs / ours > 0.5 * PASSES_ASKED


def test_the_whole_catalogue_over_one_station(test_data: Path) -> None:
    found = read_elements((test_data / "orbits" / "active-2026-08-22.csv").read_text(), source="active").sets
    station = Station("daejeon", 36.372, 127.363, 80.0)
    shares = [found[k::8] for k in range(8)]
    with ThreadPoolExecutor(2) as pool:

        def all_of_it() -> int:
            predictions = pool.map(
                lambda share: predict_passes(share, station, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS), shares
            )
            return sum(len(prediction.passes) for prediction in predictions)

        count = all_of_it()
        seconds = best_s(all_of_it, 3)
    print(
        f"\nfull catalogue: {len(found)} objects, one station, 24 h: {count} passes with their records in "
        f"{seconds:.2f} s on 2 threads: {CATALOGUE_ASKED_S / seconds:.1f} × faster than asked"
    )
    assert seconds < CATALOGUE_ASKED_S


WEEK = """
import time
began = time.process_time()
from agent.orbit import kernels
from agent.orbit.search import kernels as search
print("start", time.process_time() - began)
from agent.orbit.search.grid import search_passes
from agent.orbit.sgp4 import initialise
from agent.records import Station
from tests.orbit.sets import AUGUST_23_UTC_NS, DAY_NS, circular
stations = [Station(f"s{k}", 8.0 * k, 36.0 * k, 0.0) for k in range(10)]
sets = [circular(norad=70_000 + k, raan_deg=2.7 * k, mean_anomaly_deg=7.3 * k) for k in range(130)]
search_passes(initialise(sets), stations, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + 7 * DAY_NS)
# Not ru_maxrss, which remembers the process that was forked.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("memory", int(peak.split()[1]) / 1024)
"""


def measured(environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", WEEK], check=True, capture_output=True, text=True, env={**os.environ, **environment}
    )
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def test_start_from_the_cache_cold_compile_and_memory(tmp_path: Path) -> None:
    cold = measured({"NUMBA_CACHE_DIR": str(tmp_path)})
    warm = min((measured({"NUMBA_CACHE_DIR": str(tmp_path)}) for _ in range(3)), key=lambda m: m["start"])
    print(
        f"\norbit kernels: cached start {warm['start']:.2f} s CPU with Numba's own import (asked {START_ASKED_S}), "
        f"cold compile {cold['start']:.1f} s (asked {COMPILE_ASKED_S:.0f}); 130 × 10 × 7 d in "
        f"{warm['memory']:.0f} MiB (asked {MEMORY_ASKED_MIB})"
    )
    assert cold["start"] < 2 * COMPILE_ASKED_S
    assert warm["start"] < 4 * START_ASKED_S
    assert warm["memory"] < MEMORY_ASKED_MIB
