"""A fleet of simulated satellites in Walker sets, with a file each, and a TNC that hears whichever is up.

Knows orbits, satellite files and KISS; no agent. The frames of a week are worked out beforehand, from the passes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from agent.orbit.elements import MeanElements
from agent.orbit.omm import to_message
from agent.orbit.passes import predict_passes
from agent.records import Station
from firmware_protocols import ax25, kiss

STATION = Station("fleet", 36.372, 127.363, 80.0)
FIRST_NORAD = 90_000
PARAMETERS = 12
NS_PER_S = 1_000_000_000

FILE = """\
name = "FLEET-{number:03d}"
norad = {norad}
status = "simulated"
simulated = true

[[downlink]]
name = "uhf"
frequency_hz = 437_500_000
modulation = "fsk"
baudrate_bd = 9600
framing = {{ protocol = "ax25", options = {{ scrambler = "g3ruh" }} }}
extract = [{{ protocol = "ax25" }}]

[[packet]]
name = "beacon"
octets = {octets}
starts = {{ "0" = "47{number:04x}" }}

[[packet.parameter]]
name = "mark"
type = "u24"

[[packet.parameter]]
name = "sequence_count"
type = "u32"

[[packet.parameter]]
name = "voltage"
type = "u16"
count = {parameters}
unit = "V"
calibration = {{ kind = "polynomial", coefficients = [0.0, 0.001] }}
limits = {{ warning = {{ min = 6.0, max = 8.6 }}, critical = {{ min = 5.5, max = 9.0 }}, min_violations = 2 }}
"""


class Beacon(NamedTuple):
    """One frame of the week: when, from which satellite."""

    utc_ns: int
    satellite: int
    count: int


def walker(satellites: int, begin_utc_ns: int) -> list[MeanElements]:
    """Two Walker sets: half at 45 degrees, half sun-synchronous."""
    sets = []
    half = satellites // 2
    for number in range(satellites):
        inclined = number < half
        index, size = (number, half) if inclined else (number - half, satellites - half)
        planes = 8
        plane, slot = index % planes, index // planes
        sets.append(
            MeanElements(
                name=f"FLEET-{number:03d}", norad=FIRST_NORAD + number, cospar="", epoch_utc_ns=begin_utc_ns,
                mean_motion_rev_d=15.0 if inclined else 15.05, eccentricity=0.0005,
                inclination_deg=45.4 if inclined else 97.6, raan_deg=360.0 * plane / planes,
                argument_of_perigee_deg=0.0,
                mean_anomaly_deg=(360.0 * slot * planes / size + 360.0 * plane / size) % 360.0,
                bstar=1e-5, source="simulated",
            )
        )  # fmt: skip
    return sets


def write_station(folder: Path, elements: Sequence[MeanElements], kiss_port: int, mqtt_port: int) -> Path:
    """Write satellite files, elements and the station file; returns the last."""
    (folder / "satellites").mkdir()
    slugs = []
    for number, item in enumerate(elements):
        slugs.append(f"fleet-{number:03d}")
        text = FILE.format(number=number, norad=item.norad, octets=7 + 2 * PARAMETERS, parameters=PARAMETERS)
        (folder / "satellites" / f"{slugs[-1]}.toml").write_text(text)
    (folder / "elements.json").write_text(json.dumps([to_message(item) for item in elements]))
    station = folder / "station.toml"
    station.write_text(
        f'satellites = {json.dumps(slugs)}\nsatellite_directories = ["satellites"]\n[station]\nname = "fleet"\n'
        f"latitude_deg = {STATION.latitude_deg}\nlongitude_deg = {STATION.longitude_deg}\n"
        f'altitude_m = {STATION.altitude_m}\n[archive]\ndirectory = "archive"\nmax_mb = 2048\n'
        f'[passes]\nelements = ["elements.json"]\nahead_h = 24\n[[broker]]\nname = "ops"\nport = {mqtt_port}\n'
        f'[[source]]\nid = "tnc"\nkind = "kiss_tcp"\nhost = "127.0.0.1"\nport = {kiss_port}\n'
        f"satellites = {json.dumps(slugs)}\n"
    )
    return station


def beacons(elements: Sequence[MeanElements], begin_utc_ns: int, seconds: float, every_s: float) -> list[Beacon]:
    """Work out every frame that the station can hear: one each ``every_s`` from every satellite that is up."""
    end_utc_ns = begin_utc_ns + round(seconds * NS_PER_S)
    numbers = {item.norad: number for number, item in enumerate(elements)}
    heard = []
    counts = dict.fromkeys(range(len(elements)), 0)
    for item in predict_passes(list(elements), STATION, begin_utc_ns, end_utc_ns).passes:
        at_utc_ns = item.aos_utc_ns if item.aos_utc_ns is not None else begin_utc_ns
        last_utc_ns = item.los_utc_ns if item.los_utc_ns is not None else end_utc_ns
        while at_utc_ns < last_utc_ns:
            heard.append((at_utc_ns, numbers[item.norad]))
            at_utc_ns += round(every_s * NS_PER_S)
    found = []
    for utc_ns, number in sorted(heard):
        found.append(Beacon(utc_ns, number, counts[number]))
        counts[number] += 1
    return found


def frame(beacon: Beacon) -> bytes:
    """Build a beacon's frame."""
    mark = bytes([0x47]) + beacon.satellite.to_bytes(2, "big")
    voltages = b"".join((7000 + (beacon.count * 7 + k * 31) % 1000).to_bytes(2, "big") for k in range(PARAMETERS))
    return ax25.build_ui_frame("QST", "FLEET", mark + beacon.count.to_bytes(4, "big") + voltages)


class FleetTnc:
    """Serves the frames over KISS on TCP as their times come; ``now_utc_ns`` reads the fleet's clock."""

    def __init__(self, frames: Sequence[Beacon], now_utc_ns: Callable[[], int]) -> None:
        self.port = 0
        self.sent = 0
        self._frames = frames
        self._now_utc_ns = now_utc_ns
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        if self._writer is not None:
            self._writer.close()

    async def _accept(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._heard.set()

    async def send_all(self) -> None:
        """Send every frame at its time, to whoever has connected."""
        await self._heard.wait()
        for beacon in self._frames:
            while self._now_utc_ns() < beacon.utc_ns:  # noqa: ASYNC110 - a clock of another speed has no event
                await asyncio.sleep(0.005)
            assert self._writer is not None
            self._writer.write(kiss.encode(frame(beacon), kiss.Options()))
            await self._writer.drain()
            self.sent += 1
