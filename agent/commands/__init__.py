"""The sub-commands of ``gsagent``, one file each, and the parser made of them.

A command module says what it is in ``SUMMARY`` and ``DESCRIPTION``, what it takes in ``add_arguments(parser)``
and does its work in ``run(arguments) -> int``. Imports of anything heavy stand inside ``run``: ``gsagent --help``
loads every module of this folder.
"""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

from agent import __version__

COMMANDS = (
    "run",
    "demo",
    "decode",
    "init",
    "satellites",
    "passes",
    "identify",
    "check",
    "simulate",
    "archive",
    "doctor",
    "completion",
)
"""In the order in which a newcomer reads them."""

DESCRIPTION = """\
Ground-station telemetry agent: reads satellite frames from serial ports, TNCs, SDRs and recordings,
decodes them, judges health, predicts passes, keeps every frame, and publishes status over MQTT.
"""

EPILOG = """\
examples:
  gsagent demo                                     a simulated station on this machine, all of it
  gsagent decode pass.wav --satellite link         what a recording holds, as text
  gsagent init station.toml                        write a first station file
  gsagent run station.toml                         the agent
  gsagent passes link --elements link.tle --station 36.372,127.363,80

exit codes: 0 done; 1 the input or the surroundings failed; 2 wrong usage or configuration.
`gsagent COMMAND --help` tells the rest. All times are UTC.
"""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as a manual page, whatever the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


def make_parser() -> argparse.ArgumentParser:
    """Build the parser with every sub-command that is installed."""
    parser = argparse.ArgumentParser(
        prog="gsagent", description=DESCRIPTION, epilog=EPILOG, formatter_class=Formatter, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"gsagent {__version__}")
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="how much to log on stderr",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in COMMANDS:
        module = load_command(name)
        sub = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.DESCRIPTION,
            epilog=getattr(module, "EPILOG", None),
            formatter_class=Formatter,
            allow_abbrev=False,
        )
        module.add_arguments(sub)
    return parser


def load_command(name: str) -> ModuleType:
    """Import a sub-command's module."""
    return importlib.import_module(f"agent.commands.{name}")
