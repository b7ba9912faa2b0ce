"""Every snippet of the documentation is tried: commands are run, TOML, JSON and Python are read.

In a ``console`` block, lines after ``$ `` are run by a shell in an empty folder (with the reference recordings
beside, where they are there) and what they print must hold the lines below them, in that order; ``…`` stands for
anything. ``sh`` blocks set up machines and are not run here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import DATA_VARIABLE

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    file: str
    line: int
    kind: str
    text: str


def snippets(*kinds: str) -> list[Snippet]:
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] in kinds:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Snippet(str(path.relative_to(ROOT)), line, match[1], match[2]))
    return found


def identify(snippet: Snippet) -> str:
    return f"{snippet.file}:{snippet.line}"


@pytest.mark.parametrize("snippet", snippets("toml"), ids=identify)
def test_toml_in_the_documentation_is_toml(snippet: Snippet) -> None:
    assert tomllib.loads(snippet.text)


@pytest.mark.parametrize("snippet", snippets("json"), ids=identify)
def test_json_in_the_documentation_is_json(snippet: Snippet) -> None:
    for line in snippet.text.splitlines() if "\n{" in snippet.text.strip() else [snippet.text]:
        assert json.loads(line)


@pytest.mark.parametrize("snippet", snippets("python"), ids=identify)
def test_python_in_the_documentation_compiles(snippet: Snippet) -> None:
    compile(snippet.text, identify(snippet), "exec")


@pytest.mark.parametrize("snippet", snippets("console"), ids=identify)
def test_commands_in_the_documentation_print_what_they_are_said_to(snippet: Snippet, tmp_path: Path) -> None:
    data = os.environ.get(DATA_VARIABLE)
    recordings = set(re.findall(r"[\w-]+\.wav", snippet.text))
    for name in recordings:
        if data is None:
            pytest.skip(f"{DATA_VARIABLE} is not set: no recording {name} here")
        (tmp_path / name).symlink_to(Path(data) / "recordings" / "dev" / name)
    for name in ("configs",):
        shutil.copytree(ROOT / name, tmp_path / name)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
    }
    for command, expected in commands(snippet.text):
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        printed = done.stdout + done.stderr
        position = 0
        for line in expected:
            pattern = re.compile(r"\s+".join(".*?".join(map(re.escape, part.split("…"))) for part in line.split()))
            match = pattern.search(printed, position)
            assert match, f"`{command}` did not print, after position {position}:\n{line}\nbut:\n{printed}"
            position = match.end()


def commands(text: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and line.strip():
            found[-1][1].append(line)
    return found
