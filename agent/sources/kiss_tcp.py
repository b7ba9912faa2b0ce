"""Octets from a TNC over TCP: Dire Wolf (port 8001), gr-satellites (port 8100), any server that speaks KISS.

Knows a host and a port; what the octets mean is the framing's business. Never sends: a KISS frame sent to a
TNC would be transmitted.
"""

from __future__ import annotations

from agent.definitions import Port
from agent.sources import OctetTable, Signal
from agent.sources.connection.octets import Listening

SIGNAL: Signal = "octets"


class Options(OctetTable, frozen=True, kw_only=True):
    """A TNC's address."""

    host: str = "127.0.0.1"
    port: Port = 8001


class Source(Listening):
    """A connection to a TNC."""

    def __init__(self, options: Options) -> None:
        self.options = options
        mend = "is the TNC running, is this its KISS port?"
        super().__init__(options.host, options.port, what="TNC", mend=mend)
