"""A scenario played in real time: frames are built, sent and counted, hardware is served and broken on time.

Knows the clock and the tasks; what a fault, a modulation or a satellite is, others know. ``Playing`` is an
asynchronous context: when it ends no port, terminal, link or task is left.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from agent.errors import AgentError
from agent.orbit.omm import to_message
from agent.simulator import line_faults
from agent.simulator.air import Air
from agent.simulator.bursts import make_burst
from agent.simulator.faults import JAMMERS, Fault, jammer_of
from agent.simulator.pty_tnc import PtyTnc
from agent.simulator.rtl_tcp_server import FrontEnd, RtlTcpServer
from agent.simulator.scenario import Scenario, Sdr, Tnc, Transmission
from agent.simulator.sky import Sky, make_sky, motion_of
from firmware_protocols import kiss

LEAD_S = 0.25
"""A burst is put on the air so long before it begins: the servers work ahead of nothing."""

WRONG_BAUD_RATIO = 4.0


class _Line:
    """A TNC's port and what is wrong with it now."""

    def __init__(self, table: Tnc) -> None:
        self.table = table
        self.port = PtyTnc(Path(table.link) if table.link else None)
        self.fault: Fault | None = None
        self.held = b""

    def send(self, octets: bytes, chance: random.Random) -> None:
        match self.fault.kind if self.fault else "":
            case "tnc_garble":
                octets = line_faults.garble(octets, self.fault.share if self.fault else 0.0, chance)
            case "tnc_partial":
                octets = line_faults.cut_off(octets, chance)
            case "tnc_wrong_baud":
                baud = self.table.baudrate_bd
                octets = line_faults.at_wrong_baud_rate(octets, baud, baud * WRONG_BAUD_RATIO)
            case "tnc_stall":
                self.held = (self.held + octets)[-65_536:]
                return
        self.port.write(self.held + octets)
        self.held = b""


class Playing:
    """A scenario being played.

    ``transmitted`` counts frames by transmitter, ``faults`` those that happened. ``ports`` overrules where SDRs
    listen; ``sent`` is told the time, the transmitter and the octets of every frame.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        ports: dict[str, int] | None = None,
        sent: Callable[[float, str, bytes], None] | None = None,
    ) -> None:
        self.scenario = scenario
        self._sent = sent
        self.transmitted: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._airs: dict[str, Air] = {}
        self._sdrs: dict[str, RtlTcpServer] = {}
        self._lines: dict[str, _Line] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ports = ports or {}
        self._chance = random.Random(scenario.file.seed)
        self._wear = np.random.Generator(np.random.SFC64(scenario.file.seed))
        self._began_s = 0.0
        self._began_utc_ns = 0
        self._sky: Sky | None = None

    def now_s(self) -> float:
        """Return the scene's time."""
        return time.monotonic() - self._began_s

    def _utc_ns(self, t_s: float) -> int:
        return self._began_utc_ns + round(t_s * 1e9)

    async def __aenter__(self) -> Self:
        self._began_s = time.monotonic()
        self._began_utc_ns = time.time_ns()
        if self.scenario.file.station is not None:
            self._sky = make_sky(self.scenario, self.scenario.file.station, self._began_utc_ns)
        try:
            for sdr in self.scenario.file.sdrs:
                await self._open_sdr(sdr)
            for tnc in self.scenario.file.tncs:
                self._lines[tnc.id] = _Line(tnc)
                self._lines[tnc.id].port.plug()
        except BaseException:
            await self._close()
            raise
        return self

    async def _open_sdr(self, sdr: Sdr) -> None:
        air = self._airs[sdr.id] = Air(sdr.noise_level**2 / sdr.sample_rate_hz)
        front_end = FrontEnd(sdr.crystal_ppm, sdr.dc_offset, sdr.iq_gain_db, sdr.iq_phase_deg, sdr.lump_octets)
        port = self._ports.get(sdr.id, sdr.port)
        server = RtlTcpServer(
            air, self.now_s, host=sdr.host, port=port, front_end=front_end, seed=self.scenario.file.seed
        )
        try:
            await server.open()
        except OSError as exc:
            raise AgentError(
                f"sdr {sdr.id} cannot listen on {sdr.host}:{port}: {exc.strerror} (0 chooses any free port)"
            ) from exc
        self._sdrs[sdr.id] = server

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self._lines.values():
            line.port.close()
        for server in self._sdrs.values():
            await server.close()

    async def play(self, *, seconds: float | None = None) -> None:
        """Play until cancelled, or for so many seconds."""
        async with asyncio.timeout(seconds) as limit:
            try:
                async with asyncio.TaskGroup() as group:
                    for transmission in self.scenario.transmissions:
                        group.create_task(self._transmit(transmission), name=transmission.label)
                    for fault in self.scenario.file.faults:
                        group.create_task(self._break(fault), name=fault.kind)
                    group.create_task(self._sweep_the_air(), name="air")
            except asyncio.CancelledError:
                if not limit.expired():
                    raise

    def sdr(self, name: str) -> RtlTcpServer:
        """Return the server of an SDR, to break it by hand."""
        return self._sdrs[name]

    def ready(self) -> dict[str, Any]:
        """Describe what is served, for whoever connects to it."""
        file = self.scenario.file
        return {
            "record": "ready",
            "scenario": self.scenario.name,
            "station": msgspec.to_builtins(file.station),
            "elements": [to_message(item) for item in self._sky.elements.values()] if self._sky else [],
            "rtl_tcp": {
                sdr.id: {
                    "host": sdr.host,
                    "port": self._sdrs[sdr.id].port,
                    "frequency_hz": sdr.frequency_hz,
                    "sample_rate_hz": sdr.sample_rate_hz,
                }
                for sdr in file.sdrs
            },
            "serial_port": {
                tnc.id: {"port": self._lines[tnc.id].port.path, "baudrate_bd": tnc.baudrate_bd} for tnc in file.tncs
            },
            "transmitters": [
                {
                    "satellite": item.slug,
                    "downlink": item.downlink.name,
                    "frequency_hz": item.downlink.frequency_hz,
                    "through": item.table.tnc or "air",
                    "every_s": item.table.every_s,
                }
                for item in self.scenario.transmissions
            ],
        }

    def summary(self) -> dict[str, Any]:
        """Say what was done, as the ledger's first column."""
        return {
            "record": "summary",
            "scenario": self.scenario.name,
            "played_s": round(self.now_s(), 3),
            "transmitted": dict(self.transmitted),
            "faults": dict(self.faults),
            "serial_octets": {
                id_: {"sent": line.port.sent, "unheard": line.port.unheard} for id_, line in self._lines.items()
            },
            "samples": {
                id_: {"sent": server.samples_sent, "dropped": server.samples_dropped}
                for id_, server in self._sdrs.items()
            },
        }

    # -- transmitting ------------------------------------------------------------------------------------------

    async def _transmit(self, transmission: Transmission) -> None:
        table = transmission.table
        number = max(0, math.ceil((self.now_s() + LEAD_S - table.first_s) / table.every_s))
        while True:
            due_s = table.first_s + number * table.every_s
            if table.tnc is not None:
                await self._until(due_s)
                frame = transmission.model.frame(due_s, self._utc_ns(due_s))
                self._lines[table.tnc].send(kiss.encode(frame, kiss.Options()), self._chance)
                self._count(transmission, due_s, frame)
            else:
                await self._until(due_s - LEAD_S)
                self._on_the_air(transmission, due_s)
            number += 1

    def _on_the_air(self, transmission: Transmission, due_s: float) -> None:
        motion = motion_of(transmission, self._sky, self._utc_ns(due_s))
        if motion is None:
            return
        frame = transmission.model.frame(due_s, self._utc_ns(due_s))
        self._count(transmission, due_s, frame)
        burst = make_burst(transmission, frame, due_s, motion, self._wear)
        for air in self._airs.values():
            air.transmit(burst)

    def _count(self, transmission: Transmission, due_s: float, frame: bytes) -> None:
        self.transmitted[transmission.label] += 1
        if self._sent is not None:
            self._sent(due_s, transmission.label, frame)

    async def _sweep_the_air(self) -> None:
        while True:
            for air in self._airs.values():
                air.forget_before(self.now_s() - 5.0)
            await asyncio.sleep(1.0)

    async def _until(self, moment_s: float) -> None:
        await asyncio.sleep(max(0.0, moment_s - self.now_s()))

    # -- breaking ----------------------------------------------------------------------------------------------

    async def _break(self, fault: Fault) -> None:
        await self._until(fault.at_s)
        self.faults[fault.kind] += 1
        if fault.kind in JAMMERS:
            sdr = next(item for item in self.scenario.file.sdrs if item.id == fault.target)
            jammer = jammer_of(fault, sdr.frequency_hz, sdr.noise_level**2)
            if jammer is not None:
                self._airs[sdr.id].jam(jammer)
        elif fault.target in self._sdrs:
            await self._break_sdr(fault, self._sdrs[fault.target])
        else:
            await self._break_line(fault, self._lines[fault.target])

    async def _break_sdr(self, fault: Fault, server: RtlTcpServer) -> None:
        match fault.kind:
            case "sdr_disconnect":
                await server.disconnect()
            case "sdr_absent":
                await server.close()
                await self._until(fault.at_s + fault.for_s)
                await server.open()
            case "sdr_stall":
                server.stall(fault.for_s)
            case "sdr_overrun":
                server.overrun(fault.for_s)
            case "sdr_gain_step":
                server.gain_step_db = fault.level_db
                await self._until(fault.at_s + fault.for_s)
                server.gain_step_db = 0.0

    async def _break_line(self, fault: Fault, line: _Line) -> None:
        if fault.kind == "tnc_unplug":
            line.port.unplug()
        else:
            line.fault = fault
        await self._until(fault.at_s + fault.for_s)
        if fault.kind == "tnc_unplug":
            line.port.plug()
        elif line.fault is fault:
            line.fault = None
