"""Whose signal is looked for: a satellite's file, a SatYAML file, or what the options say.

Knows where satellites come from and how a downlink is checked before any sample is read. Reads no recording.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.config import load_satellite, read_satyaml
from agent.definitions import Downlink, Satellite
from agent.downlink import check_downlink
from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.security.protocol_keys import with_keys
from agent.telemetry.importers import satyaml


def find_satellite(name: str, notes: list[str]) -> tuple[str, Satellite]:
    """Read a satellite by name, alias, number, or file; raises ``ConfigError``.

    Transmitters of a SatYAML file that cannot be listened to are told in ``notes``.
    """
    if name.endswith((".yml", ".yaml")):
        left_out: list[str] = []
        found = read_satyaml(Path(name), left_out)
        notes += [f"{name}: {each}: not listened to" for each in left_out]
        return found
    slug, satellite = load_satellite(name)
    return slug, with_keys(satellite)


def transmitters_of(
    found: tuple[str, Satellite] | None,
    arguments: argparse.Namespace,
    notes: list[str],
    *,
    required: bool = True,
) -> list[Transmitter]:
    """List the transmitters to listen for; raises ``ConfigError``.

    Without a satellite they are what the options say; when nothing is said and none ``required``, there are none.
    """
    if found is not None:
        return _of_satellite(*found, arguments.downlink)
    missing = [name for name in ("modulation", "baudrate_bd", "framing") if getattr(arguments, name) is None]
    if missing and not required:
        return []
    if missing:
        wanted = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise ConfigError("say who transmits", mend=f"--satellite NAME, or else {wanted}")
    options = read_options(arguments.option)

    def make(options: Mapping[str, str]) -> Downlink:
        return satyaml.transmitter("given", arguments.modulation, arguments.baudrate_bd, arguments.framing, options)

    downlink = make(options)
    for key, value in options.items():
        if make({other: options[other] for other in options if other != key}) == downlink:
            notes.append(f"--option {key}={value} changes nothing: not known here, or so without it")
    transmitter = Transmitter(None, None, downlink)
    _check(transmitter)
    return [transmitter]


def _of_satellite(slug: str, satellite: Satellite, wanted: str | None) -> list[Transmitter]:
    transmitters = [
        Transmitter(slug, satellite, downlink)
        for downlink in satellite.downlinks
        if wanted in (None, downlink.name)
    ]
    if not transmitters:
        names = ", ".join(downlink.name for downlink in satellite.downlinks)
        raise ConfigError(
            f"{slug} has no downlink {wanted!r}" if names else f"{slug}: no public downlink is known",
            mend=f"there are: {names}" if names else "",
        )
    for transmitter in transmitters:
        _check(transmitter)
    return transmitters


def _check(transmitter: Transmitter) -> None:
    try:
        check_downlink(transmitter.downlink)
    except (ValueError, LookupError) as exc:
        raise ConfigError(str(exc), where=f"downlink {transmitter.downlink.name}") from exc


def read_options(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` pairs; raises ``ConfigError``."""
    options = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ConfigError(f"{pair!r} is not KEY=VALUE", where="--option")
        options[key.strip()] = value.strip()
    return options
