"""The page's files on disk: self-contained, licensed, small, and in colours that can be told apart."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.dashboard.files import STATIC, VENDOR, read_files

SCRIPTS = sorted(STATIC.rglob("*.js"))
TILES = sorted(STATIC.glob("tiles/*/*.js"))
THEMES = ("dark", "light")
LEVELS = ("normal", "watch", "warning", "distress", "critical", "severe", "unknown")
GROUNDS = ("ground", "surface", "raised")


def test_nothing_is_loaded_from_elsewhere() -> None:
    namespace = "http://www.w3.org/2000/svg"
    for path in [*STATIC.rglob("*.*")]:
        text = path.read_text(encoding="utf-8").replace(namespace, "")
        assert not re.search(r"https?://|wss?://(?!…)", text), f"{path.name} names another place"


def test_page_has_no_inline_script_or_style() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert "<style" not in page
    assert "style=" not in page


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_every_import_leads_to_a_served_file(path: Path) -> None:
    served = read_files()
    for name in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', path.read_text(encoding="utf-8")):
        target = (path.parent / name).resolve()
        inside = VENDOR in target.parents or "vendor" in name
        key = name.replace("../", "").removeprefix("./") if inside else target.relative_to(STATIC).as_posix()
        assert key in served, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", TILES, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_every_tile_says_what_a_tile_must_say(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^export const title = \".*\";$", text, re.M)
    assert re.search(r"^export const order = \d+;$", text, re.M)
    assert re.search(r"^export const size = \"(third|half|two-thirds|full|side)\";$", text, re.M)
    assert re.search(r"^export function create\(page\)", text, re.M)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_every_script_is_small_and_opens_with_what_it_knows(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 420
    assert lines[0].startswith("// ")


def test_no_script_makes_markup_of_what_it_was_sent() -> None:
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        ), path


def test_every_vendored_folder_has_its_licence_and_its_line() -> None:
    told = (VENDOR / "README.md").read_text(encoding="utf-8")
    folders = [path for path in VENDOR.iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        assert f"`{folder.name}/`" in told
        assert any(path.name.startswith("LICENSE") for path in folder.iterdir()), folder.name


def test_page_can_be_written_for_another_web_server(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent.dashboard", str(tmp_path), "--broker", "wss://broker.example/mqtt"]
    subprocess.run(command, check=True, capture_output=True)
    told = json.loads((tmp_path / "dashboard.json").read_text(encoding="utf-8"))
    assert told["broker"] == "wss://broker.example/mqtt"
    for name in ("index.html", "main.js", "vendor/mqtt-5.16.0/mqtt.esm.js", "tiles/fleet/satellites.js"):
        assert (tmp_path / name).is_file()


# -- colours -----------------------------------------------------------------------------------------------------


def palette(theme: str) -> dict[str, str]:
    text = (STATIC / "style/colours.css").read_text(encoding="utf-8")
    block = text.split(":root {")[1] if theme == "dark" else text.split(':root[data-theme="light"] {')[1]
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block.split("}")[0]))


def luminance(colour: str) -> float:
    """Relative luminance. Source: WCAG 2.1, definition of relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_every_ground(theme: str) -> None:
    colours = palette(theme)
    for ground in GROUNDS:
        for ink in ("text", "quiet", "accent", "normal"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, f"{ink} on {ground}"
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_signs_lines_and_borders_of_controls_stand_out(theme: str) -> None:
    colours = palette(theme)
    for ground in GROUNDS:
        for ink in (*LEVELS, "plot", "plot-2", "edge"):
            assert contrast(colours[ink], colours[ground]) >= 3.0, f"{ink} on {ground}"
    for ink in ("plot", "plot-2", "normal", "severe"):
        assert contrast(colours[ink], colours["sea"]) >= 3.0


def test_every_level_has_a_shape_of_its_own() -> None:
    text = (STATIC / "severity.js").read_text(encoding="utf-8")
    shapes = dict(re.findall(r'^  (\w+): "(M[^"]+)",$', text, re.M))
    assert set(shapes) == set(LEVELS)
    known = [shapes[level] for level in LEVELS if level != "unknown"]
    assert len(set(known)) == len(known)  # unknown is the circle of normal, hollow and broken
