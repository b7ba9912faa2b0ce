"""Looking inside while decoding: hands what every downlink shows to a dump, a plot, or both.

Knows which of them was asked for. Writes nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.commands.decode.dump import Dump
from agent.commands.decode.inputs import Input
from agent.commands.decode.plots import Plots
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import AudioBlock, Block, IqBlock, OctetBlock, SymbolBlock, Trace, UtcNs
from agent.stages import Watcher
from firmware_protocols.interface import LinkFrame


class Both:
    """One watcher made of several."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    def samples(self, block: IqBlock | AudioBlock) -> None:
        """Show a block to all."""
        for watcher in self._watchers:
            watcher.samples(block)

    def trace(self, start_utc_ns: UtcNs, trace: Trace) -> None:
        """Show a stage's output to all."""
        for watcher in self._watchers:
            watcher.trace(start_utc_ns, trace)

    def symbols(self, block: SymbolBlock) -> None:
        """Show symbols to all."""
        for watcher in self._watchers:
            watcher.symbols(block)

    def found(self, stream: int, frame: LinkFrame, start_utc_ns: UtcNs, span_ns: int, *, kept: bool) -> None:
        """Show a frame to all."""
        for watcher in self._watchers:
            watcher.found(stream, frame, start_utc_ns, span_ns, kept=kept)


class Watching:
    """What was asked for, for one run of ``decode``."""

    def __init__(self, dump: str | None, plot: str | None, given: Input) -> None:
        """Make the folders and files; raises ``AgentError`` when they cannot be written."""
        self._dump = Dump(dump, given.name, given.start_utc_ns) if dump is not None else None
        self._plots = Plots(plot, given.name, given.start_utc_ns) if plot is not None else None

    def watcher(self, transmitter: Transmitter) -> Watcher:
        """Make who looks into a downlink's chain."""
        makers = [each for each in (self._dump, self._plots) if each is not None]
        return Both([each.watcher(transmitter) for each in makers])

    def feed(self, block: Block) -> None:
        """Look at what the source gives."""
        if isinstance(block, OctetBlock):
            return
        if self._dump is not None:
            self._dump.feed(block)
        if self._plots is not None:
            self._plots.feed(block)

    def close(self, receiver: Receiver) -> list[str]:
        """Finish the files; tell where they are."""
        told = []
        if self._dump is not None:
            told.append(self._dump.close(receiver))
        if self._plots is not None:
            told.append(self._plots.close())
        return told
