"""What was heard in the last seven days, as hashes: whether these very octets have come before, and when.

A table of buckets, each with eight places: a new hash takes an empty place, one that has expired, or the oldest.
Its size is bounded, a lookup touches one bucket, and where more is heard than it holds the oldest is forgotten
first. Knows octets and times; what is worth remembering, and what hearing it again means, ``authenticity`` knows.
It is kept across restarts by whoever has a disk: ``dump`` and ``load``.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from agent.records import UtcNs

NS_PER_S = 1_000_000_000
REMEMBERED_S = 7 * 86_400
WAYS = 8
DEFAULT_PLACES = 1 << 19
"""Seven days of nearly one frame a second, in 6 MiB."""
KEY_OCTETS = 16
MAGIC = b"gsreplay"
_HEAD = struct.Struct("<8sHQ")
VERSION = 1


class ReplayMemory:
    """Remembers octets. Times are whole seconds inside; a hash of 64 bits names octets within one context."""

    def __init__(self, places: int = DEFAULT_PLACES) -> None:
        self._buckets = max(1, places // WAYS)
        self._hashes = np.zeros((self._buckets, WAYS), dtype=np.uint64)
        self._times = np.zeros((self._buckets, WAYS), dtype=np.uint32)
        self.kept_utc_ns: UtcNs = 0
        """The newest time of what was loaded."""

    def meet(self, context: str, data: bytes, at_utc_ns: UtcNs) -> UtcNs | None:
        """Remember octets heard at a time; return when they were heard first, if they were.

        ``context`` keeps apart what may rightly be the same (a satellite's name). The first time stays: a memory
        that followed each repetition would forget how old the original is.
        """
        return self._put(_hash(context, data), at_utc_ns // NS_PER_S)

    def _put(self, key: int, at_s: int) -> UtcNs | None:
        bucket = key % self._buckets
        hashes, times = self._hashes[bucket], self._times[bucket]
        oldest_s = max(0, at_s - REMEMBERED_S)
        for place in np.flatnonzero(hashes == np.uint64(key)).tolist():
            if int(times[place]) >= oldest_s:
                first_s = int(times[place])
                times[place] = min(first_s, at_s)
                return first_s * NS_PER_S
        place = int(np.argmin(times))
        hashes[place], times[place] = key, at_s
        return None

    def __len__(self) -> int:
        return int(np.count_nonzero(self._times))

    def dump(self) -> bytes:
        """Return everything that is remembered: twelve octets each, with a checksum."""
        held = self._times > 0
        body = self._hashes[held].astype("<u8").tobytes() + self._times[held].astype("<u4").tobytes()
        head = _HEAD.pack(MAGIC, VERSION, int(np.count_nonzero(held)))
        return head + hashlib.blake2b(body, digest_size=KEY_OCTETS).digest() + body

    def load(self, dumped: bytes) -> bool:
        """Take up what an earlier run remembered; ``False``, and nothing taken, when it is damaged or foreign."""
        if len(dumped) < _HEAD.size + KEY_OCTETS:
            return False
        magic, version, count = _HEAD.unpack_from(dumped)
        digest, body = dumped[_HEAD.size : _HEAD.size + KEY_OCTETS], dumped[_HEAD.size + KEY_OCTETS :]
        whole = magic == MAGIC and version == VERSION and len(body) == 12 * count
        if not whole or hashlib.blake2b(body, digest_size=KEY_OCTETS).digest() != digest:
            return False
        hashes = np.frombuffer(body, dtype="<u8", count=count)
        times = np.frombuffer(body, dtype="<u4", offset=8 * count, count=count)
        # Oldest first, so that what does not fit is the oldest.
        for index in np.argsort(times, kind="stable").tolist():
            self._put(int(hashes[index]), int(times[index]))
        self.kept_utc_ns = int(times.max()) * NS_PER_S if count else 0
        return True


def _hash(context: str, data: bytes) -> int:
    digest = hashlib.blake2b(data, digest_size=8, key=context.encode()[:64]).digest()
    return int.from_bytes(digest, "little") or 1
