"""What people may ask of the station over MQTT: ``cmd/<name>`` in, ``reply/<client>`` out.

Acknowledge, shelve, unshelve and reset alarms; a parameter's history from the archive; a source's spectrum for a
while. Off unless a broker's table says ``commands = true``; who may send is that broker's access list, the ``user``
given is only written down. Every request is bounded, typed, and answered with ``ok`` or with a sentence.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from agent.errors import AgentError
from agent.health.monitor import Monitor
from agent.records import ParameterReport, Record
from agent.sinks.archive import Archive
from agent.sinks.payloads import Message, parameter_key

log = logging.getLogger("agent.orders")

MAX_ORDER_OCTETS = 4096
MAX_SCANNED = 50_000
SCAN = 2_000
MAX_SPECTRUM_S = 60.0

Text = Annotated[str, Meta(max_length=128)]
Client = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What every order says; unknown fields are let pass, so that later clients can say more."""

    id: Text
    client: Client
    user: Text = "unknown"


class AlarmOrder(Order, frozen=True, kw_only=True):
    """Names one instance of an alarm; a stale ``alarm_id`` is refused."""

    satellite: Text
    parameter: Text
    alarm_id: Text
    duration_s: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None


class HistoryOrder(Order, frozen=True, kw_only=True):
    """Wants a parameter's values; ``parameter`` is its key in the packet's payload or its name."""

    satellite: Text
    packet: Text
    parameter: Text
    from_ts: int
    to_ts: int
    max_points: Annotated[int, Meta(ge=1, le=5000)] = 1000


class SpectrumOrder(Order, frozen=True, kw_only=True):
    """Wants a source's spectrum published for some seconds."""

    source: Text
    duration_s: Annotated[float, Meta(gt=0)] = 30.0


AlarmVerb = Literal["acknowledge", "shelve", "unshelve", "reset"]


class Orders:
    """Carries orders out.

    ``monitor`` may be replaced; ``keep`` takes the transitions of alarms; ``spectrum`` asks a source for its
    spectrum and says whether there is such a source.
    """

    def __init__(
        self,
        monitor: Monitor,
        archive: Archive,
        *,
        keep: Callable[[Sequence[Record]], Awaitable[None]],
        spectrum: Callable[[str, float], bool],
    ) -> None:
        self.monitor = monitor
        self._archive = archive
        self._keep = keep
        self._spectrum = spectrum
        self._busy = asyncio.Semaphore(4)

    async def carry_out(self, name: str, payload: bytes) -> Message | None:
        """Do what was asked and return the answer; ``None`` when nobody could be answered."""
        if len(payload) > MAX_ORDER_OCTETS:
            return None
        try:
            order = msgspec.json.decode(payload, type=Order)
        except msgspec.DecodeError:
            return None
        async with self._busy:
            try:
                answer = await self._do(name, payload)
            except msgspec.DecodeError as exc:
                answer = {"ok": False, "error": str(exc)}
            except AgentError as exc:
                answer = {"ok": False, "error": str(exc)}
        body = {"id": order.id, "ok": True, "ts": time.time_ns() // 1_000_000} | answer
        return Message(f"reply/{order.client}", msgspec.json.encode(body), qos=0)

    async def _do(self, name: str, payload: bytes) -> dict[str, Any]:
        match name:
            case "acknowledge" | "shelve" | "unshelve" | "reset":
                await self._alarm(name, msgspec.json.decode(payload, type=AlarmOrder))
                return {}
            case "history":
                return await self._history(msgspec.json.decode(payload, type=HistoryOrder))
            case "spectrum":
                wish = msgspec.json.decode(payload, type=SpectrumOrder)
                if not self._spectrum(wish.source, min(wish.duration_s, MAX_SPECTRUM_S)):
                    raise AgentError(f"no source {wish.source!r} gives samples here")
                return {}
        raise AgentError(f"no command is called {name!r}")

    async def _alarm(self, verb: AlarmVerb, order: AlarmOrder) -> None:
        now_ns = time.time_ns()
        which = (order.satellite, order.parameter, order.alarm_id)
        match verb:
            case "acknowledge":
                records = self.monitor.acknowledge(*which, order.user, now_ns)
            case "shelve":
                records = self.monitor.shelve(*which, order.user, now_ns, duration_s=order.duration_s)
            case "unshelve":
                records = self.monitor.unshelve(*which, now_ns)
            case "reset":
                records = self.monitor.reset(*which, order.user, now_ns)
        log.info("%s of %s/%s by %r", verb, order.satellite, order.parameter, order.user)
        await self._keep(records)

    async def _history(self, order: HistoryOrder) -> dict[str, Any]:
        """Read backwards from the newest record, as far as the bound allows; thinned evenly to ``max_points``."""
        times: list[int] = []
        values: list[Any] = []
        before = self._archive.newest_seq + 1
        scanned = 0
        while before > 1 and scanned < MAX_SCANNED:
            found = await self._archive.read_before(before, SCAN, "report")
            if not found:
                break
            scanned += len(found)
            before = found[-1].seq
            oldest_ms = None
            for item in found:
                if not isinstance(item.record, ParameterReport):
                    continue
                oldest_ms = item.record.received_utc_ns // 1_000_000
                if item.record.satellite == order.satellite and item.record.packet == order.packet:
                    self._collect(item.record, order, times, values)
            if oldest_ms is not None and oldest_ms < order.from_ts:
                break
        step = max(1, -(-len(times) // order.max_points))
        return {"ts": times[::-1][::step], "values": values[::-1][::step], "complete": scanned < MAX_SCANNED}

    @staticmethod
    def _collect(report: ParameterReport, order: HistoryOrder, times: list[int], values: list[Any]) -> None:
        at_ms = report.received_utc_ns // 1_000_000
        if not order.from_ts <= at_ms <= order.to_ts:
            return
        for value in report.values:
            if order.parameter in (value.name, parameter_key(value.name, value.unit)):
                times.append(at_ms)
                values.append(value.value if not isinstance(value.value, bytes) else value.value.hex())
