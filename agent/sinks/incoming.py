"""What the publisher understands of what a broker sends it: acknowledgements, and statuses under its own name.

Pure. Anyone who may write to a topic may write anything: each message is bounded, typed, and otherwise refused.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

MAX_INCOMING_OCTETS: Final = 4096


class Status(msgspec.Struct, frozen=True):
    """A station's status, as far as it matters to its own publisher."""

    online: bool
    boot: str
    ts: int = 0


class Acknowledgement(msgspec.Struct, frozen=True):
    """What a consumer has: everything of ``archive`` through ``seq``; ``rewind`` says that it lost its store.

    Without an ``archive``, ``rewind`` says that the consumer has come and waits for what is on its way.
    """

    archive: Annotated[str, Meta(max_length=64)]
    seq: Annotated[int, Meta(ge=0, lt=1 << 62)]
    rewind: bool = False


_status = msgspec.json.Decoder(Status)
_acknowledgement = msgspec.json.Decoder(Acknowledgement)


def read_status(payload: bytes) -> Status | None:
    """Read a status, or ``None`` when it is none."""
    if len(payload) > MAX_INCOMING_OCTETS:
        return None
    try:
        return _status.decode(payload)
    except msgspec.DecodeError:
        return None


def read_acknowledgement(payload: bytes) -> Acknowledgement | None:
    """Read an acknowledgement, or ``None`` when it is none."""
    if len(payload) > MAX_INCOMING_OCTETS:
        return None
    try:
        return _acknowledgement.decode(payload)
    except msgspec.DecodeError:
        return None
