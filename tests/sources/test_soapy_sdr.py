"""The SoapySDR source against a driver written here from its API, which times out, overflows and fails."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from agent.errors import SourceLost
from agent.sources.soapy_sdr import OVERFLOW, TIMEOUT, Options, Source

RATE = 48_000.0


class Driver:
    """Answers each ``readStream`` with the next of ``answers``: samples to give, or an error's code."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers
        self.calls: list[tuple[object, ...]] = []
        self.given = 0

    def __getattr__(self, name: str) -> object:
        def call(*arguments: object) -> str:
            self.calls.append((name, *arguments))
            return "stream"

        return call

    def readStream(self, stream: str, buffers: list[np.ndarray], count: int, timeoutUs: int) -> SimpleNamespace:
        assert stream == "stream"
        assert timeoutUs <= 500_000, "a thread cannot be cancelled: it must return soon"
        answer = self.answers.pop(0) if self.answers else TIMEOUT
        if answer > 0:
            answer = min(answer, count)
            buffers[0][:answer] = np.arange(self.given, self.given + answer)
            self.given += answer
        return SimpleNamespace(ret=answer)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver([])
    module = ModuleType("SoapySDR")
    module.SOAPY_SDR_RX = 1  # type: ignore[attr-defined]  # a fake's
    module.SOAPY_SDR_CF32 = "CF32"  # type: ignore[attr-defined]  # a fake's

    def device(arguments: dict[str, str]) -> Driver:
        if arguments.get("driver") == "absent":
            raise RuntimeError("SoapySDR::Device::make() no match")
        return driver

    module.Device = device  # type: ignore[attr-defined]  # a fake's
    monkeypatch.setitem(sys.modules, "SoapySDR", module)
    return driver


def options(**more: object) -> Options:
    table = {"id": "sdr", "kind": "soapy_sdr", "frequency_hz": 437e6, "sample_rate_hz": RATE, "stall_s": 0.5}
    return Options(**(table | more))  # type: ignore[arg-type]  # tables are loose


async def test_pieces_are_put_together_and_overflows_counted(driver: Driver) -> None:
    driver.answers = [1000, TIMEOUT, 300, OVERFLOW, 5000, 5000]
    async with Source(options()) as source:
        first, second = await source.read(), await source.read()
    got = np.concatenate([first.samples, second.samples])
    assert np.array_equal(got.real, np.arange(4800))
    assert source.overflows == 1
    assert first.center_frequency_hz == 437e6


async def test_the_device_is_set_as_configured_and_closed(driver: Driver) -> None:
    async with Source(options(gain_db=30.0, ppm=2.5, antenna="LNAW", channel=1)):
        pass
    assert ("setSampleRate", 1, 1, RATE) in driver.calls
    assert ("setFrequency", 1, 1, 437e6) in driver.calls
    assert ("setFrequencyCorrection", 1, 1, 2.5) in driver.calls
    assert ("setGainMode", 1, 1, False) in driver.calls
    assert ("setGain", 1, 1, 30.0) in driver.calls
    assert [call[0] for call in driver.calls[-2:]] == ["deactivateStream", "closeStream"]


async def test_a_device_that_stalls_or_fails_is_a_lost_source(driver: Driver) -> None:
    async with Source(options()) as source:
        with pytest.raises(SourceLost, match="has stalled"):
            await source.read()
    driver.answers = [-2]
    async with Source(options()) as source:
        with pytest.raises(SourceLost, match="failed with code -2"):
            await source.read()


async def test_an_absent_device_is_named(driver: Driver) -> None:
    with pytest.raises(SourceLost, match=r"driver=absent.*no match.*SoapySDRUtil --find"):
        async with Source(options(device={"driver": "absent"})):
            pass


async def test_an_absent_module_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SoapySDR", None)
    with pytest.raises(SourceLost, match="apt install python3-soapysdr"):
        async with Source(options()):
            pass
