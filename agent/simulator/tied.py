"""The first moment of a child process that must not outlive its parent.

``python -m agent.simulator.tied PID COMMAND…`` asks the kernel to be killed when its parent dies, however that
happens, lets itself be traced by its siblings (strace injects the disk's faults), and becomes the command.
Source: prctl(2), PR_SET_PDEATHSIG and PR_SET_PTRACER.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)


def tie(parent: int) -> None:
    """Bind this process's life to its parent's; ends at once when the parent is gone already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise SystemExit("this system cannot bind a child's life to its parent's")
    libc.prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)  # where no such restriction exists it is refused: as well
    if os.getppid() != parent:
        raise SystemExit(1)


if __name__ == "__main__":
    tie(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
