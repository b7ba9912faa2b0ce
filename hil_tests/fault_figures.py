"""``python -m hil_tests.fault_figures FIGURES DOCUMENT``: write what a long run has measured into docs/faults.md.

Replaces what stands between the two marks, and nothing else.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.simulator.faults import FAMILIES

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def tables(folder: Path) -> str:
    """Write every table for which there are figures."""
    plays = {
        path.stem.removeprefix("rates-"): json.loads(path.read_text(encoding="utf-8"))["ledgers"]
        for path in sorted(folder.glob("rates-*.json"))
    }
    busy = {name: [ledger for ledger in ledgers if _was_busy(ledger)] for name, ledgers in plays.items()}
    left_out = sum(map(len, busy.values()))
    plays = {name: [one for one in ledgers if one not in busy[name]] for name, ledgers in plays.items()}
    plays = {name: ledgers for name, ledgers in plays.items() if ledgers}
    load = f"load average {os.getloadavg()[2]:.0f} of {os.cpu_count()}"
    lines = [f"On {platform.machine()}, {load} cores, Python {platform.python_version()}.", ""]
    if plays:
        lines += [*_faults(plays), "", *_scenarios(plays), ""]
    if left_out:
        lines += [
            f"{left_out} more plays are left out: the machine was busy otherwise, and the agent said"
            " (`source_<id>_overrun`) that it dropped samples.",
            "",
        ]
    lines += _fleet(folder)
    return "\n".join(lines).strip() + "\n"


def _was_busy(ledger: dict[str, Any]) -> bool:
    return any(line["verdict"] == "not expected" and line["name"].endswith("_overrun") for line in ledger["alarms"])


def _faults(plays: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    counts: dict[str, int] = defaultdict(int)
    frames: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for ledgers in plays.values():
        for ledger in ledgers:
            for fault in ledger["faults"]:
                counts[fault["kind"]] += 1
                frames[fault["kind"]][0] += fault["sent"]
                frames[fault["kind"]][1] += fault["archived"]
            for alarm in ledger["alarms"]:
                if alarm["fault"]:
                    found[alarm["fault"]][alarm["name"]].append(alarm)
    yield "| fault | times | alarm | found | after: median, latest | frames meanwhile: sent, archived |"
    yield "|---|---|---|---|---|---|"
    for family in FAMILIES.values():
        for kind in family:
            if not counts[kind]:
                continue
            alarms = found[kind] or {"none": []}
            for name, lines in alarms.items():
                times = [line["latency_s"] for line in lines if line["latency_s"] is not None]
                share = f"{len(times)} of {len(lines)}" if lines else "–"
                after = f"{statistics.median(times):.1f} s, {max(times):.1f} s" if times else "–"
                sent, kept = frames[kind]
                yield f"| `{kind}` | {counts[kind]} | {name} | {share} | {after} | {sent}, {kept} |"


def _scenarios(plays: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    yield "| scenario | plays | seconds | alarms found | wrong alarms | frames sent | clean lost | unpublished |"
    yield "|---|---|---|---|---|---|---|---|"
    totals = [0] * 7
    for name, ledgers in plays.items():
        alarms = [alarm for ledger in ledgers for alarm in ledger["alarms"]]
        wanted = [alarm for alarm in alarms if alarm["expected_from_s"] is not None]
        row = [
            len(ledgers),
            round(sum(ledger["played_s"] for ledger in ledgers)),
            sum(alarm["verdict"] == "as expected" for alarm in wanted),
            sum(alarm["verdict"] == "not expected" for alarm in alarms),
            sum(sum(ledger["sent"].values()) for ledger in ledgers),
            sum(ledger["clean_lost"] for ledger in ledgers),
            sum(sum(ledger["unpublished"].values()) for ledger in ledgers),
        ]
        totals = [total + value for total, value in zip(totals, row, strict=True)]
        found = f"{row[2]} of {len(wanted)}"
        yield f"| `{name}` | {row[0]} | {row[1]} | {found} | {row[3]} | {row[4]} | {row[5]} | {row[6]} |"
    yield "| **all** | " + " | ".join(str(total) for total in totals) + " |"
    hours = totals[1] / 3600
    yield ""
    yield f"Wrong alarms in {hours:.1f} hours of play: {totals[3]}."


def _fleet(folder: Path) -> Iterator[str]:
    week, now = folder / "fleet-week.json", folder / "fleet-real-time.json"
    if now.exists():
        seen = json.loads(now.read_text(encoding="utf-8"))
        yield (
            f"One agent with {seen['satellites']} satellites in real time: {seen['share']:.1%} of one core,"
            f" {seen['memory_mb']:.0f} MiB."
        )
    if week.exists():
        seen = json.loads(week.read_text(encoding="utf-8"))
        days = ", ".join(f"{value:.0f}" for value in seen["memory_by_day_mb"])
        yield (
            f"The same over {seen['days']:g} days in {seen['days'] * 86.4:.0f} s: {seen['frames']} frames sent,"
            f" {seen['archived']} archived, {seen['cpu_s']:.0f} s of CPU, at most {seen['peak_mb']:.0f} MiB"
            f" (at the end of each day: {days or 'none was seen'}), {seen['descriptors']} descriptors and"
            f" {seen['threads']} threads at the end."
        )


def main(figures: str, document: str) -> None:
    """Write them."""
    path = Path(document)
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n\n{tables(Path(figures))}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
