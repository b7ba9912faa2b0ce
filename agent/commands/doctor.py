"""``gsagent doctor``: what is wrong with this machine or station, and how to mend it."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

SUMMARY = "say what is wrong with this machine or station, and how to mend it"
DESCRIPTION = """\
Look at clock, processor, permissions, devices, broker, disk and kernel cache, and print one line each: good, worth
knowing, or wrong with its mend. With a station file, look at all that it names too: connect to each broker, open
each source (unless an agent is at work with them), look at the archive's room and the elements' age. Nothing is
published and nothing is written. Exit code 1 when something is wrong.

--compile fills the cache of compiled kernels (done at set-up), so that starting never waits for a compiler.
"""

KERNEL_PACKAGES = ("firmware_protocols.coding", "agent.dsp", "agent.orbit", "agent.health", "agent.telemetry")
SERIAL_GROUP = "dialout"
ENOUGH_DISK_MB = 512

Verdict = Literal["good", "note", "wrong"]


class Finding(NamedTuple):
    """One thing looked at."""

    verdict: Verdict
    what: str
    mend: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("config", nargs="?", help="station file to look at too")
    parser.add_argument("--compile", action="store_true", help="fill the kernel cache and say how long each took")


def run(arguments: argparse.Namespace) -> int:
    """Look and print; 1 when something is wrong."""
    if arguments.compile:
        return compile_kernels()
    wrong = 0
    for finding in findings(arguments.config):
        wrong += finding.verdict == "wrong"
        mend = f"\n        {finding.mend}" if finding.mend else ""
        print(f"{finding.verdict:>5}  {finding.what}{mend}")
    return 1 if wrong else 0


def compile_kernels() -> int:
    """Import every module that holds kernels: their signatures are explicit, so importing compiles and caches."""
    started_s = time.perf_counter()
    count = 0
    for package in KERNEL_PACKAGES:
        module = importlib.import_module(package)
        for info in pkgutil.walk_packages(module.__path__, f"{package}."):
            before_s = time.perf_counter()
            importlib.import_module(info.name)
            took_s = time.perf_counter() - before_s
            count += 1
            if took_s > 0.5:
                print(f"  {info.name}: {took_s:.1f} s", flush=True)
    print(f"kernels of {count} modules are ready ({time.perf_counter() - started_s:.1f} s)")
    return 0


def findings(config: str | None) -> Iterator[Finding]:
    """Look at everything, in the order in which it matters."""
    yield processor()
    yield clock()
    yield cache()
    yield serial_permission()
    yield devices()
    yield broker()
    yield disk(Path("."))
    if config is not None:
        from agent.commands import station_doctor

        yield from station_doctor.findings(config)


def processor() -> Finding:
    """Numba has no wheels for 32-bit systems."""
    bits = struct.calcsize("P") * 8
    what = f"{platform.machine()}, {bits} bit, {os.cpu_count()} cores, Python {platform.python_version()}"
    if bits != 64:
        return Finding("wrong", what, "install a 64-bit system: the kernels' compiler has no 32-bit build")
    return Finding("good", what)


def clock() -> Finding:
    """A clock that nothing disciplines makes every prediction and time stamp doubtful."""
    from agent.runtime.host import clock_state

    state = clock_state()
    if state == "synchronised":
        return Finding("good", "clock synchronised")
    if state == "unknown":
        return Finding("note", "clock: the kernel does not say whether it is synchronised")
    return Finding(
        "note", "clock not synchronised", "timedatectl set-ntp true, or connect chrony to a GNSS receiver"
    )


def cache() -> Finding:
    """Kernels compiled at set-up make the start quick."""
    package = Path(importlib.import_module("agent.dsp").__path__[0])
    cached = list(package.glob("__pycache__/*.nbi"))
    where = os.environ.get("NUMBA_CACHE_DIR", "beside the package")
    if cached or "NUMBA_CACHE_DIR" in os.environ:
        return Finding("good", f"kernel cache {where}")
    return Finding("note", "kernel cache is empty: the first start will compile", "gsagent doctor --compile")


def serial_permission() -> Finding:
    """Serial devices belong to a group."""
    import grp

    try:
        group = grp.getgrnam(SERIAL_GROUP)
    except KeyError:
        return Finding("note", f"no group {SERIAL_GROUP} on this system")
    if os.geteuid() == 0 or group.gr_gid in os.getgroups():
        return Finding("good", "may open serial ports")
    return Finding("note", "may not open serial ports", f"sudo usermod -aG {SERIAL_GROUP} $USER, then log in again")


def devices() -> Finding:
    """Name what is plugged in."""
    from agent.commands.init import serial_ports

    ports = serial_ports()
    return Finding("good" if ports else "note", f"serial ports: {', '.join(ports) or 'none found'}")


def broker() -> Finding:
    """The embedded broker is mosquitto where it is installed."""
    path = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path:
        return Finding("good", f"broker for stations without one: {path}")
    if importlib.util.find_spec("amqtt"):
        return Finding("note", "broker for stations without one: amqtt (slower)", "apt install mosquitto")
    return Finding("note", "no broker on this machine", "apt install mosquitto, or name one in [[broker]]")


def disk(path: Path) -> Finding:
    """The archive needs room."""
    from agent.runtime.host import disk_free_mb

    free_mb = disk_free_mb(path)
    if free_mb is None:
        return Finding("note", "disk: unknown")
    return Finding("good" if free_mb >= ENOUGH_DISK_MB else "wrong", f"disk: {free_mb:.0f} MiB free here")
