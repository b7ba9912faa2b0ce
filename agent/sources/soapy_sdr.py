"""IQ from any SDR that SoapySDR drives, where its Python module is installed (Debian: ``python3-soapysdr``).

The module is no wheel: the agent's environment must see the system's packages. Knows how a device is opened, set
and read in a thread; one block is in flight at a time. Source: SoapySDR 0.8 API, ``Device.hpp`` and ``Errors.hpp``.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from types import TracebackType
from typing import Annotated, Any, Final, Self

import numpy as np
from msgspec import Meta, field

from agent.errors import SourceLost, SourceStalled
from agent.records import IqBlock
from agent.sources import Signal, SourceTable
from agent.sources.samples.clock import SampleClock

SIGNAL: Signal = "iq"

BLOCK_S = 0.05
READ_TIMEOUT_S = 0.1
TIMEOUT, OVERFLOW = -1, -4
"""SOAPY_SDR_TIMEOUT and SOAPY_SDR_OVERFLOW."""
NO_MODULE: Final = (
    "SoapySDR's Python module is not installed (sudo apt install python3-soapysdr, and make the environment with"
    " --system-site-packages)"
)


class Options(SourceTable, frozen=True, kw_only=True):
    """Which device (``device = { driver = "airspy" }``) and its setting; without ``gain_db`` it sets the gain."""

    frequency_hz: Annotated[float, Meta(gt=0, le=1e11)]
    device: dict[str, str] = field(default_factory=dict)
    channel: Annotated[int, Meta(ge=0, le=15)] = 0
    antenna: str | None = None
    sample_rate_hz: Annotated[float, Meta(gt=0, le=1e8)] = 1_024_000.0
    bandwidth_hz: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    gain_db: Annotated[float, Meta(ge=-100, le=200)] | None = None
    ppm: Annotated[float, Meta(ge=-1000, le=1000)] = 0.0
    stall_s: Annotated[float, Meta(ge=0.5, le=60)] = 3.0


class Source:
    """An open device with its stream running."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.overflows = 0
        self._soapy: Any = None
        self._device: Any = None
        self._stream: Any = None
        self._reading: asyncio.Task[IqBlock] | None = None
        self._clock = SampleClock(options.sample_rate_hz)

    async def __aenter__(self) -> Self:
        try:
            self._soapy = importlib.import_module("SoapySDR")
        except ImportError as exc:
            raise SourceLost(NO_MODULE) from exc
        try:
            await asyncio.to_thread(self._open)
        except (RuntimeError, ValueError) as exc:  # what its bindings raise
            await self._close()
            raise SourceLost(f"SoapySDR {self._name}: {exc} (SoapySDRUtil --find lists the devices)") from exc
        self._clock = SampleClock(self.options.sample_rate_hz)
        return self

    @property
    def _name(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.options.device.items()) or "device"

    def _open(self) -> None:
        options, rx = self.options, self._soapy.SOAPY_SDR_RX
        device = self._device = self._soapy.Device(dict(options.device))
        device.setSampleRate(rx, options.channel, options.sample_rate_hz)
        if options.bandwidth_hz is not None:
            device.setBandwidth(rx, options.channel, options.bandwidth_hz)
        if options.antenna is not None:
            device.setAntenna(rx, options.channel, options.antenna)
        if options.ppm:
            device.setFrequencyCorrection(rx, options.channel, options.ppm)
        device.setFrequency(rx, options.channel, options.frequency_hz)
        if options.gain_db is None:
            device.setGainMode(rx, options.channel, True)
        else:
            device.setGainMode(rx, options.channel, False)
            device.setGain(rx, options.channel, options.gain_db)
        self._stream = device.setupStream(rx, self._soapy.SOAPY_SDR_CF32, [options.channel])
        device.activateStream(self._stream)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        if self._reading is not None:
            await asyncio.wait([self._reading])
            self._reading = None
        device, stream = self._device, self._stream
        self._device = self._stream = None
        if device is not None and stream is not None:
            await asyncio.to_thread(device.deactivateStream, stream)
            await asyncio.to_thread(device.closeStream, stream)

    async def read(self) -> IqBlock:
        """Wait for a block of 50 ms; a cancelled read leaves it for the next one."""
        if self._stream is None:
            raise SourceLost(f"source {self.options.id} is not open")
        if self._reading is None:
            self._reading = asyncio.create_task(asyncio.to_thread(self._read_block))
        block = await asyncio.shield(self._reading)
        self._reading = None
        return block

    def _read_block(self) -> IqBlock:
        """Fill a block; runs in a thread and returns, block or not, soon after ``stall_s`` at the latest."""
        wanted = max(1, int(self.options.sample_rate_hz * BLOCK_S))
        samples = np.zeros(wanted, np.complex64)
        have = 0
        give_up_s = time.monotonic() + self.options.stall_s
        while have < wanted:
            result = self._device.readStream(
                self._stream, [samples[have:]], wanted - have, timeoutUs=int(READ_TIMEOUT_S * 1e6)
            )
            if result.ret > 0:
                have += result.ret
            elif result.ret == OVERFLOW:
                self.overflows += 1
            elif result.ret not in (0, TIMEOUT):
                raise SourceLost(f"SoapySDR {self._name}: reading failed with code {result.ret}")
            if have < wanted and time.monotonic() > give_up_s:
                raise SourceStalled(f"SoapySDR {self._name} has stalled for {self.options.stall_s:g} s")
        start_utc_ns, lost = self._clock.stamp(wanted, time.monotonic_ns(), time.time_ns())
        return IqBlock(samples, self.options.sample_rate_hz, self.options.frequency_hz, start_utc_ns, lost)
