"""What a plug-in must look like: one Protocol for each kind.

A source or a sink is a shell (asynchronous, may fail); a demodulator is pure. Deframers and packet
extractors are protocols of ``firmware_protocols.interface``, since they know no agent. There is no registry:
the name in a configuration is the module's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from agent.records import AudioBlock, Block, IqBlock, Record, SymbolBlock, Trace, UtcNs
from firmware_protocols.interface import LinkFrame


class Source(Protocol):
    """Where blocks come from: ``async with`` opens it, ``read`` gives one block at a time.

    ``read`` raises ``SourceLost`` when the source went away and may come back, ``EndOfStream`` when it is
    exhausted. It may be cancelled at any time without losing what it has not yet returned.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def read(self) -> Block:
        """Wait for the next block."""
        ...


class Demodulator(Protocol):
    """Samples in, soft symbols out; any cutting of the input gives the same symbols."""

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        ...

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream."""
        ...

    def watch(self, look: Callable[[UtcNs, Trace], None]) -> None:
        """Show from now on what every stage gives, with the time its unbroken stream began."""
        ...


class Watcher(Protocol):
    """Someone who looks into a downlink's chain: a dump, a plot. What is shown must not be changed."""

    def samples(self, block: IqBlock | AudioBlock) -> None:
        """Look at what enters the demodulator."""
        ...

    def trace(self, start_utc_ns: UtcNs, trace: Trace) -> None:
        """Look at what a stage gave; the unbroken stream it belongs to began at ``start_utc_ns``."""
        ...

    def symbols(self, block: SymbolBlock) -> None:
        """Look at what goes to a deframer."""
        ...

    def found(self, stream: int, frame: LinkFrame, start_utc_ns: UtcNs, span_ns: int, *, kept: bool) -> None:
        """Look at a frame; not ``kept`` is one that another hypothesis has given already."""
        ...


class Sink(Protocol):
    """Where records go."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def write(self, records: Sequence[Record]) -> None:
        """Take records; returns when the sink has accepted them, raises ``SinkUnavailable`` when it cannot."""
        ...
