"""Reads secrets from files, and refuses those that others may read.

A secret is never written in a configuration, given as an argument, logged or published. Under systemd the file is
a credential (``LoadCredential=``), elsewhere a file of mode 0400.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from agent.errors import ConfigError

MAX_SECRET_OCTETS: Final = 4096


def read_secret(path: Path) -> str:
    """Read a password: the file's first line; raises ``ConfigError`` with the mend."""
    check_private(path)
    try:
        with path.open(encoding="utf-8") as file:
            secret = file.read(MAX_SECRET_OCTETS).split("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"secret cannot be read: {exc}", where=str(path)) from exc
    if not secret:
        raise ConfigError("holds no secret", where=str(path), mend="write the password on its first line")
    return secret


def check_private(path: Path) -> None:
    """Make sure that a secret or a private key is a file only its owner may read; raises ``ConfigError``."""
    try:
        status = os.stat(path)
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc.strerror}", where=str(path)) from exc
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("is not a file", where=str(path))
    others = stat.S_IRWXG | stat.S_IRWXO
    if path.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere")):
        # systemd lets the service's user read by an access list, whose mask shows as the group's bits.
        others = stat.S_IRWXO
    if status.st_mode & others:
        raise ConfigError("may be read by others", where=str(path), mend=f"chmod 400 {path}")
