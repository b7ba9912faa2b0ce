"""Tells every broker what is so now: live records, sources, passes, schemas, what people asked to look at.

Knows which message goes as retained state and which is worth nothing later; knows no archive and no task. What the
archive keeps, the publishers take from there themselves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from agent.definitions import Satellite
from agent.records import (
    AudioBlock,
    ClockCorrelation,
    HealthStatus,
    IqBlock,
    LinkStatus,
    LookAngles,
    Outlook,
    Record,
    TrendStatus,
)
from agent.runtime.feed import Feed
from agent.runtime.passes import Sky
from agent.sinks import payloads
from agent.sinks.publisher import Publisher
from agent.sinks.schema import schema_message


class Announcer:
    """Speaks to all publishers at once."""

    def __init__(self) -> None:
        self.publishers: list[Publisher] = []
        self._newest_health: dict[str, int] = {}

    def state(self, *messages: payloads.Message) -> None:
        """Have messages published as their topics' newest values."""
        for publisher in self.publishers:
            for message in messages:
                publisher.set_message(message)

    def live(self, records: Sequence[Record]) -> None:
        """Publish those records that are state."""
        for record in records:
            if isinstance(record, HealthStatus):
                if record.order < self._newest_health.get(record.satellite, 0):
                    continue
                self._newest_health[record.satellite] = record.order
            if isinstance(
                record, HealthStatus | LinkStatus | LookAngles | TrendStatus | Outlook | ClockCorrelation
            ):
                for publisher in self.publishers:
                    publisher.publish_state(record)

    def schemas(self, satellites: Mapping[str, Satellite]) -> None:
        """Publish what each satellite's payloads hold, to the brokers that may see it."""
        for slug, satellite in satellites.items():
            for publisher in self.publishers:
                if not publisher.broker.satellites or slug in publisher.broker.satellites:
                    publisher.set_message(schema_message(slug, satellite))

    def passes(self, sky: Sky) -> None:
        """Publish the passes to come."""
        self.state(*payloads.pass_messages(sky.passes, time.time_ns()))

    def source(self, feed: Feed) -> None:
        """Publish how a source is."""
        self.state(payloads.source_message(feed.source_id, source_values(feed), time.time_ns()))

    def spectrum(self, feed: Feed, block: IqBlock | AudioBlock, line: list[float]) -> None:
        """Send one line of a waterfall."""
        if isinstance(block, AudioBlock):
            span_hz, center_hz = block.sample_rate_hz / 2, block.sample_rate_hz / 4
        else:
            span_hz, center_hz = block.sample_rate_hz, block.center_frequency_hz
        self._send(payloads.spectrum_message(feed.source_id, line, center_hz, span_hz, block.start_utc_ns))

    def symbols(self, feed: Feed) -> None:
        """Send the symbols of the frames a source has just given."""
        for transmitter, symbols in feed.receiver.take_symbols():
            if transmitter.slug is not None:
                name = transmitter.downlink.name
                self._send(
                    payloads.symbols_message(transmitter.slug, name, symbols, time.time_ns(), transmitter.marking)
                )

    def _send(self, message: payloads.Message) -> None:
        for publisher in self.publishers:
            publisher.send(message)


def source_values(feed: Feed) -> dict[str, int | float | bool | str | None]:
    """Say how a source is; ``units`` are samples or octets."""
    state = feed.state
    return {
        "online": state.online,
        "ended": state.ended,
        "last_ts": None if state.last_utc_ns is None else state.last_utc_ns // 1_000_000,
        "blocks": state.blocks,
        "units": state.units,
        "dropped": state.dropped,
        "frames": state.frames,
        "rejected": sum(feed.receiver.rejected.values()),
        "outside_band": ",".join(feed.receiver.outside_band) or None,
        "error": state.error,
    }
