"""One frame of one transmitter as the burst that reaches the antenna: framed, modulated, worn on its way.

Pure: the time, the frame and the chance are arguments.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agent.simulator.air import Burst
from agent.simulator.carrier import Carrier
from agent.simulator.modulators import Waveform, modulate, transmit_options
from agent.simulator.satellite_model import channel_bits
from agent.simulator.scenario import Transmission, Transmitter


def make_burst(
    transmission: Transmission, frame: bytes, begin_s: float, motion: Carrier, chance: np.random.Generator
) -> Burst:
    """Make the burst that carries ``frame`` from ``begin_s`` on, its carrier shifted by the satellite's motion."""
    framing = transmission.downlink.framing
    bits = channel_bits(framing.protocol, framing.options, frame)
    phase_rad = chance.uniform(0, 2 * math.pi)
    return carried(transmission, modulated(transmission, bits), begin_s, motion, phase_rad, chance)


def modulated(transmission: Transmission, bits: NDArray[np.uint8]) -> Waveform:
    """Return the transmitter's signal of channel bits."""
    downlink = transmission.downlink
    options = transmit_options(
        downlink.modulation, downlink.modulation_options, transmission.table.modulation_options
    )
    return modulate(downlink.modulation, bits, downlink.baudrate_bd, options)


def carried(
    transmission: Transmission,
    waveform: Waveform,
    begin_s: float,
    motion: Carrier,
    phase_rad: float,
    chance: np.random.Generator,
) -> Burst:
    """Put a waveform on the transmitter's carrier as it arrives: oscillator, motion, path and antenna."""
    table = transmission.table
    turn = 2 * math.pi * begin_s / table.doppler_period_s
    oscillator_hz = table.frequency_offset_hz + table.oscillator_drift_hz_s * begin_s
    return Burst(
        worn(waveform, table, begin_s, chance),
        begin_s,
        transmission.downlink.frequency_hz + motion.shift_hz + oscillator_hz + table.doppler_hz * math.cos(turn),
        table.ebn0_db + motion.level_db,
        drift_hz_s=motion.drift_hz_s
        + table.oscillator_drift_hz_s
        - table.doppler_hz * math.sin(turn) * 2 * math.pi / table.doppler_period_s,
        clock_ppm=table.clock_ppm,
        phase_rad=phase_rad,
    )


def worn(waveform: Waveform, table: Transmitter, begin_s: float, chance: np.random.Generator) -> Waveform:
    """Return the waveform with the oscillator's phase noise and the fading of a tumbling antenna.

    Phase noise is a random walk, the spectrum a Lorentzian of full width ``linewidth_hz``: the variance grows by
    ``2 pi linewidth_hz`` a second. Source: L. Tomba, IEEE Trans. Commun. 46 (1998), eq. 2.
    """
    if not table.linewidth_hz and not table.fading_db:
        return waveform
    envelope = waveform.envelope
    if table.linewidth_hz:
        step_rad = math.sqrt(2 * math.pi * table.linewidth_hz / waveform.rate_hz)
        walk_rad = np.cumsum(step_rad * chance.standard_normal(len(envelope)))
        envelope = (envelope * np.exp(1j * walk_rad)).astype(np.complex64)
    if table.fading_db:
        times_s = begin_s + np.arange(len(envelope)) / waveform.rate_hz
        down_db = table.fading_db * 0.5 * (1 - np.cos(2 * np.pi * times_s / table.fading_period_s))
        envelope = (envelope * 10 ** (-down_db / 20)).astype(np.complex64)
    return Waveform(envelope, waveform.rate_hz, waveform.baudrate_bd)
