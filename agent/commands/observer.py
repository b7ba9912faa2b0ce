"""The client that watches a trial: it subscribes to all that the agent publishes and writes down what matters.

Knows topics and payloads (docs/mqtt.md), no process. The station file names two destinations: ``ops``, whose link
faults may break, and ``observer``, which leads straight here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiomqtt

if TYPE_CHECKING:
    from agent.records import Frame
    from agent.simulator.ledger import Books

STATION: Final = "trial"
DESTINATIONS: Final = {"observer": "watch", "ops": "gs"}
"""Topic prefixes by the broker's name in the station file."""

MAX_LINES: Final = 300
MAX_SPECTRUM_S: Final = 60.0


@dataclass(slots=True)
class Looks:
    """What can be drawn of a trial: spectra as the agent saw them, soft symbols, what each frame measured."""

    spectra: dict[str, dict[str, Any]] = field(default_factory=dict)
    symbols: dict[str, list[float]] = field(default_factory=dict)
    frames: list[dict[str, Any]] = field(default_factory=list)

    def see_spectrum(self, source: str, values: dict[str, Any], at_s: float) -> None:
        """Keep a line of a waterfall, as many as a drawing has room for."""
        known = self.spectra.setdefault(
            source,
            {"center_hz": values["center_frequency_hz"], "span_hz": values["span_hz"], "times_s": [], "lines": []},
        )
        if len(known["lines"]) < MAX_LINES:
            known["times_s"].append(round(at_s, 2))
            known["lines"].append([round(level) for level in values["db"]])

    def measure(self, frames: Sequence[Frame], play_utc_ns: int) -> None:
        """Take over what the receiver measured of each frame."""
        self.frames = [
            {
                "at_s": round((frame.received_utc_ns - play_utc_ns) / 1e9, 3),
                "satellite": frame.satellite,
                "snr_db": frame.snr_db,
                "residual_hz": frame.frequency_offset_hz,
                "doppler_hz": frame.doppler_corrected_hz,
            }
            for frame in frames
        ]


@dataclass(slots=True)
class Observer:
    """What the client has seen; ``played_s`` reads the time of the play."""

    books: Books
    played_s: Callable[[], float]
    sources: dict[str, bool] = field(default_factory=dict)
    online: bool = False
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: Looks = field(default_factory=Looks)
    client: aiomqtt.Client | None = None

    def see(self, topic: str, payload: bytes) -> None:
        """Take one message."""
        from agent.simulator.ledger import Transition

        prefix, _, rest = topic.partition(f"/{STATION}/")
        if not payload or rest.startswith(("ack/", "cmd/")):
            return
        values = json.loads(payload)
        levels = rest.split("/")
        if levels[0] == "sat" and levels[2:] == ["frame"]:
            name = next(name for name, tree in DESTINATIONS.items() if tree == prefix)
            self.books.published[name].append(bytes.fromhex(values["hex"]))
        if prefix != DESTINATIONS["observer"]:
            return
        match levels:
            case ["status"]:
                self.online = values["online"]
            case ["source", name]:
                self.sources[name] = values["online"]
            case ["source", name, "spectrum"]:
                self.looks.see_spectrum(name, values, self.played_s())
            case ["sat", satellite, "symbols"]:
                self.looks.symbols[satellite] = values["values"]
            case ["sat", satellite, "link", downlink]:
                self.links[f"{satellite}/{downlink}"] = values
            case ["alarm", satellite, parameter]:
                self.books.transitions.append(
                    Transition(
                        round(self.played_s(), 3),
                        f"{satellite}/{parameter}",
                        values["state"],
                        values["level"],
                        values.get("limit", ""),
                    )
                )

    async def ask_for_spectra(self, seconds: float) -> None:
        """Have every source that is online send its spectrum, as a dashboard does."""
        if self.client is None:
            return
        for source, online in self.sources.items():
            wish = {
                "id": source,
                "client": "observer",
                "source": source,
                "duration_s": min(seconds, MAX_SPECTRUM_S),
            }
            if online:
                await self.client.publish(f"{DESTINATIONS['ops']}/{STATION}/cmd/spectrum", json.dumps(wish))


@contextlib.asynccontextmanager
async def observing(port: int, observer: Observer) -> AsyncIterator[None]:
    """Watch a broker on this machine until the context ends."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="trial-observer") as client:
        observer.client = client
        for tree in DESTINATIONS.values():
            await client.subscribe(f"{tree}/{STATION}/#", qos=1)

        async def watch() -> None:
            async for message in client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                observer.see(str(message.topic), payload)

        watching = asyncio.create_task(watch(), name="observer")
        try:
            yield
        finally:
            observer.client = None
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
