"""A downlink that never pauses: frame behind frame, symbol behind symbol, phase behind phase.

The signal is made in pieces, each modulated with some of its neighbours' bits on either side and cut where its own
begin and end, so that pulses run on; each is turned to the phase in which the one before ended, carrier, phase
noise and all. A frame is begun when the one before ends; nothing fills in between but what the framing itself
sends. Pure: frames, times and chance are arguments. Audio tones keep no phase from piece to piece: AFSK is sent in
bursts.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.simulator.air import Burst
from agent.simulator.bursts import carried, modulated
from agent.simulator.carrier import Carrier
from agent.simulator.modulators import Waveform
from agent.simulator.satellite_model import channel_bits
from agent.simulator.scenario import Transmission

GUARD_BITS: Final = 48
"""Bits of the neighbours on either side: more than the longest pulse reaches."""


class ContinuousSignal:
    """The signal of one transmitter. ``next_s`` is when the next piece begins."""

    def __init__(self, transmission: Transmission, begin_s: float, chance: np.random.Generator) -> None:
        self.next_s = begin_s
        self._transmission = transmission
        self._chance = chance
        self._waiting: NDArray[np.uint8] | None = None
        self._before = chance.integers(0, 2, GUARD_BITS, np.uint8)
        self._tail: NDArray[np.complex64] | None = None
        self._phase_rad = float(chance.uniform(0, 2 * math.pi))

    def silence(self, until_s: float) -> None:
        """Go on at a later time, as after a night below the horizon."""
        self.next_s = until_s
        self._tail = None

    def send(self, frame: bytes, motion: Carrier) -> Burst | None:
        """Take the next frame; returns the piece before it, whose end it settles (``None`` for the first)."""
        framing = self._transmission.downlink.framing
        bits = channel_bits(framing.protocol, framing.options, frame)
        if len(bits) % 2:
            bits = np.append(bits, np.uint8(0))  # a symbol may hold two
        own, self._waiting = self._waiting, bits
        if own is None:
            return None
        waveform = self._piece(own, behind=np.resize(bits, GUARD_BITS))
        burst = carried(self._transmission, waveform, self.next_s, motion, self._phase_rad, self._chance)
        self._go_on(burst, waveform)
        return burst

    def _piece(self, own: NDArray[np.uint8], behind: NDArray[np.uint8]) -> Waveform:
        """Modulate bits among their neighbours and cut out what is theirs, and a point more to read towards."""
        whole = modulated(self._transmission, np.concatenate([self._before, own, behind]))
        points = round(whole.rate_hz / whole.baudrate_bd)
        first = GUARD_BITS * points
        envelope = whole.envelope[first : first + len(own) * points + 1]
        if self._tail is not None:
            # The same bits stand at the end of the piece before: they tell by how much this one is turned.
            seen = whole.envelope[first - len(self._tail) : first]
            turn = np.vdot(seen, self._tail)
            if abs(turn) > 0:
                envelope = (envelope * (turn / abs(turn))).astype(np.complex64)
        self._tail = envelope[: len(own) * points][-8 * points :]
        self._before = np.concatenate([self._before, own])[-GUARD_BITS:]
        return Waveform(envelope, whole.rate_hz, whole.baudrate_bd)

    def _go_on(self, burst: Burst, clean: Waveform) -> None:
        """Say where and in which phase the next piece begins."""
        long_s = (len(clean.envelope) - 1) / clean.rate_hz / (1 + burst.clock_ppm * 1e-6)
        turns = burst.carrier_hz * long_s + 0.5 * burst.drift_hz_s * long_s**2
        wandered_rad = float(np.angle(burst.waveform.envelope[-2] * np.conj(clean.envelope[-2])))
        self._phase_rad = (burst.phase_rad + 2 * math.pi * math.fmod(turns, 1.0) + wandered_rad) % (2 * math.pi)
        self.next_s = burst.begin_s + long_s
