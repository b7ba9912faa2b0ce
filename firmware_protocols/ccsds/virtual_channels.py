"""The virtual channels of a spacecraft: whose transfer frames are believed, and what their counters show.

TM, AOS and USLP differ in where their fields stand; what is done with a spacecraft's identifier, a frame count, a
frame that came twice and the packets across frames is the same, and is here. Knows identifiers, counts and packet
zones; no header.

Source: CCSDS 132.0-B-3, 732.0-B-4 and 732.1-B-2, the virtual channel reception function of each (§4.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Final

from firmware_protocols.ccsds.counters import CounterTrack, Verdict, missing_by_counter
from firmware_protocols.ccsds.identity import Witnesses
from firmware_protocols.ccsds.packet_zone import NO_PACKET_STARTS, PacketZone
from firmware_protocols.interface import Gap

MAX_CHANNELS: Final = 4096
"""More channels, MAPs among them, than these come from damage only."""


def goes_on(verdict: Verdict) -> bool:
    """Say whether a frame follows the one before without loss; a counter that stands still is one not used."""
    return verdict in ("next", "repeat")


class VirtualChannel:
    """One channel: its counter (``None`` where frames carry no count), and the packets in each of its MAPs."""

    def __init__(self, channels: VirtualChannels, track: CounterTrack | None) -> None:
        self.track = track
        self._channels = channels
        self._newest = b""
        self._zones: dict[int, PacketZone] = {}

    def take(self, frame: bytes, count: int | None) -> Verdict | None:
        """Take a frame's count; ``None`` for the same frame again, which is counted."""
        rejected = self._channels.rejected
        if self.track is None or count is None:
            return "next"
        if frame == self._newest:
            rejected["repeated_frame"] += 1
            return None
        self._newest = frame
        damaged = self.track.damaged
        verdict = self.track.take(count)
        if self.track.damaged > damaged:
            rejected["damaged_count"] += 1
        return verdict

    def packets(self, zone: bytes, pointer: int, verdict: Verdict, *, map_id: int = 0) -> list[bytes]:
        """Return the packets that end in this frame."""
        if verdict == "late":
            # What goes on in the channel is not this frame's: only its whole packets are taken.
            return self.packets_apart(zone, pointer)
        return self.zone(map_id).feed(zone, pointer, unbroken=goes_on(verdict))

    def zone(self, map_id: int = 0) -> PacketZone:
        """Return where the packets of a MAP go on."""
        if map_id not in self._zones:
            self._zones[map_id] = self._channels.new_zone()
        return self._zones[map_id]

    def packets_apart(self, zone: bytes, pointer: int) -> list[bytes]:
        """Return the packets that are whole in this frame alone."""
        apart = self._channels.new_zone()
        packets = apart.feed(zone, pointer, unbroken=False)
        apart.drop()
        return packets

    def drop(self) -> None:
        """Forget the packets that were begun: their ends were lost."""
        for zone in self._zones.values():
            zone.drop()


class VirtualChannels:
    """All channels of one physical channel; counts go into the extractor's own ``rejected`` and ``counted``."""

    def __init__(
        self,
        scid: int | None,
        rejected: Counter[str],
        counted: Counter[str],
        *,
        max_packet_octets: int,
        no_packet_starts: int = NO_PACKET_STARTS,
    ) -> None:
        self.rejected = rejected
        self._counted = counted
        self._max_packet_octets = max_packet_octets
        self._no_packet_starts = no_packet_starts
        self._witnesses = Witnesses(scid)
        self._channels: dict[Hashable, VirtualChannel] = {}

    @property
    def gaps(self) -> list[Gap]:
        """List the frames that are missing, by virtual channel."""
        return [gap for track in self._tracks() for gap in track.gaps]

    @property
    def missing(self) -> Counter[str]:
        """Count the frames that are missing, by virtual channel."""
        return missing_by_counter("vc", "vcid", self._tracks())

    def _tracks(self) -> list[CounterTrack]:
        return [channel.track for channel in self._channels.values() if channel.track is not None]

    def believe(self, scid: int, frame: bytes) -> list[bytes]:
        """Return the frames that may be opened now; one of another spacecraft is counted."""
        believed = self._witnesses.hear(scid, frame)
        if believed is None:
            self.rejected["wrong_scid"] += 1
            return []
        return believed

    def rest(self) -> list[bytes]:
        """Return the frames that waited for a witness until the stream's end, if they may be opened."""
        frames, strangers = self._witnesses.rest()
        if strangers:
            self.rejected["wrong_scid"] += strangers
        return frames

    def channel(self, key: Hashable, name: Mapping[str, int], modulus: int | None) -> VirtualChannel | None:
        """Return the channel of this key, made at its first frame; ``None`` (counted) when there are too many."""
        channel = self._channels.get(key)
        if channel is None:
            if len(self._channels) >= MAX_CHANNELS:
                self.rejected["too_many_channels"] += 1
                return None
            track = None if modulus is None else CounterTrack(name, modulus)
            channel = self._channels[key] = VirtualChannel(self, track)
        return channel

    def new_zone(self) -> PacketZone:
        """Make the packet zone of a channel."""
        return PacketZone(
            self.rejected,
            self._counted,
            max_octets=self._max_packet_octets,
            no_packet_starts=self._no_packet_starts,
        )

    def drop(self) -> None:
        """End the stream: count the packets that were never completed."""
        for channel in self._channels.values():
            channel.drop()
