"""Where the tests leave figures for the report: ``GSAGENT_REPORTS`` (``make hil`` sets it), else nowhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

VARIABLE = "GSAGENT_REPORTS"


def keep_for_report(name: str, values: dict[str, Any]) -> None:
    """Keep values as ``<name>.json`` for the report."""
    folder = os.environ.get(VARIABLE)
    if folder:
        path = Path(folder) / "figures" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
