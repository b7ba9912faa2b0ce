"""Kernels keep to themselves: imported only within their room, compiled ahead, cached, never parallel."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for folder in ("agent", "firmware_protocols") for path in (ROOT / folder).rglob("*.py"))
KERNEL_FILES = [path for path in MODULES if path.stem.endswith("kernels")]
WITH_KERNELS = [path for path in MODULES if "@njit" in path.read_text(encoding="utf-8")]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def room(path: Path) -> str:
    """The room a file stands in: ``agent/orbit``, however deep."""
    return "/".join(path.relative_to(ROOT).parts[:2])


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def kernels(path: Path) -> dict[str, Dispatcher]:
    module = importlib.import_module(dotted(path))
    own = {name: item for name, item in vars(module).items() if isinstance(item, Dispatcher)}
    return {name: item for name, item in own.items() if item.py_func.__module__ == module.__name__}


@pytest.mark.parametrize("path", KERNEL_FILES, ids=dotted)
def test_a_kernel_file_is_imported_only_within_its_room(path: Path) -> None:
    name = dotted(path)
    assert not [dotted(other) for other in MODULES if name in imported_modules(other) and room(other) != room(path)]


def test_kernels_live_in_kernel_files_and_codes_only() -> None:
    strangers = [dotted(path) for path in WITH_KERNELS if path not in KERNEL_FILES and path.parent.name != "coding"]
    assert not strangers


@pytest.mark.parametrize("path", WITH_KERNELS, ids=dotted)
def test_a_kernel_is_compiled_ahead_cached_and_leaves_the_interpreter_free(path: Path) -> None:
    found = kernels(path)
    assert found
    for name, kernel in found.items():
        options = kernel.targetoptions
        assert options.get("nogil") is True, name
        assert not options.get("parallel"), name
        fast = options.get("fastmath") or set()
        assert fast is not True, f"{name}: name the flags that are safe"
        assert not {"nnan", "ninf"} & set(fast), f"{name}: NaN and infinities are data until they are counted"
        # A private helper is compiled into the kernels that call it; an entry of its own would only cost start-up.
        if options.get("inline", "never") == "never" and not name.startswith("_"):
            assert kernel.nopython_signatures, f"{name} has no explicit signature"
            assert not isinstance(kernel._cache, NullCache), f"{name} is not cached"
