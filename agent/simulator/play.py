"""A scenario played in real time: frames are built, sent and counted, hardware is served and broken on time.

Knows the clock and the tasks; what a fault, a modulation or a satellite is, others know. ``Playing`` is an
asynchronous context: when it ends no port, terminal, link or task is left.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from agent.errors import AgentError
from agent.orbit.elements import MeanElements
from agent.orbit.omm import to_message
from agent.simulator.air import Air
from agent.simulator.bursts import make_burst
from agent.simulator.carrier import Carrier
from agent.simulator.continuous import ContinuousSignal
from agent.simulator.faults import KINDS, Fault, needs_agent
from agent.simulator.gateway import PlayedGateway
from agent.simulator.impostors import Impostor, Sent, Turn
from agent.simulator.neighbours import Neighbour, neighbours_burst
from agent.simulator.radio import PlayedRadio
from agent.simulator.rtl_tcp_server import FrontEnd, RtlTcpServer
from agent.simulator.satellite_model import SatelliteModel
from agent.simulator.scenario import Scenario, Sdr, Transmission
from agent.simulator.serial_line import SerialLine
from agent.simulator.sky import Sky, elsewhere, make_sky, motion_of
from agent.simulator.surroundings import Surroundings
from firmware_protocols import kiss

LEAD_S = 0.25
"""A burst is put on the air so long before it begins: the servers work ahead of nothing."""

MAX_HEARD = 4096
"""So many frames of a satellite can be replayed."""

ELSEWHERE_S = 15.0
"""A wrong satellite is overhead so much later than the right one."""


class Playing:
    """A scenario being played.

    ``transmitted`` counts frames by transmitter, ``faults`` those that happened. ``ports`` overrules where SDRs
    listen; ``sent`` is told the time, the transmitter and the octets of every frame, ``impersonated`` those that
    somebody else sent in its place; ``happened`` of every fault that begins (true) and ends.

    The scene's clock begins when the hardware does, the play when ``play`` is called.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        ports: dict[str, int] | None = None,
        sent: Callable[[float, str, bytes], None] | None = None,
        impersonated: Callable[[float, str, bytes], None] | None = None,
        happened: Callable[[Fault, bool], None] | None = None,
    ) -> None:
        self.scenario = scenario
        self._sent = sent
        self._impersonated = impersonated
        self._happened = happened
        self._surroundings: Surroundings | None = None
        self._prepared: dict[Fault, AsyncExitStack] = {}
        self.transmitted: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._airs: dict[str, Air] = {}
        self._sdrs: dict[str, RtlTcpServer] = {}
        self._lines: dict[str, SerialLine] = {}
        self._gateways: dict[str, PlayedGateway] = {}
        self._radios: dict[str, PlayedRadio] = {}
        self._impostors: dict[str, Impostor] = {}
        self._heard: defaultdict[str, deque[Sent]] = defaultdict(lambda: deque(maxlen=MAX_HEARD))
        self._tasks: list[asyncio.Task[None]] = []
        self._ports = ports or {}
        self._chance = random.Random(scenario.file.seed)
        self._wear = np.random.Generator(np.random.SFC64(scenario.file.seed))
        self._began_s = 0.0
        self._began_utc_ns = 0
        self._play_began_s = 0.0
        self._sky: Sky | None = None

    def now_s(self) -> float:
        """Return the scene's time."""
        return time.monotonic() - self._began_s

    def played_s(self) -> float:
        """Return the time of the play."""
        return self.now_s() - self._play_began_s

    def _utc_ns(self, t_s: float) -> int:
        return self._began_utc_ns + round((t_s + self._play_began_s) * 1e9)

    async def __aenter__(self) -> Self:
        self._began_s = time.monotonic()
        self._began_utc_ns = time.time_ns()
        if self.scenario.file.station is not None:
            self._sky = make_sky(self.scenario, self.scenario.file.station, self._began_utc_ns)
        try:
            for sdr in self.scenario.file.sdrs:
                await self._open_sdr(sdr)
            for radio in self.scenario.file.radios:
                air = self._airs[radio.id] = Air(radio.noise_level**2 / radio.sample_rate_hz)
                self._radios[radio.id] = PlayedRadio(radio, air, self.now_s, self.scenario.file.seed)
            for tnc in self.scenario.file.tncs:
                self._lines[tnc.id] = SerialLine(tnc.link, tnc.baudrate_bd)
                self._lines[tnc.id].port.plug()
            for gateway in self.scenario.file.gateways:
                self._gateways[gateway.id] = await PlayedGateway(gateway).__aenter__()
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
        for radio in self._radios.values():
            radio.close()
        for gateway in self._gateways.values():
            await gateway.__aexit__(None, None, None)
        for server in self._sdrs.values():
            await server.close()

    async def play(self, *, seconds: float | None = None) -> None:
        """Play until cancelled, or for so many seconds."""
        self._play_began_s = self.now_s()
        async with asyncio.timeout(seconds) as limit:
            try:
                async with asyncio.TaskGroup() as group:
                    for transmission in self.scenario.transmissions:
                        group.create_task(self._transmit(transmission), name=transmission.label)
                    for radio in self._radios.values():
                        group.create_task(radio.play(), name=radio.table.id)
                    for neighbour in self.scenario.file.neighbours:
                        group.create_task(self._neighbour(neighbour), name="neighbour")
                    for fault in self.faults_to_play():
                        group.create_task(self._break(fault), name=fault.kind)
                    group.create_task(self._sweep_the_air(), name="air")
            except asyncio.CancelledError:
                if not limit.expired():
                    raise
            except BaseExceptionGroup as group:
                # What cannot be played is one thing, in its own words; anything else is an error of ours.
                first = group.exceptions[0]
                if len(group.exceptions) == 1 and isinstance(first, AgentError):
                    raise first from None
                raise

    def elements(self) -> list[MeanElements]:
        """List the sets by which the scenario's satellites fly."""
        return list(self._sky.elements.values()) if self._sky is not None else []

    def surround(self, surroundings: Surroundings) -> None:
        """Say what an agent stands on that runs with the scenario."""
        self._surroundings = surroundings

    async def prepare(self) -> None:
        """Do what is wrong with the elements from the beginning: an agent that starts now finds it so."""
        for fault in self.faults_to_play():
            if fault.at_s == 0 and KINDS[fault.kind].victim == "elements":
                self._prepared[fault] = AsyncExitStack()
                await self._prepared[fault].enter_async_context(KINDS[fault.kind].happen(self, fault))

    def faults_to_play(self) -> list[Fault]:
        """List the faults that can happen here: those of an agent's surroundings only where there is an agent."""
        return [
            fault for fault in self.scenario.file.faults if self._surroundings is not None or not needs_agent(fault)
        ]

    # -- what a fault can lay its hands on ---------------------------------------------------------------------

    def scene_s(self, played_s: float) -> float:
        """Turn a time of the play into one of the scene's clock, which the hardware runs by."""
        return played_s + self._play_began_s

    async def until(self, played_s: float) -> None:
        """Wait until a time of the play."""
        await asyncio.sleep(max(0.0, played_s - self.played_s()))

    def sdr(self, name: str) -> RtlTcpServer:
        """Return the server of an SDR."""
        return self._sdrs[name]

    def air(self, name: str) -> Air:
        """Return the air that an SDR hears."""
        return self._airs[name]

    def center_hz(self, name: str) -> float:
        """Return where an SDR is advised to be tuned."""
        return self._sdr_table(name).frequency_hz

    def noise_power(self, name: str) -> float:
        """Return the noise in an SDR's whole band, full scale 1."""
        return self._sdr_table(name).noise_level ** 2

    def _sdr_table(self, name: str) -> Sdr:
        return next(item for item in self.scenario.file.sdrs if item.id == name)

    def line(self, name: str) -> SerialLine:
        """Return a TNC's line."""
        return self._lines[name]

    def models(self, satellite: str) -> list[SatelliteModel]:
        """Return what a satellite's transmitters send, one of each."""
        return [item.model for item in self.scenario.transmissions if item.slug == satellite]

    @asynccontextmanager
    async def impersonate(self, satellite: str, impostor: Impostor) -> AsyncIterator[None]:
        """Let somebody else transmit in a satellite's place, until the context ends."""
        self._impostors[satellite] = impostor
        try:
            yield
        finally:
            del self._impostors[satellite]

    @property
    def surroundings(self) -> Surroundings:
        """Return what the agent stands on."""
        if self._surroundings is None:
            raise AgentError("there is no agent whose surroundings could be broken")
        return self._surroundings

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
            "radio": {
                id_: {"host": radio.table.host, "port": radio.port, "sample_rate_hz": radio.table.sample_rate_hz}
                for id_, radio in self._radios.items()
            },
            "gateway": {id_: gateway.description() for id_, gateway in self._gateways.items()},
            "satellite_directories": [str(folder) for folder in self.scenario.satellite_directories],
            "transmitters": [
                {
                    "satellite": item.slug,
                    "downlink": item.downlink.name,
                    "frequency_hz": item.downlink.frequency_hz,
                    "through": item.through,
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
            "faults_left_out": [fault.kind for fault in self.scenario.file.faults if needs_agent(fault)]
            if self._surroundings is None
            else [],
            "serial_octets": {
                id_: {"sent": line.port.sent, "unheard": line.port.unheard} for id_, line in self._lines.items()
            },
            "gateway_frames": {
                id_: {"sent": gateway.sent, "unheard": gateway.unheard} for id_, gateway in self._gateways.items()
            },
            "samples": {
                id_: {"sent": server.samples_sent, "dropped": server.samples_dropped}
                for id_, server in self._sdrs.items()
            },
        }

    # -- transmitting ------------------------------------------------------------------------------------------

    async def _transmit(self, transmission: Transmission) -> None:
        table = transmission.table
        if table.continuous:
            await self._transmit_continuously(transmission)
        number = max(0, math.ceil((self.played_s() + LEAD_S - table.first_s) / table.every_s))
        while True:
            due_s = table.first_s + number * table.every_s
            if transmission.through != "air":
                await self.until(due_s)
                self._on_the_line(transmission, due_s)
            else:
                await self.until(due_s - LEAD_S)
                self._on_the_air(transmission, due_s)
            number += 1

    async def _neighbour(self, neighbour: Neighbour) -> None:
        due_s = max(neighbour.first_s, self.played_s() + LEAD_S)
        while True:
            await self.until(due_s - LEAD_S)
            burst = neighbours_burst(neighbour, self.scene_s(due_s), self._wear)
            for air in self._airs.values():
                air.transmit(burst)
            due_s += max(neighbour.every_s, neighbour.burst_s)

    async def _transmit_continuously(self, transmission: Transmission) -> None:
        begin_s = max(transmission.table.first_s, self.played_s() + LEAD_S)
        signal = ContinuousSignal(transmission, self.scene_s(begin_s), self._wear)
        while True:
            due_s = signal.next_s - self._play_began_s
            await self.until(due_s - 2 * LEAD_S)
            motion = motion_of(transmission, self._sky, self._utc_ns(due_s))
            sent = None if motion is None else self._in_its_place(transmission, due_s, motion)
            if sent is None:
                signal.silence(signal.next_s + 1.0)
                continue
            burst = signal.send(sent.frame, sent.carrier)
            if burst is not None:
                for air in self._airs.values():
                    air.transmit(burst)

    def _on_the_line(self, transmission: Transmission, due_s: float) -> None:
        sent = self._in_its_place(transmission, due_s, Carrier(0.0, 0.0))
        if sent is None:
            return
        if transmission.through in self._lines:
            self._lines[transmission.through].send(kiss.encode(sent.frame, kiss.Options()), self._chance)
        else:
            self._gateways[transmission.through].send(sent.frame)

    def _on_the_air(self, transmission: Transmission, due_s: float) -> None:
        impostor = self._impostors.get(transmission.slug)
        motion = motion_of(transmission, self._sky, self._utc_ns(due_s))
        if motion is None and impostor is None:
            return
        sent = self._in_its_place(transmission, due_s, motion)
        if sent is None:
            return
        burst = make_burst(transmission, sent.frame, self.scene_s(due_s), sent.carrier, self._wear)
        if impostor is not None:
            burst = replace(burst, ebn0_db=burst.ebn0_db + impostor.level_db)
        for air in self._airs.values():
            air.transmit(burst)

    def _in_its_place(self, transmission: Transmission, due_s: float, motion: Carrier | None) -> Sent | None:
        """Return what is sent when a transmitter is due, by itself or by whoever has taken its place."""
        if transmission.model.silent:
            return None
        frame = transmission.model.frame(due_s, self._utc_ns(due_s))
        impostor = self._impostors.get(transmission.slug)
        if impostor is None:
            sent = Sent(frame, motion or Carrier(0.0, 0.0))
            self._heard[transmission.label].append(sent)
            self.transmitted[transmission.label] += 1
            if self._sent is not None:
                self._sent(due_s, transmission.label, frame)
            return sent
        turn = Turn(
            frame,
            lambda: motion,
            lambda: elsewhere(transmission, self._sky, self._utc_ns(due_s), ELSEWHERE_S),
            self._heard[transmission.label],
        )
        taken = impostor.send(turn)
        if taken is not None and self._impersonated is not None:
            self._impersonated(due_s, transmission.label, taken.frame)
        return taken

    async def _sweep_the_air(self) -> None:
        while True:
            for air in self._airs.values():
                air.forget_before(self.now_s() - 5.0)
            await asyncio.sleep(1.0)

    # -- breaking ----------------------------------------------------------------------------------------------

    async def _break(self, fault: Fault) -> None:
        await self.until(fault.at_s)
        prepared = self._prepared.pop(fault, None)
        async with prepared or AsyncExitStack() as stack:
            if prepared is None:
                await stack.enter_async_context(KINDS[fault.kind].happen(self, fault))
            self.faults[fault.kind] += 1
            if self._happened is not None:
                self._happened(fault, True)
                stack.callback(self._happened, fault, False)
            await self.until(fault.end_s)
