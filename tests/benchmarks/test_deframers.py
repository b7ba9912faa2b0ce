"""How much faster than real time the deframers are, on noise, the worst that reaches them day and night."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from firmware_protocols.interface import make_deframer

BAUDRATE_BD = 9600
SECONDS = 20
BLOCK_SYMBOLS = 480  # 50 ms
ASKED_TIMES_REAL_TIME = 100
"""One percent of a core for one hypothesis of one downlink; a quarter of that speed still serves a Raspberry Pi."""

CASES: list[tuple[str, dict[str, Any], int]] = [
    ("ax25", {"scrambler": "g3ruh"}, 1),
    ("ax25", {"nrzi": False}, 2),
    ("ax100", {}, 1),
    ("ax100", {"mode": "reed_solomon"}, 1),
    ("u482c", {}, 1),
    ("ccsds_tm_sync", {"reed_solomon": "dual"}, 1),
    ("ccsds_tm_sync", {"reed_solomon": "dual", "convolutional": "ccsds"}, 2),
    ("ao40_fec", {}, 1),
    ("usp", {}, 1),
    ("lilacsat1", {}, 2),
    ("fx25", {}, 1),
    ("il2p", {}, 1),
    ("mobitex", {"variant": "nx"}, 1),
]
"""Protocol, its options, and how many searches it makes side by side (polarities, phases of a code)."""


@pytest.mark.benchmark
@pytest.mark.parametrize(("name", "options", "searches"), CASES, ids=str)
def test_a_deframer_keeps_far_ahead_of_its_noise(name: str, options: dict[str, Any], searches: int) -> None:
    noise = np.random.default_rng(1).standard_normal(BAUDRATE_BD * SECONDS).astype(np.float32)
    _, deframer = make_deframer(name, options)
    deframer.feed(noise[: 10 * BLOCK_SYMBOLS])
    began = time.process_time()
    for start in range(0, noise.size, BLOCK_SYMBOLS):
        deframer.feed(noise[start : start + BLOCK_SYMBOLS])
    ratio = SECONDS / (time.process_time() - began)
    print(f"\n{name} {options}: {ratio:,.0f} times real time at {BAUDRATE_BD} Bd")
    assert ratio >= ASKED_TIMES_REAL_TIME / searches
