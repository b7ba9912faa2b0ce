"""How often each fault's alarms appear, how soon, and how often one appears that no fault explains.

Each judged scenario is played ``GSAGENT_TRIALS`` times, those on the air each time with other noise (what a line
without a check makes of broken octets may be any value, and any alarm). What is found goes into docs/faults.md
(``hil_tests.fault_figures``).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from hil_tests.conftest import SAMPLED
from hil_tests.reporting import keep_for_report
from hil_tests.test_judged_scenarios import JUDGED, gsagent

pytestmark = [pytest.mark.hil, pytest.mark.slow, pytest.mark.timeout(1800)]

TRIALS = int(os.environ.get("GSAGENT_TRIALS", "3"))
FIRST_SEED = 1000


@pytest.mark.parametrize("name", JUDGED)
def test_a_scenarios_alarms_are_found_again_and_again(name: str, tmp_path: Path) -> None:
    ledgers = []
    for trial in range(TRIALS):
        done = subprocess.run(
            gsagent(
                *("simulate", name, "--judge", "--json", "--log", str(tmp_path / f"{trial}.log")),
                *(("--seed", str(FIRST_SEED + trial)) if name in SAMPLED else ()),
            ),
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr[-2000:]
        ledgers.append(json.loads(done.stdout))
    keep_for_report(f"rates-{name}", {"ledgers": ledgers})
    lines = [alarm for ledger in ledgers for alarm in ledger["alarms"] if alarm["fault"]]
    found = [line for line in lines if line["verdict"] == "as expected"]
    wrong = [line for ledger in ledgers for line in ledger["alarms"] if line["verdict"] == "not expected"]
    lost = sum(ledger["clean_lost"] for ledger in ledgers)
    print(
        f"{name}: {TRIALS} plays, {len(found)} of {len(lines)} alarms found, {len(wrong)} wrong, {lost} frames lost"
    )
    assert len(found) == len(lines)
    assert not wrong, [(line["name"], line["evidence"]) for line in wrong]
    assert not lost
