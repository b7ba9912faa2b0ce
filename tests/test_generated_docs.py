"""The generated documentation is what `make docs` writes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="argparse lays its help out a little differently elsewhere"
)
def test_the_generated_pages_are_up_to_date() -> None:
    stale = [
        path.name
        for path, content in generator().pages()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    assert not stale, "run `make docs`"
