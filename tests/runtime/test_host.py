"""What the machine says of itself, and the memory that it gets back."""

from __future__ import annotations

import platform

import pytest

from agent.runtime import host


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is glibc's")
def test_memory_freed_between_what_stays_goes_back_to_the_kernel() -> None:
    pieces = [bytes(8192) for _ in range(8192)]  # 64 MiB, of which every hundredth stays and holds the heap up
    kept = pieces[::100]
    full_mb = host.resident_mb()
    del pieces
    host.give_memory_back()
    left_mb = host.resident_mb()
    assert full_mb is not None
    assert left_mb is not None
    assert full_mb - left_mb > 40
    assert sum(map(len, kept)) == 82 * 8192
