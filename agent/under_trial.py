"""``python -m agent.under_trial PAGE PARENT ARGUMENTS…``: ``gsagent ARGUMENTS…`` by the clock of a trial.

Binds its life to whoever judges it, lives by the time that the clock page says, and is otherwise the agent that an
operator runs. Used by ``gsagent simulate --judge`` only.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main(page: str, parent: str, arguments: list[str]) -> None:
    """Run the command line in another time; ends the process as it would."""
    from agent.simulator.tied import tie
    from agent.simulator.warp import Warp

    tie(int(parent))
    warp = Warp(Path(page))
    warp.install()
    from agent.runtime import host

    host.clock_state = warp.clock_state
    sys.argv = ["gsagent", *arguments]
    runpy.run_module("agent", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
