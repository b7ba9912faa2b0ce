"""The station's own figures for Prometheus, as text.

Pure: takes what ``Agent.describe`` says and writes it down; what is unknown is left out, never zero. Names end in
their base unit, counters in ``_total``. Telemetry of satellites is not here: it has times of its own.
Source: Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

MIB: Final = 1024.0 * 1024.0
MEGABYTE: Final = 1e6


class Metric(NamedTuple):
    """One figure: where ``describe`` has it, what Prometheus calls it, and what one of its units is there."""

    key: str
    name: str
    kind: Literal["gauge", "counter"]
    help: str
    unit: float = 1.0


STATION: Final = (
    Metric("uptime_s", "uptime_seconds", "gauge", "Time since the agent began."),
    Metric("cpu_temp_c", "cpu_temperature_celsius", "gauge", "Temperature of the processor."),
    Metric("disk_free_mb", "disk_free_bytes", "gauge", "Room on the archive's file system.", MIB),
    Metric("memory_mb", "resident_memory_bytes", "gauge", "Resident memory of the agent.", MIB),
    Metric("satellites", "satellites", "gauge", "Satellites configured."),
    Metric("satellites_with_elements", "satellites_with_elements", "gauge", "Satellites that can be predicted."),
    Metric("outbox", "outbox_records", "gauge", "Records that the slowest destination does not have yet."),
    Metric("newest_seq", "archive_newest_seq", "gauge", "Sequence number of the newest record."),
    Metric("archive_mb", "archive_bytes", "gauge", "Size of the archive.", MEGABYTE),
    Metric(
        "commit_lag_ms", "archive_commit_lag_seconds", "gauge", "From a record to its commit, last group.", 1e-3
    ),
    Metric("lost", "archive_lost_total", "counter", "Records that could not be kept."),
    Metric("evicted_unacked", "archive_evicted_unacked_total", "counter", "Records evicted before delivery."),
    Metric("quarantined", "archive_quarantined_total", "counter", "Segments found damaged."),
)

SOURCE: Final = (
    Metric("online", "source_online", "gauge", "Whether the source gives blocks now."),
    Metric("blocks", "source_blocks_total", "counter", "Blocks read."),
    Metric("units", "source_units_total", "counter", "Samples or octets read."),
    Metric("dropped", "source_dropped_total", "counter", "Samples or octets the receiver was too late for."),
    Metric("frames", "source_frames_total", "counter", "Frames that passed."),
    Metric("rejected", "source_rejected_total", "counter", "Frames refused, for any reason."),
    Metric("last_ts", "source_last_block_timestamp_seconds", "gauge", "When the last block came.", 1e-3),
)

BROKER: Final = (
    Metric("connected", "broker_connected", "gauge", "Whether the broker takes records now."),
    Metric("published", "broker_published_total", "counter", "Records the broker has confirmed."),
    Metric("state", "broker_state_total", "counter", "State messages sent."),
    Metric("births", "broker_births_total", "counter", "Times the station said that it is online."),
    Metric("resent", "broker_resent_total", "counter", "Records sent again, unacknowledged by a consumer."),
    Metric("refused_acks", "broker_refused_acks_total", "counter", "Acknowledgements that could not be true."),
    Metric("refused_commands", "broker_refused_commands_total", "counter", "Commands that were not carried out."),
)


def exposition(description: Mapping[str, Any]) -> str:
    """Write what ``Agent.describe`` says as Prometheus reads it."""
    return "".join(f"{line}\n" for line in _lines(description))


def _lines(description: Mapping[str, Any]) -> Iterator[str]:
    told = {name: str(description.get(name) or "") for name in ("station", "version", "boot", "archive")}
    yield from _family("info", "gauge", "Which station, version, run and archive.", [(told, 1)])
    clock = {"synchronised": 1, "not_synchronised": 0}.get(str(description.get("clock")))
    yield from _family("clock_synchronised", "gauge", "Whether something disciplines the clock.", [({}, clock)])
    storage = None if "storage" not in description else int(description["storage"] == "good")
    yield from _family("storage_good", "gauge", "Whether the archive takes records.", [({}, storage)])
    files = None if "configuration" not in description else int(description["configuration"] == "good")
    yield from _family("configuration_good", "gauge", "Whether the station works by its files.", [({}, files)])
    for metric in STATION:
        yield from _metric(metric, [({}, description)])
    frames = [({"satellite": slug}, count) for slug, count in description.get("frames_by_satellite", {}).items()]
    yield from _family("satellite_frames_total", "counter", "Frames of a satellite since the agent began.", frames)
    for metrics, label, group in ((SOURCE, "source", "sources"), (BROKER, "broker", "brokers")):
        for metric in metrics:
            yield from _metric(
                metric, [({label: name}, values) for name, values in description.get(group, {}).items()]
            )


def _metric(metric: Metric, rows: list[tuple[dict[str, str], Mapping[str, Any]]]) -> Iterator[str]:
    values = [(labels, _scaled(row.get(metric.key), metric.unit)) for labels, row in rows]
    yield from _family(metric.name, metric.kind, metric.help, values)


def _scaled(value: float | bool | None, unit: float) -> float | None:
    return None if value is None else int(value) if unit == 1.0 and value == int(value) else value * unit


def _family(name: str, kind: str, text: str, rows: Sequence[tuple[dict[str, str], float | None]]) -> Iterator[str]:
    known = [(labels, value) for labels, value in rows if value is not None]
    if not known:
        return
    yield f"# HELP gsagent_{name} {text}"
    yield f"# TYPE gsagent_{name} {kind}"
    for labels, value in known:
        inside = ",".join(f'{label}="{_escaped(told)}"' for label, told in labels.items())
        yield f"gsagent_{name}{{{inside}}} {value!r}" if inside else f"gsagent_{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
