"""A packet put back into the frames of the protocols outside it, as its transmitter does.

Knows the order of a downlink's extractors and asks each for the frame that gives a packet (``enclose``), numbered
on from a real frame where one is known. A protocol that only takes apart keeps what stood around the packet there.
Knows no satellite and no time.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

from agent.definitions import Downlink
from firmware_protocols import interface
from firmware_protocols.interface import Around, Packet


class CannotEnclose(ValueError):
    """A layer whose frames cannot be made; ``str()`` says which and why."""


class _Layer(NamedTuple):
    """One protocol, its options, a frame of it and the packet inside that frame (empty where none is known)."""

    name: str
    module: ModuleType
    options: Any
    like: bytes
    inside: bytes

    def enclose(self, data: bytes, number: int, octets: int) -> bytes:
        """Return a frame that gives ``data``."""
        if hasattr(self.module, "enclose"):
            framed: bytes = self.module.enclose(data, self.options, Around(self.like, number, octets))
            return framed
        if hasattr(self.module, "encode") and not hasattr(self.module, "Deframer"):
            encoded: bytes = self.module.encode(data, self.options)
            return encoded
        at = self.like.find(self.inside) if self.inside else -1
        if at < 0:
            raise CannotEnclose(f"{self.name} does not say what stands around a packet, and no example shows it")
        return self.like[:at] + data + self.like[at + len(self.inside) :]


class Layers:
    """What stands around the innermost packet of a downlink.

    ``example`` is a frame to go on from. ``innermost`` is the packet in it, ``None`` when it gives none.
    """

    def __init__(self, downlink: Downlink, example: bytes = b"") -> None:
        octets = downlink.framing.options.get("frame_octets", 0)
        self._octets = octets if isinstance(octets, int) else 0
        self._layers: list[_Layer] = []
        self.innermost: Packet | None = Packet(example) if example else None
        for choice in downlink.extract:
            module = interface.load(choice.protocol)
            options = interface.convert_options(module, choice.options)
            outer, inner = self.innermost, None
            if outer is not None:
                extractor = module.PacketExtractor(options)
                found = [*extractor.feed(outer.data), *extractor.flush()]
                inner = Packet(found[0].data, {**outer.header, **found[0].header}) if found else None
            like = outer.data if outer is not None and inner is not None else b""
            inside = inner.data if inner is not None else b""
            self._layers.append(_Layer(choice.protocol, module, options, like, inside))
            self.innermost = inner

    def enclose(self, packet: bytes, number: int) -> bytes:
        """Return the frame that carries a packet, ``number`` frames after the example; raises ``CannotEnclose``."""
        data = packet
        for depth, layer in reversed(list(enumerate(self._layers))):
            try:
                data = layer.enclose(data, number, self._octets if depth == 0 else 0)
            except CannotEnclose:
                raise
            except ValueError as exc:
                raise CannotEnclose(f"{layer.name}: {exc}") from exc
        return data
