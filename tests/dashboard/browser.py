"""A real Chromium before the dashboard, a real broker behind it: what the browser tests stand on.

Skips by name where Chromium or Playwright is not installed. Debian's Chromium is used, never one that Playwright
would fetch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiomqtt
import pytest

from agent.dashboard.server import Dashboard
from agent.sinks.embedded_broker import EmbeddedBroker
from tests.dashboard.fleet import Fleet

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
    "--force-color-profile=srgb", "--hide-scrollbars",
)  # fmt: skip
DESK = (1600, 1000)
PHONE = (390, 844)
BROWSER_AT = "GSAGENT_TEST_BROWSER_AT"
SCREENSHOTS = Path(__file__).resolve().parents[2] / "reports" / "dashboard"
"""Where pictures go; those in ``docs/images`` are copies of them."""


def need_browser() -> None:
    """Skip, by name, where there is no browser to test in."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    pytest.importorskip("playwright", reason="Playwright for Python is not installed")


@dataclass
class Window:
    """One page in the browser, with what went wrong in it."""

    page: Any
    address: str
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def view(self, name: str) -> None:
        """Go to a view and wait until its tiles stand."""
        await self.page.evaluate("name => { location.hash = name; }", name)
        await self.until(f"gsagent._view?.name === '{name.split('/', maxsplit=1)[0]}'")

    async def text(self, selector: str) -> str:
        """The text of the first element that fits."""
        return str(await self.page.locator(selector).first.inner_text())

    async def until(self, expression: str, timeout_s: float = 5.0) -> None:
        """Wait until an expression in the page is true; asked from outside, for the page's policy forbids eval."""
        end_s = time.monotonic() + timeout_s
        while not await self.page.evaluate(expression):
            if time.monotonic() > end_s:
                pytest.fail(f"still not so after {timeout_s} s: {expression}")
            await asyncio.sleep(0.03)


@contextlib.contextmanager
def running_chromium() -> Iterator[str]:
    """Run one Chromium for many tests; gives the address of its debugging port."""
    need_browser()
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="gsagent-chromium-") as profile:
        command = (CHROMIUM, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank")
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as process:
            try:
                yield f"http://127.0.0.1:{_debugging_port(Path(profile) / 'DevToolsActivePort')}"
            finally:
                process.terminate()
                process.wait(10)
                _wait_until_quiet(Path(profile))


def _debugging_port(file: Path) -> int:
    for _ in range(300):
        if file.is_file() and (lines := file.read_text().split()):
            return int(lines[0])
        time.sleep(0.1)
    pytest.fail("Chromium did not start")


def _wait_until_quiet(profile: Path) -> None:
    """Wait until Chromium's last process no longer writes into its profile, so that it can be removed."""
    for _ in range(50):
        if not (profile / "SingletonLock").is_symlink():
            return
        time.sleep(0.1)


@asynccontextmanager
async def chromium(address: str, size: tuple[int, int] = DESK, theme: str = "dark") -> AsyncIterator[Window]:
    """Open the dashboard in a window that remembers nothing; fails the test when a script in it failed."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(os.environ[BROWSER_AT])
        context = await browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="en-GB")
        await context.add_init_script(f"localStorage.setItem('gsagent-theme', '{theme}')")
        window = Window(await context.new_page(), address)
        window.page.on("pageerror", lambda error: window.errors.append(str(error)))
        window.page.on("console", lambda said: _hear(window, said))
        window.page.on("request", lambda request: window.asked.append(request.url))
        await window.page.goto(address)
        await window.until("globalThis.gsagent?._view != null")
        try:
            yield window
        finally:
            await context.close()
            await browser.close()
    assert window.errors == [], window.errors


def _hear(window: Window, said: Any) -> None:
    # A broker that is away is an error to the browser, and expected here; so is the icon, asked for again.
    if said.type == "error" and "WebSocket connection" not in said.text and "icon.svg" not in said.location["url"]:
        window.errors.append(said.text)


@asynccontextmanager
async def dashboard(broker_port: int) -> AsyncIterator[Dashboard]:
    """Serve the page before a broker."""
    async with Dashboard(0, lambda: {"station": "daejeon"}, broker_port=broker_port) as served:
        yield served


@asynccontextmanager
async def publishing(port: int, satellites: int = 6, *, restored: Fleet | None = None) -> AsyncIterator[Fleet]:
    """A fleet that answers commands; publishes nothing by itself but its birth."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        client.pending_calls_threshold = 10_000
        fleet = restored or Fleet(client, satellites)
        fleet.client = client
        serving = asyncio.create_task(fleet.serve())
        await fleet.birth()
        try:
            yield fleet
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await serving


def free_port() -> int:
    """A port that is free now: a broker that comes back must come back to its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def everything(
    satellites: int = 6,
    size: tuple[int, int] = DESK,
    theme: str = "dark",
    kind: Literal["mosquitto", "amqtt"] | None = None,
) -> AsyncIterator[tuple[Window, Fleet]]:
    """Broker, fleet, dashboard and browser."""
    need_browser()
    async with (
        EmbeddedBroker(0, kind=kind) as broker,
        publishing(broker.port, satellites) as fleet,
        dashboard(broker.port) as served,
        chromium(served.address, size, theme) as window,
    ):
        await window.until(f"gsagent.store.satellites.size >= {satellites}", 10)
        yield window, fleet


def processor_time_s(root: int) -> float:
    """Processor time of all Chromium processes below a process, in seconds."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            command = (folder / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        number = int(folder.name)
        children.setdefault(int(fields[1]), []).append(number)
        if b"chrom" in command:
            seconds[number] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    total, waiting = 0.0, [root]
    while waiting:
        number = waiting.pop()
        total += seconds.get(number, 0.0)
        waiting += children.get(number, [])
    return total
