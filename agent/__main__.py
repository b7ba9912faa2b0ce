"""The command line: finds the sub-commands, sets up logging, turns errors into one line and an exit code.

Knows no command; each is a module of ``agent.commands``. Exit codes: 0 done, 1 the input or the surroundings
failed, 2 wrong usage or configuration.
"""

from __future__ import annotations

import atexit
import gc
import os
import re
import signal
import sys
from collections.abc import Sequence

from agent.commands import load_command, make_parser
from agent.errors import AgentError, ConfigError

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
EXIT_INTERRUPTED = 130


def join_negative_values(arguments: Sequence[str]) -> list[str]:
    """Let ``--station -0.18,-78.47,2850`` stand as two arguments: argparse would take the second for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and re.match(r"^--[a-z-]+$", joined[-1]) and re.match(r"^-\.?\d", argument):
            joined[-1] = f"{joined[-1]}={argument}"
        else:
            joined.append(argument)
    return joined


def set_up_logging(level: str) -> None:
    """Log to stderr: with UTC times on a terminal or in a file, without under journald, which has its own."""
    import logging
    import time

    journald = "JOURNAL_STREAM" in os.environ
    form = (
        "%(levelname)s %(name)s: %(message)s" if journald else "%(asctime)sZ %(levelname)-7s %(name)s: %(message)s"
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(form, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Libraries say what they do at DEBUG; of what they say at INFO an operator needs nothing.
    for library in ("numba", "asyncio", "mqtt", "amqtt", "transitions", "aiohttp"):
        logging.getLogger(library).setLevel(logging.WARNING)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = make_parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = parser.parse_args(join_negative_values(given))
    if parsed.command is None:
        parser.print_help()
        return EXIT_USAGE
    if parsed.command in ("run", "demo", "simulate", "archive", "doctor"):
        set_up_logging(parsed.log_level)
        # What is there at the end needs no search for cycles: it all goes at once.
        atexit.register(gc.freeze)
    try:
        code: int = load_command(parsed.command).run(parsed)
        sys.stdout.flush()
    except ConfigError as exc:
        print(f"gsagent: {exc}", file=sys.stderr)
        return EXIT_USAGE
    except AgentError as exc:
        print(f"gsagent: {exc}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has had enough: that is no failure of ours to report.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return code


if __name__ == "__main__":
    sys.exit(main())
