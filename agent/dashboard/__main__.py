"""Writes the page into a folder, for a web server that is not the agent's: ``python -m agent.dashboard FOLDER``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from agent import __version__
from agent.dashboard.files import export


def main() -> int:
    """Read the options and write the page."""
    parser = argparse.ArgumentParser(prog="python -m agent.dashboard", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--broker", default="mqtt", metavar="URL", help="the broker's WebSocket (default: %(default)s)"
    )
    parser.add_argument("--topic-prefix", default="gs", metavar="PREFIX")
    given = parser.parse_args()
    try:
        count = export(given.directory, topic_prefix=given.topic_prefix, version=__version__, broker=given.broker)
    except OSError as exc:
        sys.stderr.write(f"{given.directory}: {exc.strerror}\n")
        return 1
    sys.stdout.write(f"{count} files in {given.directory}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
