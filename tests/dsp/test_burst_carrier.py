"""A frame's carrier from its own samples: right to a few hertz whatever lies around the burst."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.dsp.burst_carrier import BurstCarrier, SymbolMemory
from agent.records import IqBlock

S = 1_000_000_000
RATE_HZ, BAUD = 38_400.0, 9600.0
START_NS = 1_790_000_000 * S
AT_S, SYMBOLS = 0.31, 420
A_FEW_HZ = 3.0
ONE_FRAME_HZ = 30.0
"""One frame at 9 dB cannot tell its deviation from its carrier any better."""
NS_OF_A_SYMBOL = round(S / BAUD)


def symbols(seed: int = 1) -> NDArray[np.int8]:
    return np.random.default_rng(seed).choice(np.array([-1, 1], dtype=np.int8), SYMBOLS)


def burst(
    kind: str, offset_hz: float, esn0_db: float, data: NDArray[np.int8], seed: int = 2
) -> NDArray[np.complex64]:
    """One second of noise with a burst in it."""
    chance = np.random.default_rng(seed)
    count = round(RATE_HZ)
    times = np.arange(count) / RATE_HZ
    within = (times - AT_S) * BAUD + 1e-6
    inside = (within >= 0) & (within < len(data))
    values = np.where(inside, data[np.clip(within.astype(int), 0, len(data) - 1)], 0)
    if kind == "fsk":
        signal = inside * np.exp(2j * np.pi * np.cumsum(values) * 0.28 * BAUD / RATE_HZ)
    else:
        signal = values.astype(np.complex128)
    noise = np.sqrt(RATE_HZ / BAUD / 2.0) * 10 ** (-esn0_db / 20)
    whole = signal * np.exp(2j * np.pi * (offset_hz * times + 0.1))
    whole += noise * (chance.standard_normal(count) + 1j * chance.standard_normal(count))
    return np.asarray(0.1 * whole, np.complex64)


def fed(meter: BurstCarrier, samples: NDArray[np.complex64], cut: int = 1900) -> BurstCarrier:
    for first in range(0, len(samples), cut):
        meter.feed(IqBlock(samples[first : first + cut], RATE_HZ, 0.0, START_NS + round(first / RATE_HZ * S)))
    return meter


def middle_ns(at_s: float = AT_S) -> int:
    """Where the first symbol's middle lies."""
    return START_NS + round(at_s * S) + NS_OF_A_SYMBOL // 2


@pytest.mark.parametrize("offset_hz", [-4000.0, -350.0, 0.0, 2_750.0])
@pytest.mark.parametrize(
    ("kind", "esn0_db", "within_hz"),
    [("fsk", 9.0, ONE_FRAME_HZ), ("fsk", 20.0, 8.0), ("bpsk", 9.0, A_FEW_HZ), ("bpsk", 20.0, A_FEW_HZ)],
)
def test_the_first_frame_shows_its_carrier(kind: str, esn0_db: float, within_hz: float, offset_hz: float) -> None:
    data = symbols()
    meter = fed(BurstCarrier(kind, BAUD, {}, RATE_HZ), burst(kind, offset_hz, esn0_db, data))
    found = meter.measure(middle_ns(), data)
    assert found is not None
    assert found[0] == pytest.approx(offset_hz, abs=within_hz)
    assert found[1] == pytest.approx(START_NS + round((AT_S + SYMBOLS / BAUD / 2) * S), abs=2 * NS_OF_A_SYMBOL)


def test_a_deviation_that_nobody_has_told_is_learnt_from_frame_to_frame() -> None:
    meter, misses = BurstCarrier("fsk", BAUD, {}, RATE_HZ), []
    for number in range(40):
        data = symbols(number)
        samples = burst("fsk", 1200.0, 9.0, data, seed=100 + number)
        for first in range(0, len(samples), 1900):
            start_ns = START_NS + number * S + round(first / RATE_HZ * S)
            meter.feed(IqBlock(samples[first : first + 1900], RATE_HZ, 0.0, start_ns))
        found = meter.measure(middle_ns(number + AT_S), data)
        assert found is not None
        misses.append(abs(found[0] - 1200.0))
    assert max(misses) < 60.0
    assert np.sqrt(np.mean(np.square(misses[20:]))) < 6.0


def test_a_symbol_of_timing_error_does_no_harm_and_the_next_frame_is_as_good() -> None:
    data = symbols()
    meter = fed(BurstCarrier("fsk", BAUD, {}, RATE_HZ), burst("fsk", 1200.0, 12.0, data))
    for late in (1, -1, 0):
        found = meter.measure(middle_ns() + late * NS_OF_A_SYMBOL, data)
        assert found is not None
        assert found[0] == pytest.approx(1200.0, abs=ONE_FRAME_HZ)


def test_symbols_that_are_not_those_of_the_samples_show_no_carrier() -> None:
    meter = fed(BurstCarrier("fsk", BAUD, {}, RATE_HZ), burst("fsk", 1200.0, 12.0, symbols()))
    assert meter.measure(middle_ns(), symbols(7)) is None


def test_what_is_no_longer_remembered_or_of_another_modulation_is_not_measured() -> None:
    data = symbols()
    samples = burst("fsk", 1200.0, 12.0, data)
    meter = fed(BurstCarrier("fsk", BAUD, {}, RATE_HZ), samples)
    assert meter.measure(middle_ns() - 10 * S, data) is None
    assert meter.measure(middle_ns(), data[:10]) is None
    assert not BurstCarrier("afsk", BAUD, {}, RATE_HZ).measures
    meter.feed(IqBlock(samples[:100], RATE_HZ, 0.0, START_NS + S, lost_before=5))
    assert meter.measure(middle_ns(), data) is None


def test_a_memory_gives_the_signs_of_symbols_by_their_offset_and_forgets_the_oldest() -> None:
    memory = SymbolMemory()
    soft = np.linspace(-1.0, 1.0, 1000, dtype=np.float32)
    for first in range(0, 1000, 130):
        memory.remember(soft[first : first + 130])
    assert memory.take(120, 30).tolist() == [-1] * 30
    assert memory.take(495, 10).tolist() == [-1] * 5 + [1] * 5
    assert len(memory.take(990, 100)) == 10
    for _ in range(300):
        memory.remember(soft)
    assert len(memory.take(0, 10)) == 0
