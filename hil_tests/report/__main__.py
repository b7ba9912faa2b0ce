"""``python -m hil_tests.report FOLDER``: the page of a run, from its JUnit files and its figures."""

from __future__ import annotations

import ast
import html
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from agent import __version__
from hil_tests.report import drawings

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
SHOWN = "quiet-pass"
"""The scenario whose signal stands at the top of the page."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One test: what is required, in which file, whether it holds, and the figure it printed."""

    room: str
    words: str
    state: str
    figure: str
    seconds: float


def read_requirements(junit: Path) -> list[Requirement]:
    """Read what a run says of each test."""
    found = []
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        state, figure = "passed", case.findtext("system-out") or ""
        for kind, name in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
            told = case.find(kind)
            if told is not None:
                state, figure = name, (told.get("message") or told.text or "").removeprefix("Skipped: ")
        name = case.get("name", "")
        base, _, option = name.partition("[")
        words = base.removeprefix("test_").replace("_", " ") + (f" ({option.rstrip(']')})" if option else "")
        lines = [line.strip() for line in figure.splitlines() if line.strip() and not line.startswith("-----")]
        seconds = float(case.get("time", "0"))
        found.append(Requirement(case.get("classname", ""), words, state, "\n".join(lines[:6])[:600], seconds))
    return found


def purpose(room: str) -> str:
    """Say in a test file's own first sentence what it is about."""
    path = Path(*room.split(".")).with_suffix(".py")
    if not path.exists():
        return room
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or room
    return " ".join(words.split("\n\n")[0].split())


def read_scenarios(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what each judged scenario left."""
    return {
        path.stem.removeprefix("scenario-"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("scenario-*.json"))
    }


def page(requirements: list[Requirement], scenarios: dict[str, dict[str, Any]]) -> str:
    """Write the page."""
    states = Counter(item.state for item in requirements)
    verdict = "failed" if states["failed"] else "passed"
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    ledgers = [item["ledger"] for item in scenarios.values()]
    alarms = Counter(alarm["verdict"] for ledger in ledgers for alarm in ledger["alarms"])
    tiles = [
        (str(states["passed"]), "requirements hold"),
        (str(states["failed"]), "do not hold"),
        (str(states["skipped"]), "skipped, by name"),
        (str(sum(sum(ledger["sent"].values()) for ledger in ledgers)), "frames sent in scenarios"),
        (str(sum(ledger["clean_lost"] for ledger in ledgers)), "lost on clean air"),
        (f"{alarms['as expected']}", "alarms as expected"),
        (f"{alarms['missing']} / {alarms['not expected']}", "missing / not expected"),
    ]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>gsagent: hardware in the loop, {verdict}</title><style>{STYLE}</style></head><body><main>",
        f"<header><h1>Hardware in the loop <span class='chip {verdict}'>{verdict}</span></h1>",
        f"<p>gsagent {__version__} · {when} · {html.escape(machine)}</p></header><section class='tiles'>",
        *(f"<div class='tile'><b>{number}</b><span>{words}</span></div>" for number, words in tiles),
        "</section>",
    ]
    if SHOWN in scenarios:
        parts += _signal(SHOWN, scenarios[SHOWN])
    if scenarios:
        parts.append("<h2>Scenarios: frames sent, received, archived, published; alarms expected and raised</h2>")
        parts += _ledger_table(scenarios)
        for name, item in scenarios.items():
            parts += _scenario(name, item)
    parts.append("<h2>Requirements and figures</h2>")
    parts += _requirements(requirements)
    return "".join(parts) + "</main></body></html>\n"


def _signal(name: str, item: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>The signal, as the agent received it <small>({name})</small></h2><section class='plots'>"
    yield from _plots(item)
    yield "</section>"


def _plots(item: dict[str, Any]) -> Iterator[str]:
    figures, seconds = item["figures"], item["ledger"]["played_s"]
    bands = [(fault["at_s"], fault["at_s"] + fault["for_s"], fault["kind"]) for fault in item["ledger"]["faults"]]
    for source, spectrum in figures["spectra"].items():
        yield f"<figure>{drawings.waterfall(f'Waterfall of {source}', spectrum, seconds)}</figure>"
    for satellite, symbols in figures["symbols"].items():
        yield f"<figure>{drawings.constellation(f'Soft symbols of {satellite}, last frame', symbols)}</figure>"
    for key, title, unit in (
        ("snr_db", "SNR (Es/N0) of each frame", "dB"),
        ("residual_hz", "Doppler residual of each frame, predicted shift taken out", "Hz"),
    ):
        series = {
            satellite: [
                (frame["at_s"], frame[key])
                for frame in figures["frames"]
                if frame["satellite"] == satellite and frame[key] is not None and 0 <= frame["at_s"] <= seconds
            ]
            for satellite in dict.fromkeys(frame["satellite"] for frame in figures["frames"])
        }
        series = {satellite: points for satellite, points in series.items() if points}
        if series:
            yield f"<figure>{drawings.over_time(title, unit, series, seconds, bands)}</figure>"


def _ledger_table(scenarios: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield (
        "<div class='scroll'><table><thead><tr><th>scenario</th><th>verdict</th><th>sent</th><th>by others</th>"
        "<th>received</th><th>archived</th><th>published<br>observer / ops</th><th>lost on<br>clean air</th>"
        "<th>alarms: fault → raised after</th><th>agent</th></tr></thead><tbody>"
    )
    for name, item in scenarios.items():
        ledger = item["ledger"]
        good = "passed" if ledger["verdict"] == "good" else "failed"
        published = " / ".join(str(count) for count in ledger["published"].values())
        alarms = "<br>".join(_alarm(alarm) for alarm in ledger["alarms"]) or "none expected, none raised"
        yield (
            f"<tr><td><a href='#{name}'>{name}</a></td>"
            f"<td><span class='chip {good}'>{ledger['verdict']}</span></td>"
            f"<td>{sum(ledger['sent'].values())}</td><td>{ledger['impersonated'] or ''}</td>"
            f"<td>{ledger['received']}</td><td>{ledger['archived']}</td><td>{published}</td>"
            f"<td>{ledger['clean_lost']} of {ledger['clean_sent']}</td><td class='words'>{alarms}</td>"
            f"<td>{ledger['agent_cpu_s']:.1f} s CPU, {ledger['agent_memory_mb']:.0f} MiB</td></tr>"
        )
    yield "</tbody></table></div>"


def _alarm(alarm: dict[str, Any]) -> str:
    kind = {"as expected": "passed", "missing": "failed"}.get(alarm["verdict"], "failed")
    after = f" after {alarm['latency_s']:.1f} s" if alarm["latency_s"] is not None else f" {alarm['verdict']}"
    return f"<span class='dot {kind}'></span>{alarm['fault'] or 'no fault'} → {html.escape(alarm['name'])}{after}"


def _scenario(name: str, item: dict[str, Any]) -> Iterator[str]:
    ledger = item["ledger"]
    opened = " open" if ledger["verdict"] != "good" else ""
    yield f"<details id='{name}'{opened}><summary>{name}</summary><section class='plots'>"
    drawn = drawings.timeline(ledger, max(ledger["played_s"], 1.0))
    if drawn:
        yield f"<figure class='wide'>{drawn}</figure>"
    yield from _plots(item)
    yield "</section>"
    for words in ledger["faulty"]:
        yield f"<p class='faulty'>{html.escape(words)}</p>"
    yield "</details>"


def _requirements(requirements: list[Requirement]) -> Iterator[str]:
    for room in dict.fromkeys(item.room for item in requirements):
        yield f"<h3>{html.escape(purpose(room))}</h3><div class='scroll'><table><tbody>"
        for item in requirements:
            if item.room == room:
                figure = html.escape(item.figure).replace("\n", "<br>")
                yield (
                    f"<tr><td class='state'><span class='chip {item.state}'>{item.state}</span></td>"
                    f"<td class='words'>{html.escape(item.words)}</td><td class='words figure'>{figure}</td>"
                    f"<td class='time'>{item.seconds:.1f} s</td></tr>"
                )
        yield "</tbody></table></div>"


def main(folder: str) -> None:
    """Write the page, and say where it is."""
    place = Path(folder)
    requirements = [item for junit in sorted(place.glob("hil*.xml")) for item in read_requirements(junit)]
    target = place / "hil.html"
    target.write_text(page(requirements, read_scenarios(place / "figures")), encoding="utf-8")
    print(f"report: {target}")


if __name__ == "__main__":
    main(sys.argv[1])
