"""A trial's ledger as people read it, and its progress while it runs."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from agent.commands.judging import Trial
    from agent.simulator.ledger import AlarmLine, Books
    from agent.simulator.scenario import Scenario

EVIDENCE = 60


def ledger_text(scenario: Scenario, trial: Trial) -> str:
    """Write the whole ledger."""
    ledger = trial.ledger
    lines = [f"scenario {scenario.name}: {scenario.file.description}", ""]
    sent = sum(ledger.sent.values())
    lines += [
        f"  sent        {sent:6d}  " + ", ".join(f"{label} {count}" for label, count in ledger.sent.items()),
        *([f"  by others   {ledger.impersonated:6d}  in a satellite's place"] if ledger.impersonated else []),
        f"  received    {trial.received:6d}  said by the agent's links",
        f"  archived    {ledger.archived:6d}  {ledger.twice} twice, {ledger.never_sent} never sent",
        *(
            f"  published   {count:6d}  to {name}, {ledger.unpublished[name]} archived frames missing"
            for name, count in ledger.published.items()
        ),
        f"  clean air   {ledger.clean_sent:6d}  sent, {ledger.clean_lost} of them lost",
        "",
    ]
    if ledger.faults:
        lines.append(f"  {'fault':<24}{'on':<12}{'at':>8}{'for':>8}   frames meanwhile")
        lines += [
            f"  {line.kind:<24}{line.victim:<12}{line.at_s:>6.1f} s{line.for_s:>6.1f} s   "
            f"{line.sent} sent, {line.archived} archived"
            for line in ledger.faults
        ]
        lines.append("")
    lines.append(f"  {'alarm':<40}{'fault':<24}{'raised':>9}{'after':>9}{'over':>9}   verdict")
    lines += [_alarm(line) for line in ledger.alarms] or ["  none expected, none raised"]
    lines += ["", *(f"  faulty: {words}" for words in ledger.faulty)]
    if trial.exit_code:
        lines.append(f"  faulty: the agent ended with exit code {trial.exit_code}")
    lines.append(
        f"verdict: {'good' if trial.good else 'FAULTY'}  ({trial.played_s:.1f} s played; the agent was ready after"
        f" {trial.started_s:.1f} s, used {trial.agent_cpu_s:.1f} s of CPU and {trial.agent_memory_mb:.0f} MiB)"
    )
    return "\n".join(lines)


def _alarm(line: AlarmLine) -> str:
    evidence = f"  ({line.evidence[:EVIDENCE]})" if line.evidence and line.verdict == "not expected" else ""
    return (
        f"  {line.name:<40}{line.fault or '-':<24}{_seconds(line.raised_s)}{_seconds(line.latency_s)}"
        f"{_seconds(line.over_s)}   {line.verdict}{evidence}"
    )


def _seconds(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:>7.1f} s"


class Progress:
    """Tells on standard error how far a trial is: a bar on a terminal, a line per event elsewhere."""

    def __init__(self, name: str, seconds: float) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._name = name
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[words]}"),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task(name, total=seconds, words="")
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._bar.stop()

    def tell(self, books: Books, played_s: float, words: str) -> None:
        """Tell of an event, or (without words) only how far it is."""
        published = len(books.published["observer"])
        state = f"{len(books.sent)} sent, {published} published, {len(books.transitions)} alarm transitions"
        if self._live:
            self._bar.update(self._task, completed=min(played_s, books.seconds), words=f"{state}  {words}")
        elif words:
            print(f"{self._name}: {played_s:6.1f} s  {words} ({state})", file=sys.stderr, flush=True)
