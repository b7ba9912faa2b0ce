"""A fleet that publishes over real MQTT, in the payloads the agent publishes, and answers the dashboard's commands.

``python -m tests.dashboard.fleet PORT [--satellites N] [--every S] [--parameters N]`` plays it; tests drive a
``Fleet`` directly. Records go through ``agent.sinks.payloads``, so that shapes cannot drift apart; what has no
record yet (spectrum, symbols) is written here as ``docs/dashboard.md`` says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import aiomqtt
import numpy as np

from agent.definitions import Parameter
from agent.records import (
    Alarm,
    ConcernLevel,
    Frame,
    HealthStatus,
    LinkStatus,
    LookAngles,
    ParameterHealth,
    ParameterReport,
    ParameterValue,
    Pass,
    PassEvent,
)
from agent.sinks import payloads
from agent.sinks.payloads import Envelope, Message
from agent.sinks.schema import schema_message
from firmware_protocols.interface import LinkFrame
from tests.dashboard import sky
from tests.dashboard.crafts import KINDS, PLACE, STATION, Craft, make_craft


class Fleet:
    """Publishes a fleet through one MQTT connection; use within ``async with aiomqtt.Client``."""

    def __init__(
        self, client: aiomqtt.Client | None, satellites: int = 12, parameters: int = 8, prefix: str = "gs"
    ) -> None:
        rng = random.Random(4711)
        self.client: aiomqtt.Client = client  # type: ignore[assignment] # None: it only makes messages
        self.base = f"{prefix}/{STATION}"
        self.crafts = {craft.slug: craft for craft in (make_craft(n, parameters, rng) for n in range(satellites))}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answering = True
        self.spectrum_until_s = 0.0
        self.began_ns = time.time_ns()
        self._seq = 0
        self._seen_up: set[str] = set()

    # -- what a station says ---------------------------------------------------------------------------------

    async def birth(self) -> None:
        """Publish everything that is retained, as an agent does at every connection."""
        now_ns = time.time_ns()
        status = payloads.status_message(
            online=True, at_utc_ns=now_ns, boot="b00t", version="0.1.0", delivery=payloads.DELIVERY_TO_BROKER
        )
        await self._send([status])
        await self.station()
        for craft in self.crafts.values():
            await self._send([schema_message(craft.slug, craft.definition)])
            await self.state(craft)
        await self._send(payloads.pass_messages(self.passes(), now_ns))
        for craft in self.crafts.values():
            for alarm in craft.alarms.values():
                await self._send(payloads.archived_messages(alarm, self._envelope(), newest=True))

    async def station(self) -> None:
        """Publish the station's and its sources' own telemetry."""
        now_ns = time.time_ns()
        values: dict[str, int | float | bool | str | None] = {
            "boot": "b00t", "version": "0.1.0", "uptime_s": (now_ns - self.began_ns) / 1e9, "clock": "synchronised",
            "cpu_temp_c": 51.2, "disk_free_mb": 21840.5, "memory_mb": 118.4, "satellites": len(self.crafts),
            "satellites_with_elements": len(self.crafts), "archive": "a1b2c3", "newest_seq": self._seq,
            "archive_mb": 214.7, "commit_lag_ms": 38.5, "lost": 0, "quarantined": 0, "storage": "good", "outbox": 3,
            "latitude_deg": PLACE[0], "longitude_deg": PLACE[1],
        }  # fmt: skip
        sources: dict[str, dict[str, int | float | bool | str | None]] = {
            "uhf": {"online": True, "last_ts": now_ns // 10**6, "frames": self._seq, "rejected": 12, "dropped": 0},
            "tnc": {"online": False, "last_ts": now_ns // 10**6 - 420_000, "frames": 88, "rejected": 3,
                    "dropped": 0, "error": "/dev/ttyUSB0: no such device"},
        }  # fmt: skip
        messages = [payloads.station_message(values, now_ns)]
        messages += [payloads.source_message(name, said, now_ns) for name, said in sources.items()]
        await self._send(messages)

    async def degrade(self, *names: str) -> None:
        """Say that the station is degraded."""
        await self._send(
            [payloads.status_message(online=True, at_utc_ns=time.time_ns(), boot="b00t", version="0.1.0",
                                     delivery=payloads.DELIVERY_TO_BROKER, degraded=names)]
        )  # fmt: skip

    async def report(self, craft: Craft, *, frame: bool = True, qos: int = 1) -> None:
        """Publish one beacon of a satellite, and the frame it came in."""
        now_ns = time.time_ns()
        report = self._report(craft, now_ns)
        messages: list[Message] = []
        if frame:
            received = Frame(
                satellite=craft.slug, downlink="9k6-fsk", received_utc_ns=now_ns, source="uhf",
                link_frame=LinkFrame(data=_octets(craft, report), offset=0, span=0, check="fcs", corrected=0),
                snr_db=11 + 3 * math.sin(now_ns / 4e10 + craft.phase) + random.uniform(-0.6, 0.6),
                frequency_offset_hz=80 * math.sin(now_ns / 9e10 + craft.phase) + random.uniform(-15, 15),
                norad=craft.definition.norad,
            )  # fmt: skip
            messages += payloads.archived_messages(received, self._envelope(), newest=True)
        messages += payloads.archived_messages(report, self._envelope(), newest=True)
        craft.frames += 1
        craft.last_ns = now_ns
        await self._send(messages, qos=qos)

    def reports(self, craft: Craft) -> list[Message]:
        """Make the message of one beacon."""
        craft.last_ns = time.time_ns()
        return payloads.archived_messages(self._report(craft, craft.last_ns), self._envelope(), newest=True)

    async def state(self, craft: Craft) -> None:
        """Publish health and link of a satellite."""
        await self._send(self.states(craft))

    def states(self, craft: Craft) -> list[Message]:
        """Make the messages of health and link."""
        now_ns = time.time_ns()
        health = tuple(
            ParameterHealth(
                parameter.name,
                craft.level if parameter.name in craft.alarms else "in_limits",  # type: ignore[arg-type] # same words
                craft.level if parameter.name in craft.alarms else "normal",
                "low" if parameter.name in craft.alarms else None,
            )
            for parameter in craft.parameters
            if parameter.limits is not None
        )
        heard = craft.last_ns is not None
        trust = "suspect" if craft.slug == "byeolnim" else "physically_consistent" if heard else "unknown"
        fading = craft.slug == "dasol"
        records = (
            HealthStatus(
                craft.slug, now_ns, craft.level if heard else "normal", health if heard else (),
                last_report_utc_ns=craft.last_ns,
                authenticity=trust,  # type: ignore[arg-type] # one of the words
            ),
            LinkStatus(
                craft.slug, "9k6-fsk", now_ns,
                "unknown" if craft.silent else "fading" if fading else "nominal" if heard else "out_of_view",
                craft.frames, {"bad_fcs": 3, "too_short": 1} if heard else {}, craft.last_ns,
                11.2 if heard else None, 42.0 if heard else None,
                ("SNR fell 6 dB within 20 s",) if fading else (),
            ),
        )  # fmt: skip
        return [] if craft.silent else [item for record in records for item in payloads.state_messages(record)]

    async def orbits(self) -> None:
        """Publish look angles of everything above the horizon."""
        now_ns = time.time_ns()
        for craft in self.crafts.values():
            seen = sky.look(craft.circle, *PLACE, np.array([now_ns / 1e9 - 0.5, now_ns / 1e9]))
            if seen.elevation_deg[1] < 0:
                continue
            rate = float(seen.range_km[1] - seen.range_km[0]) / 0.5
            frequency_hz = craft.definition.downlinks[0].frequency_hz
            angles = LookAngles(
                craft.slug, craft.definition.norad, now_ns,
                float(seen.azimuth_deg[1]), float(seen.elevation_deg[1]),
                float(seen.range_km[1]), rate, float(seen.latitude_deg[1]), float(seen.longitude_deg[1]),
                craft.circle.altitude_km, 1.3, {"9k6-fsk": -rate / sky.LIGHT_KM_S * frequency_hz},
            )  # fmt: skip
            await self._send(payloads.state_messages(angles))
            if craft.slug not in self._seen_up:
                self._seen_up.add(craft.slug)
                event = PassEvent(
                    craft.slug, craft.definition.norad, "aos", now_ns, angles.elevation_deg, angles.azimuth_deg
                )
                await self._send(payloads.archived_messages(event, self._envelope(), newest=True))

    # -- alarms ------------------------------------------------------------------------------------------------

    async def fault(self, slug: str, parameter: str, value: float, level: ConcernLevel) -> Alarm:
        """Simulate a fault: the parameter moves to a value, its alarm triggers."""
        craft = self.crafts[slug]
        kind = next(item for item in KINDS if item[0] == parameter)
        craft.level = level
        now_ns = time.time_ns()
        craft.offsets[parameter] = (now_ns, value - float(kind[2]))
        alarm = Alarm(
            slug, parameter, f"{slug}-{parameter}-{now_ns}", "triggered", level, now_ns, now_ns, value,
            str(kind[1]), f"{level} limit passed", 1,
        )  # fmt: skip
        craft.alarms[parameter] = alarm
        await self._send(payloads.archived_messages(alarm, self._envelope(), newest=True))
        await self.state(craft)
        return alarm

    async def cure(self, slug: str, parameter: str) -> None:
        """End a fault: the alarm clears."""
        craft = self.crafts[slug]
        craft.offsets.pop(parameter)
        craft.level = "normal"
        alarm = replace(craft.alarms.pop(parameter), state="cleared", as_of_utc_ns=time.time_ns())
        await self._send(payloads.archived_messages(alarm, self._envelope(), newest=True))
        await self.state(craft)

    # -- commands ------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Answer the dashboard's commands until cancelled."""
        await self.client.subscribe(f"{self.base}/cmd/+", qos=1)
        async for message in self.client.messages:
            name = message.topic.value.rsplit("/", 1)[-1]
            request = json.loads(bytes(message.payload))
            self.asked.append((name, request))
            if self.answering:
                answer = await self._answer(name, request)
                topic = f"{self.base}/reply/{request['client']}"
                await self.client.publish(topic, json.dumps({"id": request["id"], **answer}))

    async def _answer(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        if name == "history":
            return self._history(request)
        if name == "spectrum":
            self.spectrum_until_s = time.monotonic() + request["duration_s"]
            return {"ok": True}
        craft = self.crafts[request["satellite"]]
        alarm = craft.alarms.get(request["parameter"])
        if alarm is None or alarm.alarm_id != request["alarm_id"]:
            return {"ok": False, "error": "that alarm is over"}
        state = {"acknowledge": "acknowledged", "shelve": "shelved", "unshelve": "triggered"}[name]
        alarm = replace(alarm, state=state, as_of_utc_ns=time.time_ns(), acknowledged_by=request["user"])  # type: ignore[arg-type] # one of the states
        craft.alarms[alarm.parameter] = alarm
        await self._send(payloads.archived_messages(alarm, self._envelope(), newest=True))
        return {"ok": True}

    def _history(self, request: dict[str, Any]) -> dict[str, Any]:
        craft = self.crafts[request["satellite"]]
        parameter = next(
            item
            for item in craft.parameters
            if payloads.parameter_key(item.name, item.unit) == request["parameter"]
        )
        times = np.linspace(request["from_ts"], request["to_ts"], min(400, request["max_points"]), endpoint=False)
        values = [self._value(craft, parameter, int(ts * 1e6)) for ts in times]
        return {"ok": True, "ts": [int(ts) for ts in times], "values": values}

    # -- radio ---------------------------------------------------------------------------------------------------

    async def radio(self) -> None:
        """Publish a waterfall line while somebody asks, and the symbols of a last frame."""
        now_ns = time.time_ns()
        if time.monotonic() < self.spectrum_until_s:
            bins = np.random.default_rng().normal(-98, 1.2, 256)
            for number, craft in enumerate(list(self.crafts.values())[:4]):
                drift = 14 * math.sin(now_ns / 6e10 + craft.phase)
                bins += (18 + 4 * number) * np.exp(-(((np.arange(256) - 40 - 55 * number - drift) / 4.0) ** 2))
            line = {"ts": now_ns // 10**6, "source": "uhf", "center_frequency_hz": 437.2e6, "span_hz": 250_000,
                    "db": [round(float(level), 1) for level in bins]}  # fmt: skip
            await self.client.publish(f"{self.base}/source/uhf/spectrum", json.dumps(line))
        rng = np.random.default_rng()
        symbols = rng.choice([-1.0, 1.0], 500) + rng.normal(0, 0.18, 500)
        for craft in list(self.crafts.values())[:4]:
            said = {"ts": now_ns // 10**6, "satellite": craft.slug, "downlink": "9k6-fsk", "kind": "constellation",
                    "i": [round(float(value), 3) for value in symbols],
                    "q": [round(float(value), 3) for value in rng.normal(0, 0.18, 500)]}  # fmt: skip
            await self.client.publish(f"{self.base}/sat/{craft.slug}/symbols", json.dumps(said))

    # -- values --------------------------------------------------------------------------------------------------

    def _value(self, craft: Craft, parameter: Parameter, at_ns: int) -> float | int:
        kind = next(item for item in KINDS if parameter.name.startswith(str(item[0])))
        middle, swing = float(kind[2]), float(kind[3])
        if swing == 0:
            return int(middle)
        slow = math.sin(at_ns / 1e9 / 3600 * 4 + craft.phase + len(parameter.name))
        quick = math.sin(at_ns / 1e9 / 20 + craft.phase)
        begun_ns, offset = craft.offsets.get(parameter.name, (0, 0.0))
        return round(
            middle
            + swing * (0.7 * slow + 0.2 * quick + random.uniform(-0.03, 0.03))
            + (offset if at_ns >= begun_ns else 0),
            4,
        )

    def _report(self, craft: Craft, now_ns: int) -> ParameterReport:
        values = []
        for parameter in craft.parameters:
            value = self._value(craft, parameter, now_ns)
            values.append(ParameterValue(parameter.name, value, value, parameter.unit))
        return ParameterReport(
            craft.slug,
            "beacon",
            now_ns,
            tuple(values),
            now_ns - 300_000_000,
            "9k6-fsk",
            norad=craft.definition.norad,
        )

    def passes(self) -> list[Pass]:
        now_s = time.time()
        found = []
        for craft in self.crafts.values():
            for aos, tca, los in sky.passes(craft.circle, *PLACE, now_s, 24.0):
                seen = sky.look(craft.circle, *PLACE, np.array([aos, tca, los], dtype=np.float64))
                found.append(
                    Pass(
                        craft.slug, craft.definition.norad, STATION, aos * 10**9, tca * 10**9, los * 10**9,
                        float(seen.elevation_deg[1]), float(seen.azimuth_deg[0]), float(seen.azimuth_deg[1]),
                        float(seen.azimuth_deg[2]), element_age_d=1.3,
                    )
                )  # fmt: skip
        found.sort(key=lambda item: item.tca_utc_ns)
        return found[:200]

    def _envelope(self) -> Envelope:
        self._seq += 1
        return Envelope("a1b2c3", self._seq, self._seq - 1, "b00t")

    async def _send(self, messages: Iterable[Message], qos: int | None = None) -> None:
        for message in messages:
            level = message.qos if qos is None else qos
            await self.client.publish(f"{self.base}/{message.topic}", message.payload, level, message.retain)


def _octets(craft: Craft, report: ParameterReport) -> bytes:
    head = f"{craft.slug.upper()[:6]:<6}".encode()
    body = b"".join(np.float32(value.raw).tobytes() for value in report.values)
    return head + b"\x03\xf0" + body


async def play(port: int, satellites: int, parameters: int, every_s: float, *, stormy: bool) -> None:
    """Play a fleet until cancelled: beacons every ``every_s`` seconds from each satellite."""
    quick = every_s < 1
    async with aiomqtt.Client("127.0.0.1", port, max_queued_outgoing_messages=0) as client:
        client.pending_calls_threshold = 10_000
        fleet = Fleet(client, satellites, parameters)
        crafts = list(fleet.crafts.values())
        if len(crafts) > 10:
            crafts[10].silent = True
        heard = [craft for craft in crafts if not craft.silent and craft.slug != "garam"]
        for craft in heard:
            await fleet.report(craft)
        await fleet.birth()
        if stormy:
            await storm(fleet)
        print("ready", flush=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fleet.serve())
            tasks.create_task(_steadily(fleet, heard, every_s, quick=quick))
            tasks.create_task(_each_second(fleet))


async def storm(fleet: Fleet) -> None:
    """Three faults of different weight, one of them acknowledged."""
    await fleet.fault("hanbit-1", "battery_voltage", 6.55, "warning")
    await fleet.fault("narae-b", "battery_temperature", 47.5, "critical")
    alarm = await fleet.fault("mugunghwa", "rate_x", 3.1, "watch")
    said = {"satellite": "mugunghwa", "parameter": "rate_x", "alarm_id": alarm.alarm_id, "user": "kim"}
    await fleet._answer("acknowledge", said)


async def _steadily(fleet: Fleet, crafts: Sequence[Craft], every_s: float, *, quick: bool) -> None:
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        for number, craft in enumerate(crafts):
            await fleet.report(craft, frame=not quick, qos=0 if quick else 1)
            if not quick or number % 10 == 0:
                await fleet.state(craft)
        due_s += every_s
        await asyncio.sleep(max(0.0, due_s - loop.time()))


async def _each_second(fleet: Fleet) -> None:
    second = 0
    while True:
        await fleet.orbits()
        for _ in range(5):
            await fleet.radio()
            await asyncio.sleep(0.2)
        second += 1
        if second % 10 == 0:
            await fleet.station()


def main() -> None:
    """Read the options and play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--satellites", type=int, default=12)
    parser.add_argument("--parameters", type=int, default=8)
    parser.add_argument("--every", type=float, default=2.0)
    parser.add_argument("--stormy", action="store_true")
    given = parser.parse_args()
    asyncio.run(play(given.port, given.satellites, given.parameters, given.every, stormy=given.stormy))


if __name__ == "__main__":
    main()
