"""Write the generated parts of the documentation: the command line's manual and the files' JSON schemas.

Run by ``make docs``; a test fails when what is committed is not what this writes.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from agent import definitions
from agent.commands import make_parser

HERE = Path(__file__).resolve().parent
HEAD = "<!-- Made by `make docs` from the programs' own help. -->\n\n# Command line\n"


def pages() -> Iterator[tuple[Path, str]]:
    """Give every generated file with its content."""
    yield HERE / "command-line.md", command_line()
    for name, kind in (("satellite", definitions.Satellite), ("station", definitions.StationFile)):
        schema = json.dumps(definitions.json_schema(kind), indent=2, ensure_ascii=False)
        yield HERE / "schemas" / f"{name}.schema.json", schema + "\n"


def command_line() -> str:
    """Write the manual of every command."""
    parser = make_parser()
    out = io.StringIO()
    out.write(HEAD)
    out.write(f"\n```text\n{parser.format_help().rstrip()}\n```\n")
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                out.write(f"\n## gsagent {name}\n\n```text\n{command.format_help().rstrip()}\n```\n")
    return out.getvalue()


def main() -> int:
    """Write the files and say which."""
    for path, content in pages():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {path.relative_to(HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
